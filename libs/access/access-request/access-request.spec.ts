import { spec } from '../../../test/given-when-then.js';
import {
  AT,
  approvalDocumentSha256,
  ask,
  at,
  camera,
  cameras,
  ids,
  people,
  persons,
  request,
  requested,
  requestShare,
  shareAsk,
} from '../access.fixture.js';
import { type AccessAsk, type ApproveRequest, accessRequestDecider } from './access-request.decider.js';

const given = spec(accessRequestDecider).given;
const without = <K extends keyof AccessAsk>(from: AccessAsk, ...keys: K[]): AccessAsk =>
  Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key as K))) as AccessAsk;

const approval = (change: Partial<ApproveRequest> = {}): ApproveRequest => ({
  type: 'ApproveRequest',
  by: people.chief,
  at: at(60),
  grantId: ids.grant,
  shortening: {},
  approvalDocumentSha256: undefined,
  cameras,
  ...change,
});
const scope = {
  acts: ask.acts,
  cameraIds: ask.cameraIds,
  live: false,
  window: ask.window,
  validFrom: ask.validFrom,
  validTo: ask.validTo,
};
const approved = {
  ...scope,
  grantId: ids.grant,
  divisions: ['520103'],
  approvedBy: ids.chief,
  approvingOrganisationId: ids.bureau,
};

describe('an access request under gz117:15.3', () => {
  test('stands with law, article, case number, purpose, window, two investigators and certificate', () => {
    given().when(request()).then(requested());
  });

  test('without the law relied on is refused (gz117:15.3)', () => {
    given()
      .when(request({ ask: without(ask, 'law') }))
      .refuses('access.no-law-cited', 'gz117:15.3');
  });

  test('by a department without law-enforcement power is refused (gz117:15.3)', () => {
    const by = { ...people.officer, organisation: { ...people.officer.organisation, powers: [] } };
    given().when(request({ by })).refuses('access.no-enforcement-power', 'gz117:15.3');
  });

  test('with one investigator, or the same one twice, is refused (gz117:16(1))', () => {
    for (const personIds of [[ids.li], [ids.li, ids.li]]) {
      given()
        .when(request({ ask: { ...ask, personIds } }))
        .refuses('access.too-few-investigators', 'gz117:16(1)');
    }
  });

  test('with an investigator of another organisation, deactivated or unknown is refused (gz117:16(1))', () => {
    const [li, wang] = persons;
    const others = [[li!], [li!, { ...wang!, active: false }], [li!, { ...wang!, organisationId: ids.bureau }]];
    for (const known of others) {
      given()
        .when(request({ persons: known }))
        .refuses('access.not-own-investigator', 'gz117:16(1)');
    }
  });

  test('without certificate is refused (gz117:16(3))', () => {
    given()
      .when(request({ ask: without(ask, 'certificateSha256') }))
      .refuses('access.no-certificate', 'gz117:16(3)');
  });

  test('without case number is refused (gz117:16(4))', () => {
    given()
      .when(request({ ask: without(ask, 'caseNumber') }))
      .refuses('access.no-case-number', 'gz117:16(4)');
  });

  test('for recordings of the future is refused, up to this very moment it stands (gz117:15.3)', () => {
    const until = (to: string) => request({ ask: { ...ask, window: { from: ask.window!.from, to } } });
    given()
      .when(until(at(1)))
      .refuses('access.window-in-future', 'gz117:15.3');
    given()
      .when(until(AT))
      .then(requested({ ...ask, window: { from: ask.window!.from, to: AT } }));
  });

  test('for a window that ends before it begins, or of more than 31 days, is refused', () => {
    const { from, to } = ask.window!;
    for (const window of [
      { from: to, to: from },
      { from: '2026-01-01T00:00:00.000Z', to },
    ]) {
      given()
        .when(request({ ask: { ...ask, window } }))
        .refuses('access.window-invalid');
    }
  });

  test('for a camera outside the deciding bureau is refused (gz117:4.2)', () => {
    const elsewhere = [cameras[0]!, camera(ids.camera2, { division: '520302' })];
    given()
      .when(request({ cameras: elsewhere }))
      .refuses('access.outside-jurisdiction', 'gz117:4.2');
  });

  test('for a camera that nobody registered is refused', () => {
    given()
      .when(request({ cameras: [cameras[0]!] }))
      .refuses('access.unknown-camera');
  });

  test('to an organisation that is no public security organ is refused (gz117:15.1)', () => {
    given()
      .when(request({ decidingOrganisation: people.officer.organisation }))
      .refuses('access.no-deciding-organ', 'gz117:15.1');
  });

  test('for an act that the basis does not open is refused (gz117:15.3)', () => {
    given()
      .when(request({ ask: { ...ask, acts: ['connect'] } }))
      .refuses('access.act-not-open', 'gz117:15.3');
  });

  test('for neither live video nor recordings is refused', () => {
    given()
      .when(request({ ask: without(ask, 'window') }))
      .refuses('access.nothing-asked');
  });

  test('with a validity that is over, empty or longer than 90 days is refused', () => {
    const validities = [
      { validFrom: at(-20), validTo: at(-10) },
      { validFrom: at(10), validTo: at(10) },
      { validFrom: AT, validTo: at(91 * 24 * 60) },
    ];
    for (const v of validities)
      given()
        .when(request({ ask: { ...ask, ...v } }))
        .refuses('access.validity-invalid');
  });
});

