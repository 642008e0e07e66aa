import {
  type CaughtUp,
  type EventFilter,
  type EventStore,
  passes,
  type RecordedEvent,
  Waiters,
} from '#libs/event-store';
import { DamagedMessageError, fromCloudEvent } from './cloud-event.js';
import type { Incoming, PartitionExtent, PartitionOffset } from './port.js';
import { storedBehind } from './stored.js';

export interface PartitionFeedOptions {
  readonly store: Pick<EventStore, 'head' | 'readAll'>;
  /** Whether an event of the store is one that goes into this partition. */
  readonly belongs: (event: RecordedEvent) => boolean;
  readonly extent: PartitionExtent;
  /** Where the group goes on; undefined when it has never been here. */
  readonly committed: PartitionOffset | undefined;
  readonly warn: (sentence: string) => void;
}

type Item =
  | { readonly event: RecordedEvent; readonly offset: bigint; readonly bytes: number }
  | { readonly damaged: bigint }
  | CaughtUp;

/** What waits to be handled; more stays with the broker. */
const WAITING_MAX = 500;
const WAITING_BYTES_MAX = 1024 * 1024;

/**
 * The events of one partition in their order, each once: what is not newer than the newest handed out is dropped. Where
 * Kafka does not go on at the very next offset - retention, a topic made anew, a damaged message, a position that was
 * taken over from another process - what may be missing is read from the store.
 */
export class PartitionFeed implements Pick<EventStore, 'follow'> {
  readonly #waiting: Item[] = [];
  #bytes = 0;
  readonly #arrived = new Waiters();
  readonly #room = new Waiters();
  readonly #closed = new AbortController();
  /** Offset behind the last message taken from the broker. */
  #received: bigint;
  /** Offset behind the last message that was handled. */
  #done: bigint | undefined;
  #expected: bigint | undefined;
  #followed = false;
  #told = 0n;

  constructor(private readonly options: PartitionFeedOptions) {
    const { extent, committed } = options;
    const sound = committed !== undefined && committed.offset >= extent.first && committed.offset <= extent.next;
    this.#expected = sound ? committed.offset : undefined;
    this.#received = sound ? committed.offset : extent.first;
  }

  /** What the group may commit: everything before it has been handled. */
  get done(): bigint | undefined {
    return this.#done;
  }

  /** The position that it was told to be delivered up to, last. */
  get told(): bigint {
    return this.#told;
  }

  /** Takes a message; resolves once there is room for another. */
  async offer(message: Incoming): Promise<void> {
    const { topic, partition, offset, value } = message;
    this.#received = offset + 1n;
    try {
      this.#waiting.push({ event: fromCloudEvent(message).event, offset, bytes: value.length });
      this.#bytes += value.length;
    } catch (error) {
      if (!(error instanceof DamagedMessageError)) throw error;
      this.options.warn(`the message at ${topic}/${partition} offset ${offset} is damaged: ${error.message}.`);
      this.#waiting.push({ damaged: offset });
    }
    this.#arrived.wake();
    const { signal } = this.#closed;
    while (!signal.aborted && (this.#waiting.length >= WAITING_MAX || this.#bytes >= WAITING_BYTES_MAX)) {
      await this.#room.wait(signal);
    }
  }

  /** Told that everything up to a position of the log stands before an offset. */
  deliveredUpTo(position: bigint, offset: bigint): void {
    if (this.#received < offset) return;
    this.#told = position;
    const newest = this.#waiting.at(-1);
    if (newest !== undefined && 'caughtUp' in newest) this.#waiting.pop();
    this.#waiting.push({ caughtUp: position });
    this.#arrived.wake();
  }

  close(): void {
    this.#closed.abort();
  }

  async *follow(
    after: bigint,
    { filter, signal }: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    let last = after;
    const options = this.options;
    async function* fromStore(): AsyncIterable<RecordedEvent | CaughtUp> {
      for await (const item of storedBehind(options.store, last, { filter, signal })) {
        if ('caughtUp' in item) {
          last = item.caughtUp;
          yield item;
        } else if (options.belongs(item)) {
          last = item.position;
          yield item;
        }
      }
    }
    // Whoever follows again may have lost what the one before had in hand.
    if (this.#followed || (this.#expected === undefined && (after > 0n || options.extent.first > 0n)))
      yield* fromStore();
    else this.#expected ??= 0n;
    this.#followed = true;
    while (!signal.aborted) {
      const item = this.#waiting.shift();
      if (item === undefined) {
        await this.#arrived.wait(signal);
      } else if ('caughtUp' in item) {
        if (item.caughtUp >= last) yield item; // what a filter passed over counts as well
      } else if ('damaged' in item) {
        yield* fromStore();
        this.#handled(item.damaged);
      } else {
        this.#bytes -= item.bytes;
        if (item.event.position > last && item.offset !== this.#expected) yield* fromStore();
        if (item.event.position > last) {
          last = item.event.position;
          if (passes(item.event, filter)) yield item.event;
        }
        this.#handled(item.offset);
      }
      this.#room.wake();
    }
  }

  #handled(offset: bigint): void {
    this.#expected = offset + 1n;
    this.#done = offset + 1n;
  }
}
