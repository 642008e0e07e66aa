import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { parseAllDocuments } from 'yaml';
import { ForbiddenCategoryError, openEventStore, PostgresEventStore } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { readConfig } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { startKurrentStandIn } from '../../test/services/kurrentdb/stand-in.js';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { PROCESSES } from '../composition/provision.js';
import { migrateInstallation, provisionInstallation } from './provision.js';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
}

const METADATA = {
  actor: { kind: 'system', id: 'provision' },
  occurredAt: '2026-01-01T00:00:00.000Z',
  rules: [],
  correlationId: '0198c0de-0000-7000-8000-000000000001',
} as const;

let database: FreshDatabase;
let folder: string;
const made: string[] = [];

beforeAll(async () => {
  database = await freshDatabase();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mingjing-provision-'));
  made.push(folder);
});
afterAll(async () => {
  // Roles outlive a database, but nothing of theirs does.
  await database.drop();
  for (const each of made) rmSync(each, { recursive: true, force: true });
});

const settings = () =>
  readConfig({ MINGJING_DATABASE_URL: database.url, MINGJING_DATABASE_OWNER_URL: database.ownerUrl });
const provision = (more = {}, config = settings()) =>
  provisionInstallation(config, {
    folder,
    keysDir: join(folder, 'keys'),
    servers: [],
    trust: undefined,
    kubernetes: false,
    ...more,
  });
const content = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8');
const everything = () =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => [path, content(path)]),
  );

test('each process has a folder of what it works with, and no key of another', async () => {
  await provision();
  const common = ['ca.pem', 'commands.key', 'database-url', 'event-store', 'tls.key', 'tls.pem', 'token-keys.json'];
  expect(readdirSync(join(folder, 'audit')).sort()).toEqual(common);
  expect(readdirSync(join(folder, 'media')).sort()).toEqual([...common, 'clips.pem', 'vault.key'].sort());
  expect(new Set(PROCESSES.map((name) => content(name, 'database-url'))).size).toBe(PROCESSES.length);
  expect(new Set(PROCESSES.map((name) => content(name, 'tls.key'))).size).toBe(PROCESSES.length);
});

test('only this user can read it', async () => {
  await provision({ servers: ['postgres', 'kurrentdb', 'kafka'], kubernetes: true }, readConfig({}));
  const open = Object.keys(everything()).filter((path) => {
    const secret = !/(\.pem|token-keys\.json)$/.test(path) || path.startsWith('keys/') || path.includes('keystore');
    return secret && (statSync(join(folder, path)).mode & 0o077) !== 0;
  });
  expect(open).toEqual([]);
  for (const name of PROCESSES) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o700);
});

test('a second run changes nothing, and what it says holds no secret', async () => {
  const options = { servers: ['postgres', 'kafka'], kubernetes: true };
  const said = await provision(options);
  const before = everything();
  await provision(options);
  expect(everything()).toEqual(before);
  const secrets = [new URL(content('audit', 'database-url')).password, content('audit', 'commands.key')];
  for (const secret of secrets) expect(said.join('\n')).not.toContain(secret);
});

test('a new address of the database keeps the passwords; another kind of event store is refused', async () => {
  await provision();
  const before = new URL(content('access', 'database-url'));
  await provision({}, readConfig({ MINGJING_DATABASE_URL: 'postgres://elsewhere.example/mingjing' }));
  const after = new URL(content('access', 'database-url'));
  expect([after.host, after.password]).toEqual(['elsewhere.example', before.password]);
  const kurrent = readConfig({
    MINGJING_DATABASE_URL: 'postgres://elsewhere.example/mingjing',
    MINGJING_EVENT_STORE: 'kurrentdb://kurrent.example:2113',
  });
  await expect(provision({}, kurrent)).rejects.toThrow(/keeps its events in PostgreSQL/);
});

test('the manifests hold what the folders hold', async () => {
  await provision({ kubernetes: true });
  const manifests = parseAllDocuments(content('secrets.yaml')).map((document) => document.toJS() as Manifest);
  expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
    [...PROCESSES, 'database'].map((name) => `Secret mingjing-${name}`),
  );
  for (const name of PROCESSES) {
    const { data } = manifests.find(({ metadata }) => metadata.name === `mingjing-${name}`)!;
    expect(Object.keys(data).sort()).toEqual(readdirSync(join(folder, name)).sort());
    for (const [file, text] of Object.entries(data)) {
      expect(Buffer.from(text, 'base64').toString()).toBe(content(name, file));
    }
  }
});

