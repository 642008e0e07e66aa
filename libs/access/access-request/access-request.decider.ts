import { assertNever, type Decider, type Principal, type StreamDefinition } from '#libs/kernel';
import { LIMITS } from '#libs/regulation';
import { accessRefusals } from '../access.refusals.js';
import {
  divisionsOf,
  isDecidingOrgan,
  jurisdiction,
  knownCameras,
  responsiblePerson,
  shareable,
} from '../authority.js';
import {
  ACTS_OF,
  BOUNDS,
  type CameraFact,
  type ClientFact,
  ms,
  type OrganisationFact,
  type PersonFact,
  type Window,
} from '../terms.js';
import {
  type AccessApproved,
  type AccessDenied,
  type AccessRequestEvent,
  type AccessRequested,
  accessRequestEvents,
} from './access-request.events.js';

/** What the requester writes; the rest is read from the records. */
export type AccessAsk = Omit<AccessRequested, 'requestedBy' | 'organisationId' | 'divisions'>;

/** What an approval leaves of the request; what is absent stays as it was asked. */
type Shortening = { readonly [part in keyof Scope]?: Scope[part] | undefined };

type Scope = Pick<AccessApproved, 'acts' | 'cameraIds' | 'live' | 'window' | 'validFrom' | 'validTo'>;

interface Given {
  readonly by: Principal;
  readonly at: string;
}

export type RequestAccess = Given & {
  readonly type: 'RequestAccess';
  readonly ask: AccessAsk;
  readonly cameras: readonly CameraFact[];
  readonly persons: readonly PersonFact[];
  readonly client: ClientFact | undefined;
  readonly decidingOrganisation: OrganisationFact | undefined;
};

export type ApproveRequest = Given & {
  readonly type: 'ApproveRequest';
  readonly grantId: string;
  readonly shortening: Shortening;
  readonly approvalDocumentSha256: string | undefined;
  /** The cameras of the request as they are now. */
  readonly cameras: readonly CameraFact[];
};

export type AccessRequestCommand =
  | RequestAccess
  | ApproveRequest
  | (Given & {
      readonly type: 'DenyRequest';
      readonly reason: string;
      readonly rule: string;
      readonly cameras: readonly CameraFact[];
    })
  | (Given & { readonly type: 'WithdrawRequest'; readonly reason: string });

export type AccessRequestState =
  | { readonly status: 'none' }
  | { readonly status: 'pending' | 'withdrawn'; readonly request: AccessRequested }
  | { readonly status: 'denied'; readonly request: AccessRequested; readonly denial: AccessDenied }
  | { readonly status: 'approved'; readonly request: AccessRequested; readonly approval: AccessApproved };

function decide(command: AccessRequestCommand, state: AccessRequestState): readonly AccessRequestEvent[] {
  switch (command.type) {
    case 'RequestAccess':
      return request(command, state);
    case 'ApproveRequest':
      return approve(command, pending(state));
    case 'DenyRequest': {
      pending(state);
      responsiblePerson(command.by);
      jurisdiction(command.by.organisation.division, command.cameras);
      const { reason, rule, by } = command;
      return [{ type: 'AccessDenied', data: { deniedBy: by.id, reason, rule } }];
    }
    case 'WithdrawRequest':
      if (pending(state).organisationId !== command.by.organisation.id) {
        throw accessRefusals['access.not-requester']('another organisation asked');
      }
      return [{ type: 'AccessRequestWithdrawn', data: { reason: command.reason } }];
    default:
      return assertNever(command);
  }
}

function pending(state: AccessRequestState): AccessRequested {
  if (state.status === 'none') throw accessRefusals['access.no-such-request']('unknown id');
  if (state.status !== 'pending') throw accessRefusals['access.request-decided'](`it is ${state.status}`);
  return state.request;
}

