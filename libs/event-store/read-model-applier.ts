import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { Clock } from '#libs/kernel';
import { followTraces } from '#libs/tracing';
import { UnreadableEventError } from './catalogue-event-store.js';
import { type EventFilter, type EventStore, passes, type RecordedEvent } from './port.js';
import { isPassing } from './postgres/connections.js';
import { FencedError, Lease, type Session } from './postgres/lease.js';
import type { Projection } from './projection.js';
import { POSITION_TABLE } from './read-model-tables.js';
import { textOf } from './subscription-runner.js';
import { Turns } from './turns.js';
import type { Progress } from './waiters.js';

const BATCH_MAX = 200;
const RETRY_DELAYS_MS = [20, 100, 500, 2_000] as const;
const IDLE_STORE_MS = 250;
const HEARTBEAT_MS = 5_000;
const ROW = 'events';

/** Applies events to the tables of one schema while it holds the lease on their position. */
export class ReadModelApplier {
  readonly turns = new Turns();
  #stored: bigint;

  private constructor(
    readonly runner: QueryRunner,
    readonly schema: string,
    readonly lease: Lease,
    readonly projections: readonly Projection[],
    readonly feed: Pick<EventStore, 'follow'>,
    readonly progress: Progress,
    readonly clock: Clock,
  ) {
    this.#stored = lease.position;
  }

  /** Takes the lease. @returns the position that another holder has stored, when there is one */
  static async tryStart(
    tables: DataSource,
    schema: string,
    { projections, feed, progress, clock }: Pick<ReadModelApplier, 'projections' | 'feed' | 'progress' | 'clock'>,
  ): Promise<ReadModelApplier | bigint> {
    const runner = tables.createQueryRunner();
    await runner.connect();
    try {
      const table = `${schema}.${POSITION_TABLE}`;
      const lease = await Lease.tryTake(new RunnerSession(runner), table, ROW, 0n);
      if (lease instanceof Lease)
        return new ReadModelApplier(runner, schema, lease, projections, feed, progress, clock);
      await runner.release();
      return lease;
    } catch (error) {
      const lost = whatEnded(runner, error);
      await runner.release();
      throw lost;
    }
  }

