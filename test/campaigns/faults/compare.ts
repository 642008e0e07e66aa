import { catalogue } from '#libs/catalogue';
import { PostgresEventStore, type RecordedEvent, withCatalogue } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { fromCloudEvent, PlatformaticBroker, topicsOf } from '#libs/messaging';
import type { Load } from './load.js';
import type { LivePlayer } from './player.js';
import type { World } from './world.js';

type Received = ReturnType<typeof fromCloudEvent>;

/** What a comparison has found, each as a sentence; empty when every promise was kept. */
export interface Findings {
  readonly lost: string[];
  readonly doubled: string[];
  readonly reordered: string[];
  readonly failed: string[];
}

export function noFindings(): Findings {
  return { lost: [], doubled: [], reordered: [], failed: [] };
}

/** A reader of the topics waits so long for the first message, and then for each next one. */
const FIRST_MS_MAX = 20_000;
const QUIET_MS = 15_000;

/** Opens the log past every line that can fail. */
export async function withLog<T>(world: World, act: (store: PostgresEventStore) => Promise<T>): Promise<T> {
  const store = new PostgresEventStore({ url: world.database.ownerUrl });
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}

/** Everything that stands in the log. */
export function wholeLog(world: World): Promise<RecordedEvent[]> {
  return withLog(world, async (store) => {
    const log: RecordedEvent[] = [];
    for await (const event of withCatalogue(store, catalogue).readAll(0n)) log.push(event);
    return log;
  });
}

/** Every acknowledged write stands in the log exactly once, where it was told to stand. */
export function compareWrites({ asked }: Load, log: readonly RecordedEvent[], found: Findings): void {
  const standing = new Map<string, RecordedEvent[]>();
  for (const event of log) {
    const marker = /故障演练 ([0-9a-f-]+)/.exec(JSON.stringify(event.data))?.[1];
    if (marker !== undefined) standing.set(marker, [...(standing.get(marker) ?? []), event]);
  }
  for (const { kind, marker, acked } of asked) {
    const events = standing.get(marker) ?? [];
    if (acked !== undefined && events.length === 0) found.lost.push(`${kind} ${marker} was acknowledged`);
    if (events.length > 1) found.doubled.push(`${kind} ${marker} stands ${events.length} times`);
    const [event] = events;
    if (acked === undefined || event === undefined) continue;
    if (event.stream !== `${kind}-${acked.id}` || event.position > acked.position) {
      found.failed.push(`${kind} ${marker} stands at ${event.stream} ${event.position}, told was ${acked.position}`);
    }
  }
}

/** Every event of the log has come to its topic, and what came for the first time came in the order of its stream. */
export function compareReceived(received: readonly Received[], log: readonly RecordedEvent[], found: Findings): void {
  const seen = new Map<bigint, RecordedEvent>();
  const revisions = new Map<string, bigint>();
  for (const { event } of received) {
    if (seen.has(event.position)) continue; // delivered again: at least once is what Kafka promises
    seen.set(event.position, event);
    const last = revisions.get(event.stream) ?? -1n;
    if (event.revision < last) found.reordered.push(`${event.stream} revision ${event.revision} came after ${last}`);
    if (event.revision > last) revisions.set(event.stream, event.revision);
  }
  for (const event of log) {
    const delivered = seen.get(event.position);
    if (delivered === undefined) found.lost.push(`event ${event.position} ${event.type} never came to Kafka`);
    else if (textOf(delivered) !== textOf(event)) found.failed.push(`event ${event.position} came as another one`);
  }
}

function textOf({ id, stream, revision, type, data }: RecordedEvent): string {
  return JSON.stringify([id, stream, String(revision), type, data]);
}

/** All messages of some topics from the first on, until so many different events have come or no more come. */
export async function readTopics(world: World, topics: readonly string[], count: number): Promise<Received[]> {
  const broker = new PlatformaticBroker(world.config.kafka!);
  const received: Received[] = [];
  const different = new Set<bigint>();
  const consumption = await broker.consume({ topics, group: `faults-${newId()}` });
  let quiet = false;
  const end = () => {
    quiet = true;
    void consumption.close();
  };
  let patience = setTimeout(end, FIRST_MS_MAX);
  try {
    for await (const message of consumption) {
      clearTimeout(patience);
      patience = setTimeout(end, QUIET_MS);
      const each = fromCloudEvent(message);
      received.push(each);
      different.add(each.event.position);
      if (different.size >= count) break;
    }
  } catch (error) {
    if (!quiet) throw error; // it was closed under the reader's feet
  } finally {
    clearTimeout(patience);
    await consumption.close();
  }
  return received;
}

/** As {@link compareReceived} for the topics of all services. @returns how many messages came more than once */
export async function compareTopics(world: World, log: readonly RecordedEvent[], found: Findings): Promise<number> {
  const received = await readTopics(world, topicsOf(catalogue), log.length);
  compareReceived(received, log, found);
  return received.length - new Set(received.map(({ event }) => event.position)).size;
}

/** Nothing was played without a decision that was on record before its first byte. */
export function comparePlaybacks({ firstBytes }: LivePlayer, log: readonly RecordedEvent[], found: Findings): void {
  const streams = Map.groupBy(
    log.filter(({ stream }) => stream.startsWith('playback-')),
    ({ stream }) => stream.slice('playback-'.length),
  );
  for (const [id, events] of streams) {
    const types = events.map(({ type }) => type);
    const started = types.indexOf('PlaybackStarted');
    if (started !== -1 && types.indexOf('PlaybackAuthorised') !== 0)
      found.failed.push(`playback ${id} began undecided`);
  }
  for (const [id, at] of firstBytes) {
    const started = streams.get(id)?.find(({ type }) => type === 'PlaybackStarted');
    if (started === undefined) found.failed.push(`playback ${id} was served and its start is not on record`);
    else if (Date.parse(started.recordedAt) > at)
      found.failed.push(`playback ${id} was served before it was on record`);
  }
}
