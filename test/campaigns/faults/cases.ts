import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { catalogue } from '#libs/catalogue';
import { fromCloudEvent, PlatformaticBroker, topicsOf } from '#libs/messaging';
import type { ProcessName } from '../../../apps/composition/provision.js';
import { readPlaylist } from '../../scenarios/player.js';
import type { TcpFault, TcpFaultProxy } from '../../services/tcp-fault-proxy.js';
import type { Load } from './load.js';
import type { LivePlayer } from './player.js';
import { until, type World } from './world.js';

/** What a case is played on. */
export interface Stage {
  readonly world: World;
  readonly load: Load;
  readonly player: LivePlayer;
}

/** One fault. */
export interface FaultCase {
  readonly name: string;
  /** Part of the short form. */
  readonly short?: boolean;
  /** Nodes of Kafka that it needs; default one. */
  readonly nodes?: 3;
  /**
   * Makes the fault and lets it end while users write and play.
   * @returns what was seen of it, for the report
   * @throws Error when what must hold during the fault did not, or the fault did not come about
   */
  readonly run: (stage: Stage) => Promise<string | undefined>;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const REFUSED_BY_TIME = [401, 422];
const WINDOW_MS_MAX = 45 * SECOND_MS;
/** So long users write on a full disk. */
const FULL_MS_MAX = 30 * SECOND_MS;

export const CASES: readonly FaultCase[] = [
  ...(['registry', 'access', 'relay', 'gateway', 'integration', 'media', 'audit'] as const).map(killed),
  { name: 'relay killed between the broker’s acknowledgement and its checkpoint', short: true, run: relayInTheGap },
  { name: 'Kafka killed, back after 2 s', short: true, run: kafkaKilled },
  { name: 'PostgreSQL killed, back after 2 s', short: true, run: postgresKilled },
  { ...onTheWay('services', { kind: 'cut' }, 2 * SECOND_MS), short: true },
  onTheWay('services', { kind: 'silent' }, 5 * SECOND_MS),
  onTheWay('services', { kind: 'half-open' }, 5 * SECOND_MS),
  onTheWay('services', { kind: 'slow', delayMs: 100, bytesPerSecond: 50_000 }, 10 * SECOND_MS),
  onTheWay('Kafka', { kind: 'cut' }, 5 * SECOND_MS),
  onTheWay('Kafka', { kind: 'silent' }, 15 * SECOND_MS),
  onTheWay('Kafka', { kind: 'half-open' }, 15 * SECOND_MS),
  onTheWay('Kafka', { kind: 'slow', delayMs: 100, bytesPerSecond: 50_000 }, 15 * SECOND_MS),
  onTheWay('PostgreSQL', { kind: 'cut' }, 5 * SECOND_MS),
  onTheWay('PostgreSQL', { kind: 'silent' }, 15 * SECOND_MS),
  onTheWay('PostgreSQL', { kind: 'half-open' }, 15 * SECOND_MS),
  onTheWay('PostgreSQL', { kind: 'slow', delayMs: 20, bytesPerSecond: 200_000 }, 15 * SECOND_MS),
  ...[120, -120, 3, -3].map(clockStep),
  { name: 'disk of the recordings full for 10 s', run: recordingsFull },
  { name: 'disk of PostgreSQL full until it gives up', run: postgresFull },
  { name: 'each of three Kafka nodes killed in turn', nodes: 3, run: eachNodeKilled },
  { name: 'one of three Kafka nodes hangs for 20 s', nodes: 3, run: nodeHangs },
];

function killed(name: ProcessName): FaultCase {
  return {
    name: `${name} killed`,
    short: name === 'registry' || name === 'access' || name === 'relay',
    run: async ({ world }) => {
      process.kill(world.pidOf(name), 'SIGKILL');
      return undefined;
    },
  };
}

/** Holds the relay's checkpoint back on its way, waits until the broker has more than that, and kills the relay. */
async function relayInTheGap({ world }: Stage): Promise<string> {
  const { database } = world;
  const ofCheckpoint = (hello: Buffer) => hello.includes('mingjing leader of relay');
  const consumption = await new PlatformaticBroker(world.config.kafka!).consume({ topics: topicsOf(catalogue) });
  let delivered = 0n;
  const reading = (async () => {
    for await (const message of consumption) {
      const { position } = fromCloudEvent(message).event;
      if (position > delivered) delivered = position;
    }
  })().catch(() => {}); // it is closed in the end
  try {
    await until('the broker is heard', WINDOW_MS_MAX, () => delivered > 0n);
    database.line.fail({ kind: 'silent' }, ofCheckpoint);
    let stored = 0n;
    await until('the broker has more than the checkpoint says', WINDOW_MS_MAX, async () => {
      stored = await checkpoint(database.ownerUrl);
      return delivered > stored;
    });
    const pid = world.pidOf('relay');
    process.kill(pid, 'SIGKILL');
    await until('the relay is started again', WINDOW_MS_MAX, () => world.said.some((line) => again(line, pid, world)));
    if ((await checkpoint(database.ownerUrl)) !== stored) throw new Error('the checkpoint got through');
    return `the broker had acknowledged up to ${delivered}, the checkpoint said ${stored}`;
  } finally {
    database.line.fail({ kind: 'cut' }, ofCheckpoint); // what was held back never arrives
    database.line.heal();
    await consumption.close();
    await reading;
  }
}

function again(line: string, killed: number, world: World): boolean {
  return (
    line.startsWith('relay | started as process ') && !line.endsWith(` ${killed}`) && world.pidOf('relay') !== killed
  );
}

async function checkpoint(url: string): Promise<bigint> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT position FROM event_store.subscription WHERE name = 'relay'");
    return BigInt((rows[0] as { position: string }).position);
  } finally {
    await client.end();
  }
}

