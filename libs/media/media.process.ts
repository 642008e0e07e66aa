import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EventStore, type RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { Playbacks } from './playback.js';
import { PlaybackMarks } from './playback-marks.js';
import type { Source } from './ports.js';
import { Recorders } from './recorders.js';

/** What other services' events say that the gateway acts on. */
interface Told extends RecordedEvent {
  readonly data: Source & { readonly cameraId: string };
}

const CONNECTION_TYPES = ['ConnectionOpened', 'ConnectionSuspended', 'ConnectionClosed'];
const ENDING_TYPES = ['GrantRevoked', 'RetrievalSessionClosed', 'PersonDeactivated', 'ApiClientDeactivated'];
const RETRY_MS = 1_000;

/**
 * Follows the store: what was granted ends the moment its end is on record, what is connected is recorded. Positions
 * are not stored: playbacks live no longer than the process, and open connections are found by reading from the start.
 */
@Injectable()
export class MediaProcess implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger(MediaProcess.name);
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(Playbacks) private readonly playbacks: Playbacks,
    @Inject(PlaybackMarks) private readonly marks: PlaybackMarks,
    @Inject(Recorders) private readonly recorders: Recorders,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const head = await this.store.head();
    const open = new Map<string, Source>();
    for await (const event of this.store.readAll(0n, { categories: ['connection'], types: CONNECTION_TYPES })) {
      const { type, data } = event as Told;
      if (type === 'ConnectionOpened') open.set(data.cameraId, sourceOf(data));
      else open.delete(data.cameraId);
    }
    for (const [cameraId, source] of open) void this.recorders.start(cameraId, source);
    this.playbacks.adopt(await this.marks.left());
    this.playbacks.watch();
    this.#following = this.#follow(head);
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    await Promise.all([this.playbacks.close(), this.recorders.stopAll()]);
  }

  async #follow(after: bigint): Promise<void> {
    const { signal } = this.#stopping;
    const filter = { types: [...ENDING_TYPES, ...CONNECTION_TYPES] };
    let position = after;
    while (!signal.aborted) {
      try {
        for await (const item of this.store.follow(position, { filter, signal })) {
          if ('caughtUp' in item) position = item.caughtUp;
          else {
            this.#hear(item as Told);
            position = item.position;
          }
        }
      } catch (error) {
        // Without the follower the re-check of running playbacks still ends what is over.
        this.#log.warn(`following the event store: ${String(error)}`);
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #hear({ type, stream, data }: Told): void {
    const id = entityOf(stream);
    switch (type) {
      case 'GrantRevoked':
        this.playbacks.revoke(({ gid }) => gid === id);
        return;
      case 'RetrievalSessionClosed':
        this.playbacks.revoke(({ sid }) => sid === id);
        return;
      case 'PersonDeactivated':
      case 'ApiClientDeactivated':
        this.playbacks.revoke(({ sub }) => sub === id);
        return;
      case 'ConnectionOpened':
        void this.recorders.start(data.cameraId, sourceOf(data));
        return;
      case 'ConnectionSuspended':
      case 'ConnectionClosed':
        this.playbacks.revoke(({ mode, cam }) => mode === 'live' && cam === data.cameraId);
        void this.recorders.stop(data.cameraId);
    }
  }
}

function sourceOf({ protocol, address, credentialRef }: Source): Source {
  return { protocol, address, ...(credentialRef === undefined ? {} : { credentialRef }) };
}