function request(command: RequestAccess, state: AccessRequestState): readonly AccessRequestEvent[] {
  if (state.status !== 'none') throw accessRefusals['access.request-decided']('the id is taken');
  const { ask, by, at, cameras } = command;
  basisOpen(command);
  if (ask.basis === 'gz117:7') share(command);
  else lawfulUse(command);
  if (!ask.live && ask.window === undefined) throw accessRefusals['access.nothing-asked']('live, window or both');
  if (ask.window !== undefined) windowPast(ask.window, at);
  validity(ask, at);
  knownCameras(ask.cameraIds, cameras);
  if (!isDecidingOrgan(command.decidingOrganisation)) {
    throw accessRefusals['access.no-deciding-organ']('decidingOrganisationId names no public security organ');
  }
  jurisdiction(command.decidingOrganisation.division, cameras);
  if (ask.basis === 'gz117:7') shareable(cameras);
  const data: AccessRequested = {
    ...ask,
    acts: [...new Set(ask.acts)],
    cameraIds: [...new Set(ask.cameraIds)],
    personIds: [...new Set(ask.personIds)],
    requestedBy: { kind: by.kind, id: by.id },
    organisationId: by.organisation.id,
    divisions: divisionsOf(cameras),
  };
  return [{ type: 'AccessRequested', data, rules: [ask.basis] }];
}

/** Which basis an organisation may use, and which acts it opens. */
function basisOpen({ ask, by }: RequestAccess): void {
  const opened = ACTS_OF[ask.basis];
  if (opened === undefined) throw accessRefusals['access.basis-not-offered'](ask.basis);
  const { kind, powers } = by.organisation;
  if (ask.basis === 'gz117:15.1' && kind !== 'public-security-organ') {
    throw accessRefusals['access.not-public-security-organ'](`the organisation is a ${kind}`);
  }
  if (ask.basis === 'gz117:15.3' && !powers.includes('law-enforcement')) {
    throw accessRefusals['access.no-enforcement-power']('no law-enforcement power has been conferred');
  }
  const beyond = ask.acts.filter((act) => !opened.includes(act));
  if (beyond.length > 0) {
    const code = ask.basis === 'gz117:7' ? 'access.act-not-shared' : 'access.act-not-open';
    throw accessRefusals[code](`${ask.basis} does not open ${beyond.join(', ')}`, { acts: beyond });
  }
}

/** What a request under Art. 15 must bring along. */
function lawfulUse({ ask, by, persons }: RequestAccess): void {
  if (ask.basis === 'gz117:15.3' && ask.law === undefined) {
    throw accessRefusals['access.no-law-cited']('law: name and article');
  }
  if (ask.caseNumber === undefined) throw accessRefusals['access.no-case-number']('caseNumber');
  if (ask.basis === 'gz117:15.3' && ask.certificateSha256 === undefined) {
    throw accessRefusals['access.no-certificate']('certificateSha256');
  }
  if (new Set(ask.personIds).size < LIMITS.investigatorsMin) {
    throw accessRefusals['access.too-few-investigators'](`at least ${LIMITS.investigatorsMin} different personIds`);
  }
  if (ask.clientId !== undefined || by.kind === 'client') {
    throw accessRefusals['access.not-own-investigator']('an API client is no investigator');
  }
  ownPersons(ask.personIds, persons, by);
}

/** What a standing share under Art. 7 must bring along. */
function share({ ask, by, persons, client }: RequestAccess): void {
  if (ask.window !== undefined) throw accessRefusals['access.act-not-shared']('recordings are not shared standing');
  const clientOwn = client?.organisationId === by.organisation.id && client.active;
  if (ask.clientId === undefined ? ask.personIds.length === 0 : client?.id !== ask.clientId || !clientOwn) {
    throw accessRefusals['access.no-holder']('clientId or personIds of the own organisation');
  }
  ownPersons(ask.personIds, persons, by);
}

function ownPersons(ids: readonly string[], persons: readonly PersonFact[], by: Principal): void {
  for (const id of ids) {
    const person = persons.find((p) => p.id === id);
    if (person === undefined || !person.active || person.organisationId !== by.organisation.id) {
      throw accessRefusals['access.not-own-investigator'](`person ${id}`, { personId: id });
    }
  }
}

function windowPast({ from, to }: Window, at: string): void {
  if (ms(from) >= ms(to) || ms(to) - ms(from) > BOUNDS.windowMs) {
    throw accessRefusals['access.window-invalid'](`from before to, at most ${BOUNDS.windowMs / 86_400_000} days`);
  }
  if (ms(to) > ms(at)) throw accessRefusals['access.window-in-future'](`the window ends at ${to}, it is ${at}`);
}

function validity({ basis, validFrom, validTo }: AccessAsk, at: string): void {
  const length = ms(validTo) - ms(validFrom);
  if (length <= 0 || ms(validTo) <= ms(at)) throw accessRefusals['access.validity-invalid']('over or empty');
  if (basis === 'gz117:7' && length > LIMITS.shareMs) {
    throw accessRefusals['access.share-too-long'](`${length} ms, at most ${LIMITS.shareMs}`);
  }
  if (basis !== 'gz117:7' && length > BOUNDS.validityMs) {
    throw accessRefusals['access.validity-invalid'](`${length} ms, at most ${BOUNDS.validityMs}`);
  }
}

