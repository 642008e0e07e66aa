import { createHash } from 'node:crypto';
import type { Answer, User } from './api.js';
import type { Cast } from './cast.js';
import type { Checks } from './checks.js';

const HOUR_MS = 3_600_000;
const CERTIFICATE = createHash('sha256').update('certificate of the unit').digest('hex');
export const CASE_NUMBER = '黔交执〔2026〕0117号';
export const DESTINATION = '贵阳市交通委员会执法支队 案卷 0117';

const iso = (ms: number) => new Date(ms).toISOString();

/** A time window, ms since the epoch. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

const isoWindow = ({ from, to }: Window) => ({ from: iso(from), to: iso(to) });

/** The transport department's request under Art. 15.3. */
function ask(cast: Cast, cameraId: string, window: Window) {
  const { firstInvestigator, secondInvestigator } = cast.people;
  return {
    basis: 'gz117:15.3',
    acts: ['view', 'copy', 'retrieve'],
    cameraIds: [cameraId],
    window: isoWindow(window),
    validFrom: iso(Date.now() - 1_000),
    validTo: iso(Date.now() + 24 * HOUR_MS),
    decidingOrganisationId: cast.organisations.nanmingBureau,
    personIds: [firstInvestigator.id, secondInvestigator.id],
    purpose: '查处非法营运案件取证',
    caseNumber: CASE_NUMBER,
    law: { name: '中华人民共和国道路运输条例', article: '第六十三条' },
    certificateSha256: CERTIFICATE,
  };
}

/** Request of the department with everything that refuses it; gives the id of the good one. */
export async function request(cast: Cast, checks: Checks, cameraId: string, window: Window): Promise<string> {
  checks.chapter('4. Access request 调取申请');
  const { firstInvestigator, emergencyOfficer } = cast.people;
  const good = ask(cast, cameraId, window);
  const send = (body: object): Promise<Answer> => firstInvestigator.post('/api/v1/access-requests', body);
  const { law: _, ...noLaw } = good;
  checks.refused('no law cited', await send(noLaw), 'access.no-law-cited', 'gz117:15.3');
  checks.refused(
    'one investigator',
    await send({ ...good, personIds: [firstInvestigator.id] }),
    'access.too-few-investigators',
    'gz117:16(1)',
  );
  const ahead = { ...window, to: Date.now() + HOUR_MS };
  checks.refused(
    'recordings of the future',
    await send({ ...good, window: isoWindow(ahead) }),
    'access.window-in-future',
    'gz117:15.3',
  );
  checks.refused(
    'a camera outside the deciding bureau’s jurisdiction',
    await send({ ...good, decidingOrganisationId: cast.organisations.zunyiBureau }),
    'access.outside-jurisdiction',
    'gz117:4.2',
  );
  checks.refused(
    'a department without power of law enforcement',
    await emergencyOfficer.post('/api/v1/access-requests', good),
    'access.no-enforcement-power',
    'gz117:15.3',
  );
  checks.refused('a stranger', await cast.stranger.post('/api/v1/access-requests', good), 'platform.unauthenticated');
  const key = { 'idempotency-key': 'story-request-0117' };
  const first = await firstInvestigator.post('/api/v1/access-requests', good, key);
  const { id } = checks.done('request with law, case, window, two investigators, certificate', first);
  const again = await firstInvestigator.post('/api/v1/access-requests', good, key);
  checks.that('sent twice with the same key it is one request', again.body.id === id, again.body);
  return id;
}

/** Approval of a smaller window; gives the grant. */
export async function approve(cast: Cast, checks: Checks, requestId: string, window: Window): Promise<string> {
  checks.chapter('5. Approval 批准');
  const { responsiblePerson, strangeResponsiblePerson, firstInvestigator } = cast.people;
  const path = `/api/v1/access-requests/${requestId}/approval`;
  const smaller = { window: isoWindow(window) };
  checks.refused('approval by the requester', await firstInvestigator.post(path, smaller), 'platform.forbidden');
  checks.refused(
    'approval by a bureau without jurisdiction',
    await strangeResponsiblePerson.post(path, smaller),
    'access.outside-jurisdiction',
    'gz117:4.2',
  );
  const wider = { window: isoWindow({ from: window.from - HOUR_MS, to: window.to }) };
  checks.refused('approval that widens', await responsiblePerson.post(path, wider), 'access.approval-widens');
  await refuseOwnRequests(cast, checks, window);
  const approval = await responsiblePerson.post(path, smaller);
  const { grantId } = checks.done('the responsible person approves a smaller window', approval);
  const second = await responsiblePerson.post(path, smaller);
  checks.refused('a second decision', second, 'access.request-decided');
  return String(grantId);
}

/** No one approves what they asked for, or will carry out. */
async function refuseOwnRequests(cast: Cast, checks: Checks, window: Window): Promise<void> {
  const { responsiblePerson, filingOfficer, secondFilingOfficer } = cast.people;
  const list = await filingOfficer.get('/api/v1/cameras');
  const cameraId = (list.body.items as { id: string }[])[0]!.id;
  const own = {
    ...ask(cast, cameraId, window),
    basis: 'gz117:15.1',
    personIds: [filingOfficer.id, secondFilingOfficer.id],
  };
  const decide = (id: string) => responsiblePerson.post(`/api/v1/access-requests/${id}/approval`, {});
  const mine = checks.done(
    'the bureau’s own request under 15.1',
    await responsiblePerson.post('/api/v1/access-requests', own),
  );
  checks.refused(
    'an approver who is the requester',
    await decide(mine.id),
    'access.approver-is-requester',
    'gz117:15.1',
  );
  const withApprover = { ...own, personIds: [filingOfficer.id, responsiblePerson.id] };
  const theirs = checks.done(
    'a request that names the approver as investigator',
    await filingOfficer.post('/api/v1/access-requests', withApprover),
  );
  checks.refused(
    'an approver who is an investigator',
    await decide(theirs.id),
    'access.approver-is-investigator',
    'gz117:15.1',
  );
}

