import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer, type MessagesStream, stringDeserializers } from '@platformatic/kafka';
import { type CaughtUp, type EventFilter, type EventStore, type RecordedEvent, Waiters } from '#libs/event-store';
import { categoryOf, newId } from '#libs/kernel';
import type { KafkaConfig } from '#libs/platform';
import { DamagedMessageError, fromCloudEvent, type Received } from './cloud-event.js';
import { connectionOf, faultOf } from './connection.js';

export interface KafkaFeedOptions {
  readonly kafka: KafkaConfig;
  /** The topics that together carry the whole log. */
  readonly topics: readonly string[];
  /** The log itself: what Kafka does not carry (yet, or any more) is read there. */
  readonly store: EventStore;
  readonly warn?: (sentence: string) => void;
}

/** Messages that wait for one before them; more stay with the broker. */
const PENDING_MAX = 10_000;
/** When the next event of the log has not come for so long, the log itself is asked. */
const SILENCE_MS = 500;
const RECONNECT_MS = 500;
const FETCH_WAIT_MS = 250;

type Stream = MessagesStream<string, Buffer, string, string>;

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
          for await (const event of this.options.store.readAll(last)) {
            if (signal.aborted) return;
            last = event.position;
            if (passes(event, filter)) yield event;
          }
          messages.forgetBefore(last);
        }
        for (let next = messages.behind(last); next !== undefined; next = messages.behind(last)) {
          if (signal.aborted) return;
          last = next.position;
          if (passes(next, filter)) yield next;
        }
        yield { caughtUp: last };
        fromStore = !(await messages.arrival(last, SILENCE_MS));
      }
    } finally {
      await messages.close();
    }
  }
}

/** What has come from Kafka and waits for its turn. */
class Messages {
  /** By the position of the event before. */
  readonly #pending = new Map<bigint, RecordedEvent>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** Everything up to here has been handed out. */
  #floor = 0n;
  #stream: Stream | undefined;
  readonly #arrived = new Waiters();

  constructor(
    private readonly options: KafkaFeedOptions,
    signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.#leave, { once: true });
    this.#running = this.#run().finally(() => signal.removeEventListener('abort', this.#leave));
  }

  readonly #leave = () => {
    this.#closing.abort();
    this.#stream?.destroy();
  };

  /** The event that follows a position in the log, if it has come. */
  behind(position: bigint): RecordedEvent | undefined {
    this.#floor = position;
    const event = this.#pending.get(position);
    this.#pending.delete(position);
    return event;
  }

  /** Whether the event behind a position comes within some milliseconds. */
  async arrival(position: bigint, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (!this.#closing.signal.aborted && this.#pending.size < PENDING_MAX) {
      if (this.#pending.has(position)) return true;
      const left = deadline - performance.now();
      if (left <= 0) break;
      await this.#arrived.wait(this.#closing.signal, left);
    }
    return false;
  }

  /** After a piece was read from the store: what lies in it is never asked for again. */
  forgetBefore(position: bigint): void {
    this.#floor = position;
    for (const [previous, { position: at }] of this.#pending) if (at <= position) this.#pending.delete(previous);
    if (this.#pending.size < PENDING_MAX) this.#stream?.resume();
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let said = '';
    while (!signal.aborted) {
      try {
        await this.#listen();
        said = '';
      } catch (error) {
        const sentence = faultOf(error)?.message ?? `Kafka is away (${String(error)})`;
        if (!signal.aborted && sentence !== said) this.options.warn?.(`feed: ${sentence}; events come from the store.`);
        said = sentence;
      }
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Takes messages until the connection breaks. A group of its own, so that it is given every partition. */
  async #listen(): Promise<void> {
    const consumer = new Consumer<string, Buffer, string, string>({
      ...connectionOf(this.options.kafka, 'mingjing-feed'),
      groupId: `mingjing-feed-${newId()}`,
      deserializers: { ...stringDeserializers, value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0) },
    });
    try {
      const stream = await consumer.consume({
        topics: [...this.options.topics],
        mode: 'latest',
        autocommit: false,
        maxWaitTime: FETCH_WAIT_MS,
      });
      this.#stream = stream;
      if (this.#closing.signal.aborted) return;
      await new Promise<void>((resolve, reject) => {
        stream.on('data', (message) => this.#take(message));
        stream.once('error', reject);
        stream.once('close', resolve);
      });
    } finally {
      this.#stream = undefined;
      await consumer.close(true).catch(() => {});
    }
  }

  #take(message: {
    key: string;
    value: Buffer;
    headers: ReadonlyMap<string, string>;
    topic: string;
    partition: number;
    offset: bigint;
  }) {
    let received: Received;
    try {
      const { key, value, headers } = message;
      received = fromCloudEvent({ key, value, headers: Object.fromEntries(headers) });
    } catch (error) {
      if (!(error instanceof DamagedMessageError)) throw error;
      const { topic, partition, offset } = message;
      this.options.warn?.(`feed: the message at ${topic}/${partition} offset ${offset} is damaged: ${error.message}.`);
      return; // the store has the event
    }
    const { event, previous } = received;
    if (event.position <= this.#floor) return; // delivered before
    this.#pending.set(previous, event);
    if (this.#pending.size >= PENDING_MAX) this.#stream?.pause();
    this.#arrived.wake();
  }
}

function passes({ stream, type }: RecordedEvent, { categories, types }: EventFilter = {}): boolean {
  return (categories?.includes(categoryOf(stream)) ?? true) && (types?.includes(type) ?? true);
}
