import { fold } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import {
  approvalDocumentSha256,
  at,
  certificateSha256,
  checkedIn,
  credential,
  entry,
  ids,
  issued,
  people,
  persons,
  prepared,
  presented,
  registered,
  sessionOpened,
  shareIssued,
  signed,
  signedIn,
  started,
} from '../access.fixture.js';
import { grantDecider } from '../grant/grant.decider.js';
import { type RetrievalSessionCommand, retrievalSessionDecider } from './retrieval-session.decider.js';
import type { RetrievalSessionEvent } from './retrieval-session.events.js';
import { UNDERTAKING } from './undertaking.js';

const given = spec(retrievalSessionDecider).given;
const granted = fold(grantDecider, [issued()]);
const revoked = fold(grantDecider, [issued(), { type: 'GrantRevoked', data: { reason: 'x', by: 'holder' } }]);
const li = { by: people.li, at: at(1), grant: granted };
const wang = { by: signedIn(people.wang, 5), at: at(5), grant: granted };

/** All that is needed, without the events of one kind. */
const lacking = (leave: (event: RetrievalSessionEvent) => boolean) => given(...prepared.filter((e) => !leave(e)));
const start = (change: Partial<Extract<RetrievalSessionCommand, { type: 'StartSession' }>> = {}) =>
  ({ type: 'StartSession', ...li, at: at(20), persons, ...change }) as const;

describe('opening', () => {
  const open = { type: 'OpenSession', ...li, grantId: ids.grant } as const;

  test('an investigator named in the grant opens a session', () => {
    given().when(open).then(sessionOpened);
  });

  test('nobody else does (gz117:16(1))', () => {
    for (const by of [people.officer, people.stranger]) {
      given()
        .when({ ...open, by })
        .refuses('access.not-investigator', 'gz117:16(1)');
    }
  });

  test('a revoked or expired grant opens none', () => {
    given()
      .when({ ...open, grant: revoked })
      .refuses('access.grant-revoked');
    given()
      .when({ ...open, at: at(4 * 24 * 60) })
      .refuses('access.grant-expired');
  });

  test('a standing share needs none (gz117:7)', () => {
    given()
      .when({ ...open, grant: fold(grantDecider, [shareIssued({ personIds: [ids.li] })]) })
      .refuses('access.session-not-needed', 'gz117:7');
  });
});

describe('check-in', () => {
  const checkIn = { type: 'CheckIn', ...li, credential: credential(1) } as const;

  test('an investigator checks in, freshly authenticated, with a credential on file', () => {
    given(sessionOpened)
      .when(checkIn)
      .then(checkedIn(ids.li, 1, 0));
  });

  test('the same person twice is refused (gz117:16(1))', () => {
    given(sessionOpened, checkedIn(ids.li, 1, 0))
      .when({ ...checkIn, by: signedIn(people.li, 2), at: at(2) })
      .refuses('access.same-investigator', 'gz117:16(1)');
  });

  test('who checked in more than ten minutes ago may, and must, do so again', () => {
    given(sessionOpened, checkedIn(ids.li, 1, 0))
      .when({ ...checkIn, by: signedIn(people.li, 11), at: at(11) })
      .then(checkedIn(ids.li, 1, 11));
  });

  test('a sign-in older than ten minutes is refused, ten minutes stand (gz117:16(1))', () => {
    given(sessionOpened)
      .when({ ...checkIn, at: at(10) })
      .then(checkedIn(ids.li, 1, 0));
    given(sessionOpened)
      .when({ ...checkIn, at: at(10.001) })
      .refuses('access.authentication-stale', 'gz117:16(1)');
  });

  test('an expired credential, or one not valid yet, is refused (gz117:16(2))', () => {
    for (const change of [{ validTo: at(1) }, { validFrom: at(2) }]) {
      given(sessionOpened)
        .when({ ...checkIn, credential: credential(1, change) })
        .refuses('access.credential-expired', 'gz117:16(2)');
    }
  });

  test('an issuer that is neither provincial government nor ministry is refused (gz117:16(2))', () => {
    given(sessionOpened)
      .when({ ...checkIn, credential: credential(1, { issuer: 'other' }) })
      .refuses('access.issuer-not-allowed', 'gz117:16(2)');
  });

  test('a number that is not on file is refused (gz117:16(2))', () => {
    given(sessionOpened)
      .when({ ...checkIn, credential: undefined })
      .refuses('access.credential-unknown', 'gz117:16(2)');
  });

  test('somebody the grant does not name is refused (gz117:16(1))', () => {
    given(sessionOpened)
      .when({ ...checkIn, by: people.officer })
      .refuses('access.not-investigator', 'gz117:16(1)');
  });
});

