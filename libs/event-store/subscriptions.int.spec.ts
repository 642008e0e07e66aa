import pg from 'pg';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { someEvent } from './event-store-kit.contract.js';
import { MemoryEventStore } from './memory.js';
import { MemorySubscriptions } from './memory-subscriptions.js';
import type { EventStore } from './port.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';
import { PostgresSubscriptions } from './postgres/postgres-subscriptions.js';
import type { RunningSubscription, Subscription, Subscriptions } from './subscription.js';

const DELAYS_MS = [5, 5, 5];

interface Setting {
  readonly store: EventStore;
  readonly subscriptions: Subscriptions;
  close(): Promise<void>;
}

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

const write = async (store: EventStore, ...data: unknown[]) =>
  (await store.append([{ stream: 'camera-1', expected: 'any', events: data.map((item) => someEvent(item)) }])).position;

/** Notes what it handles; throws on what `poison` says. */
function noting(name: string, seen: unknown[], poison: (data: unknown) => boolean = () => false): Subscription {
  return {
    name,
    from: 'start',
    async handle({ data }) {
      if (poison(data)) throw new Error(`cannot digest ${data}`);
      seen.push(data);
    },
  };
}

describe.each([
  ['memory', memory],
  ['PostgreSQL', postgres],
])('subscriptions: %s', (_, open) => {
  let setting: Setting;
  const running: RunningSubscription[] = [];
  const start = async (subscription: Subscription) => {
    const started = await setting.subscriptions.start(subscription);
    running.push(started);
    return started;
  };

  beforeEach(async () => {
    setting = await open();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((subscription) => subscription.stop()));
    await setting.close();
  });

  test('events are handled in order, what is there and what comes', async () => {
    const seen: unknown[] = [];
    await write(setting.store, 1, 2);
    const subscription = await start(noting('a', seen));
    await subscription.reached(await write(setting.store, 3), 5_000);
    expect(seen).toEqual([1, 2, 3]);
  });

  test('from the end, only what comes after the start is handled', async () => {
    const seen: unknown[] = [];
    await write(setting.store, 1);
    const subscription = await start({ ...noting('a', seen), from: 'end' });
    await subscription.reached(await write(setting.store, 2), 5_000);
    expect(seen).toEqual([2]);
  });

  test('after a stop it goes on where it stood', async () => {
    const seen: unknown[] = [];
    const first = await start(noting('a', seen));
    await first.reached(await write(setting.store, 1, 2), 5_000);
    await first.stop();
    await write(setting.store, 3);
    const again = await start(noting('a', seen));
    await again.reached(await write(setting.store, 4), 5_000);
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  test('a filter passes over events, and their positions are reached all the same', async () => {
    const seen: unknown[] = [];
    const subscription = await start({ ...noting('a', seen), filter: { types: ['Other'] } });
    await subscription.reached(await write(setting.store, 1), 5_000);
    expect(seen).toEqual([]);
  });

  test('an event that fails is tried again and is not parked when it succeeds', async () => {
    const seen: unknown[] = [];
    let failures = 0;
    const flaky = (data: unknown) => data === 2 && failures++ < 3;
    const subscription = await start(noting('a', seen, flaky));
    await subscription.reached(await write(setting.store, 1, 2, 3), 5_000);
    expect(seen).toEqual([1, 2, 3]);
    expect(await setting.subscriptions.parked('a')).toEqual([]);
  });

  test('a poisonous event is parked with its error, the rest goes on, and replay hands it over again', async () => {
    const seen: unknown[] = [];
    let poisonous = true;
    const subscription = await start(noting('a', seen, (data) => poisonous && Number(data) % 2 === 0));
    const position = await write(setting.store, 1, 2, 3, 4);
    await subscription.reached(position, 5_000);
    expect(seen).toEqual([1, 3]);
    expect(await setting.subscriptions.parked('a')).toMatchObject([
      { subscription: 'a', position: position - 2n, error: 'Error: cannot digest 2', attempts: 4 },
      { subscription: 'a', position, error: 'Error: cannot digest 4', attempts: 4 },
    ]);
    expect(await setting.subscriptions.replayParked('a')).toEqual({ replayed: 0, stillParked: 2 });
    poisonous = false;
    expect(await setting.subscriptions.replayParked('a')).toEqual({ replayed: 2, stillParked: 0 });
    expect(seen).toEqual([1, 3, 2, 4]);
    expect(await setting.subscriptions.parked('a')).toEqual([]);
  });

  test('subscriptions do not wait for one another', async () => {
    const seen: unknown[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = await start({ ...noting('slow', []), handle: () => gate.promise });
    const fast = await start(noting('fast', seen));
    const position = await write(setting.store, 1, 2);
    await fast.reached(position, 5_000);
    expect(seen).toEqual([1, 2]);
    gate.resolve();
    await slow.reached(position, 5_000);
  });
});

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
