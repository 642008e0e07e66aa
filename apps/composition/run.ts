import { spawnSync } from 'node:child_process';
import { Refusal } from '#libs/kernel';
import { type HubConfig, readConfig } from '#libs/platform';

/** A process of the hub that runs. */
export interface Running {
  readonly url: string;
  /** Whether only the gateway speaks to it, so that its address means nothing to people. */
  readonly behindGateway?: true;
  /** One-time enrolment code of the first administrator; only while nobody has used it. */
  readonly administratorCode?: string | undefined;
  /** Resolves with one sentence when a part that it cannot do without has ended. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** Starts a process by its settings, says when it is ready, stops it on Ctrl-C or SIGTERM. */
export async function run(name: string, start: (config: HubConfig) => Promise<Running>): Promise<void> {
  let running: Running | undefined;
  let stopping = false;
  const stop = async (exitCode: number) => {
    if (stopping) return;
    stopping = true;
    await running?.stop();
    process.exit(exitCode);
  };
  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));
  // A supervisor that was killed leaves no process behind.
  process.on('disconnect', () => void stop(1));
  try {
    const started = performance.now();
    running = await start(readConfig(process.env));
    void running.failed.then((reason) => {
      process.stderr.write(`${name} stops: ${reason}\n`);
      return stop(1);
    });
    announce(name, running, (performance.now() - started) / 1000);
  } catch (error) {
    process.stderr.write(`${name} cannot start: ${sentenceOf(error)}\n`);
    if (process.env.MINGJING_LOG_LEVEL === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  }
}

/** What an operator is told of an error. */
export function sentenceOf(error: unknown): string {
  return error instanceof Refusal ? error.detail : error instanceof Error ? error.message : String(error);
}

/** @throws Error saying how to install it when a program is missing */
export function requireProgram(program: string): void {
  if (spawnSync(program, ['-version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error(`${program} is missing; install it with: apt-get install ${program}`);
  }
}

/**
 * Starts something piece by piece, each with how to undo it. `stop` undoes them, the last first; when a piece does not
 * start, those before it are undone at once.
 */
export async function startInSteps<T>(
  start: (undoLater: (step: () => Promise<unknown>) => void) => Promise<T>,
): Promise<T & { stop(): Promise<void> }> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return { ...(await start((step) => undo.push(step))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In one piece, so that a program that waits for the first line has the others too. */
function announce(name: string, { url, administratorCode, behindGateway }: Running, seconds: number): void {
  const lines = [`${name} 明镜 is ready after ${seconds.toFixed(1)} s: ${url}`];
  if (!behindGateway) lines.push(`  API reference: ${url}/api`);
  if (administratorCode !== undefined) {
    lines.push(
      `  One-time administrator credential (valid 24 h): ${administratorCode}`,
      '  Enrol with it: POST /api/v1/enrolments {"code", "username", "password"}',
    );
  }
  process.stdout.write(`${lines.join('\n')}\n  Ctrl-C stops it.\n`);
}
