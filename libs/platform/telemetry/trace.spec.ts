import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { MemorySubscriptions, type RecordedEvent } from '#libs/event-store';
import { Metrics, startTelemetry, type Telemetry } from '#libs/platform';
import { activeTraceId, followTraces, inSpan, traceHeaders } from '#libs/tracing';
import { type Notes, startNotes } from './notes.fixture.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${CALLER}-00`;

async function lastNote({ store }: Notes): Promise<RecordedEvent> {
  let last: RecordedEvent | undefined;
  for await (const event of store.readAll(0n)) last = event;
  return last!;
}

describe('a process that records traces', () => {
  const exporter = new InMemorySpanExporter();
  let telemetry: Telemetry;
  let notes: Notes;

  beforeAll(async () => {
    telemetry = startTelemetry({ service: 'notes', exporter });
    notes = await startNotes();
  });

  beforeEach(async () => {
    await telemetry.flush();
    exporter.reset();
  });

  afterAll(async () => {
    await notes.app.close();
    await telemetry.stop();
  });

  /** The spans that have ended, by name; waits for those that end with the connection. */
  async function spans(): Promise<Map<string, ReadableSpan>> {
    await new Promise((resolve) => setImmediate(resolve));
    await telemetry.flush();
    return new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
  }

  test('request, command, append, event and the consumer that acts on it are one trace', async () => {
    const handled: { trace: string | undefined; event: RecordedEvent }[] = [];
    const subscriptions = new MemorySubscriptions(notes.store);
    const running = await subscriptions.start({
      name: 'reader',
      from: 'end',
      handle: async (event) => void handled.push({ trace: activeTraceId(), event }),
    });
    expect((await notes.take('one', { traceparent: TRACEPARENT })).status).toBe(201);
    const event = await lastNote(notes);
    await running.reached(event.position, 5_000);
    await running.stop();

    const all = await spans();
    const [request, command, append, consumer] = ['POST /notes', 'command TakeNote', 'append', 'handle event'].map(
      (name) => all.get(name)!,
    );
    for (const span of all.values()) expect(span.spanContext().traceId).toBe(TRACE);
    expect(request!.parentSpanContext?.spanId).toBe(CALLER);
    expect(command!.parentSpanContext?.spanId).toBe(request!.spanContext().spanId);
    expect(append!.parentSpanContext?.spanId).toBe(command!.spanContext().spanId);
    expect(event.metadata.traceparent).toBe(`00-${TRACE}-${command!.spanContext().spanId}-01`);
    expect(event.metadata.correlationId).toBe(TRACE);
    expect(consumer!.parentSpanContext?.spanId).toBe(command!.spanContext().spanId);
    expect(handled[0]).toMatchObject({ trace: TRACE, event: { position: event.position } });
  });

  test('a request that brings no trace begins one, and its correlation id is that trace', async () => {
    await notes.take('two');
    const { metadata } = await lastNote(notes);
    expect(metadata.correlationId).toMatch(/^[0-9a-f]{32}$/);
    expect(metadata.traceparent).toContain(metadata.correlationId);
  });

  test.each([
    ['zeros', `00-${'0'.repeat(32)}-${CALLER}-01`],
    ['two at once', `${TRACEPARENT}, ${TRACEPARENT}`],
    ['an injection', `00-${TRACE}-${CALLER}-01'; DROP TABLE event`],
    ['ten kilobytes', '0'.repeat(10_000)],
  ])('a hostile traceparent (%s) is ignored and the request served', async (_, traceparent) => {
    expect((await notes.take('three', { traceparent, tracestate: 'x'.repeat(600), baggage: 'name=Wang' })).status).toBe(
      201,
    );
    const { metadata } = await lastNote(notes);
    expect(metadata.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(metadata.traceparent).not.toContain(TRACE);
    expect(metadata.correlationId).not.toMatch(/^0+$/);
    expect(JSON.stringify(metadata)).not.toContain('Wang');
  });

  test('spans say the template and nothing of the person, the path or the query', async () => {
    await notes.get('/notes/532101199001011234?phone=13800000000', { 'user-agent': 'Wang/1.0' });
    await notes.get('/notes/532101199001011234/bug');
    await notes.get('/nowhere/532101199001011234');
    await notes.get('/health/ready');
    await notes.get('/metrics');
    const all = await spans();
    expect([...all.keys()]).toEqual(['GET /notes/:id', 'GET /notes/:id/bug', 'GET unmatched']);
    const told = JSON.stringify(
      [...all.values()].map(({ name, attributes, events, links, status }) => ({
        name,
        attributes,
        events,
        links,
        status,
      })),
    );
    expect(told).not.toMatch(/532101199001011234|13800000000|Wang|secret detail|127\.0\.0\.1/);
    expect(all.get('GET /notes/:id/bug')!.attributes['http.response.status_code']).toBe(500);
    expect(JSON.stringify(all.get('GET /notes/:id')!.resource.attributes)).toBe('{"service.name":"mingjing-notes"}');
  });

  test('a failure is told by its kind, a refusal by its code and as no failure', async () => {
    await inSpan('broken', {}, () => Promise.reject(new TypeError('Wang was here'))).catch(() => {});
    await notes.app.inject({ method: 'POST', url: '/notes', headers: { authorization: 'x' }, payload: { text: '' } });
    const all = await spans();
    expect(all.get('broken')).toMatchObject({
      attributes: { 'error.type': 'TypeError' },
      status: { code: 2 },
      events: [],
    });
    expect(all.get('POST /notes')).toMatchObject({ status: { code: 0 } });
  });

  test('a call to another service carries the trace in its headers and is timed', async () => {
    const metrics = notes.app.get(Metrics);
    const headers = await inSpan('outer', {}, () =>
      metrics.timePortCall('access', 'decide', async () => traceHeaders()),
    );
    const all = await spans();
    const call = all.get('call port')!;
    expect(headers.traceparent).toBe(`00-${call.spanContext().traceId}-${call.spanContext().spanId}-01`);
    expect(call.parentSpanContext?.spanId).toBe(all.get('outer')!.spanContext().spanId);
  });

  test('a batch of several traces is one span with links to each, of one trace its next span', async () => {
    const of = (digit: string) => `00-${digit.repeat(32)}-${CALLER}-01`;
    await followTraces([of('1'), of('2'), 'nonsense', undefined, of('1')], 'mixed', {}, async () => {});
    await followTraces([of('3'), of('3')], 'single', {}, async () => {});
    await followTraces(
      Array.from({ length: 200 }, (_, i) => `00-${(i + 1).toString(16).padStart(32, '0')}-${CALLER}-01`),
      'many',
      {},
      async () => {},
    );
    const all = await spans();
    expect(all.get('mixed')!.links.map(({ context }) => context.traceId)).toEqual(['1'.repeat(32), '2'.repeat(32)]);
    expect(all.get('mixed')!.parentSpanContext).toBeUndefined();
    expect(all.get('single')!.spanContext().traceId).toBe('3'.repeat(32));
    expect(all.get('many')!.links).toHaveLength(32);
  });
});

describe('a process without a collector', () => {
  test('records nothing, and still hands on the trace that came in', async () => {
    const telemetry = startTelemetry({ service: 'notes' });
    const notes = await startNotes();
    await notes.take('one', { traceparent: TRACEPARENT });
    expect((await lastNote(notes)).metadata).toMatchObject({ traceparent: TRACEPARENT, correlationId: TRACE });
    await notes.take('two');
    expect((await lastNote(notes)).metadata.traceparent).toBeUndefined();
    await notes.app.close();
    await telemetry.stop();
  });
});
