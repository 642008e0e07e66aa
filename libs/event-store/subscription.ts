import type { EventFilter, RecordedEvent } from './port.js';

/** A subscription with a stored position. */
export interface Subscription {
  /** Unique and stable; the position is stored under it. */
  readonly name: string;
  readonly filter?: EventFilter;
  /** Where a subscription that has no stored position begins. */
  readonly from: 'start' | 'end';
  /** Called one event at a time in order; at least once. Throwing makes it retried, at last parked. */
  handle(event: RecordedEvent): Promise<void>;
}

/** An event that a subscription could not digest. */
export interface ParkedEvent {
  readonly subscription: string;
  readonly position: bigint;
  readonly eventId: string;
  readonly error: string;
  readonly attempts: number;
  readonly parkedAt: string;
}

/** A running subscription. */
export interface RunningSubscription {
  /** Resolves once events up to the position have been handled or parked. @throws when `timeout_ms` passes before */
  reached(position: bigint, timeoutMs: number): Promise<void>;
  /** Finishes the event in hand, stores the position, lets go of the lease. */
  stop(): Promise<void>;
}

/**
 * Runs subscriptions of one service, each by one process at a time (lease with a fencing epoch).
 *
 * Implementers MUST call `handle` in order and one at a time, MUST store a position only after its event was handled
 * or parked, MUST refuse to store it for a holder whose epoch is old, and MUST NOT pass over an event silently.
 */
export abstract class Subscriptions {
  abstract start(subscription: Subscription): Promise<RunningSubscription>;
  abstract parked(subscription: string): Promise<readonly ParkedEvent[]>;
  /** Hands parked events to the running subscription again, in order; those that succeed are parked no longer. */
  abstract replayParked(subscription: string): Promise<{ replayed: number; stillParked: number }>;
}
