import { type EventMetadata, newId } from '#libs/kernel';
import type { Appended, CaughtUp, EventStore, EventToAppend, ExpectedRevision, RecordedEvent } from './port.js';

export const METADATA: EventMetadata = {
  actor: { kind: 'system', id: 'contract' },
  occurredAt: '2025-03-01T00:00:00.000Z',
  rules: ['gz117:16(1)'],
  correlationId: 'contract',
};

/** An event for tests of stores. */
export function someEvent(data: unknown = { camera: '玉田坝北门' }, id = newId(), type = 'CameraSeen'): EventToAppend {
  return { id, type, version: 1, data, metadata: METADATA };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function isCaughtUp(item: RecordedEvent | CaughtUp): item is CaughtUp {
  return 'caughtUp' in item;
}

/** What the parts of the contract share. */
export interface Kit {
  /** The store under test, once `beforeAll` has opened it. */
  readonly opened: { store: EventStore };
  /** Whether positions count events, without gaps; else they only grow. */
  readonly gapFree: boolean;
  /** A stream that no other test uses. */
  fresh(category?: string): string;
  /** Appends to one stream, one event when none is given. */
  one(stream: string, expected: ExpectedRevision, ...events: EventToAppend[]): Promise<Appended>;
}
