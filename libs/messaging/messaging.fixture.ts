import { Consumer, stringDeserializers } from '@platformatic/kafka';
import {
  type EventStore,
  type EventToAppend,
  migrateEventStore,
  PostgresEventStore,
  type RecordedEvent,
} from '#libs/event-store';
import { type EventMetadata, newId } from '#libs/kernel';
import type { KafkaConfig } from '#libs/platform';
import type { Kafka } from '../../test/services/kafka/broker.js';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { fromCloudEvent, type Received } from './cloud-event.js';
import type { KafkaSubscriptionsOptions } from './kafka-subscriptions.js';
import { PlatformaticBroker } from './platformatic-broker.js';
import type { TopicLayout } from './port.js';
import { Relay, type RelayOptions } from './relay.js';

const metadata: EventMetadata = {
  actor: { kind: 'system', id: 'spec' },
  occurredAt: '2026-03-01T08:00:00.000Z',
  rules: ['gz117:7'],
  correlationId: newId().replaceAll('-', ''),
};

export function someEvent(data: object = {}): EventToAppend {
  return { id: newId(), type: 'CameraSeen', version: 1, data, metadata };
}

export function configOf(kafka: Kafka, more: Partial<KafkaConfig> = {}): KafkaConfig {
  return {
    brokers: kafka.brokers,
    tls: undefined,
    sasl: undefined,
    partitions: 3,
    replication: 1,
    departments: [],
    ...more,
  };
}

/** A store of its own and topics of its own on a broker that others use too. */
export interface Outbox {
  readonly database: FreshDatabase;
  readonly store: PostgresEventStore;
  readonly topics: readonly string[];
  readonly layout: readonly TopicLayout[];
  /** Appends one event a stream, one after the other. @returns the position of the last */
  see(...streams: string[]): Promise<bigint>;
  relay(more?: Partial<RelayOptions>): Relay;
  /** Options of subscriptions that Kafka feeds. */
  subscribers(more?: Partial<KafkaSubscriptionsOptions>): KafkaSubscriptionsOptions;
  close(): Promise<void>;
}

export async function outbox(kafka: KafkaConfig): Promise<Outbox> {
  const database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  const store = new PostgresEventStore({ url: database.url });
  const topics = ['registry', 'access'].map((service) => `mingjing.${service}.${newId().slice(-8)}.v1`);
  const layout = topics.map((topic) => ({
    topic,
    partitions: kafka.partitions,
    replicas: kafka.replication,
    configs: { 'cleanup.policy': 'delete' },
  }));
  const relays: Relay[] = [];
  const topicOf = ({ stream }: Pick<RecordedEvent, 'stream'>) => topics[stream.startsWith('camera') ? 0 : 1]!;
  const broker = new PlatformaticBroker(kafka);
  return {
    database,
    store,
    topics,
    layout,
    see: (...streams) => see(store, streams),
    relay: (more = {}) => {
      const relay = new Relay({
        store,
        positionsUrl: database.url,
        broker,
        layout,
        route: (event) => [{ topic: topicOf(event), event }],
        source: 'urn:mingjing:hub:spec',
        ...more,
      });
      relays.push(relay);
      relay.start();
      return relay;
    },
    subscribers: (more = {}) => ({
      ...{ broker, layout, topicOf, store, positionsUrl: database.url, source: 'urn:mingjing:hub:spec', ...more },
    }),
    close: async () => {
      await Promise.all(relays.map((relay) => relay.stop()));
      await store.close();
      await database.drop();
    },
  };
}

async function see(store: EventStore, streams: readonly string[]): Promise<bigint> {
  let position = 0n;
  for (const stream of streams) {
    ({ position } = await store.append([{ stream, expected: 'any', events: [someEvent({ stream })] }]));
  }
  return position;
}

/** Everything in some topics, from the first message until `count` different events have come. */
export async function everything(kafka: KafkaConfig, topics: readonly string[], count: number): Promise<Received[]> {
  const consumer = new Consumer<string, Buffer, string, string>({
    clientId: 'spec',
    bootstrapBrokers: [...kafka.brokers],
    groupId: `spec-${newId()}`,
    deserializers: { ...stringDeserializers, value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0) },
  });
  const stream = await consumer.consume({ topics: [...topics], mode: 'earliest', autocommit: false, maxWaitTime: 100 });
  const received: Received[] = [];
  const different = new Set<bigint>();
  const deadline = setTimeout(() => stream.destroy(new Error(`${different.size} of ${count} events came`)), 20_000);
  try {
    for await (const { key, value, headers } of stream) {
      const each = fromCloudEvent({ key, value, headers: Object.fromEntries(headers) });
      received.push(each);
      different.add(each.event.position);
      if (different.size >= count) break;
    }
  } finally {
    clearTimeout(deadline);
    await consumer.close(true);
  }
  return received;
}

/** The first time each event came, stream by stream. */
export function firstSeen(received: readonly Received[]): Map<string, bigint[]> {
  const seen = new Set<bigint>();
  const streams = new Map<string, bigint[]>();
  for (const { event } of received) {
    if (seen.has(event.position)) continue;
    seen.add(event.position);
    streams.set(event.stream, [...(streams.get(event.stream) ?? []), event.revision]);
  }
  return streams;
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, msMax = 30_000): Promise<void> {
  for (const from = performance.now(); !(await holds()); ) {
    if (performance.now() - from > msMax) throw new Error(`${what}: not within ${msMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Names of streams, one for each event to come: cameras and grants by turns, `different` in all. */
export function streams(count: number, different = 7): string[] {
  return Array.from({ length: count }, (_, i) => `${i % 2 ? 'camera' : 'grant'}-${i % different}`);
}

export function delivered(relay: { status: { delivered: bigint } }, position: bigint): Promise<void> {
  return until(`delivered ${position}`, () => relay.status.delivered >= position);
}
