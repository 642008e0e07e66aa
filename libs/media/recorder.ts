import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, SystemClock } from '#libs/kernel';
import type { SourceCredentials } from './authorization.js';
import type { Fragment, InitSegment } from './fmp4.js';
import { Puller, type PullerLimits } from './puller.js';
import { MINUTE_MS, type Seal, sealMinute } from './seal.js';
import type { Segment, SegmentIndex } from './segment-index.js';
import type { CheckedSource } from './source-address.js';
import { SourceError, type SourceFailure } from './source-connection.js';

export type { Seal } from './seal.js';

export interface RecorderOptions {
  readonly cameraId: string;
  /** Checks the address anew before every connection. */
  readonly source: () => Promise<CheckedSource>;
  readonly credentials?: () => Promise<SourceCredentials | undefined>;
  readonly index: SegmentIndex;
  /**
   * What puts facts on record. Called one after the other in the order in which things happened; what rejects is called
   * again until it succeeds. A seal may come twice (crash between its recording and our note of it): the same minute
   * then has the same content.
   */
  readonly started: (fact: { at: string; codec: string; width: number; height: number }) => Promise<void>;
  readonly seal: (seal: Seal) => Promise<void>;
  readonly interrupted: (fact: { at: string; reason: SourceFailure }) => Promise<void>;
  readonly restored: (fact: { at: string; interruptedMs: number }) => Promise<void>;
  readonly log: (message: string, facts: Readonly<Record<string, unknown>>) => void;
  /** For live players: a segment is on record. */
  readonly onSegment?: (segment: Segment) => void;
  readonly clock?: Clock;
  readonly limits?: Partial<PullerLimits>;
}

const DAY_MS = 86_400_000;
/** Media time and the clock may differ by so much before a new epoch begins. */
const DRIFT_MS_MAX = 2_000;
/** Media that is so far ahead did not come too fast, its time jumped. */
const JUMP_MS_MIN = 10_000;
/** Fragments in a row that are late before it is the source's clock and not the network. */
const LATE_FRAGMENTS = 15;
/** A minute without a later segment is closed when none that began in it can still come. */
const GRACE_MS = 30_000;
const SEAL_EVERY_MS = 5_000;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;
const FACTS_WAITING_MAX = 1_000;
const STOP_MS_MAX = 2_000;

/** The run of fragments whose wall-clock time follows from one moment. */
interface RunningEpoch {
  readonly epoch: number;
  readonly firstDecodeTime: number;
  n: number;
  late: number;
}

/**
 * Records one camera: pulls its source, keeps every fragment as a segment with its SHA-256, seals every minute.
 * A failure of the disk, the source or the record stops this camera at most.
 */
export class Recorder {
  readonly #clock: Clock;
  readonly #puller: Puller;
  readonly #stopping = new AbortController();
  #starting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #init: InitSegment | undefined;
  #epoch: RunningEpoch | undefined;
  /** End of what is on record, ms; nothing is ever recorded before it. */
  #recordedUntil = 0;
  #sealedUntil = 0;
  /** Nothing is recorded before it, because it is being sealed. */
  #closedUntil = 0;
  #wasStarted = false;
  #interruptedAt: number | undefined;
  #lastArrival: number | undefined;
  #facts: Promise<void> = Promise.resolve();
  #waiting = 0;
  #sealing = false;

