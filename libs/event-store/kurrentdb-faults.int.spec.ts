import { type AllStreamSubscription, jsonEvent, KurrentDBClient } from '@kurrent/kurrentdb-client';
import { Log } from '../../test/services/kurrentdb/log.js';
import type { Cluster, StandInOptions } from '../../test/services/kurrentdb/options.js';
import { type KurrentStandIn, startKurrentStandIn } from '../../test/services/kurrentdb/stand-in.js';
import { collect, isCaughtUp, someEvent } from './event-store-kit.contract.js';
import { KurrentEventStore } from './kurrentdb/kurrent-event-store.js';
import {
  type EventFilter,
  type EventStore,
  type EventToAppend,
  OutcomeUnknownError,
  UnreachableError,
} from './port.js';

describe('KurrentDB in bad weather (stand-in)', () => {
  const started: { stop(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const each of started.splice(0).reverse()) await each.stop();
  });

  const start = async (options: StandInOptions = {}): Promise<KurrentStandIn> => {
    const standIn = await startKurrentStandIn(options);
    started.push(standIn);
    return standIn;
  };
  const open = async (url: string): Promise<KurrentEventStore> => {
    const store = await KurrentEventStore.open({ url });
    started.push({ stop: () => store.close() });
    return store;
  };
  const clientOf = (url: string): KurrentDBClient => {
    const client = KurrentDBClient.connectionString(url);
    started.push({ stop: () => client.dispose() });
    return client;
  };
  /** Two nodes with one log; the first leads. */
  const startCluster = async () => {
    const cluster: Cluster = { log: new Log(), ports: [], leader: undefined };
    const nodes = [await start({ cluster }), await start({ cluster })] as const;
    const url = `kurrentdb://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}?tls=false`;
    return { cluster, nodes, url };
  };

  describe('appends', () => {
    test.each(['cutDuringAppend', 'cutBeforeAppend'] as const)(
      'one that never arrived whole (%s) is unknown and left nothing; repeated with its ids it stands once',
      async (fault) => {
        const standIn = await start();
        const store = await open(standIn.url);
        const parts = [one('camera-1'), one('grant-1')].flat();
        standIn.faults[fault] = 1;
        await expect(store.append(parts)).rejects.toBeInstanceOf(OutcomeUnknownError);
        expect(standIn.log.lines.filter(({ type }) => !type.startsWith('$'))).toEqual([]);
        expect((await insist(() => store.append(parts))).duplicate).toBe(false);
        expect(standIn.log.stream('camera-1')).toHaveLength(1);
        expect(standIn.log.stream('grant-1')).toHaveLength(1);
      },
    );

    test('one that was written and not answered is unknown; repeated with its ids it gives the first result', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      const events = [someEvent(1), someEvent(2)];
      standIn.faults.cutAfterAppend = 1;
      const parts = [{ stream: 'camera-1', expected: 'no-stream' as const, events }];
      await expect(store.append(parts)).rejects.toBeInstanceOf(OutcomeUnknownError);
      const repeated = await insist(() => store.append(parts));
      const [, last] = await collect(store.readStream('camera-1'));
      expect(repeated).toEqual({
        position: last!.position,
        streams: [{ stream: 'camera-1', revision: 1n }],
        duplicate: true,
      });
      expect(standIn.log.stream('camera-1')).toHaveLength(2);
    });

    test('no answer before the deadline is an unknown outcome, too', async () => {
      const standIn = await start();
      const store = await open(`${standIn.url}&defaultDeadline=300`);
      const parts = one('camera-1');
      standIn.faults.silentAfterAppend = 1;
      await expect(store.append(parts)).rejects.toBeInstanceOf(OutcomeUnknownError);
      expect((await insist(() => store.append(parts))).duplicate).toBe(true);
      expect(standIn.log.stream('camera-1')).toHaveLength(1);
    });

    test('control: without the marker of its id an append at any revision is written twice', async () => {
      const standIn = await start();
      const client = clientOf(standIn.url);
      const append = async (expectedState: bigint | 'no_stream') =>
        client.multiStreamAppend([
          { streamName: 'camera-1', expectedState, events: [jsonEvent({ id: ID, type: 'Seen', data: {} })] },
        ]);
      standIn.faults.cutAfterAppend = 1;
      await append('no_stream').catch(() => undefined);
      const tail = standIn.log.stream('camera-1').at(-1)!.revision; // "any", made explicit by the last revision
      await insist(() => append(tail));
      expect(standIn.log.stream('camera-1').map(({ id }) => id)).toEqual([ID, ID]);
    });
  });

  describe('followers', () => {
    const CUTS = [3, 1, 7, 20, 2, 11, 1, 1, 30];

    test.each([
      [{}, 'everything'],
      [{ categories: ['camera'] }, 'a category'],
      [{ types: ['Seen'] }, 'a type'],
      [{ categories: ['camera'], types: ['Seen'] }, 'both'],
    ] as [EventFilter, string][])(
      'a follower of %j (%s) loses and repeats nothing, cut in mid-read and live',
      async (filter) => {
        const standIn = await start();
        const store = await open(standIn.url);
        const early = await appendMany(store, 60);
        standIn.faults.cutAfterEvents.push(...CUTS);
        const following = follow(store, filter, [early, 120]);
        const late = await appendMany(store, 120, early.length);
        const wanted = [...early, ...late].filter(({ stream, event }) => wants(filter, stream, event));
        expect(await following).toEqual(wanted.map(({ event }) => event.id));
        expect(standIn.cuts).toBeGreaterThan(2);
      },
    );

    test('control: a follower that begins anew at the end misses what came while it was cut off', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      const client = clientOf(standIn.url);
      const seen: string[] = [];
      const naive = () => subscribed(client.subscribeToAll({ fromPosition: 'end' }), seen);
      const before = someEvent();
      const first = await naive();
      await store.append([{ stream: 'camera-1', expected: 'any', events: [before] }]);
      await until(() => seen.includes(before.id));
      const lost = new Promise((resolve) => first.once('error', resolve));
      await standIn.dropConnections();
      await lost;
      const between = someEvent();
      await insist(() => store.append([{ stream: 'camera-1', expected: 'any', events: [between] }]));
      await insist(naive);
      const after = someEvent();
      await insist(() => store.append([{ stream: 'camera-1', expected: 'any', events: [after] }]));
      await until(() => seen.includes(after.id));
      expect(seen).not.toContain(between.id);
    });

    test('control: a reader that begins anew with its last position, as the server takes it, sees that event twice', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      const client = clientOf(standIn.url);
      const { position } = await store.append(one('camera-1'));
      const again: bigint[] = [];
      for await (const { event } of client.readAll({ fromPosition: { commit: position, prepare: position } })) {
        if (event !== undefined) again.push(event.position!.commit);
      }
      expect(again).toContain(position);
      expect(await collect(store.readAll(position))).toEqual([]);
    });

    test('a store that is away for a while is waited for', async () => {
      const first = await startKurrentStandIn();
      const store = await open(first.url);
      const [stop, seen] = [new AbortController(), [] as string[]];
      const following = (async () => {
        for await (const item of store.follow(0n, { signal: stop.signal })) if (!isCaughtUp(item)) seen.push(item.id);
      })();
      await store.append(one('camera-1'));
      await until(() => seen.length === 1);
      await first.stop();
      await expect(store.append(one('camera-2'))).rejects.toThrow();
      await expect(store.head()).rejects.toBeInstanceOf(UnreachableError);
      const cluster: Cluster = { log: first.log, ports: [], leader: undefined };
      await start({ port: first.port, cluster });
      await insist(() => store.append(one('camera-3')));
      await until(() => first.log.stream('camera-3').every(({ id }) => seen.includes(id)));
      stop.abort();
      await following;
      expect(new Set(seen).size).toBe(seen.length);
    });
  });

  describe('several nodes', () => {
    test('when another node leads, appends, readers and followers go there, though the old one still answers', async () => {
      const { cluster, nodes, url } = await startCluster();
      const store = await open(url);
      const early = await appendMany(store, 20);
      const following = follow(store, {}, [early, 60]);
      const late = [];
      for (let i = 0; i < 6; i += 1) {
        cluster.leader = nodes[i % 2 === 0 ? 1 : 0].port;
        late.push(...(await appendMany(store, 10, early.length + late.length)));
        expect(await collect(store.readStream(late.at(-1)!.stream))).not.toEqual([]);
      }
      expect(await following).toEqual([...early, ...late].map(({ event }) => event.id));
    });

    test('when the node that leads is gone, the others are found; nothing is lost or doubled', async () => {
      const { cluster, nodes, url } = await startCluster();
      const store = await open(url);
      const early = await appendMany(store, 10);
      const following = follow(store, {}, [early, 10]);
      await nodes[0].stop();
      cluster.leader = nodes[1].port;
      const late = await appendMany(store, 10, early.length);
      expect(await following).toEqual([...early, ...late].map(({ event }) => event.id));
    });

    test('control: the vendor’s client stays with the node that leads no more', async () => {
      const { cluster, nodes, url } = await startCluster();
      const client = clientOf(url);
      const append = (id: string) =>
        client.multiStreamAppend([
          { streamName: `camera-${id}`, expectedState: 'no_stream', events: [jsonEvent({ type: 'Seen', data: {} })] },
        ]);
      await append('1');
      cluster.leader = nodes[1].port;
      for (const id of ['2', '3', '4']) await expect(append(id)).rejects.toThrow(/not the leader/);
    });

    test('a node that is not there is passed over', async () => {
      const { port } = await start();
      const store = await open(`kurrentdb://127.0.0.1:1,127.0.0.1:${port}?tls=false`);
      expect((await store.append(one('camera-1'))).duplicate).toBe(false);
    });
  });

  describe('an administrator’s hand', () => {
    test('a tombstoned stream never reads as an empty one and takes nothing', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      await store.append(one('camera-1'));
      await clientOf(standIn.url).tombstoneStream('camera-1');
      await expect(collect(store.readStream('camera-1'))).rejects.toThrow(/deleted/i);
      for (const expected of ['any', 'no-stream', 0n] as const) {
        await expect(store.append([{ stream: 'camera-1', expected, events: [someEvent()] }])).rejects.toThrow(
          /tombstoned|deleted/i,
        );
      }
    });

    test('a deleted stream goes on behind its last revision, and repeating an append there is still noticed', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      await store.append(one('camera-1', someEvent(), someEvent()));
      await clientOf(standIn.url).deleteStream('camera-1');
      expect(await collect(store.readStream('camera-1'))).toEqual([]);
      const parts = [{ stream: 'camera-1', expected: 'no-stream' as const, events: [someEvent()] }];
      const first = await store.append(parts);
      expect(first.streams).toEqual([{ stream: 'camera-1', revision: 2n }]);
      expect(await store.append(parts)).toEqual({ ...first, duplicate: true });
    });

    test('an event that somebody else has written stops the reader and says where it stands', async () => {
      const standIn = await start();
      const store = await open(standIn.url);
      await clientOf(standIn.url).appendToStream('camera-1', jsonEvent({ type: 'Stranger', data: {} }));
      await expect(collect(store.readAll(0n))).rejects.toThrow('the event at camera-1/0 was not written by this hub');
    });
  });
});

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';

