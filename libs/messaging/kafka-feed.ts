import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CaughtUp,
  type EventFilter,
  type EventStore,
  inTodaysShape,
  passes,
  type RecordedEvent,
  Waiters,
} from '#libs/event-store';
import type { EventCatalogue } from '#libs/kernel';
import { DamagedMessageError, fromCloudEvent, type Received } from './cloud-event.js';
import { type Consumption, type Incoming, KafkaFaultError, type MessageBroker } from './port.js';
import { storedBehind } from './stored.js';

export interface KafkaFeedOptions {
  readonly broker: MessageBroker;
  /** The topics that together carry the whole log. */
  readonly topics: readonly string[];
  /** The log itself: what Kafka does not carry (yet, or any more) is read there. */
  readonly store: Pick<EventStore, 'head' | 'readAll'>;
  /** Brings events that an older program has sent into today's shape. */
  readonly catalogue?: EventCatalogue;
  readonly warn?: (sentence: string) => void;
}

/** Messages that wait for one before them; more stay with the broker. */
const PENDING_EVENTS_MAX = 10_000;
const PENDING_BYTES_MAX = 32 * 1024 * 1024;
/** When the next event of the log has not come for so long, the log itself is asked. */
const SILENCE_MS = 500;
const RECONNECT_MS = 500;

/**
 * The whole log, in its total order, heard from Kafka instead of from the store.
 *
 * Events lie in many partitions, in order only within each. Every message names the position of the event before it in
 * the log, so the partitions are merged by following that chain: none is passed over, none comes twice, whatever is
 * delivered twice or late. Where the chain breaks off - at the start, after a disconnect, while the broker is away - the
 * missing piece is read from the store.
 */
export class KafkaFeed implements Pick<EventStore, 'follow'> {
  constructor(private readonly options: KafkaFeedOptions) {}

  /** As {@link EventStore.follow}. */
  async *follow(
    after: bigint,
    { filter, signal }: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    const messages = new Messages(this.options, signal);
    let last = after;
    let fromStore = true;
    try {
      while (!signal.aborted) {
        if (fromStore) {
          for await (const item of storedBehind(this.options.store, last, { filter, signal })) {
            last = 'caughtUp' in item ? item.caughtUp : item.position;
            if (!('caughtUp' in item)) yield item;
          }
          if (signal.aborted) return;
          messages.forgetBefore(last);
        }
        for (let next = messages.behind(last); next !== undefined; next = messages.behind(last)) {
          if (signal.aborted) return;
          last = next.position;
          if (passes(next, filter)) yield this.#current(next);
        }
        yield { caughtUp: last };
        fromStore = !(await messages.arrival(last, SILENCE_MS));
      }
    } finally {
      await messages.close();
    }
  }

  #current(event: RecordedEvent): RecordedEvent {
    const { catalogue } = this.options;
    return catalogue === undefined ? event : inTodaysShape(event, catalogue);
  }
}

/** What has come from Kafka and waits for its turn. */
class Messages {
  /** By the position of the event before. */
  readonly #pending = new Map<bigint, { readonly event: RecordedEvent; readonly bytes: number }>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** Everything up to here has been handed out. */
  #floor = 0n;
  #bytes = 0;
  #consumption: Consumption | undefined;
  readonly #arrived = new Waiters();
  readonly #room = new Waiters();

  constructor(
    private readonly options: KafkaFeedOptions,
    signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.#leave, { once: true });
    this.#running = this.#run().finally(() => signal.removeEventListener('abort', this.#leave));
  }

  readonly #leave = () => {
    this.#closing.abort();
    void this.#consumption?.close();
  };

  /** The event that follows a position in the log, if it has come. */
  behind(position: bigint): RecordedEvent | undefined {
    this.#floor = position;
    return this.#remove(position);
  }

  /** Whether the event behind a position comes within some milliseconds. */
  async arrival(position: bigint, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (!this.#closing.signal.aborted) {
      if (this.#pending.has(position)) return true;
      const left = deadline - performance.now();
      // What is missing cannot come any more when nothing else has room.
      if (left <= 0 || this.#full) break;
      await this.#arrived.wait(this.#closing.signal, left);
    }
    return false;
  }

  /** After a piece was read from the store: what lies in it is never asked for again. */
  forgetBefore(position: bigint): void {
    this.#floor = position;
    for (const [previous, { event }] of this.#pending) if (event.position <= position) this.#remove(previous);
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#running;
  }

  get #full(): boolean {
    return this.#pending.size >= PENDING_EVENTS_MAX || this.#bytes >= PENDING_BYTES_MAX;
  }

  #remove(previous: bigint): RecordedEvent | undefined {
    const entry = this.#pending.get(previous);
    if (entry === undefined) return undefined;
    this.#pending.delete(previous);
    this.#bytes -= entry.bytes;
    if (!this.#full) this.#room.wake();
    return entry.event;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let said = '';
    while (!signal.aborted) {
      try {
        await this.#listen();
        said = '';
      } catch (error) {
        const sentence = error instanceof KafkaFaultError ? error.message : `Kafka is away (${String(error)})`;
        if (!signal.aborted && sentence !== said) this.options.warn?.(`feed: ${sentence}; events come from the store.`);
        said = sentence;
      }
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Takes messages until the connection breaks. */
  async #listen(): Promise<void> {
    const { broker, topics } = this.options;
    const { signal } = this.#closing;
    const consumption = await broker.consume({ topics });
    this.#consumption = consumption;
    try {
      if (signal.aborted) return;
      for await (const message of consumption) {
        this.#take(message);
        while (this.#full && !signal.aborted) await this.#room.wait(signal);
        if (signal.aborted) return;
      }
    } finally {
      this.#consumption = undefined;
      await consumption.close();
    }
  }

  #take(message: Incoming): void {
    let received: Received;
    try {
      received = fromCloudEvent(message);
    } catch (error) {
      if (!(error instanceof DamagedMessageError)) throw error;
      const { topic, partition, offset } = message;
      this.options.warn?.(`feed: the message at ${topic}/${partition} offset ${offset} is damaged: ${error.message}.`);
      return; // the store has the event
    }
    const { event, previous } = received;
    if (event.position <= this.#floor || this.#pending.has(previous)) return; // delivered before
    const bytes = message.value.length;
    this.#pending.set(previous, { event, bytes });
    this.#bytes += bytes;
    this.#arrived.wake();
  }
}
