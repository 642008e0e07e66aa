import { type Clock, SystemClock } from '#libs/kernel';
import { type CheckedAppend, type CheckedPart, checkAppend, type WrittenEvent } from './checked-append.js';
import {
  type Appended,
  type CaughtUp,
  ConflictError,
  DuplicateIdError,
  type EventFilter,
  EventStore,
  passes,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
} from './port.js';
import { Waiters } from './waiters.js';

interface Line extends WrittenEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly recordedAt: string;
}

/** The store in the memory of one process: for tests and trials, gone with the process. */
export class MemoryEventStore extends EventStore {
  readonly #log: Line[] = [];
  readonly #streams = new Map<string, Line[]>();
  readonly #byId = new Map<string, Line>();
  readonly #grown = new Waiters();

  constructor(readonly clock: Clock = new SystemClock()) {
    super();
  }

  async append(appends: readonly StreamAppend[]): Promise<Appended> {
    const checked = checkAppend(appends);
    const duplicate = this.#duplicateOf(checked);
    if (duplicate) return duplicate;
    for (const { stream, expected } of checked.parts) {
      const actual = this.#streams.get(stream)?.at(-1)?.revision;
      if (!holds(expected, actual)) throw new ConflictError(stream, expected, actual);
    }
    const recordedAt = this.clock.iso();
    const streams = checked.parts.map((part) => this.#write(part, recordedAt));
    this.#grown.wake();
    return { position: BigInt(this.#log.length), streams, duplicate: false };
  }

  #duplicateOf({ parts, size }: CheckedAppend): Appended | undefined {
    const asked = parts.flatMap(({ stream, events }) => events.map(({ id }) => ({ stream, id })));
    const known = asked.filter(({ id }) => this.#byId.has(id));
    if (known.length === 0) return undefined;
    const stranger = known.find(({ stream, id }) => this.#byId.get(id)!.stream !== stream);
    const culprit = stranger ?? (known.length < size ? known[0] : undefined);
    if (culprit) throw new DuplicateIdError(culprit.stream, culprit.id);
    const lines = known.map(({ id }) => this.#byId.get(id)!);
    const latest = (values: bigint[]) => values.toSorted((a, b) => (a < b ? -1 : 1)).at(-1)!;
    return {
      position: latest(lines.map(({ position }) => position)),
      streams: parts.map(({ stream }) => ({
        stream,
        revision: latest(lines.filter((line) => line.stream === stream).map(({ revision }) => revision)),
      })),
      duplicate: true,
    };
  }

  #write({ stream, events }: CheckedPart, recordedAt: string) {
    const lines = this.#streams.get(stream) ?? [];
    this.#streams.set(stream, lines);
    for (const event of events) {
      const position = BigInt(this.#log.length + 1);
      const line = { ...event, stream, revision: BigInt(lines.length), position, recordedAt };
      lines.push(line);
      this.#log.push(line);
      this.#byId.set(event.id, line);
    }
    return { stream, revision: BigInt(lines.length - 1) };
  }

  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncIterable<RecordedEvent> {
    const { direction = 'forwards', from, limit = Number.POSITIVE_INFINITY } = options;
    const lines = this.#streams.get(stream) ?? [];
    const selected =
      direction === 'forwards'
        ? lines.filter(({ revision }) => revision >= (from ?? 0n))
        : lines.filter(({ revision }) => from === undefined || revision <= from).reverse();
    for (const line of selected.slice(0, limit)) yield recorded(line);
  }

  async *readAll(after: bigint, filter: EventFilter = {}): AsyncIterable<RecordedEvent> {
    for (let index = Number(after); index < this.#log.length; index += 1) {
      const line = this.#log[index]!;
      if (passes(line, filter)) yield recorded(line);
    }
  }

  async head(): Promise<bigint> {
    return BigInt(this.#log.length);
  }

  async *follow(
    after: bigint,
    { filter = {}, signal }: { readonly filter?: EventFilter; readonly signal: AbortSignal },
  ): AsyncIterable<RecordedEvent | CaughtUp> {
    let position = after;
    let said: bigint | undefined;
    while (!signal.aborted) {
      while (position < BigInt(this.#log.length) && !signal.aborted) {
        const line = this.#log[Number(position)]!;
        position += 1n;
        if (passes(line, filter)) yield recorded(line);
      }
      if (signal.aborted) return;
      if (said !== position) {
        said = position;
        yield { caughtUp: position };
      } else {
        await this.#grown.wait(signal);
      }
    }
  }
}

function holds(expected: StreamAppend['expected'], actual: bigint | undefined): boolean {
  switch (expected) {
    case 'any':
      return true;
    case 'no-stream':
      return actual === undefined;
    case 'stream-exists':
      return actual !== undefined;
    default:
      return actual === expected;
  }
}

/** Readers get objects of their own, as from any other adapter: what they do to them changes no record. */
function recorded(line: Line): RecordedEvent {
  return { ...line, data: JSON.parse(line.data), metadata: JSON.parse(line.metadata) };
}
