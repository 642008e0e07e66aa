import { assertNever, type Decider, type Principal, Refusal, type StreamDefinition } from '#libs/kernel';
import { LIMITS } from '#libs/regulation';
import { accessRefusals } from '../access.refusals.js';
import { type GrantState, grantInForce } from '../grant/grant.decider.js';
import type { GrantIssued } from '../grant/grant.events.js';
import { BOUNDS, type CredentialFact, ms, type PersonFact } from '../terms.js';
import { credentialProblem, type Prepared, present, restsOn, unmet } from './retrieval-conditions.js';
import {
  type DISPOSITIONS,
  type RegisterEntry,
  type RetrievalSessionEvent,
  registerEntry,
  retrievalSessionEvents,
} from './retrieval-session.events.js';
import { UNDERTAKING } from './undertaking.js';

interface Given {
  readonly by: Principal;
  readonly at: string;
  /** The grant of the session, read from its own stream. */
  readonly grant: GrantState;
}

export type RetrievalSessionCommand =
  | (Given & { readonly type: 'OpenSession'; readonly grantId: string })
  /** `credential` is the one on file under the number shown; the number itself never comes here. */
  | (Given & { readonly type: 'CheckIn'; readonly credential: CredentialFact | undefined })
  | (Given & { readonly type: 'PresentDocument'; readonly sha256: string })
  | (Given & {
      readonly type: 'CompleteRegister';
      readonly entry: { readonly [field in keyof RegisterEntry]?: string | undefined };
      readonly persons: readonly PersonFact[];
    })
  | (Given & { readonly type: 'SignUndertaking'; readonly textSha256: string })
  | (Given & { readonly type: 'StartSession'; readonly persons: readonly PersonFact[] })
  | (Given & {
      readonly type: 'CloseSession';
      readonly disposition: (typeof DISPOSITIONS)[number];
      readonly destination: string | undefined;
    });

interface Opened extends Prepared {
  readonly grantId: string;
  readonly organisationId: string;
  readonly divisions: readonly string[];
}

interface StartedSession extends Opened {
  readonly status: 'started';
  readonly investigatorIds: readonly string[];
  readonly endsAt: string;
}

export type RetrievalSessionState =
  | { readonly status: 'none' }
  | (Opened & { readonly status: 'preparing' | 'closed' })
  | StartedSession;

function decide(command: RetrievalSessionCommand, state: RetrievalSessionState): readonly RetrievalSessionEvent[] {
  const { by, at } = command;
  switch (command.type) {
    case 'OpenSession': {
      if (state.status !== 'none') throw accessRefusals['access.session-state']('the id is taken');
      const grant = investigated(command);
      const { organisationId, divisions } = grant;
      const data = { grantId: command.grantId, organisationId, divisions, openedBy: by.id };
      return [{ type: 'RetrievalSessionOpened', data }];
    }
    case 'CheckIn':
      return checkIn(command, preparing(state));
    case 'PresentDocument':
      preparing(state);
      if (!restsOn(investigated(command), command.sha256)) {
        throw accessRefusals['access.approval-document-mismatch']('neither its certificate nor its approval document');
      }
      return [{ type: 'ApprovalDocumentPresented', data: { personId: by.id, sha256: command.sha256 } }];
    case 'CompleteRegister':
      preparing(state);
      return [{ type: 'RegisterEntryCompleted', data: complete(command, investigated(command)) }];
    case 'SignUndertaking':
      preparing(state);
      investigated(command);
      if (command.textSha256 !== UNDERTAKING.sha256) {
        throw accessRefusals['access.undertaking-outdated'](`the text in force is ${UNDERTAKING.sha256}`);
      }
      return [{ type: 'UndertakingSigned', data: { personId: by.id, textSha256: command.textSha256 } }];
    case 'StartSession': {
      const prepared = preparing(state);
      const grant = investigated(command);
      const missing = unmet(prepared, grant, command.persons, at);
      if (missing.length > 0) {
        const { code, declaration, detail, facts } = missing[0]!;
        throw new Refusal(code, declaration, detail, { ...facts, unmet: missing.map((m) => m.code) });
      }
      const investigatorIds = present(prepared, grant).map(({ personId }) => personId);
      const end = Math.min(ms(grant.validTo), ms(at) + BOUNDS.sessionMs);
      const data = { investigatorIds, endsAt: new Date(end).toISOString() };
      return [{ type: 'RetrievalSessionStarted', data }];
    }
    case 'CloseSession':
      return close(command, state);
    default:
      return assertNever(command);
  }
}

/** The grant in force, the asker being one of its investigators. */
function investigated({ by, at, grant: state }: Given): GrantIssued {
  const grant = grantInForce(state, at);
  if (grant.basis === 'gz117:7') throw accessRefusals['access.session-not-needed']('play without a session');
  const own = by.organisation.id === grant.organisationId;
  if (by.kind !== 'person' || !own || !grant.personIds.includes(by.id)) {
    throw accessRefusals['access.not-investigator']('the grant does not name the asker');
  }
  return grant;
}

