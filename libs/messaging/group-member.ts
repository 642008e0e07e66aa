import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EventStore,
  inTodaysShape,
  isPassing,
  type Positions,
  type PostgresPositions,
  type RecordedEvent,
  type Subscription,
  SubscriptionRunner,
  Turns,
} from '#libs/event-store';
import type { EventCatalogue } from '#libs/kernel';
import { PartitionFeed } from './partition-feed.js';
import { type Consumption, KafkaFaultError, type MessageBroker, type Partition, type TopicLayout } from './port.js';
import { RELAY } from './relay.js';

export interface GroupMemberOptions {
  readonly broker: MessageBroker;
  /** The topics that together carry the whole log. */
  readonly layout: readonly TopicLayout[];
  /** Topic that an event of ours goes to. */
  readonly topicOf: (event: RecordedEvent) => string;
  readonly store: EventStore;
  /** Brings events that an older program has sent into today's shape; what it does not know is parked. */
  readonly catalogue?: EventCatalogue;
  readonly positions: Positions;
  readonly storedPositions: Pick<PostgresPositions, 'stored'>;
  readonly retryDelaysMs: readonly number[];
  readonly warn: (sentence: string) => void;
}

interface Work extends Partition {
  readonly feed: PartitionFeed;
  readonly runner: SubscriptionRunner;
  committed: bigint | undefined;
}

const RECONNECT_MS = 500;
/** How often it is asked how far the relay has come, and told to the group how far this member has. */
const WATERMARK_MS = 100;
const COMMIT_MS = 1_000;

/** Name under which the position of a partition is stored. */
export function rowOf(subscription: string, partition: Partition): string {
  return `${subscription}/${keyOf(partition)}`;
}

function keyOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}

/** Runs a subscription on the partitions that the consumer group gives to this process. */
export class GroupMember {
  readonly #stop = new AbortController();
  readonly #work = new Map<string, Work>();
  readonly #turns = new Turns();
  #wanted: readonly Partition[] = [];
  #ended: Promise<void> = Promise.resolve();

  constructor(
    private readonly subscription: Subscription,
    private readonly options: GroupMemberOptions,
  ) {}

