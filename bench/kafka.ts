/**
 * Events a second from append to a consumer's committed effect: appended in PostgreSQL, relayed, acknowledged by a real
 * broker, put back into the total order, applied in one transaction with the position. Beside it a bare producer and
 * consumer of the same client, with the same messages, on the same broker in the same run: what Kafka alone would do.
 * Each part in a thread of its own. Usage: node dist/bench/kafka.js [--events 40000] [--seconds 10]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { EntityManager } from 'typeorm';
import {
  type EventToAppend,
  migrateEventStore,
  PostgresEventStore,
  ReadModel,
  type ReadModelDefinition,
  type RecordedEvent,
} from '#libs/event-store';
import { type EventMetadata, newId } from '#libs/kernel';
import { type Incoming, KafkaFeed, PlatformaticBroker, Relay, type TopicLayout, toCloudEvent } from '#libs/messaging';
import type { KafkaConfig } from '#libs/platform';
import { startEmbeddedPostgres } from '../libs/platform/embedded-postgres.js';
import { startKafka } from '../test/services/kafka/broker.js';

const CALLERS = 16;
/** Events of one append when it goes as fast as it can; at the steady rate it is one. */
const APPEND_EVENTS = 50;
const CAMERAS = 2_000;
const STEADY_PER_S = 2_000;
/** As many as the relay sends at once. */
const BATCH = 500;
const WARM = 10_000;
/** Bare and ours in turn, so that what else the machine does meets both; the medians count. */
const ROUNDS = 3;
const SOURCE = 'urn:mingjing:hub:bench';

interface Work {
  readonly role: 'writer' | 'relay' | 'reader' | 'producer' | 'consumer';
  readonly url: string;
  readonly kafka: KafkaConfig;
  readonly topic: string;
}

const metadata: EventMetadata = {
  actor: { kind: 'person', id: newId(), organisationId: newId(), role: 'department-officer' },
  occurredAt: new Date().toISOString(),
  rules: ['gz117:16(1)'],
  correlationId: newId(),
};

/** Milliseconds that mean the same in every thread. */
const now = () => performance.timeOrigin + performance.now();

function seen(n: number): EventToAppend {
  const data = { camera: n % CAMERAS, purpose: '突发事件现场查看', from: '2025-03-01T08:00:00.000Z', at: now() };
  return { id: newId(), type: 'CameraSeen', version: 1, data, metadata };
}

const streamOf = (n: number) => `camera-${n % CAMERAS}`;

class Counts1740000000001 {
  readonly name = 'Counts1740000000001';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query('CREATE TABLE seen (position bigint PRIMARY KEY, camera integer NOT NULL)');
  }
  async down(): Promise<void> {}
}

/** One row an event: what has taken effect can be counted afterwards. */
function definition(applied: (event: RecordedEvent) => void): ReadModelDefinition {
  return {
    schema: 'bench',
    entities: [],
    migrations: [Counts1740000000001],
    projections: [
      {
        name: 'seen',
        filter: { categories: ['camera'] },
        apply: (event, tx) => applyAll([event], tx, applied),
        applyAll: (events, tx) => applyAll(events, tx, applied),
      },
    ],
  };
}

async function applyAll(events: readonly RecordedEvent[], tx: EntityManager, applied: (event: RecordedEvent) => void) {
  const cameras = events.map(({ data }) => (data as { camera: number }).camera);
  await tx.query('INSERT INTO seen (position, camera) SELECT * FROM unnest($1::bigint[], $2::int[])', [
    events.map(({ position }) => String(position)),
    cameras,
  ]);
  for (const event of events) applied(event);
}

type Ask = { readonly count: number; readonly perS?: number } | { readonly upTo: number };

