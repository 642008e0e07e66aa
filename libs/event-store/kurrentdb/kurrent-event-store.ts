import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AppendStreamRequest,
  BACKWARDS,
  END,
  FORWARDS,
  jsonEvent,
  type KurrentDBClient,
  START,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@kurrent/kurrentdb-client';
import { categoryOf, newId } from '#libs/kernel';
import { type CheckedAppend, type CheckedPart, checkAppend } from '../checked-append.js';
import {
  type Appended,
  BusyError,
  type CaughtUp,
  ConflictError,
  DuplicateIdError,
  type EventFilter,
  EventStore,
  ForbiddenCategoryError,
  OutcomeUnknownError,
  passes,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
  UnreachableError,
} from '../port.js';
import { Turns } from '../turns.js';
import { Connection } from './connection.js';
import { ID_CATEGORY, serverFilter } from './filters.js';
import { followAll } from './follow.js';
import { asLimit, asRead, isForbidden, isNotLeader, isSilence } from './kurrent-errors.js';
import { propertiesOf, recorded } from './recorded.js';
import { isKeptByServer } from './stream-rights.js';

export interface KurrentEventStoreOptions {
  /** `kurrentdb://…` or `esdb://…`, with credentials, certificates and nodes as the vendor's client reads them. */
  readonly url: string;
  /** Stream categories that this process appends to; default all. */
  readonly categories?: readonly string[];
}

/** How often an append tries again when other writers come between. */
const ATTEMPTS_MAX = 100;
/** How often it looks for the node that leads, and how long it waits in between: an election takes seconds. */
const ELECTION_ATTEMPTS_MAX = 8;
const ELECTION_WAIT_MS = 250;
const ID_TYPE = 'EventIdTaken';
/** Reads at once when an append must find out what stands already. */
const READS_AT_ONCE = 32;
const PAGE = 500;
/** The half of the client that reads knows no deadline. */
const READ_MS_MAX = 5_000;
/** Reads ask the leader: another node may lag behind what this process, or the reader of a page before, has seen. */
const FROM_LEADER = { requiresLeader: true } as const;
const ONE = { ...FROM_LEADER, maxCount: 1 } as const;

/** Where an event stands that has been appended before. */
interface Standing {
  readonly stream: string;
  readonly revision: bigint;
}

/**
 * The event store in KurrentDB (EventStoreDB), through the vendor's client. Every append is one multi-stream append with
 * explicit revisions. KurrentDB has no index by id, so each event brings a stream of its own, `eventId-<id>`, that must
 * not exist yet and says where the event stands: an id is good once, and repeating an append is noticed by the server.
 */
export class KurrentEventStore extends EventStore {
  /** One append at a time a stream: others of this process wait instead of conflicting. */
  readonly #turns = new Map<string, Turns>();

  private constructor(
    readonly connection: Connection,
    readonly categories: readonly string[] | undefined,
  ) {
    super();
  }

  /** @throws Error in one sentence when the server is away, refuses the credentials, or is too old */
  static async open({ url, categories }: KurrentEventStoreOptions): Promise<KurrentEventStore> {
    const open = (connection: Connection) => new KurrentEventStore(connection, categories);
    return open(await Connection.open(url, (connection) => open(connection).head()));
  }

