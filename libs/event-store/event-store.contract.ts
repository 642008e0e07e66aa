import { newId } from '#libs/kernel';
import { duplicates, model } from './event-store-answers.contract.js';
import { collect, type Kit, METADATA, someEvent } from './event-store-kit.contract.js';
import { following, reading } from './event-store-reading.contract.js';
import { BATCH_EVENTS_MAX, ConflictError, EVENT_BYTES_MAX, type EventStore, LimitError } from './port.js';

/** Makes an empty store; `close` lets go of it. */
export type MakeStore = () => Promise<{ store: EventStore; close(): Promise<void> }>;

/** What every adapter of the event store must do. Adapters plug in; nothing here knows which it is. */
export function eventStoreContract(name: string, makeStore: MakeStore, { gapFree = true } = {}): void {
  describe(`event store contract: ${name}`, () => {
    const opened = {} as Kit['opened'];
    let close: () => Promise<void>;
    const kit: Kit = {
      opened,
      gapFree,
      fresh: (category = 'contract') => `${category}-${newId()}`,
      one: (stream, expected, ...events) =>
        opened.store.append([{ stream, expected, events: events.length > 0 ? events : [someEvent()] }]),
    };

    beforeAll(async () => {
      const made = await makeStore();
      opened.store = made.store;
      close = made.close;
    });
    afterAll(() => close());

    appending(kit);
    expectations(kit);
    duplicates(kit);
    atomicity(kit);
    limits(kit);
    reading(kit);
    following(kit);
    model(kit);
  });
}

function appending({ fresh, gapFree, one, opened }: Kit): void {
  test('an appended event is read as it was given, with its place in stream and store', async () => {
    const stream = fresh();
    const data = { text: '镜 "\\ \u0000 \ud83d\ude00', deep: [{ n: -0.1 }, null, true], empty: {} };
    const event = someEvent(data);
    const before = await opened.store.head();
    const appended = await one(stream, 'no-stream', event);
    expect(appended.position).toBeGreaterThan(before);
    if (gapFree) expect(appended.position).toBe(before + 1n);
    const { position } = appended;
    expect(appended).toEqual({ position, streams: [{ stream, revision: 0n }], duplicate: false });
    const [read] = await collect(opened.store.readStream(stream));
    expect(read).toMatchObject({ ...event, stream, revision: 0n, position });
    expect(await opened.store.eventAt(position)).toEqual(read);
    expect(read!.recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await opened.store.head()).toBe(position);
  });

  test('revisions of a stream count from 0 without gaps, positions grow', async () => {
    const stream = fresh();
    await one(stream, 'no-stream', someEvent(), someEvent());
    await one(stream, 1n, someEvent());
    const events = await collect(opened.store.readStream(stream));
    expect(events.map(({ revision }) => revision)).toEqual([0n, 1n, 2n]);
    const positions = events.map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(positions).size).toBe(3);
    if (gapFree) expect(positions).toEqual(positions.map((_, i) => positions[0]! + BigInt(i)));
  });

  test('concurrent appends each get the place of their own event', async () => {
    const streams = Array.from({ length: 200 }, () => fresh());
    const results = await Promise.all(streams.map((stream) => one(stream, 'no-stream')));
    for (const [i, stream] of streams.entries()) {
      const [event] = await collect(opened.store.readStream(stream));
      expect(event!.position).toBe(results[i]!.position);
    }
    expect(new Set(results.map(({ position }) => position)).size).toBe(200);
  });
}

function expectations({ fresh, one, opened }: Kit): void {
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
    expect(await collect(opened.store.readStream(stream))).toEqual([]);
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
    expect(await collect(opened.store.readStream(stream))).toHaveLength(2);
  });

  test('of concurrent creators of a stream exactly one wins; any and stream-exists all win', async () => {
    const stream = fresh();
    const creators = await Promise.allSettled(Array.from({ length: 16 }, () => one(stream, 'no-stream')));
    expect(creators.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const rest = await Promise.all(Array.from({ length: 16 }, (_, i) => one(stream, i % 2 ? 'any' : 'stream-exists')));
    expect(new Set(rest.map(({ streams }) => streams[0]!.revision)).size).toBe(16);
  });
}

