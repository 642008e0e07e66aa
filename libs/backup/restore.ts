import { createHash } from 'node:crypto';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { HUB_RIGHTS } from '#libs/catalogue';
import { createServiceRoles, migrateEventStore } from '#libs/event-store';
import { SIGN_IN_TABLES } from '#libs/identity';
import type { HubConfig } from '#libs/platform';
import { permitVault, VAULT_TABLES } from '#libs/vault';
import { DamagedBackupError, type FileEntry, readBlocks, readFileList, readLines } from './archive.js';
import { MARKER } from './data-files.js';
import { connect, type Databases, openDatabases } from './database.js';
import { type Manifest, readManifest } from './manifest.js';
import type { BackupSecret } from './passphrase.js';
import { EVENTS, TABLES } from './stored-tables.js';
import { describeTable, lineOf, loadRows, readRows, type Table } from './tables.js';

/** What a backup holds, or what was restored of it. */
export interface RestoreReport {
  readonly takenAt: string;
  readonly through: bigint | undefined;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Reads a whole backup and compares it with what was written.
 * @throws DamagedBackupError naming the file and the place
 */
export async function checkBackup(folder: string, passphrase: string): Promise<RestoreReport> {
  const { manifest } = await verified(folder, passphrase);
  return reportOf(manifest);
}

/**
 * Restores a backup into an empty place: a data folder that is not there or empty, a database without events. The
 * backup is read and compared as a whole before anything is written; what was restored is read back and compared. The
 * data folder gets its mark last, so that a hub never starts on half of it.
 * @throws DamagedBackupError naming the file and the place; nothing is written then
 * @throws Error in one sentence when the place is not empty
 */
export async function restoreBackup(config: HubConfig, folder: string, passphrase: string): Promise<RestoreReport> {
  // 1. Nothing is written before all of it is known to be good and the place to be empty
  const { manifest, secret } = await verified(folder, passphrase);
  await requireEmptyFolder(config.dataDir);
  await requireEmptyFolder(config.keysDir);
  await mkdir(config.dataDir, { recursive: true, mode: 0o755 });

  // 2. Keys and media, then the database
  const restore = new Restore(config, folder, manifest, secret);
  await restore.keys();
  await restore.files((path) => path !== `data/${MARKER}`);
  const databases = await openDatabases(config);
  try {
    await restore.database(databases);
  } finally {
    await databases.close();
  }

  // 3. From here on it is a data folder
  await restore.files((path) => path === `data/${MARKER}`);
  return reportOf(manifest);
}

async function verified(folder: string, passphrase: string): Promise<{ manifest: Manifest; secret: BackupSecret }> {
  const { manifest, secret } = await readManifest(folder, passphrase);
  let count = 0;
  for await (const entry of readFileList(folder, manifest.files.list)) {
    for await (const _ of readBlocks(folder, entry));
    count += 1;
  }
  if (count !== manifest.files.count) {
    throw new DamagedBackupError(`The backup is damaged: ${count} files instead of ${manifest.files.count}.`);
  }
  return { manifest, secret };
}

function reportOf({ takenAt, events, files }: Manifest): RestoreReport {
  return { takenAt, through: events && BigInt(events.through), files: files.count, bytes: files.bytes };
}

async function requireEmptyFolder(path: string): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length > 0) throw new Error(`${path} is not empty: a restore never overwrites what is there.`);
}

class Restore {
  constructor(
    private readonly config: HubConfig,
    private readonly root: string,
    private readonly manifest: Manifest,
    private readonly secret: BackupSecret,
  ) {}

