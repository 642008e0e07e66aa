import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jsonEvent, KurrentDBClient } from '@kurrent/kurrentdb-client';
import { makeCertificates } from '#libs/remote';
import {
  type KurrentStandIn,
  type StandInOptions,
  startKurrentStandIn,
} from '../../test/services/kurrentdb/stand-in.js';
import { collect, someEvent } from './event-store-kit.contract.js';
import { KurrentEventStore } from './kurrentdb/kurrent-event-store.js';
import { openEventStore } from './open-event-store.js';
import { ForbiddenCategoryError, OutcomeUnknownError } from './port.js';

describe('KurrentDB in bad weather (stand-in)', () => {
  const running: { stop(): Promise<void> }[] = [];
  const stores: KurrentEventStore[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'kurrent-'));

  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await Promise.all(running.splice(0).map((each) => each.stop()));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = async (options: StandInOptions = {}): Promise<KurrentStandIn> => {
    const standIn = await startKurrentStandIn(options);
    running.push(standIn);
    return standIn;
  };
  const open = async (url: string, categories?: readonly string[]) => {
    const store = await KurrentEventStore.open({ url, ...(categories && { categories }) });
    stores.push(store);
    return store;
  };
  const one = (stream: string, event = someEvent()) => [{ stream, expected: 'any' as const, events: [event] }];

  test('an append whose connection breaks before it was written is unknown; repeated with its id it stands once', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    const event = someEvent();
    standIn.faults.breakBefore = 1;
    await expect(store.append(one('camera-1', event))).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect((await store.append(one('camera-1', event))).duplicate).toBe(false);
    expect(await collect(store.readStream('camera-1'))).toHaveLength(1);
  });

  test('one whose connection breaks after it was written, too: the repetition gives the first result', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    const event = someEvent();
    standIn.faults.breakAfter = 1;
    await expect(store.append(one('camera-1', event))).rejects.toBeInstanceOf(OutcomeUnknownError);
    const [standing] = await collect(store.readStream('camera-1'));
    expect(await store.append(one('camera-1', event))).toEqual({
      position: standing!.position,
      streams: [{ stream: 'camera-1', revision: 0n }],
      duplicate: true,
    });
    expect(await collect(store.readStream('camera-1'))).toHaveLength(1);
  });

  test('control: the client alone, repeating what was not answered with any revision, writes it twice', async () => {
    const standIn = await start();
    const client = KurrentDBClient.connectionString(standIn.url);
    const event = jsonEvent({ type: 'A', data: {} });
    standIn.faults.breakAfter = 1;
    await client.appendToStream('camera-1', event).catch(() => undefined);
    await client.appendToStream('camera-1', jsonEvent({ type: 'A', data: {} }));
    expect(standIn.log.stream('camera-1')).toHaveLength(2);
    await client.dispose();
  });

  test('a follower loses nothing and sees nothing twice while every connection is cut again and again', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const item of store.follow(0n, { filter: { categories: ['camera'] }, signal: stop.signal })) {
        if (!('caughtUp' in item)) seen.push(item.data);
      }
    })();
    for (let i = 0; i < 120; i += 1) {
      const event = someEvent(i);
      for (;;) {
        const done = await store.append(one(i % 2 ? `camera-${i % 5}` : `grant-${i}`, event)).catch(() => undefined);
        if (done !== undefined) break;
        await sleep(20);
      }
      if (i % 20 === 10) await standIn.dropConnections();
    }
    const wanted = Array.from({ length: 120 }, (_, i) => i).filter((i) => i % 2);
    for (let waited = 0; seen.length < wanted.length && waited < 10_000; waited += 50) await sleep(50);
    stop.abort();
    await following;
    expect(seen).toEqual(wanted);
  });

  test('control: a follower that begins anew at the end after each cut misses what came meanwhile', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    const client = KurrentDBClient.connectionString(standIn.url);
    const seen = new Set<string>();
    let stopped = false;
    const naive = () => {
      if (stopped) return;
      const subscription = client.subscribeToAll({ fromPosition: 'end' });
      subscription.on('data', ({ event }) => event !== undefined && seen.add(event.id));
      subscription.on('error', () => setTimeout(naive, 100));
    };
    naive();
    await sleep(300);
    const ids: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      const event = someEvent(i);
      while ((await store.append(one(`camera-${i}`, event)).catch(() => undefined)) === undefined) await sleep(5);
      ids.push(event.id);
      if (i % 20 === 10) await standIn.dropConnections();
    }
    await sleep(500);
    stopped = true;
    await client.dispose();
    expect(ids.filter((id) => !seen.has(id)).length).toBeGreaterThan(0);
  });

  test('a node that no longer leads sends the append to the one that does', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    standIn.faults.notLeader = { times: 1, port: standIn.port };
    expect((await store.append(one('camera-1'))).duplicate).toBe(false);
    expect(await collect(store.readStream('camera-1'))).toHaveLength(1);
  });

  test('several nodes: the client finds one that leads', async () => {
    const standIn = await start();
    const store = await open(`kurrentdb://127.0.0.1:1,127.0.0.1:${standIn.port}?tls=false`);
    await store.append(one('camera-1'));
    expect(await store.head()).toBeGreaterThan(0n);
  });

  test('an event is kept as a KurrentDB user expects to see it', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    const event = someEvent({ name: '玉田坝' });
    await store.append(one('camera-1', { ...event, metadata: { ...event.metadata, causationId: 'cause' } }));
    const [line] = standIn.log.stream('camera-1');
    expect(line).toMatchObject({ id: event.id, type: event.type, json: true });
    expect(JSON.parse(line!.data.toString())).toEqual({ name: '玉田坝' });
    expect(JSON.parse(line!.metadata.toString())).toMatchObject({
      $correlationId: event.metadata.correlationId,
      $causationId: 'cause',
      version: '1',
    });
  });

  test('TLS with a password; each service appends to its own categories only, by the store’s word as well as its own', async () => {
    await makeCertificates(folder, ['localhost']);
    const standIn = await start({
      tls: { certFile: join(folder, 'localhost.pem'), keyFile: join(folder, 'localhost.key') },
      users: { registry: { password: 'a%20b', categories: ['camera', 'eventId'] } },
    });
    const url = (password: string) =>
      `kurrentdb://registry:${password}@localhost:${standIn.port}?tlsCAFile=${join(folder, 'ca.pem')}`;
    const store = await open(url('a%2520b'));
    await store.append(one('camera-1'));
    await expect(store.append(one('grant-1'))).rejects.toBeInstanceOf(ForbiddenCategoryError);
    await expect((await open(url('a%2520b'), ['camera'])).append(one('grant-1'))).rejects.toBeInstanceOf(
      ForbiddenCategoryError,
    );
    expect(standIn.log.stream('grant-1')).toEqual([]);
    await expect(openEventStore(url('wrong'))).rejects.toThrow(
      'KurrentDB refuses these credentials: see MINGJING_EVENT_STORE.',
    );
  });

  test('says in one sentence what is wrong with the server', async () => {
    const old = await start({ version: '24.10.0' });
    await expect(openEventStore(old.url)).rejects.toThrow(
      'this KurrentDB cannot append to several streams at once; 25.1 or newer is needed.',
    );
    await expect(openEventStore('kurrentdb://127.0.0.1:1?tls=false')).rejects.toThrow(
      'KurrentDB does not answer: see MINGJING_EVENT_STORE.',
    );
    const late = mkdtempSync(join(folder, 'late-'));
    await makeCertificates(late, ['localhost'], -1);
    const expired = await start({
      tls: { certFile: join(late, 'localhost.pem'), keyFile: join(late, 'localhost.key') },
    });
    await expect(
      openEventStore(`kurrentdb://localhost:${expired.port}?tlsCAFile=${join(late, 'ca.pem')}`),
    ).rejects.toThrow('the certificate of KurrentDB has expired.');
  });

  test('a stream that somebody has tombstoned takes nothing more, and the append says so', async () => {
    const standIn = await start();
    const store = await open(standIn.url);
    await store.append(one('camera-1'));
    standIn.log.delete('camera-1', 'tombstoned');
    await expect(store.append([{ stream: 'camera-1', expected: 0n, events: [someEvent()] }])).rejects.toThrow(
      /tombstoned/i,
    );
  });
});
