import pg from 'pg';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { MemoryEventStore } from './memory.js';
import { MemorySubscriptions } from './memory-subscriptions.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';
import { PostgresSubscriptions } from './postgres/postgres-subscriptions.js';
import { DELAYS_MS, noting, type Setting, subscriptionsContract, write } from './subscriptions.contract.js';

async function memory(): Promise<Setting> {
  const store = new MemoryEventStore();
  return { store, subscriptions: new MemorySubscriptions(store, DELAYS_MS), close: async () => {} };
}

let database: FreshDatabase;

async function postgres(): Promise<Setting> {
  database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  const store = new PostgresEventStore({ url: database.url });
  const subscriptions = new PostgresSubscriptions({ url: database.url, store, retryDelaysMs: DELAYS_MS });
  const close = async () => {
    await subscriptions.close();
    await store.close();
    await database.drop();
  };
  return { store, subscriptions, close };
}

subscriptionsContract('memory', memory);
subscriptionsContract('PostgreSQL', postgres);

describe('subscriptions of several processes', () => {
  let setting: Setting;
  let admin: pg.Client;
  beforeEach(async () => {
    setting = await postgres();
    admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
  });
  afterEach(async () => {
    await admin.end();
    await setting.close();
  });
  const process = () =>
    new PostgresSubscriptions({ url: database.url, store: setting.store, retryDelaysMs: DELAYS_MS });

  test('one at a time handles; when it stops, the other takes over where it stood', async () => {
    const [first, second] = [process(), process()];
    const [byFirst, bySecond]: [unknown[], unknown[]] = [[], []];
    const running = await first.start(noting('a', byFirst));
    await running.reached(await write(setting.store, 1), 5_000);
    const standBy = await second.start(noting('a', bySecond));
    const position = await write(setting.store, 2);
    await Promise.all([running.reached(position, 5_000), standBy.reached(position, 5_000)]);
    expect([byFirst, bySecond]).toEqual([[1, 2], []]);
    await first.close();
    await standBy.reached(await write(setting.store, 3), 5_000);
    expect([byFirst, bySecond]).toEqual([[1, 2], [3]]);
    await second.close();
  });

  test('a process whose connection died is taken over at once, and what it then stores is refused', async () => {
    const [first, second] = [process(), process()];
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const hanging = async () => {
      arrived.resolve();
      await gate.promise;
    };
    await first.start({ ...noting('a', []), handle: hanging });
    const position = await write(setting.store, 1);
    await arrived.promise;
    const seen: unknown[] = [];
    const standBy = await second.start(noting('a', seen));
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    await standBy.reached(position, 5_000);
    expect(seen).toEqual([1]);
    const stored = async () =>
      (await admin.query("SELECT position, epoch FROM event_store.subscription WHERE name = 'a'")).rows;
    await second.close(); // stores what it has handled
    const before = await stored();
    expect(before).toEqual([{ position: String(position), epoch: '2' }]);
    gate.resolve();
    await first.close();
    expect(await stored()).toEqual(before);
  });

  test('a process that hangs with its connection open is fenced by the one that takes over', async () => {
    const first = process();
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    const running = await first.start({
      ...noting('a', []),
      handle: async ({ data }) => {
        seen.push(data);
        arrived.resolve();
        await gate.promise;
      },
    });
    const position = await write(setting.store, 1);
    await arrived.promise;
    // as a stand-by does when the heartbeat has grown stale
    await admin.query('UPDATE event_store.subscription SET epoch = epoch + 1, position = $1', [position - 1n]);
    gate.resolve();
    const next = await write(setting.store, 2);
    await running.reached(next, 5_000);
    await running.stop();
    expect(seen).toEqual([1, 1, 2]); // its own store was refused, so it began anew from what the other had stored
    const { rows } = await admin.query("SELECT position FROM event_store.subscription WHERE name = 'a'");
    expect(rows).toEqual([{ position: String(next) }]);
  });

  test('events are handled at least once and in order although connections are cut again and again', async () => {
    const subscriptions = process();
    const seen: number[] = [];
    const running = await subscriptions.start(noting('a', seen as unknown[]));
    for (let i = 0; i < 200; i += 1) {
      while (
        !(await write(setting.store, i).then(
          () => true,
          () => false,
        ))
      );
      if (i % 25 === 0) {
        await admin.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        );
      }
    }
    await running.reached(await setting.store.head(), 20_000);
    await subscriptions.close();
    const firsts = [...new Set(seen)];
    expect(firsts).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });
});
