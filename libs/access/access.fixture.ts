import type { Principal, PrincipalOrganisation, Role } from '#libs/kernel';
import type { AccessAsk, RequestAccess } from './access-request/access-request.decider.js';
import type { AccessRequestEvent } from './access-request/access-request.events.js';
import type { GrantEvent, GrantIssued } from './grant/grant.events.js';
import type { CheckIn, RetrievalSessionEvent } from './retrieval-session/retrieval-session.events.js';
import { UNDERTAKING } from './retrieval-session/undertaking.js';
import type { CameraFact, CredentialFact, PersonFact } from './terms.js';

/** People, organisations and papers of the specs of this library. */

const uuid = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

export const AT = '2026-03-02T09:00:00.000Z';
const MINUTE = 60_000;
/** Minutes after the start of the story. */
export const at = (minutes: number): string => new Date(Date.parse(AT) + minutes * MINUTE).toISOString();

export const ids = {
  transport: uuid(1),
  bureau: uuid(2),
  otherBureau: uuid(3),
  officer: uuid(10),
  li: uuid(11),
  wang: uuid(12),
  chief: uuid(13),
  stranger: uuid(14),
  client: uuid(15),
  camera: uuid(20),
  camera2: uuid(21),
  request: uuid(30),
  grant: uuid(31),
  share: uuid(32),
  session: uuid(33),
  playback: uuid(34),
} as const;

export const certificateSha256 = 'c'.repeat(64);
export const approvalDocumentSha256 = 'a'.repeat(64);

const transport: PrincipalOrganisation = {
  id: ids.transport,
  kind: 'administrative-department',
  level: 'prefecture',
  division: '5201',
  powers: ['law-enforcement'],
};
const bureau: PrincipalOrganisation = {
  id: ids.bureau,
  kind: 'public-security-organ',
  level: 'prefecture',
  division: '5201',
  powers: [],
};

const person = (id: string, organisation: PrincipalOrganisation, ...roles: Role[]): Principal => ({
  kind: 'person',
  id,
  organisation,
  roles,
  authenticatedAt: Date.parse(AT),
});

export const people = {
  officer: person(ids.officer, transport, 'department-officer'),
  li: person(ids.li, transport, 'department-officer'),
  wang: person(ids.wang, transport, 'department-officer'),
  chief: person(ids.chief, bureau, 'psb-responsible-person'),
  stranger: person(ids.stranger, { ...transport, id: uuid(4), powers: [] }, 'department-officer'),
  client: { ...person(ids.client, transport), kind: 'client' },
} as const satisfies Record<string, Principal>;

/** The same person, authenticated some minutes after the start of the story. */
export const signedIn = (who: Principal, minutes: number): Principal => ({
  ...who,
  authenticatedAt: Date.parse(at(minutes)),
});

export const camera = (id: string, change: Partial<CameraFact> = {}): CameraFact => ({
  id,
  division: '520103',
  funding: 'government',
  integrated: true,
  ...change,
});
export const cameras = [camera(ids.camera), camera(ids.camera2)];

export const credential = (n: number, change: Partial<CredentialFact> = {}): CredentialFact => ({
  id: uuid(40 + n),
  issuer: 'provincial-government',
  validFrom: '2025-01-01T00:00:00.000Z',
  validTo: '2028-01-01T00:00:00.000Z',
  ...change,
});

const personFact = (id: string, n: number, change: Partial<CredentialFact> = {}): PersonFact => ({
  id,
  organisationId: ids.transport,
  active: true,
  credentials: [credential(n, change)],
});
export const persons = [personFact(ids.li, 1), personFact(ids.wang, 2), personFact(ids.officer, 3)];

export const ask: AccessAsk = {
  basis: 'gz117:15.3',
  acts: ['view', 'copy'],
  cameraIds: [ids.camera, ids.camera2],
  live: false,
  window: { from: '2026-03-01T08:00:00.000Z', to: '2026-03-01T10:00:00.000Z' },
  validFrom: AT,
  validTo: at(3 * 24 * 60),
  decidingOrganisationId: ids.bureau,
  personIds: [ids.li, ids.wang],
  purpose: 'overloading case at the ring road',
  caseNumber: '黔交执〔2026〕17号',
  law: { name: '中华人民共和国公路法', article: '第五十条' },
  certificateSha256,
};

