import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, EntityManager, MigrationInterface } from 'typeorm';
import { type Clock, SystemClock } from '#libs/kernel';
import { UnreadableEventError } from './catalogue-event-store.js';
import type { EventStore } from './port.js';
import { isPassing } from './postgres/connections.js';
import { FencedError } from './postgres/lease.js';
import type { Projection } from './projection.js';
import { ReadModelApplier } from './read-model-applier.js';
import { checkSchemaName, openTables, POSITION_TABLE, withSchemaLock } from './read-model-tables.js';
import type { ParkedEvent } from './subscription.js';
import { eventAt } from './subscription-runner.js';
import { Progress } from './waiters.js';

/** The read model of one service: its tables and how they learn from events. */
export interface ReadModelDefinition {
  /** PostgreSQL schema that belongs to this service alone; lower-case snake_case. */
  readonly schema: string;
  readonly entities: readonly (new () => object)[];
  /** Checked in; MUST NOT name a schema. Class names end in a timestamp, as TypeORM wants. */
  readonly migrations: readonly (new () => MigrationInterface)[];
  readonly projections: readonly Projection[];
}

export interface ReadModelOptions {
  /** PostgreSQL address of a role that may create schemas in the database. */
  readonly url: string;
  readonly store: EventStore;
  /** Where its events are heard from, when not from the store itself; the same events in the same order. */
  readonly feed?: Pick<EventStore, 'follow'> | undefined;
  readonly clock?: Clock;
}

const STAND_BY_MS = 200;
/** An event that this program cannot read is tried again so often: a newer program may have taken over. */
const UNREADABLE_MS = 5_000;

/**
 * Keeps the tables of one service up to date with the store. Effects and position are stored in one transaction, so
 * every event takes effect exactly once, also when processes die or two of them run: one applies, the others stand by.
 * An event that a projection cannot digest is retried, then parked with its error while the rest goes on.
 */
export class ReadModel {
  readonly #clock: Clock;
  readonly #progress = new Progress(0n);
  #tables: DataSource | undefined;
  #applier: ReadModelApplier | undefined;
  #stop = new AbortController();
  /** Aborted to make the applier let go for a moment; see rebuild. */
  #session = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #swap: Promise<void> | undefined;
  #unreadable: UnreadableEventError | undefined;

  constructor(
    readonly definition: ReadModelDefinition,
    readonly options: ReadModelOptions,
  ) {
    checkSchemaName(definition.schema);
    this.#clock = options.clock ?? new SystemClock();
  }

