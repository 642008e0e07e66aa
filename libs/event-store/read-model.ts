import type { EntityManager, MigrationInterface } from 'typeorm';
import type { Clock } from '#libs/kernel';
import type { EventStore } from './port.js';
import type { Projection } from './projection.js';

/** The read model of one service: its tables and how they learn from events. */
export interface ReadModelDefinition {
  /** PostgreSQL schema that belongs to this service alone. */
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
  readonly clock?: Clock;
}

/**
 * Keeps the tables of one service up to date with the store. Effects and position are stored in one transaction, so
 * every event takes effect exactly once, also when processes die or two of them run.
 */
export class ReadModel {
  constructor(
    readonly definition: ReadModelDefinition,
    readonly options: ReadModelOptions,
  ) {}

  /** Creates the schema, runs the migrations, follows the store. Resolves once events are being applied. */
  async start(): Promise<void> {
    throw new Error('not yet');
  }

  async stop(): Promise<void> {
    throw new Error('not yet');
  }

  /** For queries. */
  get manager(): EntityManager {
    throw new Error('not yet');
  }

  /** Resolves once events up to the position have taken effect (or are parked). @throws when `timeoutMs` passes */
  async reached(_position: bigint, _timeoutMs: number): Promise<void> {
    throw new Error('not yet');
  }

  /** How many events of the store are still to come. */
  async lag(): Promise<bigint> {
    throw new Error('not yet');
  }

  /** Builds all tables anew beside the running ones and swaps them in. */
  async rebuild(): Promise<void> {
    throw new Error('not yet');
  }
}
