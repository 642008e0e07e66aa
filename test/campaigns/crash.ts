/**
 * Kills a writer together with its PostgreSQL (SIGKILL) in mid-append, again and again, then compares what it has
 * acknowledged with what the store holds. Usage: node dist/test/campaigns/crash.js [kills] [-- command args…]
 *
 * The command gets the data folder as its last argument and speaks the lines of crash-writer.ts. Exit status 1 when an
 * acknowledged event is lost, an event stands that nobody asked for, or no kill hit an append in flight.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresEventStore } from '#libs/event-store';
import { startEmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';

const KILLS = 20;
const WRITE_MS_MAX = 300;

interface Told {
  readonly ready?: true;
  readonly postgres?: number;
  readonly asked?: readonly string[];
  readonly acked?: readonly string[];
  /** Position of the last event of `acked`. */
  readonly position?: string;
}

interface Ledger {
  /** Batch of ids by the first one: asked for, never answered. */
  readonly open: Map<string, readonly string[]>;
  readonly acked: Map<string, readonly string[]>;
  /** Position told for an event. */
  readonly positions: Map<string, string>;
  killsInFlight: number;
  readonly recoveriesMs: number[];
}

export interface CrashReport {
  readonly campaign: 'crash';
  readonly kills: number;
  readonly kills_in_flight: number;
  /** Events acknowledged. */
  readonly acked: number;
  /** Events acknowledged that do not stand. */
  readonly lost: number;
  /** Events that stand and nobody asked for, stand twice or elsewhere than told, or appends that stand in part. */
  readonly phantom: number;
  readonly recovery_p50_ms: number;
}

/** @param command program and arguments; the data folder is put behind them */
export async function crashCampaign(kills: number, command: readonly string[]): Promise<CrashReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'mingjing-crash-'));
  const ledger: Ledger = {
    open: new Map(),
    acked: new Map(),
    positions: new Map(),
    killsInFlight: 0,
    recoveriesMs: [],
  };
  try {
    for (let kill = 0; kill < kills; kill += 1) await runAndKill(command, dataDir, ledger);
    return await compare(dataDir, kills, ledger);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Starts the writer on what the last one left, lets it write for a moment, kills it and its PostgreSQL at once. */
async function runAndKill([program, ...args]: readonly string[], dataDir: string, ledger: Ledger): Promise<void> {
  const started = performance.now();
  const child = spawn(program!, [...args, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const open = new Map<string, readonly string[]>();
  const ready = Promise.withResolvers<number>();
  child.once('exit', () => ready.reject(new Error('the writer ended before it was ready')));
  const lines = createInterface({ input: child.stdout! });
  const allRead = new Promise<void>((resolve) => lines.once('close', resolve));
  lines.on('line', (line) => {
    const told = parse(line);
    if (told.ready) ready.resolve(told.postgres!);
    if (told.asked) open.set(told.asked[0]!, told.asked);
    if (told.acked) {
      open.delete(told.acked[0]!);
      ledger.acked.set(told.acked[0]!, told.acked);
      if (told.position) ledger.positions.set(told.acked.at(-1)!, told.position);
    }
  });
  const postgres = await ready.promise;
  ledger.recoveriesMs.push(performance.now() - started);
  await sleep(50 + Math.random() * WRITE_MS_MAX);
  process.kill(postgres, 'SIGKILL');
  child.kill('SIGKILL');
  await Promise.all([exited(child), allRead]);
  if (open.size > 0) ledger.killsInFlight += 1;
  for (const [first, ids] of open) ledger.open.set(first, ids);
}

/** The last line may have been cut by the kill: what was not told whole was not told. */
function parse(line: string): Told {
  try {
    return JSON.parse(line) as Told;
  } catch {
    return {};
  }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

async function compare(dataDir: string, kills: number, ledger: Ledger): Promise<CrashReport> {
  const standing = new Map<string, string[]>();
  const postgres = await startEmbeddedPostgres({ dataDir });
  const store = new PostgresEventStore({ url: postgres.serviceUrl });
  for await (const { id, position } of store.readAll(0n)) {
    standing.set(id, [...(standing.get(id) ?? []), String(position)]);
  }
  await store.close();
  await postgres.stop();

  const acked = [...ledger.acked.values()].flat();
  const lost = acked.filter((id) => !standing.has(id)).length;
  const known = new Set([...acked, ...[...ledger.open.values()].flat()]);
  const unasked = [...standing.keys()].filter((id) => !known.has(id)).length;
  const doubled = [...standing.values()].filter((positions) => positions.length > 1).length;
  const elsewhere = [...ledger.positions].filter(
    ([id, told]) => standing.has(id) && standing.get(id)![0] !== told,
  ).length;
  const torn = [...ledger.open.values()].filter((ids) => {
    const stand = ids.filter((id) => standing.has(id)).length;
    return stand > 0 && stand < ids.length;
  }).length;
  return {
    campaign: 'crash',
    kills,
    kills_in_flight: ledger.killsInFlight,
    acked: acked.length,
    lost,
    phantom: unasked + doubled + elsewhere + torn,
    recovery_p50_ms: median(ledger.recoveriesMs),
  };
}

/** Median in whole milliseconds; NaN of nothing. */
export function median(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN);
}

/** Prints the report as the last line and sets the exit status: 1 when a promise is broken or nothing was tested. */
export function conclude(report: CrashReport): void {
  console.log(JSON.stringify(report));
  if (report.lost > 0 || report.phantom > 0 || report.kills_in_flight === 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) {
  const [kills = String(KILLS), ...command] = process.argv.slice(2).filter((argument) => argument !== '--');
  const writer = [process.execPath, join(import.meta.dirname, 'crash-writer.js')];
  conclude(await crashCampaign(Number(kills), command.length > 0 ? command : writer));
}
