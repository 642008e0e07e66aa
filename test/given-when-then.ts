import { type Decider, type DomainCommand, type DomainEvent, fold, Refusal } from '#libs/kernel';

/**
 * Given / when / then for deciders:
 * `spec(decider).given(e1, e2).when(command).then(e3)` or `.refuses('code', 'rule')`.
 */
export function spec<State, Command extends DomainCommand, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
) {
  return {
    given: (...history: Event[]) => ({
      when: (command: Command) => ({
        then: (...expected: Event[]) => {
          const decided = decider.decide(command, fold(decider, history));
          expect(decided.map(({ type, data }) => ({ type, data }))).toEqual(
            expected.map(({ type, data }) => ({ type, data })),
          );
        },
        /** The refusal must carry the code and, where given, the rule; returns the events that record the attempt. */
        refuses: (code: string, rule?: string): readonly DomainEvent[] => {
          try {
            decider.decide(command, fold(decider, history));
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            expect(error.code).toBe(code);
            if (rule !== undefined) expect(error.rules).toContain(rule);
            return error.events;
          }
          throw new Error(`expected refusal ${code}, but the command was accepted`);
        },
      }),
    }),
  };
}
