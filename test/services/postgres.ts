import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** A database of a spec's own on the run's PostgreSQL. */
export interface FreshDatabase {
  /** Address as the service role. */
  readonly url: string;
  /** Address as owner, for migrations. */
  readonly ownerUrl: string;
  readonly serviceRole: string;
  drop(): Promise<void>;
}

/** Makes an empty database. @throws Error when jest's global setup has not run */
export async function freshDatabase(): Promise<FreshDatabase> {
  const { TEST_POSTGRES_URL: owner, TEST_POSTGRES_SERVICE_URL: service } = process.env;
  if (!owner || !service) throw new Error('no PostgreSQL for tests: jest starts one by test/services/global-setup.ts');
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  await asOwner(owner, `CREATE DATABASE ${database}`);
  return {
    url: onDatabase(service, database),
    ownerUrl: onDatabase(owner, database),
    serviceRole: new URL(service).username,
    drop: () => asOwner(owner, `DROP DATABASE ${database} WITH (FORCE)`),
  };
}

async function asOwner(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

function onDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}
