import { connect } from 'node:net';
import { ConflictError, OutcomeUnknownError } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { Metrics, observeStore, platformRefusals, Stages } from '#libs/platform';
import { FragileStore, gate, type Notes, noteEvents, startNotes } from './notes.fixture.js';

/** Samples of one metric, as Prometheus would read them: labels → value. */
async function samples(notes: Notes, name: string): Promise<Record<string, number>> {
  const { body, statusCode } = await notes.get('/metrics');
  expect(statusCode).toBe(200);
  const found: Record<string, number> = {};
  for (const line of body.split('\n')) {
    const [, metric, labels = '', value] = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (metric === name) found[labels] = Number(value);
  }
  return found;
}

const model = (schema: string, position: bigint, parked = 0) => ({
  definition: { schema, entities: [], migrations: [], projections: [] },
  position,
  reached: async () => {},
  parkedCount: async () => parked,
});

describe('metrics', () => {
  let notes: Notes;
  let store: FragileStore;

  beforeEach(async () => {
    store = new FragileStore();
    notes = await startNotes({ store });
  });

  afterEach(() => notes.app.close());

  test('say how far each stage of truth is: appended, projected, delivered, parked', async () => {
    for (const text of ['a', 'b', 'c']) await notes.take(text);
    const stages = notes.app.get(Stages);
    stages.addReadModel(model('notes', 2n, 4));
    stages.addDelivered(() => 1n);
    stages.addParked('relay to the bureau', () => 5);
    expect(await samples(notes, 'mingjing_appended_position')).toEqual({ '': 3 });
    expect(await samples(notes, 'mingjing_delivered_position')).toEqual({ '': 1 });
    expect(await samples(notes, 'mingjing_projection_position')).toEqual({ 'model="notes"': 2 });
    expect(await samples(notes, 'mingjing_projection_lag_events')).toEqual({ 'model="notes"': 1 });
    expect(await samples(notes, 'mingjing_parked_events')).toEqual({
      'subscription="notes"': 4,
      'subscription="relay to the bureau"': 5,
    });
  });

  test('are text in the format that Prometheus asks for, with the process beside it', async () => {
    const { headers, body } = await notes.get('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'nodejs_gc_duration_seconds',
    ]) {
      expect(body).toContain(`# TYPE ${name} `);
    }
    expect(body).not.toMatch(/\n\n\n/);
  });

  test('a store that hangs does not hang the scrape: what it would have said is absent, and counted as an error', async () => {
    const stages = notes.app.get(Stages);
    stages.addReadModel(model('notes', 0n));
    await notes.take('a');
    expect(await samples(notes, 'mingjing_appended_position')).toEqual({ '': 1 });
    store.is = 'hanging';
    store.asked = 0;
    const both = await Promise.all([
      samples(notes, 'mingjing_appended_position'),
      samples(notes, 'mingjing_projection_lag_events'),
    ]);
    expect(both).toEqual([{}, {}]);
    expect(await samples(notes, 'mingjing_projection_position')).toEqual({ 'model="notes"': 0 });
    expect((await samples(notes, 'mingjing_scrape_errors_total'))['source="event store"']).toBeGreaterThanOrEqual(3);
    // However many scrapes came meanwhile, the store was asked once.
    expect(store.asked).toBe(1);
  });

  test('parts that fail are absent one by one', async () => {
    const stages = notes.app.get(Stages);
    stages.addDelivered(() => Promise.reject(new Error('broker away')));
    stages.addParked('relay', () => Promise.reject(new Error('database away')));
    expect(await samples(notes, 'mingjing_scrape_errors_total')).toEqual({
      'source="relay"': 1,
      'source="parked relay"': 1,
    });
    expect(await samples(notes, 'mingjing_delivered_position')).toEqual({});
    expect(await samples(notes, 'mingjing_parked_events')).toEqual({});
    expect(await samples(notes, 'mingjing_appended_position')).toEqual({ '': 0 });
  });

  test('requests are told apart by route template, method and class of status; a thousand made-up paths are one', async () => {
    for (let i = 0; i < 1_000; i += 1) await notes.get(`/${newId()}/${i}?q=${i}`);
    for (let i = 0; i < 50; i += 1) await notes.get(`/notes/${i}`);
    await notes.app.inject({ method: 'PROPFIND' as 'GET', url: '/notes' });
    const counts = await samples(notes, 'mingjing_http_request_duration_seconds_count');
    expect(counts).toMatchObject({
      'route="unmatched",method="GET",status="4xx"': 1_000,
      'route="/notes/:id",method="GET",status="2xx"': 50,
    });
    expect(Object.keys(counts).length).toBeLessThan(6);
    expect(Object.keys(counts).join()).not.toContain('PROPFIND');
  });

  test('a client that goes away in the middle is counted, and no longer under way', async () => {
    let open = () => {};
    gate.open = new Promise((resolve) => {
      open = resolve;
    });
    await notes.app.listen(0, '127.0.0.1');
    const { port } = notes.app.getHttpServer().address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /notes/1/slow HTTP/1.1\r\nHost: x\r\n\r\n');
    const underWay = async () => (await samples(notes, 'mingjing_http_requests_in_flight'))['']! - 1;
    while ((await underWay()) < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    while ((await underWay()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    open();
    expect(await samples(notes, 'mingjing_http_request_duration_seconds_count')).toMatchObject({
      'route="/notes/:id/slow",method="GET",status="aborted"': 1,
    });
  });

  test('appends are timed by how they ended', async () => {
    const metrics = notes.app.get(Metrics);
    const failing = new FragileStore();
    const observed = observeStore(failing, metrics);
    const errors = [
      new ConflictError('note-1', 'no-stream', 0n),
      new OutcomeUnknownError('note-1', new Error('away')),
      Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
      new TypeError('a bug'),
    ];
    await notes.take('a');
    for (const error of errors) {
      failing.failure = error;
      await expect(observed.append([])).rejects.toBe(error);
    }
    expect(await samples(notes, 'mingjing_append_duration_seconds_count')).toEqual({
      'outcome="done"': 1,
      'outcome="conflict"': 1,
      'outcome="unavailable"': 2,
      'outcome="failed"': 1,
    });
  });

  test('calls of ports are timed by how they ended', async () => {
    const metrics = notes.app.get(Metrics);
    const away = platformRefusals['platform.unavailable']('away');
    await metrics.timePortCall('access', 'decide', async () => {});
    await metrics.timePortCall('access', 'decide', () => Promise.reject(away)).catch(() => {});
    expect(await samples(notes, 'mingjing_port_call_duration_seconds_count')).toEqual({
      'port="access",method="decide",outcome="done"': 1,
      'port="access",method="decide",outcome="unavailable"': 1,
    });
  });

  test('an observed store is the store in everything else', async () => {
    await notes.take('a');
    const streams: string[] = [];
    for await (const { stream } of notes.store.readAll(0n, { categories: [noteEvents.category] })) streams.push(stream);
    expect(streams).toHaveLength(1);
    for await (const { revision } of notes.store.readStream(streams[0]!, { limit: 1 })) expect(revision).toBe(0n);
    expect(await notes.store.head()).toBe(1n);
    const stop = new AbortController();
    for await (const item of notes.store.follow(0n, { signal: stop.signal })) if ('caughtUp' in item) stop.abort();
  });
});

describe('who may read the metrics', () => {
  let notes: Notes;

  beforeAll(async () => {
    notes = await startNotes({ metrics: new Metrics(['10.20.0.0/16', '2001:db8::/32']) });
  });

  afterAll(() => notes.app.close());

  const from = (remoteAddress: string, headers = {}) => notes.app.inject({ url: '/metrics', remoteAddress, headers });

  test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '10.20.255.1', '::ffff:10.20.0.1', '2001:db8::7'])(
    '%s may',
    async (address) => {
      expect((await from(address)).statusCode).toBe(200);
    },
  );

  test.each(['10.21.0.1', '192.168.1.1', '8.8.8.8', '::ffff:8.8.8.8', '2001:db9::1', 'nonsense'])(
    '%s gets a no with a reason, and no number',
    async (address) => {
      const answer = await from(address);
      expect(answer.json()).toMatchObject({ status: 403, code: 'platform.forbidden' });
      expect(answer.body).not.toContain('mingjing_');
    },
  );

  test('a proxy on this machine does not open them to the world, nor does a header that claims to be local', async () => {
    expect((await from('127.0.0.1', { 'x-forwarded-for': '8.8.8.8' })).statusCode).toBe(403);
    expect((await from('127.0.0.1', { forwarded: 'for=127.0.0.1' })).statusCode).toBe(403);
    expect((await from('8.8.8.8', { 'x-forwarded-for': '127.0.0.1' })).statusCode).toBe(403);
  });

  test('without networks named only loopback may', async () => {
    const closed = await startNotes();
    const answer = await closed.app.inject({ url: '/metrics', remoteAddress: '10.20.0.1' });
    expect(answer.statusCode).toBe(403);
    await closed.app.close();
  });

  test.each(['10.0.0.0', '10.0.0.0/33', 'all', '::/129', '/8'])('%j is no network, said at the start', (network) => {
    expect(() => new Metrics([network])).toThrow(/MINGJING_METRICS_NETWORKS/);
  });
});
