import type { ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS_MAX = 60_000;
const END_MS_MAX = 15_000;
const RESTART_MS = [100, 500, 2_000, 5_000] as const;
/** A process that lived so long has started well; the next fault begins from the shortest wait again. */
const SETTLED_MS = 30_000;

/** A process that is started again whenever it ends by itself. */
export class Supervised {
  #child: ChildProcess | undefined;
  #stopping = false;
  #failures = 0;

  constructor(
    readonly name: string,
    private readonly program: string,
    private readonly environment: Readonly<Record<string, string>>,
    private readonly say: (line: string) => void,
  ) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once it has said that it is ready. @throws Error with its complaint when it ends before */
  async start(): Promise<void> {
    const startedAt = Date.now();
    const child = this.#launch();
    this.#child = child;
    this.say(`${this.name} | started as process ${child.pid}`);
    try {
      await this.#ready(child);
    } catch (error) {
      await end(child); // one that only hangs would hold what its successor needs
      throw error;
    }
    child.once('exit', (code, signal) => {
      if (child === this.#child) void this.#startAgain(code ?? signal, Date.now() - startedAt);
    });
  }

  /** Ends it gently and for good; by force when it does not listen. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await end(this.#child);
  }

  /** Starts it anew, and ends the old one when the new one answers. @throws Error when it does not: the old one works on */
  async restart(): Promise<void> {
    const old = this.#child;
    try {
      await this.start(); // from now on the end of the old one is wanted
    } catch (error) {
      this.#child = old;
      if (this.#stopping) await end(old);
      else if (!isAlive(old)) void this.#startAgain('while its successor was tried', 0);
      throw error;
    }
    await end(old);
  }

  /** The ports that a process listens on are held here, so that its successor may listen before it ends. */
  #launch(): ChildProcess {
    cluster.setupPrimary({ exec: this.program, args: [], silent: true });
    return cluster.fork({ ...withheld(), ...this.environment }).process;
  }

  #ready(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      let complaint = '';
      const timer = setTimeout(() => reject(new Error(`${this.name} did not become ready`)), READY_MS_MAX);
      createInterface({ input: child.stderr! }).on('line', (line) => {
        complaint = `${complaint}${line} `.slice(-2_000);
        this.say(`${this.name} | ${line}`);
      });
      createInterface({ input: child.stdout! }).on('line', (line) => {
        this.say(`${this.name} | ${line}`);
        if (!/ is ready after | stands by until /.test(line)) return;
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(complaint.trim() || `${this.name} ended (${code ?? signal})`));
      });
    });
  }

  async #startAgain(how: number | string | null, livedMs: number): Promise<void> {
    this.#failures = livedMs > SETTLED_MS ? 0 : this.#failures;
    while (!this.#stopping) {
      this.say(`${this.name} | ended by itself (${how}), starting again`);
      await sleep(RESTART_MS[Math.min(this.#failures, RESTART_MS.length - 1)]);
      this.#failures += 1;
      try {
        if (!this.#stopping && !isAlive(this.#child)) await this.start();
        return;
      } catch {
        // It has said why on its way out.
      }
    }
  }
}

function isAlive(child: ChildProcess | undefined): child is ChildProcess {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!isAlive(child)) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  await ended;
  clearTimeout(timer);
}

/** What of this process's environment is not for its children: their settings are given to each by name. */
function withheld(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('MINGJING_') || name === 'NODE_OPTIONS');
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
