import { Producer, stringSerializers } from '@platformatic/kafka';
import type { CaughtUp, EventFilter, RecordedEvent } from '#libs/event-store';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import { toCloudEvent } from './cloud-event.js';
import { KafkaFeed, type KafkaFeedOptions } from './kafka-feed.js';
import { configOf, everything, type Outbox, outbox, streams, until } from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';

describe('the whole log heard from Kafka', () => {
  let kafka: Kafka;
  let box: Outbox;
  const readers: Reader[] = [];

  beforeAll(async () => {
    kafka = await startKafka();
  }, 120_000);
  afterAll(() => kafka?.stop());
  beforeEach(async () => {
    box = await outbox(configOf(kafka));
    await new PlatformaticBroker(configOf(kafka)).ensureTopics(box.layout);
  });
  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.stop()));
    await box.close();
  });

  /** Follows and keeps what it hears. */
  class Reader {
    readonly heard: RecordedEvent[] = [];
    caughtUp = 0n;
    readonly #stop = new AbortController();
    readonly #running: Promise<void>;

    constructor(feed: KafkaFeed, after: bigint, filter?: EventFilter) {
      this.#running = this.#run(feed.follow(after, { ...(filter && { filter }), signal: this.#stop.signal }));
      readers.push(this);
    }

    get positions(): bigint[] {
      return this.heard.map(({ position }) => position);
    }

    async #run(items: AsyncIterable<RecordedEvent | CaughtUp>): Promise<void> {
      for await (const item of items) {
        if ('caughtUp' in item) this.caughtUp = item.caughtUp;
        else this.heard.push(item);
      }
    }

    async stop(): Promise<void> {
      this.#stop.abort();
      await this.#running;
    }
  }

  /** A store that counts how much is read from it. */
  const counted = () => {
    let read = 0;
    const store: KafkaFeedOptions['store'] = {
      head: () => box.store.head(),
      async *readAll(after, filter) {
        for await (const event of box.store.readAll(after, filter)) {
          read += 1;
          yield event;
        }
      },
    };
    return { store, read: () => read };
  };

  const feed = (store: KafkaFeedOptions['store'] = box.store, warn: (sentence: string) => void = () => undefined) =>
    new KafkaFeed({ broker: new PlatformaticBroker(configOf(kafka)), topics: box.topics, store, warn });
  const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => BigInt(from + i));

  test('what is there and what comes, in the total order although it lies in many partitions', async () => {
    box.relay();
    await box.see(...streams(50));
    const { store, read } = counted();
    const reader = new Reader(feed(store), 0n);
    await until('it has caught up', () => reader.caughtUp >= 50n);
    for (let i = 0; i < 20; i += 1) await box.see(...streams(20));
    await until('all have come', () => reader.heard.length >= 450);
    expect(reader.positions).toEqual(upTo(450));
    expect(read()).toBeLessThan(400); // the rest came through Kafka
  });

  test('a filter holds back the others, and still tells how far it is', async () => {
    box.relay();
    const reader = new Reader(feed(), 0n, { categories: ['camera'] });
    const last = await box.see('camera-1', 'grant-1', 'camera-2', 'grant-2');
    await until('it has caught up', () => reader.caughtUp >= last);
    expect(reader.heard.map(({ stream }) => stream)).toEqual(['camera-1', 'camera-2']);
  });

  test('resumes behind a position', async () => {
    box.relay();
    await box.see(...streams(30));
    const reader = new Reader(feed(), 17n);
    await until('all have come', () => reader.heard.length >= 13);
    await box.see('camera-1');
    await until('the new one has come', () => reader.heard.length >= 14);
    expect(reader.positions).toEqual(upTo(31, 18));
  });

  test('while the broker is away events come from the store, and none comes twice when it is back', async () => {
    const relay = box.relay();
    const reader = new Reader(feed(), 0n);
    await box.see(...streams(20));
    await until('it has caught up', () => reader.heard.length >= 20);
    await kafka.kill();
    await box.see(...streams(20));
    await until('they have come', () => reader.heard.length >= 40);
    await kafka.restart();
    await box.see(...streams(20));
    await until('these too', () => reader.heard.length >= 60);
    await until('the relay has caught up', () => relay.status.delivered >= 60n);
    await box.see(...streams(20));
    await until('and these', () => reader.heard.length >= 80);
    expect(reader.positions).toEqual(upTo(80));
  }, 90_000);

  test('doubled, late and damaged messages change nothing but a warning that names the place', async () => {
    const warnings: string[] = [];
    const reader = new Reader(
      feed(box.store, (sentence) => warnings.push(sentence)),
      0n,
    );
    await until('it listens', () => reader.caughtUp === 0n);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const producer = new Producer({
      clientId: 'zombie',
      bootstrapBrokers: [...kafka.brokers],
      serializers: stringSerializers,
    });
    const topic = box.topics[0]!;
    for (let round = 0; round < 5; round += 1) {
      await box.see('camera-1', 'camera-2');
      const messages = [];
      let previous = 0n;
      for await (const event of box.store.readAll(0n)) {
        const { key, value, headers } = toCloudEvent(event, previous, { source: 'urn:x' });
        messages.push({ topic, key, value: value.toString(), headers: { ...headers } });
        previous = event.position;
      }
      messages.reverse(); // what no relay does
      await producer.send({ messages: [{ topic, key: 'x', value: '{', headers: {} }, ...messages] });
    }
    await producer.close();
    await until('all have come', () => reader.heard.length >= 10);
    await until('the damaged ones were named', () => warnings.length >= 1);
    expect(reader.positions).toEqual(upTo(10));
    expect(warnings[0]).toMatch(
      /^feed: the message at mingjing\.registry\.\w+\.v1\/\d offset \d+ is damaged: it has no header ce_specversion\.$/,
    );
  });

  test('control: a reader that takes the partitions as they come sees another order', async () => {
    const relay = box.relay();
    const last = await box.see(...streams(200));
    await until('all are delivered', () => relay.status.delivered >= last);
    const naive = (await everything(configOf(kafka), box.topics, 200)).map(({ event }) => event.position);
    expect(naive).not.toEqual(upTo(200));
  });
});
