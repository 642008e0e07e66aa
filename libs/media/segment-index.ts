import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '#libs/kernel';
import type { InitSegment } from './fmp4.js';

/** The beginning of an unbroken run of one source; a run that lasts over midnight UTC goes on in an epoch of its own. */
export interface Epoch {
  /** Milliseconds since 1970 at which its first segment begins; unique for a camera. */
  readonly epoch: number;
  readonly init: {
    readonly bytes: number;
    /** SHA-256 of the file, hexadecimal. */
    readonly sha256: string;
    readonly codec: string;
    readonly width: number;
    readonly height: number;
    /** Ticks a second of the decode times of the epoch's segments. */
    readonly timescale: number;
  };
}

/** One recorded segment: a fragment as it came, in a file of its own. */
export interface Segment {
  readonly epoch: number;
  /** Place in its epoch, from 0 without gaps. */
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly bytes: number;
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
}

export type SegmentIndexLog = (message: string, facts: Readonly<Record<string, unknown>>) => void;

interface Day {
  readonly epochs: Map<number, Epoch>;
  /** In the order in which they were recorded. */
  readonly segments: Segment[];
}

const DAY_MS = 86_400_000;
/** About 200 bytes each. */
const SEGMENTS_IN_MEMORY_MAX = 500_000;
const SEGMENTS_IN_RANGE_MAX = 100_000;
const DAYS_IN_RANGE_MAX = 32;
const LATEST_MAX = 64;

/**
 * What has been recorded, on disk: `<root>/<cameraId>/<yyyymmdd>/`, in it `index.jsonl`, one `<epoch>-init.mp4` an
 * epoch and one `<epoch>-<n>.m4s` a segment. A line stands in the index only after its file is durable.
 *
 * Writers MUST be one a camera, MUST call {@link SegmentIndex.recover} first and MUST NOT append concurrently.
 * File names come from numbers and UUIDs alone.
 */
export class SegmentIndex {
  readonly #days = new Map<string, Promise<Day>>();
  readonly #sizes = new Map<string, number>();
  readonly #latest = new Map<string, Segment[]>();

  constructor(
    private readonly root: string,
    private readonly log: SegmentIndexLog = () => {},
  ) {}

