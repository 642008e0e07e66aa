import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Column, Entity, type MigrationInterface, PrimaryColumn, type QueryRunner } from 'typeorm';
import { newId, SystemClock } from '#libs/kernel';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { collect, someEvent } from './event-store-kit.contract.js';
import type { EventStore, RecordedEvent } from './port.js';
import { isPassing } from './postgres/connections.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';
import type { Projection } from './projection.js';
import { ReadModel, type ReadModelDefinition } from './read-model.js';
import { ReadModelApplier } from './read-model-applier.js';
import { openTables } from './read-model-tables.js';
import { NotReachedError, Progress } from './waiters.js';

@Entity('camera')
class CameraRow {
  @PrimaryColumn('text')
  id!: string;

  @Column('int')
  seen!: number;
}

class Cameras1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE camera (id text PRIMARY KEY, seen int NOT NULL CHECK (seen < 1000))');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE camera');
  }
}

const counting: Projection = {
  name: 'cameras',
  filter: { categories: ['camera'] },
  async apply({ stream, data }, tx) {
    const step = (data as { step?: number }).step ?? 1;
    await tx.query('INSERT INTO camera VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen = camera.seen + $2', [
      stream,
      step,
    ]);
  },
};

const definition: ReadModelDefinition = {
  schema: 'cameras',
  entities: [CameraRow],
  migrations: [Cameras1700000000000],
  projections: [counting],
};

