import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { RecordedEvent } from '#libs/event-store';
import type { KafkaConfig } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import { KafkaFeed } from './kafka-feed.js';
import { KafkaSubscriptions } from './kafka-subscriptions.js';
import { configOf, everything, firstSeen, type Outbox, outbox, streams, until } from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => BigInt(i + 1));

describe('a broker that asks for TLS and a password', () => {
  const password = 'correct-horse';
  let folder: string;
  let kafka: Kafka;

  const at = (certificates: string) => join(folder, certificates);
  const config = (more: Partial<KafkaConfig> = {}): KafkaConfig =>
    configOf(kafka, {
      tls: { caFile: at('sound/ca.pem') },
      sasl: { mechanism: 'scram-sha-256', username: 'mingjing', password },
      ...more,
    });
  const faultOf = (settings: KafkaConfig) =>
    new PlatformaticBroker(settings).ensureTopics([]).then(
      () => undefined,
      (error: Error) => error.message,
    );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mingjing-kafka-tls-'));
    await makeCertificates(at('sound'), ['localhost']);
    await makeCertificates(at('other'), ['localhost']);
    await makeCertificates(at('expired'), ['localhost'], -0.5);
    kafka = await startKafka({ security: { certificates: at('sound'), users: { mingjing: password } } });
  }, 120_000);
  afterAll(async () => {
    await kafka?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'takes events from one who knows it by %s',
    async (mechanism) => {
      const settings = config({ sasl: { mechanism, username: 'mingjing', password } });
      const box = await outbox(settings);
      try {
        const relay = box.relay();
        const last = await box.see(...streams(20));
        await until('all are delivered', () => relay.status.delivered >= last);
      } finally {
        await box.close();
      }
    },
  );

  test('one sentence says what is wrong, and nothing is sent', async () => {
    const wrongPassword = { mechanism: 'scram-sha-256', username: 'mingjing', password: 'guess' } as const;
    const box = await outbox(config({ sasl: wrongPassword }));
    try {
      await box.see('camera-1');
      const relay = box.relay();
      await until('it says so', () => relay.status.fault !== undefined);
      expect(relay.status).toEqual({
        state: 'fault',
        delivered: 0n,
        fault: 'Kafka refuses these credentials: see MINGJING_KAFKA_USERNAME and MINGJING_KAFKA_PASSWORD.',
      });
    } finally {
      await box.close();
    }
  });

  test('another authority, and a broker whose certificate is over, are named', async () => {
    expect(await faultOf(config({ tls: { caFile: at('other/ca.pem') } }))).toBe(
      'the TLS of Kafka and of MINGJING_KAFKA_CA_FILE do not fit.',
    );
    // No broker starts with a certificate that is over; it runs past its end. TLS comes before anything of Kafka's.
    const late = createTlsServer({
      cert: readFileSync(at('expired/localhost.pem')),
      key: readFileSync(at('expired/localhost.key')),
    });
    await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve));
    const { port } = late.address() as AddressInfo;
    const settings = config({ brokers: [`localhost:${port}`], tls: { caFile: at('expired/ca.pem') } });
    expect(await faultOf(settings)).toBe('the certificate of the Kafka broker has expired.');
    await new Promise((resolve) => late.close(resolve));
  });
});

describe('a broker of an unsupported version', () => {
  let old: Server;
  afterAll(() => new Promise((resolve) => old.close(resolve)));

  test('is named', async () => {
    // Answers ApiVersions as a broker of 2012 would: with no version that anybody still speaks.
    old = createServer((socket) => {
      socket.on('data', (request) => {
        const answer = Buffer.alloc(18);
        answer.writeInt32BE(14, 0);
        answer.writeInt32BE(request.readInt32BE(8), 4); // correlation id
        answer.writeInt16BE(35, 8); // UNSUPPORTED_VERSION
        socket.write(answer);
      });
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    const { port } = old.address() as AddressInfo;
    const broker = new PlatformaticBroker(configOf({ brokers: [`127.0.0.1:${port}`] } as unknown as Kafka));
    await expect(broker.ensureTopics([])).rejects.toThrow(
      'this Kafka is of a version that is not supported: it must be 3.0 or newer.',
    );
  });
});

describe('three brokers, each killed in turn', () => {
  let kafka: Kafka;
  let box: Outbox;
  beforeAll(async () => {
    kafka = await startKafka({ nodes: 3 });
    box = await outbox(configOf(kafka, { replication: 3 }));
  }, 180_000);
  afterAll(async () => {
    await box?.close();
    await kafka?.stop();
  });

  test('no event is lost, doubled in effect or out of order, whoever reads', async () => {
    const relay = box.relay();
    const stop = new AbortController();
    const { store, topics } = box;
    const heard: bigint[] = [];
    const feed = new KafkaFeed({ broker: new PlatformaticBroker(configOf(kafka)), topics, store });
    const following = (async () => {
      for await (const item of feed.follow(0n, { signal: stop.signal })) {
        if (!('caughtUp' in item)) heard.push(item.position);
      }
    })();
    const seen: RecordedEvent[] = [];
    const subscriptions = new KafkaSubscriptions(box.subscribers());
    const running = await subscriptions.start({
      ...{ name: 'a', from: 'start', handle: async (event) => void seen.push(event) },
    });
    let last = 0n;
    for (const node of [0, 1, 2]) {
      last = await box.see(...streams(100));
      await kafka.kill(node);
      for (let i = 0; i < 10; i += 1) last = await box.see(...streams(30));
      await until('it goes on with two', () => relay.status.delivered >= last, 60_000);
      await kafka.restart(node);
    }
    last = await box.see(...streams(50));
    await until('all are delivered', () => relay.status.delivered >= last, 60_000);
    await running.reached(last, 60_000);
    await until('all are heard', () => heard.length >= Number(last), 60_000);
    stop.abort();
    await following;
    await subscriptions.close();
    expect(heard).toEqual(upTo(Number(last)));
    for (const revisions of firstSeen(await everything(configOf(kafka), topics, Number(last))).values()) {
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
    }
    const handled = [...new Map(seen.map((event) => [event.position, event])).values()];
    expect(handled.map(({ position }) => position).sort((a, b) => Number(a - b))).toEqual(upTo(Number(last)));
    for (const events of Map.groupBy(handled, ({ stream }) => stream).values()) {
      expect(events.map(({ revision }) => revision)).toEqual(events.map((_, i) => BigInt(i)));
    }
  }, 240_000);
});
