import {
  type BaseOptions,
  Consumer,
  compatibilityPartitioner,
  ListOffsetTimestamps,
  type MessagesStream,
  ProduceAcks,
  Producer,
  stringDeserializers,
} from '@platformatic/kafka';
import { newId } from '#libs/kernel';
import type { KafkaConfig } from '#libs/platform';
import { connectionOf, faultOf } from './platformatic-connection.js';
import { ensureTopics } from './platformatic-topics.js';
import {
  type ConsumeOptions,
  type Consumption,
  type Incoming,
  MessageBroker,
  type Outgoing,
  type Partition,
  type PartitionExtent,
  type PartitionOffset,
  type Sender,
  type TopicLayout,
} from './port.js';

type Client = Consumer<string, Buffer, string, string>;
type Stream = MessagesStream<string, Buffer, string, string>;

const FETCH_WAIT_MS = 250;
/** Without a heartbeat for so long a member's partitions go to others. */
const SESSION_MS = 10_000;
const HEARTBEAT_MS = 1_000;
const PREFETCHED_MAX = 500;

/** Kafka through `@platformatic/kafka`; why this client is told in docs/rfd/0008-kafka-client.md. */
export class PlatformaticBroker extends MessageBroker {
  readonly #connection: BaseOptions;

  /** @throws Refusal `platform.bad-configuration` when a certificate file cannot be read */
  constructor(config: KafkaConfig) {
    super();
    this.#connection = connectionOf(config, 'mingjing');
  }

  ensureTopics(layouts: readonly TopicLayout[]): Promise<void> {
    return told(ensureTopics(this.#connection, layouts));
  }

  sender(): Sender {
    const producer = new Producer<string, Buffer, string, string>({
      ...this.#connection,
      idempotent: true,
      acks: ProduceAcks.ALL,
      maxInflights: 1,
      partitioner: compatibilityPartitioner as never, // it is asked for the serialized key
      serializers: {
        key: (text?: string) => Buffer.from(text ?? ''),
        value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0),
        headerKey: (text?: string) => Buffer.from(text ?? ''),
        headerValue: (text?: string) => Buffer.from(text ?? ''),
      },
    });
    return {
      send: async (messages: readonly Outgoing[]) => {
        await told(producer.send({ messages: messages.map((message) => ({ ...message })) }));
      },
      close: () => producer.close(true).catch(() => {}),
    };
  }

  partitionOf(key: string, partitions: number): number {
    return compatibilityPartitioner({ topic: '' } as never, Buffer.from(key)) % partitions;
  }

  async consume({ topics, group, assigned }: ConsumeOptions): Promise<Consumption> {
    const client: Client = new Consumer({
      ...this.#connection,
      // A group of its own is given every partition.
      groupId: group ?? `mingjing-reader-${newId()}`,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      deserializers: { ...stringDeserializers, value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0) },
    });
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => {}); // it is raced by whoever reads
    client.on('error', (error: Error) => lost.reject(error));
    client.on('consumer:group:join', ({ assignments = [] }) =>
      assigned?.(assignments.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))),
    );
    try {
      const stream = await told(
        client.consume({
          topics: [...topics],
          mode: group === undefined ? 'latest' : 'committed',
          fallbackMode: 'earliest',
          autocommit: false,
          maxWaitTime: FETCH_WAIT_MS,
          highWaterMark: PREFETCHED_MAX,
        }),
      );
      lost.promise.catch((error: Error) => stream.destroy(error));
      if (group === undefined) await told(placed(stream));
      return new PlatformaticConsumption(client, stream);
    } catch (error) {
      await client.close(true).catch(() => {});
      throw error;
    }
  }
}

class PlatformaticConsumption implements Consumption {
  constructor(
    private readonly client: Client,
    private readonly stream: Stream,
  ) {}

  async *[Symbol.asyncIterator](): AsyncIterator<Incoming> {
    try {
      for await (const { key, value, headers, topic, partition, offset } of this.stream) {
        yield { key, value, headers: Object.fromEntries(headers), topic, partition, offset };
      }
    } catch (error) {
      throw faultOf(error) ?? error;
    }
  }

  async extents(partitions: readonly Partition[]): Promise<readonly PartitionExtent[]> {
    if (partitions.length === 0) return [];
    const which = { topics: [...byTopic(partitions).keys()], partitions: Object.fromEntries(byTopic(partitions)) };
    const [first, next] = await Promise.all(
      [ListOffsetTimestamps.EARLIEST, ListOffsetTimestamps.LATEST].map((timestamp) =>
        told(this.client.listOffsets({ ...which, timestamp })),
      ),
    );
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      first: first!.get(topic)![partition]!,
      next: next!.get(topic)![partition]!,
    }));
  }

  async committed(partitions: readonly Partition[]): Promise<readonly PartitionOffset[]> {
    if (partitions.length === 0) return [];
    const topics = [...byTopic(partitions)].map(([topic, numbers]) => ({ topic, partitions: numbers }));
    const offsets = await told(this.client.listCommittedOffsets({ topics }));
    return partitions.flatMap(({ topic, partition }) => {
      const offset = offsets.get(topic)?.[partition] ?? -1n;
      return offset < 0n ? [] : [{ topic, partition, offset }];
    });
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return;
    await told(this.client.commit({ offsets: offsets.map((each) => ({ ...each, leaderEpoch: -1 })) }));
  }

  async close(): Promise<void> {
    this.stream.destroy();
    await this.client.close(true).catch(() => {});
  }
}

/** Resolves once the stream knows at which offsets it begins: what is sent from then on is heard. */
function placed(stream: Stream): Promise<void> {
  if (stream.offsetsToFetch.size > 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    stream.once('offsets', resolve);
    stream.once('error', reject);
    stream.once('close', resolve);
  });
}

function byTopic(partitions: readonly Partition[]): Map<string, number[]> {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return topics;
}

/** The same promise; what waiting does not mend rejects as a fault that says so. */
function told<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw faultOf(error) ?? error;
  });
}
