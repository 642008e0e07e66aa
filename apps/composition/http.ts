import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createProbe } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { type DynamicModule, Logger, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Drain, HealthChecks, type HubConfig, observeHttp, platformRefusals, readNamedFile } from '#libs/platform';
import { ELSEWHERE_HEADER, type TlsIdentity } from '#libs/remote';
import type { PostgresVault } from '#libs/vault';

const BODY_BYTES_MAX = 256 * 1024;

/** What the management listener answers. */
const MANAGEMENT_PATHS = /^\/(health\/(live|ready)|metrics)(\?|$)/;

/**
 * Makes the HTTP application of a process.
 * @param identity with it the application speaks TLS to peers of the installation only
 */
export async function createHttp(
  module: Type | DynamicModule,
  config: HubConfig,
  identity?: TlsIdentity,
): Promise<NestFastifyApplication> {
  const common = {
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: false,
    forceCloseConnections: true,
    return503OnClosing: false,
  } as const;
  const https = identity?.serverOptions() ?? publicTls(config);
  const adapter = https === undefined ? new FastifyAdapter(common) : new FastifyAdapter({ ...common, https });
  return NestFactory.create<NestFastifyApplication>(module, adapter as FastifyAdapter, {
    logger: logLevels(config.logLevel),
    abortOnError: false,
  });
}

/** What people's browsers see. @throws Refusal `platform.bad-configuration` in one sentence when it is of no use */
function publicTls({ https }: HubConfig) {
  if (https === undefined) return undefined;
  const options = {
    cert: readNamedFile('HTTPS_CERT_FILE', https.certFile),
    key: readNamedFile('HTTPS_KEY_FILE', https.keyFile),
    minVersion: 'TLSv1.2',
  } as const;
  try {
    createSecureContext(options);
  } catch (error) {
    throw platformRefusals['platform.bad-configuration'](
      `MINGJING_HTTPS_CERT_FILE and MINGJING_HTTPS_KEY_FILE: ${(error as Error).message}`,
    );
  }
  return options;
}

/** Address that a process in front listens on. */
export function urlOf({ https, host }: HubConfig, port: number): string {
  return `${https === undefined ? 'http' : 'https'}://${host}:${port}`;
}

/** Says what an operator must know. */
export function warn(sentence: string): void {
  new Logger('Mingjing').warn(sentence);
}

/** Requests under way when a process ends have so long. */
const DRAIN_MS_MAX = 10_000;
/** So long a process that ends goes on answering, each answer asking the client to come anew elsewhere. */
const FAREWELL_MS = 300;

/**
 * What every HTTP application of ours has before its own hooks: traces, metrics, and a check that the vault opens.
 * @returns what ends it without a request refused: for a moment every answer closes its connection, then no new
 *   connection is taken, then it waits for the requests under way
 */
export function observed(app: NestFastifyApplication, vault: PostgresVault | undefined): () => Promise<void> {
  observeHttp(app);
  if (vault !== undefined) {
    app.get(HealthChecks).add('vault', async () => {
      await vault.assertOpens();
      return { up: true, says: 'the vault opens with its key' };
    });
  }
  return async () => {
    const drain = app.get(Drain);
    drain.begin();
    await sleep(FAREWELL_MS);
    const server = app.getHttpServer();
    const closed = new Promise((resolve) => server.close(resolve));
    await drain.idle(DRAIN_MS_MAX);
    server.closeAllConnections();
    await closed;
    await app.close();
  };
}

/** Answers in the place of a service that waits for its turn: alive, not ready, ask another replica. */
export async function standBy(config: HubConfig, identity: TlsIdentity): Promise<() => Promise<void>> {
  const elsewhere: RequestListener = (_request, response) => {
    response.writeHead(503, { [ELSEWHERE_HEADER]: '1', connection: 'close' }).end();
  };
  const health: RequestListener = ({ url }, response) => {
    // To Prometheus it is up, with nothing to tell: to wait is no fault.
    if (url === '/metrics') return void response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end();
    const alive = url === '/health/live';
    response
      .writeHead(alive ? 200 : 503, { 'content-type': 'application/json' })
      .end(JSON.stringify({ status: alive ? 'up' : 'standby' }));
  };
  const servers: [Server, number, string][] = [
    [createTlsServer(identity.serverOptions(), elsewhere), config.port, config.host],
  ];
  if (config.management !== undefined) {
    servers.push([createServer(health), config.management.port, config.management.host]);
  }
  await Promise.all(servers.map(([server, port, host]) => listening(server, port, host)));
  return async () => {
    await Promise.all(
      servers.map(([server]) => {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        return closed;
      }),
    );
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${host}:${port} (${error.message}).`)));
    server.listen(port, host, resolve);
  });
}

/** Health and metrics over plain HTTP on a port of their own, for probes that hold no certificate. */
export async function serveManagement(app: NestFastifyApplication, config: HubConfig): Promise<Server | undefined> {
  if (config.management === undefined) return undefined;
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const { host, port } = config.management;
  const server = createServer((request, response) => {
    if (request.method === 'GET' && MANAGEMENT_PATHS.test(request.url ?? '')) fastify.routing(request, response);
    else response.writeHead(404).end();
  });
  await listening(server, port, host);
  return server;
}

/** @throws Error when somebody listens there already; asked before the database is touched */
export function portIsFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createProbe();
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
