import 'reflect-metadata';
import type { DynamicModule, FactoryProvider, Type } from '@nestjs/common';
import pg from 'pg';
import { AccessModule } from '#libs/access';
import { catalogue } from '#libs/catalogue';
import { type EventStore, migrateEventStore, type ReadModel, withCatalogue } from '#libs/event-store';
import { IdentityModule } from '#libs/identity';
import { IntegrationModule } from '#libs/integration';
import { RegistryModule } from '#libs/registry';
import { type Findings, withLog } from './compare.js';
import { until, type World } from './world.js';

const FEATURES: readonly Type[] = [IdentityModule, RegistryModule, IntegrationModule, AccessModule];
const CAUGHT_UP_MS_MAX = 60_000;
const BOOKKEEPING = /^read_model_/;
const SHOWN_CHARS = 200;

/**
 * The tables of every service hold exactly what a fresh reader of the log has in the end: each event has taken effect
 * once. Events that come meanwhile may make them differ for a moment, so a difference is looked at again.
 */
export async function compareReadModels(world: World, found: Findings): Promise<void> {
  await withLog(world, async (raw) => {
    const store = withCatalogue(raw, catalogue);
    const scratch = await scratchDatabase(world.database.ownerUrl);
    const models = FEATURES.map((feature) => readModelOf(feature, scratch.url, store));
    const running = await connected(world.database.ownerUrl);
    const fresh = await connected(scratch.url);
    try {
      await Promise.all(models.map((model) => model.start()));
      for (let attempt = 1; ; attempt += 1) {
        const head = await store.head();
        await Promise.all(models.map((model) => model.reached(head, CAUGHT_UP_MS_MAX)));
        for (const { definition } of models) await reached(running, definition.schema, head);
        const differences: Difference[] = [];
        for (const model of models) differences.push(...(await differ(model, running, fresh)));
        if (differences.length > 0 && attempt < 3) continue;
        for (const { kind, what } of differences) found[kind].push(what);
        break;
      }
      for (const { definition } of models) await nothingParked(running, definition.schema, found);
    } finally {
      await Promise.all(models.map((model) => model.stop()));
      await Promise.all([running.end(), fresh.end()]);
      await scratch.drop();
    }
  });
}

/** The read model that a feature brings along, on another database. */
function readModelOf(feature: Type, url: string, store: EventStore): ReadModel {
  const imports = Reflect.getMetadata('imports', feature) as readonly (Type | DynamicModule)[];
  const providers = imports.flatMap((each) => ('providers' in each ? (each.providers ?? []) : []));
  const provider = providers.find(
    (each): each is FactoryProvider<ReadModel> => 'provide' in each && /^read model \w+$/.test(String(each.provide)),
  );
  if (provider === undefined) throw new Error(`${feature.name} has no read model`);
  return provider.useFactory(url, store) as ReadModel;
}

async function scratchDatabase(ownerUrl: string) {
  const name = `check_${process.pid}_${Date.now()}`;
  const url = Object.assign(new URL(ownerUrl), { pathname: `/${name}` }).href;
  const asOwner = async (sql: string) => {
    const client = await connected(ownerUrl);
    await client.query(sql).finally(() => client.end());
  };
  await asOwner(`CREATE DATABASE ${name}`);
  await migrateEventStore(url); // for the extensions
  return { url, drop: () => asOwner(`DROP DATABASE ${name} WITH (FORCE)`) };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

function reached(client: pg.Client, schema: string, head: bigint): Promise<void> {
  return until(`read model ${schema} reaches position ${head}`, CAUGHT_UP_MS_MAX, async () => {
    const { rows } = await client.query<{ position: string }>(`SELECT position FROM ${schema}.read_model_position`);
    return rows.length > 0 && rows.every(({ position }) => BigInt(position) >= head);
  });
}

interface Difference {
  readonly kind: 'lost' | 'doubled';
  readonly what: string;
}

async function differ({ definition: { schema } }: ReadModel, running: pg.Client, fresh: pg.Client) {
  const differences: Difference[] = [];
  for (const table of await tablesOf(fresh, schema)) {
    const [is, shouldBe] = [await rowsOf(running, schema, table), await rowsOf(fresh, schema, table)];
    const tell = (row: string) => `${schema}.${table} ${row.slice(0, SHOWN_CHARS)}`;
    for (const row of without(shouldBe, is)) differences.push({ kind: 'lost', what: tell(row) });
    for (const row of without(is, shouldBe)) differences.push({ kind: 'doubled', what: tell(row) });
  }
  return differences;
}

async function tablesOf(client: pg.Client, schema: string): Promise<string[]> {
  const sql = 'SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1';
  const { rows } = await client.query<{ tablename: string }>(sql, [schema]);
  return rows.map(({ tablename }) => tablename).filter((name) => !BOOKKEEPING.test(name));
}

async function rowsOf(client: pg.Client, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${schema}.${table} t`);
  return rows.map(({ row }) => row);
}

/** Multiset difference. */
function without(rows: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(row) ?? 0;
    left.set(row, count - 1);
    return count <= 0;
  });
}

async function nothingParked(client: pg.Client, schema: string, found: Findings): Promise<void> {
  const { rows } = await client.query<{ projection: string; position: string; error: string }>(
    `SELECT projection, position, error FROM ${schema}.read_model_parked`,
  );
  for (const { projection, position, error } of rows) {
    found.failed.push(`${schema} has parked event ${position} for ${projection}: ${error}`);
  }
}
