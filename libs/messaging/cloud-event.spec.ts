import fc from 'fast-check';
import type { RecordedEvent } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { DamagedMessageError, fromCloudEvent, type KafkaMessage, toCloudEvent } from './cloud-event.js';

const source = 'urn:mingjing:hub:spec';

const json = (value: unknown) => JSON.parse(JSON.stringify(value));
const text = fc.string({ unit: 'binary', maxLength: 40 });
const position = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });

const recorded: fc.Arbitrary<RecordedEvent> = fc.record({
  id: fc.uuid(),
  stream: fc.tuple(fc.constantFrom('camera', 'accessRequest', 'gbDevice'), text).map(([of, id]) => `${of}-${id}`),
  type: fc.constantFrom('CameraRegistered', 'AccessRequested', 'X'),
  version: fc.integer({ min: 1, max: 9_999 }),
  revision: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  position,
  recordedAt: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
    .map((d) => d.toISOString()),
  data: fc.dictionary(text, fc.jsonValue({ stringUnit: 'binary' })).map(json),
  metadata: fc.record(
    {
      actor: fc.record({ kind: fc.constantFrom('person', 'client', 'system'), id: text }),
      occurredAt: text,
      rules: fc.array(fc.constant('gz117:7' as const)),
      correlationId: text,
      traceparent: fc.constant(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`),
      refusal: text,
    },
    { requiredKeys: ['actor', 'occurredAt', 'rules', 'correlationId'] },
  ),
});

const event: RecordedEvent = {
  id: newId(),
  stream: 'camera-1',
  type: 'CameraRegistered',
  version: 1,
  revision: 0n,
  position: 42n,
  recordedAt: '2026-03-01T08:00:00.123456Z',
  data: { name: '中华北路' },
  metadata: {
    actor: { kind: 'system', id: 'spec' },
    occurredAt: '2026-03-01T08:00:00.000Z',
    rules: ['gz117:10'],
    correlationId: 'c',
  },
};

describe('an event as a CloudEvent', () => {
  test('comes back as it went, whatever it holds', () => {
    fc.assert(
      fc.property(recorded, fc.bigInt({ min: 0n, max: 2n ** 62n }), (event, before) => {
        fc.pre(event.stream.isWellFormed() && before < event.position);
        const { key, value, headers } = toCloudEvent(event, before, { source });
        const onTheWire = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text).toString('utf8')]);
        expect(fromCloudEvent({ key, value, headers: Object.fromEntries(onTheWire) })).toEqual({
          event,
          previous: before,
        });
      }),
    );
  });

  test('has the attributes of CloudEvents 1.0.2 and its own, as the department page says', () => {
    const { key, headers } = toCloudEvent(event, 41n, { source });
    expect(key).toBe('camera-1');
    expect(headers).toEqual({
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: source,
      ce_type: 'cn.mingjing.camera.CameraRegistered.v1',
      ce_subject: 'camera-1',
      ce_time: '2026-03-01T08:00:00.123456Z',
      ce_dataschema: 'urn:mingjing:schema:camera.CameraRegistered.v1',
      ce_partitionkey: 'camera-1',
      ce_sequence: '0000000000000000042',
      ce_previous: '0000000000000000041',
      ce_revision: '0',
      'content-type': 'application/json',
    });
    for (const name of Object.keys(headers)) expect(name).toMatch(/^(ce_[a-z0-9]{1,20}|content-type)$/);
  });

  test('positions sort as texts in the order in which they count', () => {
    const sequence = (position: bigint) => toCloudEvent({ ...event, position }, 0n, { source }).headers.ce_sequence!;
    fc.assert(fc.property(position, position, (a, b) => expect(sequence(a) < sequence(b)).toBe(a < b)));
  });

  test('carries the trace of its metadata, so that a consumer goes on with it', () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const traced = { ...event, metadata: { ...event.metadata, traceparent } };
    expect(toCloudEvent(traced, 41n, { source }).headers).toMatchObject({ traceparent });
  });
});

describe('a damaged message', () => {
  const sound = toCloudEvent(event, 41n, { source });
  const withHeader = (name: string, text: string | undefined): KafkaMessage => ({
    ...sound,
    headers: Object.fromEntries(
      Object.entries({ ...sound.headers, [name]: text }).filter((entry): entry is [string, string] => !!entry[1]),
    ),
  });

  const needed = [
    ...['ce_specversion', 'ce_id', 'ce_type', 'ce_subject', 'ce_time', 'ce_sequence', 'ce_previous', 'ce_revision'],
    'content-type',
  ];
  test.each(needed)('without %s is named so', (name) => {
    expect(() => fromCloudEvent(withHeader(name, undefined))).toThrow(
      new DamagedMessageError(`it has no header ${name}`),
    );
  });

  test.each([
    ['ce_specversion', '0.3', 'it is no CloudEvent 1.0'],
    ['ce_id', '17', 'its header ce_id is malformed'],
    ['ce_type', 'cn.mingjing.camera.CameraRegistered.v0', 'its header ce_type is malformed'],
    ['ce_type', 'org.example.camera', 'its header ce_type is malformed'],
    ['ce_type', 'cn.mingjing.grant.GrantIssued.v1', 'its type does not belong on its stream'],
    ['ce_subject', 'camera-2', 'its key is not its stream'],
    ['ce_time', 'yesterday', 'its header ce_time is malformed'],
    ['ce_time', '2026-13-41T00:00:00Z', 'its header ce_time is malformed'],
    ['ce_sequence', '-1', 'its header ce_sequence is malformed'],
    ['ce_sequence', '4e1', 'its header ce_sequence is malformed'],
    ['ce_previous', '42', 'it names an event before it that is not before it'],
    ['ce_revision', '', 'it has no header ce_revision'],
    ['content-type', 'application/avro', 'its header content-type is malformed'],
  ])('with %s: %s is refused', (name, text, why) => {
    expect(() => fromCloudEvent(withHeader(name, text))).toThrow(new DamagedMessageError(why));
  });

  test.each([
    [Buffer.alloc(0), 'its value is no JSON'],
    [sound.value.subarray(0, -1), 'its value is no JSON'],
    [Buffer.from([...Buffer.from('{"data":{"name":"'), 0xff, ...Buffer.from('"}}')]), 'its value is no JSON'],
    [Buffer.from('[]'), 'its value has no data'],
    [Buffer.from('{"data":7,"metadata":{}}'), 'its value has no data'],
    [Buffer.from('{"data":{},"metadata":{"actor":{}}}'), 'its value has no metadata'],
  ])('with the value %s is refused', (value, why) => {
    expect(() => fromCloudEvent({ ...sound, value })).toThrow(new DamagedMessageError(why));
  });

  test('the sound one is read', () => {
    expect(fromCloudEvent(sound)).toEqual({ event, previous: 41n });
  });
});
