import pg from 'pg';
import { Waiters } from '../waiters.js';
import { connectionConfig, isPassing } from './connections.js';

const POLL_MS = 1_000;
const RETRY_MS = 250;

/**
 * Knows the head of the store on behalf of all followers of a process: one LISTEN connection, one query a wake-up. A
 * notification only wakes; the head is always read from the table. Should notifications stay away, polling remains.
 */
export class HeadWatcher {
  readonly #grown = new Waiters();
  readonly #wake = new Waiters();
  #head = 0n;
  #followers = 0;
  #session: AbortController | undefined;
  #notified = false;

  constructor(
    readonly url: string,
    readonly readHead: () => Promise<bigint>,
  ) {}

  /** Begins to watch; call the result to end. */
  join(): () => void {
    this.#followers += 1;
    if (this.#followers === 1) {
      this.#session = new AbortController();
      void this.#watch(this.#session.signal);
      void this.#listen(this.#session.signal);
    }
    return () => {
      this.#followers -= 1;
      if (this.#followers === 0) this.#session?.abort();
    };
  }

  /** Resolves with the head once it lies behind the position, or when the signal aborts. */
  async beyond(position: bigint, signal: AbortSignal): Promise<bigint> {
    while (this.#head <= position && !signal.aborted) await this.#grown.wait(signal);
    return this.#head;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#notified = false;
      try {
        const head = await this.readHead();
        if (head > this.#head) {
          this.#head = head;
          this.#grown.wake();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
        await this.#wake.wait(signal, RETRY_MS);
        continue;
      }
      if (!this.#notified) await this.#wake.wait(signal, POLL_MS);
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = new pg.Client(connectionConfig(this.url));
      const gone = new Promise<void>((resolve) => {
        client.once('end', resolve).once('error', () => resolve());
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      client.on('error', () => {}); // told by `gone`
      client.on('notification', () => this.#notify());
      try {
        await client.connect();
        await client.query('LISTEN event_store');
        this.#notify(); // what came while nobody listened
        await gone;
      } catch (error) {
        if (!signal.aborted && !isPassing(error)) throw error;
      }
      await client.end().catch(() => {});
      if (!signal.aborted) await new Waiters().wait(signal, RETRY_MS);
    }
  }

  #notify(): void {
    this.#notified = true;
    this.#wake.wake();
  }
}
