import { fold } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import {
  at,
  camera,
  cameras,
  credential,
  grant,
  ids,
  issued,
  persons,
  prepared,
  shareIssued,
  started,
} from '../access.fixture.js';
import { grantDecider } from '../grant/grant.decider.js';
import type { GrantEvent } from '../grant/grant.events.js';
import { retrievalSessionDecider } from '../retrieval-session/retrieval-session.decider.js';
import { clipDecisionDecider, playbackDecider } from './playback.decider.js';
import type { PlaybackAsk, PlaybackEvent } from './playback.events.js';
import type { DecisionFacts } from './playback-decision.js';

const given = spec(playbackDecider).given;
const revoked: GrantEvent = { type: 'GrantRevoked', data: { reason: 'x', by: 'public-security-organ' } };
const running = fold(retrievalSessionDecider, [...prepared, started]);
const window = grant.window!;

const recorded: PlaybackAsk = {
  grantId: ids.grant,
  sessionId: ids.session,
  cameraId: ids.camera,
  mode: 'recorded',
  from: '2026-03-01T08:30:00.000Z',
  to: '2026-03-01T09:00:00.000Z',
};
const facts: DecisionFacts = {
  asker: { kind: 'person', id: ids.li, organisationId: ids.transport, active: true },
  grant: fold(grantDecider, [issued()]),
  session: running,
  camera: cameras[0],
  persons,
};
const play = (change: Partial<PlaybackAsk> = {}, other: Partial<DecisionFacts> = {}, when = at(30)) =>
  ({ type: 'AuthorisePlayback', at: when, ask: { ...recorded, ...change }, facts: { ...facts, ...other } }) as const;

const live: PlaybackAsk = { grantId: ids.share, cameraId: ids.camera, mode: 'live' };
const shareFacts: DecisionFacts = {
  asker: { kind: 'client', id: ids.client, organisationId: ids.transport, active: true },
  grant: fold(grantDecider, [shareIssued()]),
  session: { status: 'none' },
  camera: cameras[0],
  persons: [],
};
const watch = (other: Partial<DecisionFacts> = {}, when = at(30), change: Partial<PlaybackAsk> = {}) =>
  ({ type: 'AuthorisePlayback', at: when, ask: { ...live, ...change }, facts: { ...shareFacts, ...other } }) as const;

const authorised: PlaybackEvent = {
  type: 'PlaybackAuthorised',
  data: { ...recorded, holder: { kind: 'person', id: ids.li }, organisationId: ids.transport, until: at(12 * 60) },
};
const subject = {
  grantId: ids.grant,
  sessionId: ids.session,
  cameraId: ids.camera,
  holder: { kind: 'person', id: ids.li },
} as const;