describe('other bases', () => {
  test('gz117:15.1 is for public security organs only', () => {
    given()
      .when(request({ ask: { ...ask, basis: 'gz117:15.1' } }))
      .refuses('access.not-public-security-organ', 'gz117:15.1');
  });

  test('gz117:15.1 lets a public security organ ask for all five acts without citing a law', () => {
    const own = without({ ...ask, basis: 'gz117:15.1', acts: ['connect', 'direct-use'], live: true }, 'law');
    const by = { ...people.chief, id: ids.officer };
    const bureauPersons = persons.map((p) => ({ ...p, organisationId: ids.bureau }));
    const { type, data } = requested(own) as ReturnType<typeof requested> & { data: object };
    given()
      .when(request({ by, ask: own, persons: bureauPersons }))
      .then({ type, data: { ...data, organisationId: ids.bureau } } as never);
  });

  test('gz117:15.2, emergency, is refused as not offered yet', () => {
    given()
      .when(request({ ask: { ...ask, basis: 'gz117:15.2' } }))
      .refuses('access.basis-not-offered', 'gz117:15.2');
  });
});

describe('a standing share under gz117:7', () => {
  test('is asked for by the API client itself', () => {
    const { type, data } = requested(shareAsk) as { type: 'AccessRequested'; data: never };
    given()
      .when(requestShare())
      .then({ type, data: { ...(data as object), requestedBy: { kind: 'client', id: ids.client } } as never });
  });

  test('of a camera that is not integrated is refused (gz117:7)', () => {
    const closed = [cameras[0]!, camera(ids.camera2, { integrated: false })];
    given()
      .when(requestShare({ cameras: closed }))
      .refuses('access.not-integrated', 'gz117:7');
  });

  test('of a camera that is not government-funded is refused (gz117:7)', () => {
    const private_ = [cameras[0]!, camera(ids.camera2, { funding: 'other' })];
    given()
      .when(requestShare({ cameras: private_ }))
      .refuses('access.not-government-funded', 'gz117:7');
  });

  test('of recordings, or to copy, is refused (gz117:7)', () => {
    for (const change of [{ window: ask.window! }, { acts: ['copy' as const] }]) {
      given()
        .when(requestShare({ ask: { ...shareAsk, ...change } }))
        .refuses('access.act-not-shared', 'gz117:7');
    }
  });

  test('for more than 365 days is refused (gz117:7)', () => {
    given()
      .when(requestShare({ ask: { ...shareAsk, validTo: at(366 * 24 * 60) } }))
      .refuses('access.share-too-long', 'gz117:7');
  });

  test('for a client of another organisation, a deactivated one or nobody is refused (gz117:7)', () => {
    const client = { id: ids.client, organisationId: ids.transport, active: true };
    for (const bad of [{ ...client, organisationId: ids.bureau }, { ...client, active: false }, undefined]) {
      given()
        .when(requestShare({ client: bad }))
        .refuses('access.no-holder', 'gz117:7');
    }
    given()
      .when(requestShare({ ask: without(shareAsk, 'clientId') }))
      .refuses('access.no-holder', 'gz117:7');
  });

  test('whose connection closed before the decision is not approved (gz117:7)', () => {
    given(requested(shareAsk))
      .when(approval({ cameras: [cameras[0]!, camera(ids.camera2, { integrated: false })] }))
      .refuses('access.not-integrated', 'gz117:7');
  });
});

