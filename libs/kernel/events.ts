import type { z } from 'zod';
import type { RuleId } from './rules.js';

/** Who caused an event: pseudonymous ids only, never a name or a number (see libs/vault). */
export interface Actor {
  readonly kind: 'person' | 'client' | 'system';
  /** Id of the person, API client or system component. */
  readonly id: string;
  /** Organisation on whose behalf the actor acted; absent for the hub itself. */
  readonly organisationId?: string;
  /** Role that allowed the act. */
  readonly role?: string;
}

/** What every event carries besides its own data. Plain JSON. */
export interface EventMetadata {
  readonly actor: Actor;
  /** Moment of the act by the clock of the service that decided, ISO 8601 UTC with milliseconds. */
  readonly occurredAt: string;
  /** Rules of the regulation that the event rests on. */
  readonly rules: readonly RuleId[];
  readonly correlationId: string;
  readonly causationId?: string;
  /**
   * Trace in which the event was appended (W3C Trace Context), for whoever acts on it to carry on; absent when nobody
   * traced. Says nothing of the fact itself: no digest covers it.
   */
  readonly traceparent?: string;
  /** Keyed digest of the Idempotency-Key of the command; repeating the command finds its events by it. */
  readonly commandId?: string;
  /** Keyed digest of the command's payload, so that a key reused for another payload is refused. */
  readonly fingerprint?: string;
  /** Code of the refusal, on an event that records a refused attempt. */
  readonly refusal?: string;
}

/** A fact of the domain, past tense, plain JSON data. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  /** Rules that this very event rests on; moved into the metadata when it is appended. */
  readonly rules?: readonly RuleId[];
}

/** One event type of the catalogue. */
export interface EventDeclaration<Schema extends z.ZodType = z.ZodType> {
  /** Shape of the current version of the data. */
  readonly data: Schema;
  readonly version: number;
  /** One line: what has become true, in English and in Chinese. */
  readonly meaning: readonly [english: string, chinese: string];
  /** Product version that first wrote the event. */
  readonly since: string;
  readonly rules: readonly RuleId[];
  /** Dotted paths of fields that hold keyed commitments to personal data (the clear text is in the vault). */
  readonly personal?: readonly string[];
  /** `upcast[n]` turns data of version n into data of version n + 1. */
  readonly upcast?: Readonly<Record<number, (data: never) => unknown>>;
}

/** The events of one stream category, declared once; see {@link defineEvents}. */
export interface StreamEvents<Types extends Record<string, EventDeclaration> = Record<string, EventDeclaration>> {
  /** First part of the stream's name, `<category>-<id>`; camelCase without a hyphen. */
  readonly category: string;
  /** Service that owns the category: only it appends there. */
  readonly service: string;
  readonly types: Types;
}

/** Union of the domain events of a declaration. */
export type EventOf<S extends StreamEvents> = {
  [T in keyof S['types'] & string]: DomainEvent<T, z.output<S['types'][T]['data']>>;
}[keyof S['types'] & string];

/** Declares the events of one stream category. */
export function defineEvents<const Types extends Record<string, EventDeclaration>>(
  service: string,
  category: string,
  types: Types,
): StreamEvents<Types> {
  if (!/^[a-z][A-Za-z0-9]*$/.test(category)) throw new Error(`stream category ${category} must be camelCase`);
  return { service, category, types };
}

/** Name of the stream of one entity. */
export function streamName(category: string, id: string): string {
  return `${category}-${id}`;
}

/** Category of a stream name: everything before the first hyphen. */
export function categoryOf(stream: string): string {
  const hyphen = stream.indexOf('-');
  return hyphen < 0 ? stream : stream.slice(0, hyphen);
}

/** Entity id of a stream name: everything after the first hyphen. */
export function entityOf(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