  constructor(private readonly options: RecorderOptions) {
    this.#clock = options.clock ?? new SystemClock();
    this.#puller = new Puller({
      source: options.source,
      credentials: options.credentials,
      onInit: async (init) => {
        this.#init = init;
        this.#epoch = undefined;
      },
      onFragment: (fragment) => this.#record(fragment),
      interrupted: (reason) => this.#interrupted(reason),
      restored: () => this.#restored(),
      log: (message, facts) => this.#log(message, facts),
      ...(options.limits ? { limits: options.limits } : {}),
    });
  }

  /**
   * Puts the index in order, seals what a crash left unsealed, begins to pull.
   * @throws the file system's error when the index cannot be read; nothing is pulled then
   */
  start(): Promise<void> {
    this.#starting ??= this.#begin();
    return this.#starting;
  }

  /** Ends the run; resolves when the last segment is on disk. Minutes not sealed yet are sealed after the next start. */
  async stop(): Promise<void> {
    // From now on every fact that waits is tried once more, and a record that does not answer is not waited for.
    this.#stopping.abort();
    await this.#starting?.catch(() => {});
    clearInterval(this.#timer);
    await this.#puller.stop();
    this.#sealWhatIsOver();
    await Promise.race([this.#facts, sleep(STOP_MS_MAX, undefined, { ref: false })]);
  }

  async #begin(): Promise<void> {
    const { index, cameraId } = this.options;
    const last = await index.recover(cameraId);
    this.#recordedUntil = last ? last.startMs + last.durationMs : 0;
    this.#sealedUntil = (await this.#readMark()) ?? (await index.days(cameraId))[0] ?? 0;
    this.#sealWhatIsOver();
    this.#timer = setInterval(() => this.#sealWhatIsOver(), SEAL_EVERY_MS);
    this.#timer.unref();
    if (!this.#stopping.signal.aborted) this.#puller.start();
  }

  async #record(fragment: Fragment): Promise<void> {
    const init = this.#init!;
    const durationMs = Math.round((fragment.duration / init.track.timescale) * 1_000);
    const startMs = await this.#timeOf(fragment, durationMs, init);
    const epoch = this.#epoch!;
    const entry = { epoch: epoch.epoch, n: epoch.n, startMs, durationMs };
    const segment = await this.options.index.append(this.options.cameraId, entry, fragment.bytes);
    epoch.n += 1;
    this.#recordedUntil = startMs + durationMs;
    this.#lastArrival = this.#clock.now();
    if (!this.#wasStarted) {
      this.#wasStarted = true;
      const { codec, width, height } = init.track;
      this.#put('started', () => this.options.started({ at: iso(startMs), codec, width, height }));
    }
    this.options.onSegment?.(segment);
    this.#sealWhatIsOver();
  }

  /** When a fragment begins; begins a new epoch where media time and the clock have parted, or the day ends. */
  async #timeOf(fragment: Fragment, durationMs: number, init: InitSegment): Promise<number> {
    const arrived = this.#clock.now();
    const running = this.#epoch;
    if (running === undefined) return this.#beginEpoch(arrived - durationMs, fragment, init);
    const passed = ((fragment.decodeTime - running.firstDecodeTime) / init.track.timescale) * 1_000;
    const expected = Math.round(running.epoch + passed);
    const ahead = expected + durationMs - arrived;
    if (ahead > JUMP_MS_MIN || expected < this.#recordedUntil - DRIFT_MS_MAX) {
      return this.#beginEpoch(arrived - durationMs, fragment, init);
    }
    // A burst, or a source that sends faster than time passes: it waits in its own buffers.
    if (ahead > DRIFT_MS_MAX)
      await sleep(ahead - DRIFT_MS_MAX, undefined, { signal: this.#stopping.signal }).catch(() => {});
    running.late = -ahead > DRIFT_MS_MAX ? running.late + 1 : 0;
    if (running.late >= LATE_FRAGMENTS) return this.#beginEpoch(arrived - durationMs, fragment, init);
    if (Math.floor(expected / DAY_MS) !== Math.floor(running.epoch / DAY_MS)) {
      return this.#beginEpoch(expected, fragment, init);
    }
    return Math.max(expected, this.#recordedUntil, this.#closedUntil);
  }

  /** @throws SourceError when the clock says a time that is on record already: nothing is back-dated */
  async #beginEpoch(startMs: number, fragment: Fragment, init: InitSegment): Promise<number> {
    const earliest = Math.max(this.#recordedUntil, this.#closedUntil);
    if (startMs < earliest - JUMP_MS_MIN) throw new SourceError('clock-stepped-back');
    const epoch = Math.max(startMs, earliest);
    await this.options.index.begin(this.options.cameraId, epoch, init);
    this.#sealedUntil ||= Math.floor(epoch / MINUTE_MS) * MINUTE_MS;
    this.#epoch = { epoch, firstDecodeTime: fragment.decodeTime, n: 0, late: 0 };
    return epoch;
  }

  #interrupted(reason: SourceFailure): void {
    const at = this.#lastArrival ?? this.#clock.now();
    this.#interruptedAt = at;
    this.#put('interrupted', () => this.options.interrupted({ at: iso(at), reason }));
  }

  #restored(): void {
    const at = this.#clock.now();
    const interruptedMs = Math.max(0, at - (this.#interruptedAt ?? at));
    this.#put('restored', () => this.options.restored({ at: iso(at), interruptedMs }));
  }

  /** Seals, minute by minute, what is over and not sealed yet; one at a time, behind the facts that wait. */
  #sealWhatIsOver(): void {
    if (this.#sealing || this.#minutesOver() <= this.#sealedUntil) return;
    this.#sealing = true;
    this.#put(
      'seal',
      () => this.#seal(),
      () => {
        this.#sealing = false;
      },
    );
  }

  /** End of the last recorded minute to which no segment can be added any more. */
  #minutesOver(): number {
    const now = this.#clock.now();
    const over = Math.max(Math.min(this.#recordedUntil, now), now - GRACE_MS);
    const recorded = Math.ceil(this.#recordedUntil / MINUTE_MS) * MINUTE_MS;
    return Math.min(Math.floor(over / MINUTE_MS) * MINUTE_MS, recorded);
  }

  async #seal(): Promise<void> {
    const { index, cameraId } = this.options;
    const until = this.#minutesOver();
    this.#closedUntil = Math.max(this.#closedUntil, until);
    while (this.#sealedUntil < until) {
      const from = this.#sealedUntil;
      const to = Math.min(until, (Math.floor(from / DAY_MS) + 1) * DAY_MS);
      const segments = await index.beginningIn(cameraId, from, to);
      let before = (await index.beginningIn(cameraId, from - MINUTE_MS, from)).at(-1);
      for (const [minute, members] of Map.groupBy(segments, minuteOf)) {
        await this.options.seal(sealMinute(cameraId, minute, members, before ? before.startMs + before.durationMs : 0));
        before = members.at(-1);
        await this.#writeMark(minute + MINUTE_MS);
      }
      await this.#writeMark(to);
    }
  }

  /** Calls until it succeeds, after everything that was put before. */
  #put(what: string, call: () => Promise<void>, done: () => void = () => {}): void {
    if (this.#waiting >= FACTS_WAITING_MAX) {
      this.#log('too many facts wait to be recorded; one is left out', { what });
      done();
      return;
    }
    this.#waiting += 1;
    this.#facts = this.#facts.then(async () => {
      for (let attempt = 0; ; attempt += 1) {
        try {
          await call();
          break;
        } catch (error) {
          this.#log('a fact could not be recorded', { what, attempt, error: String(error) });
          const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!;
          if (this.#stopping.signal.aborted) break;
          await sleep(wait, undefined, { signal: this.#stopping.signal }).catch(() => {});
        }
      }
      this.#waiting -= 1;
      done();
    });
  }

  #log(message: string, facts: Readonly<Record<string, unknown>>): void {
    this.options.log(message, { cameraId: this.options.cameraId, ...facts });
  }

  async #readMark(): Promise<number | undefined> {
    try {
      const { until } = JSON.parse(await readFile(this.#markPath(), 'utf8')) as { until?: unknown };
      return Number.isSafeInteger(until) ? (until as number) : undefined;
    } catch {
      // Lost or unreadable: everything is sealed again, with the same content.
      return undefined;
    }
  }

  async #writeMark(until: number): Promise<void> {
    this.#sealedUntil = Math.max(until, this.#sealedUntil);
    await writeFile(`${this.#markPath()}.part`, JSON.stringify({ until }));
    await rename(`${this.#markPath()}.part`, this.#markPath());
  }

  #markPath(): string {
    return this.options.index.markPath(this.options.cameraId);
  }
}

function minuteOf({ startMs }: Segment): number {
  return Math.floor(startMs / MINUTE_MS) * MINUTE_MS;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