function atomicity({ fresh, gapFree, one, opened }: Kit): void {
  test('an append over several streams stands whole and together', async () => {
    const [a, b] = [fresh(), fresh()];
    await one(a, 'any');
    const head = await opened.store.head();
    const appended = await opened.store.append([
      { stream: b, expected: 'no-stream', events: [someEvent(1), someEvent(2)] },
      { stream: a, expected: 0n, events: [someEvent(3)] },
    ]);
    if (gapFree) expect(appended.position).toBe(head + 3n);
    expect(appended).toEqual({
      position: await opened.store.head(),
      duplicate: false,
      streams: [
        { stream: b, revision: 1n },
        { stream: a, revision: 1n },
      ],
    });
    expect((await collect(opened.store.readAll(head))).map(({ data }) => data)).toEqual([1, 2, 3]);
  });

  test.each([0, 1, 2])('a conflict on stream %s of three leaves all three as they were', async (wrong) => {
    const streams = [fresh(), fresh(), fresh()];
    const head = await opened.store.head();
    const append = streams.map((stream, i) => ({
      stream,
      expected: i === wrong ? ('stream-exists' as const) : ('no-stream' as const),
      events: [someEvent()],
    }));
    await expect(opened.store.append(append)).rejects.toMatchObject({ stream: streams[wrong], actual: undefined });
    expect(await opened.store.head()).toBe(head);
  });

  test('concurrent appends over the same two streams never mix', async () => {
    const [a, b] = [fresh(), fresh()];
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        opened.store.append([
          { stream: i % 2 ? a : b, expected: 'any', events: [someEvent(i)] },
          { stream: i % 2 ? b : a, expected: 'any', events: [someEvent(i)] },
        ]),
      ),
    );
    const [ofA, ofB] = await Promise.all([collect(opened.store.readStream(a)), collect(opened.store.readStream(b))]);
    expect(ofA.map(({ data }) => data)).toEqual(ofB.map(({ data }) => data));
    for (const [i, event] of ofA.entries()) {
      const [first, second] = [event.position, ofB[i]!.position].toSorted((p, q) => (p < q ? -1 : 1));
      const between = await collect(opened.store.readAll(first!));
      expect(between[0]!.position).toBe(second);
    }
  });
}

function limits({ fresh, gapFree, one, opened }: Kit): void {
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
    await expect(opened.store.append([])).rejects.toBeInstanceOf(LimitError);
    await expect(opened.store.append([{ stream: fresh(), expected: 'any', events: [] }])).rejects.toBeInstanceOf(
      LimitError,
    );
  });

  test('500 events of 64 KiB in one append are taken', async () => {
    const frame = JSON.stringify('').length + JSON.stringify(METADATA).length;
    const data = 'x'.repeat(EVENT_BYTES_MAX - frame);
    const events = Array.from({ length: BATCH_EVENTS_MAX }, () => someEvent(data));
    const head = await opened.store.head();
    const { position } = await one(fresh(), 'no-stream', ...events);
    if (gapFree) expect(position).toBe(head + 500n);
    expect(position).toBe(await opened.store.head());
    let read = 0;
    for await (const event of opened.store.readAll(head)) read += event.data === data ? 1 : 0;
    expect(read).toBe(500);
  });

  test('bugs of a caller are thrown before anything is appended', async () => {
    const stream = fresh();
    const head = await opened.store.head();
    const event = someEvent();
    const same = { stream, expected: 'any' as const, events: [event] };
    await expect(opened.store.append([same, { ...same, events: [someEvent()] }])).rejects.toThrow(TypeError);
    await expect(one(stream, -1n)).rejects.toThrow(TypeError);
    await expect(one('', 'any')).rejects.toThrow(TypeError);
    await expect(one('a\u0000b', 'any')).rejects.toThrow(TypeError);
    await expect(one('a\ud800', 'any')).rejects.toThrow(TypeError);
    await expect(one('a'.repeat(256), 'any')).rejects.toThrow(TypeError);
    await expect(one(stream, 'any', { ...event, id: event.id.toUpperCase() })).rejects.toThrow(TypeError);
    await expect(one(stream, 'any', { ...event, data: undefined })).rejects.toThrow(TypeError);
    await expect(one(stream, 'any', { ...event, version: 0 })).rejects.toThrow(TypeError);
    expect(await opened.store.head()).toBe(head);
  });
}
