import fc from 'fast-check';
import { fold, type Principal, Refusal } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { spec } from '../../../test/given-when-then.js';
import {
  AT,
  bureau,
  CAMERA,
  camera,
  clerk,
  connection,
  department,
  facts,
  falseOfficer,
  NANMING,
  otherClerk,
  probed,
  unreachable,
} from '../integration.fixture.js';
import { type ConnectionCommand, type ConnectionState, connectionDecider } from './connection.decider.js';
import { type ConnectionEvent, connectionData, connectionEvents } from './connection.events.js';

const connections = spec(connectionDecider);
const { requested, tested, failed, approved, opened, suspended, closed, withdrawn } = facts;
const officer = bureau(NANMING);

const request = { type: 'RequestConnection', by: clerk, at: AT, connection, camera } as const;
const test_ = { type: 'TestConnection', by: clerk, at: AT, result: probed } as const;
const approve = { type: 'ApproveConnection', by: officer, at: AT } as const;
const open = { type: 'OpenConnection', by: officer, at: AT, feedHeldBy: undefined } as const;
const suspend = { type: 'SuspendConnection', by: officer, at: AT, reason: '检修' } as const;
const close = { type: 'CloseConnection', by: officer, at: AT, reason: '拆除' } as const;

describe('an interface connection', () => {
  test('gz117:7: is requested, tested, approved, opened, suspended, opened again and closed', () => {
    connections.given().when(request).then(requested);
    connections.given(requested).when(test_).then(tested);
    connections.given(requested, tested).when(approve).then(approved);
    connections.given(requested, tested, approved).when(open).then(opened);
    connections.given(requested, tested, approved, opened).when(suspend).then(suspended);
    connections.given(requested, tested, approved, opened, suspended).when(open).then(opened);
    connections.given(requested, tested, approved, opened).when(close).then(closed);
  });

  test('may be closed at any stage, once; what is not open is withdrawn, so that no other one seems closed', () => {
    const way = [requested, tested, approved, opened, suspended];
    for (let n = 1; n <= way.length; n += 1) {
      connections
        .given(...way.slice(0, n))
        .when(close)
        .then(n === 4 ? closed : withdrawn);
    }
    for (const command of [test_, approve, open, suspend, close]) {
      connections.given(requested, withdrawn).when(command).refuses('integration.wrong-stage');
      connections.given(requested, tested, approved, opened, closed).when(command).refuses('integration.wrong-stage');
    }
  });

  test('that nobody has asked for is not found', () => {
    for (const command of [test_, approve, open, suspend, close]) {
      connections.given().when(command).refuses('integration.no-such-connection');
    }
  });

  test('is asked for once', () => {
    connections.given(requested).when(request).refuses('integration.already-requested');
  });

  test('only an open one is suspended', () => {
    connections.given(requested, tested, approved).when(suspend).refuses('integration.wrong-stage');
  });
});

describe('gz117:7: a test', () => {
  test('that fails is a fact too, and no stage is reached by it', () => {
    connections
      .given(requested)
      .when({ ...test_, result: unreachable })
      .then(failed);
    connections.given(requested, failed).when(approve).refuses('integration.not-tested', 'gz117:7');
    connections.given(requested, tested, failed).when(approve).refuses('integration.not-tested', 'gz117:7');
    connections.given(requested, failed, tested).when(approve).then(approved);
  });

  test('that fails after the approval keeps the connection shut until it is passed again', () => {
    connections.given(requested, tested, approved, failed).when(open).refuses('integration.not-tested', 'gz117:7');
    connections.given(requested, tested, approved, failed, tested).when(open).then(opened);
  });

  test('that fails while suspended keeps it suspended', () => {
    connections
      .given(requested, tested, approved, opened, suspended, failed)
      .when(open)
      .refuses('integration.not-tested', 'gz117:7');
  });

  test('without which nothing opens, and without approval neither', () => {
    connections.given(requested).when(open).refuses('integration.not-tested', 'gz117:7');
    connections.given(requested, tested).when(open).refuses('integration.not-approved', 'gz117:7');
  });
});

describe('gz117:4.2, gz117:7: approval', () => {
  const history = [requested, tested] as const;

  test.each(['520102', '5201', '52'])('gz117:4.2: by the bureau of %s stands', (code) => {
    const [event] = connectionDecider.decide({ ...approve, by: bureau(code) }, fold(connectionDecider, history));
    expect(event).toMatchObject({ type: 'ConnectionApproved', data: { bureauDivision: code } });
  });

  test.each([bureau('520103'), bureau('5203'), falseOfficer])('gz117:4.2: from elsewhere is refused', (by) => {
    connections
      .given(...history)
      .when({ ...approve, by })
      .refuses('integration.outside-jurisdiction', 'gz117:4.2');
  });

  test.each([clerk, department])('gz117:7: by others than a filing officer is refused', (by) => {
    connections
      .given(...history)
      .when({ ...approve, by })
      .refuses('integration.approval-without-bureau', 'gz117:7');
  });

  test('gz117:7: never by the officer who asked; by his colleague it stands', () => {
    const own = { ...requested, data: { ...requested.data, requestedBy: officer.id } };
    connections.given(own, tested).when(approve).refuses('integration.own-request', 'gz117:7');
    connections
      .given(own, tested)
      .when({ ...approve, by: bureau(NANMING, 2) })
      .then(approved);
  });
});

describe('gz117:5.1: one open connection a camera', () => {
  test('another one that feeds the camera stands in the way', () => {
    connections
      .given(requested, tested, approved)
      .when({ ...open, feedHeldBy: 'other' })
      .refuses('integration.camera-already-connected', 'gz117:5.1');
  });
});