  start(): void {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** @returns how many events were parked and are no longer */
  async replayParked(): Promise<number> {
    let replayed = 0;
    for (const { runner } of this.#work.values()) replayed += (await runner.replayParked()).replayed;
    return replayed;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let said = '';
    while (!signal.aborted) {
      try {
        await this.#participate(signal);
        said = '';
      } catch (error) {
        const known = error instanceof KafkaFaultError ? error.message : `Kafka is away (${String(error)})`;
        if (!signal.aborted && known !== said) this.options.warn(known);
        said = known;
      }
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Takes part in the group until the connection breaks. */
  async #participate(stopped: AbortSignal): Promise<void> {
    const { broker, layout } = this.options;
    await broker.ensureTopics(layout);
    const session = new AbortController();
    const signal = AbortSignal.any([stopped, session.signal]);
    const joined = Promise.withResolvers<Consumption>();
    joined.promise.catch(() => {});
    const consumption = await broker.consume({
      topics: layout.map(({ topic }) => topic),
      group: `mingjing-${this.subscription.name}`,
      assigned: (partitions) => {
        this.#wanted = partitions;
        void joined.promise
          .then(
            (consumption) => this.#turns.take(() => this.#assign(consumption, signal)),
            () => {},
          )
          .catch((error: unknown) => session.abort(error));
      },
    });
    joined.resolve(consumption);
    const leave = () => void consumption.close();
    signal.addEventListener('abort', leave, { once: true });
    const ticking = this.#tick(consumption, signal).catch((error: unknown) => session.abort(error));
    try {
      for await (const message of consumption) {
        if (signal.aborted) break;
        await this.#turns.take(async () => {}); // an assignment under way
        await this.#work.get(keyOf(message))?.feed.offer(message);
      }
      session.signal.throwIfAborted();
    } finally {
      session.abort();
      await ticking;
      await this.#turns.take(() => this.#leave(consumption));
      signal.removeEventListener('abort', leave);
      await consumption.close();
    }
  }

  /** Lets go of the partitions that went to others, begins with those that came. */
  async #assign(consumption: Consumption, signal: AbortSignal): Promise<void> {
    const wanted = new Map(this.#wanted.map((partition) => [keyOf(partition), partition]));
    const gone = [...this.#work].filter(([key]) => !wanted.has(key));
    await Promise.all(gone.map(([key, work]) => this.#drop(key, work)));
    const fresh = [...wanted.values()].filter((partition) => !this.#work.has(keyOf(partition)));
    if (fresh.length === 0 || signal.aborted) return;
    const [extents, committed] = await Promise.all([consumption.extents(fresh), consumption.committed(fresh)]);
    for (const extent of extents) {
      const { topic, partition } = extent;
      const same = (other: Partition) => other.topic === topic && other.partition === partition;
      await this.#begin(
        new PartitionFeed({
          store: this.options.store,
          belongs: (event) =>
            same({ topic: this.options.topicOf(event), partition: this.#partitionOf(topic, event.stream) }),
          extent,
          committed: committed.find(same),
          warn: this.options.warn,
        }),
        { topic, partition },
      );
    }
  }

  async #begin(feed: PartitionFeed, partition: Partition): Promise<void> {
    const { store, positions, retryDelaysMs, catalogue } = this.options;
    const { handle, ...subscription } = this.subscription;
    const runner = new SubscriptionRunner(
      {
        ...subscription,
        from: 'start', // its position is stored already
        name: rowOf(subscription.name, partition),
        handle: async (event) => this.subscription.handle(catalogue ? inTodaysShape(event, catalogue) : event),
      },
      {
        head: () => store.head(),
        eventAt: (position) => store.eventAt(position),
        follow: (after, options) => feed.follow(after, options),
      },
      positions,
      retryDelaysMs,
    );
    this.#work.set(keyOf(partition), { ...partition, feed, runner, committed: undefined });
    await runner.start();
  }

  async #drop(key: string, { feed, runner }: Work): Promise<void> {
    this.#work.delete(key);
    feed.close();
    await runner.stop();
  }

  async #leave(consumption: Consumption): Promise<void> {
    await this.#commit(consumption).catch(() => {}); // the stored positions are what counts
    await Promise.all([...this.#work].map(([key, work]) => this.#drop(key, work)));
  }

  #partitionOf(topic: string, stream: string): number {
    const { layout, broker } = this.options;
    return broker.partitionOf(stream, layout.find((each) => each.topic === topic)!.partitions);
  }

  /** Tells idle partitions how far the log has been delivered, and the group how far they are. */
  async #tick(consumption: Consumption, signal: AbortSignal): Promise<void> {
    let told = 0n;
    let commitAt = Date.now() + COMMIT_MS;
    while (!signal.aborted) {
      await sleep(WATERMARK_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const delivered = await this.#delivered();
      const work = [...this.#work.values()];
      if (delivered > told || work.some(({ feed }) => feed.told < delivered)) {
        // Asked in this order: everything up to that position stands before these offsets.
        const extents = await consumption.extents(work.map(({ topic, partition }) => ({ topic, partition })));
        for (const [i, { next }] of extents.entries()) work[i]!.feed.deliveredUpTo(delivered, next);
        told = delivered;
      }
      if (Date.now() > commitAt) {
        await this.#commit(consumption).catch(() => {}); // next time
        commitAt = Date.now() + COMMIT_MS;
      }
    }
  }

  /** How far the relay has come; as far as is known while the database is away. */
  async #delivered(): Promise<bigint> {
    try {
      return (await this.options.storedPositions.stored([RELAY])).get(RELAY) ?? 0n;
    } catch (error) {
      if (!isPassing(error)) throw error;
      return 0n;
    }
  }

  async #commit(consumption: Consumption): Promise<void> {
    const moved = [...this.#work.values()].filter(
      ({ feed, committed }) => feed.done !== undefined && feed.done !== committed,
    );
    const offsets = moved.map(({ topic, partition, feed }) => ({ topic, partition, offset: feed.done! }));
    await consumption.commit(offsets);
    for (const [i, work] of moved.entries()) work.committed = offsets[i]!.offset;
  }
}
