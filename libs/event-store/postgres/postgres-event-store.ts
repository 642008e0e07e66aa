import pg from 'pg';
import { categoryOf } from '#libs/kernel';
import { checkAppend } from '../checked-append.js';
import {
  type Appended,
  type CaughtUp,
  type EventFilter,
  EventStore,
  ForbiddenCategoryError,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
} from '../port.js';
import { AppendQueue, type Execute } from './append-queue.js';
import { AS_TEXT, connectionConfig, PooledClient, untilThere } from './connections.js';
import { HeadWatcher } from './head-watcher.js';
import { COLUMNS, eventsOf, type Page, PageReader, type Row, rowToEvent } from './pages.js';

export interface PostgresEventStoreOptions {
  /** Address as the service role. The schema must be there: see {@link migrateEventStore}. */
  readonly url: string;
  /** Connections for reading; default 8. */
  readonly readersMax?: number;
  /** Categories of this service: another's is refused before it travels. Default all; the store has the last word. */
  readonly categories?: readonly string[];
}

const READERS_MAX = 8;
const STREAM_PAGE = 1_000;

/** The store in PostgreSQL; several processes may use the same database. */
export class PostgresEventStore extends EventStore {
  readonly #writer: pg.Pool;
  readonly #readers: pg.Pool;
  readonly #queue: AppendQueue;
  readonly #watcher: HeadWatcher;
  readonly #pages: PageReader;

  readonly #categories: readonly string[] | undefined;

  constructor({ url, readersMax = READERS_MAX, categories }: PostgresEventStoreOptions) {
    super();
    this.#categories = categories;
    this.#writer = pool(url, 1);
    this.#readers = pool(url, readersMax);
    this.#queue = new AppendQueue(executeOn(this.#writer));
    this.#watcher = new HeadWatcher(url, () => this.head());
    this.#pages = new PageReader(executeOn(this.#readers));
  }

  async append(appends: readonly StreamAppend[]): Promise<Appended> {
    const foreign = appends.find(({ stream }) => !(this.#categories?.includes(categoryOf(stream)) ?? true));
    if (foreign !== undefined) throw new ForbiddenCategoryError(foreign.stream);
    return this.#queue.append(checkAppend(appends));
  }

  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncIterable<RecordedEvent> {
    const { direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options;
    const forwards = direction === 'forwards';
    let from = options.from ?? (forwards ? 0n : 2n ** 63n - 1n);
    for (let left = limit; left > 0 && from >= 0n; ) {
      const size = Math.min(left, STREAM_PAGE);
      const rows = await executeOn(this.#readers)({
        name: `stream ${direction}`,
        text: `SELECT ${COLUMNS} FROM event_store.event WHERE stream = $1 AND revision ${forwards ? '>=' : '<='} $2
               ORDER BY revision ${forwards ? 'ASC' : 'DESC'} LIMIT $3`,
        values: [stream, from, size],
      });
      for (const row of rows) {
        const event = rowToEvent(row as Row);
        from = forwards ? event.revision + 1n : event.revision - 1n;
        yield event;
      }
      if (rows.length < size) return;
      left -= rows.length;
    }
  }

  readAll(after: bigint, filter: EventFilter = {}): AsyncIterable<RecordedEvent> {
    return eventsOf(this.#readPages(after, filter));
  }

  async *#readPages(after: bigint, filter: EventFilter): AsyncIterable<Page> {
    let position = after;
    for (let head = await this.head(); position < head; head = await this.head()) {
      yield* this.#pages.read(position, head, filter);
      position = head;
    }
  }

  async head(): Promise<bigint> {
    const [row] = await executeOn(this.#readers)({
      name: 'head',
      text: 'SELECT coalesce(max(position), 0) FROM event_store.event',
      values: [],
    });
    return BigInt(row![0]!);
  }

  async *follow(
    after: bigint,
    { filter = {}, signal }: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    const leave = this.#watcher.join();
    try {
      let position = after;
      let head = await untilThere(() => this.head(), signal);
      if (after > head) throw new Error(`a reader at ${after} is ahead of the store at ${head}: the store lost events`);
      while (!signal.aborted) {
        for await (const { rows } of this.#pages.read(position, head, filter, signal)) {
          for (const row of rows) {
            if (signal.aborted) return;
            yield rowToEvent(row);
          }
        }
        position = head;
        if (signal.aborted) return;
        yield { caughtUp: position };
        head = await this.#watcher.beyond(position, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      leave();
    }
  }

  /** Lets go of all connections. Followers MUST have been aborted and appends settled before. */
  async close(): Promise<void> {
    await Promise.all([this.#writer.end(), this.#readers.end()]);
  }
}

function pool(url: string, max: number): pg.Pool {
  const made = new pg.Pool({ ...connectionConfig(url), max, Client: PooledClient } as pg.PoolConfig);
  made.on('error', () => {}); // an idle connection was lost; the next query makes a new one
  return made;
}

function executeOn(connections: pg.Pool): Execute {
  return async ({ name, text, values }) => {
    const query = { name, text, values: [...values], rowMode: 'array' as const, types: AS_TEXT };
    return (await connections.query<(string | null)[]>(query)).rows;
  };
}
