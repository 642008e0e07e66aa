import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { MemoryEventStore, migrateEventStore, PostgresEventStore, type RecordedEvent } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { readConfig } from '#libs/platform';
import { PostgresVault } from '#libs/vault';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { checkBackup, restoreBackup, takeBackup } from './index.js';

const PASSPHRASE = 'sixteen characters or more';
const METADATA = { actor: { kind: 'system' as const, id: 's' }, occurredAt: '', rules: [], correlationId: 'c' };
const KEY = new Uint8Array(32).fill(3);

/** On a PostgreSQL of the operator's own; a hub's own PostgreSQL is what the rehearsal in test/scenarios has. */
describe('backup and restore', () => {
  const folder = mkdtempSync(join(tmpdir(), 'backup-'));
  const at = (name: string) => join(folder, name);
  const databases: FreshDatabase[] = [];
  let backups = 0;
  let source: FreshDatabase;

  const fresh = async () => {
    const database = await freshDatabase();
    databases.push(database);
    return database;
  };
  const configOf = ({ url, ownerUrl }: FreshDatabase, data: string, more: Record<string, string> = {}) =>
    readConfig({ MINGJING_DATA: at(data), MINGJING_DATABASE_URL: url, MINGJING_DATABASE_OWNER_URL: ownerUrl, ...more });
  const append = async ({ url }: FreshDatabase, ...data: unknown[]) => {
    const store = new PostgresEventStore({ url });
    const events = data.map((item) => ({ id: newId(), type: 'Noted', version: 1, data: item, metadata: METADATA }));
    await store.append([{ stream: `note-${newId()}`, expected: 'no-stream', events }]);
    await store.close();
  };
  const eventsOf = async ({ url }: FreshDatabase) => {
    const store = new PostgresEventStore({ url });
    const all: RecordedEvent[] = [];
    for await (const event of store.readAll(0n)) all.push(event);
    await store.close();
    return all;
  };
  const asOwner = async ({ ownerUrl }: FreshDatabase, sql: string) => {
    const client = new pg.Client({ connectionString: ownerUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  const backUp = async (config = configOf(source, 'data')) => {
    backups += 1;
    return (await takeBackup(config, at(`backup-${backups}`), PASSPHRASE)).folder;
  };

  beforeAll(async () => {
    source = await fresh();
    await migrateEventStore(source.ownerUrl, source.serviceRole);
    mkdirSync(at('data/keys'), { recursive: true });
    writeFileSync(at('data/mingjing.json'), '{"product":"mingjing","layout":1}\n');
    writeFileSync(at('data/keys/vault.key'), Buffer.from(KEY).toString('base64'));
  });
  afterAll(async () => {
    for (const database of databases) await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('whatever an event says comes back as it was, and so do people and camera credentials', async () => {
    const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 200 }), 2_500);
    for (let i = 0; i < texts.length; i += 500) await append(source, ...texts.slice(i, i + 500).map(wellFormed));
    const vault = new PostgresVault(source.url, KEY, new MemoryEventStore());
    await vault.start();
    const person = newId();
    const commitments = await vault.seal(person, { name: '张三\n\\N\t"' });
    const secret = await vault.secrets.put({ password: 'p\u0001ä' });
    await vault.stop();

    const target = await fresh();
    await restoreBackup(configOf(target, 'restored'), await backUp(), PASSPHRASE);
    expect(await eventsOf(target)).toEqual(await eventsOf(source));
    const restored = new PostgresVault(target.url, KEY, new MemoryEventStore());
    await restored.start();
    expect(await restored.commit(person, 'name', '张三\n\\N\t"')).toBe(commitments.name);
    expect(await restored.secrets.get(secret)).toEqual({ password: 'p\u0001ä' });
    await restored.stop();
    await append(target, 'and the service’s role goes on from there');
    expect(readFileSync(at('restored/keys/vault.key'), 'utf8')).toBe(Buffer.from(KEY).toString('base64'));
  });

  test('a database in which something is stays as it is, and the folder is no data folder', async () => {
    const used = await fresh();
    await migrateEventStore(used.ownerUrl, used.serviceRole);
    await append(used, 'mine');
    const restoring = restoreBackup(configOf(used, 'half'), await backUp(), PASSPHRASE);
    await expect(restoring).rejects.toThrow(
      'The database holds rows in event_store.event: a restore never overwrites what is there.',
    );
    expect((await eventsOf(used)).map(({ data }) => data)).toEqual(['mine']);
    expect(() => readFileSync(at('half/mingjing.json'))).toThrow('ENOENT');
  });

  test('events may have a database of their own; those of a KurrentDB are left to its own backup', async () => {
    const events = await fresh();
    await migrateEventStore(events.ownerUrl, events.serviceRole);
    await append(events, 'apart');
    const apart = { MINGJING_EVENT_STORE: events.ownerUrl };
    const [targetEvents, target] = [await fresh(), await fresh()];
    const config = configOf(target, 'two', { MINGJING_EVENT_STORE: targetEvents.ownerUrl });
    await restoreBackup(config, await backUp(configOf(source, 'data', apart)), PASSPHRASE);
    await migrateEventStore(targetEvents.ownerUrl, targetEvents.serviceRole);
    expect((await eventsOf(targetEvents)).map(({ data }) => data)).toEqual(['apart']);
    expect(await eventsOf(target)).toEqual([]);

    const kurrent = await backUp(configOf(source, 'data', { MINGJING_EVENT_STORE: 'kurrentdb://127.0.0.1:1' }));
    expect((await checkBackup(kurrent, PASSPHRASE)).through).toBeUndefined();
  });

  test('a store that has lost an event is not backed up as if it were whole; nothing is left behind', async () => {
    const lossy = await fresh();
    await migrateEventStore(lossy.ownerUrl, lossy.serviceRole);
    await append(lossy, 1, 2, 3);
    await backUp(configOf(lossy, 'data')); // control: before the loss it is
    await asOwner(
      lossy,
      'ALTER TABLE event_store.event DISABLE TRIGGER ALL; DELETE FROM event_store.event WHERE position = 2',
    );
    await expect(takeBackup(configOf(lossy, 'data'), at('lossy'), PASSPHRASE)).rejects.toThrow(
      'The event store has no event between 1 and 3.',
    );
    expect(() => readFileSync(at('lossy.partial/files.jsonl'))).toThrow('ENOENT');
  });
});

/** Lone surrogates are no text, and PostgreSQL takes no zero character; JSON escapes the latter. */
function wellFormed(text: string): string {
  return text.toWellFormed();
}
