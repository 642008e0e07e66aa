import fc from 'fast-check';
import { newId } from '#libs/kernel';
import { collect, type Kit, someEvent } from './event-store-kit.contract.js';
import { ConflictError, DuplicateIdError, type ExpectedRevision } from './port.js';

export function duplicates({ fresh, one, opened }: Kit): void {
  test('repeating an append by the same ids gives the first result and appends nothing', async () => {
    const stream = fresh();
    const events = [someEvent(), someEvent()];
    const first = await one(stream, 'no-stream', ...events);
    await one(stream, 1n);
    const head = await opened.store.head();
    for (const expected of ['no-stream', 'any', 'stream-exists', 0n, 1n, 2n, 99n] as const) {
      expect(await one(stream, expected, ...events)).toEqual({ ...first, duplicate: true });
    }
    expect(await opened.store.head()).toBe(head);
  });

  test('concurrent repetitions are one append', async () => {
    const stream = fresh();
    const event = someEvent();
    const results = await Promise.all(Array.from({ length: 20 }, () => one(stream, 'no-stream', event)));
    expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(results.map(({ position }) => position)).size).toBe(1);
    expect(await collect(opened.store.readStream(stream))).toHaveLength(1);
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
    expect(await collect(opened.store.readStream(stream))).toEqual([]);
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
    expect(await collect(opened.store.readStream(stream))).toHaveLength(1);
  });

  test('an id twice in one append is refused, on one stream and on two', async () => {
    const event = someEvent();
    const [a, b] = [fresh(), fresh()];
    await expect(one(a, 'any', event, event)).rejects.toBeInstanceOf(DuplicateIdError);
    const both = [a, b].map((stream) => ({ stream, expected: 'any' as const, events: [event] }));
    await expect(opened.store.append(both)).rejects.toBeInstanceOf(DuplicateIdError);
    expect(await collect(opened.store.readStream(a))).toEqual([]);
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
    const first = await opened.store.append(parts);
    expect(await opened.store.append(parts)).toEqual({ ...first, duplicate: true });
    const swapped = [
      { stream: a, expected: 'any' as const, events: [y] },
      { stream: b, expected: 'any' as const, events: [x] },
    ];
    await expect(opened.store.append(swapped)).rejects.toBeInstanceOf(DuplicateIdError);
    const partly = [parts[0]!, { stream: b, expected: 'any' as const, events: [someEvent()] }];
    await expect(opened.store.append(partly)).rejects.toBeInstanceOf(DuplicateIdError);
  });
}

/** Any sequence of calls gives what a map of arrays would give. */
export function model({ fresh, gapFree, opened }: Kit): void {
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
        const base = await opened.store.head();
        for (const parts of calls) {
          const appends = parts.map(({ stream, expected, ids: own }) => ({
            stream: streams[stream]!,
            expected,
            events: own.map((id) => someEvent(id, ids[id]!)),
          }));
          const wanted = modelAppend(log, appends);
          const got = await opened.store.append(appends).catch((error: Error) => error.name);
          if (typeof wanted === 'string' || typeof got === 'string') {
            expect(got).toEqual(wanted);
            continue;
          }
          const { place, ...rest } = wanted;
          const placed = await collect(opened.store.readAll(base));
          expect(got).toEqual({ ...rest, position: placed[place]!.position });
          if (gapFree) expect(got.position).toBe(base + BigInt(place + 1));
        }
        const read = await collect(opened.store.readAll(base));
        expect(read.map(({ stream, id }) => ({ stream, id }))).toEqual(log);
      }),
      { numRuns: 40 },
    );
  });
}

type ModelAppend = { stream: string; expected: ExpectedRevision; events: readonly { id: string }[] };

function modelAppend(log: { stream: string; id: string }[], appends: readonly ModelAppend[]) {
  const asked = appends.flatMap(({ stream, events }) => events.map(({ id }) => ({ stream, id })));
  if (new Set(asked.map(({ id }) => id)).size < asked.length) return 'DuplicateIdError';
  const standing = asked.map(({ id }) => log.findIndex((line) => line.id === id));
  const revisionOf = (stream: string, upTo = log.length) =>
    BigInt(log.slice(0, upTo).filter((line) => line.stream === stream).length) - 1n;
  const result = (duplicate: boolean, places: number[]) => ({
    place: Math.max(...places),
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
