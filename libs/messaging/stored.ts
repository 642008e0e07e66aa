import { setTimeout as sleep } from 'node:timers/promises';
import { type CaughtUp, type EventFilter, type EventStore, isPassing, type RecordedEvent } from '#libs/event-store';

const RETRY_MS = 500;

/**
 * What the store holds behind a position, and at last how far that reaches; ends there. Waits while the store is away.
 */
export async function* storedBehind(
  store: Pick<EventStore, 'head' | 'readAll'>,
  after: bigint,
  { filter, signal }: { readonly filter?: EventFilter | undefined; readonly signal: AbortSignal },
): AsyncGenerator<RecordedEvent | CaughtUp> {
  let last = after;
  while (!signal.aborted) {
    try {
      const head = await store.head();
      for await (const event of store.readAll(last, filter)) {
        if (signal.aborted) return;
        yield event;
        last = event.position;
      }
      if (head > last) last = head;
      yield { caughtUp: last };
      return;
    } catch (error) {
      if (!isPassing(error)) throw error;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
