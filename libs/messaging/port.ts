import type { KafkaMessage } from './cloud-event.js';

export interface Outgoing extends KafkaMessage {
  readonly topic: string;
}

export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/** A place in a partition. */
export interface PartitionOffset extends Partition {
  readonly offset: bigint;
}

export interface Incoming extends KafkaMessage, PartitionOffset {}

/** What a partition holds. */
export interface PartitionExtent extends Partition {
  /** Offset of the oldest message that is still kept. */
  readonly first: bigint;
  /** Offset that the next message will have. */
  readonly next: bigint;
}

/** How a topic must be laid out. Never compacted: an event is a fact, and the newest does not make the others untrue. */
export interface TopicLayout {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** A fault that waiting does not mend; says in one sentence what to change. */
export class KafkaFaultError extends Error {
  override readonly name = 'KafkaFaultError';
}

/** Sends batches. After a rejection it is of no more use: close it and make another. */
export interface Sender {
  /** Resolves when every replica in sync has all messages, which stand in their partitions in the order given. */
  send(messages: readonly Outgoing[]): Promise<void>;
  close(): Promise<void>;
}

export interface ConsumeOptions {
  readonly topics: readonly string[];
  /**
   * Members of a group share the partitions among them and go on behind what the group has committed, or at the oldest
   * message. Without a group every partition is heard from now on.
   */
  readonly group?: string;
  /** Told which partitions are this member's, at first and each time that changes. */
  readonly assigned?: (partitions: readonly Partition[]) => void;
}

/** Messages of the partitions that were assigned, as they come; ends when it is closed, throws when the broker is lost. */
export interface Consumption extends AsyncIterable<Incoming> {
  extents(partitions: readonly Partition[]): Promise<readonly PartitionExtent[]>;
  /** What the group has committed: the offset to go on at; partitions without one are left out. */
  committed(partitions: readonly Partition[]): Promise<readonly PartitionOffset[]>;
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * The message broker, as little of it as we need.
 *
 * Implementers MUST put a key always into the same partition (murmur2, as Kafka's own clients do), MUST send
 * idempotently and with the acknowledgement of all replicas in sync, one batch in flight, MUST pull no more messages
 * than are taken, and MUST throw a `KafkaFaultError` for what waiting does not mend; any other error passes.
 */
export abstract class MessageBroker {
  /** Creates the topics that are missing and checks the others; changes none. @throws KafkaFaultError */
  abstract ensureTopics(layouts: readonly TopicLayout[]): Promise<void>;
  abstract sender(): Sender;
  /** The partition that a key goes into. */
  abstract partitionOf(key: string, partitions: number): number;
  abstract consume(options: ConsumeOptions): Promise<Consumption>;
}
