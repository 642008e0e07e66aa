import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { EventStore, newEvent } from '#libs/event-store';
import { Clock, type CommandContext, idFromDigest, newId, streamName } from '#libs/kernel';
import { SecretStore } from '#libs/vault';
import type { SourceCredentials } from './authorization.js';
import type { Source } from './ports.js';
import { Recorder } from './recorder.js';
import { type RecordingEvent, recordingEvents } from './recording.events.js';
import { SegmentIndex } from './segment-index.js';
import { SourceGuard } from './source-address.js';

/** One recorder for each camera whose connection is open. */
@Injectable()
export class Recorders {
  readonly #log = new Logger(Recorders.name);
  readonly #running = new Map<string, { readonly source: Source; readonly recorder: Recorder }>();
  /** Starts and stops of one camera take place one after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(SegmentIndex) private readonly index: SegmentIndex,
    @Inject(SourceGuard) private readonly guard: SourceGuard,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Records a camera from now on; another source takes the place of the one before. */
  start(cameraId: string, source: Source): Promise<void> {
    return this.#inTurn(cameraId, async () => {
      const running = this.#running.get(cameraId);
      if (running !== undefined && same(running.source, source)) return;
      await running?.recorder.stop();
      const recorder = this.#recorderOf(cameraId, source);
      this.#running.set(cameraId, { source, recorder });
      await recorder.start();
    });
  }

  stop(cameraId: string): Promise<void> {
    return this.#inTurn(cameraId, async () => {
      const running = this.#running.get(cameraId);
      this.#running.delete(cameraId);
      await running?.recorder.stop();
    });
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((cameraId) => this.stop(cameraId)));
  }

  #inTurn(cameraId: string, act: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(cameraId) ?? Promise.resolve()).then(act).catch((error: unknown) => {
      // One camera's folder that cannot be read stops this camera only.
      this.#log.error(`recording of camera ${cameraId}: ${String(error)}`);
    });
    this.#turns.set(cameraId, turn);
    return turn;
  }

  #recorderOf(cameraId: string, source: Source): Recorder {
    const put = (event: RecordingEvent, key: string) => this.#append(cameraId, event, key);
    return new Recorder({
      cameraId,
      source: () => this.guard.check(source.protocol, source.address),
      credentials: () => credentialsOf(this.secrets, source),
      index: this.index,
      clock: this.clock,
      started: (data) => put({ type: 'RecordingStarted', data }, data.at),
      seal: ({ cameraId: _, ...data }) =>
        put({ type: 'RecordingSealed', data: { ...data, gaps: [...data.gaps] } }, data.minute),
      interrupted: (data) => put({ type: 'SourceInterrupted', data }, data.at),
      restored: (data) => put({ type: 'SourceRestored', data }, data.at),
      log: (message, facts) => this.#log.debug(`${message} ${JSON.stringify(facts)}`),
    });
  }

  /** The id of a fact follows from what it is about, so that a fact that comes twice is on record once. */
  async #append(cameraId: string, event: RecordingEvent, key: string): Promise<void> {
    const stream = streamName(recordingEvents.category, cameraId);
    const at = this.clock.iso();
    const actor = { kind: 'system', id: 'media-gateway' } as const;
    const context: CommandContext = { actor, at, correlationId: newId().replaceAll('-', ''), newId };
    const digest = createHash('sha256').update(`${stream} ${event.type} ${key}`).digest();
    const id = idFromDigest(digest, Date.parse(key));
    // The recorder is the only writer and calls one after the other: the order needs no revision.
    const events = [{ ...newEvent(recordingEvents, event, context), id }];
    await this.store.append([{ stream, expected: 'any', events }]);
  }
}

/** User name and password of a source. @throws Error when the secret store does not answer */
export async function credentialsOf(secrets: SecretStore, source: Source): Promise<SourceCredentials | undefined> {
  if (source.credentialRef === undefined) return undefined;
  const secret = await secrets.get(source.credentialRef);
  return secret && { username: secret.username ?? '', password: secret.password ?? '' };
}

function same(a: Source, b: Source): boolean {
  return a.protocol === b.protocol && a.address === b.address && a.credentialRef === b.credentialRef;
}
