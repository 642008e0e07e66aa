import type { z } from 'zod';
import {
  assertNever,
  type Decider,
  type OrganisationKind,
  type PrincipalOrganisation,
  type Role,
  type StreamDefinition,
} from '#libs/kernel';
import { type Registrar, requireFiler, requireRegistrar } from '../authority.js';
import { identityRefusals } from '../identity.refusals.js';
import { type credentialTerms, type PersonEvent, personEvents } from './person.events.js';

interface ActivePerson {
  readonly status: 'active';
  readonly organisationId: string;
  readonly roles: readonly Role[];
  /** Ids of enforcement credentials on file. */
  readonly credentialIds: readonly string[];
}

export type PersonState =
  | { readonly status: 'absent' }
  | ActivePerson
  | { readonly status: 'deactivated'; readonly organisationId: string };

/** Whose stream it is, and when. */
interface OfPerson {
  readonly personId: string;
  readonly at: string;
}

interface ByWhom extends OfPerson {
  readonly by: Registrar;
}

/** The organisation that the person works for. */
type Employer = Pick<PrincipalOrganisation, 'id' | 'kind' | 'division'>;

/** The person has proved the second factor; nobody else can say so. */
type EnrolSignIn = OfPerson & { readonly type: 'EnrolSignIn' };

export type PersonCommand =
  | EnrolSignIn
  | (ByWhom &
      (
        | {
            readonly type: 'RegisterPerson';
            readonly organisation: Employer;
            readonly name: string;
            readonly phone?: string;
          }
        | { readonly type: 'GrantRole'; readonly role: Role; readonly organisation: Employer }
        | { readonly type: 'RevokeRole'; readonly role: Role }
        | ({
            readonly type: 'FileCredential';
            readonly credentialId: string;
            readonly numberCommitment: string;
            readonly organisation: Employer;
          } & z.output<typeof credentialTerms>)
        | {
            readonly type: 'WithdrawCredential';
            readonly credentialId: string;
            readonly reason: string;
            readonly organisation: Employer;
          }
        | { readonly type: 'IssueEnrolment' }
        | { readonly type: 'DeactivatePerson'; readonly reason: string }
      ));

type CommandOf<Type extends PersonCommand['type']> = Extract<PersonCommand, { type: Type }>;

const CREDENTIALS_MAX = 10;

/** Where each role exists (Art. 4, 15, 17, 19). */
const KINDS_OF: Readonly<Record<Role, readonly OrganisationKind[]>> = {
  'hub-operator': ['government'],
  'managing-unit-clerk': ['managing-unit'],
  'department-officer': ['administrative-department', 'public-security-organ'],
  'psb-filing-officer': ['public-security-organ'],
  'psb-responsible-person': ['public-security-organ'],
  auditor: ['audit-office', 'public-security-organ'],
};