  /** Records the initialisation segment of a new epoch; what is appended next belongs to it. */
  async begin(cameraId: string, epoch: number, init: InitSegment): Promise<Epoch> {
    const { codec, width, height, timescale } = init.track;
    const entry = {
      epoch,
      init: { bytes: init.bytes.length, sha256: sha256(init.bytes), codec, width, height, timescale },
    };
    await mkdir(this.#folder(cameraId, epoch), { recursive: true });
    await writeDurably(this.initPath(cameraId, epoch), init.bytes);
    await this.#addLine(cameraId, epoch, entry);
    (await this.#days.get(key(cameraId, epoch)))?.epochs.set(epoch, entry);
    return entry;
  }

  /** Records a segment: file, then line. Rejects with the file system's error; then nothing is on record. */
  async append(
    cameraId: string,
    entry: Pick<Segment, 'epoch' | 'n' | 'startMs' | 'durationMs'>,
    bytes: Buffer,
  ): Promise<Segment> {
    const { epoch, n, startMs, durationMs } = entry;
    if (dayOf(startMs) !== dayOf(epoch)) throw new Error(`segment ${epoch}-${n} begins on another day than its epoch`);
    const segment = { epoch, n, startMs, durationMs, bytes: bytes.length, sha256: sha256(bytes) };
    await writeDurably(this.path(cameraId, epoch, n), bytes);
    await this.#addLine(cameraId, epoch, segment);
    const day = key(cameraId, epoch);
    const loaded = await this.#days.get(day);
    const last = loaded?.segments.at(-1);
    // A reader may have loaded the day with this very line in it.
    if (loaded && !(last?.epoch === epoch && last.n === n)) {
      loaded.segments.push(segment);
      this.#sizes.set(day, loaded.segments.length);
    }
    const latest = this.#latest.get(cameraId) ?? [];
    latest.push(segment);
    if (latest.length > LATEST_MAX) latest.shift();
    this.#latest.set(cameraId, latest);
    return segment;
  }

  /**
   * Segments that lie wholly inside a time range, by time.
   * @throws RangeError when the range is longer than 32 days or holds more than 100,000 segments
   */
  range(cameraId: string, fromMs: number, toMs: number): Promise<Segment[]> {
    return this.#select(cameraId, fromMs, toMs, (s) => s.startMs >= fromMs && s.startMs + s.durationMs <= toMs);
  }

  /** Segments that begin in a time range (its end excluded), by time; limits as for {@link SegmentIndex.range}. */
  beginningIn(cameraId: string, fromMs: number, toMs: number): Promise<Segment[]> {
    return this.#select(cameraId, fromMs, toMs, (s) => s.startMs >= fromMs && s.startMs < toMs);
  }

  /** The newest segments that this process has recorded, at most 64, oldest first. */
  latest(cameraId: string, count: number): Segment[] {
    return (this.#latest.get(cameraId) ?? []).slice(-Math.min(count, LATEST_MAX));
  }

  async find(cameraId: string, epoch: number, n: number): Promise<Segment | undefined> {
    const recent = this.#latest.get(cameraId)?.find((segment) => segment.epoch === epoch && segment.n === n);
    return recent ?? (await this.#day(cameraId, epoch)).segments.find((s) => s.epoch === epoch && s.n === n);
  }

  async init(cameraId: string, epoch: number): Promise<Epoch | undefined> {
    return (await this.#day(cameraId, epoch)).epochs.get(epoch);
  }

  /** Where a segment's bytes are. @throws TypeError unless the camera id is a UUID and the others are whole numbers */
  path(cameraId: string, epoch: number, n: number): string {
    if (!Number.isSafeInteger(n) || n < 0) throw new TypeError(`${n} numbers no segment`);
    return join(this.#folder(cameraId, epoch), `${epoch}-${n}.m4s`);
  }

  /** Where an epoch's initialisation segment is. @throws TypeError as {@link SegmentIndex.path} */
  initPath(cameraId: string, epoch: number): string {
    return join(this.#folder(cameraId, epoch), `${epoch}-init.mp4`);
  }

  /** Where it is noted how far a camera's minutes are sealed. @throws TypeError unless the camera id is a UUID */
  markPath(cameraId: string): string {
    return join(this.#cameraFolder(cameraId), 'sealed.json');
  }

  /**
   * Puts the last recorded day in order after a crash: a torn last line is cut, unfinished files are removed. A segment
   * without a line is left where it is, and named: it may be the index that is wrong (Art. 18(2)).
   * @returns the segment recorded last, of all time
   */
  async recover(cameraId: string): Promise<Segment | undefined> {
    for (const day of (await this.days(cameraId)).reverse()) {
      const folder = this.#folder(cameraId, day);
      await this.#cutTornLine(join(folder, 'index.jsonl'));
      this.#forget(key(cameraId, day));
      const { epochs, segments } = await this.#day(cameraId, day);
      const known = new Set(['index.jsonl']);
      for (const epoch of epochs.keys()) known.add(`${epoch}-init.mp4`);
      for (const { epoch, n } of segments) known.add(`${epoch}-${n}.m4s`);
      for (const name of await readdir(folder)) {
        if (known.has(name)) continue;
        this.log('a file stands in no line of the index', { folder, name });
        if (name.endsWith('.part')) await rm(join(folder, name), { force: true });
      }
      const last = segments.at(-1);
      if (last) return last;
    }
    return undefined;
  }

  /** First milliseconds of the UTC days that have recordings, oldest first. */
  async days(cameraId: string): Promise<number[]> {
    const names = await readdir(this.#cameraFolder(cameraId)).catch(absent<string[]>([]));
    return names
      .filter((name) => /^\d{8}$/.test(name))
      .sort()
      .map((name) => Date.parse(`${name.slice(0, 4)}-${name.slice(4, 6)}-${name.slice(6)}`))
      .filter(Number.isFinite);
  }

  async #select(cameraId: string, fromMs: number, toMs: number, wanted: (segment: Segment) => boolean) {
    const found: Segment[] = [];
    if (!(toMs > fromMs)) return found;
    const first = Math.floor(fromMs / DAY_MS);
    const last = Math.floor((toMs - 1) / DAY_MS);
    if (last - first >= DAYS_IN_RANGE_MAX) throw new RangeError(`a range of ${last - first + 1} days`);
    for (let day = first; day <= last; day += 1) {
      for (const segment of (await this.#day(cameraId, day * DAY_MS)).segments) {
        if (!wanted(segment)) continue;
        if (found.length === SEGMENTS_IN_RANGE_MAX) throw new RangeError('a range of too many segments');
        found.push(segment);
      }
    }
    return found.sort((a, b) => a.startMs - b.startMs);
  }

  /** A day from memory or disk; days used least recently make room. */
  #day(cameraId: string, ms: number): Promise<Day> {
    const day = key(cameraId, ms);
    const loading = this.#days.get(day) ?? this.#load(cameraId, ms, day);
    this.#days.delete(day);
    this.#days.set(day, loading);
    return loading;
  }

  #load(cameraId: string, ms: number, day: string): Promise<Day> {
    const loading = this.#read(join(this.#folder(cameraId, ms), 'index.jsonl'));
    loading.then(
      ({ segments }) => {
        this.#sizes.set(day, segments.length);
        this.#makeRoom(day);
      },
      () => this.#forget(day),
    );
    return loading;
  }

  #makeRoom(newest: string): void {
    let held = 0;
    for (const size of this.#sizes.values()) held += size;
    for (const day of this.#days.keys()) {
      if (held <= SEGMENTS_IN_MEMORY_MAX && this.#days.size <= 1_000) return;
      if (day === newest) continue;
      held -= this.#sizes.get(day) ?? 0;
      this.#forget(day);
    }
  }

  #forget(day: string): void {
    this.#days.delete(day);
    this.#sizes.delete(day);
  }

  async #read(file: string): Promise<Day> {
    const text = await readFile(file, 'utf8').catch(absent(''));
    const day: Day = { epochs: new Map(), segments: [] };
    // What stands behind the last line feed is being written at this moment, or was torn by a crash.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    for (const line of lines) {
      if (line === '') continue;
      const entry = readEntry(line);
      if (entry === undefined) this.log('a line of the index is unreadable', { file, line: line.slice(0, 200) });
      else if ('init' in entry) day.epochs.set(entry.epoch, entry);
      else day.segments.push(entry);
    }
    return day;
  }

  async #cutTornLine(file: string): Promise<void> {
    const bytes = await readFile(file).catch(absent(Buffer.alloc(0)));
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole === bytes.length) return;
    this.log('a torn line was cut', { file, line: bytes.toString('utf8', whole, whole + 200) });
    await truncate(file, whole);
  }

  async #addLine(cameraId: string, epoch: number, entry: Epoch | Segment): Promise<void> {
    const file = await open(join(this.#folder(cameraId, epoch), 'index.jsonl'), 'a');
    try {
      const { size } = await file.stat();
      try {
        await file.writeFile(`${JSON.stringify(entry)}\n`);
        await file.datasync();
      } catch (error) {
        // Half a line of a full disk must not spoil the next one.
        await file.truncate(size);
        throw error;
      }
    } finally {
      await file.close();
    }
  }

  #cameraFolder(cameraId: string): string {
    if (!isId(cameraId)) throw new TypeError('the id of a camera is a UUID');
    return join(this.root, cameraId);
  }

  #folder(cameraId: string, ms: number): string {
    if (!Number.isSafeInteger(ms) || ms < 0 || ms > 253_402_300_799_999) throw new TypeError(`${ms} is no time`);
    return join(this.#cameraFolder(cameraId), dayOf(ms));
  }
}

function key(cameraId: string, ms: number): string {
  return `${cameraId}/${dayOf(ms)}`;
}

/** UTC day of a moment, yyyymmdd. */
function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '');
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whole or not at all: other name, flush, rename, flush the folder. */
async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const unfinished = `${path}.part`;
  try {
    const file = await open(unfinished, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
  const folder = await open(join(path, '..'), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What a missing file reads as; every other error is passed on. */
function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code !== 'ENOENT') throw error;
    return value;
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isDigest = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

function readEntry(line: string): Epoch | Segment | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { epoch, n, startMs, durationMs, bytes, sha256: digest, init } = entry as Partial<Segment & Epoch>;
  if (!isCount(epoch)) return undefined;
  if (init !== undefined) {
    const numbers = [init.bytes, init.width, init.height, init.timescale];
    if (!numbers.every(isCount) || !isDigest(init.sha256) || typeof init.codec !== 'string') return undefined;
    return { epoch, init };
  }
  if (!isCount(n) || !isCount(startMs) || !isCount(durationMs) || !isCount(bytes) || !isDigest(digest)) {
    return undefined;
  }
  return { epoch, n, startMs, durationMs, bytes, sha256: digest as string };
}
