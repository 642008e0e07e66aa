import { InMemorySpanExporter } from '@opentelemetry/sdk-trace';
import { migrateEventStore, PostgresEventStore, type ReadModel } from '#libs/event-store';
import { ReadModelModule, readModelToken, startTelemetry } from '#libs/platform';
import { type FreshDatabase, freshDatabase } from '../../../test/services/postgres.js';
import { type Notes, startNotes } from './notes.fixture.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

class Notes1700000000000 {
  readonly name = 'Notes1700000000000';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query('CREATE TABLE note (id text PRIMARY KEY)');
  }
  async down(): Promise<void> {}
}

const definition = {
  schema: 'notes',
  entities: [],
  migrations: [Notes1700000000000],
  projections: [
    {
      name: 'notes',
      filter: { categories: ['note'] },
      apply: async (
        { id, data }: { id: string; data: unknown },
        tx: { query(sql: string, values: unknown[]): Promise<unknown> },
      ) => {
        if ((data as { text: string }).text === 'poison') throw new Error('cannot be digested');
        await tx.query('INSERT INTO note (id) VALUES ($1)', [id]);
      },
    },
  ],
};

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry({ service: 'notes', exporter });
let database: FreshDatabase;
let store: PostgresEventStore;
let notes: Notes;

beforeAll(async () => {
  database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  store = new PostgresEventStore({ url: database.url });
  notes = await startNotes({ store, databaseUrl: database.url, modules: [ReadModelModule.forFeature(definition)] });
});

afterAll(async () => {
  await notes.app.close();
  await store.close();
  await database.drop();
  await telemetry.stop();
});

test('what a read model does with an event belongs to the trace of the request that caused it', async () => {
  await notes.take('one', { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` });
  await notes.app.get<ReadModel>(readModelToken('notes')).reached(await store.head(), 10_000);
  await new Promise((resolve) => setImmediate(resolve));
  await telemetry.flush();
  const spans = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === TRACE);
  expect(spans.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['POST /notes', 'command TakeNote', 'append', 'project events']),
  );
  const projected = spans.find(({ name }) => name === 'project events')!;
  expect(projected.attributes).toEqual({ 'mingjing.read_model': 'notes', 'mingjing.events': 1 });
});

test('health and metrics of a real read model: current, then with an event parked', async () => {
  expect((await notes.get('/health/ready')).json()).toMatchObject({
    status: 'up',
    readModels: { notes: '0' },
    checks: { 'read model notes': { status: 'up', says: 'read model notes is current at 1' } },
  });
  await notes.take('poison');
  await notes.app.get<ReadModel>(readModelToken('notes')).reached(await store.head(), 30_000);
  const { body } = await notes.get('/metrics');
  expect(body).toContain('mingjing_projection_position{model="notes"} 2');
  expect(body).toContain('mingjing_projection_lag_events{model="notes"} 0');
  expect(body).toContain('mingjing_parked_events{subscription="notes"} 1');
  expect((await notes.get('/health/ready')).json().checks['read model notes'].says).toMatch(/1 events are parked$/);
});
