import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { playStory } from '../test/scenarios/story.js';
import { startRtspServer } from '../test/services/rtsp.js';

const READY_MS_MAX = 60_000;
const once = process.argv.includes('--once');
const preferredPort = 8080;

/** Plays the story against a fresh hub, as its users would: by HTTP, with a real RTSP camera. */
async function demo(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-demo-'));
  const camera = await startRtspServer();
  const hub = await startHubProcess(join(folder, 'data'), await choosePort());
  const stop = async () => {
    await hub.stop();
    await camera.stop();
    if (once) rmSync(folder, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void stop().then(() => process.exit(once ? 1 : 0)));
  try {
    const report = (line: string) => process.stdout.write(`${line}\n`);
    const { events, frames, clipSha256 } = await playStory({
      baseUrl: hub.url,
      administratorCode: hub.administratorCode,
      cameraUrl: camera.url,
      folder,
      report,
    });
    if (!once) {
      report(`\nThe hub goes on running on ${hub.url} (data in ${folder}); Ctrl-C stops it.`);
      report(`demo ok: ${events} events, ${frames} frames, clip ${clipSha256}`);
      await hub.ended;
      return 0;
    }
    await stop();
    report(`demo ok: ${events} events, ${frames} frames, clip ${clipSha256}`);
    return 0;
  } catch (error) {
    await stop();
    process.stderr.write(`demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

interface HubProcess {
  readonly url: string;
  readonly administratorCode: string;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

async function startHubProcess(dataDir: string, port: number): Promise<HubProcess> {
  const main = join(import.meta.dirname, '..', 'apps', 'hub', 'main.js');
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      MINGJING_DATA: dataDir,
      MINGJING_PORT: String(port),
      MINGJING_SOURCE_NETWORKS: '127.0.0.1/32',
      MINGJING_LOG_LEVEL: 'warn',
    },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const { url, code } = await readGreeting(child);
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
  };
  return { url, administratorCode: code, ended, stop };
}

/** What a person reads off the terminal: the address and the one-time credential. */
function readGreeting(child: ChildProcess): Promise<{ url: string; code: string }> {
  return new Promise((resolve, reject) => {
    let url: string | undefined;
    const timer = setTimeout(() => reject(new Error('the hub did not become ready')), READY_MS_MAX);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      process.stdout.write(`hub | ${line}\n`);
      url ??= /is ready .*: (http:\S+)/.exec(line)?.[1];
      const code = /One-time administrator credential[^:]*: (\S+)/.exec(line)?.[1];
      if (url !== undefined && code !== undefined) {
        clearTimeout(timer);
        resolve({ url, code });
      }
    });
    child.once('exit', (status) => reject(new Error(`the hub ended with status ${status}`)));
  });
}

/** The usual port for a demo that stays, when it is free; any free one otherwise. */
async function choosePort(): Promise<number> {
  const preferred = once ? 0 : preferredPort;
  return (await tryPort(preferred)) ?? (await tryPort(0)) ?? preferred;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: chosen } = server.address() as { port: number };
      server.close(() => resolve(chosen));
    });
  });
}

process.exitCode = await demo();
