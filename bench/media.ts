/**
 * Segments a second with the ticket checked at each, beside the same files from a bare Fastify with @fastify/static in
 * the same run; each server in a process of its own, rounds in turn. Usage: node dist/bench/media.js [--seconds 4]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fastifyStatic from '@fastify/static';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import { EventStore, MemoryEventStore } from '#libs/event-store';
import { Clock, newId, SystemClock } from '#libs/kernel';
import { AccessPort, MediaModule, SegmentIndex, signTicket, type TicketClaims, TicketVerifier } from '#libs/media';
import { Authenticator, HUB_CONFIG, hardenHttp, PlatformModule, readConfig } from '#libs/platform';
import { KeyRing, SecretStore } from '#libs/vault';
import { closedLoop, type Measured } from './closed-loop.js';

/** Two seconds at 2 Mbit/s. */
const SEGMENT_BYTES = 500_000;
const SEGMENTS = 40;
const CALLERS = 16;
const ROUNDS = 4;
const TICKETS = 2_000;
const cameraId = '018f0000-0000-7000-8000-000000000001';
const epoch = Date.UTC(2026, 2, 1, 12);

/** Serves from a folder until the parent goes. */
async function serve(kind: string, folder: string, publicJwk: string): Promise<void> {
  const address = kind === 'bare' ? await serveBare(folder) : await serveOurs(folder, JSON.parse(publicJwk));
  process.send!({ address });
  process.on('message', () => process.send!({ cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1_000 }));
  process.on('disconnect', () => process.exit(0));
}

async function serveBare(folder: string): Promise<string> {
  const server = fastify();
  await server.register(fastifyStatic, { root: join(folder, 'recordings', cameraId, '20260301') });
  return server.listen({ port: 0, host: '127.0.0.1' });
}

class Yes extends AccessPort {
  constructor(private readonly key: JsonWebKey) {
    super();
  }

  override start = async () => undefined;
  override stopped = async () => undefined;
  override recheck = async (stillAllowed: readonly string[]) => ({ stillAllowed });
  override ticketKeys = async () => [this.key];
  override authoriseExport = () => Promise.reject(new Error('no exports here'));
}

class Nobody extends Authenticator {
  override authenticate = () => Promise.reject(new Error('nobody signs in here'));
}

class NoSecrets extends SecretStore {
  override put = async () => '';
  override get = async () => undefined;
}

async function serveOurs(folder: string, key: JsonWebKey): Promise<string> {
  const platform = PlatformModule.forRoot([
    { provide: HUB_CONFIG, useValue: readConfig({ MINGJING_DATA: folder }) },
    { provide: EventStore, useValue: new MemoryEventStore() },
    { provide: Clock, useClass: SystemClock },
    { provide: KeyRing, useValue: new KeyRing(join(folder, 'keys')) },
    { provide: SecretStore, useClass: NoSecrets },
    { provide: Authenticator, useClass: Nobody },
    { provide: AccessPort, useValue: new Yes(key) },
  ]);
  class Gateway {}
  Module({ imports: [platform, MediaModule] })(Gateway);
  const app = await NestFactory.create<NestFastifyApplication>(Gateway, new FastifyAdapter(), { logger: ['error'] });
  await hardenHttp(app);
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

async function recordFiles(folder: string): Promise<void> {
  const index = new SegmentIndex(join(folder, 'recordings'));
  const track = { codec: 'avc1.64001f', width: 1_280, height: 720, timescale: 90_000 };
  await index.begin(cameraId, epoch, { kind: 'init', bytes: randomBytes(800), track } as never);
  for (let n = 0; n < SEGMENTS; n += 1) {
    const entry = { epoch, n, startMs: epoch + n * 2_000, durationMs: 2_000 };
    await index.append(cameraId, entry, randomBytes(SEGMENT_BYTES));
  }
}

const pair = generateKeyPairSync('ed25519');
const signer = { kid: 'bench', privateKey: pair.privateKey };
const publicJwk: JsonWebKey = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'bench' };

function claims(pid: string): TicketClaims {
  const iat = Math.floor(Date.now() / 1_000);
  const ids = { jti: newId(), sub: newId(), gid: newId(), sid: newId(), pid, cam: cameraId };
  const window = { mode: 'recorded', from: epoch, to: epoch + SEGMENTS * 2_000 } as const;
  return { iss: 'mingjing-access', aud: 'mingjing-media', ...ids, ...window, iat, exp: iat + 60 };
}