function preparing(state: RetrievalSessionState): Opened {
  if (state.status === 'none') throw accessRefusals['access.no-such-session']('unknown id');
  if (state.status !== 'preparing') throw accessRefusals['access.session-state'](`it is ${state.status}`);
  return state;
}

function checkIn(
  command: Extract<RetrievalSessionCommand, { type: 'CheckIn' }>,
  { checkIns }: Opened,
): readonly RetrievalSessionEvent[] {
  const { by, at, credential } = command;
  investigated(command);
  const age = ms(at) - by.authenticatedAt;
  if (age < 0 || age > LIMITS.checkInWindowMs) {
    throw accessRefusals['access.authentication-stale'](`sign in again, at most ${LIMITS.checkInWindowMs} ms before`);
  }
  // Who has checked in may do so again once the first time no longer counts beside a second investigator.
  const before = checkIns.find(({ personId }) => personId === by.id);
  if (before !== undefined && ms(at) - ms(before.authenticatedAt) <= LIMITS.checkInWindowMs) {
    throw accessRefusals['access.same-investigator']('this investigator has checked in');
  }
  const problem = credentialProblem(credential, at);
  if (problem !== undefined) throw problem;
  const { id, issuer, validFrom, validTo } = credential!;
  const data = {
    personId: by.id,
    authenticatedAt: new Date(by.authenticatedAt).toISOString(),
    credentialId: id,
    issuer,
    credentialValidFrom: validFrom,
    credentialValidTo: validTo,
  };
  return [{ type: 'InvestigatorCheckedIn', data }];
}

function complete(
  { entry, persons }: Extract<RetrievalSessionCommand, { type: 'CompleteRegister' }>,
  grant: GrantIssued,
): RegisterEntry {
  const parsed = registerEntry.safeParse(entry);
  if (!parsed.success) {
    const fields = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
    throw accessRefusals['access.register-entry-incomplete'](`missing: ${fields.join(', ')}`, { fields });
  }
  const { recorderId, retrieverId } = parsed.data;
  if (!grant.personIds.includes(retrieverId) || !persons.some(({ id }) => id === recorderId)) {
    throw accessRefusals['access.register-entry-incomplete'](
      'the retriever is an investigator of the grant, the recorder a person on record',
      { fields: ['recorderId', 'retrieverId'] },
    );
  }
  return parsed.data;
}

function close(
  { by, disposition, destination }: Extract<RetrievalSessionCommand, { type: 'CloseSession' }>,
  state: RetrievalSessionState,
): readonly RetrievalSessionEvent[] {
  if (state.status === 'none') throw accessRefusals['access.no-such-session']('unknown id');
  if (state.status === 'closed') throw accessRefusals['access.session-state']('it is closed');
  if (by.organisation.id !== state.organisationId) {
    throw accessRefusals['access.not-investigator']('another organisation holds the session');
  }
  if (state.status === 'started' && disposition !== 'nothing-copied' && destination === undefined) {
    throw accessRefusals['access.register-entry-incomplete']('where the copies are', { fields: ['destination'] });
  }
  const data = { closedBy: by.id, disposition, ...(destination === undefined ? {} : { destination }) };
  return [{ type: 'RetrievalSessionClosed', data }];
}

function evolve(state: RetrievalSessionState, event: RetrievalSessionEvent): RetrievalSessionState {
  if (event.type === 'RetrievalSessionOpened') {
    const { grantId, organisationId, divisions } = event.data;
    const empty = { checkIns: [], documentSha256: undefined, entry: undefined, signedBy: [] };
    return { status: 'preparing', grantId, organisationId, divisions, ...empty };
  }
  if (state.status === 'none') return state;
  switch (event.type) {
    case 'InvestigatorCheckedIn': {
      const others = state.checkIns.filter(({ personId }) => personId !== event.data.personId);
      return { ...state, checkIns: [...others, event.data] };
    }
    case 'ApprovalDocumentPresented':
      return { ...state, documentSha256: event.data.sha256 };
    case 'RegisterEntryCompleted':
      return { ...state, entry: event.data };
    case 'UndertakingSigned':
      return { ...state, signedBy: [...state.signedBy, event.data.personId] };
    case 'RetrievalSessionStarted':
      return { ...state, ...event.data, status: 'started' };
    case 'RetrievalSessionClosed':
      return { ...state, status: 'closed' };
  }
}

export const retrievalSessionDecider: Decider<RetrievalSessionState, RetrievalSessionCommand, RetrievalSessionEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'none' }),
};

export const retrievalSessionStream: StreamDefinition<
  RetrievalSessionState,
  RetrievalSessionCommand,
  RetrievalSessionEvent
> = { events: retrievalSessionEvents, decider: retrievalSessionDecider };
