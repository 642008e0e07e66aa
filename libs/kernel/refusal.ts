import type { DomainEvent } from './events.js';
import type { RuleId } from './rules.js';

/**
 * What kind of no it is; the HTTP edge maps it to a status:
 * invalid 400, unauthenticated 401, forbidden 403, not-found 404, conflict 409,
 * precondition 412, rule 422, too-large 413, too-many 429, unavailable 503.
 */
export type RefusalKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'precondition'
  | 'rule'
  | 'too-large'
  | 'too-many'
  | 'unavailable';

/** A refusal as it is declared in a catalogue of refusals. */
export interface RefusalDeclaration {
  readonly kind: RefusalKind;
  readonly title: readonly [english: string, chinese: string];
  readonly rules: readonly RuleId[];
}

/** A caller's mistake or a rule's no: expected, typed, answered; never a bug. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly code: string,
    readonly declaration: RefusalDeclaration,
    readonly detail: string,
    /** Structured facts for the caller, plain JSON, no personal data. */
    readonly facts: Readonly<Record<string, unknown>> = {},
    /** Events that record the attempt; they are appended although the command is refused. */
    readonly events: readonly DomainEvent[] = [],
  ) {
    super(`${code}: ${detail}`);
  }

  get kind(): RefusalKind {
    return this.declaration.kind;
  }

  get rules(): readonly RuleId[] {
    return this.declaration.rules;
  }

  /** The same refusal with events that record the attempt. */
  recordedBy(...events: DomainEvent[]): Refusal {
    return new Refusal(this.code, this.declaration, this.detail, this.facts, events);
  }
}

/** A catalogue of refusals: code → function that makes the refusal. */
export type Refusals<Codes extends string> = {
  readonly [C in Codes]: (detail: string, facts?: Record<string, unknown>) => Refusal;
} & { readonly declarations: Readonly<Record<Codes, RefusalDeclaration>> };

/** Declares the refusals of one feature. Codes are `feature.reason-in-kebab-case`. */
export function defineRefusals<const Codes extends string>(
  declarations: Record<Codes, RefusalDeclaration>,
): Refusals<Codes> {
  const make = Object.fromEntries(
    Object.entries<RefusalDeclaration>(declarations).map(([code, declaration]) => [
      code,
      (detail: string, facts: Record<string, unknown> = {}) => new Refusal(code, declaration, detail, facts),
    ]),
  );
  return Object.assign(make, { declarations }) as unknown as Refusals<Codes>;
}
