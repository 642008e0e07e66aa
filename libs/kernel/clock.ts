/** Source of the present. Everything that needs the time takes one, so that a test can move it. */
export abstract class Clock {
  /** Milliseconds since the Unix epoch. */
  abstract now(): number;

  /** The present as ISO 8601 in UTC with milliseconds. */
  iso(): string {
    return new Date(this.now()).toISOString();
  }
}

/** The machine's clock. */
export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}

/** A clock that only its owner moves; for tests and replays. */
export class ManualClock extends Clock {
  #now: number;

  constructor(start: string | number) {
    super();
    this.#now = new Date(start).getTime();
  }

  now(): number {
    return this.#now;
  }

  /** Moves the clock by some milliseconds, also backwards. */
  advance(ms: number): void {
    this.#now += ms;
  }
}
