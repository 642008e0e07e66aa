import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgresError, startEmbeddedPostgres } from './embedded-postgres.js';

const SOURCE = join(import.meta.dirname, 'embedded-postgres.ts');

/** A hub-like process of its own, which says its server's process id and then waits to be killed. */
async function hub(dataDir: string): Promise<{ process: ChildProcess; postgres: number; kill(): Promise<void> }> {
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(SOURCE)});
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)} });
    console.log(server.pid);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout!.setEncoding('utf8'), 'data');
  const kill = async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return { process: child, postgres: Number(line), kill };
}

describe('PostgreSQL of the hub', () => {
  let folder: string;
  let dataDir: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mingjing-embedded-'));
    dataDir = join(folder, 'data');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const query = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return (await client.query({ text: sql, rowMode: 'array' }).finally(() => client.end())).rows as unknown[][];
  };
  /** A table with one row, as something that must survive. */
  const leaveMark = async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    await query(server.ownerUrl, "CREATE TABLE mark AS SELECT '镜' AS sign");
    await server.stop();
  };
  const findMark = async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const rows = await query(server.ownerUrl, 'SELECT sign FROM mark');
    await server.stop();
    return rows;
  };

  test('it is durable, speaks UTF-8, knows Chinese letters, and listens on this machine only', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const settings = ['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'listen_addresses'];
    const shown = await query(server.serviceUrl, `SELECT ${settings.map((s) => `current_setting('${s}')`).join()}`);
    expect(shown).toEqual([['on', 'on', 'on', 'on', '127.0.0.1']]);
    await query(server.ownerUrl, 'CREATE EXTENSION pg_trgm');
    expect(await query(server.ownerUrl, "SELECT show_trgm('玉田坝') <> '{}'")).toEqual([[true]]);
    await server.stop();
    expect(await server.ended).toBe(true);
  });

  test('its passwords are nobody else’s to read, and nobody gets in without', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    expect((await stat(join(dataDir, 'passwords.json'))).mode & 0o777).toBe(0o600);
    const wrong = new URL(server.ownerUrl);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    const [rights] = await query(
      server.serviceUrl,
      'SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user',
    );
    expect(rights).toEqual([false, false, false]);
    await server.stop();
  });

  test('it starts again on the same data', async () => {
    await leaveMark();
    expect(await findMark()).toEqual([['镜']]);
  });

  test('a second hub on the folder is told so in one sentence', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow('another hub is running on the data folder');
    await server.stop();
    const again = await startEmbeddedPostgres({ dataDir });
    await again.stop();
  });

  test('a folder of another major version is told so in one sentence and left alone', async () => {
    await leaveMark();
    const file = join(dataDir, 'cluster', 'PG_VERSION');
    const version = await readFile(file, 'utf8');
    await writeFile(file, '16\n');
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/belongs to PostgreSQL 16, this hub brings 18/);
    await writeFile(file, version);
    expect(await findMark()).toEqual([['镜']]);
  });

  test('after the hub was killed the server does not outlive it for long, and the next hub starts', async () => {
    await leaveMark();
    const killed = await hub(dataDir);
    await killed.kill();
    expect(await findMark()).toEqual([['镜']]);
  });

  test('after hub and server were killed together the next hub recovers the data', async () => {
    await leaveMark();
    const killed = await hub(dataDir);
    process.kill(killed.postgres, 'SIGKILL');
    await killed.kill();
    expect(await findMark()).toEqual([['镜']]);
  });

  test('a server that a killed hub left behind is ended by the next hub', async () => {
    await leaveMark();
    const killed = await hub(dataDir);
    process.kill(killed.postgres, 'SIGSTOP'); // it cannot follow its hub
    await killed.kill();
    setTimeout(() => process.kill(killed.postgres, 'SIGCONT'), 300);
    expect(await findMark()).toEqual([['镜']]);
  });

  test('a stale lock file whose number is another program’s by now does not stop it', async () => {
    await leaveMark();
    await writeFile(join(dataDir, 'cluster', 'postmaster.pid'), `${process.pid}\n`);
    expect(await findMark()).toEqual([['镜']]);
  });

  test('it runs where only the hub’s user may go', async () => {
    await chmod(folder, 0o700); // as /root is; the server runs as another user when the hub is root
    await leaveMark();
    expect(await findMark()).toEqual([['镜']]);
  });

  test('a server that cannot start says why', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const port = Number(new URL(server.ownerUrl).port);
    const other = startEmbeddedPostgres({ dataDir: join(folder, 'other'), port });
    await expect(other).rejects.toBeInstanceOf(EmbeddedPostgresError);
    await expect(other).rejects.toThrow(/did not start: could not create any TCP\/IP sockets/);
    await server.stop();
  });

  test('a server that ends unasked says so', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    process.kill(server.pid, 'SIGKILL');
    expect(await server.ended).toBe(false);
  });
});