  /** Whether the server, and not this process alone, keeps its user from categories of others. */
  keptByServer(): Promise<boolean> {
    return isKeptByServer(this.connection.client);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  async append(appends: readonly StreamAppend[]): Promise<Appended> {
    const checked = checkAppend(appends);
    const foreign = checked.parts.find(({ stream }) => this.categories?.includes(categoryOf(stream)) === false);
    if (foreign !== undefined) throw new ForbiddenCategoryError(foreign.stream);
    return this.#inTurn(checked.parts.map(({ stream }) => stream).sort(), () => this.#append(checked));
  }

  /** Takes the turns of all streams, in one order, so that none waits for another that waits for it. */
  #inTurn<T>(streams: readonly string[], action: () => Promise<T>): Promise<T> {
    const [stream, ...rest] = streams;
    if (stream === undefined) return action();
    const turns = this.#turns.get(stream) ?? new Turns();
    this.#turns.set(stream, turns);
    return turns
      .take(() => this.#inTurn(rest, action))
      .finally(() => {
        if (!turns.busy) this.#turns.delete(stream);
      });
  }

  async #append({ parts, size }: CheckedAppend): Promise<Appended> {
    for (let attempt = 1; ; attempt += 1) {
      const lasts = await Promise.all(parts.map((part) => this.#lastOf(part)));
      const missing = parts.some(({ expected }, i) => expected === 'stream-exists' && lasts[i] === undefined);
      const appended = missing ? undefined : await this.#tryAppend(parts, lasts, attempt);
      if (appended !== undefined) return appended;
      // Refused: the ids stand already, or the streams are not as expected, or somebody came between.
      const repeated = await this.#repeatOf(parts, size);
      if (repeated !== undefined) return repeated;
      for (const { stream, expected } of parts) {
        const last = await this.#tail(stream);
        if (!holds(expected, last)) throw new ConflictError(stream, expected, last);
      }
    }
  }

  /** @returns undefined when the server has refused it for what stands there */
  async #tryAppend(
    parts: readonly CheckedPart[],
    lasts: readonly (bigint | undefined)[],
    attempt: number,
  ): Promise<Appended | undefined> {
    const requests = requestsOf(parts, lasts);
    for (let elections = 0; ; elections += 1) {
      const { client } = this.connection;
      try {
        const { position, responses } = await client.multiStreamAppend(requests);
        const revisionOf = new Map(responses?.map(({ streamName, revision }) => [streamName, revision]));
        const streams = parts.map(({ stream }) => ({ stream, revision: revisionOf.get(stream)! }));
        return { position: position!, streams, duplicate: false };
      } catch (error) {
        if (!isNotLeader(error)) {
          judge(error, parts, attempt);
          return undefined;
        }
        if (elections === ELECTION_ATTEMPTS_MAX) throw new UnreachableError('no node of KurrentDB leads');
        await sleep(elections * ELECTION_WAIT_MS);
        await this.connection.renew(client);
      }
    }
  }

  /** The revision that the append is to follow on; undefined when the stream must not exist. */
  async #lastOf({ stream, expected }: CheckedPart): Promise<bigint | undefined> {
    if (typeof expected === 'bigint') return expected;
    return expected === 'no-stream' ? undefined : this.#tail(stream);
  }

  async #tail(stream: string): Promise<bigint | undefined> {
    const [event] = await this.#page(stream, 'backwards', undefined, 1);
    return event?.revision;
  }

  /** The first result, when all of the ids stand where they are to be appended. @throws DuplicateIdError */
  async #repeatOf(parts: readonly CheckedPart[], size: number): Promise<Appended | undefined> {
    const asked = parts.flatMap(({ stream, events }) => events.map(({ id }) => ({ stream, id })));
    const standing = new Map<string, Standing>();
    for (let i = 0; i < asked.length; i += READS_AT_ONCE) {
      const some = asked.slice(i, i + READS_AT_ONCE);
      const found = await Promise.all(some.map(({ id }) => this.#standing(id)));
      some.forEach(({ id }, n) => {
        if (found[n] !== undefined) standing.set(id, found[n]);
      });
    }
    if (standing.size === 0) return undefined;
    const stranger = asked.find(({ stream, id }) => standing.has(id) && standing.get(id)!.stream !== stream);
    const culprit = stranger ?? (standing.size < size ? asked.find(({ id }) => standing.has(id)) : undefined);
    if (culprit !== undefined) throw new DuplicateIdError(culprit.stream, culprit.id);
    const lasts = await Promise.all(
      parts.map(async ({ stream, events }) => {
        const places = events.map(({ id }) => ({ id, revision: standing.get(id)!.revision }));
        const last = places.reduce((a, b) => (b.revision > a.revision ? b : a));
        return this.#eventOf(stream, last.id, last.revision);
      }),
    );
    const streams = lasts.map(({ stream, revision }) => ({ stream, revision }));
    const [newest] = lasts.toSorted((a, b) => (a.position < b.position ? 1 : -1));
    return { position: newest!.position, streams, duplicate: true };
  }

  async #standing(id: string): Promise<Standing | undefined> {
    const [resolved] = await this.#read((client) => client.readStream(`${ID_CATEGORY}-${id}`, ONE));
    if (resolved?.event === undefined) return undefined;
    const { stream, revision } = resolved.event.data as unknown as { stream: string; revision: string };
    return { stream, revision: BigInt(revision) };
  }

  /** An event by its id; on a stream that was deleted in between it stands behind where its marker says. */
  async #eventOf(stream: string, id: string, revision: bigint): Promise<RecordedEvent> {
    for await (const event of this.readStream(stream, { from: revision })) if (event.id === id) return event;
    throw new Error(`the event ${id} is gone from stream ${stream}`);
  }

  /** In pages that are read to their end: a read that is left half way would keep its place on the connection. */
  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncIterable<RecordedEvent> {
    const { direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options;
    const step = direction === 'forwards' ? 1n : -1n;
    let { from } = options;
    for (let left = limit; left > 0 && (from === undefined || from >= 0n); ) {
      const size = Math.min(left, PAGE);
      const page = await this.#page(stream, direction, from, size);
      yield* page;
      if (page.length < size) return;
      left -= size;
      from = page.at(-1)!.revision + step;
    }
  }

  async #page(stream: string, direction: 'forwards' | 'backwards', from: bigint | undefined, maxCount: number) {
    const backwards = direction === 'backwards';
    const page = await this.#read((client) =>
      client.readStream(stream, {
        direction: backwards ? BACKWARDS : FORWARDS,
        fromRevision: from ?? (backwards ? END : START),
        maxCount,
        ...FROM_LEADER,
      }),
    );
    return page.map(recorded);
  }

  /** Reads to the end; when nobody answers, once more by a new client. @throws UnreachableError */
  async #read<T>(begin: (client: KurrentDBClient) => AsyncIterable<T>): Promise<T[]> {
    for (let again = false; ; again = true) {
      const { client } = this.connection;
      try {
        return await within(READ_MS_MAX, all(begin(client)));
      } catch (error) {
        if (error instanceof StreamNotFoundError) return [];
        const late = error instanceof UnreachableError;
        if (!late && !isSilence(error) && !isNotLeader(error)) throw asRead(error);
        await this.connection.renew(client);
        if (late || again || client === this.connection.client) throw asRead(error);
      }
    }
  }

  async *readAll(after: bigint, filter: EventFilter = {}): AsyncIterable<RecordedEvent> {
    if (filter.types?.length === 0 || filter.categories?.length === 0) return;
    for (let last = after; ; ) {
      const page = await this.#pageOfAll({ from: last, filter, maxCount: PAGE });
      for (const event of page) {
        if (event.position <= last) continue; // a page begins with the event it is asked from
        last = event.position;
        if (passes(event, filter)) yield event;
      }
      if (page.length < PAGE) return;
    }
  }

  override async eventAt(position: bigint): Promise<RecordedEvent | undefined> {
    const [event] = await this.#pageOfAll({ from: position, filter: {}, maxCount: 1 });
    return event?.position === position ? event : undefined;
  }

  async head(): Promise<bigint> {
    const [event] = await this.#pageOfAll({ from: 'end', filter: {}, maxCount: 1 });
    return event?.position ?? 0n;
  }

  async #pageOfAll(wanted: { from: bigint | 'end'; filter: EventFilter; maxCount: number }): Promise<RecordedEvent[]> {
    const { from, filter, maxCount } = wanted;
    const page = await this.#read((client) =>
      client.readAll({
        direction: from === 'end' ? BACKWARDS : FORWARDS,
        fromPosition: from === 'end' ? END : from === 0n ? START : { commit: from, prepare: from },
        maxCount,
        filter: serverFilter(filter),
        ...FROM_LEADER,
      } as Parameters<KurrentDBClient['readAll']>[0]),
    );
    return page.map(recorded);
  }

  follow(
    after: bigint,
    { filter = {}, signal }: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    return followAll(this, () => this.connection.client, after, { filter, signal });
  }
}

