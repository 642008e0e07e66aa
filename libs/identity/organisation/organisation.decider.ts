import type { z } from 'zod';
import type { Decider, OrganisationKind, OrganisationLevel, Power, RuleId, StreamDefinition } from '#libs/kernel';
import { covers, findDivision } from '#libs/regulation';
import { type Registrar, requireRegistrar } from '../authority.js';
import { identityRefusals } from '../identity.refusals.js';
import {
  type OrganisationEvent,
  type organisationData,
  organisationEvents,
  type powerData,
} from './organisation.events.js';

type OrganisationData = z.output<typeof organisationData>;

export type OrganisationState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'registered';
      readonly kind: OrganisationKind;
      readonly level: OrganisationLevel;
      readonly division: string;
      readonly powers: readonly Power[];
    };

interface ByWhom {
  readonly by: Registrar;
  readonly at: string;
}

export type OrganisationCommand = ByWhom &
  (
    | {
        readonly type: 'RegisterOrganisation';
        readonly organisation: OrganisationData;
        /** Division of the superior organisation, where one is named. */
        readonly parentDivision?: string;
      }
    | ({ readonly type: 'ConferPower' } & z.output<typeof powerData>)
    | { readonly type: 'WithdrawPower'; readonly power: Power }
  );

const DIGITS: Readonly<Record<OrganisationLevel, number>> = { province: 2, prefecture: 4, county: 6 };

/** What a power is for (Art. 15). */
const RULE_OF: Readonly<Record<Power, RuleId>> = {
  'emergency-handling': 'gz117:15.2',
  'law-enforcement': 'gz117:15.3',
};

export const organisationDecider: Decider<OrganisationState, OrganisationCommand, OrganisationEvent> = {
  initialState: () => ({ status: 'absent' }),

  decide(command, state) {
    requireRegistrar(command.by);
    if (command.type === 'RegisterOrganisation') return [register(command, state)];
    if (state.status === 'absent') throw identityRefusals['identity.no-such-organisation']('it is not registered');
    const { power } = command;
    const held = state.powers.includes(power);
    const rules = [RULE_OF[power]];
    switch (command.type) {
      case 'ConferPower':
        if (state.kind !== 'administrative-department') {
          throw identityRefusals['identity.power-not-for-this-kind'](`${power} in a ${state.kind}`, { power });
        }
        if (held) throw identityRefusals['identity.power-held'](power);
        return [{ type: 'PowerConferred', data: { power, instrument: command.instrument }, rules }];
      case 'WithdrawPower':
        if (!held) throw identityRefusals['identity.power-not-held'](power);
        return [{ type: 'PowerWithdrawn', data: { power }, rules }];
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'OrganisationRegistered': {
        const { kind, level, division } = event.data;
        return { status: 'registered', kind, level, division, powers: [] };
      }
      case 'PowerConferred':
        return state.status === 'absent' ? state : { ...state, powers: [...state.powers, event.data.power] };
      case 'PowerWithdrawn': {
        const { power } = event.data;
        return state.status === 'absent' ? state : { ...state, powers: state.powers.filter((held) => held !== power) };
      }
    }
  },
};

function register(
  { organisation, parentDivision }: Extract<OrganisationCommand, { type: 'RegisterOrganisation' }>,
  state: OrganisationState,
): OrganisationEvent {
  const { division, level } = organisation;
  if (state.status !== 'absent')
    throw identityRefusals['identity.already-registered']('the organisation is registered');
  if (findDivision(division) === undefined) throw identityRefusals['identity.unknown-division'](division);
  if (division.length !== DIGITS[level]) {
    throw identityRefusals['identity.level-does-not-fit-division'](
      `a division of level ${level} has ${DIGITS[level]} digits, ${division} has ${division.length}`,
      { level, division },
    );
  }
  if (parentDivision !== undefined && !covers(parentDivision, division)) {
    throw identityRefusals['identity.outside-parent'](`${division} is not covered by ${parentDivision}`);
  }
  return { type: 'OrganisationRegistered', data: organisation };
}

export const organisationStream: StreamDefinition<OrganisationState, OrganisationCommand, OrganisationEvent> = {
  events: organisationEvents,
  decider: organisationDecider,
};