describe('approval', () => {
  test('by the responsible person grants what was asked (gz117:15.1)', () => {
    given(requested())
      .when(approval())
      .then({ type: 'AccessApproved', data: { ...approved, shortened: false } });
  });

  test('may shorten acts, cameras, window and validity', () => {
    const shortening = {
      acts: ['view' as const],
      cameraIds: [ids.camera],
      window: { from: '2026-03-01T08:30:00.000Z', to: '2026-03-01T09:00:00.000Z' },
      validTo: at(24 * 60),
    };
    given(requested())
      .when(approval({ shortening }))
      .then({ type: 'AccessApproved', data: { ...approved, ...shortening, shortened: true } });
  });

  test('never widens acts, cameras, live, window or validity (gz117:15.1)', () => {
    const { from, to } = ask.window!;
    const wider = [
      { acts: ['view' as const, 'retrieve' as const] },
      { cameraIds: [ids.camera, ids.stranger] },
      { live: true },
      { window: { from: '2026-03-01T07:59:59.999Z', to } },
      { window: { from, to: '2026-03-01T10:00:00.001Z' } },
      { validFrom: at(-1) },
      { validTo: at(3 * 24 * 60 + 1) },
    ];
    for (const shortening of wider) {
      given(requested()).when(approval({ shortening })).refuses('access.approval-widens', 'gz117:15.1');
    }
    given(requested(shareAsk))
      .when(approval({ shortening: { window: { from, to } } }))
      .refuses('access.approval-widens', 'gz117:15.1');
  });

  test('by the requester is refused (gz117:15.1)', () => {
    const by = { ...people.chief, id: ids.officer };
    given(requested()).when(approval({ by })).refuses('access.approver-is-requester', 'gz117:15.1');
  });

  test('by a named investigator is refused (gz117:15.1)', () => {
    const by = { ...people.chief, id: ids.wang };
    given(requested()).when(approval({ by })).refuses('access.approver-is-investigator', 'gz117:15.1');
  });

  test('by anyone but a responsible person of a public security organ is refused (gz117:15.1)', () => {
    const roleless = { ...people.chief, roles: ['psb-filing-officer' as const] };
    const elsewhere = { ...people.chief, organisation: people.officer.organisation };
    for (const by of [roleless, elsewhere]) {
      given(requested()).when(approval({ by })).refuses('access.not-responsible-person', 'gz117:15.1');
    }
  });

  test('by a bureau that does not cover every camera is refused (gz117:4.2)', () => {
    const by = { ...people.chief, organisation: { ...people.chief.organisation, division: '5203' } };
    given(requested()).when(approval({ by })).refuses('access.outside-jurisdiction', 'gz117:4.2');
  });

  test('without certificate or approval document is refused, with the document it stands (gz117:16(3))', () => {
    const own = requested(without({ ...ask, basis: 'gz117:15.1' }, 'certificateSha256', 'law'));
    given(own).when(approval()).refuses('access.no-approval-document', 'gz117:16(3)');
    given(own)
      .when(approval({ approvalDocumentSha256 }))
      .then({ type: 'AccessApproved', data: { ...approved, shortened: false, approvalDocumentSha256 } });
  });

  test('after the validity asked for is refused (gz117:15.1)', () => {
    given(requested())
      .when(approval({ at: at(3 * 24 * 60) }))
      .refuses('access.request-lapsed', 'gz117:15.1');
  });

  test('is decided once', () => {
    given(requested(), { type: 'AccessApproved', data: { ...approved, shortened: false } })
      .when(approval())
      .refuses('access.request-decided');
    given().when(approval()).refuses('access.no-such-request');
  });
});

describe('denial and withdrawal', () => {
  const denial = { type: 'DenyRequest', by: people.chief, at: at(1), cameras } as const;

  test('a denial has a reason and a rule', () => {
    given(requested())
      .when({ ...denial, reason: 'the purpose is no enforcement', rule: 'gz117:15.3' })
      .then({
        type: 'AccessDenied',
        data: { deniedBy: ids.chief, reason: 'the purpose is no enforcement', rule: 'gz117:15.3' },
      });
  });

  test('a denial by another bureau is refused (gz117:4.2)', () => {
    const by = { ...people.chief, organisation: { ...people.chief.organisation, division: '5203' } };
    given(requested())
      .when({ ...denial, by, reason: 'x', rule: 'gz117:15.3' })
      .refuses('access.outside-jurisdiction', 'gz117:4.2');
  });

  test('the requester may withdraw, nobody else', () => {
    const withdrawal = { type: 'WithdrawRequest', by: people.officer, at: at(1), reason: 'solved' } as const;
    given(requested())
      .when(withdrawal)
      .then({ type: 'AccessRequestWithdrawn', data: { reason: 'solved' } });
    given(requested())
      .when({ ...withdrawal, by: people.stranger })
      .refuses('access.not-requester');
  });
});
