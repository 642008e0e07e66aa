import fc from 'fast-check';
import { MemoryEventStore, type RecordedEvent } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { toCloudEvent } from './cloud-event.js';
import { KafkaFeed } from './kafka-feed.js';
import { PartitionFeed } from './partition-feed.js';
import { type Consumption, type Incoming, MessageBroker } from './port.js';

const TOPIC = 'mingjing.spec.v1';
const EVENTS = 12;

/** A log with this many events, and each as a message without its place. */
async function log(): Promise<{ store: MemoryEventStore; messages: Omit<Incoming, 'offset'>[] }> {
  const store = new MemoryEventStore();
  const metadata = { actor: { kind: 'system' as const, id: 's' }, occurredAt: '', rules: [], correlationId: 'c' };
  for (let n = 0; n < EVENTS; n += 1) {
    const event = { id: newId(), type: 'CameraSeen', version: 1, data: { n }, metadata };
    await store.append([{ stream: `camera-${n % 3}`, expected: 'any', events: [event] }]);
  }
  const messages: Omit<Incoming, 'offset'>[] = [];
  for await (const event of store.readAll(0n)) {
    const message = toCloudEvent(event, event.position - 1n, { source: 'urn:x' });
    messages.push({ topic: TOPIC, partition: 0, ...message });
  }
  return { store, messages };
}

/** Takes from a reader until it has come to the end of the log. */
async function read(follow: (signal: AbortSignal) => AsyncIterable<RecordedEvent | { caughtUp: bigint }>) {
  const stop = new AbortController();
  const positions: number[] = [];
  for await (const item of follow(stop.signal)) {
    if (!('caughtUp' in item)) positions.push(Number(item.position));
    else if (item.caughtUp >= BigInt(EVENTS)) break;
  }
  stop.abort();
  return positions;
}

const all = Array.from({ length: EVENTS }, (_, i) => i + 1);

/** What relays may make of a partition: at first in order, with runs of what was sent before in between. */
const sent = fc
  .array(fc.record({ upTo: fc.nat({ max: EVENTS }), back: fc.nat({ max: 4 }) }), { maxLength: 6 })
  .map((batches) => {
    let newest = 0;
    const indices: number[] = [];
    for (const { upTo, back } of [...batches, { upTo: EVENTS, back: 1 }]) {
      for (let i = Math.max(0, newest - back); i < Math.max(upTo, newest); i += 1) indices.push(i);
      newest = Math.max(newest, upTo);
    }
    return indices;
  });

/** A partition as it came to be, and where a reader begins. */
const worlds = fc.record({
  sent,
  damaged: fc.array(fc.nat({ max: 20 }), { maxLength: 3 }),
  gone: fc.array(fc.nat({ max: 20 }), { maxLength: 3 }),
  /** Up to where events are stored as handled; some are left. */
  after: fc.nat({ max: EVENTS - 1 }),
  /** Where the group says to go on, if it ever said; what lies before has been handled. */
  committed: fc.option(fc.nat({ max: 40 })),
});

type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

describe('a partition, whatever happened on the way', () => {
  let store: MemoryEventStore;
  let messages: Omit<Incoming, 'offset'>[];
  beforeAll(async () => {
    ({ store, messages } = await log());
  });

  /** Where the reader begins, and what it gets from there on. */
  const arriving = ({ sent: order, damaged, gone, after, committed }: World) => {
    const sound = committed !== null && order.slice(0, committed).every((i) => i < after);
    const from = sound ? Math.min(committed, order.length) : undefined;
    const incoming = [...order, EVENTS - 1].flatMap((i, offset): Incoming[] => {
      if (offset < (from ?? 0) || (gone.includes(offset) && offset < order.length)) return [];
      const value = damaged.includes(offset) ? Buffer.from('{') : messages[i]!.value;
      return [{ ...messages[i]!, value, offset: BigInt(offset) }];
    });
    return { from, incoming, next: BigInt(order.length + 1) };
  };

  test('gives each event once and in order: doubled, late, damaged, gone, or from a place that is no longer there', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { from, incoming, next } = arriving(world);
        const feed = new PartitionFeed({
          store,
          belongs: () => true,
          extent: { topic: TOPIC, partition: 0, first: 0n, next },
          committed: from === undefined ? undefined : { topic: TOPIC, partition: 0, offset: BigInt(from) },
          warn: () => undefined,
        });
        for (const message of incoming) await feed.offer(message);
        feed.deliveredUpTo(BigInt(EVENTS), next);
        const { after } = world;
        expect(await read((signal) => feed.follow(BigInt(after), { signal }))).toEqual(all.slice(after));
      }),
      { numRuns: 500 },
    );
  });

  test('control: a reader that drops what is old and trusts the rest loses events', () => {
    const result = fc.check(
      fc.property(worlds, (world) => {
        const taken: number[] = [];
        for (const { value, headers } of arriving(world).incoming) {
          const position = Number(headers.ce_sequence);
          if (value.length > 1 && position > Math.max(world.after, ...taken)) taken.push(position);
        }
        expect(taken).toEqual(all.slice(world.after));
      }),
      { numRuns: 500 },
    );
    expect(result.failed).toBe(true);
  });
});

/** A broker whose readers hear what they are told. */
class Scripted extends MessageBroker {
  constructor(private readonly heard: readonly Incoming[]) {
    super();
  }
  ensureTopics = async () => {};
  sender = () => {
    throw new Error('nothing is sent');
  };
  partitionOf = () => 0;
  consume = async (): Promise<Consumption> => {
    const closed = Promise.withResolvers<void>();
    const heard = this.heard;
    return {
      async *[Symbol.asyncIterator]() {
        yield* heard;
        await closed.promise;
      },
      ...{ extents: async () => [], committed: async () => [], commit: async () => {} },
      close: async () => closed.resolve(),
    };
  };
}

describe('many partitions', () => {
  test('give the total order again, in whatever order and however often their messages come', async () => {
    const { store, messages } = await log();
    const order = fc.array(fc.nat({ max: EVENTS - 1 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(order, fc.nat({ max: EVENTS - 1 }), async (extra, known) => {
        const indices = [...extra, ...all.map((n) => n - 1).reverse()];
        const broker = new Scripted(indices.map((i, offset) => ({ ...messages[i]!, offset: BigInt(offset) })));
        // The store knows only the beginning, so that the rest can come from nowhere else.
        const beginning = {
          head: async () => BigInt(known),
          async *readAll(after: bigint) {
            for await (const event of store.readAll(after)) if (event.position <= BigInt(known)) yield event;
          },
        };
        const feed = new KafkaFeed({ broker, topics: [TOPIC], store: beginning });
        expect(await read((signal) => feed.follow(0n, { signal }))).toEqual(all);
      }),
      { numRuns: 20 },
    );
  });
});
