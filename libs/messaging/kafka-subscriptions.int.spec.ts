import { Admin } from '@platformatic/kafka';
import pg from 'pg';
import { PostgresSubscriptions, type RecordedEvent, type Subscription } from '#libs/event-store';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import {
  DELAYS_MS,
  noting,
  type Setting,
  subscriptionsContract,
  write,
} from '../event-store/subscriptions.contract.js';
import { toCloudEvent } from './cloud-event.js';
import { KafkaFeed } from './kafka-feed.js';
import { KafkaSubscriptions } from './kafka-subscriptions.js';
import { configOf, type Outbox, outbox, streams, until } from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';
import type { Incoming } from './port.js';
import { DEAD_LETTERS, layoutOf } from './topics.js';

let kafka: Kafka;
let broker: PlatformaticBroker;
beforeAll(async () => {
  kafka = await startKafka();
  broker = new PlatformaticBroker(configOf(kafka));
  await broker.ensureTopics(layoutOf(configOf(kafka), [], []));
}, 120_000);
afterAll(() => kafka?.stop());

async function byGroup(): Promise<Setting> {
  const box = await outbox(configOf(kafka));
  box.relay();
  const subscriptions = new KafkaSubscriptions(box.subscribers({ retryDelaysMs: DELAYS_MS }));
  return { store: box.store, subscriptions, close: () => subscriptions.close().then(() => box.close()) };
}

async function inTotalOrder(): Promise<Setting> {
  const box = await outbox(configOf(kafka));
  box.relay();
  const { database, store, topics } = box;
  const feed = new KafkaFeed({ broker, topics, store });
  const subscriptions = new PostgresSubscriptions({ url: database.url, store, feed, retryDelaysMs: DELAYS_MS });
  return { store, subscriptions, close: () => subscriptions.close().then(() => box.close()) };
}

subscriptionsContract('Kafka, shared by a group', byGroup);
subscriptionsContract('Kafka, in the total order', inTotalOrder);

