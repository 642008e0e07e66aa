import pg from 'pg';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { type Leadership, leadershipOf } from './postgres/leadership.js';
import { migrateEventStore } from './postgres/migrations.js';

describe('a work that only one process may do', () => {
  let database: FreshDatabase;
  const leaders: Leadership[] = [];
  const never = new AbortController().signal;

  beforeEach(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
  });
  afterEach(async () => {
    await Promise.all(leaders.splice(0).map((leader) => leader.resign()));
    await database.drop();
  });

  const lead = async (work = 'media', signal = never, throughOutages = false) => {
    const leader = await leadershipOf(work, database.url, signal, { throughOutages });
    leaders.push(leader);
    return leader;
  };
  const isOver = (promise: Promise<unknown>) =>
    Promise.race([promise.then(() => true), new Promise((resolve) => setTimeout(() => resolve(false), 600))]);

  test('the second waits for as long as the first works, and begins when it resigns', async () => {
    const first = await lead();
    const second = lead();
    expect(await isOver(second)).toBe(false);
    await first.resign();
    await second;
    expect(await isOver(first.lost)).toBe(false); // it has not lost it, it has let go
  });

  test('who loses the connection has lost it, is told so, and the next begins', async () => {
    const first = await lead();
    const second = lead();
    const admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
    await admin.query(
      `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
        WHERE l.locktype = 'advisory' AND a.application_name LIKE 'mingjing leader%'`,
    );
    await admin.end();
    expect(await first.lost).toMatch(/^another process may do the work of media now/);
    await second;
  });

  test('one that goes on through outages holds it anew when nobody was quicker, and is told when somebody was', async () => {
    const first = await lead('media', never, true);
    const admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
    const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mingjing leader of media'`;
    const epoch = async () => {
      const { rows } = await admin.query(`SELECT epoch FROM event_store.subscription WHERE name = 'media'`);
      return Number(rows[0]!.epoch);
    };
    await admin.query(`${cut} AND datname = current_database()`);
    while ((await epoch()) < 2) await isOver(Promise.resolve());
    expect(await isOver(first.lost)).toBe(false);
    // While it is cut off another one takes over.
    await admin.query(`UPDATE event_store.subscription SET epoch = 9, heartbeat = now() WHERE name = 'media'`);
    await admin.query(`SELECT pg_advisory_lock(hashtextextended('lease event_store.subscription media', 9))`);
    await admin.query(`${cut} AND datname = current_database()`);
    expect(await first.lost).toMatch(/^another process may do the work of media now/);
    await admin.end();
  });

  test('one that hangs with its connection open is taken over, and told when it wakes', async () => {
    const first = await lead();
    const admin = new pg.Client({ connectionString: database.ownerUrl });
    await admin.connect();
    const second = lead();
    while (!(await isOver(second))) {
      await admin.query(
        `UPDATE event_store.subscription SET heartbeat = '-infinity' WHERE name = 'media' AND epoch = 1`,
      );
    }
    await admin.end();
    expect(await first.lost).toMatch(/taken over by another process/);
  });

  test('works do not wait for each other; waiting ends with the signal', async () => {
    await lead('media');
    await lead('relay');
    const stopping = new AbortController();
    const waiting = lead('media', stopping.signal);
    stopping.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
  });
});
