import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import { leadershipOf, withCatalogue } from '#libs/event-store';
import { defineEvents, EventCatalogue, newId } from '#libs/kernel';
import { type Kafka, startKafka } from '../../test/services/kafka/broker.js';
import { type Received, toCloudEvent } from './cloud-event.js';
import {
  configOf,
  delivered,
  everything,
  firstSeen,
  type Outbox,
  outbox,
  someEvent,
  streams,
  until,
} from './messaging.fixture.js';
import { PlatformaticBroker } from './platformatic-broker.js';
import { MessageBroker, type Outgoing, type Sender } from './port.js';

/** A broker whose senders do something else around each batch. */
class Interposed extends MessageBroker {
  constructor(
    private readonly broker: MessageBroker,
    private readonly around: (send: () => Promise<void>) => Promise<void>,
  ) {
    super();
  }
  ensureTopics = (layouts: Parameters<MessageBroker['ensureTopics']>[0]) => this.broker.ensureTopics(layouts);
  consume = (options: Parameters<MessageBroker['consume']>[0]) => this.broker.consume(options);
  partitionOf = (key: string, partitions: number) => this.broker.partitionOf(key, partitions);
  sender(): Sender {
    const sender = this.broker.sender();
    return {
      send: (messages: readonly Outgoing[]) => this.around(() => sender.send(messages)),
      close: async () => {}, // the process that hangs closes nothing
    };
  }
}

const never = new Promise<void>(() => {});

describe('a relay that dies or hangs at the worst moment', () => {
  let kafka: Kafka;
  let broker: MessageBroker;
  let box: Outbox;

  beforeAll(async () => {
    kafka = await startKafka();
    broker = new PlatformaticBroker(configOf(kafka));
  }, 120_000);
  afterAll(() => kafka?.stop());
  beforeEach(async () => {
    box = await outbox(configOf(kafka));
  });
  afterEach(() => box.close());

  const arrived = (count: number) => everything(configOf(kafka), box.topics, count);
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => BigInt(i + 1));
  const inOrder = (received: readonly Received[]) => {
    for (const revisions of firstSeen(received).values()) {
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
    }
  };
  const sorted = (positions: bigint[]) => positions.toSorted((a, b) => Number(a - b));

  test('one that was taken over while it hung sends its batch late: readers who drop what is old see each event once', async () => {
    const gate = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const hung = new Interposed(broker, async (send) => {
      holding.resolve();
      await gate.promise;
      await send();
      late.resolve();
    });
    await box.see(...streams(30));
    box.relay({ broker: hung });
    await holding.promise;

    const second = box.relay();
    const admin = new pg.Client({ connectionString: box.database.ownerUrl });
    await admin.connect();
    while (second.status.state !== 'relaying') {
      await admin.query(
        `UPDATE event_store.subscription SET heartbeat = '-infinity' WHERE name = 'relay' AND epoch = 1`,
      );
      await sleep(20);
    }
    await admin.end();
    await delivered(second, await box.see(...streams(30)));
    gate.resolve();
    await late.promise;
    await delivered(second, await box.see('camera-0'));

    const received = await arrived(61);
    inOrder(received);
    // What a reader of ours does: nothing that is not newer than the newest of its stream takes effect.
    const newest = new Map<string, bigint>();
    const taken = received.filter(({ event: { stream, position } }) => {
      if (position <= (newest.get(stream) ?? 0n)) return false;
      newest.set(stream, position);
      return true;
    });
    expect(sorted(taken.map(({ event }) => event.position))).toEqual(upTo(61));
    // Control: one that takes everything sees them doubled and going backwards.
    expect(received.length).toBeGreaterThan(61);
  });

  describe('killed in the middle of a batch', () => {
    test.each([
      ['before it is sent', async () => never],
      [
        'between the acknowledgement and the checkpoint',
        async (send: () => Promise<void>) => {
          await send();
          await never;
        },
      ],
    ])('%s: the next one sends it', async (_, around) => {
      let batches = 0;
      const dying = new Interposed(broker, (send) => {
        batches += 1;
        return batches === 1 ? send() : around(send);
      });
      const first = box.relay({ broker: dying });
      await delivered(first, await box.see('camera-1'));
      const last = await box.see(...streams(40));
      await until('it is in the middle of a batch', () => batches > 1);
      await first.stop(); // gives up on the batch, as nothing answers
      await delivered(box.relay(), last);
      const received = await arrived(41);
      inOrder(received);
      expect(sorted([...new Set(received.map(({ event }) => event.position))])).toEqual(upTo(41));
    });

    test('control: one that stores its checkpoint first loses the batch', async () => {
      await box.see(...streams(20));
      const leadership = await leadershipOf('relay', box.database.url, new AbortController().signal);
      let last = leadership.position;
      const batch: Outgoing[] = [];
      for await (const event of box.store.readAll(last)) {
        batch.push({ topic: box.topics[0]!, ...toCloudEvent(event, last, { source: 'urn:x' }) });
        last = event.position;
      }
      await leadership.advance(last);
      // killed here: the batch is never sent
      await leadership.resign();
      const position = await box.see('camera-1');
      await delivered(box.relay(), position);
      expect((await arrived(1)).map(({ event }) => event.position)).toEqual([position]);
    });
  });

  test('while the broker takes nothing the relay holds two batches, however much is appended', async () => {
    let asked = 0;
    box.relay({
      broker: new Interposed(broker, () => never),
      route: (event) => {
        asked += 1;
        return [{ topic: box.topics[0]!, event }];
      },
    });
    for (let i = 0; i < 10; i += 1) {
      const events = Array.from({ length: 300 }, () => someEvent());
      await box.store.append([{ stream: 'camera-1', expected: 'any', events }]);
    }
    await until('it has read what it may', () => asked > 500);
    await sleep(1_000);
    expect(asked).toBeLessThanOrEqual(2 * 500);
  });

  test('an event that this program does not know is a fault that names it; what stands before it is sent, nothing behind', async () => {
    const declared = (...types: string[]) => {
      const type = { data: z.looseObject({}), version: 1, meaning: ['x', 'x'], since: '0.1', rules: [] } as const;
      return new EventCatalogue([defineEvents('registry', 'camera', Object.fromEntries(types.map((t) => [t, type])))]);
    };
    await box.see('camera-1', 'camera-2');
    const poison = { ...someEvent(), id: newId(), type: 'CameraLost' };
    await box.store.append([{ stream: 'camera-1', expected: 'any', events: [poison] }]);
    const last = await box.see('camera-2');

    const older = box.relay({ store: withCatalogue(box.store, declared('CameraSeen')) });
    await until('it says so', () => older.status.fault !== undefined);
    expect(older.status.fault).toBe(
      'the event behind position 2 cannot be sent: event CameraLost is not in the catalogue.',
    );
    await delivered(older, 2n);
    await sleep(1_000); // it tries again and again
    expect(older.status).toMatchObject({ state: 'fault', delivered: 2n });
    await older.stop();

    const newer = box.relay({ store: withCatalogue(box.store, declared('CameraSeen', 'CameraLost')) });
    await delivered(newer, last);
    expect((await arrived(4)).map(({ event }) => event.position).toSorted()).toEqual(upTo(4));
  });
});
