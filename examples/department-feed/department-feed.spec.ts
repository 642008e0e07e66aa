import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { z } from 'zod';
import { catalogue } from '#libs/catalogue';
import { type EventStore, migrateEventStore, PostgresEventStore, withCatalogue } from '#libs/event-store';
import { newId } from '#libs/kernel';
import { layoutOf, PlatformaticBroker, Relay, recipientsOf, routes, toCloudEvent, topicsOf } from '#libs/messaging';
import type { KafkaConfig } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { follow } from './feed.js';
import { type Effect, GapError, Ledger, listIt } from './ledger.js';
import { readSchemas, type Schemas } from './message.js';
import { readSettings } from './settings.js';

const sampleOf = (type: string): object =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../../test/contract/samples/${type}.v1.json`), 'utf8'));
const until = async (what: string, holds: () => Promise<boolean>) => {
  for (const from = performance.now(); !(await holds()); await new Promise((r) => setTimeout(r, 50))) {
    if (performance.now() - from > 30_000) throw new Error(`${what}: not within 30 s`);
  }
};

describe('a department that starts from the example', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-feed-'));
  const schemas: Schemas = readSchemas(join(import.meta.dirname, '../../docs/events/schemas'));
  const [department, other] = [newId(), newId()];
  let kafka: Kafka;
  let broker: PlatformaticBroker;
  let hub: FreshDatabase;
  let postgres: PostgresEventStore;
  let store: EventStore;
  let relay: Relay;
  let topic: string;
  let own: FreshDatabase;
  let database: pg.Pool;

  const append = async (stream: string, type: string, data: object) => {
    const actor = { kind: 'system' as const, id: 'spec' };
    const metadata = { actor, occurredAt: '2026-03-01T08:00:00.000Z', rules: [], correlationId: 'c' };
    await store.append([{ stream, expected: 'any', events: [{ id: newId(), type, version: 1, data, metadata }] }]);
  };
  const firstOf = async (stream: string) => {
    for await (const event of store.readStream(stream, { limit: 1 })) return event;
    throw new Error(`no stream ${stream}`);
  };
  const grantTo = async (organisationId: string, times = 1) => {
    for (let i = 0; i < times; i += 1) {
      const grant = `grant-${newId()}`;
      await append(grant, 'GrantIssued', { ...sampleOf('GrantIssued'), organisationId });
      await append(grant, 'GrantRevoked', sampleOf('GrantRevoked'));
    }
  };

  beforeAll(async () => {
    // 1. A broker that asks for TLS and a password
    await makeCertificates(folder, ['localhost']);
    const users = { hub: 'hub-secret', transport: 'transport-secret' };
    kafka = await startKafka({ security: { certificates: folder, users } });
    writeFileSync(join(folder, 'password'), `${users.transport}\n`);
    writeFileSync(join(folder, 'wrong'), 'guessed\n');
    const config: KafkaConfig = {
      brokers: kafka.brokers,
      tls: { caFile: join(folder, 'ca.pem') },
      sasl: { mechanism: 'scram-sha-512', username: 'hub', password: users.hub },
      partitions: 3,
      replication: 1,
      departments: [department],
    };
    // 2. A hub that relays to it
    hub = await freshDatabase();
    await migrateEventStore(hub.ownerUrl, hub.serviceRole);
    postgres = new PostgresEventStore({ url: hub.url });
    store = withCatalogue(postgres, catalogue);
    for (const id of [department, other]) {
      const data = { name: '交通委员会', kind: 'administrative-department', level: 'prefecture', division: '5201' };
      await append(`organisation-${id}`, 'OrganisationRegistered', data);
    }
    const recipients = await recipientsOf(store, config.departments);
    topic = recipients[0]!.topic;
    broker = new PlatformaticBroker(config);
    const services = [...new Set(catalogue.streams.map(({ service }) => service))];
    relay = new Relay({
      store,
      positionsUrl: hub.url,
      broker,
      layout: layoutOf(config, services, [topic]),
      route: routes({ store, catalogue, recipients }),
      source: 'urn:mingjing:hub:spec',
    });
    expect(topicsOf(catalogue)).toHaveLength(services.length);
    relay.start();
  }, 120_000);
  afterAll(async () => {
    await relay?.stop();
    await kafka?.stop();
    await postgres?.close();
    await hub?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    own = await freshDatabase();
    database = new pg.Pool({ connectionString: own.ownerUrl });
    database.on('error', () => {}); // it is dropped with its connections
  });
  afterEach(async () => {
    await database.end();
    await own.drop();
  });

  /** The consumer, as started with settings from the environment. */
  const start = ({ effect = listIt, group = 'feed', known = schemas, password = 'password' } = {}) => {
    const { connection, ...settings } = readSettings({
      FEED_BROKERS: kafka.brokers.join(','),
      FEED_TOPIC: topic,
      FEED_GROUP: `${own.ownerUrl.slice(-8)}-${group}`,
      FEED_DATABASE_URL: own.ownerUrl,
      FEED_CA_FILE: join(folder, 'ca.pem'),
      FEED_USERNAME: 'transport',
      FEED_PASSWORD_FILE: join(folder, password),
    });
    const ledger = new Ledger(settings.databaseUrl, known, effect);
    const stopping = new AbortController();
    const printed: string[] = [];
    const print = (line: string) => void printed.push(line);
    const running = follow({ connection, ...settings, ledger, print, signal: stopping.signal });
    running.catch(() => {});
    const stop = async () => {
      stopping.abort();
      await running.finally(() => ledger.close());
    };
    return { ledger, printed, stop };
  };
  const count = async (table = 'event') => {
    const { rows } = await database.query(`SELECT count(*)::int AS n FROM feed.${table}`).catch(() => ({ rows: [] }));
    return rows[0]?.n ?? 0;
  };
  const listed = async () => {
    const { rows } = await database.query('SELECT sequence, type, stream FROM feed.event ORDER BY number');
    return rows as { sequence: string; type: string; stream: string }[];
  };
  /** Every event that concerns the department, as the hub has it. */
  const concerning = async () => {
    const sequences: string[] = [];
    const streams = new Set<string>();
    for await (const { stream, data, position } of store.readAll(0n)) {
      if (
        (data as { organisationId?: string }).organisationId === department ||
        stream === `organisation-${department}`
      ) {
        streams.add(stream);
      }
      if (streams.has(stream)) sequences.push(String(position));
    }
    return sequences;
  };
  const sorted = (sequences: readonly string[]) => [...sequences].sort((a, b) => Number(a) - Number(b));

  test('takes each event that concerns it once, in the order of its stream, though all is delivered again', async () => {
    await grantTo(other, 5);
    await grantTo(department, 15);
    const expected = await concerning();
    const first = start();
    await until('all has come', async () => (await count()) >= expected.length);
    await first.stop();
    expect(first.printed.filter((line) => line.includes('GrantIssued'))).toHaveLength(15);

    // Kafka has forgotten how far it was; the hub sends some events a second time; new ones come
    const sender = broker.sender();
    for await (const event of store.readAll(0n)) {
      if (expected.slice(0, 5).includes(String(event.position))) {
        await sender.send([
          { topic, ...toCloudEvent(event, event.position - 1n, { source: 'urn:mingjing:hub:spec' }) },
        ]);
      }
    }
    await sender.close();
    await grantTo(department, 10);
    const again = start({ group: 'forgotten' });
    await until('the new ones have come', async () => (await count()) >= expected.length + 20);
    await again.stop();
    const rows = await listed();
    expect(sorted(rows.map(({ sequence }) => sequence))).toEqual(await concerning());
    for (const { stream } of rows.filter(({ stream }) => stream.startsWith('grant'))) {
      expect(rows.filter((row) => row.stream === stream).map(({ type }) => type)).toEqual([
        'GrantIssued',
        'GrantRevoked',
      ]);
    }

    // Control: with the positions lost, which lie beside the effects, the same reading doubles them
    const before = await count();
    await database.query('DELETE FROM feed.position');
    const careless = start({ group: 'careless' });
    await until('it doubles', async () => (await count()) >= 2 * before);
    await careless.stop();
  }, 60_000);

  test('an effect that fails before its transaction ends is tried again, and is there once', async () => {
    await grantTo(department, 10);
    const expected = await concerning();
    let calls = 0;
    const failing: Effect = async (event, transaction) => {
      await listIt(event, transaction);
      calls += 1;
      if (calls === 3 || calls === 12) throw new Error('the disk is full');
    };
    const { printed, stop } = start({ effect: failing });
    await until('all has come', async () => (await count()) >= expected.length);
    await stop();
    expect(printed).toContain('waiting: the disk is full');
    expect(sorted((await listed()).map(({ sequence }) => sequence))).toEqual(expected);
  }, 60_000);

  test('what it cannot read is set apart with the reason, the rest goes on, and newer schemas let it be replayed', async () => {
    const expected = (await concerning()).length;
    const event = await firstOf(`organisation-${department}`);
    const sound = toCloudEvent({ ...event, position: 10_000n }, 1n, { source: 'urn:mingjing:hub:spec' });
    const newer = toCloudEvent({ ...event, version: 2, position: 10_001n }, 1n, { source: 'urn:mingjing:hub:spec' });
    const sender = broker.sender();
    const { 'content-type': _, ...untyped } = sound.headers;
    await sender.send([
      { topic, ...sound, value: Buffer.from('{"data":{}}'), headers: { ...sound.headers } },
      { topic, ...newer },
      { topic, ...sound, headers: untyped as Record<string, string> },
      { topic, ...toCloudEvent({ ...event, position: 10_003n }, 1n, { source: 'urn:mingjing:hub:spec' }) },
    ]);
    await sender.close();
    const feed = start();
    await until('the last has come', async () => (await count()) >= expected + 1);
    const { rows } = await database.query('SELECT why FROM feed.dead_letter ORDER BY "offset"');
    expect(rows.map(({ why }) => why.split(':')[0])).toEqual([
      'its value does not fit urn',
      'its schema urn',
      // The third is an older sequence by then: it has been seen, whatever is wrong with it.
    ]);
    expect(feed.printed.filter((line) => line.includes('dead letter'))).toHaveLength(2);
    await feed.stop();

    const v1 = 'urn:mingjing:schema:organisation.OrganisationRegistered.v1';
    const known = new Map([...schemas, [v1.replace('.v1', '.v2'), schemas.get(v1) ?? z.never()]]);
    const ledger = new Ledger(own.ownerUrl, known);
    expect(await ledger.replay()).toBe(1);
    expect(await ledger.replay()).toBe(0);
    await ledger.close();
    expect([await count(), await count('dead_letter')]).toEqual([expected + 2, 1]);
  }, 60_000);

  test('messages that were deleted unread, or a topic made anew, stop it with one sentence', async () => {
    const ledger = new Ledger(own.ownerUrl, schemas);
    await ledger.open();
    const event = await firstOf(`organisation-${department}`);
    const at = (offset: bigint, position: bigint) => {
      const message = toCloudEvent({ ...event, position }, 0n, { source: 'urn:mingjing:hub:spec' });
      return { ...message, topic, partition: 0, offset, headers: new Map(Object.entries(message.headers)) };
    };
    expect((await ledger.take(at(7n, 3n))).outcome).toBe('taken');
    expect((await ledger.take(at(7n, 3n))).outcome).toBe('seen before');
    expect((await ledger.take(at(8n, 3n))).outcome).toBe('seen before');
    await expect(ledger.take(at(11n, 9n))).rejects.toThrow(GapError);
    await expect(ledger.take(at(11n, 9n))).rejects.toThrow('messages 9 to 10 were deleted before they were read');
    await expect(ledger.take(at(2n, 9n))).rejects.toThrow('the topic was made anew');
    expect((await ledger.take(at(9n, 9n))).outcome).toBe('taken');
    await ledger.close();
  });

  test('says in one sentence what is wrong with its settings, and with its password', async () => {
    expect(() => readSettings({ FEED_BROKERS: 'a:1', FEED_TOPIC: 't', FEED_DATABASE_URL: 'mysql://' })).toThrow(
      /^FEED_DATABASE_URL: /,
    );
    const feed = start({ password: 'wrong' });
    await until('it says so', async () => feed.printed.length > 0);
    expect(feed.printed[0]).toMatch(/^waiting: .*authentication/i);
    await feed.stop();
  });
});