/** The events behind markers of their ids, so that the newest position is that of an event. */
function requestsOf(parts: readonly CheckedPart[], lasts: readonly (bigint | undefined)[]): AppendStreamRequest[] {
  const firsts = lasts.map((last) => (last === undefined ? 0n : last + 1n));
  const markers = parts.flatMap(({ stream, events }, i) =>
    events.map(({ id }, n) => ({
      streamName: `${ID_CATEGORY}-${id}`,
      expectedState: 'no_stream' as const,
      events: [jsonEvent({ id: newId(), type: ID_TYPE, data: { stream, revision: String(firsts[i]! + BigInt(n)) } })],
    })),
  );
  const events = parts.map(({ stream, events }, i) => ({
    streamName: stream,
    expectedState: lasts[i] ?? ('no_stream' as const),
    events: events.map((event) => {
      const { id, type, data } = event;
      return jsonEvent({ id, type, data: JSON.parse(data), metadata: propertiesOf(event) });
    }),
  }));
  return [...markers, ...events];
}

/** Returns when the append may be tried again. @throws what the failure means in the words of the port */
function judge(error: unknown, parts: readonly CheckedPart[], attempt: number): void {
  const { stream } = parts[0]!;
  if (error instanceof WrongExpectedVersionError) {
    if (attempt < ATTEMPTS_MAX) return;
    throw new BusyError(`stream ${stream}: ${ATTEMPTS_MAX} times somebody else was quicker`);
  }
  if (isForbidden(error)) {
    const { message } = error as Error;
    const named = parts.find((part) => message.includes(part.stream.toLowerCase()));
    throw new ForbiddenCategoryError(named?.stream ?? stream);
  }
  if (isSilence(error)) throw new OutcomeUnknownError(stream, error);
  throw asLimit(error) ?? error;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

/** @throws UnreachableError when it takes longer */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new UnreachableError(`KurrentDB does not answer within ${ms} ms`)), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function holds(expected: StreamAppend['expected'], last: bigint | undefined): boolean {
  if (expected === 'any') return true;
  if (expected === 'no-stream') return last === undefined;
  if (expected === 'stream-exists') return last !== undefined;
  return expected === last;
}
