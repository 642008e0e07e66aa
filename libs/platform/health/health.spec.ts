import { Drain, HealthChecks, Stages } from '#libs/platform';
import { FragileStore, gate, type Notes, startNotes } from '../telemetry/notes.fixture.js';
import { EventLoop } from './event-loop.js';
import { readModelCheck } from './read-model-check.js';

let notes: Notes;
let store: FragileStore;

beforeEach(async () => {
  store = new FragileStore();
  notes = await startNotes({ store });
});

afterEach(() => notes.app.close());

const ready = () => notes.get('/health/ready');

describe('readiness', () => {
  test('says of each part in one sentence how it is', async () => {
    await notes.take('a');
    notes.app.get(HealthChecks).add('relay', () => ({ up: true, says: 'the relay has its lease' }));
    const answer = await ready();
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      status: 'up',
      head: '1',
      readModels: {},
      checks: {
        process: { status: 'up', says: 'this process takes requests' },
        'event store': { status: 'up', says: 'the event store answers, position 1' },
        relay: { status: 'up', says: 'the relay has its lease' },
      },
    });
  });

  test('one part that is down makes the process unready, and the problem names it and no other', async () => {
    notes.app
      .get(HealthChecks)
      .add('relay', () => ({ up: false, says: 'the relay cannot write: the topic has 3 partitions, 6 are set' }));
    const answer = await ready();
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({
      code: 'platform.unavailable',
      detail: 'the relay cannot write: the topic has 3 partitions, 6 are set',
      facts: { status: 'degraded', head: '0', checks: { relay: { status: 'down' }, 'event store': { status: 'up' } } },
    });
    expect((await notes.get('/health/live')).statusCode).toBe(200);
  });

  test('a check that throws is down, and what it threw stays inside', async () => {
    notes.app
      .get(HealthChecks)
      .add('vault', () => Promise.reject(new Error('postgres://hub:secret@10.0.0.7/hub refused')));
    const answer = await ready();
    expect(answer.json()).toMatchObject({ status: 503, detail: 'vault: does not answer' });
    expect(answer.body).not.toMatch(/secret|10\.0\.0\.7/);
  });

  test('a store that hangs is waited for a second, asked once, and its return is seen at once', async () => {
    store.is = 'hanging';
    store.asked = 0;
    const answers = await Promise.all([ready(), ready(), ready(), notes.get('/')]);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([503, 503, 503, 200]);
    expect(answers[0]!.json().detail).toBe('event store: no answer within 1000 ms');
    expect(answers[3]!.body).toContain('Degraded');
    expect(store.asked).toBe(1);
  });

  test('a store that failed and is back makes the process ready again', async () => {
    store.is = 'away';
    const answer = await ready();
    expect(answer.json()).toMatchObject({ status: 503, detail: 'event store: does not answer' });
    expect(answer.body).not.toContain('10.0.0.7');
    store.is = 'well';
    expect((await ready()).statusCode).toBe(200);
  });

  test('the same name twice is a bug', () => {
    expect(() => notes.app.get(HealthChecks).add('event store', () => ({ up: true, says: '' }))).toThrow(/already/);
  });
});

describe('a read model', () => {
  let now = 0;
  let position = 0n;
  let parked: () => Promise<number>;

  const model = {
    definition: { schema: 'notes', entities: [], migrations: [], projections: [] },
    get position() {
      return position;
    },
    reached: async (wanted: bigint) => {
      if (position < wanted) throw new Error('not reached');
    },
    parkedCount: () => parked(),
  };

  beforeEach(() => {
    now = 0;
    position = 0n;
    parked = async () => 0;
    const stages = notes.app.get(Stages);
    stages.addReadModel(model);
    notes.app.get(HealthChecks).add(
      'read model notes',
      readModelCheck(stages, model, () => now),
    );
  });

  const sentence = async () => {
    const { json, statusCode } = await ready();
    const body = json();
    return [statusCode, (body.checks ?? body.facts.checks)['read model notes'].says];
  };

  test('is not ready before it has caught up once, however long that takes', async () => {
    await notes.take('a');
    expect(await sentence()).toEqual([503, 'read model notes has not caught up yet, at 0 of 1']);
    now += 3_600_000;
    expect(await sentence()).toEqual([503, 'read model notes has not caught up yet, at 0 of 1']);
    position = 1n;
    expect(await sentence()).toEqual([200, 'read model notes is current at 1']);
  });

  test('may fall behind for half a minute, and not longer', async () => {
    expect(await sentence()).toEqual([200, 'read model notes is current at 0']);
    await notes.take('a');
    now += 29_000;
    expect(await sentence()).toEqual([200, 'read model notes is 29 s behind, at 0 of 1']);
    now += 2_000;
    expect(await sentence()).toEqual([503, 'read model notes is 31 s behind, at 0 of 1']);
    expect((await ready()).json().facts.readModels).toEqual({ notes: '1' });
    position = 1n;
    expect(await sentence()).toEqual([200, 'read model notes is current at 1']);
  });

  test('tells of parked events and stays ready: the rest of what it answers is right', async () => {
    parked = async () => 2;
    expect(await sentence()).toEqual([200, 'read model notes is current at 0, 2 events are parked']);
  });

  test('whose tables do not answer is down, although its position is known', async () => {
    parked = () => Promise.reject(new Error('connection lost'));
    expect(await sentence()).toEqual([503, 'read model notes: does not answer']);
    expect((await ready()).json().facts.readModels).toEqual({ notes: 'down' });
  });
});

describe('liveness', () => {
  test('does not depend on anything outside: a restart would not bring the store back', async () => {
    store.is = 'hanging';
    expect((await notes.get('/health/live')).json()).toEqual({ status: 'up' });
  });

  test('is over when half of all turns of the event loop come seconds late, and back when they do not', () => {
    const late = { ms: 2_500, percentile: () => late.ms * 1e6, reset: () => {} };
    const loop = new EventLoop(late);
    expect(loop.look()).toEqual({
      up: false,
      says: 'the event loop is stuck: half of its turns come 2500 ms late',
    });
    late.ms = 30;
    expect(loop.look().up).toBe(true);
  });
});

describe('draining', () => {
  test('makes readiness false at once; who comes all the same is served and told to close the connection', async () => {
    const drain = notes.app.get(Drain);
    expect((await notes.get('/notes/1')).headers.connection).not.toBe('close');
    drain.begin();
    expect((await ready()).json()).toMatchObject({ status: 503, detail: 'this process is about to end' });
    expect((await notes.get('/health/live')).statusCode).toBe(200);
    const late = await notes.get('/notes/1');
    expect(late.statusCode).toBe(200);
    expect(late.headers.connection).toBe('close');
    expect((await notes.take('a')).status).toBe(201);
  });

  test('waits for the requests under way, but not for ever', async () => {
    let open = () => {};
    gate.open = new Promise((resolve) => {
      open = resolve;
    });
    const drain = notes.app.get(Drain);
    const slow = Promise.all([notes.get('/notes/1/slow'), notes.get('/notes/2/slow')]);
    while ((await drain.idle(1)) < 2) await new Promise((resolve) => setImmediate(resolve));
    drain.begin();
    const idle = drain.idle(60_000);
    open();
    expect(await idle).toBe(0);
    expect((await slow).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect(await drain.idle(0)).toBe(0);
  });
});
