/**
 * The process that the crash campaign kills: the event store on its own PostgreSQL, and callers that append without
 * pause. Tells its parent on stdout, one JSON line each: `ready`; `asked` before an append, `acked` after it.
 * Usage: node crash-writer.js <data folder> [--memory-ack]
 */
import { parseArgs } from 'node:util';
import { type EventStore, type EventToAppend, migrateEventStore, PostgresEventStore } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { startEmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';

const CALLERS = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'memory-ack': { type: 'boolean', default: false } },
});

/** What the parent knows: written at once and whole, since a line still in this process's memory dies with it. */
function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function append(store: EventStore, caller: number, n: number): Promise<void> {
  const events: EventToAppend[] = Array.from({ length: 1 + (n % 3) }, (_, i) => ({
    id: newId(),
    type: 'CrashSeen',
    version: 1,
    data: { caller, n, i },
    metadata: {
      actor: { kind: 'system', id: 'campaign' },
      occurredAt: new Date().toISOString(),
      rules: [],
      correlationId: newId(),
    },
  }));
  const ids = events.map(({ id }) => id);
  tell({ asked: ids });
  const made = store.append([{ stream: `crash-${caller}`, expected: 'any', events }]);
  if (values['memory-ack']) {
    made.catch(() => {});
    tell({ acked: ids }); // the control: acknowledges what is only in memory yet
    await new Promise((resolve) => setImmediate(resolve));
    return;
  }
  tell({ acked: ids, position: String((await made).position) });
}

const postgres = await startEmbeddedPostgres({ dataDir: positionals[0]! });
await migrateEventStore(postgres.ownerUrl, postgres.serviceRole);
const store = new PostgresEventStore({ url: postgres.serviceUrl });
tell({ ready: true, postgres: postgres.pid });
await Promise.all(
  Array.from({ length: CALLERS }, async (_, caller) => {
    for (let n = 0; ; n += 1) await append(store, caller, n);
  }),
);
