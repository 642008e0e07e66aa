import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TcpFaultProxy } from '../../services/tcp-fault-proxy.js';
import type { Stage } from './cases.js';
import { compareReceived, noFindings, readTopics, wholeLog } from './compare.js';
import { until, type World } from './world.js';

/** A program that keeps its promise only until it is killed at the wrong moment. */
export interface Control {
  readonly name: string;
  /** @returns how many events it lost or doubled */
  readonly run: (stage: Stage) => Promise<number>;
}

const PROGRAM = join(import.meta.dirname, '..', 'faults-naive.js');
const TOPIC = 'mingjing.naive.v1';
const STEP_MS_MAX = 30_000;
const HANG_MS = 2_000;

export const CONTROLS: readonly Control[] = [
  { name: 'a relay that stores its checkpoint first, killed before the broker had the events, loses', run: naiveRelay },
  { name: 'a consumer that stores effect and position apart, killed in between, doubles', run: naiveConsumer },
];

async function naiveRelay({ world, load }: Stage): Promise<number> {
  const [line] = world.kafkaLines as [TcpFaultProxy];
  const first = start(world, 'relay');
  await until('the naive relay sends', STEP_MS_MAX, async () => (await position(world, 'relay')) > 0n);
  line.fail({ kind: 'silent' });
  await sleep(HANG_MS); // by now it has stored a checkpoint and hangs in sending what it says
  await killNow(first, line);

  const second = start(world, 'relay');
  await load.settle(STEP_MS_MAX);
  const log = await wholeLog(world);
  const head = log.at(-1)!.position;
  await until('the second one has come to the end', STEP_MS_MAX, async () => (await position(world, 'relay')) >= head);
  await sleep(500);
  await killNow(second);
  const found = noFindings();
  compareReceived(await readTopics(world, [TOPIC], log.length), log, found);
  return found.lost.length;
}

async function naiveConsumer({ world }: Stage): Promise<number> {
  const { line } = world.database;
  const ofPosition = (hello: Buffer) => hello.includes('naive position');
  const first = start(world, 'consumer');
  await until('the naive consumer consumes', STEP_MS_MAX, async () => (await effects(world)).all > 0);
  line.fail({ kind: 'silent' }, ofPosition);
  await sleep(HANG_MS); // by now an effect is there and its position hangs
  await killNow(first, line, ofPosition);

  const second = start(world, 'consumer');
  await until('the second one does it again', STEP_MS_MAX, async () => (await effects(world)).doubled > 0);
  await killNow(second);
  return (await effects(world)).doubled;
}

function start({ database, config }: World, mode: 'relay' | 'consumer'): ChildProcess {
  return spawn(process.execPath, [PROGRAM, mode], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env.PATH,
      NAIVE_DATABASE: database.ownerUrlThroughLine,
      NAIVE_BROKERS: config.kafka!.brokers.join(','),
      NAIVE_TOPIC: TOPIC,
    },
  });
}

/** SIGKILL; what a silent line still held back of it never arrives. */
async function killNow(child: ChildProcess, line?: TcpFaultProxy, of?: (hello: Buffer) => boolean): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  line?.fail({ kind: 'cut' }, of);
  line?.heal();
}

async function position({ database }: World, name: string): Promise<bigint> {
  const rows = await ask<{ position: string }>(
    database.ownerUrl,
    'SELECT position FROM naive.position WHERE name = $1',
    [name],
  );
  return BigInt(rows[0]?.position ?? 0);
}

async function effects({ database }: World): Promise<{ all: number; doubled: number }> {
  const [row] = await ask<{ all: number; doubled: number }>(
    database.ownerUrl,
    `SELECT count(*)::int AS all, (count(*) - count(DISTINCT position))::int AS doubled FROM naive.effect`,
  );
  return row ?? { all: 0, doubled: 0 };
}

/** Rows; none while the tables are not there yet. */
async function ask<T extends pg.QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } catch (error) {
    if ((error as { code?: string }).code !== '42P01') throw error;
    return [];
  } finally {
    await client.end();
  }
}
