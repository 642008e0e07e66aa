/** Those who wait for something to change. Waiting leaves nothing behind, however long the signal lives. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `wake`, when the signal aborts, or after some milliseconds, whichever is first. */
  wait(signal?: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        clearTimeout(timer);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/** A position that only grows, and those who wait for it to reach theirs. */
export class Progress {
  #position: bigint;
  readonly #waiters = new Waiters();

  constructor(position: bigint) {
    this.#position = position;
  }

  get position(): bigint {
    return this.#position;
  }

  advance(position: bigint): void {
    if (position <= this.#position) return;
    this.#position = position;
    this.#waiters.wake();
  }

  /** Resolves once the position is reached. @throws Error when `timeoutMs` passes before */
  async reached(position: bigint, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (this.#position < position) {
      const left = deadline - performance.now();
      if (left <= 0) throw new NotReachedError(position, this.#position);
      await this.#waiters.wait(undefined, left);
    }
  }
}

/** A reader has not come to a position in the time given. */
export class NotReachedError extends Error {
  override readonly name = 'NotReachedError';

  constructor(
    readonly wanted: bigint,
    readonly actual: bigint,
  ) {
    super(`position ${wanted} is not reached yet, ${actual} is`);
  }
}
