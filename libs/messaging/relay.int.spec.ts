import pg from 'pg';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import {
  configOf,
  delivered,
  everything,
  firstSeen,
  type Outbox,
  outbox,
  streams,
  until,
} from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';

describe('the relay', () => {
  let kafka: Kafka;
  let box: Outbox;

  beforeAll(async () => {
    kafka = await startKafka();
  }, 120_000);
  afterAll(() => kafka?.stop());
  beforeEach(async () => {
    box = await outbox(configOf(kafka));
  });
  afterEach(() => box.close());

  test('sends every event to the topics of its route, in the order of its stream, as a CloudEvent', async () => {
    const last = await box.see(...streams(100));
    const relay = box.relay();
    await delivered(relay, last);
    const received = await everything(configOf(kafka), box.topics, 100);
    expect(received).toHaveLength(100);
    const chain = received.map(({ event, previous }) => [previous, event.position]).sort(([a], [b]) => Number(a! - b!));
    expect(chain).toEqual(Array.from({ length: 100 }, (_, i) => [BigInt(i), BigInt(i + 1)]));
    for (const revisions of firstSeen(received).values()) {
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
    }
  });

  test('goes on where it stopped, and sends what was appended meanwhile', async () => {
    const first = box.relay();
    await delivered(first, await box.see(...streams(20)));
    await first.stop();
    await box.see(...streams(20));
    await delivered(box.relay(), 40n);
    expect(await everything(configOf(kafka), box.topics, 40)).toHaveLength(40);
  });

  test('one relays, the other stands by and takes over when the first loses its connection', async () => {
    const first = box.relay();
    await until('it relays', () => first.status.state === 'relaying');
    const second = box.relay();
    await delivered(first, await box.see('camera-1'));
    expect(second.status.state).toBe('standing-by');
    const admin = new pg.Client({ connectionString: box.database.ownerUrl });
    await admin.connect();
    let position = 0n;
    for (let round = 0; round < 10; round += 1) {
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'mingjing leader%'`,
      );
      position = await box.see(...streams(20));
    }
    await admin.end();
    await until('either has delivered', () => [first, second].some(({ status }) => status.delivered >= position));
    for (const revisions of firstSeen(await everything(configOf(kafka), box.topics, 201)).values()) {
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
    }
  });

  test('waits out a broker that is away, says so, and loses nothing', async () => {
    const relay = box.relay();
    await delivered(relay, await box.see(...streams(50)));
    await kafka.kill();
    const last = await box.see(...streams(50));
    await until('it says that the broker is away', () => relay.status.state === 'broker-away');
    expect(relay.status.delivered).toBeLessThan(last);
    await kafka.restart();
    await delivered(relay, last);
    expect(relay.status.state).toBe('relaying');
    for (const revisions of firstSeen(await everything(configOf(kafka), box.topics, 100)).values()) {
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
    }
  }, 90_000);

  test('sends nothing and says in one sentence what is wrong when a topic is laid out otherwise', async () => {
    const [layout] = box.layout;
    await new PlatformaticBroker(configOf(kafka)).ensureTopics([{ ...layout!, partitions: 2 }]);
    await box.see('camera-1');
    const relay = box.relay();
    await until('it says so', () => relay.status.fault !== undefined);
    expect(relay.status.fault).toBe(
      `topic ${layout!.topic} has 2 partitions where 3 (MINGJING_KAFKA_PARTITIONS) is wanted; alter it in Kafka or the setting.`,
    );
    expect(relay.status.delivered).toBe(0n);
  });

  test('more replicas than there are brokers are refused in one sentence', async () => {
    const [layout] = box.layout;
    await expect(new PlatformaticBroker(configOf(kafka)).ensureTopics([{ ...layout!, replicas: 3 }])).rejects.toThrow(
      'Kafka has fewer brokers than the replicas that MINGJING_KAFKA_REPLICATION wants.',
    );
  });

  test('a topic that compacts is refused: it would lose events', async () => {
    const [layout] = box.layout;
    await new PlatformaticBroker(configOf(kafka)).ensureTopics([
      { ...layout!, configs: { 'cleanup.policy': 'compact' } },
    ]);
    await expect(new PlatformaticBroker(configOf(kafka)).ensureTopics([layout!])).rejects.toThrow(
      /cleanup\.policy=compact where delete is wanted/,
    );
  });
});
