import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { collect, isCaughtUp, someEvent } from './event-store-kit.contract.js';
import { OutcomeUnknownError, type RecordedEvent } from './port.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';

describe('PostgreSQL event store', () => {
  let database: FreshDatabase;
  let store: PostgresEventStore;
  let owner: pg.Client;
  const opened: pg.Client[] = [];

  const connect = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    opened.push(client);
    return client;
  };
  const append = (stream: string, ...data: unknown[]) =>
    store.append([{ stream, expected: 'any', events: data.map((item) => someEvent(item)) }]);

  beforeAll(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    store = new PostgresEventStore({ url: database.url });
    owner = await connect(database.ownerUrl);
    await append('camera-1', 1, 2);
  });
  afterAll(async () => {
    await Promise.all(opened.map((client) => client.end()));
    await store.close();
    await database.drop();
  });

  const CHANGES = [
    'UPDATE event_store.event SET data = data',
    'DELETE FROM event_store.event',
    'TRUNCATE event_store.event',
  ];
  const BEYOND = [
    `INSERT INTO event_store.event (position, stream, revision, id, type, version, data, metadata, recorded_at)
     VALUES (99, 's', 0, gen_random_uuid(), 't', 1, '{}', '{}', '2020-01-01')`,
    'ALTER TABLE event_store.event DISABLE TRIGGER append_only',
    'DROP TABLE event_store.event',
    'DROP SCHEMA event_store CASCADE',
    'CREATE OR REPLACE FUNCTION event_store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$',
    'SET session_replication_role = replica',
    'CREATE TABLE event_store.more ()',
  ];

  test.each([...CHANGES, ...BEYOND])('the service role may not: %s', async (sql) => {
    const service = await connect(database.url);
    await expect(service.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|42P01)$/) });
    const { rows } = await service.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
    expect(rows).toEqual([{ rolsuper: false }]);
  });

  test.each(CHANGES)('not even the owner may: %s', async (sql) => {
    await expect(owner.query(sql)).rejects.toThrow('events are never changed or removed');
    await owner.query('SET session_replication_role = replica'); // in which ordinary triggers sleep
    await expect(owner.query(sql)).rejects.toThrow('events are never changed or removed');
    await owner.query('SET session_replication_role = origin');
  });

  test('control: a plain table of the owner takes the same changes', async () => {
    await owner.query('CREATE TABLE plain AS SELECT 1 AS data');
    for (const sql of CHANGES) await owner.query(sql.replaceAll('event_store.event', 'plain'));
    expect((await owner.query('SELECT * FROM plain')).rows).toEqual([]);
  });

  test('migrating again, also from several processes at once, changes nothing', async () => {
    await Promise.all(Array.from({ length: 4 }, () => migrateEventStore(database.ownerUrl, database.serviceRole)));
    expect(await collect(store.readStream('camera-1'))).toHaveLength(2);
  });

  test('concurrent appends share transactions', async () => {
    const head = await store.head();
    await Promise.all(Array.from({ length: 400 }, (_, i) => append(`group-${i}`, i)));
    const { rows } = await owner.query('SELECT count(DISTINCT xmin::text) FROM event_store.event WHERE position > $1', [
      head,
    ]);
    expect(Number(rows[0].count)).toBeLessThan(40);
  });

  test('of two processes with the same revision exactly one wins, and the other hears the new one', async () => {
    const other = new PostgresEventStore({ url: database.url });
    for (let round = 0; round < 20; round += 1) {
      const race = [store, other].map((one) =>
        one.append([
          { stream: 'race-1', expected: round === 0 ? 'no-stream' : BigInt(round - 1), events: [someEvent(round)] },
        ]),
      );
      const results = await Promise.allSettled(race);
      const loser = results.find((result) => result.status === 'rejected');
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(loser!.reason).toMatchObject({ name: 'ConflictError', actual: BigInt(round) });
    }
    await other.close();
  });

  test.each([
    ['another database', () => process.env.TEST_POSTGRES_URL!],
    ['this database', () => database.ownerUrl],
  ])('a long transaction in %s stalls no reader', async (_, url) => {
    const long = await connect(url());
    await long.query('BEGIN; CREATE TEMP TABLE mine (n int); SELECT pg_current_xact_id()'); // it holds a transaction id
    const head = await store.head();
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const item of store.follow(head, { signal: stop.signal })) {
        if (isCaughtUp(item)) continue;
        seen.push(item.data);
        if (seen.length === 3) stop.abort();
      }
    })();
    for (const n of [1, 2, 3]) await append('stall-1', n);
    await following;
    expect(seen).toEqual([1, 2, 3]);
    await long.query('ROLLBACK');
  });

  test('an append whose connection dies is of unknown outcome, and repeating it by its ids is safe', async () => {
    const holder = await connect(database.ownerUrl);
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(3117001)');
    const events = [someEvent('once')];
    const request = [{ stream: 'unknown-1', expected: 'no-stream' as const, events }];
    const appending = store.append(request);
    const failed = expect(appending).rejects.toBeInstanceOf(OutcomeUnknownError);
    const waiting = `FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    while ((await owner.query(`SELECT ${waiting}`)).rowCount === 0) await sleep(5);
    await owner.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
    await failed;
    await holder.query('ROLLBACK');
    await store.append(request);
    expect((await store.append(request)).duplicate).toBe(true);
    expect(await collect(store.readStream('unknown-1'))).toHaveLength(1);
  });

  test('a follower whose connections are cut again and again misses nothing and repeats nothing', async () => {
    const head = await store.head();
    const stop = new AbortController();
    const seen: RecordedEvent[] = [];
    const following = (async () => {
      for await (const item of store.follow(head, { signal: stop.signal })) {
        if (!isCaughtUp(item)) seen.push(item);
        if (seen.length === 200) stop.abort();
      }
    })();
    const writer = new PostgresEventStore({ url: database.url });
    for (let i = 0; i < 200; i += 1) {
      const events = [someEvent(i)];
      const write = () => writer.append([{ stream: 'cut-1', expected: 'any', events }]);
      while (
        !(await write().then(
          () => true,
          () => false,
        ))
      );
      if (i % 20 === 0) {
        await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'mingjing event store'`);
      }
    }
    await following;
    await writer.close();
    expect(seen.map(({ data }) => data)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('a notification by a stranger only wakes: nobody believes what it says', async () => {
    const head = await store.head();
    const stop = new AbortController();
    const heads: bigint[] = [];
    const waiting = Promise.withResolvers<void>();
    const following = (async () => {
      for await (const item of store.follow(head, { signal: stop.signal })) {
        if (isCaughtUp(item)) heads.push(item.caughtUp);
        waiting.resolve();
        if (heads.length === 2) stop.abort();
      }
    })();
    await waiting.promise;
    await owner.query(`NOTIFY event_store, '999999'`);
    await append('stranger-1', 1);
    await following;
    expect(heads).toEqual([head, head + 1n]);
  });

  test('a reader that is ahead of the store is told so: the store was restored from an older copy', async () => {
    const head = await store.head();
    const ahead = collect(store.follow(head + 5n, { signal: new AbortController().signal }));
    await expect(ahead).rejects.toThrow('the store lost events');
  });
});
