import {
  type Appended,
  type CaughtUp,
  type EventFilter,
  EventStore,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
} from '#libs/event-store';
import { inSpan } from '#libs/tracing';
import type { Metrics } from './metrics.js';

/** A store whose appends are timed and seen in traces; everything else passes straight through. */
export function observeStore(store: EventStore, metrics: Metrics): EventStore {
  return new ObservedStore(store, metrics);
}

class ObservedStore extends EventStore {
  constructor(
    readonly store: EventStore,
    readonly metrics: Metrics,
  ) {
    super();
  }

  append(appends: readonly StreamAppend[]): Promise<Appended> {
    const attributes = { 'mingjing.events': appends.reduce((sum, { events }) => sum + events.length, 0) };
    return inSpan('append', attributes, () => this.metrics.timeAppend(() => this.store.append(appends)));
  }

  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent> {
    return this.store.readStream(stream, options);
  }

  readAll(after: bigint, filter?: EventFilter): AsyncIterable<RecordedEvent> {
    return this.store.readAll(after, filter);
  }

  override eventAt(position: bigint): Promise<RecordedEvent | undefined> {
    return this.store.eventAt(position);
  }

  head(): Promise<bigint> {
    return this.store.head();
  }

  follow(
    after: bigint,
    options: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    return this.store.follow(after, options);
  }
}