/** Retrieval session with the five conditions of Art. 16, refused while any one is missing; gives the session. */
export async function openSession(cast: Cast, checks: Checks, grantId: string): Promise<string> {
  checks.chapter('6. Retrieval session 调取会话');
  const { firstInvestigator: one, secondInvestigator: two } = cast.people;
  const { id } = checks.done('session opened', await one.post('/api/v1/retrieval-sessions', { grantId }));
  const path = `/api/v1/retrieval-sessions/${id}`;
  const checkIn = (person: typeof one) =>
    person.post(`${path}/check-ins`, { credentialNumber: person.credentialNumber });
  const start = () => one.post(`${path}/start`);

  checks.done('first investigator checks in with credential', await checkIn(one));
  checks.refused('the same person twice', await checkIn(one), 'access.same-investigator', 'gz117:16(1)');
  checks.refused('start with one investigator', await start(), 'access.too-few-investigators', 'gz117:16(1)');
  const wrong = await two.post(`${path}/check-ins`, { credentialNumber: '000000' });
  checks.refused('a credential that is not on file', wrong, 'access.credential-unknown', 'gz117:16(2)');
  checks.done('second investigator checks in with credential', await checkIn(two));

  checks.refused('start without document', await start(), 'access.approval-document-missing', 'gz117:16(3)');
  const other = createHash('sha256').update('another document').digest('hex');
  checks.refused(
    'a document that does not match the grant',
    await one.post(`${path}/approval-document`, { sha256: other }),
    'access.approval-document-mismatch',
    'gz117:16(3)',
  );
  checks.done('document shown', await one.post(`${path}/approval-document`, { sha256: CERTIFICATE }));

  const entry = { recorderId: cast.people.clerk.id, retrieverId: one.id, retrievedAt: iso(Date.now()) };
  checks.refused(
    'an incomplete register entry',
    await one.post(`${path}/register-entry`, entry),
    'access.register-entry-incomplete',
    'gz117:16(4)',
  );
  const complete = { ...entry, purpose: '非法营运取证', destination: DESTINATION };
  checks.done('register entry complete', await one.post(`${path}/register-entry`, complete));
  await sign(checks, path, one, two, start);
  checks.done('session started: all five conditions hold', await start());
  return id;
}

async function sign(checks: Checks, path: string, one: User, two: User, start: () => Promise<Answer>): Promise<void> {
  const { undertaking } = (await one.get(path)).body as { undertaking: { sha256: string } };
  const signed = { textSha256: undertaking.sha256 };
  checks.done('first undertaking signed', await one.post(`${path}/undertakings`, signed));
  checks.refused('start with one undertaking', await start(), 'access.undertaking-missing', 'gz117:16(5)');
  checks.done('second undertaking signed', await two.post(`${path}/undertakings`, signed));
}

/** Investigators whose credential is expired or of a wrong issuer do not get in (16(2)). */
export async function refuseBadCredentials(
  cast: Cast,
  checks: Checks,
  cameraId: string,
  window: Window,
): Promise<void> {
  const { firstInvestigator, expiredInvestigator, foreignInvestigator, responsiblePerson } = cast.people;
  const personIds = [expiredInvestigator.id, foreignInvestigator.id];
  const asked = await firstInvestigator.post('/api/v1/access-requests', { ...ask(cast, cameraId, window), personIds });
  const { id } = checks.done('a request for two other investigators', asked);
  const approved = await responsiblePerson.post(`/api/v1/access-requests/${id}/approval`, {});
  const { grantId } = checks.done('is approved', approved);
  const opened = await expiredInvestigator.post('/api/v1/retrieval-sessions', { grantId });
  const path = `/api/v1/retrieval-sessions/${checks.done('their session is opened', opened).id}/check-ins`;
  const checkIn = (person: typeof expiredInvestigator) =>
    person.post(path, { credentialNumber: person.credentialNumber });
  checks.refused(
    'an expired credential',
    await checkIn(expiredInvestigator),
    'access.credential-expired',
    'gz117:16(2)',
  );
  checks.refused(
    'an issuer not allowed',
    await checkIn(foreignInvestigator),
    'access.issuer-not-allowed',
    'gz117:16(2)',
  );
}

/** What the API client asks for: a standing share of a camera's live feed (Art. 7). */
export function standingShare(cast: Cast, cameraId: string) {
  return {
    basis: 'gz117:7',
    acts: ['view', 'connect'],
    cameraIds: [cameraId],
    live: true,
    validFrom: iso(Date.now() - HOUR_MS), // a clock that is set back for a while is still behind it
    validTo: iso(Date.now() + 30 * 24 * HOUR_MS),
    decidingOrganisationId: cast.organisations.nanmingBureau,
    clientId: cast.client.id,
    purpose: '客流监测',
  };
}

/** The API client gets a standing share. @returns its grant */
export async function shareLive(cast: Cast, checks: Checks, cameraId: string): Promise<string> {
  const asked = await cast.client.post('/api/v1/access-requests', standingShare(cast, cameraId));
  const { id } = checks.done('the client asks for a share', asked);
  const approval = await cast.people.responsiblePerson.post(`/api/v1/access-requests/${id}/approval`, {});
  return String(checks.done('the bureau approves', approval).grantId);
}