  /** Creates the schema, runs the migrations, follows the store. Resolves once queries can be asked. */
  async start(): Promise<void> {
    if (this.#tables) throw new Error(`read model ${this.definition.schema} is running already`);
    this.#tables = await openTables(this.options.url, this.definition.schema, this.definition);
    this.#stop = new AbortController();
    this.#ended = this.#run(this.#tables);
  }

  /** Finishes the transaction under way and lets go of the lease. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    const tables = this.#tables;
    this.#tables = undefined;
    await tables?.destroy();
  }

  /** For queries. */
  get manager(): EntityManager {
    if (!this.#tables) throw new Error(`read model ${this.definition.schema} is not running`);
    return this.#tables.manager;
  }

  /** Position up to which events have taken effect (or are parked). */
  get position(): bigint {
    return this.#progress.position;
  }

  /** What somebody must mend before events go on taking effect, in one sentence. */
  get fault(): string | undefined {
    if (this.#unreadable === undefined || this.position >= this.#unreadable.position) return undefined;
    const { position, message } = this.#unreadable;
    return `the event at position ${position} cannot be read: ${message}`;
  }

  /** Resolves once events up to the position have taken effect (or are parked). @throws NotReachedError */
  reached(position: bigint, timeoutMs: number): Promise<void> {
    return this.#progress.reached(position, timeoutMs);
  }

  /** How many events of the store are still to come. */
  async lag(): Promise<bigint> {
    const head = await this.options.store.head();
    return head > this.#progress.position ? head - this.#progress.position : 0n;
  }

  /** Events that took no effect, with the projection as `subscription`. */
  async parked(): Promise<readonly ParkedEvent[]> {
    const rows = await this.manager.query<ParkedRow[]>('SELECT * FROM read_model_parked ORDER BY position, projection');
    return rows.map(({ projection, position, event_id, error, attempts, parked_at }) => ({
      subscription: projection,
      position: BigInt(position),
      eventId: event_id,
      error,
      attempts,
      parkedAt: parked_at.toISOString(),
    }));
  }

  /** How many events took no effect. A round trip: it fails when the tables are away. */
  async parkedCount(): Promise<number> {
    const [row] = await this.manager.query<{ count: number }[]>('SELECT count(*)::int AS count FROM read_model_parked');
    return row?.count ?? 0;
  }

  /** Tries all parked events again, in order. @throws Error when another process applies events */
  async replayParked(): Promise<{ replayed: number; stillParked: number }> {
    const applier = this.#applying();
    return applier.turns.take(async () => {
      const parked = await this.parked();
      let replayed = 0;
      for (const { subscription, position, attempts } of parked) {
        const event = await eventAt(this.options.store, position);
        if (await applier.replay(event, subscription, attempts)) replayed += 1;
      }
      return { replayed, stillParked: parked.length - replayed };
    });
  }

  /**
   * Builds all tables anew in a schema beside the running one, from the first event on, and swaps it in by renaming,
   * in one transaction with the position. Queries go on meanwhile and never see a half-built table.
   * @throws Error when another process applies events
   */
  async rebuild(): Promise<void> {
    this.#applying();
    const { url, store } = this.options;
    const { schema } = this.definition;
    const aside = `${schema}__rebuild`;
    await withSchemaLock(url, schema, (client) => client.query(`DROP SCHEMA IF EXISTS ${aside} CASCADE`));
    const copy = new ReadModel({ ...this.definition, schema: aside }, this.options);
    await copy.start();
    let resume = () => {};
    try {
      await copy.#progress.reached(await store.head(), REBUILD_MS_MAX);
      // The running applier stands still now; the copy takes the last events, lets go, and is renamed.
      const paused = this.#applying().lease.epoch;
      this.#swap = new Promise((resolve) => {
        resume = resolve;
      });
      await this.#pause();
      await copy.#progress.reached(this.#progress.position, REBUILD_MS_MAX);
      await copy.stop();
      await this.#rename(aside, paused);
    } finally {
      this.#swap = undefined;
      resume();
      await copy.stop();
    }
  }

  /** @param epoch of the lease that was let go for the swap; another's means that somebody has taken over meanwhile */
  async #rename(aside: string, epoch: string): Promise<void> {
    const { schema } = this.definition;
    const old = `${schema}__old`;
    await withSchemaLock(this.options.url, schema, async (client) => {
      await client.query(`DROP SCHEMA IF EXISTS ${old} CASCADE`);
      await client.query('BEGIN');
      const { rows } = await client.query(`SELECT epoch FROM ${schema}.${POSITION_TABLE} FOR UPDATE`);
      if (rows[0]?.epoch !== epoch) throw new FencedError(`${schema} was taken over by another process`);
      await client.query(`UPDATE ${aside}.${POSITION_TABLE} SET epoch = $1, heartbeat = '-infinity'`, [epoch]);
      await client.query(`ALTER SCHEMA ${schema} RENAME TO ${old}`);
      await client.query(`ALTER SCHEMA ${aside} RENAME TO ${schema}`);
      await client.query('COMMIT');
      await client.query(`DROP SCHEMA ${old} CASCADE`);
    });
  }

  #applying(): ReadModelApplier {
    if (!this.#applier) throw new Error(`another process applies events to ${this.definition.schema}, ask it there`);
    return this.#applier;
  }

  async #pause(): Promise<void> {
    this.#session.abort();
    while (this.#applier) await sleep(1);
  }

  async #run(tables: DataSource): Promise<void> {
    const { schema, projections } = this.definition;
    const parts = {
      projections,
      feed: this.options.feed ?? this.options.store,
      progress: this.#progress,
      clock: this.#clock,
    };
    while (!this.#stop.signal.aborted) {
      await this.#swap;
      this.#session = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#session.signal]);
      try {
        const taken = await ReadModelApplier.tryStart(tables, schema, parts);
        if (taken instanceof ReadModelApplier) {
          this.#progress.advance(taken.lease.position);
          this.#applier = taken;
          await taken.run(signal);
        } else {
          this.#progress.advance(taken);
          await this.#standBy(signal);
        }
      } catch (error) {
        if (error instanceof UnreadableEventError) {
          this.#unreadable = error;
          await this.#standBy(signal, UNREADABLE_MS);
          continue;
        }
        if (!(error instanceof FencedError) && !isPassing(error)) throw error;
        await this.#standBy(signal);
      } finally {
        this.#applier = undefined;
      }
    }
  }

  async #standBy(signal: AbortSignal, ms = STAND_BY_MS): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => {});
  }
}

const REBUILD_MS_MAX = 24 * 3_600_000;

interface ParkedRow {
  readonly projection: string;
  readonly position: string;
  readonly event_id: string;
  readonly error: string;
  readonly attempts: number;
  readonly parked_at: Date;
}