  #entries(): AsyncGenerator<FileEntry> {
    return readFileList(this.root, this.manifest.files.list);
  }

  async keys(): Promise<void> {
    const sealed: Buffer[] = [];
    for await (const block of readBlocks(this.root, await this.#entry('keys.sealed'))) sealed.push(block);
    const keys = JSON.parse(this.secret.open(Buffer.concat(sealed)).toString('utf8')) as Record<string, string>;
    const { keysDir } = this.config;
    await mkdir(keysDir, { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(keys)) {
      await writeFile(join(keysDir, name), Buffer.from(content, 'base64'), { mode: 0o600, flag: 'wx', flush: true });
    }
  }

  /** Files of the data folder whose path is wanted. */
  async files(wanted: (path: string) => boolean): Promise<void> {
    for await (const entry of this.#entries()) {
      if (!entry.path.startsWith('data/') || !wanted(entry.path)) continue;
      const target = join(this.config.dataDir, entry.path.slice('data/'.length));
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const file = await open(target, 'wx', 0o600);
      try {
        for await (const block of readBlocks(this.root, entry)) await file.writeFile(block);
        await file.sync();
      } finally {
        await file.close();
      }
    }
  }

  /** Events and tables in one transaction a database: all or nothing. */
  async database({ url, eventsUrl, serviceRole }: Databases): Promise<void> {
    if (eventsUrl !== undefined) await migrateEventStore(eventsUrl); // the owner itself appends for now
    if (eventsUrl !== url) await migrateEventStore(url);
    const client = await connect(url);
    const eventsClient = eventsUrl === undefined || eventsUrl === url ? client : await connect(eventsUrl);
    const clients = new Set([client, eventsClient]);
    try {
      for (const one of clients) await one.query('BEGIN');
      await client.query(VAULT_TABLES);
      await client.query(SIGN_IN_TABLES);
      if (this.manifest.events !== undefined) await this.#events(eventsClient, this.manifest.events);
      for (const { name, columns, rows } of this.manifest.tables) await this.#table(client, name, columns, rows);
      await this.#playing(eventsClient);
      for (const one of [...clients].reverse()) await one.query('COMMIT'); // the events last
    } finally {
      for (const one of clients) await one.end();
    }
    if (serviceRole === undefined) return;
    await createServiceRoles(url, [{ role: serviceRole, subscriptions: ['*'], ...HUB_RIGHTS }]);
    await permitVault(url, [{ role: serviceRole, uses: HUB_RIGHTS.vault }]);
  }

  async #events(client: pg.Client, { through, sha256 }: NonNullable<Manifest['events']>): Promise<void> {
    const table = await this.#emptyTable(client, EVENTS.name, EVENTS.orderBy);
    for await (const entry of this.#entries()) {
      if (entry.positions !== undefined) await loadRows(client, table, readLines(this.root, entry));
    }
    const whole = createHash('sha256');
    let rows = 0n;
    for await (const some of readRows(client, table)) {
      for (const row of some) whole.update(lineOf(row));
      rows += BigInt(some.length);
    }
    if (rows !== BigInt(through) || whole.digest('hex') !== sha256) {
      throw new Error(`What was restored is not what was backed up: ${rows} events instead of ${through}, or others.`);
    }
  }

  async #table(client: pg.Client, name: string, columns: readonly string[], rows: number): Promise<void> {
    const known = TABLES.find((table) => table.name === name);
    if (known === undefined) throw new Error(`The backup holds the table ${name}, which this program does not know.`);
    const table = await this.#emptyTable(client, name, known.orderBy);
    if (table.columns.map((column) => column.name).join() !== columns.join()) {
      throw new Error(`The table ${name} of the backup has other columns: restore it with the version that made it.`);
    }
    const loaded = await loadRows(client, table, readLines(this.root, await this.#entry(`tables/${name}.jsonl`)));
    if (loaded !== rows)
      throw new DamagedBackupError(`The backup is damaged: ${name} has ${loaded} rows instead of ${rows}.`);
  }

  async #emptyTable(client: pg.Client, name: string, orderBy: string): Promise<Table> {
    const table = await describeTable(client, name, orderBy);
    if (table === undefined) throw new Error(`The database has no table ${name} after its migration.`);
    const { rows } = await client.query(`SELECT FROM ${name} LIMIT 1`);
    if (rows.length > 0)
      throw new Error(`The database holds rows in ${name}: a restore never overwrites what is there.`);
    return table;
  }

  /** What played when the backup was taken plays no more: the media gateway reports at its start what it finds here. */
  async #playing(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ id: string }>(
      `SELECT substr(stream, length('playback-') + 1) AS id FROM event_store.event
        WHERE type IN ('PlaybackStarted', 'PlaybackStopped') GROUP BY stream HAVING bool_and(type = 'PlaybackStarted')`,
    );
    const folder = join(this.config.dataDir, 'playing');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const { id } of rows) await writeFile(join(folder, id), '');
  }

  async #entry(path: string): Promise<FileEntry> {
    for await (const entry of this.#entries()) if (entry.path === path) return entry;
    throw new DamagedBackupError(`The backup is damaged: it has no ${path}.`);
  }
}
