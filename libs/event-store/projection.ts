import type { EntityManager } from 'typeorm';
import type { EventFilter, RecordedEvent } from './port.js';

/**
 * One read model's way of learning from events. Effects and position are stored in one transaction, so every event
 * takes effect exactly once. Table names MUST NOT name a schema: the connection's search path decides, which is how a
 * read model is rebuilt beside the running one and then swapped in.
 */
export interface Projection {
  readonly name: string;
  readonly filter: EventFilter;
  apply(event: RecordedEvent, tx: EntityManager): Promise<void>;
  /**
   * The effect of several events, in their order, in fewer statements than one by one: for a read model that takes
   * thousands of events a second. MUST come to the same as `apply` for each, and MUST NOT look at what another
   * projection writes. When it fails, the events are applied one by one.
   */
  applyAll?(events: readonly RecordedEvent[], tx: EntityManager): Promise<void>;
}
