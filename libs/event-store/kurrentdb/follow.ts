import { setTimeout as sleep } from 'node:timers/promises';
import type { AllStreamSubscription, KurrentDBClient, Position } from '@kurrent/kurrentdb-client';
import { type CaughtUp, type EventFilter, type EventStore, passes, type RecordedEvent } from '../port.js';
import { isPassing } from '../postgres/connections.js';
import { Waiters } from '../waiters.js';
import { serverFilter } from './filters.js';
import { isNotLeader, isSilence } from './kurrent-errors.js';
import { recorded } from './recorded.js';

/** Without word from the subscription for so long the store itself is asked how far it is; ever less often. */
const QUIET_MS = 250;
const QUIET_MS_MAX = 4_000;
const BACK_OFF_MS = [20, 100, 500, 2_000] as const;
/** How long a checkpoint waits at most before it looks again whether the events ahead of it have been handed out. */
const HELD_MS = 50;
/** Events that wait to be taken; the subscription stands still above. */
const WAITING_MAX = 1_000;

/**
 * Follows `$all`: reads what is there, then subscribes behind it with the filter applied by the server, which also tells
 * the position of what it passes over (a checkpoint after every event considered). After a disconnect, a change of the
 * leader or a lost checkpoint it reads and subscribes anew behind the last event taken: never skips, never repeats.
 */
export async function* followAll(
  store: EventStore,
  client: () => KurrentDBClient,
  after: bigint,
  { filter, signal }: { readonly filter: EventFilter; readonly signal: AbortSignal },
): AsyncIterable<RecordedEvent | CaughtUp> {
  let last = after;
  let said: bigint | undefined;
  let failures = 0;
  while (!signal.aborted) {
    let live: Live | undefined;
    try {
      // 1. What is there
      const head = await store.head();
      for await (const event of store.readAll(last, filter)) {
        if (signal.aborted) return;
        last = event.position;
        yield event;
      }
      if (head > last) last = head;
      if (signal.aborted) return;
      if (said !== last) yield { caughtUp: last };
      said = last;
      // 2. What comes
      live = new Live(client(), last, filter, signal);
      for (let quietMs = QUIET_MS; ; ) {
        const item = await live.next(quietMs);
        if (signal.aborted) return;
        if (item === 'lost') break;
        if (item === 'quiet') {
          if ((await store.head()) > last) break; // something was passed over without a word: look for oneself
          quietMs = Math.min(2 * quietMs, QUIET_MS_MAX);
          continue;
        }
        failures = 0;
        quietMs = QUIET_MS;
        if ('caughtUp' in item) {
          if (item.caughtUp > last) last = item.caughtUp;
        } else if (item.position > last) {
          last = item.position;
          if (passes(item, filter)) yield item;
        }
        if (!live.empty || said === last) continue;
        said = last;
        yield { caughtUp: last };
      }
    } catch (error) {
      if (!isPassing(error) && !isSilence(error) && !isNotLeader(error)) throw error;
    } finally {
      await live?.close();
    }
    if (signal.aborted) return;
    await sleep(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)], undefined, { signal }).catch(() => {});
    failures += 1;
  }
}

/** A subscription that has caught up, and what has come by it. */
class Live {
  readonly #waiting: (RecordedEvent | CaughtUp)[] = [];
  readonly #arrived = new Waiters();
  readonly #handedOut = new Waiters();
  readonly #subscription: AllStreamSubscription;
  #failure: unknown;
  #lost = false;

  constructor(
    client: KurrentDBClient,
    after: bigint,
    filter: EventFilter,
    private readonly signal: AbortSignal,
  ) {
    this.#subscription = client.subscribeToAll({
      fromPosition: after === 0n ? 'start' : { commit: after, prepare: after },
      filter: {
        ...serverFilter(filter),
        maxSearchWindow: 1,
        checkpointInterval: 1,
        checkpointReached: (subscription: AllStreamSubscription, { commit }: Position) =>
          this.#passed(subscription, commit),
      },
    });
    this.#subscription.on('data', (resolved) => {
      this.#handedOut.wake();
      try {
        this.#take(recorded(resolved));
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#subscription.on('error', (error) => this.#fail(error));
    this.#subscription.on('end', () => this.#fail(undefined));
    this.#subscription.on('close', () => this.#fail(undefined));
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @throws what is wrong with an event that came */
  async next(quietMs: number): Promise<RecordedEvent | CaughtUp | 'quiet' | 'lost'> {
    if (this.#waiting.length === 0 && !this.#lost) await this.#arrived.wait(this.signal, quietMs);
    const item = this.#waiting.shift();
    if (this.#waiting.length < WAITING_MAX / 2) this.#subscription.resume();
    if (item !== undefined) return item;
    if (!this.#lost) return 'quiet';
    if (this.#failure !== undefined && !isSilence(this.#failure) && !isNotLeader(this.#failure)) throw this.#failure;
    return 'lost';
  }

  async close(): Promise<void> {
    this.#lost = true;
    this.#handedOut.wake();
    this.#subscription.on('error', () => {});
    await this.#subscription.unsubscribe().catch(() => {});
  }

  /**
   * The client calls this when a checkpoint comes in, which may be before it has handed out the events ahead of it: it
   * takes in nothing more until this is done, so what it still holds is waited for.
   */
  async #passed(subscription: AllStreamSubscription, position: bigint): Promise<void> {
    while (subscription.readableLength > 0 && !this.#lost) await this.#handedOut.wait(this.signal, HELD_MS);
    if (!this.#lost) this.#take({ caughtUp: position }); // lost, the client may still hold events ahead of it
  }

  #take(item: RecordedEvent | CaughtUp): void {
    const before = this.#waiting.at(-1);
    // Only the newest checkpoint counts.
    if ('caughtUp' in item && before !== undefined && 'caughtUp' in before) this.#waiting.pop();
    this.#waiting.push(item);
    if (this.#waiting.length >= WAITING_MAX) this.#subscription.pause();
    this.#arrived.wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#lost = true;
    this.#arrived.wake();
    this.#handedOut.wake();
  }
}
