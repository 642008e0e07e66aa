/** Milliseconds that a look at a part of the hub may take. */
const LOOK_MS_MAX = 1_000;

/** A look that never ends is given up after so long, so that the next one asks anew. */
const FORGET_MS = 15_000;

/** A part did not answer in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/**
 * Something that can be looked at and may hang. However many look, at most one question is on its way: a part that is
 * down is not buried under questions.
 */
export class Source<T> {
  #pending: { readonly answer: Promise<T>; readonly since: number } | undefined;

  constructor(readonly ask: () => T | Promise<T>) {}

  /** @throws NoAnswerError after a second, or what the question threw */
  async look(): Promise<T> {
    const { answer } = this.#question();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswerError(`no answer within ${LOOK_MS_MAX} ms`)), LOOK_MS_MAX);
    });
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  #question() {
    const now = performance.now();
    if (this.#pending !== undefined && now - this.#pending.since < FORGET_MS) return this.#pending;
    const asked = { answer: (async () => this.ask())(), since: now };
    this.#pending = asked;
    const done = () => {
      if (this.#pending === asked) this.#pending = undefined;
    };
    asked.answer.then(done, done);
    return asked;
  }
}
