import fc from 'fast-check';
import { at, entry, people } from './access.fixture.js';
import { City, type Credential, type Deciders, deciders, type Try, type Who } from './lawful-playback.model.js';
import { type Ticket, unlawful } from './lawful-playback.oracle.js';

const who = fc.constantFrom<Who>('officer', 'li', 'wang', 'chief', 'stranger', 'client');
const investigator = fc.constantFrom<Who>('li', 'wang', 'li', 'wang', 'officer');
const play = fc.record({
  do: fc.constant('play' as const),
  by: fc.oneof({ weight: 4, arbitrary: investigator }, { weight: 1, arbitrary: who }),
  live: fc.boolean(),
  hour: fc.constantFrom(7.5, 8, 8.5, 9, 9.5),
  camera: fc.constantFrom<0 | 1>(0, 1),
});
const anything: fc.Arbitrary<Try> = fc.oneof(
  fc.record({ do: fc.constant('pass' as const), minutes: fc.constantFrom(0.5, 4, 6, 11, 61, 721, 4320) }),
  fc.record({
    do: fc.constantFrom('sign in' as const, 'open' as const, 'start' as const, 'close' as const, 'revoke' as const),
    by: who,
  }),
  fc.record({ do: fc.constant('withdraw credential' as const), by: investigator }),
  fc.record({
    do: fc.constant('request' as const),
    by: who,
    share: fc.boolean(),
    persons: fc.subarray<Who>(['li', 'wang', 'officer', 'chief']),
  }),
  fc.record({ do: fc.constant('approve' as const), by: who, to: fc.constantFrom(8.5, 9, 10, 11) }),
  fc.record({
    do: fc.constant('check in' as const),
    by: investigator,
    credential: fc.constantFrom<Credential>('filed', 'brief', 'foreign', 'none'),
  }),
  fc.record({
    do: fc.constantFrom('show document' as const, 'sign undertaking' as const),
    by: investigator,
    right: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('register' as const),
    by: investigator,
    lacking: fc.constantFrom(undefined, ...(Object.keys(entry) as (keyof typeof entry)[])),
  }),
  play,
  fc.record({ do: fc.constant('go on' as const) }),
);

/** The lawful way, of which single steps are left out, doubled or replaced. */
const lawfulWay: readonly Try[] = [
  { do: 'request', by: 'officer', share: false, persons: ['li', 'wang'] },
  { do: 'approve', by: 'chief', to: 10 },
  { do: 'sign in', by: 'li' },
  { do: 'open', by: 'li' },
  { do: 'check in', by: 'li', credential: 'filed' },
  { do: 'pass', minutes: 4 },
  { do: 'sign in', by: 'wang' },
  { do: 'check in', by: 'wang', credential: 'brief' },
  { do: 'show document', by: 'li', right: true },
  { do: 'register', by: 'li', lacking: undefined },
  { do: 'sign undertaking', by: 'li', right: true },
  { do: 'sign undertaking', by: 'wang', right: true },
  { do: 'start', by: 'li' },
];
const sequence: fc.Arbitrary<Try[]> = fc
  .tuple(
    ...lawfulWay.map((step) =>
      fc.oneof(
        { weight: 20, arbitrary: fc.constant([step]) },
        { weight: 1, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: anything.map((other) => [other]) },
        { weight: 1, arbitrary: anything.map((other) => [other, step]) },
      ),
    ),
    fc.array(fc.oneof({ weight: 2, arbitrary: play }, { weight: 3, arbitrary: anything }), { maxLength: 10 }),
  )
  .map((parts) => parts.flat());

/** Every ticket that a sequence yields, judged at its own instant by the law. */
const judged = (used: Deciders, seen?: (tickets: readonly Ticket[]) => void) =>
  fc.property(sequence, (steps) => {
    const city = new City(used);
    for (const step of steps) {
      const before = city.tickets.length;
      city.try(step);
      for (const ticket of city.tickets.slice(before)) expect(unlawful(city.history, ticket)).toBeUndefined();
    }
    seen?.(city.tickets);
  });

const RUNS = { numRuns: 10_000 };

describe('no ticket without a valid grant and five met conditions at that instant', () => {
  test('in 10,000 random sequences of what people try', () => {
    const kinds = { recorded: 0, live: 0, none: 0 };
    const seen = (tickets: readonly Ticket[]) => {
      if (tickets.length === 0) kinds.none += 1;
      for (const { mode } of tickets) kinds[mode] += 1;
    };
    fc.assert(judged(deciders, seen), RUNS);
    // The property would hold of a hub that refuses everything: it must also have been put to use.
    expect(kinds.recorded).toBeGreaterThan(500);
    expect(kinds.live).toBeGreaterThan(500);
    expect(kinds.none).toBeGreaterThan(500);
  });

  const { session, grant, request, playback } = deciders;
  const broken: Record<string, Deciders> = {
    'forgets the ten minutes between check-ins': {
      ...deciders,
      session: {
        ...session,
        decide: (command, state) => {
          if (command.type !== 'StartSession' || state.status !== 'preparing') return session.decide(command, state);
          const authenticatedAt = at(Date.parse(command.at) / 60_000 - Date.parse(at(0)) / 60_000);
          const checkIns = state.checkIns.map((checkIn) => ({ ...checkIn, authenticatedAt }));
          return session.decide(command, { ...state, checkIns });
        },
      },
    },
    'forgets revocations': {
      ...deciders,
      grant: { ...grant, evolve: (s, e) => (s.status === 'none' ? grant.evolve(s, e) : s) },
    },
    'lets somebody else approve': {
      ...deciders,
      request: {
        ...request,
        decide: (command, state) =>
          request.decide(command.type === 'ApproveRequest' ? { ...command, by: people.chief } : command, state),
      },
    },
    'takes closed sessions for running ones': {
      ...deciders,
      session: { ...session, evolve: (s, e) => (e.type === 'RetrievalSessionClosed' ? s : session.evolve(s, e)) },
    },
    'does not look at credentials while playing': {
      ...deciders,
      playback: {
        ...playback,
        decide: (command, state) => {
          if (!('facts' in command) || command.facts.session.status !== 'started')
            return playback.decide(command, state);
          const facts = { ...command.facts, session: { ...command.facts.session, checkIns: [] } };
          return playback.decide({ ...command, facts }, state);
        },
      },
    },
  };

  test.each(Object.entries(broken))('control: a hub that %s is caught', (_, used) => {
    expect(fc.check(judged(used), RUNS).failed).toBe(true);
  });
});
