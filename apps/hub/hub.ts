import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { catalogue } from '#libs/catalogue';
import { migrateEventStore, PostgresEventStore, withCatalogue } from '#libs/event-store';
import { AdministratorBootstrap } from '#libs/identity';
import { type Clock, SystemClock } from '#libs/kernel';
import {
  type HubConfig,
  hardenHttp,
  serveApiReference,
  setCommandDigestKey,
  startEmbeddedPostgres,
} from '#libs/platform';
import { KeyRing, PostgresVault } from '#libs/vault';
import { openDataFolder } from './data-folder.js';
import { HubModule } from './hub.module.js';

const BODY_BYTES_MAX = 256 * 1024;

export interface Hub {
  readonly url: string;
  readonly app: NestFastifyApplication;
  /** One-time enrolment code of the first administrator; only while nobody has used it. */
  readonly administratorCode: string | undefined;
  /** Resolves with one sentence when a part that the hub cannot do without has ended. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

interface Database {
  readonly ownerUrl: string;
  readonly serviceUrl: string;
  readonly serviceRole?: string;
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts everything in one process: database, event store, services, HTTP.
 * @throws Error whose message is one sentence that says what is wrong
 */
export async function startHub(config: HubConfig, clock: Clock = new SystemClock()): Promise<Hub> {
  // 1. What must be there before anything is written
  if (spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error('ffmpeg is missing; install it with: apt-get install ffmpeg');
  }
  await portIsFree(config.host, config.port);
  openDataFolder(config.dataDir);
  const keys = new KeyRing(join(config.dataDir, 'keys'));
  setCommandDigestKey(keys.secret('commands'));

  // 2. Database and event store
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const database = await openDatabase(config);
    undo.push(() => database.stop());
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    const postgres = new PostgresEventStore({ url: database.serviceUrl });
    undo.push(() => postgres.close());
    const store = withCatalogue(postgres, catalogue);
    const vault = new PostgresVault(database.serviceUrl, keys.secret('vault'), store);
    undo.push(() => vault.stop());
    await vault.start();

    // 3. Services and HTTP
    const module = HubModule.forRoot({ config, clock, keys, store, vault, databaseUrl: database.serviceUrl });
    const adapter = new FastifyAdapter({ bodyLimit: BODY_BYTES_MAX, trustProxy: false, forceCloseConnections: true });
    const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
      logger: logLevels(config.logLevel),
      abortOnError: false,
    });
    undo.push(() => app.close());
    await hardenHttp(app);
    serveApiReference(app);
    await app.listen(config.port, config.host);
    const { port } = app.getHttpServer().address() as { port: number };
    const administratorCode = await app.get(AdministratorBootstrap).codeWhileUnused();
    return { url: `http://${config.host}:${port}`, app, administratorCode, failed: database.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openDatabase(config: HubConfig): Promise<Database> {
  if (config.databaseUrl === undefined) {
    const embedded = await startEmbeddedPostgres({ dataDir: join(config.dataDir, 'postgres') });
    const failed = new Promise<string>((resolve) => {
      void embedded.ended.then((asked) => {
        if (!asked) resolve('its PostgreSQL has ended by itself; start again, nothing acknowledged is lost.');
      });
    });
    return { ...embedded, failed };
  }
  const owner = config.databaseOwnerUrl;
  return {
    ownerUrl: owner ?? config.databaseUrl,
    serviceUrl: config.databaseUrl,
    ...(owner === undefined ? {} : { serviceRole: decodeURIComponent(new URL(config.databaseUrl).username) }),
    failed: new Promise(() => undefined),
    stop: async () => undefined,
  };
}

/** @throws Error when somebody listens there already; asked before the database is touched */
function portIsFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        new Error(
          taken
            ? `port ${port} on ${host} is taken; stop the other program or set MINGJING_PORT.`
            : `cannot listen on ${host}:${port} (${error.code}).`,
        ),
      );
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

function logLevels(level: string): false | ('fatal' | 'error' | 'warn' | 'log' | 'debug' | 'verbose')[] {
  if (level === 'silent') return false;
  const ordered = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;
  const last = { fatal: 1, error: 2, warn: 3, info: 3, debug: 5, trace: 6 }[level] ?? 3;
  return ordered.slice(0, last);
}