describe('who may ask for, test, open, suspend and close a connection', () => {
  const history: Record<string, readonly ConnectionEvent[]> = {
    RequestConnection: [],
    TestConnection: [requested],
    OpenConnection: [requested, tested, approved],
    SuspendConnection: [requested, tested, approved, opened],
    CloseConnection: [requested],
  };
  const commands: readonly ConnectionCommand[] = [request, test_, open, suspend, close];

  test.each(commands)('$type: the clerk of its managing unit and bureaus with jurisdiction', (command) => {
    for (const by of [clerk, officer, bureau('5201')]) {
      expect(
        connectionDecider.decide({ ...command, by }, fold(connectionDecider, history[command.type]!)),
      ).toHaveLength(1);
    }
  });

  test.each(commands)('$type: not a clerk of another unit, nor a department', (command) => {
    for (const by of [otherClerk, department]) {
      connections
        .given(...history[command.type]!)
        .when({ ...command, by })
        .refuses('integration.not-your-unit');
    }
  });

  test.each(commands)('gz117:4.2: $type: not a bureau from elsewhere', (command) => {
    connections
      .given(...history[command.type]!)
      .when({ ...command, by: bureau('520103') })
      .refuses('integration.outside-jurisdiction', 'gz117:4.2');
  });
});

describe('an address', () => {
  const at = (protocol: typeof connection.protocol, address: string) =>
    connections.given().when({ ...request, connection: { ...connection, protocol, address } });

  test.each(['rtsp://admin:12345@10.1.2.3/live', 'rtsp://admin@10.1.2.3/live', 'rtsp://:12345@10.1.2.3/live'])(
    'gz117:5.2: %s shows credentials and is refused',
    (address) => {
      at('rtsp', address).refuses('integration.credentials-in-address', 'gz117:5.2');
    },
  );

  test.each([
    ['rtsp', 'http://10.1.2.3/live'],
    ['http', 'file:///etc/passwd'],
    ['http', 'gopher://10.1.2.3/'],
    ['rtmp', '10.1.2.3/live'],
    ['rtsp', 'rtsp:///live'],
  ] as const)('%s: %s does not fit', (protocol, address) => {
    at(protocol, address).refuses('integration.address-malformed');
  });

  test.each([
    ['rtsps', 'rtsp', 'rtsps://10.1.2.3/live'],
    ['rtmp', 'rtmp', 'rtmp://10.1.2.3/live/1'],
    ['https', 'http', 'https://video.example/live.m3u8'],
    ['file', 'file', 'lobby.mp4'],
  ] as const)('of scheme %s is taken', (_, protocol, address) => {
    at(protocol, address).then({ ...requested, data: { ...requested.data, protocol, address } });
  });

  test('credentials are known by their reference only', () => {
    const [event] = connectionDecider.decide({ ...request, credentialRef: 'ref-1' }, connectionDecider.initialState());
    expect(event?.data).toMatchObject({ address: connection.address, credentialRef: 'ref-1' });
    expect(connectionEvents.types.ConnectionRequested.data.safeParse(event?.data).success).toBe(true);
    expect(connectionData.safeParse({ ...connection, credentials: { username: 'a', password: 'b' } }).success).toBe(
      false,
    );
  });
});

const anyone = fc.constantFrom<Principal>(
  clerk,
  otherClerk,
  department,
  falseOfficer,
  officer,
  bureau('5201'),
  bureau('520103'),
);
const anyCommand = fc
  .tuple(
    fc.constantFrom<ConnectionCommand>(
      request,
      { ...request, by: officer },
      test_,
      { ...test_, result: unreachable },
      approve,
      open,
      { ...open, feedHeldBy: CAMERA },
      suspend,
      close,
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyone }),
  )
  .map(([command, by]) => (by === undefined ? command : { ...command, by }));

function live(decide: typeof connectionDecider.decide, commands: readonly ConnectionCommand[]) {
  const events: ConnectionEvent[] = [];
  let state: ConnectionState = connectionDecider.initialState();
  for (const command of commands) {
    try {
      const decided = decide(command, state);
      events.push(...decided);
      state = decided.reduce(connectionDecider.evolve, state);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return events;
}

/** True when each opening follows a last test that was passed and an approval by a bureau with jurisdiction. */
function lawful(events: readonly ConnectionEvent[]): boolean {
  return events.every((event, i) => {
    if (event.type !== 'ConnectionOpened') return true;
    const before = events.slice(0, i);
    const lastTest = before.findLast((e) => e.type === 'ConnectionTested');
    return (
      lastTest?.data.passed === true &&
      before.some((e) => e.type === 'ConnectionApproved' && covers(e.data.bureauDivision, NANMING))
    );
  });
}

describe('gz117:7: whatever is tried in whatever order', () => {
  const sequences = fc.array(anyCommand, { maxLength: 40, size: 'max' });

  test('no connection opens without a passed test and an approval by a bureau with jurisdiction', () => {
    let openings = 0;
    fc.assert(
      fc.property(sequences, (commands) => {
        const events = live(connectionDecider.decide, commands);
        if (events.some((e) => e.type === 'ConnectionOpened')) openings += 1;
        return lawful(events);
      }),
      { numRuns: 500, seed: 117 },
    );
    expect(openings).toBeGreaterThan(0);
  });

  test('control: a decider that forgets a later failure is found out', () => {
    const forgetful: typeof connectionDecider.decide = (command, state) =>
      connectionDecider.decide(command, state.status === 'approved' ? { ...state, tested: true } : state);
    const found = fc.check(
      fc.property(sequences, (commands) => lawful(live(forgetful, commands))),
      { numRuns: 2_000, seed: 117 },
    );
    expect(found.failed).toBe(true);
  });
});
