import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const READY_MS_MAX = 60_000;

/** A hub as a user starts it: the built program in a process of its own. */
export interface HubProcess {
  readonly url: string;
  /** One-time administrator credential, while nobody has used it. */
  readonly administratorCode: string | undefined;
  readonly child: ChildProcess;
  /** Exit status, once it has ended. */
  readonly ended: Promise<number | null>;
  /** Ctrl-C. */
  stop(): Promise<number | null>;
}

const SERVICES = join(process.cwd(), 'dist', 'apps', 'services', 'main.js');

/** The built programs; run `npm run build` first. */
const PROGRAMS = {
  hub: join(process.cwd(), 'dist', 'apps', 'hub', 'main.js'),
  services: SERVICES,
  replicated: SERVICES,
} as const;

/** In one process, each service in its own, or two processes of each service. */
export type Composition = keyof typeof PROGRAMS;

const TWO_OF_EACH = ['registry', 'integration', 'access', 'media', 'audit'].flatMap((service) => [
  '--replicas',
  `${service}=2`,
]);

/**
 * Starts a hub and waits until it says that it is ready.
 * @param onLine takes what it prints
 * @throws Error with what it wrote to standard error when it ends before
 */
export function startHubProcess(
  settings: Readonly<Record<string, string>>,
  onLine: (line: string) => void = () => undefined,
  composition: Composition = 'hub',
): Promise<HubProcess> {
  const child = spawn(process.execPath, [PROGRAMS[composition], ...(composition === 'replicated' ? TWO_OF_EACH : [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', MINGJING_LOG_LEVEL: 'warn', ...settings },
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const stop = () => {
    child.kill('SIGINT');
    return ended;
  };
  let complaint = '';
  createInterface({ input: child.stderr! }).on('line', (line) => {
    complaint += `${line}\n`;
    onLine(line);
  });
  return new Promise((resolve, reject) => {
    let url: string | undefined;
    let administratorCode: string | undefined;
    const timer = setTimeout(() => reject(new Error(`the hub did not become ready: ${complaint}`)), READY_MS_MAX);
    void ended.then(() => {
      clearTimeout(timer);
      reject(new Error(complaint));
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      onLine(line);
      url ??= /^Mingjing 明镜 is ready .*: (https?:\S+)/.exec(line)?.[1];
      administratorCode ??= /^ +One-time administrator credential[^:]*: (\S+)/.exec(line)?.[1];
      if (url !== undefined && /^ +Ctrl-C stops it/.test(line)) {
        clearTimeout(timer);
        resolve({ url, administratorCode, child, ended, stop });
      }
    });
  });
}
