import { continueTrace } from '#libs/tracing';
import type { EventStore, RecordedEvent } from './port.js';
import type { ParkedEvent, RunningSubscription, Subscription } from './subscription.js';
import { Turns } from './turns.js';
import { Progress, Waiters } from './waiters.js';

/** Where a subscription's position and parked events are kept, by the one process that holds it. */
export interface HeldPosition {
  readonly position: bigint;
  /** @throws FencedError when another process has taken over */
  advance(position: bigint): Promise<void>;
  /** Says that the holder lives although its position stands still. @throws FencedError */
  beat(): Promise<void>;
  park(event: RecordedEvent, error: string, attempts: number): Promise<void>;
  unpark(position: bigint): Promise<void>;
  release(): Promise<void>;
}

/** Keeps positions; see {@link SubscriptionRunner}. */
export interface Positions {
  /** Waits until the position is free and takes it. Calls `elsewhere` with what another holder has stored meanwhile. */
  hold(name: string, from: bigint, signal: AbortSignal, elsewhere: (position: bigint) => void): Promise<HeldPosition>;
  parked(...names: readonly string[]): Promise<readonly ParkedEvent[]>;
  /** Whether an error means that the position is no longer ours, or the keeper away: hold it again, then go on. */
  isLost(error: unknown): boolean;
}

/** How often a failing event is tried before it is parked, and how long to wait between. */
export const RETRY_DELAYS_MS: readonly number[] = [50, 250, 1_000, 5_000];

/** While catching up a position is stored so often, live after each event. */
const STORE_EVERY_MS = 50;
const IDLE_STORE_MS = 250;
const HEARTBEAT_MS = 5_000;
const LOST_MS = 250;
const ERROR_LENGTH_MAX = 2_000;

/** Runs one subscription from its stored position until stopped. */
export class SubscriptionRunner implements RunningSubscription {
  readonly #stop = new AbortController();
  readonly #progress = new Progress(0n);
  readonly #turns = new Turns();
  readonly #pause = new Waiters();
  #held: HeldPosition | undefined;
  #storedAt = 0;
  #ended: Promise<void> | undefined;

  constructor(
    readonly subscription: Subscription,
    readonly store: Pick<EventStore, 'head' | 'follow' | 'eventAt'>,
    readonly positions: Positions,
    readonly retryDelaysMs: readonly number[],
  ) {}

  async start(): Promise<void> {
    const from = this.subscription.from === 'start' ? 0n : await this.store.head();
    this.#ended = this.#run(from);
  }

  reached(position: bigint, timeoutMs: number): Promise<void> {
    return this.#progress.reached(position, timeoutMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(from: bigint): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const session = new AbortController();
      const leave = () => session.abort();
      signal.addEventListener('abort', leave, { once: true });
      let ticking: Promise<void> | undefined;
      try {
        const { name } = this.subscription;
        this.#held = await this.positions.hold(name, from, signal, (position) => this.#progress.advance(position));
        this.#progress.advance(this.#held.position);
        ticking = this.#tick(session);
        await this.#consume(this.#held, session.signal);
        await this.#turns.take(() => this.#store());
        await this.#held.release();
      } catch (error) {
        if (!this.positions.isLost(error) && !signal.aborted) throw error;
        await this.#pause.wait(signal, LOST_MS);
      } finally {
        session.abort();
        await ticking;
        this.#held = undefined;
        signal.removeEventListener('abort', leave);
      }
    }
  }

  async #consume(held: HeldPosition, signal: AbortSignal): Promise<void> {
    const { filter } = this.subscription;
    for await (const item of this.store.follow(held.position, { ...(filter && { filter }), signal })) {
      if ('caughtUp' in item) {
        this.#progress.advance(item.caughtUp);
      } else {
        const digested = await this.#turns.take(() => this.#digest(held, item, signal));
        if (!digested) return;
        this.#progress.advance(item.position);
      }
      if (Date.now() - this.#storedAt > STORE_EVERY_MS) await this.#turns.take(() => this.#store());
    }
  }

  /** Handles an event, or parks it after the last attempt; false when an abort between attempts left it undigested. */
  async #digest(held: HeldPosition, event: RecordedEvent, signal: AbortSignal): Promise<boolean> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        await this.#handle(event);
        return true;
      } catch (error) {
        const delay = this.retryDelaysMs[attempts - 1];
        if (delay === undefined) {
          await held.park(event, textOf(error), attempts);
          return true;
        }
        await this.#pause.wait(signal, delay);
        if (signal.aborted) return false;
      }
    }
  }

  /** What the handler does belongs to the trace in which the event was appended. */
  #handle(event: RecordedEvent): Promise<void> {
    const attributes = { 'mingjing.subscription': this.subscription.name, 'mingjing.event': event.type };
    return continueTrace(event.metadata.traceparent, 'handle event', () => this.subscription.handle(event), attributes);
  }

  async #store(): Promise<void> {
    const held = this.#held;
    if (!held || this.#progress.position <= held.position) return;
    await held.advance(this.#progress.position);
    this.#storedAt = Date.now();
  }

  /** Stores what a filter passed over, and says now and then that this holder lives. */
  async #tick(session: AbortController): Promise<void> {
    let beatAt = Date.now();
    while (!session.signal.aborted) {
      await this.#pause.wait(session.signal, IDLE_STORE_MS);
      if (session.signal.aborted) return;
      try {
        if (Date.now() - beatAt > HEARTBEAT_MS) {
          await this.#held?.beat();
          beatAt = Date.now();
        }
        if (!this.#turns.busy) await this.#turns.take(() => this.#store());
      } catch (error) {
        if (!this.positions.isLost(error)) throw error;
        session.abort();
      }
    }
  }

  /** @throws Error when the subscription is held by another process */
  async replayParked(): Promise<{ replayed: number; stillParked: number }> {
    return this.#turns.take(async () => {
      const held = this.#held;
      if (!held) throw new Error(`subscription ${this.subscription.name} is not running in this process`);
      const parked = await this.positions.parked(this.subscription.name);
      let replayed = 0;
      for (const { position, attempts } of parked) {
        const event = await eventAt(this.store, position);
        try {
          await this.#handle(event);
          await held.unpark(position);
          replayed += 1;
        } catch (error) {
          await held.park(event, textOf(error), attempts + 1);
        }
      }
      return { replayed, stillParked: parked.length - replayed };
    });
  }
}

/** The event at a position. @throws Error when there is none */
export async function eventAt(store: Pick<EventStore, 'eventAt'>, position: bigint): Promise<RecordedEvent> {
  const event = await store.eventAt(position);
  if (event === undefined) throw new Error(`there is no event at position ${position}`);
  return event;
}

/** What is kept of an error: its text, never the event's data. */
export function textOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, ERROR_LENGTH_MAX);
}
