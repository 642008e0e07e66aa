import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { PooledClient } from './postgres/connections.js';

/** Extensions, made by the owner in the schema `public`, are found behind the service's own schema. */
const SEARCH_PATH = (schema: string) => `${schema},public`;
const CONNECTIONS_MAX = 6;
const CONNECT_MS_MAX = 10_000;

/** The read model's own bookkeeping; it lives in the schema and moves with it. */
export const POSITION_TABLE = 'read_model_position';
const BOOKKEEPING = `
CREATE TABLE IF NOT EXISTS ${POSITION_TABLE} (
  name      text        NOT NULL PRIMARY KEY,
  position  bigint      NOT NULL,
  epoch     bigint      NOT NULL DEFAULT 0,
  heartbeat timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE IF NOT EXISTS read_model_parked (
  projection text        NOT NULL,
  position   bigint      NOT NULL,
  event_id   uuid        NOT NULL,
  error      text        NOT NULL,
  attempts   integer     NOT NULL,
  parked_at  timestamptz NOT NULL,
  PRIMARY KEY (projection, position)
);`;

export interface TablesDefinition {
  readonly entities: readonly (new () => object)[];
  readonly migrations: readonly (new () => MigrationInterface)[];
}

/** Opens a schema: makes it when absent, runs what migrations are missing, one process at a time. */
export async function openTables(url: string, schema: string, definition: TablesDefinition): Promise<DataSource> {
  const tables = new DataSource({
    type: 'postgres',
    url,
    entities: [...definition.entities],
    migrations: [...definition.migrations],
    migrationsTableName: 'read_model_migration',
    migrationsTransactionMode: 'each',
    installExtensions: false,
    poolSize: CONNECTIONS_MAX,
    connectTimeoutMS: CONNECT_MS_MAX,
    applicationName: `mingjing ${schema}`,
    poolErrorHandler: () => {}, // an idle connection was lost; the next query makes a new one
    extra: { Client: PooledClient, options: `-c search_path=${SEARCH_PATH(schema)} -c timezone=UTC`, keepAlive: true },
  });
  await withSchemaLock(url, schema, async (client) => {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query(`SET search_path = ${SEARCH_PATH(schema)}`);
    await client.query(BOOKKEEPING);
    await tables.initialize();
    try {
      await tables.runMigrations();
    } catch (error) {
      await tables.destroy();
      throw error;
    }
  });
  return tables;
}

/** Runs an action while no other process opens, rebuilds or swaps the same schema. */
export async function withSchemaLock<T>(url: string, schema: string, action: (client: pg.Client) => Promise<T>) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  client.on('error', () => {}); // the query under way fails, that is told there
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`read model ${schema}`]);
    return await action(client);
  } finally {
    await client.end();
  }
}

/** Schema names come from code; anything else would be an injection. */
export function checkSchemaName(schema: string): void {
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(schema)) throw new TypeError(`schema ${schema} must be lower-case snake_case`);
}
