import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { newId } from '#libs/kernel';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { isCaughtUp, someEvent } from './event-store-kit.contract.js';
import { ConflictError } from './port.js';
import { int4Array, int8Array, textArray, uuidArray } from './postgres/binary-array.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';

const WRITERS = 12;
const EVENTS = 100_000;
const BATCH_MAX = 50;
const CONTROL_ROWS = 2_000;

interface Line {
  readonly writer: number;
  readonly n: number;
}

const upTo = (max: number) => Math.floor(Math.random() * max);

describe('the total order under attack', () => {
  let database: FreshDatabase;
  let admin: pg.Client;

  beforeAll(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await database.drop();
  });

  test('12 writers with delays, conflicts, rollbacks and killed backends: a live reader loses, doubles and reorders nothing', async () => {
    const stores = Array.from({ length: WRITERS }, () => new PostgresEventStore({ url: database.url, readersMax: 1 }));
    const appended = new Map<string, Line>();
    const attack = new AbortController();
    const attackers = [rollingBack(attack.signal), killing(attack.signal)];
    const reading = readLive();

    const unknown = await Promise.all(stores.map((store, writer) => write(store, writer, appended)));
    attack.abort();
    const [rolledBack, killed] = await Promise.all(attackers);
    const { seen, doubled, reordered } = await reading.until(BigInt(appended.size));
    await Promise.all(stores.map((store) => store.close()));

    const lost = [...appended.keys()].filter((id) => !seen.has(id));
    expect({ lost: lost.length, doubled, reordered }).toEqual({ lost: 0, doubled: 0, reordered: 0 });
    expect(seen.size).toBe(appended.size); // and nothing that nobody appended, such as what was rolled back
    expect(seen.size).toBeGreaterThanOrEqual(EVENTS);
    // the attack bit
    expect(rolledBack).toBeGreaterThan(10);
    expect(killed).toBeGreaterThan(10);
    expect(unknown.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
  });

  /** Appends its numbered events in batches; repeats by the same ids what was left unknown. @returns how often it was */
  async function write(store: PostgresEventStore, writer: number, appended: Map<string, Line>): Promise<number> {
    let unknown = 0;
    for (let n = 0; n < EVENTS / WRITERS; ) {
      const events = Array.from({ length: 1 + upTo(BATCH_MAX) }, (_, i) =>
        someEvent({ writer, n: n + i } satisfies Line),
      );
      const stream = `order-${writer}-${upTo(20)}`;
      if (upTo(20) === 0) {
        const wrong = store.append([{ stream, expected: 1_000_000n, events: [someEvent('never')] }]);
        await expectConflictOrUnknown(wrong);
      }
      for (;;) {
        try {
          await store.append([{ stream, expected: 'any', events }]);
          break;
        } catch (error) {
          expect(error).toMatchObject({ name: 'OutcomeUnknownError' });
          unknown += 1;
        }
      }
      for (const { id, data } of events) appended.set(id, data as Line);
      n += events.length;
      if (upTo(10) === 0) await sleep(upTo(4));
    }
    return unknown;
  }

  async function expectConflictOrUnknown(append: Promise<unknown>) {
    const error = await append.then(
      () => undefined,
      (e: Error) => e,
    );
    if (!(error instanceof ConflictError)) expect(error).toMatchObject({ name: 'OutcomeUnknownError' });
  }

  /** Appends, holds the transaction open, rolls back. */
  async function rollingBack(signal: AbortSignal): Promise<number> {
    const client = new pg.Client({ connectionString: database.ownerUrl });
    await client.connect();
    let times = 0;
    for (; !signal.aborted; times += 1) {
      await client.query('BEGIN');
      await rawAppend(client);
      await sleep(upTo(5));
      await client.query('ROLLBACK');
      await sleep(20);
    }
    await client.end();
    return times;
  }

  /** Kills backends in the middle: one of its own with a transaction open, and whoever appends just now. */
  async function killing(signal: AbortSignal): Promise<number> {
    let times = 0;
    for (; !signal.aborted; times += 1) {
      const client = new pg.Client({ connectionString: database.ownerUrl });
      client.on('error', () => {});
      await client.connect();
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      await client.query('BEGIN');
      await rawAppend(client);
      await admin.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query LIKE '%event_store.append%'
          AND application_name = 'mingjing event store' ORDER BY random() LIMIT 1`);
      await sleep(50);
    }
    return times;
  }

  async function rawAppend(client: pg.Client) {
    await client.query('SELECT event_store.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)', [
      textArray(['order-rolled-back']),
      int4Array([1]),
      int4Array([1]),
      int8Array([-2n]),
      int4Array([1]),
      uuidArray([newId()]),
      textArray(['order-rolled-back']),
      textArray(['RolledBack']),
      int4Array([1]),
      textArray(['null']),
      textArray(['{}']),
    ]);
  }

  function readLive() {
    const store = new PostgresEventStore({ url: database.url });
    const stop = new AbortController();
    const seen = new Set<string>();
    const lastOfWriter = new Map<number, number>();
    let last = 0n;
    let doubled = 0;
    let reordered = 0;
    const reading = (async () => {
      for await (const item of store.follow(0n, { signal: stop.signal })) {
        if (isCaughtUp(item)) continue;
        const { writer, n } = item.data as Line;
        if (seen.has(item.id)) doubled += 1;
        if (item.position !== last + 1n || n <= (lastOfWriter.get(writer) ?? -1)) reordered += 1;
        seen.add(item.id);
        lastOfWriter.set(writer, n);
        last = item.position;
      }
    })();
    return {
      async until(position: bigint) {
        for (let waits = 0; last < position && waits < 1_000; waits += 1) await sleep(10);
        stop.abort();
        await reading;
        await store.close();
        return { seen, doubled, reordered };
      },
    };
  }

  test('control: a poller on `position > last` over a sequence does lose rows that commit out of order', async () => {
    await admin.query('CREATE TABLE control (position bigserial PRIMARY KEY)');
    let writing = true;
    const seen = new Set<string>();
    const poller = (async () => {
      let last = '0';
      for (let more = true; more; ) {
        more = writing; // once more after the last writer
        const { rows } = await admin.query('SELECT position FROM control WHERE position > $1 ORDER BY position', [
          last,
        ]);
        for (const { position } of rows) seen.add(position);
        last = rows.at(-1)?.position ?? last;
        await sleep(1);
      }
    })();
    const written = await Promise.all(
      Array.from({ length: WRITERS }, async () => {
        const client = new pg.Client({ connectionString: database.ownerUrl });
        await client.connect();
        const own: string[] = [];
        for (let i = 0; i < CONTROL_ROWS / WRITERS; i += 1) {
          await client.query('BEGIN');
          const { rows } = await client.query('INSERT INTO control DEFAULT VALUES RETURNING position');
          await sleep(upTo(4));
          await client.query('COMMIT');
          own.push(rows[0].position);
        }
        await client.end();
        return own;
      }),
    );
    writing = false;
    await poller;
    expect(written.flat().filter((position) => !seen.has(position)).length).toBeGreaterThan(0);
  });
});
