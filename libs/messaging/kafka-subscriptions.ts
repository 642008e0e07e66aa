import { setTimeout as sleep } from 'node:timers/promises';
import {
  isPassing,
  NotReachedError,
  type ParkedEvent,
  PostgresPositions,
  RETRY_DELAYS_MS,
  type RunningSubscription,
  type Subscription,
  Subscriptions,
} from '#libs/event-store';
import { DeadLetters } from './dead-letters.js';
import { GroupMember, type GroupMemberOptions, rowOf } from './group-member.js';

export interface KafkaSubscriptionsOptions
  extends Pick<GroupMemberOptions, 'broker' | 'layout' | 'topicOf' | 'store' | 'catalogue'> {
  /** Database that keeps positions and parked events, and the relay's position. */
  readonly positionsUrl: string;
  /** `ce_source` of the dead letters. */
  readonly source: string;
  readonly retryDelaysMs?: readonly number[];
  readonly warn?: (sentence: string) => void;
}

const REACHED_POLL_MS = 25;

/**
 * Subscriptions fed by Kafka: the processes that start one of the same name are a consumer group and share its
 * partitions, so that many work at once.
 *
 * Of the contract of {@link Subscriptions} order is narrower here: `handle` is called in order and one at a time for
 * each stream, not for all of them. Each partition has a stored position of its own under a lease with a fencing epoch;
 * the group only says who should take which.
 */
export class KafkaSubscriptions extends Subscriptions {
  readonly #positions: PostgresPositions;
  readonly #members = new Map<string, GroupMember>();

  constructor(private readonly options: KafkaSubscriptionsOptions) {
    super();
    this.#positions = new PostgresPositions(options.positionsUrl);
  }

  async start(subscription: Subscription): Promise<RunningSubscription> {
    const { name, from } = subscription;
    if (!/^[^/]+$/.test(name)) throw new TypeError(`subscription ${name}: the name must hold no slash`);
    if (this.#members.has(name)) throw new Error(`subscription ${name} is running already`);
    const { store, broker, source, retryDelaysMs = RETRY_DELAYS_MS, warn = () => undefined } = this.options;
    await this.#positions.begin(this.#rows(name), from === 'start' ? 0n : await store.head());
    const said = (sentence: string) => warn(`subscription ${name}: ${sentence}`);
    const member = new GroupMember(subscription, {
      ...this.options,
      positions: new DeadLetters(this.#positions, { broker, source, subscription: name, warn: said }),
      storedPositions: this.#positions,
      retryDelaysMs,
      warn: said,
    });
    this.#members.set(name, member);
    member.start();
    return {
      reached: (position, timeoutMs) => this.#reached(name, position, timeoutMs),
      stop: async () => {
        await member.stop();
        this.#members.delete(name);
        if (this.#members.size === 0) await this.#positions.close();
      },
    };
  }

  async parked(subscription: string): Promise<readonly ParkedEvent[]> {
    const events = await this.#positions.parked(...this.#rows(subscription));
    return events.map((event) => ({ ...event, subscription }));
  }

  /** Hands over the parked events of the partitions that are this process's; those of others count as still parked. */
  async replayParked(subscription: string): Promise<{ replayed: number; stillParked: number }> {
    const member = this.#members.get(subscription);
    if (member === undefined) throw new Error(`subscription ${subscription} is not running in this process`);
    const replayed = await member.replayParked();
    return { replayed, stillParked: (await this.parked(subscription)).length };
  }

  /** How far a subscription has come in every partition, in whatever process. */
  async position(subscription: string): Promise<bigint> {
    const stored = await this.#positions.stored(this.#rows(subscription));
    let least: bigint | undefined;
    for (const position of stored.values()) if (least === undefined || position < least) least = position;
    return least ?? 0n;
  }

  /** Stops all subscriptions and lets go of the connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.stop()));
    this.#members.clear();
    await this.#positions.close();
  }

  async #reached(name: string, position: bigint, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (let reached = 0n; ; ) {
      try {
        reached = await this.position(name);
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      if (reached >= position) return;
      if (performance.now() > deadline) throw new NotReachedError(position, reached);
      await sleep(REACHED_POLL_MS);
    }
  }

  #rows(name: string): string[] {
    return this.options.layout.flatMap(({ topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => rowOf(name, { topic, partition })),
    );
  }
}
