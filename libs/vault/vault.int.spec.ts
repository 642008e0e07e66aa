import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { MemoryEventStore, migrateEventStore } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { KeyRing, PostgresVault } from '#libs/vault';
import { freshDatabase } from '../../test/services/postgres.js';

const NAME = '张三丰';
const NUMBER = '520102199001011234';
const reading = {
  purpose: 'a specification reads its own data',
  context: { actor: { kind: 'person' as const, id: newId() }, at: new Date().toISOString(), correlationId: 'c', newId },
};

describe('vault', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let store: MemoryEventStore;
  let vault: PostgresVault;
  const key = new Uint8Array(32).fill(9);

  beforeAll(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    store = new MemoryEventStore();
    vault = new PostgresVault(database.url, key, store);
    await vault.start();
  });

  afterAll(async () => {
    await vault.stop();
    await database.drop();
  });

  test('clear text comes back only through a reading that is on record before it is handed out', async () => {
    const person = newId();
    await vault.seal(person, { name: NAME, 'id-number': NUMBER });
    expect(await vault.open(person, ['name', 'phone'], reading)).toEqual({ name: NAME });
    const recorded = [];
    for await (const event of store.readStream(`personalData-${person}`)) recorded.push(event.data);
    expect(recorded).toEqual([{ fields: ['name', 'phone'], purpose: reading.purpose }]);
  });

  test('when the reading cannot be recorded, nothing is handed out', async () => {
    const person = newId();
    await vault.seal(person, { name: NAME });
    const append = store.append.bind(store);
    store.append = async () => {
      throw new Error('store down');
    };
    await expect(vault.open(person, ['name'], reading)).rejects.toThrow('store down');
    store.append = append;
  });

  test('a commitment is the same for the same value of the same person, and tells nothing across persons', async () => {
    const [a, b] = [newId(), newId()];
    const first = await vault.seal(a, { 'id-number': NUMBER });
    await vault.seal(b, { 'id-number': NUMBER });
    expect(await vault.commit(a, 'id-number', NUMBER)).toBe(first['id-number']);
    expect(await vault.commit(b, 'id-number', NUMBER)).not.toBe(first['id-number']);
    expect(await vault.commit(a, 'phone', NUMBER)).not.toBe(first['id-number']);
  });

  test('whatever is sealed comes back, whatever its characters', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
        fc.pre(text.isWellFormed());
        const person = newId();
        await vault.seal(person, { name: text });
        expect(await vault.open(person, ['name'], reading)).toEqual({ name: text });
      }),
      { numRuns: 30 },
    );
  });

  test('neither name nor number stands in clear anywhere in the database', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      `SELECT encode(sealed, 'escape') AS text FROM vault.personal_field
       UNION ALL SELECT encode(wrapped, 'escape') FROM vault.person_key`,
    );
    await client.end();
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.some(({ text }) => text.includes(NUMBER) || text.includes(NAME))).toBe(false);
  });

  test('a sealed field moved to another person or another field does not open', async () => {
    const [a, b] = [newId(), newId()];
    await vault.seal(a, { name: 'A' });
    await vault.seal(b, { name: 'B' });
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `UPDATE vault.personal_field SET sealed = (SELECT sealed FROM vault.personal_field WHERE person_id = $1)
       WHERE person_id = $2`,
      [a, b],
    );
    await client.end();
    await expect(vault.open(b, ['name'], reading)).rejects.toMatchObject({ code: 'vault.damaged' });
  });

  test('an unknown person is a refusal, not an empty answer', async () => {
    await expect(vault.open(newId(), ['name'], reading)).rejects.toMatchObject({ code: 'vault.no-such-person' });
  });

  test('a lost key folder is a clear failure at start, not empty names', async () => {
    const other = new PostgresVault(database.url, new Uint8Array(32).fill(8), store);
    await expect(other.start()).rejects.toMatchObject({ code: 'vault.key-lost' });
    await expect(other.assertOpens()).rejects.toMatchObject({ code: 'vault.key-lost' });
    await vault.assertOpens();
    await other.stop();
  });

  test('secrets of machines come back by reference only', async () => {
    const reference = await vault.secrets.put({ username: 'u', password: 'p' });
    expect(await vault.secrets.get(reference)).toEqual({ username: 'u', password: 'p' });
    expect(await vault.secrets.get(newId())).toBeUndefined();
  });
});

describe('key ring', () => {
  test('makes keys once, readable by their owner alone, and names a damaged file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keys-'));
    const ring = new KeyRing(folder);
    expect(new KeyRing(folder).secret('vault')).toEqual(ring.secret('vault'));
    expect(new KeyRing(folder).signingKey('tickets').kid).toBe(ring.signingKey('tickets').kid);
    expect(readdirSync(folder).map((file) => statSync(join(folder, file)).mode & 0o777)).toEqual([0o600, 0o600]);
    writeFileSync(join(folder, 'vault.key'), 'short');
    expect(() => ring.secret('vault')).toThrow(/vault\.key does not hold 32 bytes/);
  });
});
