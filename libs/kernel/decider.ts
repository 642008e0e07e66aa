import type { DomainEvent } from './events.js';

/**
 * Pure domain logic of one kind of stream.
 *
 * `decide` returns the facts that follow from a command, or throws a `Refusal`; it reads no clock and draws no
 * random number: time, ids and actor come inside the command. `evolve` folds one fact into the state and never
 * refuses, so that any history can be read. Commands are plain objects with a `type`.
 */
export interface Decider<State, Command, Event extends DomainEvent> {
  decide(command: Command, state: State): readonly Event[];
  evolve(state: State, event: Event): State;
  initialState(): State;
}

/** State after a history. */
export function fold<State, Event extends DomainEvent>(
  decider: Pick<Decider<State, never, Event>, 'evolve' | 'initialState'>,
  events: Iterable<Event>,
): State {
  let state = decider.initialState();
  for (const event of events) state = decider.evolve(state, event);
  return state;
}

/** Makes an unhandled case a compile error and, should data lie about its type, a crash. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
