import type { JsonWebKey } from 'node:crypto';
import type { RequestContext, RuleId } from '#libs/kernel';
import type { TicketClaims } from './ticket.js';

/** How a stream is fetched. */
export type SourceProtocol = 'rtsp' | 'rtmp' | 'http' | 'file';

/** Where a stream is to be had; credentials stand apart, in the secret store. */
export interface Source {
  readonly protocol: SourceProtocol;
  /** URL without credentials; for `file` the plain name of a file in the configured folder. */
  readonly address: string;
  /** Reference into the secret store: `{ username, password }`. */
  readonly credentialRef?: string | undefined;
}

/** What a probe has found; `failure` is a short code such as `unreachable` or `media.address-not-allowed`. */
export type ProbeResult =
  | {
      readonly passed: true;
      /** ffmpeg's name of the codec: `h264`, `hevc`. */
      readonly codec: string;
      readonly width: number;
      readonly height: number;
      readonly frameRate: number;
    }
  | { readonly passed: false; readonly failure: string };

/** What the media gateway does for other services. */
export abstract class MediaPort {
  /**
   * Whether the gateway may fetch from a source at all; connects to nothing.
   * @throws Refusal `media.address-malformed`, `media.address-not-allowed`, `media.address-unknown`
   */
  abstract check(source: Source): Promise<void>;

  /** Connects to a source and looks at its first frames; answers within 10 s, also when the source hangs. */
  abstract probe(source: Source): Promise<ProbeResult>;
}

/** Part of a recording, ISO 8601 UTC; `to` is excluded. */
export interface TimeRange {
  readonly from: string;
  readonly to: string;
}

/** A wish to export recordings of one camera. */
export interface ExportAsk extends TimeRange {
  /** Id of the clip to be, also of the decision about it. */
  readonly clipId: string;
  readonly grantId: string;
  readonly sessionId?: string | undefined;
  readonly cameraId: string;
}

/** What a lawful export rests on; stands in the clip's manifest. Ids only, no personal data. */
export interface ExportAuthorisation {
  readonly requestId: string;
  readonly organisationId: string;
  /** Rule that the grant rests on. */
  readonly basis: RuleId;
  readonly purpose: string;
  readonly caseNumber?: string | undefined;
  /** Where the material goes, from the register entry (Art. 17(4)). */
  readonly destination: string;
  /** Twenty-digit GB/T 28181 id of the camera, where it has one. */
  readonly gbDeviceId?: string | undefined;
}

/**
 * What the media gateway asks of the access service.
 *
 * Implementers MUST have stored the decision durably before `start` or `authoriseExport` resolves, MUST make `recheck`
 * a real round trip to the deciding facts and the event store, and MUST reject when the event store does not answer:
 * no answer is never a yes. All calls MUST settle within 10 s.
 */
export abstract class AccessPort {
  /** Records that the playback begins. Asked before the first byte. @throws Refusal when it may not begin */
  abstract start(playbackId: string, ticket: TicketClaims): Promise<void>;

  /** Which of the running playbacks (at most 500) are still allowed at this moment. */
  abstract recheck(playbackIds: readonly string[]): Promise<{ readonly stillAllowed: readonly string[] }>;

  /**
   * Records that a playback has ended and what was sent.
   * @param reason short code, such as `idle` or `revoked`
   * @param ranges at most 500, in order, not touching
   */
  abstract stopped(playbackId: string, reason: string, ranges: readonly TimeRange[]): Promise<void>;

  /** Public keys that tickets may be signed with (Ed25519, with `kid`). */
  abstract ticketKeys(): Promise<readonly JsonWebKey[]>;

  /** Records the decision that a clip may leave. @throws Refusal when it may not */
  abstract authoriseExport(ask: ExportAsk, context: RequestContext): Promise<ExportAuthorisation>;
}