/** What each thread does when it is asked; it answers each question with one message. */
const roles: Record<Work['role'], (work: Work) => Promise<(ask: Ask) => Promise<unknown>>> = {
  writer: async ({ url }) => {
    const store = new PostgresEventStore({ url });
    const one = (n: number) => store.append([{ stream: streamOf(n), expected: 'any', events: [seen(n)] }]);
    return async (ask) => {
      const { count, perS } = ask as { count: number; perS?: number };
      const began = now();
      if (perS === undefined) {
        let n = 0;
        const caller = async () => {
          while (n < count) {
            const size = Math.min(APPEND_EVENTS, count - n);
            const events = Array.from({ length: size }, () => seen(n++));
            await store.append([{ stream: streamOf(n), expected: 'any', events }]);
          }
        };
        await Promise.all(Array.from({ length: CALLERS }, caller));
      } else {
        const pending: Promise<unknown>[] = [];
        for (let n = 0; n < count; ) {
          const due = Math.min(count, Math.floor(((now() - began) / 1000) * perS));
          while (n < due) pending.push(one(n++));
          await sleep(1);
        }
        await Promise.all(pending);
      }
      return { began };
    };
  },

  relay: async ({ url, kafka, topic }) => {
    new Relay({
      store: new PostgresEventStore({ url }),
      positionsUrl: url,
      broker: new PlatformaticBroker(kafka),
      layout: layout(topic, kafka),
      route: (event) => [{ topic, event }],
      source: SOURCE,
      warn: console.error,
    }).start();
    return async () => ({});
  },

  reader: async ({ url, kafka, topic }) => {
    const store = new PostgresEventStore({ url });
    let fromStore = 0;
    const counted: Pick<PostgresEventStore, 'head' | 'readAll'> = {
      head: () => store.head(),
      async *readAll(after, filter) {
        for await (const event of store.readAll(after, filter)) {
          fromStore += 1;
          yield event;
        }
      },
    };
    const feed = new KafkaFeed({ broker: new PlatformaticBroker(kafka), topics: [topic], store: counted });
    let waiting: { position: bigint; at: number }[] = [];
    const model = new ReadModel(
      definition(({ position, data }) => waiting.push({ position, at: (data as { at: number }).at })),
      { url, store, feed },
    );
    await model.start();
    return async (ask) => {
      const { upTo } = ask as { upTo: number };
      const latencies: number[] = [];
      [fromStore, waiting] = [0, []];
      while (model.position < upTo) {
        await model.reached(model.position + 1n, 120_000);
        const committed = now();
        for (const { at } of waiting.filter(({ position }) => position <= model.position))
          latencies.push(committed - at);
        waiting = waiting.filter(({ position }) => position > model.position);
      }
      latencies.sort((a, b) => a - b);
      const quantile = (q: number) => Math.round(latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN);
      return { ended: now(), fromStore, p50_ms: quantile(0.5), p99_ms: quantile(0.99) };
    };
  },

  producer: async ({ kafka, topic }) => {
    const sender = new PlatformaticBroker(kafka).sender();
    return async (ask) => {
      const { count } = ask as { count: number };
      const began = now();
      for (let n = 0; n < count; n += BATCH) {
        const batch = Array.from({ length: Math.min(BATCH, count - n) }, (_, i) => message(n + i, topic));
        await sender.send(batch);
      }
      return { began };
    };
  },

  consumer: async ({ kafka, topic }) => {
    const messages = (await new PlatformaticBroker(kafka).consume({ topics: [topic] }))[Symbol.asyncIterator]();
    return async (ask) => {
      const { upTo } = ask as { upTo: number };
      for (let taken = 0; taken < upTo; taken += 1) {
        const { value } = await messages.next();
        JSON.parse((value as Incoming).value.toString());
      }
      return { ended: now() };
    };
  },
};

function message(n: number, topic: string) {
  const recorded = { ...seen(n), stream: streamOf(n), revision: 0n, position: BigInt(n + 1), recordedAt: RECORDED_AT };
  return { topic, ...toCloudEvent(recorded, BigInt(n), { source: SOURCE }) };
}

const RECORDED_AT = new Date().toISOString();

function layout(topic: string, { partitions, replication: replicas }: KafkaConfig): TopicLayout[] {
  return [{ topic, partitions, replicas, configs: { 'cleanup.policy': 'delete' } }];
}

