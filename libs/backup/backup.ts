import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import type { HubConfig } from '#libs/platform';
import { ArchiveFile, type FileEntry } from './archive.js';
import { copyIn, MARKER, mediaFiles, readKeys, sealMarks } from './data-files.js';
import { connect, openDatabases } from './database.js';
import { MANIFEST, type Manifest, writtenManifest } from './manifest.js';
import { BackupSecret } from './passphrase.js';
import { EVENTS, TABLES } from './stored-tables.js';
import { describeTable, lineOf, readRows } from './tables.js';

const EVENT_FILE_BYTES_MAX = 64 * 1024 * 1024;

/** What a backup has taken. */
export interface BackupReport {
  readonly folder: string;
  /** Position of the last event in it; undefined when a KurrentDB keeps the events. */
  readonly through: bigint | undefined;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Backs up an installation while it runs: events, vault, means of sign-in, positions, recordings, clips, keys.
 *
 * The order is what makes it whole. 1. How far minutes are sealed: a mark newer than the events would claim seals that
 * they do not have. 2. Everything in the database in one snapshot, the events first where they have a database of their
 * own: what an event refers to in the vault was written before it, so a later snapshot holds it. 3. Media and, last,
 * keys: both are written before the event that tells of them and never changed, so taken after the events they can only
 * be more than the events need, never less.
 *
 * @param folder where to; it MUST NOT exist, and exists only once the backup is complete
 * @throws Error in one sentence
 */
export async function takeBackup(config: HubConfig, folder: string, passphrase: string): Promise<BackupReport> {
  if (config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres', 'cluster'))) {
    throw new Error(`There is no hub in ${config.dataDir}: set MINGJING_DATA or MINGJING_DATABASE_URL.`);
  }
  if (existsSync(folder)) throw new Error(`${folder} is there already; a backup goes into a folder of its own.`);
  const unfinished = `${folder}.partial`;
  await mkdir(dirname(unfinished), { recursive: true });
  await mkdir(unfinished, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST'
      ? new Error(`${unfinished} is there: another backup runs, or one failed; remove it.`)
      : error;
  });
  try {
    const backup = new Backup(config, unfinished, new BackupSecret(passphrase));
    const report = await backup.take();
    await rename(unfinished, folder);
    await syncFolder(dirname(folder));
    return { ...report, folder };
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

class Backup {
  #files = 0;
  #bytes = 0;

  constructor(
    private readonly config: HubConfig,
    private readonly root: string,
    private readonly secret: BackupSecret,
  ) {}

  async take(): Promise<Omit<BackupReport, 'folder'>> {
    const { dataDir, keysDir } = this.config;
    const list = await ArchiveFile.create(this.root, 'files.jsonl');
    const add = async (entry: FileEntry | undefined) => {
      if (entry === undefined) return;
      this.#files += 1;
      this.#bytes += entry.bytes;
      await list.write(`${JSON.stringify(entry)}\n`);
    };
    const copyAll = async (paths: AsyncIterable<string>) => {
      for await (const path of paths) await add(await copyIn(this.root, `data/${path}`, join(dataDir, path)));
    };
    await copyAll(sealMarks(dataDir));
    const { takenAt, events, tables } = await this.#databases(add);
    await copyAll(mediaFiles(dataDir));
    await add(await copyIn(this.root, `data/${MARKER}`, join(dataDir, MARKER)));
    await add(await this.#keys(await readKeys(keysDir)));
    const files = { count: this.#files, bytes: this.#bytes, list: await list.end() };
    const manifest = await ArchiveFile.create(this.root, MANIFEST);
    await manifest.write(writtenManifest({ takenAt, ...(events && { events }), tables, files }, this.secret));
    await manifest.end();
    return { through: events && BigInt(events.through), files: this.#files, bytes: this.#bytes };
  }

  async #databases(add: (entry: FileEntry) => Promise<void>): Promise<Pick<Manifest, 'takenAt' | 'events' | 'tables'>> {
    const databases = await openDatabases(this.config);
    const opened: pg.Client[] = [];
    const snapshotOf = async (url: string) => {
      const client = await connect(url);
      opened.push(client);
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const { rows } = await client.query<{ now: Date }>('SELECT now() AS now');
      return { client, takenAt: rows[0]!.now.toISOString() };
    };
    try {
      const first = await snapshotOf(databases.eventsUrl ?? databases.url);
      const events = databases.eventsUrl === undefined ? undefined : await this.#events(first.client, add);
      const apart = databases.eventsUrl !== undefined && databases.eventsUrl !== databases.url;
      const { client } = apart ? await snapshotOf(databases.url) : first;
      return { takenAt: first.takenAt, ...(events && { events }), tables: await this.#tables(client, add) };
    } finally {
      for (const client of opened) await client.end();
      await databases.close();
    }
  }

  /** @throws Error when the store has a gap: a backup must not hide that something is missing already */
  async #events(client: pg.Client, add: (entry: FileEntry) => Promise<void>): Promise<NonNullable<Manifest['events']>> {
    const table = await describeTable(client, EVENTS.name, EVENTS.orderBy);
    if (table === undefined) throw new Error('There is no event store in the database: is it the right one?');
    const at = table.columns.findIndex(({ name }) => name === 'position');
    const whole = createHash('sha256');
    let through = 0n;
    let file: ArchiveFile | undefined;
    let first = 1n;
    for await (const rows of readRows(client, table)) {
      for (const row of rows) {
        const position = BigInt(row[at]!);
        if (position !== through + 1n)
          throw new Error(`The event store has no event between ${through} and ${position}.`);
        if (file === undefined) {
          first = position;
          file = await ArchiveFile.create(this.root, `events/${String(position).padStart(12, '0')}.jsonl`);
        }
        const line = lineOf(row);
        whole.update(line);
        await file.write(line);
        through = position;
        if (file.bytes < EVENT_FILE_BYTES_MAX) continue;
        await add(await file.end([first, through]));
        file = undefined;
      }
    }
    if (file !== undefined) await add(await file.end([first, through]));
    return { through: String(through), sha256: whole.digest('hex') };
  }

  async #tables(client: pg.Client, add: (entry: FileEntry) => Promise<void>): Promise<Manifest['tables']> {
    const taken: Manifest['tables'] = [];
    for (const { name, orderBy } of TABLES) {
      const table = await describeTable(client, name, orderBy);
      if (table === undefined) continue; // nobody has needed it yet
      const file = await ArchiveFile.create(this.root, `tables/${name}.jsonl`);
      let rows = 0;
      for await (const some of readRows(client, table)) {
        for (const row of some) await file.write(lineOf(row));
        rows += some.length;
      }
      await add(await file.end());
      taken.push({ name, columns: table.columns.map((column) => column.name), rows });
    }
    return taken;
  }

  async #keys(keys: Record<string, string>): Promise<FileEntry> {
    const file = await ArchiveFile.create(this.root, 'keys.sealed');
    await file.write(this.secret.seal(Buffer.from(JSON.stringify(keys), 'utf8')));
    return file.end();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
