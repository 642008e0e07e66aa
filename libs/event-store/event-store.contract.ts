import fc from 'fast-check';
import { type EventMetadata, newId } from '#libs/kernel';
import {
  BATCH_EVENTS_MAX,
  type CaughtUp,
  ConflictError,
  DuplicateIdError,
  EVENT_BYTES_MAX,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
  LimitError,
  type RecordedEvent,
} from './port.js';

const METADATA: EventMetadata = {
  actor: { kind: 'system', id: 'contract' },
  occurredAt: '2025-03-01T00:00:00.000Z',
  rules: ['gz117:16(1)'],
  correlationId: 'contract',
};

/** An event for tests of stores. */
export function someEvent(data: unknown = { camera: '玉田坝北门' }, id = newId(), type = 'CameraSeen'): EventToAppend {
  return { id, type, version: 1, data, metadata: METADATA };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Follows until so many events and the head have been seen. */
async function followUntil(store: EventStore, after: bigint, count: number, filter = {}) {
  const stop = new AbortController();
  const events: RecordedEvent[] = [];
  const caughtUp: bigint[] = [];
  for await (const item of store.follow(after, { filter, signal: stop.signal })) {
    if (isCaughtUp(item)) caughtUp.push(item.caughtUp);
    else events.push(item);
    if (events.length >= count && isCaughtUp(item)) stop.abort();
  }
  return { events, caughtUp };
}

export function isCaughtUp(item: RecordedEvent | CaughtUp): item is CaughtUp {
  return 'caughtUp' in item;
}

/** Makes an empty store; `close` lets go of it. */
export type MakeStore = () => Promise<{ store: EventStore; close(): Promise<void> }>;

/** What every adapter of the event store must do. Adapters plug in; nothing here knows which it is. */
export function eventStoreContract(name: string, makeStore: MakeStore): void {
  describe(`event store contract: ${name}`, () => {
    let store: EventStore;
    let close: () => Promise<void>;
    /** A stream that no other test uses. */
    const fresh = (category = 'contract') => `${category}-${newId()}`;
    const one = (stream: string, expected: ExpectedRevision, ...events: EventToAppend[]) =>
      store.append([{ stream, expected, events: events.length > 0 ? events : [someEvent()] }]);

    beforeAll(async () => {
      ({ store, close } = await makeStore());
    });
    afterAll(() => close());

    appending();
    expectations();
    duplicates();
    atomicity();
    limits();
    reading();
    following();
    model();

    function appending() {
      test('an appended event is read as it was given, with its place in stream and store', async () => {
        const stream = fresh();
        const data = { text: '镜 "\\ \u0000 \ud83d\ude00', deep: [{ n: -0.1 }, null, true], empty: {} };
        const event = someEvent(data);
        const before = await store.head();
        const appended = await one(stream, 'no-stream', event);
        expect(appended).toEqual({ position: before + 1n, streams: [{ stream, revision: 0n }], duplicate: false });
        const [read] = await collect(store.readStream(stream));
        expect(read).toMatchObject({ ...event, stream, revision: 0n, position: before + 1n });
        expect(read!.recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(await store.head()).toBe(before + 1n);
      });

      test('revisions of a stream count from 0 without gaps, positions grow', async () => {
        const stream = fresh();
        await one(stream, 'no-stream', someEvent(), someEvent());
        await one(stream, 1n, someEvent());
        const events = await collect(store.readStream(stream));
        expect(events.map(({ revision }) => revision)).toEqual([0n, 1n, 2n]);
        expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => events[0]!.position + BigInt(i)));
      });

      test('concurrent appends each get the place of their own event', async () => {
        const streams = Array.from({ length: 200 }, () => fresh());
        const results = await Promise.all(streams.map((stream) => one(stream, 'no-stream')));
        for (const [i, stream] of streams.entries()) {
          const [event] = await collect(store.readStream(stream));
          expect(event!.position).toBe(results[i]!.position);
        }
        expect(new Set(results.map(({ position }) => position)).size).toBe(200);
      });
    }

    function expectations() {
      const conflict = async (append: Promise<unknown>) => {
        const error = await append.then(
          () => undefined,
          (e: unknown) => e,
        );
        expect(error).toBeInstanceOf(ConflictError);
        return (error as ConflictError).actual;
      };

      test('no-stream on a stream that exists conflicts and says the last revision', async () => {
        const stream = fresh();
        await one(stream, 'no-stream', someEvent(), someEvent());
        expect(await conflict(one(stream, 'no-stream'))).toBe(1n);
      });

      test('stream-exists on an unknown stream conflicts and says that there is none', async () => {
        const stream = fresh();
        expect(await conflict(one(stream, 'stream-exists'))).toBeUndefined();
        expect(await collect(store.readStream(stream))).toEqual([]);
        await one(stream, 'any');
        expect((await one(stream, 'stream-exists')).streams).toEqual([{ stream, revision: 1n }]);
      });

      test.each([0n, 1n, 7n])('revision %s on an unknown stream conflicts and says that there is none', async (n) => {
        expect(await conflict(one(fresh(), n))).toBeUndefined();
      });

      test.each([0n, 2n])('revision %s on a stream at 1 conflicts and says 1', async (revision) => {
        const stream = fresh();
        await one(stream, 'any', someEvent(), someEvent());
        expect(await conflict(one(stream, revision))).toBe(1n);
        expect((await one(stream, 1n)).streams[0]!.revision).toBe(2n);
      });

      test('of concurrent appends with the same revision exactly one wins, the others hear the new one', async () => {
        const stream = fresh();
        await one(stream, 'no-stream');
        const results = await Promise.allSettled(Array.from({ length: 32 }, () => one(stream, 0n)));
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const result of results) {
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ stream, expected: 0n, actual: 1n });
        }
        expect(await collect(store.readStream(stream))).toHaveLength(2);
      });

      test('of concurrent creators of a stream exactly one wins; any and stream-exists all win', async () => {
        const stream = fresh();
        const creators = await Promise.allSettled(Array.from({ length: 16 }, () => one(stream, 'no-stream')));
        expect(creators.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        const rest = await Promise.all(
          Array.from({ length: 16 }, (_, i) => one(stream, i % 2 ? 'any' : 'stream-exists')),
        );
        expect(new Set(rest.map(({ streams }) => streams[0]!.revision)).size).toBe(16);
      });
    }

    function duplicates() {
      test('repeating an append by the same ids gives the first result and appends nothing', async () => {
        const stream = fresh();
        const events = [someEvent(), someEvent()];
        const first = await one(stream, 'no-stream', ...events);
        await one(stream, 1n);
        const head = await store.head();
        for (const expected of ['no-stream', 'any', 'stream-exists', 0n, 1n, 2n, 99n] as const) {
          expect(await one(stream, expected, ...events)).toEqual({ ...first, duplicate: true });
        }
        expect(await store.head()).toBe(head);
      });

      test('concurrent repetitions are one append', async () => {
        const stream = fresh();
        const event = someEvent();
        const results = await Promise.all(Array.from({ length: 20 }, () => one(stream, 'no-stream', event)));
        expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
        expect(new Set(results.map(({ position }) => position)).size).toBe(1);
        expect(await collect(store.readStream(stream))).toHaveLength(1);
      });

      test('an id that stands on another stream is refused', async () => {
        const event = someEvent();
        await one(fresh(), 'any', event);
        const stream = fresh();
        await expect(one(stream, 'any', event)).rejects.toMatchObject({
          name: 'DuplicateIdError',
          stream,
          eventId: event.id,
        });
        expect(await collect(store.readStream(stream))).toEqual([]);
      });

      test('of concurrent appends of one id to different streams exactly one wins', async () => {
        const event = someEvent();
        const results = await Promise.allSettled(Array.from({ length: 8 }, () => one(fresh(), 'any', event)));
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const r of results) if (r.status === 'rejected') expect(r.reason).toBeInstanceOf(DuplicateIdError);
      });

      test('old and new ids in one append are refused, whichever comes first', async () => {
        const stream = fresh();
        const old = someEvent();
        await one(stream, 'any', old);
        await expect(one(stream, 'any', old, someEvent())).rejects.toBeInstanceOf(DuplicateIdError);
        await expect(one(stream, 'any', someEvent(), old)).rejects.toMatchObject({ eventId: old.id });
        expect(await collect(store.readStream(stream))).toHaveLength(1);
      });

      test('an id twice in one append is refused, on one stream and on two', async () => {
        const event = someEvent();
        const [a, b] = [fresh(), fresh()];
        await expect(one(a, 'any', event, event)).rejects.toBeInstanceOf(DuplicateIdError);
        const both = [a, b].map((stream) => ({ stream, expected: 'any' as const, events: [event] }));
        await expect(store.append(both)).rejects.toBeInstanceOf(DuplicateIdError);
        expect(await collect(store.readStream(a))).toEqual([]);
      });

      test('an id whose append conflicted is free', async () => {
        const stream = fresh();
        const event = someEvent();
        await expect(one(stream, 5n, event)).rejects.toBeInstanceOf(ConflictError);
        expect((await one(stream, 'no-stream', event)).duplicate).toBe(false);
      });

      test('repeating an append over several streams gives the first result; in part it is refused', async () => {
        const [a, b] = [fresh(), fresh()];
        const [x, y] = [someEvent(), someEvent()];
        const parts = [
          { stream: a, expected: 'no-stream' as const, events: [x] },
          { stream: b, expected: 'no-stream' as const, events: [y] },
        ];
        const first = await store.append(parts);
        expect(await store.append(parts)).toEqual({ ...first, duplicate: true });
        const swapped = [
          { stream: a, expected: 'any' as const, events: [y] },
          { stream: b, expected: 'any' as const, events: [x] },
        ];
        await expect(store.append(swapped)).rejects.toBeInstanceOf(DuplicateIdError);
        const partly = [parts[0]!, { stream: b, expected: 'any' as const, events: [someEvent()] }];
        await expect(store.append(partly)).rejects.toBeInstanceOf(DuplicateIdError);
      });
    }

    function atomicity() {
      test('an append over several streams stands whole and together', async () => {
        const [a, b] = [fresh(), fresh()];
        await one(a, 'any');
        const head = await store.head();
        const appended = await store.append([
          { stream: b, expected: 'no-stream', events: [someEvent(1), someEvent(2)] },
          { stream: a, expected: 0n, events: [someEvent(3)] },
        ]);
        expect(appended).toEqual({
          position: head + 3n,
          duplicate: false,
          streams: [
            { stream: b, revision: 1n },
            { stream: a, revision: 1n },
          ],
        });
        expect((await collect(store.readAll(head))).map(({ data }) => data)).toEqual([1, 2, 3]);
      });

      test.each([0, 1, 2])('a conflict on stream %s of three leaves all three as they were', async (wrong) => {
        const streams = [fresh(), fresh(), fresh()];
        const head = await store.head();
        const append = streams.map((stream, i) => ({
          stream,
          expected: i === wrong ? ('stream-exists' as const) : ('no-stream' as const),
          events: [someEvent()],
        }));
        await expect(store.append(append)).rejects.toMatchObject({ stream: streams[wrong], actual: undefined });
        expect(await store.head()).toBe(head);
      });

      test('concurrent appends over the same two streams never mix', async () => {
        const [a, b] = [fresh(), fresh()];
        await Promise.all(
          Array.from({ length: 40 }, (_, i) =>
            store.append([
              { stream: i % 2 ? a : b, expected: 'any', events: [someEvent(i)] },
              { stream: i % 2 ? b : a, expected: 'any', events: [someEvent(i)] },
            ]),
          ),
        );
        const [ofA, ofB] = await Promise.all([collect(store.readStream(a)), collect(store.readStream(b))]);
        expect(ofA.map(({ data }) => data)).toEqual(ofB.map(({ data }) => data));
        for (const [i, event] of ofA.entries()) {
          const distance = event.position - ofB[i]!.position;
          expect(distance === 1n || distance === -1n).toBe(true);
        }
      });
    }

    function limits() {
      test('an event of 64 KiB is taken, one byte more is refused', async () => {
        const frame = JSON.stringify('').length + JSON.stringify(METADATA).length;
        const largest = 'x'.repeat(EVENT_BYTES_MAX - frame);
        await one(fresh(), 'any', someEvent(largest));
        await expect(one(fresh(), 'any', someEvent(`${largest}x`))).rejects.toBeInstanceOf(LimitError);
        const chinese = '镜'.repeat(Math.ceil((EVENT_BYTES_MAX - frame) / 3) + 1); // bytes count, not letters
        await expect(one(fresh(), 'any', someEvent(chinese))).rejects.toBeInstanceOf(LimitError);
      });

      test('a batch of 500 events is taken, 501 are refused, and so is none', async () => {
        const events = Array.from({ length: BATCH_EVENTS_MAX }, () => someEvent());
        expect((await one(fresh(), 'any', ...events)).streams[0]!.revision).toBe(499n);
        const more = Array.from({ length: BATCH_EVENTS_MAX + 1 }, () => someEvent());
        await expect(one(fresh(), 'any', ...more)).rejects.toBeInstanceOf(LimitError);
        await expect(store.append([])).rejects.toBeInstanceOf(LimitError);
        await expect(store.append([{ stream: fresh(), expected: 'any', events: [] }])).rejects.toBeInstanceOf(
          LimitError,
        );
      });

      test('500 events of 64 KiB in one append are taken', async () => {
        const frame = JSON.stringify('').length + JSON.stringify(METADATA).length;
        const data = 'x'.repeat(EVENT_BYTES_MAX - frame);
        const events = Array.from({ length: BATCH_EVENTS_MAX }, () => someEvent(data));
        const head = await store.head();
        expect((await one(fresh(), 'no-stream', ...events)).position).toBe(head + 500n);
        let read = 0;
        for await (const event of store.readAll(head)) read += event.data === data ? 1 : 0;
        expect(read).toBe(500);
      });

      test('bugs of a caller are thrown before anything is appended', async () => {
        const stream = fresh();
        const head = await store.head();
        const event = someEvent();
        const same = { stream, expected: 'any' as const, events: [event] };
        await expect(store.append([same, { ...same, events: [someEvent()] }])).rejects.toThrow(TypeError);
        await expect(one(stream, -1n)).rejects.toThrow(TypeError);
        await expect(one('', 'any')).rejects.toThrow(TypeError);
        await expect(one('a\u0000b', 'any')).rejects.toThrow(TypeError);
        await expect(one('a\ud800', 'any')).rejects.toThrow(TypeError);
        await expect(one('a'.repeat(256), 'any')).rejects.toThrow(TypeError);
        await expect(one(stream, 'any', { ...event, id: event.id.toUpperCase() })).rejects.toThrow(TypeError);
        await expect(one(stream, 'any', { ...event, data: undefined })).rejects.toThrow(TypeError);
        await expect(one(stream, 'any', { ...event, version: 0 })).rejects.toThrow(TypeError);
        expect(await store.head()).toBe(head);
      });
    }

    function reading() {
      test('a stream is read forwards and backwards, from a revision, up to a limit', async () => {
        const stream = fresh();
        await one(stream, 'any', ...Array.from({ length: 5 }, (_, i) => someEvent(i)));
        const read = async (options: object) => (await collect(store.readStream(stream, options))).map((e) => e.data);
        expect(await read({})).toEqual([0, 1, 2, 3, 4]);
        expect(await read({ from: 3n })).toEqual([3, 4]);
        expect(await read({ limit: 2 })).toEqual([0, 1]);
        expect(await read({ direction: 'backwards' })).toEqual([4, 3, 2, 1, 0]);
        expect(await read({ direction: 'backwards', limit: 1 })).toEqual([4]);
        expect(await read({ direction: 'backwards', from: 2n })).toEqual([2, 1, 0]);
        expect(await read({ from: 9n })).toEqual([]);
        expect(await read({ limit: 0 })).toEqual([]);
        expect(await collect(store.readStream(fresh()))).toEqual([]);
      });

      test('a long stream is read whole in both directions', async () => {
        const stream = fresh();
        for (let i = 0; i < 5; i += 1) {
          await one(stream, 'any', ...Array.from({ length: 500 }, (_, j) => someEvent(i * 500 + j)));
        }
        const all = Array.from({ length: 2500 }, (_, i) => i);
        expect((await collect(store.readStream(stream))).map(({ data }) => data)).toEqual(all);
        const backwards = await collect(store.readStream(stream, { direction: 'backwards', limit: 2400 }));
        expect(backwards.map(({ data }) => data)).toEqual(all.toReversed().slice(0, 2400));
      });

      test('the whole store is read in one order, by category, by type, and by both', async () => {
        const [cameras, grants] = [fresh('filterCamera'), fresh('filterGrant')];
        const head = await store.head();
        await one(cameras, 'any', someEvent(1, newId(), 'A'), someEvent(2, newId(), 'B'));
        await one(grants, 'any', someEvent(3, newId(), 'A'), someEvent(4, newId(), 'C'));
        const read = async (filter: object) => (await collect(store.readAll(head, filter))).map(({ data }) => data);
        expect(await read({})).toEqual([1, 2, 3, 4]);
        expect(await read({ categories: ['filterCamera'] })).toEqual([1, 2]);
        expect(await read({ types: ['A', 'C'] })).toEqual([1, 3, 4]);
        expect(await read({ types: ['A'], categories: ['filterGrant', 'none'] })).toEqual([3]);
        expect(await read({ types: [] })).toEqual([]);
        expect((await collect(store.readAll(head + 2n))).map(({ data }) => data)).toEqual([3, 4]);
      });

      test('what a reader does to an event changes no record', async () => {
        const stream = fresh();
        await one(stream, 'any', someEvent({ n: 1 }));
        const [event] = await collect(store.readStream(stream));
        (event!.data as { n: number }).n = 2;
        expect((await collect(store.readStream(stream)))[0]!.data).toEqual({ n: 1 });
      });
    }

    function following() {
      test('a follower gets what is there, says caught-up, and gets what comes, once and in order', async () => {
        const stream = fresh();
        const head = await store.head();
        await one(stream, 'any', someEvent(0), someEvent(1));
        const following = followUntil(store, head, 50);
        for (let i = 2; i < 50; i += 1) await one(stream, 'any', someEvent(i));
        const { events, caughtUp } = await following;
        expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_, i) => i));
        expect(caughtUp.at(-1)).toBe(head + 50n);
        expect(caughtUp).toEqual([...new Set(caughtUp)].toSorted((a, b) => (a < b ? -1 : 1)));
      });

      test('a follower with a filter hears of positions that its filter passes over', async () => {
        const head = await store.head();
        await one(fresh('passedOver'), 'any');
        const { events, caughtUp } = await followUntil(store, head, 0, { categories: ['nothing'] });
        expect(events).toEqual([]);
        expect(caughtUp).toEqual([head + 1n]);
      });

      test('a follower ends when its signal aborts, waiting or not', async () => {
        const stop = new AbortController();
        const head = await store.head();
        const seen: unknown[] = [];
        for await (const item of store.follow(head, { signal: stop.signal })) {
          seen.push(item);
          setTimeout(() => stop.abort(), 10);
        }
        expect(seen).toEqual([{ caughtUp: head }]);
        expect(await collect(store.follow(head, { signal: AbortSignal.abort() }))).toEqual([]);
      });

      test('many followers beside many writers all see the same order', async () => {
        const head = await store.head();
        const followers = Array.from({ length: 5 }, () => followUntil(store, head, 300));
        await Promise.all(Array.from({ length: 300 }, (_, i) => one(fresh(), 'any', someEvent(i))));
        const orders = (await Promise.all(followers)).map(({ events }) => events.map(({ data }) => data));
        expect(orders[0]!.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 300 }, (_, i) => i));
        for (const order of orders) expect(order).toEqual(orders[0]);
      });
    }

    /** Any sequence of calls gives what a map of arrays would give. */
    function model() {
      const expected = fc.oneof(
        fc.constantFrom<ExpectedRevision>('any', 'no-stream', 'stream-exists'),
        fc.bigInt({ min: 0n, max: 4n }),
      );
      const part = fc.record({
        stream: fc.integer({ min: 0, max: 2 }),
        expected,
        ids: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 3 }),
      });
      const call = fc.uniqueArray(part, { minLength: 1, maxLength: 3, selector: ({ stream }) => stream });

      test('a store answers like a plain model of it', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 12 }), async (calls) => {
            const streams = [fresh(), fresh(), fresh()];
            const ids = Array.from({ length: 13 }, () => newId());
            const log: { stream: string; id: string }[] = [];
            const base = await store.head();
            for (const parts of calls) {
              const appends = parts.map(({ stream, expected, ids: own }) => ({
                stream: streams[stream]!,
                expected,
                events: own.map((id) => someEvent(id, ids[id]!)),
              }));
              const wanted = modelAppend(log, appends, base);
              const got = await store.append(appends).catch((error: Error) => error.name);
              expect(got).toEqual(wanted);
            }
            const read = await collect(store.readAll(base));
            expect(read.map(({ stream, id }) => ({ stream, id }))).toEqual(log);
          }),
          { numRuns: 40 },
        );
      });
    }
  });
}

