/**
 * An installation in parts - each service a process, a real Kafka, PostgreSQL - under the load of users who write and
 * play, and one fault after another. After each fault everything is compared: what was acknowledged with the log, the
 * log with the topics and the read models, what was played with the decisions on record.
 * Usage: node dist/test/campaigns/faults.js [--short] [--only <part of a name>] [--rounds <n>]
 *
 * Exit status 0 only when nothing failed, was lost, doubled or reordered, and every control failed as it must.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CASES, type FaultCase, type Stage } from './faults/cases.js';
import {
  comparePlaybacks,
  compareTopics,
  compareWrites,
  type Findings,
  noFindings,
  wholeLog,
} from './faults/compare.js';
import { CONTROLS } from './faults/controls.js';
import { KINDS, Load } from './faults/load.js';
import { LivePlayer } from './faults/player.js';
import { compareReadModels } from './faults/read-models.js';
import { startWorld, until } from './faults/world.js';

const RECOVERY_MS_MAX = 60_000;
const WARM_UP_MS = 1_000;
const SHOWN = 5;

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
  },
  allowPositionals: true,
});
const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Everything found so far; what one comparison found the next one finds again. */
const total = {
  cases: 0,
  failed: 0,
  lost: new Set<string>(),
  doubled: new Set<string>(),
  reordered: new Set<string>(),
};

async function play(one: FaultCase, stage: Stage, thorough: boolean): Promise<void> {
  const { load, world } = stage;
  await sleep(WARM_UP_MS);
  const found = noFindings();
  total.cases += 1;
  let line = one.name;
  try {
    const seen = await one.run(stage);
    const over = performance.now();
    await until('the installation is there again', RECOVERY_MS_MAX, () => recoveryMs(stage, over) < Infinity);
    line += `: recovered after ${recoveryMs(stage, over)} ms (${recoveries(stage, over)})`;
    if (seen !== undefined) line += `; ${seen}`;
    await load.settle(RECOVERY_MS_MAX);
    const repeats = await compareAll(stage, found, thorough);
    line += `; ${load.asked.length} writes, ${repeats} messages delivered again`;
  } catch (error) {
    found.failed.push(String(error));
  } finally {
    load.goOn();
  }
  found.failed.push(...load.unclear.splice(0));
  conclude(line, found, world.said);
}

/** Until a write of every kind that was begun after a moment is acknowledged, and the player has got video again. */
function recoveryMs({ load, player }: Stage, over: number): number {
  const played = player.firstBytesAfter(over);
  if (process.env.DEBUG)
    console.log(
      KINDS.map((kind) => [kind, load.firstAckAfter(kind, over) - over]),
      played - over,
    );
  return Math.round(Math.max(played, ...KINDS.map((kind) => load.firstAckAfter(kind, over))) - over);
}

function recoveries({ load, player }: Stage, over: number): string {
  const times = KINDS.map((kind) => [kind, load.firstAckAfter(kind, over)] as const);
  return [...times, ['video', player.firstBytesAfter(over)] as const]
    .map(([what, at]) => `${what} ${Math.round(at - over)}`)
    .join(', ');
}

async function compareAll({ world, load, player }: Stage, found: Findings, thorough: boolean): Promise<number> {
  const log = await wholeLog(world);
  compareWrites(load, log, found);
  comparePlaybacks(player, log, found);
  const repeats = await compareTopics(world, log, found);
  if (thorough) await compareReadModels(world, found);
  return repeats;
}

function conclude(line: string, found: Findings, said: readonly string[]): void {
  const { failed } = found;
  const fresh = (['lost', 'doubled', 'reordered'] as const).flatMap((kind) => {
    const news = found[kind].filter((each) => !total[kind].has(each));
    for (const each of news) total[kind].add(each);
    return news.map((each) => `${kind}: ${each}`);
  });
  const broken = [...failed, ...fresh];
  if (broken.length > 0) total.failed += 1;
  say(`${broken.length === 0 ? '✓' : '✗'} ${line}`);
  for (const each of broken.slice(0, SHOWN)) say(`    ${each}`);
  if (broken.length > SHOWN) say(`    … and ${broken.length - SHOWN} more`);
  if (broken.length > 0) for (const each of said.slice(-10)) say(`      ${each.slice(0, 300)}`);
}

/** Plays some cases in a world of their own, and the controls behind them. @returns how many controls broke */
async function campaign(chosen: readonly FaultCase[], nodes: 1 | 3, rounds: number): Promise<number> {
  const world = await startWorld({ nodes, smallDisks: !values.short });
  const stop = () => void world.stop().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const stage: Stage = { world, load: new Load(world), player: new LivePlayer(world) };
  try {
    say(`an installation in parts with its users is up, Kafka on ${nodes} node${nodes > 1 ? 's' : ''}`);
    for (let round = 0; round < rounds; round += 1) {
      for (const each of chosen) await play(each, stage, !values.short || each === chosen.at(-1));
    }
    return nodes === 1 ? await playControls(stage) : 0;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await Promise.all([stage.load.stop(), stage.player.stop()]);
    await world.stop();
  }
}

async function playControls(stage: Stage): Promise<number> {
  let failed = 0;
  for (const { name, run } of CONTROLS) {
    const broke = await run(stage).catch((error) => {
      say(`    ${String(error)}`);
      return 0;
    });
    stage.load.goOn();
    if (broke > 0) failed += 1;
    say(`${broke > 0 ? '✓' : '✗'} control: ${name}: ${broke} events, as it must be more than none`);
  }
  return failed;
}

const rounds = Number(values.rounds ?? (values.short ? 1 : 2));
const chosen = CASES.filter(({ name, short }) => (!values.short || short) && name.includes(values.only));
const controlsFailed = await campaign(
  chosen.filter(({ nodes }) => nodes === undefined),
  1,
  rounds,
);
const inCluster = chosen.filter(({ nodes }) => nodes === 3);
if (inCluster.length > 0) await campaign(inCluster, 3, rounds);
const report = {
  campaign: 'faults',
  cases: total.cases,
  failed: total.failed,
  lost: total.lost.size,
  doubled: total.doubled.size,
  reordered: total.reordered.size,
  controls_failed_as_expected: controlsFailed,
};
say(JSON.stringify(report));
const kept = report.failed + report.lost + report.doubled + report.reordered === 0;
process.exit(kept && report.cases > 0 && controlsFailed === CONTROLS.length ? 0 : 1);
