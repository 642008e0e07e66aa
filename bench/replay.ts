/**
 * Events a second read in the total order and folded, from a store of one million. Usage:
 * node dist/bench/replay.js [--events 1000000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type EventStore, migrateEventStore, PostgresEventStore } from '#libs/event-store';
import { categoryOf, type EventMetadata, newId } from '#libs/kernel';
import { startEmbeddedPostgres } from '../libs/platform/embedded-postgres.js';

const STREAMS = 20_000;

const { values } = parseArgs({ options: { events: { type: 'string', default: '1000000' } } });
const total = Number(values.events);

/** Past the append function, as only the owner can: what is measured is reading. */
async function fill(ownerUrl: string): Promise<void> {
  const metadata: EventMetadata = {
    actor: { kind: 'person', id: newId(), organisationId: newId(), role: 'department-officer' },
    occurredAt: new Date().toISOString(),
    rules: ['gz117:16(1)'],
    correlationId: newId(),
  };
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  await client.query(
    `INSERT INTO event_store.event (position, stream, revision, id, type, version, data, metadata, recorded_at)
     SELECT n, 'camera-' || n % $2, (n - 1) / $2, uuidv7(), CASE n % 2 WHEN 0 THEN 'CameraSeen' ELSE 'CameraUsed' END, 1,
            format('{"camera":%s,"purpose":"突发事件现场查看","minutes":%s}', n, n % 60), $3, clock_timestamp()
       FROM generate_series(1, $1::int) AS n`,
    [total, STREAMS, JSON.stringify(metadata)],
  );
  await client.query('VACUUM ANALYZE event_store.event');
  // A store that has settled: writing back what was filled in is not what is measured.
  await client.query('CHECKPOINT');
  await client.end();
}

/** A fold that looks at every event: counts by category and type, and a sum over the data. */
async function fold(store: EventStore) {
  const counts = new Map<string, number>();
  let minutes = 0;
  let read = 0;
  let rssMax = 0;
  for await (const event of store.readAll(0n)) {
    const key = `${categoryOf(event.stream)} ${event.type}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    minutes += (event.data as { minutes: number }).minutes;
    read += 1;
    if (read % 10_000 === 0) rssMax = Math.max(rssMax, process.memoryUsage.rss());
  }
  return { read, minutes, rssMax };
}

const dataDir = mkdtempSync(join(tmpdir(), 'mingjing-bench-'));
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  await migrateEventStore(postgres.ownerUrl, postgres.serviceRole);
  const filling = performance.now();
  await fill(postgres.ownerUrl);
  console.log(`${total} events appended in ${((performance.now() - filling) / 1000).toFixed(1)} s`);
  const store = new PostgresEventStore({ url: postgres.serviceUrl });
  const began = performance.now();
  const { read, minutes, rssMax } = await fold(store);
  const per_s = Math.round(read / ((performance.now() - began) / 1000));
  if (read !== total) throw new Error(`read ${read} of ${total} events`);
  console.log(`the sum of the fold is ${minutes}`);
  await store.close();
  console.log(JSON.stringify({ bench: 'replay', events: read, per_s, rss_mb: Math.round(rssMax / 2 ** 20) }));
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
