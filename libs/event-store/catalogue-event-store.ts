import { categoryOf, type EventCatalogue } from '#libs/kernel';
import {
  type Appended,
  type CaughtUp,
  type EventFilter,
  EventStore,
  type EventToAppend,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
} from './port.js';

/**
 * A store that takes only what the catalogue declares and gives everything in today's shape.
 *
 * On append, an undeclared type, an old version, a stream of another category or data that does not fit its schema is
 * a bug and throws before anything is appended. On reading, data of older versions passes the upcasters.
 */
export function withCatalogue(store: EventStore, catalogue: EventCatalogue): EventStore {
  return new CatalogueEventStore(store, catalogue);
}

class CatalogueEventStore extends EventStore {
  constructor(
    readonly store: EventStore,
    readonly catalogue: EventCatalogue,
  ) {
    super();
  }

  async append(appends: readonly StreamAppend[]): Promise<Appended> {
    const checked = appends.map(({ stream, expected, events }) => ({
      stream,
      expected,
      events: events.map((event) => this.#checked(stream, event)),
    }));
    return this.store.append(checked);
  }

  async *readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent> {
    for await (const event of this.store.readStream(stream, options)) yield this.#current(event);
  }

  async *readAll(after: bigint, filter?: EventFilter): AsyncIterable<RecordedEvent> {
    for await (const event of this.store.readAll(after, filter)) yield this.#current(event);
  }

  override async eventAt(position: bigint): Promise<RecordedEvent | undefined> {
    const event = await this.store.eventAt(position);
    return event && this.#current(event);
  }

  head(): Promise<bigint> {
    return this.store.head();
  }

  async *follow(
    after: bigint,
    options: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    for await (const item of this.store.follow(after, options)) yield 'caughtUp' in item ? item : this.#current(item);
  }

  #checked(stream: string, event: EventToAppend): EventToAppend {
    const { category, version } = this.catalogue.get(event.type);
    if (category !== categoryOf(stream)) throw new TypeError(`event ${event.type} does not belong on stream ${stream}`);
    if (version !== event.version) throw new TypeError(`event ${event.type} is at version ${version} by now`);
    return { ...event, data: this.catalogue.validate(event.type, event.data) };
  }

  #current(event: RecordedEvent): RecordedEvent {
    return inTodaysShape(event, this.catalogue);
  }
}

/** An event of the log that this program cannot read: its type is not known any more, or its version not yet. */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';

  constructor(
    readonly position: bigint,
    override readonly cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** An event with data of the current version. @throws UnreadableEventError */
export function inTodaysShape(event: RecordedEvent, catalogue: EventCatalogue): RecordedEvent {
  try {
    const { version } = catalogue.get(event.type);
    if (event.version === version) return event;
    if (event.version > version) throw new Error(`event ${event.type} was written by a newer program`);
    return { ...event, version, data: catalogue.upcast(event.type, event.version, event.data) };
  } catch (error) {
    throw new UnreadableEventError(event.position, error);
  }
}
