import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { freePort, type HubConfig, readConfig, SERVICES, type ServiceName } from '#libs/platform';
import type { ProcessName } from '../../../apps/composition/provision.js';
import { type Installation, type ProcessSettings, startInstallation } from '../../../apps/services/installation.js';
import { shareLive } from '../../scenarios/brokering.js';
import { assemble, type Cast } from '../../scenarios/cast.js';
import { Checks } from '../../scenarios/checks.js';
import { connect, type Registered, register } from '../../scenarios/registration.js';
import { type Kafka, startKafka } from '../../services/kafka/broker.js';
import { startRtspServer } from '../../services/rtsp.js';
import { startTcpFaultProxy, type TcpFaultProxy } from '../../services/tcp-fault-proxy.js';
import { Database } from './database.js';
import { mountSmallDisk, type SmallDisk } from './small-disk.js';

const CLOCK = pathToFileURL(join(import.meta.dirname, '..', 'faults-clock.js')).href;
const LINES_KEPT = 200;
/** The recordings of some minutes; a cluster with some segments of its write-ahead log. */
const DISK_MB = { data: 64, postgres: 320 } as const;

export interface WorldOptions {
  readonly nodes: 1 | 3;
  /** Whether data and database lie on small disks of their own, where this machine lets us mount. */
  readonly smallDisks: boolean;
}

/** An installation in parts as a province has it, users signed in, a camera recorded, and doors for every fault. */
export interface World {
  readonly url: string;
  readonly config: HubConfig;
  readonly cast: Cast;
  readonly registered: Registered;
  /** Standing share of the live feed with the API client. */
  readonly liveGrantId: string;
  /** Small disks that can be filled. */
  readonly disks: Readonly<Partial<Record<'data' | 'postgres', SmallDisk>>>;
  readonly database: Database;
  readonly kafka: Kafka;
  /** Lines to the brokers, one a node. */
  readonly kafkaLines: readonly TcpFaultProxy[];
  /** Lines from the gateway and between services to each service. */
  readonly lines: Readonly<Record<ServiceName, TcpFaultProxy>>;
  /** What the processes said last. */
  readonly said: readonly string[];
  pidOf(name: ProcessName): number;
  /** Sets the wall clock of the access service off by so much. */
  stepClock(ms: number): void;
  stop(): Promise<void>;
}

/** Starts everything; takes about half a minute. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-faults-'));
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return { ...(await build(options, folder, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  { nodes, smallDisks }: WorldOptions,
  folder: string,
  undo: (() => unknown)[],
): Promise<Omit<World, 'stop'>> {
  // 1. What the services stand on, each behind a line that can fail
  const disks: Partial<Record<'data' | 'postgres', SmallDisk>> = {};
  const place = (name: 'data' | 'postgres') => {
    const path = join(folder, name);
    mkdirSync(path, { mode: 0o711 });
    const disk = smallDisks ? mountSmallDisk(path, DISK_MB[name]) : undefined;
    if (disk !== undefined) {
      disks[name] = disk;
      undo.push(() => disk.unmount());
    }
    return path;
  };
  const database = await Database.start(place('postgres'));
  undo.push(() => database.stop());
  const kafkaLines: TcpFaultProxy[] = [];
  const kafka = await startKafka({
    nodes,
    advertised: async (port) => {
      const line = await startTcpFaultProxy(() => port);
      kafkaLines.push(line);
      return line.port;
    },
  });
  undo.push(async () => {
    await kafka.stop();
    await Promise.all(kafkaLines.map((line) => line.close()));
  });
  const camera = await startRtspServer();
  undo.push(() => camera.stop());

  // 2. The services, with a line in front of each
  const said: string[] = [];
  const hear = (line: string) => void (said.push(line) > LINES_KEPT && said.shift());
  const config = await configOf(place('data'), nodes, database, kafka);
  const clockFile = join(folder, 'clock');
  writeFileSync(clockFile, '0');
  const between = await linesBetween();
  undo.push(() => Promise.all(Object.values(between.lines).map((line) => line.close())));
  const installation = await startInstallation(config, {}, hear, (name, settings) => ({
    ...between.rerouted(settings),
    ...(name === 'access' ? { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_STEP_FILE: clockFile } : {}),
  }));
  undo.push(() => installation.stop());

  // 3. Its users
  const checks = new Checks(() => {});
  const cast = await assemble(installation.url, installation.administratorCode ?? '', checks);
  const registered = await register(cast, checks);
  await connect(cast, checks, registered.cameraId, camera.url);
  const liveGrantId = await shareLive(cast, checks, registered.cameraId);
  const pidOf = (name: ProcessName) => pidIn(installation, name);
  return {
    ...{ url: installation.url, config, cast, registered, liveGrantId, disks, database, kafka, kafkaLines },
    ...{ lines: between.lines, said, pidOf },
    stepClock: (ms) => {
      writeFileSync(clockFile, String(ms));
      process.kill(pidOf('access'), 'SIGUSR2');
    },
  };
}

/** The settings of the installation, read models fed from Kafka. */
async function configOf(dataDir: string, nodes: number, database: Database, kafka: Kafka): Promise<HubConfig> {
  return readConfig({
    MINGJING_DATA: dataDir,
    MINGJING_PORT: String(await freePort()),
    MINGJING_LOG_LEVEL: 'warn',
    MINGJING_SOURCE_NETWORKS: '127.0.0.1/32',
    MINGJING_DATABASE_URL: database.serviceUrl,
    MINGJING_DATABASE_OWNER_URL: database.ownerUrl,
    MINGJING_KAFKA_BROKERS: kafka.brokers.join(','),
    MINGJING_KAFKA_REPLICATION: String(nodes),
    MINGJING_KAFKA_PARTITIONS: '3',
    MINGJING_FEED: 'kafka',
  });
}

/** A line to each service; certificates go by names, so mutual TLS passes through. */
async function linesBetween() {
  const targets = new Map<ServiceName, number>();
  const lines = {} as Record<ServiceName, TcpFaultProxy>;
  for (const name of SERVICES) lines[name] = await startTcpFaultProxy(() => targets.get(name) ?? 0);
  const rerouted = (settings: ProcessSettings): ProcessSettings => {
    const altered = { ...settings };
    for (const name of SERVICES) {
      const setting = `MINGJING_${name.toUpperCase()}_URLS`;
      targets.set(name, Number(new URL(settings[setting]!).port));
      altered[setting] = `https://127.0.0.1:${lines[name].port}`;
    }
    return altered;
  };
  return { lines, rerouted };
}

function pidIn({ processes }: Installation, name: ProcessName): number {
  const pid = processes.find((each) => each.name === name)?.pid;
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}

/** Waits until something holds. @throws Error naming it when it takes longer */
export async function until(what: string, msMax: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const from = performance.now(); !(await holds()); await sleep(50)) {
    if (performance.now() - from > msMax) throw new Error(`${what}: not within ${msMax / 1_000} s`);
  }
}
