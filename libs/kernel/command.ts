import type { Decider } from './decider.js';
import type { Actor, DomainEvent, StreamEvents } from './events.js';
import type { Principal } from './principal.js';

/** A wish to change something. Who and when stand in `by` and `at`, so that deciders stay pure. */
export interface DomainCommand<Type extends string = string> {
  readonly type: Type;
}

/** Everything that surrounds one command and is not its subject. */
export interface CommandContext {
  readonly actor: Actor;
  /** Moment of the act, ISO 8601 UTC. */
  readonly at: string;
  readonly correlationId: string;
  readonly causationId?: string;
  /** Keyed digest of the Idempotency-Key; see EventMetadata. */
  readonly commandId?: string;
  readonly fingerprint?: string;
  /** Revision that the caller has seen (If-Match); the command is refused when the stream has moved on. */
  readonly ifMatch?: bigint;
  /** A new id for an entity; the same again when the same Idempotency-Key is repeated. */
  newId(): string;
}

/** Context of a command that a signed-in person or client gave. */
export interface RequestContext extends CommandContext {
  readonly principal: Principal;
}

/** One kind of stream: its events and its decider. */
export interface StreamDefinition<State, Command extends DomainCommand, Event extends DomainEvent> {
  readonly events: StreamEvents;
  readonly decider: Decider<State, Command, Event>;
}
