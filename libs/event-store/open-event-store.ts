import { KurrentEventStore } from './kurrentdb/kurrent-event-store.js';
import type { EventStore } from './port.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';

/** An event store that is open. */
export interface OpenedEventStore {
  readonly store: EventStore;
  close(): Promise<void>;
}

/**
 * Opens the event store at an address: `postgres://…`, `kurrentdb://…` or `esdb://…`.
 * @param categories stream categories that this process appends to; default all
 * @throws Error in one sentence when it cannot be used
 */
export async function openEventStore(url: string, categories?: readonly string[]): Promise<OpenedEventStore> {
  const own = categories === undefined ? {} : { categories };
  if (/^(kurrentdb|esdb)(\+discover)?:/.test(url)) {
    const store = await KurrentEventStore.open({ url, ...own });
    return { store, close: () => store.close() };
  }
  const store = new PostgresEventStore({ url, ...own });
  return { store, close: () => store.close() };
}
