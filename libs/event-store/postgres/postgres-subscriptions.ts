import pg from 'pg';
import type { EventStore, RecordedEvent } from '../port.js';
import { type ParkedEvent, type RunningSubscription, type Subscription, Subscriptions } from '../subscription.js';
import { type HeldPosition, type Positions, RETRY_DELAYS_MS, SubscriptionRunner } from '../subscription-runner.js';
import { Turns } from '../turns.js';
import { Waiters } from '../waiters.js';
import { connectionConfig, isPassing, untilThere } from './connections.js';
import { FencedError, Lease, type Session } from './lease.js';

export interface PostgresSubscriptionsOptions {
  /** Address as the service role of the database that keeps positions; its schema by {@link migrateEventStore}. */
  readonly url: string;
  readonly store: EventStore;
  /** Where events are heard from, when not from the store itself; the same events in the same order. */
  readonly feed?: Pick<EventStore, 'follow'> | undefined;
  /** Waits between the attempts at a failing event, in ms; after the last one it is parked. */
  readonly retryDelaysMs?: readonly number[];
}

const TABLE = 'event_store.subscription';
const STAND_BY_MS = 200;

/** Subscriptions whose positions are in PostgreSQL; several processes may start the same ones, one at a time runs each. */
export class PostgresSubscriptions extends Subscriptions {
  readonly #positions: PostgresPositions;
  readonly #running = new Map<string, SubscriptionRunner>();

  constructor(readonly options: PostgresSubscriptionsOptions) {
    super();
    this.#positions = new PostgresPositions(options.url);
  }

  async start(subscription: Subscription): Promise<RunningSubscription> {
    const { name } = subscription;
    if (this.#running.has(name)) throw new Error(`subscription ${name} is running already`);
    const { store, feed = store, retryDelaysMs = RETRY_DELAYS_MS } = this.options;
    const heard = {
      head: () => store.head(),
      eventAt: (position: bigint) => store.eventAt(position),
      follow: (...asked: Parameters<EventStore['follow']>) => feed.follow(...asked),
    };
    const runner = new SubscriptionRunner(subscription, heard, this.#positions, retryDelaysMs);
    this.#running.set(name, runner);
    await runner.start();
    return {
      reached: (position, timeoutMs) => runner.reached(position, timeoutMs),
      stop: async () => {
        await runner.stop();
        this.#running.delete(name);
        if (this.#running.size === 0) await this.#positions.close();
      },
    };
  }

  parked(subscription: string): Promise<readonly ParkedEvent[]> {
    return this.#positions.parked(subscription);
  }

  async replayParked(subscription: string): Promise<{ replayed: number; stillParked: number }> {
    const runner = this.#running.get(subscription);
    if (!runner) throw new Error(`subscription ${subscription} is not running in this process`);
    return runner.replayParked();
  }

  /** Stops all subscriptions and lets go of the connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((runner) => runner.stop()));
    this.#running.clear();
    await this.#positions.close();
  }
}

/** Positions and parked events of this process's subscriptions, over one connection. */
export class PostgresPositions implements Positions {
  readonly #pause = new Waiters();
  readonly #turns = new Turns();
  #connection: Promise<ClientSession> | undefined;

  constructor(readonly url: string) {}

  async hold(
    name: string,
    from: bigint,
    signal: AbortSignal,
    elsewhere: (position: bigint) => void,
  ): Promise<HeldPosition> {
    for (;;) {
      signal.throwIfAborted();
      const taken = await untilThere(() => this.#take(name, from), signal);
      if (taken instanceof Lease) return held(taken);
      elsewhere(taken);
      await this.#pause.wait(signal, STAND_BY_MS);
    }
  }

  async #take(name: string, from: bigint): Promise<Lease | bigint> {
    // One attempt is several statements; two subscriptions must not mix theirs on the shared connection.
    return this.#turns.take(async () => Lease.tryTake(await this.#session(), TABLE, name, from));
  }

  async parked(...names: readonly string[]): Promise<readonly ParkedEvent[]> {
    const rows = await (await this.#session()).query(
      `SELECT subscription, position, event_id, error, attempts, parked_at
         FROM event_store.parked WHERE subscription = ANY($1) ORDER BY position`,
      [names],
    );
    return rows.map((row) => ({
      subscription: row.subscription as string,
      position: BigInt(row.position as string),
      eventId: row.event_id as string,
      error: row.error as string,
      attempts: row.attempts as number,
      parkedAt: (row.parked_at as Date).toISOString(),
    }));
  }

  /** Lets what has no stored position yet begin behind one. */
  async begin(names: readonly string[], position: bigint): Promise<void> {
    await (await this.#session()).query(
      `INSERT INTO ${TABLE} (name, position) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING`,
      [names, position],
    );
  }

  /** The stored positions of those that have one, whoever holds them. */
  async stored(names: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
    const rows = await (await this.#session()).query(`SELECT name, position FROM ${TABLE} WHERE name = ANY($1)`, [
      names,
    ]);
    return new Map(rows.map((row) => [row.name as string, BigInt(row.position as string)]));
  }

  isLost(error: unknown): boolean {
    return error instanceof FencedError || isPassing(error);
  }

  async close(): Promise<void> {
    const session = this.#connection;
    this.#connection = undefined;
    await (await session?.catch(() => undefined))?.client.end();
  }

  /** The one connection that all leases of this process live on; made anew when it was lost, and the leases with it. */
  #session(): Promise<ClientSession> {
    if (this.#connection !== undefined) return this.#connection;
    const client = new pg.Client(connectionConfig(this.url));
    const made = client.connect().then(() => new ClientSession(client));
    // A lost connection speaks twice, by an error and by its end; the second time its successor may be at work already,
    // and to forget that one would leave its leases held by nobody who knows.
    const forget = () => {
      if (this.#connection === made) this.#connection = undefined;
    };
    client.once('end', forget);
    client.on('error', forget);
    made.catch(forget);
    this.#connection = made;
    return made;
  }
}

class ClientSession implements Session {
  readonly #turns = new Turns();

  constructor(readonly client: pg.Client) {}

  query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return this.#turns.take(async () => (await this.client.query(text, [...values])).rows);
  }
}

function held(lease: Lease): HeldPosition {
  const { session, name } = lease;
  return {
    get position() {
      return lease.position;
    },
    advance: (position) => lease.advance(position),
    beat: () => lease.beat(),
    park: async ({ position, id }: RecordedEvent, error, attempts) => {
      await lease.advance(lease.position); // refuses for a holder whose epoch is old
      await session.query(
        `INSERT INTO event_store.parked (subscription, position, event_id, error, attempts) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subscription, position) DO UPDATE SET error = $4, attempts = $5, parked_at = now()`,
        [name, position, id, error, attempts],
      );
    },
    unpark: async (position) => {
      await session.query('DELETE FROM event_store.parked WHERE subscription = $1 AND position = $2', [name, position]);
    },
    release: () => lease.release(),
  };
}
