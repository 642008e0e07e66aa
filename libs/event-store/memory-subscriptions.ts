import type { EventStore, RecordedEvent } from './port.js';
import type { ParkedEvent, RunningSubscription, Subscription } from './subscription.js';
import { Subscriptions } from './subscription.js';
import { type HeldPosition, type Positions, RETRY_DELAYS_MS, SubscriptionRunner } from './subscription-runner.js';
import { Waiters } from './waiters.js';

/** Subscriptions whose positions live in the memory of one process: for tests and trials. */
export class MemorySubscriptions extends Subscriptions {
  readonly #positions = new MemoryPositions();
  readonly #running = new Map<string, SubscriptionRunner>();

  constructor(
    readonly store: EventStore,
    readonly retryDelaysMs: readonly number[] = RETRY_DELAYS_MS,
  ) {
    super();
  }

  async start(subscription: Subscription): Promise<RunningSubscription> {
    const runner = new SubscriptionRunner(subscription, this.store, this.#positions, this.retryDelaysMs);
    this.#running.set(subscription.name, runner);
    await runner.start();
    return runner;
  }

  parked(subscription: string): Promise<readonly ParkedEvent[]> {
    return this.#positions.parked(subscription);
  }

  async replayParked(subscription: string): Promise<{ replayed: number; stillParked: number }> {
    const runner = this.#running.get(subscription);
    if (!runner) throw new Error(`subscription ${subscription} is not running in this process`);
    return runner.replayParked();
  }
}

class MemoryPositions implements Positions {
  readonly #stored = new Map<string, bigint>();
  readonly #held = new Set<string>();
  readonly #parked = new Map<string, Map<bigint, ParkedEvent>>();
  readonly #released = new Waiters();

  async hold(name: string, from: bigint, signal: AbortSignal): Promise<HeldPosition> {
    while (this.#held.has(name)) {
      await this.#released.wait(signal);
      signal.throwIfAborted();
    }
    this.#held.add(name);
    const parked = this.#parked.get(name) ?? new Map<bigint, ParkedEvent>();
    this.#parked.set(name, parked);
    const stored = this.#stored;
    if (!stored.has(name)) stored.set(name, from);
    return {
      get position() {
        return stored.get(name)!;
      },
      advance: async (position) => void stored.set(name, position),
      beat: async () => {},
      park: async (event: RecordedEvent, error, attempts) => {
        const { id: eventId, position } = event;
        const parkedAt = new Date().toISOString();
        parked.set(position, { subscription: name, position, eventId, error, attempts, parkedAt });
      },
      unpark: async (position) => void parked.delete(position),
      release: async () => {
        this.#held.delete(name);
        this.#released.wake();
      },
    };
  }

  async parked(...names: readonly string[]): Promise<readonly ParkedEvent[]> {
    const events = names.flatMap((name) => [...(this.#parked.get(name)?.values() ?? [])]);
    return events.toSorted((a, b) => (a.position < b.position ? -1 : 1));
  }

  isLost(): boolean {
    return false;
  }
}