  /**
   * Follows the store until the signal aborts or the lease is lost.
   * @throws FencedError or a lost connection's error: the caller starts again from the stored position
   * @throws UnreadableEventError when what stands before that event has taken effect
   */
  async run(signal: AbortSignal): Promise<void> {
    const session = new AbortController();
    const leave = () => session.abort();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave(); // stopped while the lease was being taken
    let failure: unknown;
    const ticking = this.#tick(session).catch((error: unknown) => {
      failure = error;
      session.abort();
    });
    try {
      await this.#follow(session.signal);
      if (failure) throw failure;
      await this.#letGo();
    } catch (error) {
      if (error instanceof UnreadableEventError) await this.#letGo(); // a newer program may go on at once
      throw whatEnded(this.runner, error);
    } finally {
      session.abort();
      signal.removeEventListener('abort', leave);
      await ticking;
      await this.runner.release().catch(() => {});
    }
  }

  #letGo(): Promise<void> {
    return this.turns.take(async () => {
      await this.#storePosition();
      await this.lease.release();
    });
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const filter = unionFilter(this.projections);
    let batch: RecordedEvent[] = [];
    const flush = async (): Promise<void> => {
      const events = batch;
      batch = [];
      if (events.length === 0) return;
      await this.turns.take(() =>
        followTraces(
          events.map(({ metadata }) => metadata.traceparent),
          'project events',
          { 'mingjing.read_model': this.schema, 'mingjing.events': events.length },
          () => this.#applyBatch(events),
        ),
      );
      this.progress.advance(events.at(-1)!.position);
    };
    try {
      for await (const item of this.feed.follow(this.lease.position, { filter, signal })) {
        if ('caughtUp' in item) {
          await flush();
          this.progress.advance(item.caughtUp);
        } else if (batch.push(item) >= BATCH_MAX) {
          await flush();
        }
      }
    } catch (error) {
      if (error instanceof UnreadableEventError) await flush(); // what stands before it
      throw error;
    }
  }

  /** All in one transaction; when that fails, one by one, so that a poisonous event stops nobody else. */
  async #applyBatch(events: readonly RecordedEvent[]): Promise<void> {
    const last = events.at(-1)!.position;
    try {
      return await this.#transaction(last, async (tx) => {
        for (const event of events) {
          for (const projection of this.#interested(event)) if (!projection.applyAll) await projection.apply(event, tx);
        }
        for (const projection of this.projections) {
          const wanted = projection.applyAll ? events.filter((event) => passes(event, projection.filter)) : [];
          if (wanted.length > 0) await projection.applyAll?.(wanted, tx);
        }
      });
    } catch (error) {
      if (error instanceof FencedError) throw error;
      await this.#assertConnected(error);
    }
    for (const event of events) await this.#applyAlone(event);
  }

  async #applyAlone(event: RecordedEvent): Promise<void> {
    for (const delay of RETRY_DELAYS_MS) {
      try {
        return await this.#transaction(event.position, async (tx) => {
          for (const projection of this.#interested(event)) await projection.apply(event, tx);
        });
      } catch (error) {
        if (error instanceof FencedError) throw error;
        await this.#assertConnected(error);
        await sleep(delay);
      }
    }
    await this.#transaction(event.position, async (tx) => {
      for (const projection of this.#interested(event)) {
        const error = await this.#attempt(tx, () => projection.apply(event, tx));
        if (error !== undefined) await this.#park(tx, projection.name, event, error, RETRY_DELAYS_MS.length + 1);
      }
    });
  }

  /** Undoes what a failing action did, and only that. @returns what it threw */
  async #attempt(tx: EntityManager, action: () => Promise<void>): Promise<unknown> {
    await tx.query('SAVEPOINT attempt');
    try {
      await action();
      await tx.query('RELEASE SAVEPOINT attempt');
      return undefined;
    } catch (error) {
      await tx.query('ROLLBACK TO SAVEPOINT attempt');
      return error ?? new Error('threw nothing');
    }
  }

  async #park(tx: EntityManager, projection: string, event: RecordedEvent, error: unknown, attempts: number) {
    await tx.query(
      `INSERT INTO read_model_parked (projection, position, event_id, error, attempts, parked_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (projection, position) DO UPDATE SET error = $4, attempts = $5, parked_at = $6`,
      [projection, event.position, event.id, textOf(error), attempts, this.clock.iso()],
    );
  }

  /** Effects and position in one transaction; nothing of it stands when the lease was lost. */
  async #transaction(position: bigint, effects: (tx: EntityManager) => Promise<void>): Promise<void> {
    const before = this.lease.position;
    await this.runner.startTransaction();
    try {
      await effects(this.runner.manager);
      await this.lease.advance(position);
      await this.runner.commitTransaction();
      this.#stored = position;
    } catch (error) {
      this.lease.rolledBackTo(before);
      await this.runner.rollbackTransaction().catch(() => {});
      throw error;
    }
  }

  /** Whether it was the event's fault or the server's. @throws the error when the connection is no longer there */
  async #assertConnected(error: unknown): Promise<void> {
    await this.runner.query('SELECT 1').catch(() => {
      throw isPassing(error) ? error : new Error('connection lost', { cause: error });
    });
  }

  #interested(event: RecordedEvent): Projection[] {
    return this.projections.filter(({ filter }) => passes(event, filter));
  }

  /** Tries a parked event once more. @returns whether it has taken effect now */
  async replay(event: RecordedEvent, name: string, attempts: number): Promise<boolean> {
    const projection = this.projections.find((candidate) => candidate.name === name);
    if (!projection) throw new Error(`there is no projection ${name}`);
    let error: unknown;
    await this.#transaction(this.lease.position, async (tx) => {
      error = await this.#attempt(tx, () => projection.apply(event, tx));
      if (error !== undefined) return this.#park(tx, name, event, error, attempts + 1);
      await tx.query('DELETE FROM read_model_parked WHERE projection = $1 AND position = $2', [name, event.position]);
    });
    return error === undefined;
  }

  async #storePosition(): Promise<void> {
    if (this.progress.position > this.#stored) {
      await this.lease.advance(this.progress.position);
      this.#stored = this.progress.position;
    }
  }

  /** Stores what the filter passed over, and says now and then that this holder lives. */
  async #tick(session: AbortController): Promise<void> {
    let beatAt = Date.now();
    while (!session.signal.aborted) {
      await sleep(IDLE_STORE_MS, undefined, { signal: session.signal }).catch(() => {});
      if (session.signal.aborted || this.turns.busy) continue;
      await this.turns.take(async () => {
        await this.#storePosition();
        if (Date.now() - beatAt < HEARTBEAT_MS) return;
        await this.lease.beat();
        beatAt = Date.now();
      });
    }
  }
}

class RunnerSession implements Session {
  constructor(readonly runner: QueryRunner) {}

  async query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return (await this.runner.query(text, [...values], true)).records;
  }
}

/** TypeORM takes a runner away when its connection breaks; what it says then is not what happened. */
function whatEnded(runner: QueryRunner, error: unknown): unknown {
  return runner.isReleased ? new Error('connection lost', { cause: error }) : error;
}

/** The narrowest filter that lets through whatever one of the projections wants. */
function unionFilter(projections: readonly Projection[]): EventFilter {
  const filters = projections.map(({ filter }) => filter);
  const union = (lists: readonly (readonly string[] | undefined)[]) =>
    lists.every((list) => list !== undefined) ? [...new Set(lists.flat())] : undefined;
  const categories = union(filters.map((filter) => filter.categories));
  const types = union(filters.map((filter) => filter.types));
  return { ...(categories && { categories }), ...(types && { types }) };
}
