import { someEvent } from './event-store-kit.contract.js';
import type { EventStore } from './port.js';
import type { RunningSubscription, Subscription, Subscriptions } from './subscription.js';

/** Waits between attempts in tests. */
export const DELAYS_MS = [5, 5, 5];

export interface Setting {
  readonly store: EventStore;
  readonly subscriptions: Subscriptions;
  close(): Promise<void>;
}

/** Appends events with these data to one stream. @returns the position of the last */
export async function write(store: EventStore, ...data: unknown[]): Promise<bigint> {
  const events = data.map((item) => someEvent(item));
  return (await store.append([{ stream: 'camera-1', expected: 'any', events }])).position;
}

/** Notes what it handles; throws on what `poison` says. */
export function noting(name: string, seen: unknown[], poison: (data: unknown) => boolean = () => false): Subscription {
  return {
    name,
    from: 'start',
    async handle({ data }) {
      if (poison(data)) throw new Error(`cannot digest ${data}`);
      seen.push(data);
    },
  };
}

/** So long a subscription may take to hear of an event; real brokers make a group wait when it is new. */
const REACHED_MS = 20_000;

/** What holds of all subscriptions, whatever feeds them. */
export function subscriptionsContract(what: string, open: () => Promise<Setting>): void {
  describe(`subscriptions: ${what}`, () => {
    let setting: Setting;
    const running: RunningSubscription[] = [];
    const start = async (subscription: Subscription) => {
      const started = await setting.subscriptions.start(subscription);
      running.push(started);
      return started;
    };

    beforeEach(async () => {
      setting = await open();
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map((subscription) => subscription.stop()));
      await setting.close();
    });

    test('events are handled in order, what is there and what comes', async () => {
      const seen: unknown[] = [];
      await write(setting.store, 1, 2);
      const subscription = await start(noting('a', seen));
      await subscription.reached(await write(setting.store, 3), REACHED_MS);
      expect(seen).toEqual([1, 2, 3]);
    });

    test('from the end, only what comes after the start is handled', async () => {
      const seen: unknown[] = [];
      await write(setting.store, 1);
      const subscription = await start({ ...noting('a', seen), from: 'end' });
      await subscription.reached(await write(setting.store, 2), REACHED_MS);
      expect(seen).toEqual([2]);
    });

    test('after a stop it goes on where it stood', async () => {
      const seen: unknown[] = [];
      const first = await start(noting('a', seen));
      await first.reached(await write(setting.store, 1, 2), REACHED_MS);
      await first.stop();
      await write(setting.store, 3);
      const again = await start(noting('a', seen));
      await again.reached(await write(setting.store, 4), REACHED_MS);
      expect(seen).toEqual([1, 2, 3, 4]);
    });

    test('a filter passes over events, and their positions are reached all the same', async () => {
      const seen: unknown[] = [];
      const subscription = await start({ ...noting('a', seen), filter: { types: ['Other'] } });
      await subscription.reached(await write(setting.store, 1), REACHED_MS);
      await subscription.reached(await write(setting.store, 2), REACHED_MS);
      expect(seen).toEqual([]);
    });

    test('an event that fails is tried again and is not parked when it succeeds', async () => {
      const seen: unknown[] = [];
      let failures = 0;
      const flaky = (data: unknown) => data === 2 && failures++ < 3;
      const subscription = await start(noting('a', seen, flaky));
      await subscription.reached(await write(setting.store, 1, 2, 3), REACHED_MS);
      expect(seen).toEqual([1, 2, 3]);
      expect(await setting.subscriptions.parked('a')).toEqual([]);
    });

    test('a poisonous event is parked with its error, the rest goes on, and replay hands it over again', async () => {
      const seen: unknown[] = [];
      let poisonous = true;
      const subscription = await start(noting('a', seen, (data) => poisonous && Number(data) % 2 === 0));
      const position = await write(setting.store, 1, 2, 3, 4);
      await subscription.reached(position, REACHED_MS);
      expect(seen).toEqual([1, 3]);
      expect(await setting.subscriptions.parked('a')).toMatchObject([
        { subscription: 'a', position: position - 2n, error: 'Error: cannot digest 2', attempts: 4 },
        { subscription: 'a', position, error: 'Error: cannot digest 4', attempts: 4 },
      ]);
      expect(await setting.subscriptions.replayParked('a')).toEqual({ replayed: 0, stillParked: 2 });
      poisonous = false;
      expect(await setting.subscriptions.replayParked('a')).toEqual({ replayed: 2, stillParked: 0 });
      expect(seen).toEqual([1, 3, 2, 4]);
      expect(await setting.subscriptions.parked('a')).toEqual([]);
    });

    test('subscriptions do not wait for one another', async () => {
      const seen: unknown[] = [];
      const gate = Promise.withResolvers<void>();
      const slow = await start({ ...noting('slow', []), handle: () => gate.promise });
      const fast = await start(noting('fast', seen));
      const position = await write(setting.store, 1, 2);
      await fast.reached(position, REACHED_MS);
      expect(seen).toEqual([1, 2]);
      gate.resolve();
      await slow.reached(position, REACHED_MS);
    });
  });
}
