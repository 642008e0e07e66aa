import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS_MAX = 60_000;
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
  start(): Promise<void> {
    const child = spawn(process.execPath, [this.program], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited(), ...this.environment },
    });
    this.#child = child;
    const startedAt = Date.now();
    let ready = false;
    return new Promise((resolve, reject) => {
      let complaint = '';
      const timer = setTimeout(() => reject(new Error(`${this.name} did not become ready`)), READY_MS_MAX);
      createInterface({ input: child.stderr! }).on('line', (line) => {
        if (!ready) complaint += `${line} `;
        this.say(`${this.name} | ${line}`);
      });
      createInterface({ input: child.stdout! }).on('line', (line) => {
        this.say(`${this.name} | ${line}`);
        if (!line.includes(' is ready after ')) return;
        clearTimeout(timer);
        ready = true;
        resolve();
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        if (ready) void this.#startAgain(code ?? signal, Date.now() - startedAt);
        else reject(new Error(complaint.trim() || `${this.name} ended (${code ?? signal})`));
      });
    });
  }

  /** Ends it gently and for good; by force when it does not listen. */
  async stop(patienceMs = 15_000): Promise<void> {
    this.#stopping = true;
    await this.#end(patienceMs);
  }

  /** Ends it gently and starts it anew. */
  async restart(): Promise<void> {
    this.#stopping = true;
    await this.#end(15_000);
    this.#stopping = false;
    await this.start();
  }

  async #end(patienceMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await ended;
    clearTimeout(timer);
  }

  async #startAgain(how: number | string | null, livedMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#failures = livedMs > SETTLED_MS ? 0 : this.#failures;
    this.say(`${this.name} | ended by itself (${how}), starting again`);
    for (;;) {
      await sleep(RESTART_MS[Math.min(this.#failures, RESTART_MS.length - 1)]);
      this.#failures += 1;
      if (this.#stopping) return;
      try {
        return await this.start();
      } catch {
        // It has said why on its way out.
      }
    }
  }
}

/** What a child needs of this process's environment; settings are given to each by name. */
function inherited(): Record<string, string> {
  const { PATH = '', HOME = '', TZ = '' } = process.env;
  return { PATH, HOME, TZ };
}
