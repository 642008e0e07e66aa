import { MemoryEventStore, type RecordedEvent } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { EventDivisions, liesIn } from '#libs/regulation';

describe('divisions that an event concerns', () => {
  const store = new MemoryEventStore();
  const append = async (stream: string, data: object, organisationId?: string): Promise<RecordedEvent> => {
    const metadata = {
      actor: { kind: 'person' as const, id: 'li', ...(organisationId === undefined ? {} : { organisationId }) },
      occurredAt: '2026-03-01T08:00:00.000Z',
      rules: [],
      correlationId: 'c',
    };
    await store.append([
      { stream, expected: 'any', events: [{ id: newId(), type: 'Happened', version: 1, data, metadata }] },
    ]);
    for await (const event of store.readStream(stream, { direction: 'backwards', limit: 1 })) return event;
    throw new Error('nothing was appended');
  };
  const places = async (event: Promise<RecordedEvent>) => new EventDivisions(store).of(await event);

  beforeAll(async () => {
    await append('organisation-guiyang', { division: '5201' });
    await append('person-li', { organisationId: 'guiyang' });
    await append('camera-1', { division: '520102' });
    await append('grant-1', { divisions: ['520102', '520103'] });
  });

  test.each([
    ['those that it names', 'site-1', { division: '520103' }, ['520103']],
    ['those that it names, several', 'grant-2', { divisions: ['520102', '5203'] }, ['520102', '5203']],
    ['those of its camera', 'playback-1', { cameraId: '1' }, ['520102']],
    ['those of the camera that its stream is named after', 'recording-1', {}, ['520102']],
    ['also of the camera that is fed', 'cameraFeed-1', { connectionId: '7' }, ['520102']],
    ['those of whom the person works for that signs in', 'signIn-li', {}, ['5201']],
    ['those of its stream’s first event', 'grant-1', { reason: 'over' }, ['520102', '520103']],
    ['those of the organisation that it names', 'person-wang', { organisationId: 'guiyang' }, ['5201']],
    ['none, when nothing says where', 'auditReading-1', {}, []],
  ])('%s', async (_, stream, data, expected) => {
    expect(await places(append(stream, data))).toEqual(expected);
  });

  test('those of the organisation that somebody acted for, when nothing else says where', async () => {
    expect(await places(append('auditReading-2', {}, 'guiyang'))).toEqual(['5201']);
  });

  test('streams that name each other come to an end', async () => {
    await append('organisation-a', { organisationId: 'b' });
    await append('organisation-b', { organisationId: 'a' });
    expect(await places(append('person-c', { organisationId: 'a' }))).toEqual([]);
  });

  test('a stream that is not there yet is asked for again', async () => {
    const divisions = new EventDivisions(store);
    const early = await append('playback-9', { cameraId: '9' });
    expect(await divisions.of(early)).toEqual([]);
    await append('camera-9', { division: '520103' });
    expect(await divisions.of(early)).toEqual(['520103']);
  });

  test('what concerns no division is the province’s affair', () => {
    expect([liesIn('52', []), liesIn('5201', []), liesIn('5201', ['520102', '5203'])]).toEqual([true, false, true]);
  });
});