describe('papers', () => {
  test('certificate or approval document of the grant are accepted, another is refused (gz117:16(3))', () => {
    const present = { type: 'PresentDocument', ...li } as const;
    given(sessionOpened)
      .when({ ...present, sha256: certificateSha256 })
      .then(presented);
    const withApproval = fold(grantDecider, [issued({ approvalDocumentSha256 })]);
    given(sessionOpened)
      .when({ ...present, grant: withApproval, sha256: approvalDocumentSha256 })
      .then({ type: 'ApprovalDocumentPresented', data: { personId: ids.li, sha256: approvalDocumentSha256 } });
    given(sessionOpened)
      .when({ ...present, sha256: 'f'.repeat(64) })
      .refuses('access.approval-document-mismatch', 'gz117:16(3)');
  });

  test('a register entry that lacks any of its five parts is refused (gz117:16(4), gz117:17(4))', () => {
    const register = { type: 'CompleteRegister', ...li, persons } as const;
    given(sessionOpened)
      .when({ ...register, entry })
      .then(registered);
    for (const field of Object.keys(entry)) {
      const partial = { ...entry, [field]: undefined };
      given(sessionOpened)
        .when({ ...register, entry: partial })
        .refuses('access.register-entry-incomplete', 'gz117:16(4)');
    }
    given(sessionOpened)
      .when({ ...register, entry: { ...entry, retrieverId: ids.officer } })
      .refuses('access.register-entry-incomplete', 'gz117:17(4)');
    given(sessionOpened)
      .when({ ...register, entry: { ...entry, recorderId: ids.stranger } })
      .refuses('access.register-entry-incomplete', 'gz117:17(4)');
  });

  test('only the undertaking in force can be signed (gz117:16(5))', () => {
    const sign = { type: 'SignUndertaking', ...li } as const;
    given(sessionOpened)
      .when({ ...sign, textSha256: UNDERTAKING.sha256 })
      .then(signed(ids.li));
    given(sessionOpened)
      .when({ ...sign, textSha256: 'f'.repeat(64) })
      .refuses('access.undertaking-outdated', 'gz117:16(5)');
  });
});

