import { categoryOf, type EventMetadata } from '#libs/kernel';

/** What the caller believes of the stream: its last revision, or a statement about its existence. */
export type ExpectedRevision = bigint | 'no-stream' | 'stream-exists' | 'any';

/** An event on its way into the store. */
export interface EventToAppend {
  /** UUIDv7; repeating it on the same stream makes the append idempotent. */
  readonly id: string;
  readonly type: string;
  /** Version of the data's schema. */
  readonly version: number;
  readonly data: unknown;
  readonly metadata: EventMetadata;
}

/** An event as it stands in the store. */
export interface RecordedEvent extends EventToAppend {
  readonly stream: string;
  /** Place in its stream; the first is 0. */
  readonly revision: bigint;
  /** Place in the total order of the store; grows in commit order. PostgreSQL and memory: from 1, without gaps. */
  readonly position: bigint;
  /** When the store wrote it, ISO 8601 UTC. */
  readonly recordedAt: string;
}

/** Events for one stream. */
export interface StreamAppend {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly EventToAppend[];
}

export interface StreamAppended {
  readonly stream: string;
  /** Revision of the last event of this append in its stream. */
  readonly revision: bigint;
}

export interface Appended {
  /** Position of the last event appended; a reader that has reached it has seen them all. */
  readonly position: bigint;
  /** One a stream, in the order of the request. */
  readonly streams: readonly StreamAppended[];
  /** True when every event had been appended before, by the same ids on the same streams. */
  readonly duplicate: boolean;
}

/** Which events a reader of the whole store wants; an empty filter wants all. Given parts must all hold. */
export interface EventFilter {
  readonly categories?: readonly string[];
  readonly types?: readonly string[];
}

/** Whether an event is one that a filter wants. */
export function passes(
  { stream, type }: Pick<RecordedEvent, 'stream' | 'type'>,
  { categories, types }: EventFilter = {},
): boolean {
  return (categories?.includes(categoryOf(stream)) ?? true) && (types?.includes(type) ?? true);
}

export interface ReadStreamOptions {
  readonly direction?: 'forwards' | 'backwards';
  /** First revision to read (inclusive); default the first, backwards the last. */
  readonly from?: bigint;
  /** At most so many events; default all. */
  readonly limit?: number;
}

/** Events: at most 64 KiB of JSON each (data and metadata together), at most 500 in one append. */
export const EVENT_BYTES_MAX = 65_536;
export const BATCH_EVENTS_MAX = 500;

/**
 * The append-only, totally ordered store of domain events.
 *
 * Callers MUST give ids that are theirs alone and MUST treat a resolved `append` as the only proof of durability: when
 * it rejects with anything but a `ConflictError`, `DuplicateIdError`, `ForbiddenCategoryError` or a refused limit, the
 * outcome is unknown and the same ids may be appended again.
 *
 * Implementers MUST append atomically over all streams of a call, MUST enforce all four expectations, MUST make events
 * visible to every reader in one and the same order without ever inserting one before an event that a reader has seen,
 * MUST have made an append durable before it resolves, and MUST NOT offer any way to change or remove an event.
 */
export abstract class EventStore {
  /**
   * @throws ConflictError when an expectation does not hold; says the actual revision; nothing is appended
   * @throws DuplicateIdError when an id stands on another stream, or only some ids of the call stand already
   * @throws ForbiddenCategoryError when the store does not let this process append to a category; nothing is appended
   * @throws LimitError when an event or the batch is too large, or the batch is empty
   * @throws BusyError when too many appends wait; nothing is appended
   * @throws OutcomeUnknownError when the store did not answer; the same ids may be appended again
   */
  abstract append(appends: readonly StreamAppend[]): Promise<Appended>;

  /** Events of one stream in the order of revisions; an unknown stream is empty. */
  abstract readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent>;

  /** Events of all streams behind a position, in the total order, up to what is committed when the end is reached. */
  abstract readAll(after: bigint, filter?: EventFilter): AsyncIterable<RecordedEvent>;

  /** The event at a position; undefined when none stands just there. Where positions have gaps it is overridden. */
  async eventAt(position: bigint): Promise<RecordedEvent | undefined> {
    for await (const event of this.readAll(position - 1n)) return event.position === position ? event : undefined;
    return undefined;
  }

  /** Position of the newest event; 0 when there is none. A round trip to the store: it fails when the store is down. */
  abstract head(): Promise<bigint>;

  /**
   * Follows the store behind a position: first what is there, then what comes, without end until the signal aborts.
   * Yields `caught-up` each time it has reached the head. Reconnects by itself; never skips, never repeats.
   */
  abstract follow(
    after: bigint,
    options: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp>;
}

/** The follower has seen everything up to this position (also what its filter passed over). */
export interface CaughtUp {
  readonly caughtUp: bigint;
}

/** An expectation did not hold. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';

  constructor(
    readonly stream: string,
    readonly expected: ExpectedRevision,
    /** Revision of the stream's last event; undefined when there is no such stream. */
    readonly actual: bigint | undefined,
  ) {
    super(`stream ${stream}: expected ${expected}, is ${actual ?? 'no stream'}`);
  }
}

/** An event id is taken. */
export class DuplicateIdError extends Error {
  override readonly name = 'DuplicateIdError';

  constructor(
    readonly stream: string,
    readonly eventId: string,
  ) {
    super(`stream ${stream}: event id ${eventId} already stands elsewhere or with other company`);
  }
}

/** The stream belongs to another service: the store lets this process append to its own categories only. */
export class ForbiddenCategoryError extends Error {
  override readonly name = 'ForbiddenCategoryError';

  constructor(readonly stream: string) {
    super(`stream ${stream}: this service may not append to category ${categoryOf(stream)}`);
  }
}

/** A limit of the store was passed. */
export class LimitError extends Error {
  override readonly name = 'LimitError';
}

/** The store did not answer: whether the append was made is unknown. Repeating it with the same ids is safe. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';

  constructor(
    readonly stream: string,
    override readonly cause: unknown,
  ) {
    super(`append to stream ${stream}: outcome unknown, repeat it with the same ids (${String(cause)})`);
  }
}

/** The store does not answer: nothing was read; what was to be appended was not. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** Too much waits already; nothing was appended. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}
