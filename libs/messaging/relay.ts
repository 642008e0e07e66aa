import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CaughtUp,
  type EventStore,
  isPassing,
  type Leadership,
  leadershipOf,
  type RecordedEvent,
} from '#libs/event-store';
import { toCloudEvent } from './cloud-event.js';
import { KafkaFaultError, type MessageBroker, type Outgoing, type Sender, type TopicLayout } from './port.js';

export interface RelayOptions {
  readonly store: EventStore;
  /** Database that keeps the relay's position and its lease. */
  readonly positionsUrl: string;
  readonly broker: MessageBroker;
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

const BATCH_EVENTS_MAX = 500;
/** A record batch must stay below the broker's `message.max.bytes`, 1 MiB by default. */
const BATCH_BYTES_MAX = 512 * 1024;
/** What headers and key add to a message. */
const HEADER_BYTES = 1_024;
const BACK_OFF_MS = [100, 500, 2_000, 5_000] as const;
/** A batch that is on its way when the relay must end is waited for so long. */
const FAREWELL_MS = 5_000;

/** Who has not become leader within so long after a failure stands by. */
const STAND_BY_MS = 1_000;

/** Name of the relay's stored position: how far the log has been delivered. */
export const RELAY = 'relay';

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
      let leadership: Leadership | undefined;
      // What went wrong is still true while it is tried again, until another process has taken over.
      const standingBy = setTimeout(() => this.#is('standing-by'), failures > 0 ? STAND_BY_MS : 0);
      try {
        leadership = await this.#turn(signal).finally(() => clearTimeout(standingBy));
        await this.#lead(leadership, signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) break;
        this.#failed(error);
        await sleep(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)], undefined, { signal }).catch(() => {});
        failures += 1;
      } finally {
        await leadership?.resign();
      }
    }
  }

  /** Waits until no other process relays. @throws KafkaFaultError when the database that says so refuses to */
  async #turn(signal: AbortSignal): Promise<Leadership> {
    try {
      return await leadershipOf(RELAY, this.options.positionsUrl, signal);
    } catch (error) {
      signal.throwIfAborted();
      // It has waited for a database that was away.
      const why = error instanceof Error ? error.message : String(error);
      throw new KafkaFaultError(`the database of positions refuses: ${why}.`, { cause: error });
    }
  }

  /** Relays until it is stopped or another has taken over. */
  async #lead(leadership: Leadership, stopped: AbortSignal, progressed: () => void): Promise<void> {
    const session = new AbortController();
    void leadership.lost.then((why) => session.abort(new Error(why)));
    const signal = AbortSignal.any([stopped, session.signal]);
    await this.options.broker.ensureTopics(this.options.layout);
    const sender = new PatientSender(this.options.broker, signal, (error) => this.#failed(error));
    try {
      this.#is('relaying', leadership.position);
      await this.#relay(leadership, sender, signal, progressed);
    } catch (error) {
      if (!session.signal.aborted) throw error;
    } finally {
      await sender.close();
    }
  }

  /** While one batch is on its way the next one is read. */
  async #relay(leadership: Leadership, sender: PatientSender, signal: AbortSignal, progressed: () => void) {
    let previous = leadership.position;
    let messages: Outgoing[] = [];
    let events = 0;
    let bytes = 0;
    let inFlight: Promise<void> = Promise.resolve();
    const send = async () => {
      await inFlight;
      const [batch, last] = [messages, previous];
      [messages, events, bytes] = [[], 0, 0];
      if (last === leadership.position) return;
      inFlight = sender.send(batch).then(async () => {
        await leadership.advance(last);
        progressed();
        this.#is('relaying', last);
      });
      inFlight.catch(() => {}); // it is awaited before the next one
    };
    try {
      for await (const item of this.#log(leadership.position, signal)) {
        if ('caughtUp' in item) {
          await send();
          continue;
        }
        for (const message of await this.#messagesOf(item, previous)) {
          messages.push(message);
          bytes += message.value.length + HEADER_BYTES;
        }
        previous = item.position;
        events += 1;
        if (events >= BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX) await send();
      }
    } catch (error) {
      if (error instanceof KafkaFaultError) await send(); // what stands before the event that cannot be sent
      await inFlight;
      throw error;
    }
    await inFlight;
  }

  /** The events to send. @throws KafkaFaultError when the log cannot be read, for instance an event of unknown type */
  async *#log(after: bigint, signal: AbortSignal): AsyncIterable<RecordedEvent | CaughtUp> {
    let position = after;
    try {
      for await (const item of this.options.store.follow(after, { signal })) {
        yield item;
        if (!('caughtUp' in item)) position = item.position;
      }
    } catch (error) {
      throw isPassing(error) ? error : unsendable(`behind position ${position}`, error);
    }
  }

  async #messagesOf(event: RecordedEvent, previous: bigint): Promise<Outgoing[]> {
    try {
      const publications = await this.options.route(event);
      return publications.map(({ topic, event: shown }) => ({
        topic,
        ...toCloudEvent(shown, previous, { source: this.options.source }),
      }));
    } catch (error) {
      throw isPassing(error) ? error : unsendable(`at position ${event.position}`, error);
    }
  }

  #failed(error: unknown): void {
    const fault = error instanceof KafkaFaultError ? error.message : undefined;
    const state = fault === undefined ? 'broker-away' : 'fault';
    if (this.#status.state !== state || this.#status.fault !== fault)
      this.options.warn?.(`relay: ${fault ?? String(error)}`);
    this.#status = { state, delivered: this.#status.delivered, ...(fault !== undefined && { fault }) };
  }

  #is(state: RelayStatus['state'], delivered = this.#status.delivered): void {
    this.#status = { state, delivered };
  }
}

/** Nothing behind it may be sent before it: the relay waits until a program that knows the event takes over. */
function unsendable(where: string, cause: unknown): KafkaFaultError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new KafkaFaultError(`the event ${where} cannot be sent: ${why}.`, { cause });
}

/** Sends one batch at a time until the broker has acknowledged it, through outages of any length. */
class PatientSender {
  #sender: Sender | undefined;
  readonly #gaveUp = Promise.withResolvers<never>();

  constructor(
    private readonly broker: MessageBroker,
    private readonly signal: AbortSignal,
    private readonly failed: (error: unknown) => void,
  ) {
    this.#gaveUp.promise.catch(() => {});
    signal.addEventListener('abort', this.#giveUp, { once: true });
  }

  readonly #giveUp = () => {
    setTimeout(() => this.#gaveUp.reject(this.signal.reason), FAREWELL_MS).unref();
  };

  /** @throws the signal's reason when it aborts before the broker has acknowledged */
  async send(messages: readonly Outgoing[]): Promise<void> {
    for (let failures = 0; messages.length > 0; failures += 1) {
      this.signal.throwIfAborted();
      try {
        this.#sender ??= this.broker.sender();
        await Promise.race([this.#sender.send(messages), this.#gaveUp.promise]);
        return;
      } catch (error) {
        this.signal.throwIfAborted();
        this.failed(error);
        // A sender that has failed no longer knows what the broker has taken; a new one starts with a clean slate.
        await this.#discard();
        const delay = BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)];
        await sleep(delay, undefined, { signal: this.signal }).catch(() => {});
      }
    }
  }

  async close(): Promise<void> {
    this.signal.removeEventListener('abort', this.#giveUp);
    await this.#discard();
  }

  async #discard(): Promise<void> {
    const sender = this.#sender;
    this.#sender = undefined;
    await sender?.close();
  }
}
