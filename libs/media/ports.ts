import type { RequestContext } from '#libs/kernel';

/** Whom a ticket was made out to. */
export interface TicketHolder {
  readonly kind: 'person' | 'client';
  readonly id: string;
}

/** A span of recorded time: from (inclusive) to (exclusive), milliseconds since the Unix epoch. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** Why the gateway ended a playback. */
export const STOP_REASONS = ['revoked', 'expired', 'idle', 'decision-unavailable', 'shutdown'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

/** How a playback ended and what left the gateway by then. */
export interface PlaybackEnd {
  readonly reason: StopReason;
  /** Moment of the end by the gateway's clock, ISO 8601 UTC; earlier than the report when the store was away. */
  readonly at: string;
  /** Footage that was served, merged and in order; empty when nothing was. */
  readonly ranges: readonly TimeRange[];
}

/** A key that signs tickets, as a public JWK (RFC 8037). */
export interface TicketKey {
  readonly kid: string;
  readonly publicJwk: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };
}

/** What the gateway asks before it cuts a clip. */
export interface ExportRequest {
  readonly exportId: string;
  readonly sessionId: string;
  readonly cameraId: string;
  readonly window: TimeRange;
  /** To whom or where the clip goes; part of the record. */
  readonly destination: string;
}

/** What the clip rests on; goes into the signed manifest. */
export interface ExportAuthorisation {
  readonly grantId: string;
  readonly sessionId: string;
  readonly requestId: string;
  readonly caseNumber?: string;
  readonly purpose: string;
  /** GB/T 28181 id of the camera, when it has one. */
  readonly gbId?: string;
}

/**
 * The decision service as the media gateway sees it.
 *
 * Implementers MUST NOT resolve before what the answer rests on is durable in the event store; an unreachable store is
 * a rejection, never a yes. Callers MUST take every rejection as a no.
 */
export abstract class AccessPort {
  /**
   * Records the start of a playback before its first byte. Repeating it for a running playback changes nothing.
   * @throws Refusal when the playback is unknown, ended, not the holder's, or not lawful any more
   */
  abstract start(playbackId: string, holder: TicketHolder): Promise<void>;

  /**
   * Which of these playbacks are lawful now, by the streams themselves: a round trip to the event store.
   * @param playbackIds at most 500
   */
  abstract recheck(playbackIds: readonly string[]): Promise<{ readonly stillAllowed: readonly string[] }>;

  /** Records the end of a playback. Repeating it changes nothing. */
  abstract stopped(playbackId: string, end: PlaybackEnd): Promise<void>;

  /** Keys that may have signed a ticket that is still alive. */
  abstract ticketKeys(): Promise<readonly TicketKey[]>;

  /**
   * Decides on an export and records the decision before it answers.
   * @throws Refusal when the export is not lawful; the denial is recorded
   */
  abstract authoriseExport(request: ExportRequest, context: RequestContext): Promise<ExportAuthorisation>;
}

/** Where a camera's video comes from. */
export interface VideoSource {
  readonly protocol: 'rtsp' | 'rtmp' | 'http' | 'file';
  /** URL or path, without credentials in it. */
  readonly address: string;
  /** Name of the credentials in the vault. */
  readonly credentialRef?: string;
}

/** What a source sends. */
export interface ProbeResult {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Frames a second; 0 when the source does not say. */
  readonly frameRate: number;
}

/** The media gateway as other services see it. */
export abstract class MediaPort {
  /** @throws Refusal when the hub must not pull from this address (protocol, network, folder); opens nothing */
  abstract check(source: VideoSource): Promise<void>;

  /** Opens the source for some seconds and says what it sends. @throws Refusal naming why it cannot be used */
  abstract probe(source: VideoSource): Promise<ProbeResult>;
}
