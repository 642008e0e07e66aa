import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createServiceRoles, ForbiddenCategoryError, MemoryEventStore, PostgresEventStore } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { PostgresVault, permitVault } from '#libs/vault';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { catalogue, categoriesOf, HUB_RIGHTS, type ProcessWithRights, rightsOf } from './index.js';

const CATEGORIES: Readonly<Record<ProcessWithRights, readonly string[]>> = {
  gateway: ['organisation', 'person', 'apiClient', 'signIn', 'personalData'],
  registry: ['site', 'videoSystem', 'camera', 'gbDevice'],
  integration: ['connection', 'cameraFeed'],
  access: ['accessRequest', 'grant', 'retrievalSession', 'playback', 'clipDecision'],
  media: ['recording', 'clip'],
  audit: ['auditReading'],
  relay: [],
};
const PROCESSES = Object.keys(CATEGORIES) as ProcessWithRights[];

describe('what each process may do in the database', () => {
  const suffix = randomBytes(4).toString('hex');
  const password = randomBytes(18).toString('base64url');
  const roleOf = (name: ProcessWithRights) => `${name}_${suffix}`;
  let database: FreshDatabase;

  const urlOf = (name: ProcessWithRights) =>
    Object.assign(new URL(database.url), { username: roleOf(name), password }).href;
  const separate = async () => {
    const roles = PROCESSES.map((name) => ({ role: roleOf(name), password, ...rightsOf(name) }));
    await createServiceRoles(database.ownerUrl, roles);
    await permitVault(
      database.ownerUrl,
      roles.map(({ role, vault }) => ({ role, uses: vault })),
    );
  };
  const appended = async (name: ProcessWithRights, category: string) => {
    const store = new PostgresEventStore({ url: urlOf(name) });
    const metadata = { actor: { kind: 'system' as const, id: 's' }, occurredAt: '', rules: [], correlationId: 'c' };
    const events = [{ id: newId(), type: 'Something', version: 1, data: {}, metadata }];
    try {
      await store.append([{ stream: `${category}-${newId()}`, expected: 'no-stream', events }]);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(ForbiddenCategoryError);
      return false;
    } finally {
      await store.close();
    }
  };

  beforeAll(async () => {
    database = await freshDatabase();
    await separate();
  });
  afterAll(async () => {
    await database.drop();
    const admin = new pg.Client({ connectionString: process.env.TEST_POSTGRES_URL });
    await admin.connect();
    for (const name of PROCESSES) await admin.query(`DROP ROLE ${roleOf(name)}`);
    await admin.end();
  });

  test('every category of the catalogue belongs to exactly one process, by name', () => {
    for (const name of PROCESSES) expect(categoriesOf(name)).toEqual(CATEGORIES[name]);
    const owned = PROCESSES.flatMap((name) => categoriesOf(name));
    expect([...owned].sort()).toEqual(catalogue.streams.map(({ category }) => category).sort());
  });

  test.each(PROCESSES)('%s appends to its own categories and to no other, by its own role', async (name) => {
    const allowed: string[] = [];
    for (const { category } of catalogue.streams) if (await appended(name, category)) allowed.push(category);
    expect(allowed).toEqual(CATEGORIES[name]);
  });

  test.each(PROCESSES)('%s finds its own schemas its own, and another’s closed', async (name) => {
    const client = new pg.Client({ connectionString: urlOf(name) });
    await client.connect();
    for (const schema of HUB_RIGHTS.schemas) {
      const making = client.query(`CREATE TABLE ${schema}.mine_${name} (); DROP TABLE ${schema}.mine_${name}`);
      if (rightsOf(name).schemas.includes(schema)) await making;
      else await expect(making).rejects.toMatchObject({ code: '42501' });
    }
    await client.end();
  });

  test('personal data and camera credentials are open to those who need them, table by table', async () => {
    const key = new Uint8Array(32).fill(7);
    const vaultOf = async (name: ProcessWithRights) => {
      const vault = new PostgresVault(urlOf(name), key, new MemoryEventStore());
      await vault.start();
      return vault;
    };
    const [gateway, integration, access, media] = await Promise.all(
      (['gateway', 'integration', 'access', 'media'] as const).map(vaultOf),
    );
    const person = newId();
    const { name } = await gateway!.seal(person, { name: '张三丰' });
    expect(await access!.commit(person, 'name', '张三丰')).toBe(name);
    const secret = await integration!.secrets.put({ username: 'admin', password: '12345' });
    expect(await media!.secrets.get(secret)).toEqual({ username: 'admin', password: '12345' });

    const denied = { code: '42501' };
    await expect(access!.seal(person, { name: '李四' })).rejects.toMatchObject(denied);
    await expect(media!.commit(person, 'name', '张三丰')).rejects.toMatchObject(denied);
    await expect(access!.secrets.get(secret)).rejects.toMatchObject(denied);
    await expect(gateway!.secrets.get(secret)).rejects.toMatchObject(denied);
    await expect(media!.secrets.put({ password: 'x' })).rejects.toMatchObject(denied);
    await expect(vaultOf('registry')).rejects.toMatchObject(denied);
    await Promise.all([gateway, integration, access, media].map((vault) => vault!.stop()));
  });

  test('a database may go from a hub in one process to services and back, and what was kept is there', async () => {
    const key = new Uint8Array(32).fill(7);
    const hub = { role: database.serviceRole, subscriptions: ['*'], ...HUB_RIGHTS };
    const together = async () => {
      await createServiceRoles(database.ownerUrl, [hub]);
      await permitVault(database.ownerUrl, [{ role: hub.role, uses: hub.vault }]);
    };
    await together();
    const inOne = new PostgresVault(database.url, key, new MemoryEventStore());
    await inOne.start();
    const person = newId();
    const { name } = await inOne.seal(person, { name: '王五' });
    const secret = await inOne.secrets.put({ password: 'x' });
    expect(await inOne.secrets.get(secret)).toEqual({ password: 'x' });

    await separate();
    await expect(inOne.secrets.get(secret)).rejects.toMatchObject({ code: '42501' });
    const gateway = new PostgresVault(urlOf('gateway'), key, new MemoryEventStore());
    await gateway.start();
    expect(await gateway.commit(person, 'name', '王五')).toBe(name);
    await gateway.stop();

    await together();
    expect(await inOne.commit(person, 'name', '王五')).toBe(name);
    await inOne.stop();
  });
});
