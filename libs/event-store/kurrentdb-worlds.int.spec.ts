import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonEvent, KurrentDBClient } from '@kurrent/kurrentdb-client';
import { makeCertificates } from '#libs/remote';
import type { StandInOptions } from '../../test/services/kurrentdb/options.js';
import { type KurrentStandIn, startKurrentStandIn } from '../../test/services/kurrentdb/stand-in.js';
import { collect, someEvent } from './event-store-kit.contract.js';
import { KurrentEventStore } from './kurrentdb/kurrent-event-store.js';
import { createKurrentUsers, kurrentUrlOf } from './kurrentdb/service-users.js';
import { keepByAccessLists, keepByPolicies } from './kurrentdb/stream-rights.js';
import { openEventStore } from './open-event-store.js';
import { ForbiddenCategoryError } from './port.js';

const USERS = { admin: 'changeit', registry: 'a b/c:d@%2Fé', access: 'secret' };
const SERVICES = [
  { user: 'registry', categories: ['camera'] },
  { user: 'access', categories: ['grant', 'session'] },
];

describe('KurrentDB: certificates, users and rights (stand-in)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kurrent-'));
  const started: { stop(): Promise<void> }[] = [];
  const tls = { certFile: join(folder, 'localhost.pem'), keyFile: join(folder, 'localhost.key') };
  const ca = `tlsCAFile=${join(folder, 'ca.pem')}`;

  beforeAll(() => makeCertificates(folder, ['localhost', 'registry']));
  afterEach(async () => {
    for (const each of started.splice(0).reverse()) await each.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = async (options: StandInOptions = {}): Promise<KurrentStandIn> => {
    const standIn = await startKurrentStandIn(options);
    started.push(standIn);
    return standIn;
  };
  const open = async (url: string, categories?: readonly string[]): Promise<KurrentEventStore> => {
    const store = await KurrentEventStore.open({ url, ...(categories && { categories }) });
    started.push({ stop: () => store.close() });
    return store;
  };
  const clientOf = (url: string): KurrentDBClient => {
    const client = KurrentDBClient.connectionString(url);
    started.push({ stop: () => client.dispose() });
    return client;
  };
  const urlOf = ({ port }: KurrentStandIn, user: keyof typeof USERS, password = USERS[user]) =>
    `kurrentdb://${user}:${encodeURIComponent(password)}@localhost:${port}?${ca}`;
  const append = (store: KurrentEventStore, stream: string) =>
    store.append([{ stream, expected: 'any', events: [someEvent()] }]);

  test('a certificate of the user is shown to a server that wants one', async () => {
    const { port } = await start({ tls: { ...tls, caFile: join(folder, 'ca.pem') } });
    const mine = `userCertFile=${join(folder, 'registry.pem')}&userKeyFile=${join(folder, 'registry.key')}`;
    const store = await open(`kurrentdb://localhost:${port}?${ca}&${mine}`);
    await append(store, 'camera-1');
    expect(await collect(store.readStream('camera-1'))).toHaveLength(1);
    await expect(openEventStore(`kurrentdb://localhost:${port}?${ca}`)).rejects.toThrow(
      /^(KurrentDB wants a certificate from its users: see userCertFile and userKeyFile|KurrentDB does not answer: see MINGJING_EVENT_STORE)\.$/,
    );
  });

  describe('says in one sentence what is wrong', () => {
    test.each(['22.10.0', '24.10.0', '25.0.1'])('a server of version %s', async (version) => {
      const old = await start({ version });
      await expect(openEventStore(old.url)).rejects.toThrow(
        'this KurrentDB cannot append to several streams at once; 25.1 or newer is needed.',
      );
    });

    test('a server that is not there', async () => {
      await expect(openEventStore('esdb://127.0.0.1:1?tls=false')).rejects.toThrow(
        'KurrentDB does not answer: see MINGJING_EVENT_STORE.',
      );
    });

    test('a password that is wrong, a user that is unknown, none at all', async () => {
      const standIn = await start({ tls, users: USERS });
      const refused = 'KurrentDB refuses these credentials: see MINGJING_EVENT_STORE.';
      await expect(openEventStore(urlOf(standIn, 'registry', 'wrong'))).rejects.toThrow(refused);
      const unknown = `kurrentdb://constructor:x@localhost:${standIn.port}?${ca}`;
      await expect(openEventStore(unknown)).rejects.toThrow(refused);
      await expect(openEventStore(`kurrentdb://localhost:${standIn.port}?${ca}`)).rejects.toThrow(refused);
    });

    test('a certificate that is over, one of another authority, none on either side', async () => {
      const late = join(folder, 'late');
      await makeCertificates(late, ['localhost'], -1);
      const expired = await start({
        tls: { certFile: join(late, 'localhost.pem'), keyFile: join(late, 'localhost.key') },
      });
      await expect(
        openEventStore(`kurrentdb://localhost:${expired.port}?tlsCAFile=${join(late, 'ca.pem')}`),
      ).rejects.toThrow('the certificate of KurrentDB has expired.');
      const { port } = await start({ tls });
      const unfit = 'the TLS of KurrentDB and of MINGJING_EVENT_STORE do not fit (tls, tlsCAFile).';
      const stranger = `kurrentdb://localhost:${port}?tlsCAFile=${join(late, 'ca.pem')}`;
      await expect(openEventStore(stranger)).rejects.toThrow(unfit);
      const plain = await start();
      await expect(openEventStore(`kurrentdb://localhost:${plain.port}?${ca}`)).rejects.toThrow(
        /TLS of KurrentDB|does not answer/,
      );
    });

    test('a file of the address that is not there', async () => {
      await expect(openEventStore('kurrentdb://localhost:1?tlsCAFile=/nowhere/ca.pem')).rejects.toThrow(
        'MINGJING_EVENT_STORE names a file that is not there: /nowhere/ca.pem',
      );
    });
  });

  test('an event is kept as a KurrentDB user expects to see it', async () => {
    const standIn = await start();
    const event = someEvent({ name: '玉田坝' });
    const metadata = { ...event.metadata, causationId: 'cause' };
    const store = await open(standIn.url);
    await store.append([{ stream: 'camera-1', expected: 'no-stream', events: [{ ...event, metadata }] }]);
    const [line] = standIn.log.stream('camera-1');
    expect(line).toMatchObject({ id: event.id, type: event.type, json: true });
    expect(JSON.parse(line!.data.toString())).toEqual({ name: '玉田坝' });
    expect(JSON.parse(line!.metadata.toString())).toMatchObject({
      $correlationId: metadata.correlationId,
      $causationId: 'cause',
      version: '1',
    });
    const [read] = await collect(store.readStream('camera-1'));
    expect(read).toMatchObject({ ...event, metadata });
  });

  describe('own categories only', () => {
    test('stream policies keep each service to its own, let none delete, and let all read', async () => {
      const standIn = await start({ tls, users: USERS, licensed: true });
      await keepByPolicies(urlOf(standIn, 'admin'), SERVICES, urlOf(standIn, 'registry'));
      const registry = await open(urlOf(standIn, 'registry'));
      const access = await open(urlOf(standIn, 'access'));
      expect(await registry.keptByServer()).toBe(true);

      const { position } = await append(registry, 'camera-1');
      await append(access, 'grant-1');
      await expect(append(registry, 'grant-1')).rejects.toEqual(new ForbiddenCategoryError('grant-1'));
      await expect(append(access, 'camera-1')).rejects.toBeInstanceOf(ForbiddenCategoryError);
      await expect(append(access, 'camera-2')).rejects.toBeInstanceOf(ForbiddenCategoryError);
      const both = ['camera-3', 'grant-3'].map((stream) => ({
        stream,
        expected: 'any' as const,
        events: [someEvent()],
      }));
      await expect(registry.append(both)).rejects.toEqual(new ForbiddenCategoryError('grant-3'));
      expect(standIn.log.stream('camera-3')).toEqual([]);
      expect(await access.eventAt(position)).toMatchObject({ stream: 'camera-1' });
      expect(await collect(access.readAll(0n))).toHaveLength(2);

      const client = clientOf(urlOf(standIn, 'registry'));
      await expect(client.deleteStream('camera-1')).rejects.toThrow();
      await expect(client.tombstoneStream('eventId-1')).rejects.toThrow();
      await expect(client.setStreamMetadata('camera-1', { maxCount: 1 })).rejects.toThrow();
      await expect(client.appendToStream('$policies', jsonEvent({ type: 'X', data: {} }))).rejects.toThrow();
      expect(standIn.log.stream('camera-1')).toHaveLength(1);
    });

    test('users of the services are made, or given their password anew, with the rights of each', async () => {
      const standIn = await start({ tls, users: { ...USERS }, licensed: true });
      const admin = urlOf(standIn, 'admin');
      const users = SERVICES.map(({ user, categories }) => ({ user: `mingjing_${user}`, password: 'one', categories }));
      await createKurrentUsers(admin, users, 'policies');
      const anew = users.map((user) => ({ ...user, password: 'p@ss/2 %' }));
      await createKurrentUsers(admin, anew, 'policies');
      await expect(openEventStore(kurrentUrlOf(admin, 'mingjing_access', 'one'))).rejects.toThrow(/credentials/);
      const access = await open(kurrentUrlOf(admin, 'mingjing_access', 'p@ss/2 %'));
      await append(access, 'session-1');
      await expect(append(access, 'camera-1')).rejects.toBeInstanceOf(ForbiddenCategoryError);
    });

    test('only an administrator makes users', async () => {
      const standIn = await start({ tls, users: { ...USERS } });
      const user = { user: 'thief', password: 'x', categories: ['camera'] };
      await expect(createKurrentUsers(urlOf(standIn, 'access'), [user], 'access-lists')).rejects.toThrow(/denied/i);
    });

    test('without the licence that is said, and everything is as before', async () => {
      const standIn = await start({ tls, users: USERS });
      await expect(keepByPolicies(urlOf(standIn, 'admin'), SERVICES, urlOf(standIn, 'registry'))).rejects.toThrow(
        'this KurrentDB does not apply stream policies: they take a licence.',
      );
      const last = standIn.log.stream('$authorization-policy-settings').at(-1)!;
      expect(JSON.parse(last.data.toString())).toEqual({ streamAccessPolicyType: 'acl' });
    }, 30_000);

    test('access lists alone let services and no one else append, none delete; the process keeps to its categories', async () => {
      const standIn = await start({ tls, users: { ...USERS, stranger: 'x' } });
      await keepByAccessLists(urlOf(standIn, 'admin'), SERVICES);
      const registry = await open(urlOf(standIn, 'registry'), ['camera']);
      await append(registry, 'camera-1');
      await expect(append(registry, 'grant-1')).rejects.toEqual(new ForbiddenCategoryError('grant-1'));
      const client = clientOf(urlOf(standIn, 'registry'));
      await expect(client.deleteStream('camera-1')).rejects.toThrow();
      await expect(client.setStreamMetadata('camera-1', { maxCount: 1 })).rejects.toThrow();
      const stranger = clientOf(`kurrentdb://stranger:x@localhost:${standIn.port}?${ca}`);
      await expect(stranger.appendToStream('camera-1', jsonEvent({ type: 'X', data: {} }))).rejects.toThrow();
      expect(standIn.log.stream('camera-1')).toHaveLength(1);

      // Control: the server does not keep one service from the categories of another, and says so when it is asked.
      expect(await registry.keptByServer()).toBe(false);
      await append(await open(urlOf(standIn, 'registry')), 'grant-1');
      expect(standIn.log.stream('grant-1')).toHaveLength(1);
    });

    test('control: a server as it comes lets any user append, delete and cut streams short', async () => {
      const standIn = await start({ tls, users: USERS });
      const client = clientOf(urlOf(standIn, 'registry'));
      await client.appendToStream('grant-1', jsonEvent({ type: 'X', data: {} }));
      await client.setStreamMetadata('grant-1', { maxCount: 1 });
      await client.deleteStream('grant-1');
      expect(standIn.log.state('grant-1')).toBe('deleted');
    });
  });
});