describe('recorded playback', () => {
  test('inside the window, in a started session, by one of its investigators is authorised', () => {
    given().when(play()).then(authorised);
    given()
      .when(play(window))
      .then({ ...authorised, data: { ...authorised.data, ...window } } as PlaybackEvent);
  });

  test('a moment outside the window is refused, and the attempt is on record (gz117:18(3))', () => {
    const outside = [
      { from: '2026-03-01T07:59:59.999Z', to: window.to },
      { from: window.from, to: '2026-03-01T10:00:00.001Z' },
      { from: '2026-03-01T11:00:00.000Z', to: '2026-03-01T11:00:01.000Z' },
    ];
    for (const range of outside) {
      const [attempt] = given().when(play(range)).refuses('access.outside-window', 'gz117:18(3)');
      expect(attempt).toMatchObject({
        type: 'PlaybackDenied',
        data: { ...range, refusal: 'access.outside-window', rules: ['gz117:18(3)'], holder: { id: ids.li } },
      });
    }
  });

  test('without a range, or with an empty one, is refused', () => {
    given()
      .when(play({ from: undefined }))
      .refuses('access.window-invalid');
    given()
      .when(play({ to: recorded.from }))
      .refuses('access.window-invalid');
  });

  test('after revocation, after expiry, before validity and without a grant is refused (gz117:18(3))', () => {
    const revokedGrant = fold(grantDecider, [issued(), revoked]);
    given()
      .when(play({}, { grant: revokedGrant }))
      .refuses('access.grant-revoked', 'gz117:18(3)');
    given()
      .when(play({}, {}, grant.validTo))
      .refuses('access.grant-expired', 'gz117:18(3)');
    given()
      .when(play({}, {}, at(-1)))
      .refuses('access.grant-not-yet-valid', 'gz117:18(3)');
    given()
      .when(play({}, { grant: { status: 'none' } }))
      .refuses('access.no-such-grant');
  });

  test('by somebody the grant does not name, or of a camera it does not name, is refused (gz117:18(3))', () => {
    const officer = { ...facts.asker, id: ids.officer };
    given()
      .when(play({}, { asker: officer }))
      .refuses('access.not-holder', 'gz117:18(3)');
    for (const change of [{ organisationId: ids.bureau }, { active: false }]) {
      given()
        .when(play({}, { asker: { ...facts.asker, ...change } }))
        .refuses('access.not-holder', 'gz117:18(3)');
    }
    given()
      .when(play({ cameraId: ids.stranger }))
      .refuses('access.camera-not-granted', 'gz117:18(3)');
  });

  test('without the act view is refused (gz117:18(3))', () => {
    const copyOnly = fold(grantDecider, [issued({ acts: ['copy'] })]);
    given()
      .when(play({}, { grant: copyOnly }))
      .refuses('access.act-not-granted', 'gz117:18(3)');
  });

  test('without a started session of this grant is refused (gz117:16)', () => {
    const closed = {
      type: 'RetrievalSessionClosed',
      data: { closedBy: ids.li, disposition: 'nothing-copied' },
    } as const;
    const sessions = [
      { status: 'none' } as const,
      fold(retrievalSessionDecider, prepared),
      fold(retrievalSessionDecider, [...prepared, started, closed]),
      { ...running, grantId: ids.share } as typeof running,
    ];
    for (const session of sessions) {
      given().when(play({}, { session })).refuses('access.session-not-started', 'gz117:16(1)');
    }
  });

  test('after the end of the session is refused (gz117:16)', () => {
    given()
      .when(play({}, {}, at(12 * 60)))
      .refuses('access.session-not-started', 'gz117:16(1)');
  });

  test('by a named person who did not check in to the session is refused (gz117:16(1))', () => {
    const third = fold(grantDecider, [issued({ personIds: [ids.li, ids.wang, ids.officer] })]);
    given()
      .when(play({}, { grant: third, asker: { ...facts.asker, id: ids.officer } }))
      .refuses('access.not-investigator', 'gz117:16(1)');
  });

  test("once either investigator's credential has expired or was withdrawn is refused (gz117:16(2))", () => {
    const [li, wang] = persons;
    const expired = [li!, { ...wang!, credentials: [credential(2, { validTo: at(30) })] }];
    given()
      .when(play({}, { persons: expired }))
      .refuses('access.credential-expired', 'gz117:16(2)');
    given()
      .when(play({}, { persons: [li!] }))
      .refuses('access.credential-unknown', 'gz117:16(2)');
  });

  test('a decision never holds longer than grant, session or credential', () => {
    const short = fold(grantDecider, [issued({ validTo: at(40) })]);
    given()
      .when(play({}, { grant: short }))
      .then({ ...authorised, data: { ...authorised.data, until: at(40) } } as PlaybackEvent);
    const [li, wang] = persons;
    const credentials = [credential(1, { validTo: at(35) })];
    given()
      .when(play({}, { persons: [{ ...li!, credentials }, wang!] }))
      .then({ ...authorised, data: { ...authorised.data, until: at(35) } } as PlaybackEvent);
  });
});

