import { setImmediate } from 'node:timers/promises';
import type { CheckedAppend, CheckedPart } from '../checked-append.js';
import {
  type Appended,
  BATCH_EVENTS_MAX,
  BusyError,
  ConflictError,
  DuplicateIdError,
  type ExpectedRevision,
  ForbiddenCategoryError,
  OutcomeUnknownError,
} from '../port.js';
import { int4Array, int8Array, textArray, uuidArray } from './binary-array.js';

/** Executes one statement in its own transaction; resolves only after the commit. Rows are arrays of texts. */
export type Execute = (statement: {
  name: string;
  text: string;
  values: readonly unknown[];
}) => Promise<readonly (readonly (string | null)[])[]>;

interface Waiting {
  readonly append: CheckedAppend;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
}

const GROUP_BYTES_MAX = 4 * 1024 * 1024;
const WAITING_MAX = 20_000;

const APPEND = {
  name: 'append',
  text: `SELECT outcomes, positions, culprits, revisions
           FROM event_store.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
};

/**
 * Group commit: while a group commits, the appends of concurrent callers gather into the next one, so that they share
 * one flush to the disk. Every caller gets the result of its own append. One group at a time: appends of all processes
 * take turns in the database anyway, and a second group under way was measured to add waiting and no throughput.
 */
export class AppendQueue {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  constructor(readonly execute: Execute) {}

  /** @throws what {@link EventStore.append} throws, and BusyError when too many wait */
  append(append: CheckedAppend): Promise<Appended> {
    if (this.#waiting.length >= WAITING_MAX)
      return Promise.reject(new BusyError(`${WAITING_MAX} appends wait already`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ append, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      await setImmediate(); // callers that were answered together come back together: let all of them speak
      await this.#commit(takeGroup(this.#waiting));
    }
    this.#busy = false;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      const [row] = await this.execute({ ...APPEND, values: valuesOf(group) });
      settle(group, row!);
    } catch (cause) {
      for (const { append, reject } of group) reject(new OutcomeUnknownError(append.parts[0]!.stream, cause));
    }
  }
}

/** Takes from the front what fits into one group. An append that repeats an id of the group waits for the next. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const group: Waiting[] = [];
  const left: Waiting[] = [];
  const ids = new Set<string>();
  let size = 0;
  let bytes = 0;
  let index = 0;
  for (; index < waiting.length && size < BATCH_EVENTS_MAX; index += 1) {
    const { append } = waiting[index]!;
    const full = size + append.size > BATCH_EVENTS_MAX || bytes + append.bytes > GROUP_BYTES_MAX;
    if (full && group.length > 0) break;
    const own = append.parts.flatMap(({ events }) => events.map(({ id }) => id));
    if (own.some((id) => ids.has(id))) {
      left.push(waiting[index]!);
      continue;
    }
    for (const id of own) ids.add(id);
    size += append.size;
    bytes += append.bytes;
    group.push(waiting[index]!);
  }
  waiting.splice(0, index, ...left);
  return group;
}

function valuesOf(group: readonly Waiting[]): Buffer[] {
  const names = new Map<string, number>();
  const parts = group.flatMap(({ append }, index) => append.parts.map((part) => ({ part, append: index + 1 })));
  for (const { part } of parts) if (!names.has(part.stream)) names.set(part.stream, names.size + 1);
  const events = parts.flatMap(({ part }) => part.events.map((event) => ({ ...event, stream: part.stream })));
  return [
    textArray([...names.keys()]),
    int4Array(parts.map(({ append }) => append)),
    int4Array(parts.map(({ part }) => names.get(part.stream)!)),
    int8Array(parts.map(({ part }) => expectedCode(part.expected))),
    int4Array(parts.map(({ part }) => part.events.length)),
    uuidArray(events.map(({ id }) => id)),
    textArray(events.map(({ stream }) => stream)),
    textArray(events.map(({ type }) => type)),
    int4Array(events.map(({ version }) => version)),
    textArray(events.map(({ data }) => data)),
    textArray(events.map(({ metadata }) => metadata)),
  ];
}

function expectedCode(expected: ExpectedRevision): bigint {
  if (typeof expected === 'bigint') return expected;
  return { 'no-stream': -1n, any: -2n, 'stream-exists': -3n }[expected];
}

const OUTCOME = { appended: '0', duplicate: '1', conflict: '2', taken: '3', forbidden: '4' } as const;

function settle(group: readonly Waiting[], row: readonly (string | null)[]): void {
  const [outcomes, positions, culprits, revisions] = row.map(elements) as [string[], string[], string[], string[]];
  let firstPart = 0;
  let firstEvent = 0;
  group.forEach(({ append, resolve, reject }, index) => {
    const culprit = Number(culprits[index]);
    switch (outcomes[index]) {
      case OUTCOME.appended:
      case OUTCOME.duplicate:
        resolve({
          position: BigInt(positions[index]!),
          streams: append.parts.map(({ stream }, p) => ({ stream, revision: BigInt(revisions[firstPart + p]!) })),
          duplicate: outcomes[index] === OUTCOME.duplicate,
        });
        break;
      case OUTCOME.conflict: {
        const { stream, expected } = append.parts[culprit - 1 - firstPart]!;
        const actual = BigInt(revisions[culprit - 1]!);
        reject(new ConflictError(stream, expected, actual < 0n ? undefined : actual));
        break;
      }
      case OUTCOME.forbidden:
        reject(new ForbiddenCategoryError(append.parts[culprit - 1 - firstPart]!.stream));
        break;
      default:
        reject(takenId(append.parts, culprit - 1 - firstEvent));
    }
    firstPart += append.parts.length;
    firstEvent += append.size;
  });
}

function takenId(parts: readonly CheckedPart[], index: number): DuplicateIdError {
  const events = parts.flatMap(({ stream, events }) => events.map(({ id }) => ({ stream, id })));
  const { stream, id } = events[index]!;
  return new DuplicateIdError(stream, id);
}

/** Elements of an array of numbers in PostgreSQL's text format. */
function elements(array: string | null): string[] {
  return array === null ? [] : array.slice(array.indexOf('{') + 1, -1).split(',');
}
