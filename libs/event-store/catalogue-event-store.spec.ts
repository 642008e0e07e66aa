import { z } from 'zod';
import { defineEvents, EventCatalogue, newId } from '#libs/kernel';
import { withCatalogue } from './catalogue-event-store.js';
import { collect, someEvent } from './event-store-kit.contract.js';
import { MemoryEventStore } from './memory.js';

const declaration = {
  version: 2,
  data: z.strictObject({ name: z.string() }),
  meaning: ['a camera was seen', '发现摄像机'] as const,
  since: '0.1.0',
  rules: [],
  upcast: { 1: ({ title }: { title: string }) => ({ name: title }) },
};
const catalogue = new EventCatalogue([defineEvents('registry', 'camera', { CameraSeen: declaration })]);

describe('store with a catalogue', () => {
  const memory = new MemoryEventStore();
  const store = withCatalogue(memory, catalogue);
  const current = (data: unknown) => ({ ...someEvent(data), version: 2 });
  const append = (stream: string, event: object) =>
    store.append([{ stream, expected: 'any', events: [{ ...current({ name: 'x' }), ...event }] }]);

  test.each([
    ['an undeclared type', 'camera-1', { type: 'Unheard' }],
    ['data that does not fit', 'camera-1', { data: { name: 1 } }],
    ['a member that nobody declared', 'camera-1', { data: { name: 'x', phone: '139' } }],
    ['an old version', 'camera-1', { version: 1 }],
    ['a stream of another category', 'grant-1', {}],
  ])('%s is a bug, and nothing is appended', async (_, stream, event) => {
    await expect(append(stream, event)).rejects.toThrow();
    expect(await memory.head()).toBe(0n);
  });

  test('older versions are read in the shape of today, by stream, by all and by following', async () => {
    const old = { ...someEvent({ title: '玉田坝' }), id: newId() };
    await memory.append([{ stream: 'camera-1', expected: 'any', events: [old] }]);
    await append('camera-1', {});
    const stop = new AbortController();
    const followed: unknown[] = [];
    for await (const item of store.follow(0n, { signal: stop.signal })) {
      if ('caughtUp' in item) stop.abort();
      else followed.push(item.data);
    }
    const wanted = [{ name: '玉田坝' }, { name: 'x' }];
    expect(followed).toEqual(wanted);
    expect((await collect(store.readAll(0n))).map(({ data }) => data)).toEqual(wanted);
    const events = await collect(store.readStream('camera-1'));
    expect(events.map(({ data, version }) => ({ data, version }))).toEqual(
      wanted.map((data) => ({ data, version: 2 })),
    );
  });
});
