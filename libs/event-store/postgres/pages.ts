import type { EventMetadata } from '#libs/kernel';
import type { EventFilter, RecordedEvent } from '../port.js';
import type { Execute } from './append-queue.js';
import { untilThere } from './connections.js';

export const COLUMNS = 'position, stream, revision, id, type, version, data, metadata, recorded_at';

export type Row = readonly [
  position: string,
  stream: string,
  revision: string,
  id: string,
  type: string,
  version: string,
  data: string,
  metadata: string,
  recordedAt: string,
];

/** Events of the total order, one page. */
export interface Page {
  readonly rows: readonly Row[];
  /** Everything up to here has been looked at. */
  readonly through: bigint;
}

const PAGE_ROWS_FIRST = 500;
const PAGE_ROWS_MAX = 5_000;
const PAGE_BYTES = 1024 * 1024;
/** So that a filter that passes little does not make one query run over the whole table. */
const PAGE_POSITIONS_MAX = 200_000n;

/** Reads the total order page by page, the next page while the last is being used; two pages are the memory it takes. */
export class PageReader {
  constructor(readonly execute: Execute) {}

  /** Pages behind a position up to the head. With a signal, waits for a server that is away until it aborts. */
  async *read(after: bigint, head: bigint, filter: EventFilter, signal?: AbortSignal): AsyncIterable<Page> {
    let limit = PAGE_ROWS_FIRST;
    const fetch = (from: bigint) => {
      const query = () => this.#page(from, head, filter, limit);
      const page = signal ? untilThere(query, signal) : query();
      page.catch(() => {}); // a reader may leave while a page is on its way; if it stays, it gets the error below
      return page;
    };
    for (let next = after < head ? fetch(after) : undefined; next; ) {
      const page: Page = await next;
      limit = limitAfter(page, limit);
      next = page.through < head ? fetch(page.through) : undefined;
      yield page;
    }
  }

  async #page(after: bigint, head: bigint, { categories, types }: EventFilter, limit: number): Promise<Page> {
    const end = head - after > PAGE_POSITIONS_MAX ? after + PAGE_POSITIONS_MAX : head;
    const conditions = ['position > $1', 'position <= $2'];
    const values: unknown[] = [after, end, limit];
    if (categories) conditions.push(`category = ANY ($${values.push(categories)}::text[])`);
    if (types) conditions.push(`type = ANY ($${values.push(types)}::text[])`);
    const rows = (await this.execute({
      name: `all ${categories ? 'c' : ''}${types ? 't' : ''}`,
      text: `SELECT ${COLUMNS} FROM event_store.event WHERE ${conditions.join(' AND ')} ORDER BY position LIMIT $3`,
      values,
    })) as unknown as readonly Row[];
    return { rows, through: rows.length === limit ? BigInt(rows.at(-1)![0]) : end };
  }
}

/** Pages of about the same bytes, whatever the size of events. */
function limitAfter({ rows }: Page, limit: number): number {
  if (rows.length === 0) return limit;
  let bytes = 0;
  for (const row of rows) bytes += row[6].length + row[7].length + 200;
  return Math.max(50, Math.min(PAGE_ROWS_MAX, Math.floor((PAGE_BYTES * rows.length) / bytes)));
}

/**
 * The events of pages, one by one. Written by hand because an async generator spends as long on handing over an event
 * as on parsing it.
 */
export function eventsOf(pages: AsyncIterable<Page>): AsyncIterableIterator<RecordedEvent> {
  const source = pages[Symbol.asyncIterator]();
  let rows: readonly Row[] = [];
  let index = 0;
  const load = async (): Promise<IteratorResult<RecordedEvent>> => {
    while (index >= rows.length) {
      const { value, done } = await source.next();
      if (done) return { value: undefined, done: true };
      rows = value.rows;
      index = 0;
    }
    return { value: rowToEvent(rows[index++]!), done: false };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => (index < rows.length ? Promise.resolve({ value: rowToEvent(rows[index++]!), done: false }) : load()),
    async return() {
      rows = [];
      await source.return?.();
      return { value: undefined, done: true };
    },
  };
}

/** The event of a row. */
export function rowToEvent(row: Row): RecordedEvent {
  const [position, stream, revision, id, type, version, data, metadata, recordedAt] = row;
  return {
    id,
    type,
    version: Number(version),
    data: JSON.parse(data) as unknown,
    metadata: JSON.parse(metadata) as EventMetadata,
    stream,
    revision: BigInt(revision),
    position: BigInt(position),
    recordedAt: isoOf(recordedAt),
  };
}

/** `2026-11-24 06:12:09.12+00`, as PostgreSQL writes it in UTC, as ISO 8601 with milliseconds. */
function isoOf(text: string): string {
  const fraction = text.slice(20, -3); // without trailing zeros; none at a full second
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(3, '0').slice(0, 3)}Z`;
}
