import { createHash } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { type CommandOutcome, EventStore } from '#libs/event-store';
import { fold, Refusal, type RequestContext, streamName } from '#libs/kernel';
import { Commands, platformRefusals } from '#libs/platform';
import { KeyRing, type SigningKey } from '#libs/vault';
import { type ClipState, clipStream, type GrantOfClip } from './clip.decider.js';
import type { ClipEvent, ClipExported } from './clip.events.js';
import { type BuiltClip, buildClip } from './export.js';
import { signManifest } from './manifest.js';
import { mediaRefusals } from './media.refusals.js';
import { AccessPort, type ExportAsk, type ExportAuthorisation } from './ports.js';
import { requireSealedOriginals } from './sealed-originals.js';
import { SegmentIndex } from './segment-index.js';

const EXPORTS_AT_ONCE = 2;

/** A wish to export; `from` (inclusive) and `to` (exclusive) as ISO 8601. */
export interface ClipAsk {
  readonly sessionId: string;
  readonly cameraId: string;
  readonly from: string;
  readonly to: string;
}

/** Folder of the clips, injected by the module. */
export const CLIPS_FOLDER = Symbol('folder of clips');

/** Makes clips and hands them out. */
@Injectable()
export class Clips {
  #running = 0;

  constructor(
    @Inject(CLIPS_FOLDER) private readonly folder: string,
    @Inject(KeyRing) private readonly keys: KeyRing,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(Commands) private readonly commands: Commands,
    @Inject(AccessPort) private readonly access: AccessPort,
    @Inject(SegmentIndex) private readonly index: SegmentIndex,
  ) {}

  /** The key that signs manifests. */
  get key(): SigningKey {
    return this.keys.signingKey('clips');
  }

  /**
   * Decides, makes the clip and its manifest, and records that it was made. Repeated under the same Idempotency-Key it
   * answers what it did.
   * @throws Refusal of the decision service or of `buildClip`; `media.too-many-exports`
   */
  async export(ask: ClipAsk, context: RequestContext): Promise<CommandOutcome<ClipState, ClipEvent>> {
    const clipId = context.newId();
    const made = await this.#state(clipId);
    if (made.status === 'exported') return this.#record(clipId, made.clip, context);
    if (this.#running >= EXPORTS_AT_ONCE) {
      throw mediaRefusals['media.too-many-exports'](`${EXPORTS_AT_ONCE} at a time`);
    }
    this.#running += 1;
    try {
      const wanted: ExportAsk = { ...ask, clipId, grantId: await this.#grantOf(ask.sessionId) };
      const authorisation = await this.access.authoriseExport(wanted, context);
      return await this.#make(wanted, authorisation, context);
    } finally {
      this.#running -= 1;
    }
  }

  /**
   * Path of a clip or its manifest, for the people whom its grant names while it is in force; on record before it is
   * handed out (Art. 17(4)).
   * @throws Refusal `media.no-such-clip`
   */
  async fetch(clipId: string, part: 'clip' | 'manifest', context: RequestContext): Promise<string> {
    const state = await this.#state(clipId);
    const grant = state.status === 'exported' ? await this.#grant(state.clip.grantId) : undefined;
    const { at, principal } = context;
    const command = { type: 'FetchClip', part, personId: principal.id, at, grant } as const;
    await this.commands.run(clipStream, clipId, command, context);
    const { mp4, manifest } = this.#paths(clipId);
    return part === 'clip' ? mp4 : manifest;
  }

  async #make(
    { clipId, cameraId, from, to, grantId, sessionId }: ExportAsk,
    authorisation: ExportAuthorisation,
    context: RequestContext,
  ): Promise<CommandOutcome<ClipState, ClipEvent>> {
    const { mp4, manifest } = this.#paths(clipId);
    const range = { cameraId, from: Date.parse(from), to: Date.parse(to) };
    await requireSealedOriginals(this.store, this.index, range);
    const built = await buildClip(this.index, range, mp4);
    try {
      const signed = this.#sign({ clipId, cameraId, from, to, grantId, sessionId }, authorisation, built, context);
      await writeDurably(manifest, signed);
      const clip = {
        grantId,
        ...(sessionId === undefined ? {} : { sessionId }),
        requestId: authorisation.requestId,
        organisationId: authorisation.organisationId,
        cameraId,
        from,
        to,
        segments: built.segments.length,
        bytes: built.bytes,
        sha256: built.sha256,
        manifestSha256: createHash('sha256').update(signed).digest('hex'),
        destination: authorisation.destination,
      };
      return await this.#record(clipId, clip, context);
    } catch (error) {
      // When the outcome is unknown the record may stand, and then the clip must be there.
      if (error instanceof Refusal && error.kind !== 'unavailable') {
        await Promise.all([mp4, manifest].map((path) => rm(path, { force: true })));
      }
      throw error;
    }
  }

  #sign(
    ask: ExportAsk,
    { requestId, basis, purpose, destination, gbDeviceId, caseNumber }: ExportAuthorisation,
    { sha256, init, segments }: BuiltClip,
    { actor, at }: RequestContext,
  ): Buffer {
    const { kind, id, organisationId } = actor;
    const predicate = {
      camera: { id: ask.cameraId, ...(gbDeviceId === undefined ? {} : { gbId: gbDeviceId }) },
      range: { from: ask.from, to: ask.to },
      init,
      segments: [...segments],
      grant: ask.grantId,
      ...(ask.sessionId === undefined ? {} : { session: ask.sessionId }),
      request: requestId,
      basis,
      ...(caseNumber === undefined ? {} : { caseNumber }),
      purpose,
      exportedBy: { kind, id, ...(organisationId === undefined ? {} : { organisationId }) },
      destination,
      exportedAt: at,
    };
    return signManifest({ name: `${ask.clipId}.mp4`, sha256, predicate }, this.key);
  }

  #record(clipId: string, clip: ClipExported, context: RequestContext) {
    return this.commands.run(clipStream, clipId, { type: 'RecordClip', clip }, context);
  }

  async #state(clipId: string): Promise<ClipState> {
    const history: ClipEvent[] = [];
    for await (const event of this.store.readStream(streamName('clip', clipId))) history.push(event as never);
    return fold(clipStream.decider, history);
  }

  /** The grant of a session, by the event that opened it; whether it allows anything is not decided here. */
  async #grantOf(sessionId: string): Promise<string> {
    for await (const { data } of this.store.readStream(streamName('retrievalSession', sessionId), { limit: 1 })) {
      return (data as { grantId: string }).grantId;
    }
    throw platformRefusals['platform.not-found']('no such retrieval session');
  }

  async #grant(grantId: string): Promise<GrantOfClip | undefined> {
    let grant: GrantOfClip | undefined;
    for await (const { type, data } of this.store.readStream(streamName('grant', grantId))) {
      if (type === 'GrantIssued') grant = { ...(data as Omit<GrantOfClip, 'revoked'>), revoked: false };
      else if (type === 'GrantRevoked' && grant !== undefined) grant = { ...grant, revoked: true };
    }
    return grant;
  }

  #paths(clipId: string) {
    return { mp4: join(this.folder, `${clipId}.mp4`), manifest: join(this.folder, `${clipId}.dsse.json`) };
  }
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const unfinished = `${path}.part`;
  await writeFile(unfinished, bytes, { mode: 0o600, flush: true });
  await rename(unfinished, path);
}