async function start(kind: string, folder: string): Promise<{ child: ChildProcess; address: string }> {
  const child = fork(import.meta.filename, ['--serve', kind, folder, JSON.stringify(publicJwk)]);
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  return { child, address };
}

async function cpuMs(child: ChildProcess): Promise<number> {
  child.send('cpu');
  const [answer] = (await once(child, 'message')) as [{ cpuMs: number }];
  return answer.cpuMs;
}

const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });

async function fetchWhole(url: string): Promise<void> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} for ${url.slice(0, 80)}`);
}

/** 99th percentile of the decision, ms: of tickets never seen before, and of those seen. */
function ticketTimes(): { first: number; again: number } {
  const verifier = new TicketVerifier([publicJwk]);
  const tickets = Array.from({ length: TICKETS }, () => signTicket(claims(newId()), signer));
  const p99 = (checked = tickets) => {
    const times = checked.map((ticket) => {
      const began = performance.now();
      verifier.verify(ticket, Date.now());
      return performance.now() - began;
    });
    return Math.round(times.sort((a, b) => a - b)[Math.floor(TICKETS * 0.99)]! * 1_000) / 1_000;
  };
  p99(Array.from({ length: TICKETS }, () => signTicket(claims(newId()), signer)));
  return { first: p99(), again: p99() };
}

async function compare(seconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-bench-'));
  mkdirSync(join(folder, 'keys'), { recursive: true });
  writeFileSync(join(folder, 'mingjing.json'), '{"product":"mingjing","layout":1}\n');
  await recordFiles(folder);
  const servers = { ours: await start('ours', folder), bare: await start('bare', folder) };
  const totals = { ours: { done: 0, cpu: 0 }, bare: { done: 0, cpu: 0 } };
  const results: Record<'ours' | 'bare', Measured[]> = { ours: [], bare: [] };
  try {
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      const kind = round % 2 === 0 ? 'ours' : 'bare';
      const { child, address } = servers[kind];
      const holders = Array.from({ length: CALLERS }, newHolder);
      let next = 0;
      const before = await cpuMs(child);
      let done = 0;
      const measured = await closedLoop(CALLERS, seconds, async (caller) => {
        const n = next++ % SEGMENTS;
        const path =
          kind === 'bare'
            ? `/${epoch}-${n}.m4s`
            : `${holders[caller]!.path}/${epoch}/${n}.m4s${holders[caller]!.query}`;
        await fetchWhole(address + path);
        done += 1;
      });
      totals[kind].cpu += (await cpuMs(child)) - before;
      totals[kind].done += done;
      results[kind].push(measured);
      console.log(`round ${round >> 1}, ${kind}: ${JSON.stringify(measured)}`);
    }
  } finally {
    for (const { child } of Object.values(servers)) child.disconnect();
    agent.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
  const median = (kind: 'ours' | 'bare') => results[kind].map(({ per_s }) => per_s).sort((a, b) => a - b)[ROUNDS >> 1]!;
  const cpu = (kind: 'ours' | 'bare') => Math.round((1_000 * totals[kind].cpu) / totals[kind].done) / 1_000;
  const ticket = ticketTimes();
  console.log(
    JSON.stringify({
      bench: 'media',
      per_s: median('ours'),
      bare_per_s: median('bare'),
      ratio: Math.round((100 * median('ours')) / median('bare')) / 100,
      ticket_p99_ms: ticket.first,
      ticket_seen_p99_ms: ticket.again,
      cpu_ms_per_segment: cpu('ours'),
      bare_cpu_ms_per_segment: cpu('bare'),
      segment_bytes: SEGMENT_BYTES,
      callers: CALLERS,
    }),
  );
}

function newHolder(): { path: string; query: string } {
  const pid = newId();
  return { path: `/media/playbacks/${pid}`, query: `?ticket=${signTicket(claims(pid), signer)}` };
}

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, serve: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (values.serve) await serve(positionals[0]!, positionals[1]!, positionals[2]!);
else await compare(Number(values.seconds));