describe('subscriptions that processes share', () => {
  let box: Outbox;
  let admin: pg.Client;
  const processes: KafkaSubscriptions[] = [];

  beforeEach(async () => {
    box = await outbox(configOf(kafka));
    admin = new pg.Client({ connectionString: box.database.ownerUrl });
    await admin.connect();
  });
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((subscriptions) => subscriptions.close()));
    await admin.end();
    await box.close();
  });

  const warnings: string[] = [];
  const process = () => {
    const warn = (sentence: string) => warnings.push(sentence);
    const made = new KafkaSubscriptions(box.subscribers({ retryDelaysMs: DELAYS_MS, warn }));
    processes.push(made);
    return made;
  };
  const noter = (seen: RecordedEvent[], more: Partial<Subscription> = {}): Subscription => ({
    ...{ name: 'a', from: 'start' as const, handle: async (event: RecordedEvent) => void seen.push(event), ...more },
  });
  const positions = (seen: readonly RecordedEvent[]) => seen.map(({ position }) => position);
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => BigInt(i + 1));
  const firsts = (seen: readonly RecordedEvent[]) => {
    const different = [...new Map(seen.map((event) => [event.position, event])).values()];
    const byStream = Map.groupBy(different, ({ stream }) => stream);
    for (const events of byStream.values()) {
      expect(events.map(({ revision }) => revision)).toEqual(events.map((_, i) => BigInt(i)));
    }
    return different;
  };
  const ofEach = (...seen: readonly RecordedEvent[][]) => seen.flatMap(positions).sort((a, b) => Number(a - b));

  test('two work at once, each on its own streams; when one ends the other takes them over', async () => {
    box.relay();
    const [byFirst, bySecond]: [RecordedEvent[], RecordedEvent[]] = [[], []];
    const first = process();
    const running = await first.start(noter(byFirst));
    const second = await process().start(noter(bySecond));
    await box.see(...streams(40, 11));
    await until('both have work', async () => {
      await box.see(...streams(22, 11));
      return byFirst.length > 0 && bySecond.length > 0;
    });
    await running.reached(await box.see('camera-1'), 20_000);
    await first.close();
    const alone = bySecond.length;
    const last = await box.see(...streams(40, 11));
    await second.reached(last, 20_000);
    expect(bySecond.length).toBeGreaterThanOrEqual(alone + 40);
    expect(new Set(ofEach(byFirst, bySecond))).toEqual(new Set(upTo(Number(last))));
  }, 90_000);

  test('one that was taken over while it hung is fenced; each event is handled all the same', async () => {
    box.relay();
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const seen: RecordedEvent[] = [];
    const running = await process().start(
      noter(seen, {
        handle: async (event) => {
          seen.push(event);
          arrived.resolve();
          await gate.promise;
        },
      }),
    );
    const position = await box.see('camera-1');
    await arrived.promise;
    // as a stand-by does when the heartbeat has grown stale
    await admin.query(`UPDATE event_store.subscription SET epoch = epoch + 1 WHERE name LIKE 'a/%'`);
    gate.resolve();
    await running.reached(await box.see('camera-1', 'camera-1'), 20_000);
    expect(positions(seen)).toEqual([position, position, position + 1n, position + 2n]);
  });

  test('every event is handled, in order in its stream, although connections are cut and the broker is killed', async () => {
    box.relay();
    const seen: RecordedEvent[] = [];
    const running = await process().start(noter(seen));
    for (let round = 0; round < 8; round += 1) {
      await box.see(...streams(30, 11)).catch(() => {}); // an append may be cut as well
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND state = 'idle'`,
      );
      if (round === 4) {
        await kafka.kill();
        await kafka.restart();
      }
    }
    let last = 0n;
    await until('it can be appended again', async () => {
      last = await box.see('camera-1').catch(() => 0n);
      return last > 0n;
    });
    await running.reached(last, 60_000);
    expect(ofEach(firsts(seen))).toEqual(upTo(Number(last)));
  }, 120_000);

  test('what Kafka no longer keeps is read from the store', async () => {
    const relay = box.relay();
    const last = await box.see(...streams(60, 11));
    await until('all are delivered', () => relay.status.delivered >= last);
    const client = new Admin({ clientId: 'spec', bootstrapBrokers: [...kafka.brokers] });
    const partitions = [0, 1, 2].map((partition) => ({ partition, offset: -1n }));
    await client.deleteRecords({ topics: box.topics.map((name) => ({ name, partitions })) });
    await client.close();
    const seen: RecordedEvent[] = [];
    const running = await process().start(noter(seen));
    await running.reached(await box.see(...streams(10, 11)), 20_000);
    expect(ofEach(firsts(seen))).toEqual(upTo(70));
    expect(seen).toHaveLength(70);
  });

  test('late, doubled and damaged messages: each event is handled once, and the damage is named', async () => {
    await broker.ensureTopics(box.layout);
    const seen: RecordedEvent[] = [];
    const running = await process().start(noter(seen));
    const sender = broker.sender();
    for (let round = 0; round < 3; round += 1) {
      await box.see('camera-1', 'camera-1', 'camera-2');
      const messages = [];
      let previous = 0n;
      for await (const event of box.store.readAll(0n)) {
        const message = { topic: box.topics[0]!, ...toCloudEvent(event, previous, { source: 'urn:x' }) };
        messages.push(round === 1 && event.position === 5n ? { ...message, value: Buffer.from('{') } : message);
        previous = event.position;
      }
      await sender.send(messages);
    }
    await sender.close();
    box.relay();
    await running.reached(9n, 20_000);
    expect(ofEach(firsts(seen))).toEqual(upTo(9));
    expect(seen).toHaveLength(9);
    expect(warnings).toContainEqual(
      expect.stringMatching(/^subscription a: the message at \S+\/\d offset \d+ is damaged: its value is no JSON\.$/),
    );
  });

  test('a parked event is told of on the topic of dead letters', async () => {
    box.relay();
    const letters = await broker.consume({ topics: [DEAD_LETTERS] });
    const subscriptions = process();
    const running = await subscriptions.start(noting('a', [], (data) => data === 2));
    const position = await write(box.store, 1, 2, 3);
    await running.reached(position, 20_000);
    const told: Incoming = await letters[Symbol.asyncIterator]()
      .next()
      .then(({ value }) => value as Incoming);
    await letters.close();
    expect(told.key).toBe('camera-1');
    expect(told.headers).toMatchObject({ ...{ subscription: 'a', error: 'Error: cannot digest 2', attempts: '4' } });
    expect(JSON.parse(told.value.toString())).toMatchObject({ data: 2 });
    expect(await subscriptions.parked('a')).toMatchObject([
      { subscription: 'a', position: position - 1n, attempts: 4 },
    ]);
  });

  test('control: a consumer that goes by Kafka’s offsets alone misses what Kafka lost and doubles what came late', async () => {
    await broker.ensureTopics(box.layout);
    const sender = broker.sender();
    const consumption = await broker.consume({ topics: box.topics });
    await box.see('camera-1', 'camera-1');
    const first = (await box.store.eventAt(1n))!;
    const message = { topic: box.topics[0]!, ...toCloudEvent(first, 0n, { source: 'urn:x' }) };
    await sender.send([message, message]); // the first twice, the second never
    await sender.close();
    const naive = consumption[Symbol.asyncIterator]();
    const sequences = [await naive.next(), await naive.next()].map(
      ({ value }) => (value as Incoming).headers.ce_sequence,
    );
    await consumption.close();
    expect(sequences.map(Number)).toEqual([1, 1]);
  });
});
