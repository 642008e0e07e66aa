import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** An event as the stand-in keeps it. */
export interface Line {
  readonly position: bigint;
  readonly stream: string;
  readonly revision: bigint;
  readonly id: string;
  readonly type: string;
  readonly json: boolean;
  readonly data: Buffer;
  readonly metadata: Buffer;
  readonly createdMs: number;
}

export type Proposed = Pick<Line, 'id' | 'type' | 'json' | 'data' | 'metadata'>;

/** What an append expects of a stream: a revision, or the server's numbers for any, no stream, stream exists. */
export const ANY = -2n;
export const NO_STREAM = -1n;
export const STREAM_EXISTS = -4n;

export interface StreamWrite {
  readonly stream: string;
  readonly expected: bigint;
  readonly events: readonly Proposed[];
}

export type Outcome =
  | { readonly kind: 'written'; readonly position: bigint; readonly revisions: readonly bigint[] }
  | { readonly kind: 'conflict'; readonly stream: string; readonly expected: bigint; readonly actual: bigint }
  | { readonly kind: 'deleted'; readonly stream: string };

/** Positions are places in a file, not counts: an event takes its size. */
const FRAME_BYTES = 173n;
const SYSTEM_EVERY = 7;

/** The stand-in's log: all streams in one order, with a system event now and then as a real server writes them. */
export class Log {
  readonly lines: Line[] = [];
  readonly #streams = new Map<string, Line[]>();
  /** First revision that is still read, of streams that were deleted. */
  readonly #readFrom = new Map<string, number>();
  readonly #tombstones = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #next = 1_024n;

  /** @param journal file that keeps the events across restarts */
  constructor(private readonly journal?: string) {
    if (journal === undefined || !existsSync(journal)) return;
    for (const text of readFileSync(journal, 'utf8').split('\n')) {
      // A last line that was cut short was never acknowledged.
      if (!text.endsWith(']')) continue;
      for (const { data, metadata, position, revision, ...rest } of JSON.parse(text) as Journaled[]) {
        this.#place({
          ...rest,
          position: BigInt(position),
          revision: BigInt(revision),
          data: Buffer.from(data, 'base64'),
          metadata: Buffer.from(metadata, 'base64'),
        });
      }
    }
  }

  /** What is read of a stream; deleted events stand in the log all the same. */
  stream(name: string): readonly Line[] {
    return this.#whole(name).slice(this.#readFrom.get(name) ?? 0);
  }

  #whole(name: string): readonly Line[] {
    return this.#streams.get(name) ?? [];
  }

  state(name: string): 'there' | 'none' | 'deleted' | 'tombstoned' {
    if (this.#tombstones.has(name)) return 'tombstoned';
    const { length } = this.#whole(name);
    if (length === 0) return 'none';
    return this.#readFrom.get(name) === length ? 'deleted' : 'there';
  }

  /** A deleted stream reads as none and goes on behind its last revision; a tombstoned one never takes an event again. */
  delete(name: string, how: 'deleted' | 'tombstoned'): void {
    if (how === 'tombstoned') this.#tombstones.add(name);
    else this.#readFrom.set(name, this.#whole(name).length);
  }

  onGrowth(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All of it or nothing, as one transaction. */
  write(writes: readonly StreamWrite[]): Outcome {
    const repeated = this.#repeated(writes);
    if (repeated !== undefined) return repeated;
    for (const { stream, expected } of writes) {
      const state = this.state(stream);
      if (state === 'tombstoned' || (state === 'deleted' && expected === STREAM_EXISTS))
        return { kind: 'deleted', stream };
      const actual = BigInt(this.#whole(stream).length) - 1n;
      if (state === 'deleted' && expected === NO_STREAM) continue;
      if (!holds(expected, actual)) return { kind: 'conflict', stream, expected, actual };
    }
    const fresh: Line[] = [];
    const createdMs = Date.now();
    const revisions = writes.map(({ stream, events }) => {
      for (const event of events)
        fresh.push(this.#place({ ...event, stream, ...this.#where(stream, event), createdMs }));
      return BigInt(this.#whole(stream).length) - 1n;
    });
    this.#keep(fresh);
    const position = fresh.at(-1)!.position;
    if (this.lines.length % SYSTEM_EVERY === 0) this.#system(createdMs);
    for (const listener of this.#listeners) listener();
    return { kind: 'written', position, revisions };
  }

  /** The same ids where they were expected to stand: the server says yes once more and writes nothing. */
  #repeated(writes: readonly StreamWrite[]): Outcome | undefined {
    const found = writes.map(({ stream, expected, events }) => {
      const from = expected === ANY || expected === STREAM_EXISTS ? -1 : Number(expected + 1n);
      const lines = this.#whole(stream);
      const start = from >= 0 ? from : lines.findIndex(({ id }) => id === events[0]?.id);
      if (start < 0) return undefined;
      const standing = lines.slice(start, start + events.length);
      return standing.length === events.length && events.every(({ id }, i) => standing[i]!.id === id)
        ? standing
        : undefined;
    });
    if (found.some((lines) => lines === undefined)) return undefined;
    const lines = found.map((each) => each!);
    return {
      kind: 'written',
      position: lines
        .flat()
        .map(({ position }) => position)
        .toSorted((a, b) => (a < b ? 1 : -1))[0]!,
      revisions: lines.map((each) => each.at(-1)!.revision),
    };
  }

  #where(stream: string, { data, metadata }: Proposed): { position: bigint; revision: bigint } {
    const position = this.#next;
    this.#next += FRAME_BYTES + BigInt(data.length + metadata.length);
    return { position, revision: BigInt(this.#whole(stream).length) };
  }

  #place(line: Line): Line {
    const lines = this.#streams.get(line.stream) ?? [];
    this.#streams.set(line.stream, lines);
    lines.push(line);
    this.lines.push(line);
    const behind = line.position + FRAME_BYTES + BigInt(line.data.length + line.metadata.length);
    if (behind > this.#next) this.#next = behind;
    return line;
  }

  #system(createdMs: number): void {
    const event = {
      id: crypto.randomUUID(),
      type: '$statsCollected',
      json: true,
      data: Buffer.from('{}'),
      metadata: Buffer.alloc(0),
    };
    const stream = '$stats-127.0.0.1:2113';
    this.#keep([this.#place({ ...event, stream, ...this.#where(stream, event), createdMs })]);
  }

  #keep(lines: readonly Line[]): void {
    if (this.journal === undefined) return;
    const journaled = lines.map(({ data, metadata, position, revision, ...rest }) => ({
      ...rest,
      position: String(position),
      revision: String(revision),
      data: data.toString('base64'),
      metadata: metadata.toString('base64'),
    }));
    appendFileSync(this.journal, `${JSON.stringify(journaled)}\n`);
  }
}

interface Journaled extends Omit<Line, 'position' | 'revision' | 'data' | 'metadata'> {
  readonly position: string;
  readonly revision: string;
  readonly data: string;
  readonly metadata: string;
}

function holds(expected: bigint, actual: bigint): boolean {
  if (expected === ANY) return true;
  if (expected === STREAM_EXISTS) return actual >= 0n;
  return expected === actual;
}
