import fc from 'fast-check';
import type { RecordedEvent } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { History, type Subject } from './history.js';

let position = 0n;
const event = (stream: string, data: object = {}, actorId = 'somebody'): RecordedEvent => ({
  id: newId(),
  type: 'SomethingHappened',
  version: 1,
  stream,
  data,
  metadata: { actor: { kind: 'person', id: actorId }, occurredAt: '', rules: [], correlationId: 'c' },
  revision: 0n,
  position: ++position,
  recordedAt: '',
});
const streamsOf = (subject: Subject, events: readonly RecordedEvent[], known: string[] = []) => {
  const history = new History(subject, known);
  return events.filter((e) => history.belongs(e)).map(({ stream }) => stream);
};

/** A case from request to clip, beside another of the same shape. */
const chain = (n: string, person: string, camera: string) => [
  event(`accessRequest-r${n}`, { caseNumber: `case ${n}`, cameraIds: [camera], personIds: [person] }, 'officer'),
  event(`grant-g${n}`, { requestId: `r${n}`, cameraIds: [camera], personIds: [person] }, 'chief'),
  event(`retrievalSession-s${n}`, { grantId: `g${n}` }, person),
  event(`retrievalSession-s${n}`, { entry: 'complete' }, person),
  event(`playback-p${n}`, { grantId: `g${n}`, sessionId: `s${n}`, cameraId: camera, holder: { id: person } }, person),
  event(`playback-p${n}`, { reason: 'idle' }, 'gateway'),
  event(`clip-c${n}`, { sessionId: `s${n}`, cameraId: camera }, 'gateway'),
];
const kinds = ['accessRequest', 'grant', 'retrievalSession', 'retrievalSession', 'playback', 'playback', 'clip'];
const whole = (n: string) =>
  kinds.map(
    (kind) =>
      `${kind}-${{ accessRequest: 'r', grant: 'g', retrievalSession: 's', playback: 'p', clip: 'c' }[kind]}${n}`,
  );

describe('a history', () => {
  const one = chain('1', 'li', 'cam1');
  const two = chain('2', 'wang', 'cam2');
  const mixed = one.flatMap((e, i) => [e, two[i]!]);

  test('of a case leads from the request to the clip, and into no other case', () => {
    expect(streamsOf({ kind: 'case', id: 'case 1' }, mixed)).toEqual(whole('1'));
  });

  test('of a grant begins with its request', () => {
    expect(streamsOf({ kind: 'grant', id: 'g2' }, mixed, ['r2'])).toEqual(whole('2'));
  });

  test('of a person holds what they did and what names them', () => {
    const elsewhere = [
      event('site-x', {}, 'li'),
      event('person-li', { role: 'department-officer' }, 'administrator'),
      event('personalData-li', {}, 'administrator'),
      event('site-y', {}, 'wang'),
    ];
    expect(streamsOf({ kind: 'person', id: 'li' }, [...mixed, ...elsewhere])).toEqual([
      ...whole('1'),
      'site-x',
      'person-li',
      'personalData-li',
    ]);
  });

  test('of a camera holds its own streams and what names it, not all that its cases hold', () => {
    const own = [event('camera-cam1'), event('recording-cam1'), event('connection-z', { cameraId: 'cam1' })];
    expect(streamsOf({ kind: 'camera', id: 'cam1' }, [...own, ...mixed])).toEqual([
      'camera-cam1',
      'recording-cam1',
      'connection-z',
      'accessRequest-r1',
      'grant-g1',
      'playback-p1',
      'clip-c1',
    ]);
  });

  test('a reading stands in the history of the reader only', () => {
    const reading = event('auditReading-auditor', { subject: { kind: 'case', id: 'case 1' } }, 'auditor');
    expect(streamsOf({ kind: 'case', id: 'case 1' }, [reading])).toEqual([]);
    expect(streamsOf({ kind: 'person', id: 'auditor' }, [reading])).toEqual(['auditReading-auditor']);
  });

  test('of a case is whole, whatever other cases lie between (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }), (takeOne) => {
        const [left, right] = [[...one], [...two]];
        const order: RecordedEvent[] = [];
        for (const first of takeOne) order.push(...[(first ? left : right).shift() ?? (first ? right : left).shift()!]);
        expect(streamsOf({ kind: 'case', id: 'case 1' }, order)).toEqual(whole('1'));
        expect(streamsOf({ kind: 'case', id: 'case 2' }, order)).toEqual(whole('2'));
      }),
    );
  });
});
