import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isId, Refusal } from '#libs/kernel';
import type { AccessPort, TimeRange } from './ports.js';
import type { TicketClaims } from './ticket.js';

type Told = Pick<AccessPort, 'start' | 'recheck' | 'stopped'>;

/**
 * Remembers on disk which playbacks have begun and not been reported as ended, one empty file each, so that a gateway
 * that was killed reports them when it is back: every start on record gets its stop.
 */
export class PlaybackMarks implements Told {
  constructor(
    private readonly folder: string,
    private readonly access: Told,
  ) {}

  async start(playbackId: string, ticket: TicketClaims): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(this.#path(playbackId), '');
    await this.#settled(playbackId, () => this.access.start(playbackId, ticket), false);
  }

  recheck(playbackIds: readonly string[]): Promise<{ readonly stillAllowed: readonly string[] }> {
    return this.access.recheck(playbackIds);
  }

  stopped(playbackId: string, reason: string, ranges: readonly TimeRange[]): Promise<void> {
    return this.#settled(playbackId, () => this.access.stopped(playbackId, reason, ranges), true);
  }

  /** Playbacks that an earlier process left behind. */
  async left(): Promise<readonly string[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names.filter(isId);
  }

  /** A refusal is final and leaves nothing to report; no answer may still have been a start. */
  async #settled(playbackId: string, ask: () => Promise<void>, over: boolean): Promise<void> {
    try {
      await ask();
      if (over) await rm(this.#path(playbackId), { force: true });
    } catch (error) {
      if (error instanceof Refusal && error.kind !== 'unavailable') await rm(this.#path(playbackId), { force: true });
      throw error;
    }
  }

  #path(playbackId: string): string {
    if (!isId(playbackId)) throw new TypeError('a playback id is a UUID');
    return join(this.folder, playbackId);
  }
}
