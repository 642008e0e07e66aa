import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgresError, type HubConfig, startEmbeddedPostgres } from '#libs/platform';

/** Where the data of an installation lies, as a role that may read (or, restoring, make) all of it. */
export interface Databases {
  /** Read models apart: vault, sign-in, positions. */
  readonly url: string;
  /** Events; undefined when a KurrentDB keeps them. */
  readonly eventsUrl: string | undefined;
  /** Role that a hub in one process serves by, when it is not the owner itself. */
  readonly serviceRole: string | undefined;
  close(): Promise<void>;
}

/** The databases that the settings name; the hub's own, whether it runs at this moment or not. */
export async function openDatabases({
  databaseUrl,
  databaseOwnerUrl,
  eventStore,
  dataDir,
}: HubConfig): Promise<Databases> {
  if (databaseUrl === undefined) return openOwn(join(dataDir, 'postgres'));
  const url = databaseOwnerUrl ?? databaseUrl;
  return {
    url,
    eventsUrl: eventStore === undefined ? url : /^postgres/.test(eventStore) ? eventStore : undefined,
    serviceRole: databaseOwnerUrl === undefined ? undefined : decodeURIComponent(new URL(databaseUrl).username),
    close: async () => undefined,
  };
}

async function openOwn(folder: string): Promise<Databases> {
  try {
    const own = await startEmbeddedPostgres({ dataDir: folder });
    return { url: own.ownerUrl, eventsUrl: own.ownerUrl, serviceRole: own.serviceRole, close: own.stop };
  } catch (error) {
    if (!(error instanceof EmbeddedPostgresError) || !error.message.startsWith('another hub is running')) throw error;
    const url = runningOwn(folder);
    return { url, eventsUrl: url, serviceRole: undefined, close: async () => undefined };
  }
}

/** Address, as owner, of the PostgreSQL that a running hub has started on its folder. */
function runningOwn(folder: string): string {
  const { owner } = JSON.parse(readFileSync(join(folder, 'passwords.json'), 'utf8')) as { owner: string };
  const port = readFileSync(join(folder, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3];
  return `postgresql://mingjing_owner:${owner}@127.0.0.1:${port}/mingjing`;
}

/** A connection for a long piece of work, with values written the same way everywhere. */
export async function connect(url: string): Promise<pg.Client> {
  const options = '-c timezone=UTC -c datestyle=ISO -c bytea_output=hex -c row_security=off -c statement_timeout=0';
  const client = new pg.Client({
    connectionString: url,
    options,
    application_name: 'mingjing backup',
    keepAlive: true,
  });
  client.on('error', () => undefined); // the query under way fails, that is told there
  await client.connect();
  return client;
}