async function thread(work: Work): Promise<(ask: Ask) => Promise<Record<string, number>>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: work });
  const next = () =>
    new Promise<Record<string, number>>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  await next();
  worker.unref();
  return (ask) => {
    const answer = next();
    worker.postMessage(ask);
    return answer;
  };
}

type Run = (count: number, perS?: number) => Promise<Record<string, number>>;

async function bare(place: Omit<Work, 'role'>): Promise<Run> {
  const producer = await thread({ ...place, role: 'producer' });
  const consumer = await thread({ ...place, role: 'consumer' });
  return async (count) => perSecond(count, producer({ count }), consumer({ upTo: count }));
}

async function ours(place: Omit<Work, 'role'>): Promise<Run> {
  await thread({ ...place, role: 'relay' });
  const writer = await thread({ ...place, role: 'writer' });
  const reader = await thread({ ...place, role: 'reader' });
  let position = 0;
  return (count, perS) => {
    position += count;
    const appended = writer({ count, ...(perS === undefined ? {} : { perS }) });
    return perSecond(count, appended, reader({ upTo: position }));
  };
}

type Answer = Promise<Record<string, number>>;

async function perSecond(count: number, beginning: Answer, ending: Answer): Answer {
  const [{ began }, { ended, ...more }] = await Promise.all([beginning, ending]);
  return { per_s: Math.round(count / ((ended! - began!) / 1000)), ...more };
}

function median(runs: readonly Record<string, number>[]): number {
  return runs.map(({ per_s }) => per_s!).sort((a, b) => a - b)[Math.floor(runs.length / 2)]!;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { events: { type: 'string', default: '40000' }, seconds: { type: 'string', default: '10' } },
  });
  const [events, seconds] = [Number(values.events), Number(values.seconds)];
  const dataDir = mkdtempSync(join(tmpdir(), 'mingjing-bench-'));
  const [postgres, kafka] = await Promise.all([startEmbeddedPostgres({ dataDir }), startKafka({ heapMb: 768 })]);
  try {
    await migrateEventStore(postgres.ownerUrl, postgres.serviceRole);
    const config: KafkaConfig = {
      ...{ brokers: kafka.brokers, partitions: 6, replication: 1, departments: [] },
      ...{ tls: undefined, sasl: undefined },
    };
    const place = { url: postgres.serviceUrl, kafka: config, topic: 'mingjing.bench.v1' };
    await new PlatformaticBroker(config).ensureTopics([...layout(place.topic, config), ...layout('bare', config)]);

    const runs: Record<'bare' | 'ours', Run> = {
      bare: await bare({ ...place, topic: 'bare' }),
      ours: await ours(place),
    };
    await runs.bare(WARM);
    await runs.ours(WARM);
    const steady = await runs.ours(STEADY_PER_S * seconds, STEADY_PER_S);
    console.log(`at ${STEADY_PER_S} events/s: ${JSON.stringify(steady)}`);
    const full: Record<'bare' | 'ours', Record<string, number>[]> = { bare: [], ours: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const which of ['bare', 'ours'] as const) {
        const measured = await runs[which](events);
        full[which].push(measured);
        console.log(`as fast as it goes, ${which}: ${JSON.stringify(measured)}`);
      }
    }
    const [per_s, bare_per_s] = [median(full.ours), median(full.bare)];
    const ratio = Math.round((100 * per_s) / bare_per_s) / 100;
    const { p50_ms: p50_ms_at_2000, p99_ms: p99_ms_at_2000 } = steady as { p50_ms?: number; p99_ms?: number };
    console.log(JSON.stringify({ bench: 'kafka', per_s, bare_per_s, ratio, p50_ms_at_2000, p99_ms_at_2000 }));
  } finally {
    await kafka.stop();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
  process.exit(0);
}

if (isMainThread) {
  await main();
} else {
  const work = workerData as Work;
  const act = await roles[work.role](work);
  parentPort!.on('message', async (ask: Ask) => parentPort!.postMessage(await act(ask)));
  parentPort!.postMessage({});
}