function one(stream: string, ...events: EventToAppend[]) {
  return [{ stream, expected: 'any' as const, events: events.length > 0 ? events : [someEvent()] }];
}

function wants({ categories, types }: EventFilter, stream: string, event: EventToAppend): boolean {
  return (categories?.includes(stream.split('-')[0]!) ?? true) && (types?.includes(event.type) ?? true);
}

/** Appends one after the other, each until it stands, with its own id. */
async function appendMany(store: EventStore, count: number, from = 0) {
  const appended: { stream: string; event: EventToAppend }[] = [];
  for (let i = from; i < from + count; i += 1) {
    const event = someEvent(i, undefined, i % 3 === 0 ? 'Seen' : 'Moved');
    const stream = `${i % 2 === 0 ? 'camera' : 'grant'}-${i % 7}`;
    await insist(() => store.append([{ stream, expected: 'any', events: [event] }]));
    appended.push({ stream, event });
  }
  return appended;
}

/** Repeats while the outcome is unknown or nobody answers. */
async function insist<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const passing = error instanceof OutcomeUnknownError || error instanceof UnreachableError;
      if (!passing && !/unavailable|ECONN/i.test((error as Error).message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Ids that a follower hears, until it has caught up with all that is to come. */
async function follow(store: EventStore, filter: EventFilter, [early, more]: [readonly unknown[], number]) {
  const stop = new AbortController();
  const ids: string[] = [];
  for await (const item of store.follow(0n, { filter, signal: stop.signal })) {
    if (!isCaughtUp(item)) ids.push(item.id);
    else if ((await countOf(store)) === early.length + more && item.caughtUp >= (await insist(() => store.head())))
      stop.abort();
  }
  return ids;
}

async function countOf(store: EventStore): Promise<number> {
  return (await insist(() => collect(store.readAll(0n)))).length;
}

async function subscribed(subscription: AllStreamSubscription, seen: string[]): Promise<AllStreamSubscription> {
  subscription.on('data', ({ event }) => event !== undefined && seen.push(event.id));
  await new Promise((resolve, reject) => {
    subscription.once('caughtUp', resolve);
    subscription.once('error', reject);
  });
  return subscription;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