describe('read model', () => {
  let database: FreshDatabase;
  let store: PostgresEventStore;
  const running: ReadModel[] = [];

  beforeEach(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    store = new PostgresEventStore({ url: database.url });
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((model) => model.stop()));
    await store.close();
    await database.drop();
  });

  const model = async (changes: Partial<ReadModelDefinition> = {}, events: EventStore = store) => {
    const made = new ReadModel({ ...definition, ...changes }, { url: database.url, store: events });
    running.push(made);
    await made.start();
    return made;
  };
  const see = async (stream: string, ...steps: unknown[]) => {
    const events = (steps.length > 0 ? steps : [{}]).map((step) => someEvent(step));
    return (await store.append([{ stream, expected: 'any', events }])).position;
  };
  const rows = (of: ReadModel) => of.manager.find(CameraRow, { order: { id: 'ASC' } });

  test('one that is stopped while it starts lets go', async () => {
    await (await model()).stop();
    expect(await (await model()).lag()).toBe(0n);
  });

  test('a write is read once its position is reached', async () => {
    const cameras = await model();
    await cameras.reached(await see('camera-1'), 5_000);
    await cameras.reached(await see('camera-1'), 5_000);
    expect(await rows(cameras)).toEqual([{ id: 'camera-1', seen: 2 }]);
    expect(await cameras.lag()).toBe(0n);
  });

  test('a position that only other services wrote is reached too', async () => {
    const cameras = await model();
    await cameras.reached(await see('grant-1'), 5_000);
    expect(await rows(cameras)).toEqual([]);
  });

  test('waiting for a position that does not come ends by the time given', async () => {
    const cameras = await model();
    await expect(cameras.reached(99n, 20)).rejects.toBeInstanceOf(NotReachedError);
  });

  test('every event takes effect once across restarts', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const cameras = await model();
      const position = await see('camera-1', ...Array.from({ length: 300 }, () => ({})));
      if (round === 2) await cameras.reached(position, 5_000);
      await cameras.stop(); // in the middle of applying, in rounds 1 and 3
    }
    const cameras = await model();
    await cameras.reached(await store.head(), 5_000);
    expect(await rows(cameras)).toEqual([{ id: 'camera-1', seen: 900 }]);
  });

  test('a projection that takes events together is given them one by one when together they fail', async () => {
    const together: number[] = [];
    const bulk: Projection = {
      ...counting,
      async applyAll(events, tx) {
        together.push(events.length);
        for (const event of events) await counting.apply(event, tx);
      },
    };
    const cameras = await model({ projections: [bulk] });
    await cameras.reached(await see('camera-1', ...Array.from({ length: 40 }, () => ({}))), 5_000);
    await cameras.reached(await see('camera-2', {}, { step: 5_000 }, {}), 15_000); // the second breaks the table's rule
    expect(Math.max(...together)).toBeGreaterThan(1);
    expect(await rows(cameras)).toEqual([
      { id: 'camera-1', seen: 40 },
      { id: 'camera-2', seen: 2 },
    ]);
    expect(await cameras.parked()).toMatchObject([{ subscription: 'cameras', position: 42n }]);
  });

  test('every event takes effect once although connections are cut again and again', async () => {
    const cameras = await model();
    const admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
    for (let i = 0; i < 300; i += 1) {
      await see(`camera-${i % 3}`).catch(() => {});
      if (i % 30 === 0) {
        await admin.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'mingjing cameras%'`,
        );
      }
    }
    await admin.end();
    await cameras.reached(await store.head(), 20_000);
    expect((await rows(cameras)).reduce((sum, { seen }) => sum + seen, 0)).toBe(300);
  });

  test('a connection that breaks in the very moment it is handed out breaks nothing else', async () => {
    const tables = await openTables(database.url, definition.schema, definition);
    const { master } = tables.driver as unknown as { master: pg.Pool };
    await new Promise<void>((resolve, reject) => {
      master.connect((error, client, release) => {
        if (error !== undefined) return reject(error);
        client!.emit('error', new Error('terminating connection due to administrator command'));
        release(true);
        resolve();
      });
    });
    expect(await tables.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await tables.destroy();
  });

  test('a connection cut while the lease is being taken only delays', async () => {
    await (await model()).stop();
    const tables = await openTables(database.url, definition.schema, definition);
    const make = tables.createQueryRunner.bind(tables);
    tables.createQueryRunner = (mode) => {
      const runner = make(mode);
      const query = runner.query.bind(runner) as typeof runner.query;
      let asked = 0;
      runner.query = (async (...args: Parameters<typeof query>) => {
        asked += 1;
        if (asked === 3) await query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => {});
        while (asked >= 3 && !runner.isReleased) await sleep(1);
        return query(...args);
      }) as typeof query;
      return runner;
    };
    const parts = { projections: [counting], feed: store, progress: new Progress(0n), clock: new SystemClock() };
    const failure = await ReadModelApplier.tryStart(tables, definition.schema, parts).catch((error: unknown) => error);
    await tables.destroy();
    expect(isPassing(failure)).toBe(true);
  });

  test('two processes: one applies, the other stands by and takes over; every event takes effect once', async () => {
    const [first, second] = [await model(), await model()];
    const position = await see('camera-1', ...Array.from({ length: 500 }, () => ({})));
    await Promise.all([first.reached(position, 5_000), second.reached(position, 5_000)]);
    await first.stop();
    await second.reached(await see('camera-1'), 5_000);
    expect(await rows(second)).toEqual([{ id: 'camera-1', seen: 501 }]);
  });

  test('a holder that was taken over while it hung is fenced: nothing of its transaction stands', async () => {
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const hanging: Projection = {
      ...counting,
      async apply(event, tx) {
        await counting.apply(event, tx);
        arrived.resolve();
        await gate.promise;
      },
    };
    const first = await model({ projections: [hanging] });
    const position = await see('camera-1');
    await arrived.promise;
    const admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect(); // as the stand-by does when the heartbeat has grown stale
    await admin.query('UPDATE cameras.read_model_position SET epoch = epoch + 1');
    await admin.end();
    gate.resolve();
    await first.reached(position, 5_000); // it took the lease anew and applied the event in a transaction that counts
    expect(await rows(first)).toEqual([{ id: 'camera-1', seen: 1 }]);
  });

  test('a poisonous event is parked with its error, the rest goes on, and it can be replayed', async () => {
    let poisonous = true;
    const other: Projection = { name: 'other', filter: {}, apply: async () => {} };
    const picky: Projection = {
      ...counting,
      async apply(event: RecordedEvent, tx) {
        await counting.apply(event, tx);
        if (poisonous && (event.data as { bad?: boolean }).bad) throw new Error('cannot digest');
      },
    };
    const cameras = await model({ projections: [other, picky] });
    const position = await see('camera-1', {}, { bad: true }, {});
    await cameras.reached(position, 20_000);
    expect(await rows(cameras)).toEqual([{ id: 'camera-1', seen: 2 }]);
    expect(await cameras.parked()).toMatchObject([
      { subscription: 'cameras', position: position - 1n, error: 'Error: cannot digest', attempts: 5 },
    ]);
    expect(await cameras.replayParked()).toEqual({ replayed: 0, stillParked: 1 });
    poisonous = false;
    expect(await cameras.replayParked()).toEqual({ replayed: 1, stillParked: 0 });
    expect(await rows(cameras)).toEqual([{ id: 'camera-1', seen: 3 }]);
    expect(await cameras.parked()).toEqual([]);
  });

  test('an event that the database itself refuses is parked as well', async () => {
    const cameras = await model();
    const position = await see('camera-1', {}, { step: 5000 }, {});
    await cameras.reached(position, 20_000);
    expect(await rows(cameras)).toEqual([{ id: 'camera-1', seen: 2 }]);
    expect((await cameras.parked())[0]!.error).toContain('camera_seen_check');
  });

  test('a rebuilt read model replaces the running one whole, while events come and queries run', async () => {
    const cameras = await model();
    for (let i = 0; i < 5; i += 1) await see(`camera-${i}`, ...Array.from({ length: 100 }, () => ({})));
    await cameras.reached(await store.head(), 5_000);
    await cameras.manager.query('UPDATE camera SET seen = 0'); // what a rebuild is to mend
    let writing = true;
    const writer = (async () => {
      while (writing) await see('camera-9');
    })();
    const sums: number[] = [];
    const reader = (async () => {
      while (writing) sums.push((await rows(cameras)).filter(({ id }) => id < 'camera-5').length);
    })();
    await cameras.rebuild();
    writing = false;
    await Promise.all([writer, reader]);
    await cameras.reached(await store.head(), 5_000);
    const nines = (await collect(store.readStream('camera-9'))).length;
    const wanted = [0, 1, 2, 3, 4].map((i) => ({ id: `camera-${i}`, seen: 100 }));
    expect(await rows(cameras)).toEqual([...wanted, { id: 'camera-9', seen: nines }]);
    expect(new Set(sums)).toEqual(new Set([5])); // never a half-built table
    const schemas = await cameras.manager.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cameras%'");
    expect(schemas).toEqual([{ nspname: 'cameras' }]);
    await cameras.rebuild(); // and again
    await cameras.reached(await see('camera-0'), 5_000);
    expect((await rows(cameras))[0]).toEqual({ id: 'camera-0', seen: 101 });
  });

  test('two services keep apart in one database', async () => {
    const [a, b] = [await model(), await model({ schema: 'other_cameras' })];
    const position = await see('camera-1', { id: newId() });
    await Promise.all([a.reached(position, 5_000), b.reached(position, 5_000)]);
    expect(await rows(a)).toEqual(await rows(b));
  });
});