function approve(command: ApproveRequest, asked: AccessRequested): readonly AccessRequestEvent[] {
  const { by, at, shortening, grantId, approvalDocumentSha256, cameras } = command;
  responsiblePerson(by);
  if (by.id === asked.requestedBy.id) throw accessRefusals['access.approver-is-requester']('same person');
  if (asked.personIds.includes(by.id)) throw accessRefusals['access.approver-is-investigator']('same person');
  knownCameras(asked.cameraIds, cameras);
  jurisdiction(by.organisation.division, cameras);
  if (ms(asked.validTo) <= ms(at)) throw accessRefusals['access.request-lapsed'](`at ${asked.validTo}`);
  const granted = shorten(asked, shortening, at);
  const grantedCameras = cameras.filter(({ id }) => granted.cameraIds.includes(id));
  if (asked.basis === 'gz117:7') shareable(grantedCameras);
  else if (asked.certificateSha256 === undefined && approvalDocumentSha256 === undefined) {
    throw accessRefusals['access.no-approval-document']('approvalDocumentSha256');
  }
  const data: AccessApproved = {
    ...granted,
    grantId,
    divisions: divisionsOf(grantedCameras),
    approvedBy: by.id,
    approvingOrganisationId: by.organisation.id,
    shortened: Object.keys(shortening).length > 0,
    ...(approvalDocumentSha256 === undefined ? {} : { approvalDocumentSha256 }),
  };
  return [{ type: 'AccessApproved', data, rules: [asked.basis] }];
}

/** @throws Refusal `access.approval-widens` naming the part that reaches beyond the request */
function shorten(asked: AccessRequested, shortening: Shortening, at: string): Scope {
  const widens = (part: string) => accessRefusals['access.approval-widens'](part, { part });
  const { acts, cameraIds, live, validFrom, validTo } = { ...asked, ...defined(shortening) };
  if (acts.some((a) => !asked.acts.includes(a))) throw widens('acts');
  if (cameraIds.some((id) => !asked.cameraIds.includes(id))) throw widens('cameraIds');
  if (live && !asked.live) throw widens('live');
  if (ms(validFrom) < ms(asked.validFrom)) throw widens('validFrom');
  if (ms(validTo) > ms(asked.validTo)) throw widens('validTo');
  if (ms(validTo) <= ms(validFrom) || ms(validTo) <= ms(at)) {
    throw accessRefusals['access.validity-invalid']('the approval leaves no time');
  }
  const window = shortening.window ?? asked.window;
  if (window !== undefined) {
    const { from, to } = asked.window ?? { from: window.to, to: window.from };
    if (ms(window.from) < ms(from) || ms(window.to) > ms(to)) throw widens('window');
    if (ms(window.from) >= ms(window.to)) throw accessRefusals['access.window-invalid']('from before to');
  }
  if (!live && window === undefined) throw accessRefusals['access.nothing-asked']('the approval leaves nothing');
  const scope = { acts: [...new Set(acts)], cameraIds: [...new Set(cameraIds)], live, validFrom, validTo };
  return window === undefined ? scope : { ...scope, window };
}

function defined(shortening: Shortening): Partial<Scope> {
  return Object.fromEntries(Object.entries(shortening).filter(([, value]) => value !== undefined));
}

function evolve(state: AccessRequestState, event: AccessRequestEvent): AccessRequestState {
  switch (event.type) {
    case 'AccessRequested':
      return { status: 'pending', request: event.data };
    case 'AccessRequestWithdrawn':
      return state.status === 'none' ? state : { status: 'withdrawn', request: state.request };
    case 'AccessDenied':
      return state.status === 'none' ? state : { status: 'denied', request: state.request, denial: event.data };
    case 'AccessApproved':
      return state.status === 'none' ? state : { status: 'approved', request: state.request, approval: event.data };
  }
}

export const accessRequestDecider: Decider<AccessRequestState, AccessRequestCommand, AccessRequestEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'none' }),
};

export const accessRequestStream: StreamDefinition<AccessRequestState, AccessRequestCommand, AccessRequestEvent> = {
  events: accessRequestEvents,
  decider: accessRequestDecider,
};
