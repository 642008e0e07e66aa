import { assertNever, type Decider, type Principal, type StreamDefinition } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { accessRefusals } from '../access.refusals.js';
import type { AccessApproved, AccessRequested } from '../access-request/access-request.events.js';
import { ms } from '../terms.js';
import { type GrantEvent, type GrantIssued, grantEvents } from './grant.events.js';

/** A grant is issued only by an approval, in the approval's own transaction; see {@link grantOf}. */
export interface RevokeGrant {
  readonly type: 'RevokeGrant';
  readonly by: Principal;
  readonly at: string;
  readonly reason: string;
}

export type GrantState =
  | { readonly status: 'none' }
  | { readonly status: 'issued'; readonly grant: GrantIssued }
  | { readonly status: 'revoked'; readonly grant: GrantIssued };

/** The grant that an approval makes. */
export function grantOf(requestId: string, asked: AccessRequested, approval: AccessApproved): GrantEvent {
  const { grantId: _, shortened: __, ...approved } = approval;
  const { basis, organisationId, personIds, clientId, purpose, caseNumber, certificateSha256 } = asked;
  const data: GrantIssued = {
    ...approved,
    ...{ requestId, basis, organisationId, personIds, purpose },
    ...(clientId === undefined ? {} : { clientId }),
    ...(caseNumber === undefined ? {} : { caseNumber }),
    ...(certificateSha256 === undefined ? {} : { certificateSha256 }),
  };
  return { type: 'GrantIssued', data, rules: [basis] };
}

function decide(command: RevokeGrant, state: GrantState): readonly GrantEvent[] {
  switch (command.type) {
    case 'RevokeGrant': {
      if (state.status === 'none') throw accessRefusals['access.no-such-grant']('unknown id');
      const by = revoker(command.by, state.grant);
      if (state.status === 'revoked') throw accessRefusals['access.grant-revoked']('it ended before');
      return [{ type: 'GrantRevoked', data: { reason: command.reason, by } }];
    }
    default:
      return assertNever(command.type);
  }
}

function revoker(by: Principal, grant: GrantIssued): 'public-security-organ' | 'holder' {
  const { kind, division, id } = by.organisation;
  const responsible = kind === 'public-security-organ' && by.roles.includes('psb-responsible-person');
  if (responsible && grant.divisions.every((d) => covers(division, d))) return 'public-security-organ';
  if (id === grant.organisationId) return 'holder';
  throw accessRefusals['access.may-not-revoke']('neither jurisdiction over every camera nor the holder');
}

function evolve(state: GrantState, event: GrantEvent): GrantState {
  switch (event.type) {
    case 'GrantIssued':
      return { status: 'issued', grant: event.data };
    case 'GrantRevoked':
      return state.status === 'none' ? state : { status: 'revoked', grant: state.grant };
  }
}

/**
 * The grant, if it is in force at this moment.
 * @throws Refusal `access.no-such-grant`, `access.grant-revoked`, `access.grant-not-yet-valid`, `access.grant-expired`
 */
export function grantInForce(state: GrantState, at: string): GrantIssued {
  if (state.status === 'none') throw accessRefusals['access.no-such-grant']('unknown id');
  const { grant } = state;
  if (state.status === 'revoked') throw accessRefusals['access.grant-revoked']('nothing opens it again');
  if (ms(at) < ms(grant.validFrom)) throw accessRefusals['access.grant-not-yet-valid'](`from ${grant.validFrom}`);
  if (ms(at) >= ms(grant.validTo)) throw accessRefusals['access.grant-expired'](`at ${grant.validTo}`);
  return grant;
}

export const grantDecider: Decider<GrantState, RevokeGrant, GrantEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'none' }),
};

export const grantStream: StreamDefinition<GrantState, RevokeGrant, GrantEvent> = {
  events: grantEvents,
  decider: grantDecider,
};