const { window: _, caseNumber: __, law: ___, certificateSha256: ____, ...open } = ask;
export const shareAsk: AccessAsk = {
  ...open,
  basis: 'gz117:7',
  acts: ['view'],
  live: true,
  validTo: at(300 * 24 * 60),
  personIds: [],
  clientId: ids.client,
};

export const request = (change: Partial<RequestAccess> = {}): RequestAccess => ({
  type: 'RequestAccess',
  by: people.officer,
  at: AT,
  ask,
  cameras,
  persons,
  client: undefined,
  decidingOrganisation: bureau,
  ...change,
});

export const requestShare = (change: Partial<RequestAccess> = {}): RequestAccess =>
  request({
    by: people.client,
    ask: shareAsk,
    client: { id: ids.client, organisationId: ids.transport, active: true },
    ...change,
  });

export const requested = (from: AccessAsk = ask): AccessRequestEvent => ({
  type: 'AccessRequested',
  data: {
    ...from,
    requestedBy: { kind: 'person', id: ids.officer },
    organisationId: ids.transport,
    divisions: ['520103'],
  },
});

const { decidingOrganisationId: _____, law: ______, ...granted } = ask;
export const grant: GrantIssued = {
  ...granted,
  requestId: ids.request,
  organisationId: ids.transport,
  divisions: ['520103'],
  approvedBy: ids.chief,
  approvingOrganisationId: ids.bureau,
};
export const issued = (change: Partial<GrantIssued> = {}): GrantEvent => ({
  type: 'GrantIssued',
  data: { ...grant, ...change },
});
const { decidingOrganisationId: _______, ...shared } = shareAsk;
export const shareIssued = (change: Partial<GrantIssued> = {}): GrantEvent => ({
  type: 'GrantIssued',
  data: {
    ...shared,
    requestId: ids.request,
    organisationId: ids.transport,
    divisions: ['520103'],
    approvedBy: ids.chief,
    approvingOrganisationId: ids.bureau,
    ...change,
  },
});

export const entry = {
  recorderId: ids.officer,
  retrieverId: ids.li,
  retrievedAt: AT,
  purpose: 'evidence in the overloading case',
  destination: 'case file at the enforcement office',
};

export const sessionOpened: RetrievalSessionEvent = {
  type: 'RetrievalSessionOpened',
  data: { grantId: ids.grant, organisationId: ids.transport, divisions: ['520103'], openedBy: ids.li },
};
export const checkedIn = (personId: string, n: number, minutes: number, change: Partial<CheckIn> = {}) =>
  ({
    type: 'InvestigatorCheckedIn',
    data: {
      personId,
      authenticatedAt: at(minutes),
      credentialId: credential(n).id,
      issuer: 'provincial-government',
      credentialValidFrom: credential(n).validFrom,
      credentialValidTo: credential(n).validTo,
      ...change,
    },
  }) satisfies RetrievalSessionEvent;
export const presented: RetrievalSessionEvent = {
  type: 'ApprovalDocumentPresented',
  data: { personId: ids.li, sha256: certificateSha256 },
};
export const registered: RetrievalSessionEvent = { type: 'RegisterEntryCompleted', data: entry };
export const signed = (personId: string): RetrievalSessionEvent => ({
  type: 'UndertakingSigned',
  data: { personId, textSha256: UNDERTAKING.sha256 },
});
export const started: RetrievalSessionEvent = {
  type: 'RetrievalSessionStarted',
  data: { investigatorIds: [ids.li, ids.wang], endsAt: at(12 * 60) },
};

/** Everything that a session needs before it may start. */
export const prepared: readonly RetrievalSessionEvent[] = [
  sessionOpened,
  checkedIn(ids.li, 1, 0),
  checkedIn(ids.wang, 2, 5),
  presented,
  registered,
  signed(ids.li),
  signed(ids.wang),
];
