import type { Answer } from './api.js';

/** A check of a scenario did not hold. */
class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Counts what held and stops at the first thing that did not. */
export class Checks {
  #held = 0;

  constructor(private readonly report: (line: string) => void) {}

  get held(): number {
    return this.#held;
  }

  chapter(title: string): void {
    this.report(`\n${title}`);
  }

  /** @throws CheckFailed with what was seen instead */
  that(what: string, holds: boolean, seen: unknown = ''): void {
    if (!holds) throw new CheckFailed(`${what}: does not hold; seen ${JSON.stringify(seen)}`);
    this.#held += 1;
    this.report(`  ✓ ${what}`);
  }

  /** The write was carried out; gives its body. */
  done(what: string, answer: Answer): Record<string, unknown> & { id: string } {
    this.that(what, answer.status === 200 || answer.status === 201, { status: answer.status, body: answer.body });
    return answer.body as Record<string, unknown> & { id: string };
  }

  /** The request was refused with this code and, where given, this rule of the regulation. */
  refused(what: string, answer: Answer, code: string, rule?: string): void {
    const { code: seenCode, rules } = answer.body;
    const ruleFits = rule === undefined || (Array.isArray(rules) && rules.includes(rule));
    const seen = { status: answer.status, body: answer.body };
    this.that(`refused${rule === undefined ? '' : ` (${rule})`}: ${what}`, seenCode === code && ruleFits, seen);
  }
}
