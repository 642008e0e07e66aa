import { newId } from '#libs/kernel';
import { collect, isCaughtUp, type Kit, someEvent } from './event-store-kit.contract.js';
import type { EventStore, RecordedEvent } from './port.js';
import { Waiters } from './waiters.js';

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

export function reading({ fresh, one, opened }: Kit): void {
  test('a stream is read forwards and backwards, from a revision, up to a limit', async () => {
    const stream = fresh();
    await one(stream, 'any', ...Array.from({ length: 5 }, (_, i) => someEvent(i)));
    const read = async (options: object) =>
      (await collect(opened.store.readStream(stream, options))).map((e) => e.data);
    expect(await read({})).toEqual([0, 1, 2, 3, 4]);
    expect(await read({ from: 3n })).toEqual([3, 4]);
    expect(await read({ limit: 2 })).toEqual([0, 1]);
    expect(await read({ direction: 'backwards' })).toEqual([4, 3, 2, 1, 0]);
    expect(await read({ direction: 'backwards', limit: 1 })).toEqual([4]);
    expect(await read({ direction: 'backwards', from: 2n })).toEqual([2, 1, 0]);
    expect(await read({ from: 9n })).toEqual([]);
    expect(await read({ limit: 0 })).toEqual([]);
    expect(await collect(opened.store.readStream(fresh()))).toEqual([]);
  });

  test('a long stream is read whole in both directions', async () => {
    const stream = fresh();
    for (let i = 0; i < 5; i += 1) {
      await one(stream, 'any', ...Array.from({ length: 500 }, (_, j) => someEvent(i * 500 + j)));
    }
    const all = Array.from({ length: 2500 }, (_, i) => i);
    expect((await collect(opened.store.readStream(stream))).map(({ data }) => data)).toEqual(all);
    const backwards = await collect(opened.store.readStream(stream, { direction: 'backwards', limit: 2400 }));
    expect(backwards.map(({ data }) => data)).toEqual(all.toReversed().slice(0, 2400));
  });

  test('the whole store is read in one order, by category, by type, and by both', async () => {
    const [cameras, grants] = [fresh('filterCamera'), fresh('filterGrant')];
    const head = await opened.store.head();
    await one(cameras, 'any', someEvent(1, newId(), 'A'), someEvent(2, newId(), 'B'));
    await one(grants, 'any', someEvent(3, newId(), 'A'), someEvent(4, newId(), 'C'));
    const read = async (filter: object) => (await collect(opened.store.readAll(head, filter))).map(({ data }) => data);
    expect(await read({})).toEqual([1, 2, 3, 4]);
    expect(await read({ categories: ['filterCamera'] })).toEqual([1, 2]);
    expect(await read({ types: ['A', 'C'] })).toEqual([1, 3, 4]);
    expect(await read({ types: ['A'], categories: ['filterGrant', 'none'] })).toEqual([3]);
    expect(await read({ types: [] })).toEqual([]);
    const [, second] = await collect(opened.store.readAll(head));
    expect((await collect(opened.store.readAll(second!.position))).map(({ data }) => data)).toEqual([3, 4]);
  });

  test('what a reader does to an event changes no record', async () => {
    const stream = fresh();
    await one(stream, 'any', someEvent({ n: 1 }));
    const [event] = await collect(opened.store.readStream(stream));
    (event!.data as { n: number }).n = 2;
    expect((await collect(opened.store.readStream(stream)))[0]!.data).toEqual({ n: 1 });
  });
}

export function following({ fresh, one, opened }: Kit): void {
  test('a follower gets what is there, says caught-up, and gets what comes, once and in order', async () => {
    const stream = fresh();
    const head = await opened.store.head();
    await one(stream, 'any', someEvent(0), someEvent(1));
    const following = followUntil(opened.store, head, 50);
    for (let i = 2; i < 50; i += 1) await one(stream, 'any', someEvent(i));
    const { events, caughtUp } = await following;
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(caughtUp.at(-1)).toBe(await opened.store.head());
    expect(caughtUp).toEqual([...new Set(caughtUp)].toSorted((a, b) => (a < b ? -1 : 1)));
  });

  test('a follower with a filter hears of positions that its filter passes over', async () => {
    const head = await opened.store.head();
    const { position } = await one(fresh('passedOver'), 'any');
    const { events, caughtUp } = await followUntil(opened.store, head, 0, { categories: ['nothing'] });
    expect(events).toEqual([]);
    expect(caughtUp).toEqual([position]);
  });

  test('behind every event, taken or passed over, alone or among others, a follower says that it has caught up', async () => {
    const stop = new AbortController();
    const taken: unknown[] = [];
    let said = 0n;
    const heard = new Waiters();
    const head = await opened.store.head();
    const running = (async () => {
      const options = { filter: { categories: ['taken'] }, signal: stop.signal };
      for await (const item of opened.store.follow(head, options)) {
        if (isCaughtUp(item)) said = item.caughtUp;
        else taken.push(item.data);
        heard.wake();
      }
    })();
    for (let i = 0; i < 30; i += 1) {
      const [own, other] = [fresh('taken'), fresh('passedOver')];
      const parts = i % 3 === 0 ? [own, other] : i % 3 === 1 ? [other, own] : [other];
      const append = parts.map((stream) => ({ stream, expected: 'no-stream' as const, events: [someEvent(i)] }));
      const { position } = await opened.store.append(append);
      while (said < position) await heard.wait(undefined, 10_000);
    }
    stop.abort();
    await running;
    expect(taken).toEqual(Array.from({ length: 30 }, (_, i) => i).filter((i) => i % 3 < 2));
  });

  test('a follower ends when its signal aborts, waiting or not', async () => {
    const stop = new AbortController();
    const head = await opened.store.head();
    const seen: unknown[] = [];
    for await (const item of opened.store.follow(head, { signal: stop.signal })) {
      seen.push(item);
      setTimeout(() => stop.abort(), 10);
    }
    expect(seen).toEqual([{ caughtUp: head }]);
    expect(await collect(opened.store.follow(head, { signal: AbortSignal.abort() }))).toEqual([]);
  });

  test('many followers beside many writers all see the same order', async () => {
    const head = await opened.store.head();
    const followers = Array.from({ length: 5 }, () => followUntil(opened.store, head, 300));
    await Promise.all(Array.from({ length: 300 }, (_, i) => one(fresh(), 'any', someEvent(i))));
    const orders = (await Promise.all(followers)).map(({ events }) => events.map(({ data }) => data));
    expect(orders[0]!.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    for (const order of orders) expect(order).toEqual(orders[0]);
  });
}