type ModelAppend = { stream: string; expected: ExpectedRevision; events: readonly { id: string }[] };

function modelAppend(log: { stream: string; id: string }[], appends: readonly ModelAppend[], base: bigint) {
  const asked = appends.flatMap(({ stream, events }) => events.map(({ id }) => ({ stream, id })));
  if (new Set(asked.map(({ id }) => id)).size < asked.length) return 'DuplicateIdError';
  const standing = asked.map(({ id }) => log.findIndex((line) => line.id === id));
  const revisionOf = (stream: string, upTo = log.length) =>
    BigInt(log.slice(0, upTo).filter((line) => line.stream === stream).length) - 1n;
  const result = (duplicate: boolean, places: number[]) => ({
    position: base + BigInt(Math.max(...places) + 1),
    streams: appends.map(({ stream }) => {
      const last = Math.max(...places.filter((place) => log[place]!.stream === stream));
      return { stream, revision: revisionOf(stream, last + 1) };
    }),
    duplicate,
  });
  if (standing.some((place) => place >= 0)) {
    const all = standing.every((place, i) => place >= 0 && log[place]!.stream === asked[i]!.stream);
    return all ? result(true, standing) : 'DuplicateIdError';
  }
  for (const { stream, expected } of appends) {
    const actual = revisionOf(stream);
    const holds =
      expected === 'any' ||
      (expected === 'no-stream' ? actual < 0n : expected === 'stream-exists' ? actual >= 0n : expected === actual);
    if (!holds) return 'ConflictError';
  }
  const from = log.length;
  log.push(...asked);
  return result(
    false,
    asked.map((_, i) => from + i),
  );
}
