import { createServer, type Server } from 'node:http';
import { createServer as createProbe } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { HubConfig } from '#libs/platform';
import type { TlsIdentity } from '#libs/remote';

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
  const common = { bodyLimit: BODY_BYTES_MAX, trustProxy: false };
  const adapter =
    identity === undefined
      ? new FastifyAdapter({ ...common, forceCloseConnections: true })
      : new FastifyAdapter({ ...common, forceCloseConnections: 'idle', https: identity.serverOptions() });
  return NestFactory.create<NestFastifyApplication>(module, adapter as FastifyAdapter, {
    logger: logLevels(config.logLevel),
    abortOnError: false,
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
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${host}:${port} (${error.message}).`)));
    server.listen(port, host, resolve);
  });
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
