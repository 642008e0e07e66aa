import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import pg from 'pg';
import { type EventToAppend, PostgresEventStore } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { freePort } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import {
  asRole,
  newPassword,
  PROCESSES,
  type ProcessName,
  type Provided,
  prepareDatabase,
  provision,
} from '../../apps/composition/provision.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';
import { type Kafka, startKafka } from '../services/kafka/broker.js';

const PASSWORD = 'correct-horse';
const PATIENCE_MS = 40_000;

type Settings = Readonly<Record<string, string>>;

/** One built process, started as an operator starts it. */
interface Started {
  readonly child: ChildProcess;
  readonly managementPort: number;
  /** Standard error so far. */
  complaint(): string;
  readonly ended: Promise<number | null>;
}

describe('a service in a bad world', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-bad-worlds-'));
  const started: Started[] = [];
  const servers: Server[] = [];
  let postgres: EmbeddedPostgres;
  let provided: Record<ProcessName, Provided>;
  let store: PostgresEventStore;
  let kafka: Kafka;
  let passwords: Record<ProcessName, string>;

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
    provided = await provision(join(folder, 'provided'), join(folder, 'keys'));
    passwords = Object.fromEntries(PROCESSES.map((name) => [name, newPassword()])) as Record<ProcessName, string>;
    await prepareDatabase(postgres.ownerUrl, passwords);
    store = new PostgresEventStore({ url: asRole(postgres.serviceUrl, 'gateway', passwords.gateway) });
    await makeCertificates(join(folder, 'broker'), ['localhost']);
    await makeCertificates(join(folder, 'expired'), ['localhost', 'relay'], -0.5);
    kafka = await startKafka({ security: { certificates: join(folder, 'broker'), users: { mingjing: PASSWORD } } });
    await store.append([{ stream: `organisation-${newId()}`, expected: 'any', events: [organisation()] }]);
  }, 180_000);
  afterEach(async () => {
    for (const { child, ended } of started.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  });
  afterAll(async () => {
    await kafka?.stop();
    await store?.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function organisation(type = 'OrganisationRegistered'): EventToAppend {
    return {
      id: newId(),
      type,
      version: 1,
      data: { name: '贵阳市公安局', kind: 'public-security-organ', level: 'prefecture', division: '5201' },
      metadata: {
        actor: { kind: 'system', id: 'spec' },
        occurredAt: '2026-03-01T08:00:00.000Z',
        rules: [],
        correlationId: newId().replaceAll('-', ''),
      },
    };
  }

  async function start(name: ProcessName, settings: Settings = {}): Promise<Started> {
    const [port, managementPort] = [await freePort(), await freePort()];
    const { certFile, keyFile, caFile, folder: keys, tokenKeys } = provided[name];
    const data = join(folder, `data-${name}-${port}`);
    mkdirSync(data);
    const child = spawn(process.execPath, [join('dist', 'apps', name, 'main.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        MINGJING_PORT: String(port),
        MINGJING_MANAGEMENT_PORT: String(managementPort),
        MINGJING_DATA: data,
        MINGJING_KEYS: keys,
        MINGJING_PUBLIC_URL: 'http://127.0.0.1:1',
        MINGJING_LOG_LEVEL: 'warn',
        MINGJING_DATABASE_URL: asRole(postgres.serviceUrl, name, passwords[name]),
        MINGJING_TLS_CERT_FILE: certFile,
        MINGJING_TLS_KEY_FILE: keyFile,
        MINGJING_TLS_CA_FILE: caFile,
        MINGJING_TOKEN_KEYS: tokenKeys,
        ...settings,
      },
    });
    let complaint = '';
    child.stderr!.on('data', (text) => {
      complaint += String(text);
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const one = { child, managementPort, complaint: () => complaint, ended };
    started.push(one);
    return one;
  }

  const trusted = () => ({
    MINGJING_KAFKA_BROKERS: kafka.brokers.join(','),
    MINGJING_KAFKA_CA_FILE: join(folder, 'broker', 'ca.pem'),
    MINGJING_KAFKA_SASL: 'scram-sha-256',
    MINGJING_KAFKA_USERNAME: 'mingjing',
    MINGJING_KAFKA_PASSWORD: PASSWORD,
    MINGJING_KAFKA_PARTITIONS: '3',
  });

  /** Asks for readiness until it is as expected. */
  async function readiness({ managementPort, complaint, child }: Started, status: number, says: RegExp): Promise<void> {
    let seen = 'nothing';
    for (const from = performance.now(); performance.now() - from < PATIENCE_MS; await sleep(100)) {
      try {
        const answer = await fetch(`http://127.0.0.1:${managementPort}/health/ready`);
        seen = `${answer.status} ${await answer.text()}`;
        if (answer.status === status && says.test(seen)) return;
      } catch {
        seen = `does not answer, exit status ${child.exitCode}`;
      }
    }
    throw new Error(`readiness: ${seen}\n${complaint()}`);
  }

  /** It does not start: exit status 1 and one sentence. */
  async function sentenceOf({ ended, complaint }: Started): Promise<string> {
    expect(await ended).toBe(1);
    const lines = complaint().trim().split('\n');
    expect(lines).toHaveLength(1);
    return lines[0]!;
  }

  async function ask<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: postgres.ownerUrl });
    await client.connect();
    return client
      .query<Row>(sql)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  }

  async function delivered(): Promise<bigint> {
    const [row] = await ask<{ position: string }>("SELECT position FROM event_store.subscription WHERE name = 'relay'");
    return BigInt(row?.position ?? 0);
  }

  async function listening(server: Server): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `localhost:${(server.address() as AddressInfo).port}`;
  }

  describe('of Kafka', () => {
    test('wrong credentials: not ready, says so, has skipped nothing, and goes on once they are right', async () => {
      const wrong = await start('relay', { ...trusted(), MINGJING_KAFKA_PASSWORD: 'guess' });
      await readiness(wrong, 503, /Kafka refuses these credentials: see MINGJING_KAFKA_USERNAME/);
      expect(await delivered()).toBe(0n);
      wrong.child.kill('SIGKILL');
      await wrong.ended;
      await readiness(await start('relay', trusted()), 200, new RegExp(`delivered up to ${await store.head()}`));
    }, 120_000);

    test('a broker whose certificate has expired', async () => {
      const pem = (file: string) => readFileSync(join(folder, 'expired', file));
      const broker = await listening(createTlsServer({ cert: pem('localhost.pem'), key: pem('localhost.key') }));
      const caFile = join(folder, 'expired', 'ca.pem');
      const relay = await start('relay', {
        ...trusted(),
        MINGJING_KAFKA_BROKERS: broker,
        MINGJING_KAFKA_CA_FILE: caFile,
      });
      await readiness(relay, 503, /the certificate of the Kafka broker has expired\./);
    }, 90_000);

    test('a broker of a version that is not supported', async () => {
      const old = createServer((socket) => {
        socket.on('data', (request) => {
          const answer = Buffer.alloc(18);
          answer.writeInt32BE(14, 0);
          answer.writeInt32BE(request.readInt32BE(8), 4); // correlation id
          answer.writeInt16BE(35, 8); // UNSUPPORTED_VERSION, and no version at all
          socket.write(answer);
        });
        socket.on('error', () => {});
      });
      const relay = await start('relay', { MINGJING_KAFKA_BROKERS: await listening(old) });
      await readiness(relay, 503, /this Kafka is of a version that is not supported: it must be 3\.0 or newer\./);
    }, 90_000);

    test('a topic that is laid out in another way', async () => {
      const relay = await start('relay', { ...trusted(), MINGJING_KAFKA_PARTITIONS: '4' });
      await readiness(relay, 503, /topic mingjing\.\w+\.v1 has 3 partitions where 4 \(MINGJING_KAFKA_PARTITIONS\)/);
      expect(await delivered()).toBe(await store.head());
    }, 90_000);
  });

  test('a certificate of its own that has expired: it does not start', async () => {
    const at = (file: string) => join(folder, 'expired', file);
    const relay = await start('relay', {
      ...trusted(),
      MINGJING_TLS_CERT_FILE: at('relay.pem'),
      MINGJING_TLS_KEY_FILE: at('relay.key'),
      MINGJING_TLS_CA_FILE: at('ca.pem'),
    });
    expect(await sentenceOf(relay)).toMatch(
      /^Mingjing relay cannot start: .*MINGJING_TLS_CERT_FILE: the certificate of relay expired on /,
    );
  }, 60_000);

  test('a wrong password of the database: a service does not start, the relay is not ready', async () => {
    const wrong = (name: ProcessName) => ({ MINGJING_DATABASE_URL: asRole(postgres.serviceUrl, name, 'guess') });
    const registry = await start('registry', wrong('registry'));
    const relay = await start('relay', { ...trusted(), ...wrong('relay') });
    expect(await sentenceOf(registry)).toMatch(
      /^Mingjing registry cannot start: .*password authentication failed for user "mingjing_registry"/,
    );
    await readiness(
      relay,
      503,
      /the relay sends nothing: .*password authentication failed for user \\?"mingjing_relay/,
    );
  }, 60_000);

  test('a database that a newer program has changed: nothing is changed in it', async () => {
    await ask("INSERT INTO event_store.migration (name) VALUES ('0999 of tomorrow')");
    await expect(prepareDatabase(postgres.ownerUrl, passwords)).rejects.toThrow(
      'the event store was last used by a newer program (migration 0999 of tomorrow); run that one.',
    );
    await ask("DELETE FROM event_store.migration WHERE name = '0999 of tomorrow'");
  });

  // The last one: the log keeps it for good.
  test('an event of an older program that nobody can read any more: what stands before it is delivered, nothing passes it', async () => {
    const before = await store.head();
    await store.append([
      { stream: `organisation-${newId()}`, expected: 'any', events: [organisation('OrganisationNamed')] },
    ]);
    await store.append([{ stream: `organisation-${newId()}`, expected: 'any', events: [organisation()] }]);
    const [relay, registry] = [await start('relay', trusted()), await start('registry')];
    await readiness(relay, 503, new RegExp(`the event behind position ${before} cannot be sent: .*OrganisationNamed`));
    await readiness(registry, 503, /read model registry.*OrganisationNamed/);
    expect(await delivered()).toBe(before);
    const [model] = await ask<{ position: string }>('SELECT position FROM registry.read_model_position');
    expect(BigInt(model!.position)).toBeLessThanOrEqual(before);
  }, 120_000);
});