describe('start', () => {
  test('when all five conditions hold, until twelve hours later or the end of the grant', () => {
    given(...prepared)
      .when(start())
      .then({ ...started, data: { ...started.data, endsAt: at(20 + 12 * 60) } } as RetrievalSessionEvent);
  });

  test('with one investigator is refused (gz117:16(1))', () => {
    lacking((e) => e.type === 'InvestigatorCheckedIn' && e.data.personId === ids.wang)
      .when(start())
      .refuses('access.too-few-investigators', 'gz117:16(1)');
  });

  test('with check-ins eleven minutes apart is refused, ten stand (gz117:16(1))', () => {
    const others = prepared.filter((e) => e.type !== 'InvestigatorCheckedIn');
    const [opened, ...papers] = others;
    const apart = (minutes: number) =>
      given(opened!, checkedIn(ids.li, 1, 0), checkedIn(ids.wang, 2, minutes), ...papers).when(start());
    apart(11).refuses('access.check-ins-too-far-apart', 'gz117:16(1)');
    apart(10).then({ ...started, data: { ...started.data, endsAt: at(20 + 12 * 60) } } as RetrievalSessionEvent);
  });

  test('an hour after the check-ins is refused: both must still be there (gz117:16(1))', () => {
    given(...prepared)
      .when(start({ at: at(61) }))
      .refuses('access.check-ins-stale', 'gz117:16(1)');
  });

  test('when a credential expired or was withdrawn since the check-in is refused (gz117:16(2))', () => {
    const [liFact, wangFact] = persons;
    const expired = [liFact!, { ...wangFact!, credentials: [credential(2, { validTo: at(19) })] }];
    given(...prepared)
      .when(start({ persons: expired }))
      .refuses('access.credential-expired', 'gz117:16(2)');
    const withdrawn = [liFact!, { ...wangFact!, credentials: [] }];
    given(...prepared)
      .when(start({ persons: withdrawn }))
      .refuses('access.credential-unknown', 'gz117:16(2)');
    const gone = [liFact!, { ...wangFact!, active: false }];
    given(...prepared)
      .when(start({ persons: gone }))
      .refuses('access.credential-unknown', 'gz117:16(2)');
  });

  test('without approval document is refused (gz117:16(3))', () => {
    lacking((e) => e.type === 'ApprovalDocumentPresented')
      .when(start())
      .refuses('access.approval-document-missing', 'gz117:16(3)');
  });

  test('without register entry is refused (gz117:16(4))', () => {
    lacking((e) => e.type === 'RegisterEntryCompleted')
      .when(start())
      .refuses('access.register-entry-incomplete', 'gz117:16(4)');
  });

  test('with one undertaking not signed is refused (gz117:16(5))', () => {
    lacking((e) => e.type === 'UndertakingSigned' && e.data.personId === ids.wang)
      .when(start())
      .refuses('access.undertaking-missing', 'gz117:16(5)');
  });

  test('once the grant is revoked is refused', () => {
    given(...prepared)
      .when(start({ grant: revoked }))
      .refuses('access.grant-revoked');
  });

  test('never before opening, never twice', () => {
    given().when(start()).refuses('access.no-such-session');
    given(...prepared, started)
      .when(start())
      .refuses('access.session-state');
    given(...prepared, started)
      .when({ type: 'CheckIn', ...wang, credential: credential(2) })
      .refuses('access.session-state');
  });
});

describe('close', () => {
  const close = { type: 'CloseSession', ...li, disposition: 'copies-kept', destination: 'case file 17' } as const;

  test('says what became of the copies and where they are (gz117:17(4))', () => {
    given(...prepared, started)
      .when(close)
      .then({
        type: 'RetrievalSessionClosed',
        data: { closedBy: ids.li, disposition: 'copies-kept', destination: 'case file 17' },
      });
    given(...prepared, started)
      .when({ ...close, destination: undefined })
      .refuses('access.register-entry-incomplete', 'gz117:17(4)');
  });

  test('works also after the grant ended, and when nothing was copied needs no destination', () => {
    given(...prepared, started)
      .when({ ...close, grant: revoked, disposition: 'nothing-copied', destination: undefined })
      .then({ type: 'RetrievalSessionClosed', data: { closedBy: ids.li, disposition: 'nothing-copied' } });
  });

  test('is refused to another organisation and a second time', () => {
    given(...prepared, started)
      .when({ ...close, by: people.chief })
      .refuses('access.not-investigator');
    given(...prepared, started, {
      type: 'RetrievalSessionClosed',
      data: { closedBy: ids.li, disposition: 'nothing-copied' },
    })
      .when(close)
      .refuses('access.session-state');
  });
});

test('the undertaking is named by the SHA-256 of its text', async () => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(UNDERTAKING.text));
  expect(Buffer.from(digest).toString('hex')).toBe(UNDERTAKING.sha256);
});