test('the authorities of the operator’s servers go to every process, the password of Kafka to those who hear it', async () => {
  const trust = join(folder, 'operator.pem');
  writeFileSync(trust, 'operator');
  const kafka = {
    MINGJING_DATABASE_URL: 'postgres://elsewhere.example/mingjing?sslmode=verify-full',
    MINGJING_KAFKA_BROKERS: 'kafka.example:9093',
    MINGJING_KAFKA_SASL: 'scram-sha-512',
    MINGJING_KAFKA_USERNAME: 'mingjing',
    MINGJING_KAFKA_PASSWORD: 'kafka-secret',
  };
  await provision({ trust }, readConfig(kafka));
  for (const name of PROCESSES) expect(content(name, 'trusted.pem')).toBe('operator');
  expect(content('relay', 'kafka-password')).toBe('kafka-secret');
  expect(readdirSync(join(folder, 'audit'))).not.toContain('kafka-password');
  await provision({ trust }, readConfig({ ...kafka, MINGJING_FEED: 'kafka' }));
  expect(content('audit', 'kafka-password')).toBe('kafka-secret');
  expect(content('audit', 'database-url')).toContain('?sslmode=verify-full');
});

test('the database gets a role for each process, which may append its own events and no others; twice is as once', async () => {
  await provision();
  await migrateInstallation(settings(), folder);
  await migrateInstallation(settings(), folder);
  const store = new PostgresEventStore({ url: content('registry', 'database-url') });
  const append = (category: string) =>
    store.append([
      {
        stream: `${category}-0198c0de-0000-7000-8000-000000000001`,
        expected: 'no-stream',
        events: [{ id: newId(), type: 'Tried', version: 1, data: {}, metadata: METADATA }],
      },
    ]);
  try {
    await append('camera');
    await expect(append('grant')).rejects.toThrow(ForbiddenCategoryError);
  } finally {
    await store.close();
  }
});

test('KurrentDB gets a user for each process, kept to its own categories; nobody signs in as administrator', async () => {
  await makeCertificates(join(folder, 'tls'), ['localhost']);
  const [certFile, keyFile, caFile] = ['localhost.pem', 'localhost.key', 'ca.pem'].map((file) =>
    join(folder, 'tls', file),
  ) as [string, string, string];
  const standIn = await startKurrentStandIn({
    tls: { certFile, keyFile },
    users: { admin: 'admin-pass' },
    licensed: true,
  });
  const address = `localhost:${standIn.port}?tlsCAFile=${caFile}`;
  const config = readConfig({
    MINGJING_DATABASE_URL: database.url,
    MINGJING_DATABASE_OWNER_URL: database.ownerUrl,
    MINGJING_EVENT_STORE: `kurrentdb://admin:admin-pass@${address}`,
  });
  try {
    await provision({}, config);
    for (const name of PROCESSES) expect(content(name, 'event-store')).toMatch(`kurrentdb://mingjing_${name}:`);
    const said = await migrateInstallation(config, folder, 'policies');
    expect(said.at(-1)).toMatch(/by the server by its policies/);
    const { store, close } = await openEventStore(content('registry', 'event-store'));
    const append = (stream: string) =>
      store.append([
        {
          stream,
          expected: 'no-stream',
          events: [{ id: newId(), type: 'Tried', version: 1, data: {}, metadata: METADATA }],
        },
      ]);
    await append('camera-1');
    await expect(append('grant-1')).rejects.toThrow(ForbiddenCategoryError);
    await close();
  } finally {
    await standIn.stop();
  }
});

test('a folder that was never provisioned, or no owner, is said in one sentence', async () => {
  await expect(migrateInstallation(settings(), folder)).rejects.toThrow(/holds no database-url: provision it first/);
  await expect(migrateInstallation(readConfig({}), folder)).rejects.toThrow(/MINGJING_DATABASE_OWNER_URL/);
  await expect(provision({}, readConfig({}))).rejects.toThrow(/MINGJING_DATABASE_URL: say where PostgreSQL is/);
});

test('a password that was changed by hand no longer lets in: the folder decides', async () => {
  await provision();
  await migrateInstallation(settings(), folder);
  const wrong = new URL(content('audit', 'database-url'));
  wrong.password = 'another-password';
  const client = new pg.Client({ connectionString: wrong.href });
  await expect(client.connect()).rejects.toThrow(/password authentication failed/);
});