export const personDecider: Decider<PersonState, PersonCommand, PersonEvent> = {
  initialState: () => ({ status: 'absent' }),

  decide(command, state) {
    if (command.type === 'RegisterPerson') return register(command, state);
    if (state.status === 'absent') throw identityRefusals['identity.no-such-person']('not registered');
    if (state.status === 'deactivated') throw identityRefusals['identity.deactivated']('the person is deactivated');
    switch (command.type) {
      case 'GrantRole':
        return [grantRole(command, state)];
      case 'RevokeRole': {
        const { role } = command;
        requireAnother(command);
        if (!state.roles.includes(role)) throw identityRefusals['identity.role-not-held'](role);
        return [{ type: 'RoleRevoked', data: { role } }];
      }
      case 'FileCredential':
        return [fileCredential(command, state)];
      case 'WithdrawCredential': {
        const { credentialId, reason } = command;
        requireFiler(command.by, command.organisation.division);
        if (!state.credentialIds.includes(credentialId)) {
          throw identityRefusals['identity.no-such-credential'](credentialId);
        }
        return [{ type: 'EnforcementCredentialWithdrawn', data: { credentialId, reason } }];
      }
      case 'IssueEnrolment':
        requireRegistrar(command.by);
        return [{ type: 'EnrolmentIssued', data: {} }];
      case 'EnrolSignIn':
        return [{ type: 'SignInEnrolled', data: {} }];
      case 'DeactivatePerson':
        requireAnother(command);
        return [{ type: 'PersonDeactivated', data: { reason: command.reason } }];
      default:
        return assertNever(command);
    }
  },

  evolve(state, event) {
    if (event.type === 'PersonRegistered') {
      const { organisationId } = event.data;
      return { status: 'active', organisationId, roles: [], credentialIds: [] };
    }
    if (state.status !== 'active') return state;
    switch (event.type) {
      case 'RoleGranted':
        return { ...state, roles: [...state.roles, event.data.role] };
      case 'RoleRevoked': {
        const { role } = event.data;
        return { ...state, roles: state.roles.filter((held) => held !== role) };
      }
      case 'EnforcementCredentialFiled':
        return { ...state, credentialIds: [...state.credentialIds, event.data.credentialId] };
      case 'EnforcementCredentialWithdrawn': {
        const { credentialId } = event.data;
        return { ...state, credentialIds: state.credentialIds.filter((id) => id !== credentialId) };
      }
      case 'EnrolmentIssued':
      case 'SignInEnrolled':
        return state;
      case 'PersonDeactivated':
        return { status: 'deactivated', organisationId: state.organisationId };
    }
  },
};

function register({ by, organisation, name, phone }: CommandOf<'RegisterPerson'>, state: PersonState): PersonEvent[] {
  requireRegistrar(by);
  if (state.status !== 'absent') throw identityRefusals['identity.already-registered']('the person is registered');
  const data = { organisationId: organisation.id, name, ...(phone === undefined ? {} : { phone }) };
  return [
    { type: 'PersonRegistered', data },
    { type: 'EnrolmentIssued', data: {} },
  ];
}

function grantRole(command: CommandOf<'GrantRole'>, { roles }: ActivePerson): PersonEvent {
  const { role, organisation } = command;
  requireAnother(command);
  if (roles.includes(role)) throw identityRefusals['identity.role-held'](role);
  if (roles.includes('hub-operator') || (role === 'hub-operator' && roles.length > 0)) {
    throw identityRefusals['identity.role-excluded']('revoke the other role first', { held: roles });
  }
  if (!KINDS_OF[role].includes(organisation.kind)) {
    throw identityRefusals['identity.role-not-for-this-kind'](`${role} in a ${organisation.kind}`, {
      role,
      kinds: KINDS_OF[role],
    });
  }
  return { type: 'RoleGranted', data: { role } };
}

function fileCredential(command: CommandOf<'FileCredential'>, { credentialIds }: ActivePerson): PersonEvent {
  const { by, personId, organisation, credentialId, numberCommitment, issuer, issuerName, validFrom, validTo } =
    command;
  requireFiler(by, organisation.division);
  if (by.id === personId) throw identityRefusals['identity.own-account']('nobody files their own credential');
  if (Date.parse(validFrom) >= Date.parse(validTo)) {
    throw identityRefusals['identity.credential-validity'](`${validFrom} to ${validTo}`);
  }
  if (credentialIds.length >= CREDENTIALS_MAX) {
    throw identityRefusals['identity.too-many-credentials'](`${CREDENTIALS_MAX} at most`);
  }
  return {
    type: 'EnforcementCredentialFiled',
    data: { credentialId, issuer, issuerName, numberCommitment, validFrom, validTo },
  };
}

/** Registrars change others only. */
function requireAnother({ by, personId }: ByWhom): void {
  if (by.id === personId) throw identityRefusals['identity.own-account']('ask another hub operator');
  requireRegistrar(by);
}

export const personStream: StreamDefinition<PersonState, PersonCommand, PersonEvent> = {
  events: personEvents,
  decider: personDecider,
};