async function kafkaKilled({ world: { kafka } }: Stage): Promise<undefined> {
  await kafka.kill();
  await sleep(2 * SECOND_MS);
  await kafka.restart();
}

/** While the event store is away a ticket that was never used opens nothing. */
async function postgresKilled({ world: { database }, player }: Stage): Promise<string> {
  const unused = await player.ticket();
  await database.kill();
  try {
    const { status } = await readPlaylist(unused.url);
    if (status === 200) throw new Error('something new played while the event store was away');
    await sleep(2 * SECOND_MS);
    return `a ticket in hand was answered ${status}`;
  } finally {
    await database.startAgain();
  }
}

/** A network that fails for a while. */
function onTheWay(to: 'services' | 'Kafka' | 'PostgreSQL', fault: TcpFault, ms: number): FaultCase {
  const linesOf = (world: World): readonly TcpFaultProxy[] => {
    if (to === 'services') return Object.values(world.lines);
    return to === 'Kafka' ? world.kafkaLines : [world.database.line];
  };
  return {
    name: `network to ${to} ${fault.kind} for ${ms / SECOND_MS} s`,
    run: async ({ world }) => {
      for (const line of linesOf(world)) line.fail(fault);
      await sleep(ms);
      for (const line of linesOf(world)) line.heal();
      return undefined;
    },
  };
}

/** Tickets and tokens count by the wall clock; revisions, positions and deadlines do not. */
function clockStep(minutes: number): FaultCase {
  return {
    name: `clock of the access service ${minutes > 0 ? 'ahead' : 'behind'} by ${Math.abs(minutes)} min for 5 s`,
    run: async ({ world, load, player }) => {
      // Tokens have expired for it, or what is asked for lies in the future: it says so.
      for (const status of REFUSED_BY_TIME) load.alsoClear.add(status);
      try {
        world.stepClock(minutes * MINUTE_MS);
        const ticket = await player.ticket().catch((error: Error) => error.message);
        const status = typeof ticket === 'string' ? undefined : await statusOf(ticket.url);
        if (minutes < 0 && status === 200) throw new Error('a ticket that was over when it was made opened something');
        await sleep(5 * SECOND_MS);
        return status === undefined ? String(ticket) : `its ticket was answered ${status}`;
      } finally {
        world.stepClock(0);
        await sleep(SECOND_MS); // what was under way is answered
        load.alsoClear.clear();
      }
    },
  };
}

async function statusOf(url: URL): Promise<number> {
  return (await readPlaylist(url)).status;
}

/** No recording can be kept; the rest of the hub does not notice. */
async function recordingsFull({ world }: Stage): Promise<string> {
  const disk = diskOf(world, 'data');
  disk.fill();
  await sleep(10 * SECOND_MS);
  disk.empty();
  return `${disk.filledMb} MiB were taken away`;
}

/** PostgreSQL gives up when it cannot write its log ahead any more; what was acknowledged stands when it is back. */
async function postgresFull({ world, load }: Stage): Promise<string> {
  const { database } = world;
  const disk = diskOf(world, 'postgres');
  disk.fill();
  const before = load.acked;
  const gaveUp = await Promise.race([database.ended().then(() => true), sleep(FULL_MS_MAX, false)]);
  const meanwhile = load.acked - before;
  disk.empty();
  if (gaveUp) await database.startAgain();
  return `${meanwhile} writes were acknowledged before it was really full; PostgreSQL ${gaveUp ? 'ended' : 'stayed'}`;
}

function diskOf({ disks }: World, name: 'data' | 'postgres') {
  const disk = disks[name];
  if (disk === undefined) throw new Error('there is no small disk');
  return disk;
}

async function eachNodeKilled({ world: { kafka } }: Stage): Promise<undefined> {
  for (const node of [0, 1, 2]) {
    await kafka.kill(node);
    await sleep(5 * SECOND_MS);
    await kafka.restart(node);
    await sleep(5 * SECOND_MS);
  }
}

async function nodeHangs({ world: { kafka } }: Stage): Promise<undefined> {
  kafka.freeze(1);
  await sleep(20 * SECOND_MS);
  kafka.thaw(1);
}