describe('live', () => {
  test('a standing share lets its client watch without a session (gz117:7)', () => {
    given()
      .when(watch())
      .then({
        type: 'PlaybackAuthorised',
        data: {
          ...live,
          holder: { kind: 'client', id: ids.client },
          organisationId: ids.transport,
          until: at(300 * 24 * 60),
        },
      });
  });

  test('another client, or a person the share does not name, is refused (gz117:18(3))', () => {
    for (const asker of [
      { ...shareFacts.asker, id: ids.stranger },
      { ...shareFacts.asker, kind: 'person' as const, id: ids.li },
    ]) {
      given().when(watch({ asker })).refuses('access.not-holder', 'gz117:18(3)');
    }
  });

  test('a camera no longer integrated, or no longer government-funded, is refused (gz117:7)', () => {
    given()
      .when(watch({ camera: camera(ids.camera, { integrated: false }) }))
      .refuses('access.connection-closed', 'gz117:7');
    given()
      .when(watch({ camera: undefined }))
      .refuses('access.connection-closed', 'gz117:7');
    given()
      .when(watch({ camera: camera(ids.camera, { funding: 'other' }) }))
      .refuses('access.not-government-funded', 'gz117:7');
  });

  test('recordings are not in a share; live is not in a grant of recordings (gz117:18(3))', () => {
    const range = { mode: 'recorded' as const, from: recorded.from, to: recorded.to };
    given()
      .when(watch({}, at(30), range))
      .refuses('access.outside-window', 'gz117:18(3)');
    given()
      .when(play({ mode: 'live' }))
      .refuses('access.live-not-granted', 'gz117:18(3)');
  });

  test('under Art. 15 needs a running session too (gz117:16)', () => {
    const both = fold(grantDecider, [issued({ live: true })]);
    given()
      .when(play({ mode: 'live' }, { grant: both, session: { status: 'none' } }))
      .refuses('access.session-not-started', 'gz117:16(1)');
    const { type, data } = authorised as { type: 'PlaybackAuthorised'; data: never };
    given()
      .when(play({ mode: 'live' }, { grant: both }))
      .then({ type, data: { ...(data as object), mode: 'live' } as never });
  });
});

describe('start and stop', () => {
  const start = { type: 'StartPlayback', at: at(31), facts } as const;
  const stop = { type: 'StopPlayback', reason: 'left', ranges: [{ from: recorded.from!, to: recorded.to! }] } as const;

  test('the first byte needs the decision once more; a second start changes nothing', () => {
    given(authorised).when(start).then({ type: 'PlaybackStarted', data: subject });
    given(authorised, { type: 'PlaybackStarted', data: subject }).when(start).then();
    given(authorised)
      .when({ ...start, facts: { ...facts, grant: fold(grantDecider, [issued(), revoked]) } })
      .refuses('access.grant-revoked');
  });

  test('nothing starts that was denied, never asked or is over', () => {
    const over: PlaybackEvent = { type: 'PlaybackStopped', data: { ...subject, reason: 'left', ranges: [] } };
    given().when(start).refuses('access.no-such-playback');
    given(authorised, over).when(start).refuses('access.playback-over');
  });

  test('the stop says what was sent, once', () => {
    const stopped: PlaybackEvent = {
      type: 'PlaybackStopped',
      data: { ...subject, reason: 'left', ranges: [...stop.ranges] },
    } as const;
    given(authorised, { type: 'PlaybackStarted', data: subject }).when(stop).then(stopped);
    given(authorised, stopped).when(stop).then();
  });
});

describe('export', () => {
  const ask = { grantId: ids.grant, sessionId: ids.session, cameraId: ids.camera, from: window.from, to: window.to };
  const exportClip = (change = {}, other: Partial<DecisionFacts> = {}) =>
    ({ type: 'AuthoriseExport', at: at(30), ask: { ...ask, ...change }, facts: { ...facts, ...other } }) as const;
  const clip = spec(clipDecisionDecider).given;

  test('with the act copy or retrieve, inside the window, in a started session is authorised', () => {
    for (const acts of [['copy' as const], ['retrieve' as const]]) {
      clip()
        .when(exportClip({}, { grant: fold(grantDecider, [issued({ acts })]) }))
        .then({ type: 'ClipAuthorised', data: { ...ask, ...subject, organisationId: ids.transport } });
    }
  });

  test('without the act, outside the window or without session is refused and on record (gz117:18(3))', () => {
    const viewOnly = fold(grantDecider, [issued({ acts: ['view'] })]);
    const [attempt] = clip()
      .when(exportClip({}, { grant: viewOnly }))
      .refuses('access.act-not-granted', 'gz117:18(3)');
    expect(attempt?.type).toBe('ClipDenied');
    clip()
      .when(exportClip({ to: '2026-03-01T10:00:01.000Z' }))
      .refuses('access.outside-window', 'gz117:18(3)');
    clip()
      .when(exportClip({}, { session: fold(retrievalSessionDecider, prepared) }))
      .refuses('access.session-not-started', 'gz117:16(4)');
  });
});
