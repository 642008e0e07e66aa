import { setTimeout as sleep } from 'node:timers/promises';
import { readPlaylist } from '../../scenarios/player.js';
import type { World } from './world.js';

const EVERY_MS = 200;

/** A machine that plays a live feed all the time, asks anew when its playback has ended, and notes what it got when. */
export class LivePlayer {
  /** By playback: wall clock of the first bytes, ms. */
  readonly firstBytes = new Map<string, number>();
  /** When bytes came, monotonic clock, ms. */
  readonly #bytesAt: number[] = [];
  readonly #running: Promise<void>;
  #going = true;

  constructor(private readonly world: World) {
    this.#running = this.#play();
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#running;
  }

  /** When bytes came for the first time after a moment; infinite when none did. */
  firstBytesAfter(at: number): number {
    return this.#bytesAt.find((each) => each > at) ?? Number.POSITIVE_INFINITY;
  }

  /** A ticket that nobody has used yet. @throws Error when none is given out */
  async ticket(): Promise<{ readonly id: string; readonly url: URL }> {
    const { cast, liveGrantId, registered, url } = this.world;
    const ask = { grantId: liveGrantId, cameraId: registered.cameraId, mode: 'live' };
    const { status, body } = await cast.client.post('/api/v1/playbacks', ask);
    if (status !== 201) throw new Error(`no ticket: ${status} ${String(body.code)}`);
    return { id: String(body.id), url: new URL(String(body.url), url) };
  }

  async #play(): Promise<void> {
    for (let playing: { id: string; url: URL } | undefined; this.#going; await sleep(EVERY_MS)) {
      try {
        playing ??= await this.ticket();
        const playlist = await readPlaylist(playing.url);
        if (playlist.status !== 200 && playlist.status !== 503) playing = undefined; // over: another one is asked for
        if (playing === undefined || playlist.status !== 200) continue;
        const response = await fetch(playlist.segments.at(-1)!.url);
        if (!response.ok || (await response.arrayBuffer()).byteLength === 0) continue;
        this.#bytesAt.push(performance.now());
        if (!this.firstBytes.has(playing.id)) this.firstBytes.set(playing.id, Date.now());
      } catch {
        // no ticket, or torn down in mid-answer
      }
    }
  }
}
