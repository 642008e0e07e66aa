import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '#libs/platform';

/** As in pom.xml, which names the version of the broker. */
const FOLDER = join(process.cwd(), 'test', 'services', 'kafka');
const JARS = join(process.cwd(), 'node_modules', '.cache', 'mingjing', 'kafka-4.4.0');
/** Any 16 bytes, base64url. */
const CLUSTER_ID = 'bWluZ2ppbmctdGVzdC0xMQ';
const UP_MS_MAX = 60_000;

/** What makes the brokers ask for TLS and a password. */
interface KafkaSecurity {
  /** Holds `ca.pem`, `localhost.pem`, `localhost.key`. */
  readonly certificates: string;
  /** Passwords by user name, for SASL/PLAIN and SCRAM. */
  readonly users: Readonly<Record<string, string>>;
}

export interface KafkaOptions {
  /** 1, or 3 for a cluster that survives the loss of one. */
  readonly nodes?: 1 | 3;
  readonly security?: KafkaSecurity;
  /** Heap of each node; a benchmark wants more. */
  readonly heapMb?: number;
  /** The port that clients are told instead of a node's own, when something stands between them. */
  readonly advertised?: (port: number) => Promise<number>;
}

/** A real Apache Kafka broker, or three, in KRaft mode, each a process of its own. */
export interface Kafka {
  /** host:port of each node. */
  readonly brokers: readonly string[];
  /** SIGKILL, as a machine that loses its power. */
  kill(node?: number): Promise<void>;
  /** SIGSTOP: the machine hangs with its connections open; SIGCONT wakes it. */
  freeze(node?: number): void;
  thaw(node?: number): void;
  /** Starts a killed node on its data; resolves when it answers. */
  restart(node?: number): Promise<void>;
  stop(): Promise<void>;
}

interface Node {
  readonly id: number;
  readonly port: number;
  readonly advertisedPort: number;
  readonly controllerPort: number;
  readonly folder: string;
  process?: ChildProcess;
}

/** Jars of the broker, from Maven Central at the first call. @throws Error when Java or Maven is missing */
function classPath(): string {
  if (!existsSync(JARS)) {
    const fresh = `${JARS}.${process.pid}`;
    mkdirSync(fresh, { recursive: true });
    const args = ['-q', '-B', '-f', join(FOLDER, 'pom.xml'), 'dependency:copy-dependencies'];
    execFileSync('mvn', [...args, '-DincludeScope=runtime', `-DoutputDirectory=${fresh}`], { stdio: 'inherit' });
    try {
      renameSync(fresh, JARS);
    } catch {
      rmSync(fresh, { recursive: true, force: true }); // another process was quicker
    }
  }
  if (readdirSync(JARS).length === 0) throw new Error(`${JARS} is empty: remove it and try again`);
  return join(JARS, '*');
}

/** Starts the brokers on free ports of this machine and waits until they answer. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const { nodes: count = 1, security, heapMb = 256, advertised = async (port) => port } = options;
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-kafka-'));
  const nodes: Node[] = [];
  for (let id = 1; id <= count; id += 1) {
    const port = await freePort();
    const ports = { port, advertisedPort: await advertised(port), controllerPort: await freePort() };
    nodes.push({ id, ...ports, folder: join(folder, String(id)) });
  }
  const jars = classPath();
  const start = async (node: Node) => {
    node.process = launch(node, jars, heapMb);
    await answers(node);
  };
  const kill = async (node: Node) => {
    const { process } = node;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGKILL');
    await ended;
  };
  const nth = (n = 0) => nodes[n]!;
  const stop = async () => {
    await Promise.all(nodes.map(kill));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => format(node, nodes, jars, security)));
    await Promise.all(nodes.map(start));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: nodes.map(({ advertisedPort }) => `localhost:${advertisedPort}`),
    kill: (n) => kill(nth(n)),
    freeze: (n) => void nth(n).process?.kill('SIGSTOP'),
    thaw: (n) => void nth(n).process?.kill('SIGCONT'),
    restart: (n) => start(nth(n)),
    stop,
  };
}

async function format(node: Node, nodes: readonly Node[], jars: string, security?: KafkaSecurity): Promise<void> {
  mkdirSync(node.folder, { recursive: true });
  writeFileSync(join(node.folder, 'server.properties'), properties(node, nodes, security), { mode: 0o600 });
  const scram = Object.entries(security?.users ?? {}).flatMap(([name, password]) =>
    ['256', '512'].flatMap((bits) => ['--add-scram', `SCRAM-SHA-${bits}=[name=${name},password=${password}]`]),
  );
  const args = ['format', '-t', CLUSTER_ID, '-c', join(node.folder, 'server.properties'), ...scram];
  const java = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', jars, 'kafka.tools.StorageTool', ...args];
  await promisify(execFile)('java', java);
}

function launch({ folder }: Node, jars: string, heapMb: number): ChildProcess {
  const args = [
    `-Xmx${heapMb}m`,
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    `-Dorg.slf4j.simpleLogger.logFile=${join(folder, 'broker.log')}`,
    '-cp',
    jars,
    'kafka.Kafka',
    join(folder, 'server.properties'),
  ];
  return spawn('java', args, { stdio: 'ignore' });
}

async function answers({ port, process: broker, folder }: Node): Promise<void> {
  for (const from = performance.now(); performance.now() - from < UP_MS_MAX; await sleep(100)) {
    if (broker?.exitCode !== null || broker.signalCode !== null) {
      throw new Error(`the Kafka broker ended: ${readFileSync(join(folder, 'broker.log'), 'utf8').slice(-2_000)}`);
    }
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
  }
  throw new Error(`the Kafka broker does not answer on port ${port}`);
}

function properties(node: Node, nodes: readonly Node[], security?: KafkaSecurity): string {
  const replicas = String(Math.min(3, nodes.length));
  const listener = security === undefined ? 'PLAINTEXT' : 'SASL_SSL';
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(','),
    listeners: `${listener}://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `${listener}://localhost:${node.advertisedPort}`,
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,${listener}:${listener}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': listener,
    'log.dirs': join(node.folder, 'log'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': nodes.length > 1 ? '2' : '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': '1',
    'log.cleaner.dedupe.buffer.size': '4194304',
    'min.insync.replicas': nodes.length > 1 ? '2' : '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'controlled.shutdown.enable': 'false',
    ...(security === undefined ? {} : secure(security)),
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function secure({ certificates, users }: KafkaSecurity): Record<string, string> {
  const chain = join(certificates, 'broker-keystore.pem');
  writeFileSync(
    chain,
    ['localhost.key', 'localhost.pem'].map((file) => readFileSync(join(certificates, file), 'utf8')).join('\n'),
    { mode: 0o600 },
  );
  const [first] = Object.entries(users);
  if (first === undefined) throw new Error('a broker that asks for passwords needs a user');
  const known = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const self = `username="${first[0]}" password="${first[1]}"`;
  const module = (kind: string) => `org.apache.kafka.common.security.${kind} required`;
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': chain,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(certificates, 'ca.pem'),
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': `${module('plain.PlainLoginModule')} ${self} ${known.join(' ')};`,
    'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': `${module('scram.ScramLoginModule')};`,
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `${module('scram.ScramLoginModule')};`,
  };
}
