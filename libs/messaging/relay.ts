import { setTimeout as sleep } from 'node:timers/promises';
import { ProduceAcks, Producer } from '@platformatic/kafka';
import { type EventStore, type Leadership, leadershipOf, type RecordedEvent } from '#libs/event-store';
import type { KafkaConfig } from '#libs/platform';
import { toCloudEvent } from './cloud-event.js';
import { connectionOf, faultOf } from './connection.js';
import { ensureTopics, type TopicLayout } from './topics.js';

export interface RelayOptions {
  readonly store: EventStore;
  /** Database that keeps the relay's position and its lease. */
  readonly positionsUrl: string;
  readonly kafka: KafkaConfig;
  /** Topics that must be there before anything is sent. */
  readonly layout: readonly TopicLayout[];
  /** Where an event goes and as what; the same each time it is asked of the same event. Asked one at a time. */
  readonly route: (event: RecordedEvent) => readonly Publication[] | Promise<readonly Publication[]>;
  /** `ce_source` of what is sent. */
  readonly source: string;
  readonly warn?: (sentence: string) => void;
}

/** An event on its way to a topic, without what its readers are not to see. */
export interface Publication {
  readonly topic: string;
  readonly event: RecordedEvent;
}

/** How the relay stands. */
export interface RelayStatus {
  readonly state: 'stopped' | 'standing-by' | 'relaying' | 'broker-away' | 'fault';
  /** Every event up to here has been acknowledged by the broker; as far as this process knows. */
  readonly delivered: bigint;
  /** What somebody must mend, in one sentence. */
  readonly fault?: string;
}

interface Message {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const BATCH_EVENTS_MAX = 500;
/** A record batch must stay below the broker's `message.max.bytes`, 1 MiB by default. */
const BATCH_BYTES_MAX = 512 * 1024;
const BACK_OFF_MS = [100, 500, 2_000, 5_000] as const;
const WORK = 'relay';

/**
 * Sends every event of the store to Kafka: the store is the outbox, a position in the database says how far it has come.
 *
 * One process at a time relays (lease with a fencing epoch). A batch is sent with `acks=all` by an idempotent producer,
 * one batch in flight, and the position is stored only after the broker's acknowledgement: at least once, and what
 * reaches a partition for the first time comes in the order of the log. A relay that was taken over while it hung may
 * still deliver its last batch: all of it has been sent before or is sent again, so that readers who drop what is not
 * behind the newest position they have seen in a partition lose nothing and see nothing twice.
 */
export class Relay {
  readonly #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #status: RelayStatus = { state: 'stopped', delivered: 0n };

  constructor(private readonly options: RelayOptions) {}

  get status(): RelayStatus {
    return this.#status;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Waits for the batch in flight, stores its position and lets another process take over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    this.#is('stopped');
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; ) {
      this.#is('standing-by');
      const leadership = await leadershipOf(WORK, this.options.positionsUrl, signal).catch(() => undefined);
      if (leadership === undefined) return;
      try {
        await this.#lead(leadership, signal, () => {
          failures = 0;
        });
      } catch (error) {
        this.#failed(error);
        await sleep(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)], undefined, { signal }).catch(() => {});
        failures += 1;
      } finally {
        await leadership.resign();
      }
    }
  }

  async #lead(leadership: Leadership, stopped: AbortSignal, progressed: () => void): Promise<void> {
    const session = new AbortController();
    void leadership.lost.then((why) => session.abort(new Error(why)));
    const signal = AbortSignal.any([stopped, session.signal]);
    await ensureTopics(this.options.kafka, this.options.layout);
    const producer = new BatchProducer(this.options.kafka, signal, (error) => this.#failed(error));
    try {
      this.#is('relaying', leadership.position);
      await this.#relay(leadership, producer, signal, progressed);
      session.signal.throwIfAborted();
    } finally {
      await producer.close();
    }
  }

  /** While one batch is on its way the next one is read. */
  async #relay(leadership: Leadership, producer: BatchProducer, signal: AbortSignal, progressed: () => void) {
    let previous = leadership.position;
    let messages: Message[] = [];
    let events = 0;
    let bytes = 0;
    let inFlight: Promise<void> = Promise.resolve();
    const send = async () => {
      await inFlight;
      const [batch, last] = [messages, previous];
      [messages, events, bytes] = [[], 0, 0];
      if (batch.length === 0) return;
      inFlight = producer.send(batch).then(async () => {
        await leadership.advance(last);
        progressed();
        this.#is('relaying', last);
      });
      inFlight.catch(() => {}); // it is awaited before the next one
    };
    for await (const item of this.options.store.follow(leadership.position, { signal })) {
      if ('caughtUp' in item) {
        await send();
        continue;
      }
      for (const { topic, event } of await this.options.route(item)) {
        const message = toCloudEvent(event, previous, { source: this.options.source });
        messages.push({ topic, ...message });
        bytes += message.value.length + 1_024;
      }
      previous = item.position;
      events += 1;
      if (events >= BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX) await send();
    }
    await inFlight;
  }

  #failed(error: unknown): void {
    const fault = faultOf(error);
    const state = fault === undefined ? 'broker-away' : 'fault';
    if (this.#status.state !== state) this.options.warn?.(`relay: ${fault?.message ?? String(error)}`);
    this.#status = { state, delivered: this.#status.delivered, ...(fault && { fault: fault.message }) };
  }

  #is(state: RelayStatus['state'], delivered = this.#status.delivered): void {
    this.#status = { state, delivered };
  }
}

/** Sends one batch at a time until the broker has acknowledged it, through outages of any length. */
class BatchProducer {
  #producer: Producer<string, Buffer, string, string> | undefined;

  constructor(
    private readonly config: KafkaConfig,
    private readonly signal: AbortSignal,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** @throws the signal's reason when it aborts before the broker has acknowledged */
  async send(messages: readonly Message[]): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      this.signal.throwIfAborted();
      try {
        this.#producer ??= this.#make();
        await this.#producer.send({ messages: messages.map((message) => ({ ...message })) });
        return;
      } catch (error) {
        this.failed(error);
        // A producer that has failed no longer knows what the broker has taken; a new one starts with a clean slate.
        await this.close();
        const delay = BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)];
        await sleep(delay, undefined, { signal: this.signal }).catch(() => {});
      }
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close(true).catch(() => {});
  }

  #make(): Producer<string, Buffer, string, string> {
    return new Producer({
      ...connectionOf(this.config, 'mingjing-relay'),
      idempotent: true,
      acks: ProduceAcks.ALL,
      maxInflights: 1,
      serializers: {
        key: (text?: string) => Buffer.from(text ?? ''),
        value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0),
        headerKey: (text?: string) => Buffer.from(text ?? ''),
        headerValue: (text?: string) => Buffer.from(text ?? ''),
      },
    });
  }
}
