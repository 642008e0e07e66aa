import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import { type Projection, ReadModel, type ReadModelDefinition } from '#libs/event-store';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import { KafkaFeed } from './kafka-feed.js';
import { configOf, type Outbox, outbox, streams, until } from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';

const counting: Projection = {
  name: 'tally',
  filter: {},
  async apply({ stream }, tx) {
    await tx.query('INSERT INTO tally VALUES ($1, 1) ON CONFLICT (stream) DO UPDATE SET seen = tally.seen + 1', [
      stream,
    ]);
  },
};

class Tally1740000000000 {
  readonly name = 'Tally1740000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE tally (stream text PRIMARY KEY, seen int NOT NULL)');
  }
  async down(): Promise<void> {}
}

const definition: ReadModelDefinition = {
  schema: 'tally',
  entities: [],
  migrations: [Tally1740000000000],
  projections: [counting],
};

describe('effects of what is heard from Kafka', () => {
  let kafka: Kafka;
  let box: Outbox;
  let admin: pg.Client;

  beforeAll(async () => {
    kafka = await startKafka();
  }, 120_000);
  afterAll(() => kafka?.stop());
  beforeEach(async () => {
    box = await outbox(configOf(kafka));
    admin = new pg.Client({ connectionString: box.database.ownerUrl });
    await admin.connect();
  });
  afterEach(async () => {
    await admin.end();
    await box.close();
  });

  const feed = () =>
    new KafkaFeed({ broker: new PlatformaticBroker(configOf(kafka)), topics: box.topics, store: box.store });

  test('each event takes effect once, although the consumer’s connections are cut and the broker is killed', async () => {
    box.relay();
    const model = new ReadModel(definition, { url: box.database.url, store: box.store, feed: feed() });
    await model.start();
    let last = 0n;
    for (let round = 0; round < 12; round += 1) {
      last = await box.see(...streams(20, 5));
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'mingjing tally%'`,
      );
      if (round === 6) {
        await kafka.kill();
        await kafka.restart();
      }
    }
    await model.reached(last, 60_000);
    const { rows } = await admin.query('SELECT sum(seen)::int AS sum FROM tally.tally');
    await model.stop();
    expect(rows).toEqual([{ sum: 240 }]);
  }, 120_000);

  describe('control: a consumer that stores effect and position apart', () => {
    /** Counts what it hears until it is killed between its two statements, starts again where it stored, and ends. */
    const consume = async (order: 'effect-first' | 'position-first') => {
      await admin.query(`CREATE TABLE tally (seen int); INSERT INTO tally VALUES (0);
        CREATE TABLE place (position bigint); INSERT INTO place VALUES (0)`);
      const effect = () => admin.query('UPDATE tally SET seen = seen + 1');
      const place = (position: bigint) => admin.query('UPDATE place SET position = $1', [position]);
      for (const killedAt of [7n, undefined]) {
        const stop = new AbortController();
        const { rows } = await admin.query<{ position: string }>('SELECT position FROM place');
        for await (const item of feed().follow(BigInt(rows[0]!.position), { signal: stop.signal })) {
          if ('caughtUp' in item) {
            if (item.caughtUp >= 20n) stop.abort();
            continue;
          }
          const steps = [effect, () => place(item.position)];
          if (order === 'position-first') steps.reverse();
          await steps[0]!();
          if (item.position === killedAt) break;
          await steps[1]!();
        }
        stop.abort();
      }
      const { rows } = await admin.query<{ seen: number }>('SELECT seen FROM tally');
      return rows[0]!.seen;
    };

    test.each([
      ['effect-first', 21, 'doubles'],
      ['position-first', 19, 'loses'],
    ] as const)('%s counts %i of 20: it %s', async (order, count, _) => {
      const relay = box.relay();
      const last = await box.see(...streams(20, 5));
      await until('all are delivered', () => relay.status.delivered >= last);
      expect(await consume(order)).toBe(count);
    });
  });
});
