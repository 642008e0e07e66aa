import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { collect, someEvent } from './event-store-kit.contract.js';
import { ForbiddenCategoryError } from './port.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';
import { createServiceRoles, type ServiceRole } from './postgres/service-roles.js';

const INSERT = (stream: string, position: number) =>
  `INSERT INTO event_store.event (position, stream, revision, id, type, version, data, metadata, recorded_at)
   VALUES (${position}, '${stream}', 0, gen_random_uuid(), 't', 1, '{}', '{}', '2020-01-01')`;

/** One append of one event in raw SQL, as nobody but a thief of the role's password would call it. */
const APPEND = (name: string, stream: string) =>
  `event_store.append(ARRAY['${name}'], ARRAY[1], ARRAY[1], ARRAY[-2]::bigint[], ARRAY[1],
     ARRAY['${randomUUID()}']::uuid[], ARRAY['${stream}'], ARRAY['t'], ARRAY[1], ARRAY['{}'], ARRAY['{}'])`;

describe('each service appends to its own categories only, and PostgreSQL itself says so', () => {
  const suffix = randomBytes(4).toString('hex');
  const role = (service: string, ...categories: string[]): ServiceRole => ({
    role: `${service}_${suffix}`,
    password: randomBytes(18).toString('base64url'),
    categories,
    subscriptions: [`${service} feed`],
    schemas: [`${service}_tables`],
  });
  const registry = role('registry', 'site', 'camera');
  const access = role('access', 'grant');
  const opened: pg.Client[] = [];
  const stores: PostgresEventStore[] = [];
  let database: FreshDatabase;
  let owner: pg.Client;

  const urlOf = ({ role, password }: ServiceRole) => {
    const url = new URL(database.url);
    url.username = role;
    url.password = password ?? '';
    return url.href;
  };
  const connect = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    opened.push(client);
    return client;
  };
  const storeOf = (who: ServiceRole, categories?: readonly string[]) => {
    const store = new PostgresEventStore({ url: urlOf(who), ...(categories && { categories }) });
    stores.push(store);
    return store;
  };
  const one = (stream: string) => ({ stream, expected: 'any' as const, events: [someEvent()] });

  beforeAll(async () => {
    database = await freshDatabase();
    await createServiceRoles(database.ownerUrl, [registry, access]);
    owner = await connect(database.ownerUrl);
  });
  afterAll(async () => {
    await Promise.all(opened.map((client) => client.end()));
    await Promise.all(stores.map((store) => store.close()));
    await database.drop();
    const admin = new pg.Client({ connectionString: process.env.TEST_POSTGRES_URL });
    await admin.connect();
    for (const name of [registry.role, access.role]) await admin.query(`DROP ROLE ${name}`);
    await admin.end();
  });

  test('its own it may, another’s it may not, and nothing of a mixed append stands', async () => {
    const store = storeOf(registry);
    await store.append([one('site-1'), one('camera-1')]);
    await expect(store.append([one('grant-1')])).rejects.toThrow(new ForbiddenCategoryError('grant-1'));
    await expect(store.append([one('site-2'), one('grant-1')])).rejects.toBeInstanceOf(ForbiddenCategoryError);
    expect(await collect(store.readStream('grant-1'))).toEqual([]);
    expect(await collect(store.readStream('site-2'))).toEqual([]);
    await storeOf(access).append([one('grant-1')]);
    expect(await collect(store.readStream('grant-1'))).toHaveLength(1); // reading is everybody's
  });

  test('a foreign append learns nothing: not whether the stream is there, not whether the id is taken', async () => {
    const granted = one('grant-2');
    await storeOf(access).append([granted]);
    for (const foreign of [granted, { ...granted, expected: 'no-stream' as const }]) {
      await expect(storeOf(registry).append([foreign])).rejects.toBeInstanceOf(ForbiddenCategoryError);
    }
  });

  test('neighbours in the same group are served as if it were not there', async () => {
    const store = storeOf(registry);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 2, maxLength: 40 }), async (allowed) => {
        const head = await store.head();
        const appends = allowed.map((own, i) => one(`${own ? 'site' : 'grant'}-g${i}`));
        const results = await Promise.allSettled(appends.map((append) => store.append([append])));
        expect(results.map(({ status }) => status === 'fulfilled')).toEqual(allowed);
        const stored = await collect(store.readAll(head));
        expect(stored.map(({ id }) => id)).toEqual(appends.filter((_, i) => allowed[i]).map((a) => a.events[0]!.id));
      }),
      { numRuns: 20 },
    );
  });

  test('a process that knows its categories does not even ask', async () => {
    const store = storeOf(registry, ['site']);
    await expect(store.append([one('grant-1')])).rejects.toBeInstanceOf(ForbiddenCategoryError);
    await expect(store.append([one('camera-1')])).rejects.toBeInstanceOf(ForbiddenCategoryError); // here the store would
  });

  const foreign = async () => (await owner.query(`SELECT FROM event_store.event WHERE stream = 'grant-raw'`)).rowCount;

  test('raw SQL of the role gets no further', async () => {
    const client = await connect(urlOf(registry));
    const { rows } = await client.query(`SELECT outcomes FROM ${APPEND('grant-raw', 'grant-raw')}`);
    expect(rows).toEqual([{ outcomes: [4] }]);
    await client.query(`SELECT ${APPEND('site-raw', 'grant-raw')}`); // says one stream, means another
    expect(await foreign()).toBe(0);
    const stored = await owner.query(`SELECT count(*)::int AS n FROM event_store.event WHERE stream = 'site-raw'`);
    expect(stored.rows).toEqual([{ n: 1 }]);
  });

  test.each([
    INSERT('grant-raw', 999),
    `SET ROLE ${access.role}`,
    `SET SESSION AUTHORIZATION ${access.role}`,
    `INSERT INTO event_store.permission VALUES ('${registry.role}', 'append', 'grant')`,
    'DELETE FROM event_store.permission',
    'ALTER TABLE event_store.event DISABLE TRIGGER own_categories',
    'DROP TRIGGER own_categories ON event_store.event',
    'CREATE OR REPLACE FUNCTION event_store.may_run(text) RETURNS boolean LANGUAGE sql RETURN true',
    `CREATE FUNCTION event_store.mine() RETURNS int LANGUAGE sql RETURN 1`,
    `SELECT * FROM access_tables.thing`,
    `CREATE TABLE access_tables.mine ()`,
    'DROP SCHEMA access_tables CASCADE',
  ])('the role may not: %s', async (sql) => {
    const client = await connect(urlOf(registry));
    await expect(client.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|42P01)$/) });
  });

  test('nor does a function of the other service in between help: the session’s user is asked', async () => {
    const other = await connect(urlOf(access));
    await other.query(`
      CREATE FUNCTION access_tables.for_you() RETURNS int[] LANGUAGE sql SECURITY DEFINER
        AS $$ SELECT outcomes FROM ${APPEND('grant-raw', 'grant-raw')} $$;
      GRANT USAGE ON SCHEMA access_tables TO ${registry.role}`);
    const client = await connect(urlOf(registry));
    const { rows } = await client.query('SELECT access_tables.for_you() AS outcomes');
    expect(rows).toEqual([{ outcomes: [4] }]);
    expect(await foreign()).toBe(0);
  });

  test('whoever else may write is asked too: a role granted INSERT by mistake, the superuser who owns the table', async () => {
    await owner.query(`GRANT INSERT ON event_store.event TO ${registry.role}`);
    const client = await connect(urlOf(registry));
    await expect(client.query(INSERT('grant-raw', 999))).rejects.toThrow('may not append to category grant');
    await client.query(`BEGIN; ${INSERT('site-raw2', 999)}; ROLLBACK`); // control: the grant works
    await expect(owner.query(INSERT('grant-raw', 999))).rejects.toThrow('may not append to category grant');
    await owner.query('SET session_replication_role = replica'); // in which ordinary triggers sleep
    await expect(owner.query(INSERT('grant-raw', 999))).rejects.toThrow('may not append to category grant');
    await owner.query('SET session_replication_role = origin');
    await owner.query(`REVOKE INSERT ON event_store.event FROM ${registry.role}`);
  });

  test('control: without the guard the same row goes in', async () => {
    await owner.query('BEGIN; ALTER TABLE event_store.event DISABLE TRIGGER own_categories');
    await owner.query(INSERT('grant-raw', 999));
    expect(await foreign()).toBe(1);
    await owner.query('ROLLBACK');
  });

  test('it keeps the positions of its own subscriptions and sees no other’s', async () => {
    const mine = await connect(urlOf(registry));
    const take = (name: string) => `INSERT INTO event_store.subscription (name, position) VALUES ('${name}', 5)`;
    await mine.query(take('registry feed'));
    await expect(mine.query(take('access feed'))).rejects.toMatchObject({ code: '42501' });
    await (await connect(urlOf(access))).query(take('access feed'));
    await mine.query('UPDATE event_store.subscription SET position = 9');
    const { rows } = await owner.query('SELECT name, position FROM event_store.subscription ORDER BY name');
    expect(rows).toEqual([
      { name: 'access feed', position: '5' },
      { name: 'registry feed', position: '9' },
    ]);
  });

  test('the partitions of its own shared subscription are its own too; how far the relay has come everybody may see', async () => {
    const mine = await connect(urlOf(registry));
    const take = (name: string) => `INSERT INTO event_store.subscription (name, position) VALUES ('${name}', 5)`;
    await mine.query(take('registry feed/mingjing.access.v1/0'));
    await expect(mine.query(take('access feed/mingjing.access.v1/0'))).rejects.toMatchObject({ code: '42501' });
    await expect(mine.query(take('relay'))).rejects.toMatchObject({ code: '42501' });
    await owner.query(take('relay'));
    const { rows } = await mine.query(`SELECT position FROM event_store.subscription WHERE name = 'relay'`);
    expect(rows).toEqual([{ position: '5' }]);
    expect((await mine.query(`UPDATE event_store.subscription SET position = 9 WHERE name = 'relay'`)).rowCount).toBe(
      0,
    );
  });

  test('no password travels or is kept in clear', async () => {
    const { rows } = await owner.query('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [registry.role]);
    expect(rows[0].rolpassword).toMatch(/^SCRAM-SHA-256\$/);
  });

  test('a role that may act as the owner is refused in one sentence', async () => {
    const { username } = new URL(database.ownerUrl);
    const categories = ['site'];
    await expect(migrateEventStore(database.ownerUrl, [{ role: username, categories }])).rejects.toThrow(
      /^Role \w+ may act as \w+, who owns the events: services need roles of their own\.$/,
    );
    await owner.query(`GRANT ${access.role} TO ${registry.role}`);
    await expect(createServiceRoles(database.ownerUrl, [registry, access])).rejects.toThrow(/may act as access_/);
    await owner.query(`REVOKE ${access.role} FROM ${registry.role}`);
  });

  test('a role that is named no longer may do nothing; named again, all it could', async () => {
    await migrateEventStore(database.ownerUrl, [access]);
    const client = await connect(urlOf(registry));
    await expect(client.query('SELECT FROM event_store.event')).rejects.toMatchObject({ code: '42501' });
    await expect(client.query(`SELECT ${APPEND('site-9', 'site-9')}`)).rejects.toMatchObject({ code: '42501' });
    await migrateEventStore(database.ownerUrl, database.serviceRole); // a hub in one process takes over
    const hub = new PostgresEventStore({ url: database.url });
    await hub.append([one('grant-hub'), one('site-hub')]);
    await hub.close();
    await createServiceRoles(database.ownerUrl, [registry, access]);
    await storeOf(registry).append([one('site-9')]);
    const taken = await connect(database.url);
    await expect(taken.query('SELECT FROM event_store.event')).rejects.toMatchObject({ code: '42501' });
  });

  test('an owner who is no superuser does: the services’ schemas become theirs, with all that a hub left there', async () => {
    const [admin, name] = [await connect(process.env.TEST_POSTGRES_URL!), `plain_${suffix}`];
    await admin.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD 'plain-${suffix}'`);
    await admin.query(`CREATE DATABASE ${name} OWNER ${name}`);
    const plain = new URL(database.ownerUrl);
    Object.assign(plain, { username: name, password: `plain-${suffix}`, pathname: `/${name}` });
    const audit = role('audit', 'auditReading');
    const before = await connect(plain.href);
    await before.query('CREATE SCHEMA audit_tables; CREATE TABLE audit_tables.thing AS SELECT 7 AS n');
    await createServiceRoles(plain.href, [audit]);
    const service = Object.assign(new URL(plain), { username: audit.role, password: audit.password });
    const store = new PostgresEventStore({ url: service.href });
    await store.append([one('auditReading-1')]);
    await expect(store.append([one('grant-1')])).rejects.toBeInstanceOf(ForbiddenCategoryError);
    await store.close();
    const client = await connect(service.href);
    await client.query('UPDATE audit_tables.thing SET n = 8; DROP TABLE audit_tables.thing');
    await Promise.all([client, before].map((each) => each.end()));
    for (const each of [client, before]) opened.splice(opened.indexOf(each), 1);
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.query(`DROP ROLE ${audit.role}`);
    await admin.query(`DROP ROLE ${name}`);
  });
});
