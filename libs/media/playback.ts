import { type Clock, Refusal } from '#libs/kernel';
import { mediaRefusals } from './media.refusals.js';
import type { AccessPort, TimeRange } from './ports.js';
import { type Range, ServedRanges } from './served-ranges.js';
import type { TicketClaims } from './ticket.js';

/** Why the gateway ended a playback; stands in `PlaybackStopped`. */
export type StopReason = 'revoked' | 'expired' | 'idle' | 'decision-unavailable' | 'shutdown' | 'gateway-restarted';

/** A response under way; it is torn down when its playback ends. */
export interface InFlight {
  destroy(): unknown;
}

const RECHECK_INTERVAL_MS = 5_000;
/** With the next look at most half a second later, and the caller's own 15 s, this leaves slack on a busy machine. */
const ANSWER_AGE_MS_MAX = 12_000;
const ANSWER_WAIT_MS = 4_000;
const IDLE_MS = 30_000;
const LOOK_INTERVAL_MS = 500;
const RECHECK_BATCH = 500;
const PLAYBACKS_MAX = 5_000;
const REPORT_INTERVAL_MS = 1_000;
const REPORTS_AT_ONCE = 50;
/** An ended playback is remembered until every ticket made for it has expired. */
const TOMBSTONE_MS = 120_000;

interface Running {
  readonly id: string;
  claims: TicketClaims;
  /** Settles when the start is on record. */
  starting: Promise<void> | undefined;
  started: boolean;
  /** Expiry of the newest ticket shown, ms since the epoch. */
  expiresAt: number;
  usedAt: number;
  /** When the last good answer was asked for. */
  allowedAt: number;
  readonly served: ServedRanges;
  readonly inFlight: Set<InFlight>;
}

interface Report {
  readonly reason: StopReason;
  readonly ranges: readonly TimeRange[];
  sending: boolean;
}

/**
 * The playbacks that this gateway serves.
 *
 * Nothing is sent before the start is on record. What runs is asked about again and again; a revocation, an expiry, or
 * no good answer for twelve seconds ends it, tears its responses down and refuses whatever comes later. How it ended
 * and what was sent is reported until the report is on record.
 */
export class Playbacks {
  readonly #running = new Map<string, Running>();
  readonly #ended = new Map<string, number>();
  readonly #reports = new Map<string, Report>();
  #timer: NodeJS.Timeout | undefined;
  #rechecking: Promise<void> | undefined;
  #recheckedAt = Number.NEGATIVE_INFINITY;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /**
   * @param elapsed monotonic milliseconds: a wall clock that is set back must not keep a playback alive
   * @param unreported told when a report was refused for good
   */
  constructor(
    private readonly access: Pick<AccessPort, 'start' | 'recheck' | 'stopped'>,
    private readonly clock: Clock,
    private readonly elapsed: () => number = () => performance.now(),
    private readonly unreported: (playbackId: string, error: Refusal) => void = () => undefined,
  ) {}

  get size(): number {
    return this.#running.size;
  }

  /** Playbacks that have ended and whose end is not on record yet. */
  get unreportedCount(): number {
    return this.#reports.size;
  }

  /** Begins to look after the running playbacks twice a second. */
  watch(): void {
    this.#timer ??= setInterval(() => void this.look(), LOOK_INTERVAL_MS);
  }

  /**
   * Lets a request of a playback through; the first waits until the start is on record.
   * @param ticket verified
   * @throws Refusal of the decision service; `media.playback-ended`, `media.decision-unavailable`,
   *   `media.too-many-playbacks`
   */
  async admit(ticket: TicketClaims): Promise<void> {
    const { pid } = ticket;
    if (this.#closed || this.#ended.has(pid)) throw mediaRefusals['media.playback-ended']('no bytes any more');
    const playback = this.#running.get(pid) ?? this.#enter(ticket);
    if (!sameSubject(playback.claims, ticket)) throw mediaRefusals['media.ticket-invalid']('of another playback');
    playback.usedAt = this.elapsed();
    if (!playback.started) {
      playback.starting ??= this.#start(playback, ticket);
      await playback.starting;
      // The world may have moved on while the record was written.
      if (this.#running.get(pid) !== playback) throw mediaRefusals['media.playback-ended']('ended as it began');
    }
    const expiresAt = ticket.exp * 1_000;
    if (expiresAt > playback.expiresAt) {
      playback.expiresAt = expiresAt;
      playback.claims = ticket;
    }
  }

  /** Ties a response to its playback and notes the footage that it carries. @returns call it when the response is over */
  sending(playbackId: string, response: InFlight, footage?: Range): () => void {
    const playback = this.#running.get(playbackId);
    if (playback === undefined) {
      response.destroy();
      return () => undefined;
    }
    playback.inFlight.add(response);
    if (footage !== undefined) playback.served.add(footage);
    return () => {
      playback.inFlight.delete(response);
      playback.usedAt = this.elapsed();
    };
  }

  /** Ends every running playback that the predicate names. @returns how many */
  revoke(named: (ticket: TicketClaims) => boolean): number {
    const hit = [...this.#running.values()].filter(({ claims }) => named(claims));
    for (const playback of hit) this.#end(playback, 'revoked');
    return hit.length;
  }

  /** Takes over what an earlier process left running: it has ended, and what it sent is not known. */
  adopt(playbackIds: readonly string[]): void {
    for (const id of playbackIds) {
      if (!this.#running.has(id)) this.#reports.set(id, { reason: 'gateway-restarted', ranges: [], sending: false });
    }
  }

  /** Looks after everything once: expiry, idleness, re-checks, overdue answers, reports. */
  async look(): Promise<void> {
    const now = this.elapsed();
    const wall = this.clock.now();
    for (const playback of [...this.#running.values()]) {
      if (playback.expiresAt <= wall) this.#end(playback, 'expired');
      else if (playback.started && now - playback.allowedAt >= ANSWER_AGE_MS_MAX) {
        this.#end(playback, 'decision-unavailable');
      } else if (playback.inFlight.size === 0 && now - playback.usedAt >= IDLE_MS) this.#end(playback, 'idle');
    }
    for (const [id, at] of this.#ended) {
      if (now - at < TOMBSTONE_MS) break;
      this.#ended.delete(id);
    }
    if (this.#rechecking === undefined && now - this.#recheckedAt >= RECHECK_INTERVAL_MS) {
      this.#recheckedAt = now;
      this.#rechecking = this.#recheck().finally(() => {
        this.#rechecking = undefined;
      });
    }
    await Promise.all([this.#rechecking, now - this.#reportedAt >= REPORT_INTERVAL_MS ? this.#report() : undefined]);
  }

  /** Ends everything and tries once more to report. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const playback of [...this.#running.values()]) this.#end(playback, 'shutdown');
    await this.#report(Number.POSITIVE_INFINITY);
  }

  #enter(ticket: TicketClaims): Running {
    if (this.#running.size + this.#reports.size >= PLAYBACKS_MAX) {
      throw mediaRefusals['media.too-many-playbacks'](`${PLAYBACKS_MAX} at most`);
    }
    const now = this.elapsed();
    const playback: Running = {
      id: ticket.pid,
      claims: ticket,
      starting: undefined,
      started: false,
      expiresAt: ticket.exp * 1_000,
      usedAt: now,
      allowedAt: now,
      served: new ServedRanges(),
      inFlight: new Set(),
    };
    this.#running.set(ticket.pid, playback);
    return playback;
  }

  async #start(playback: Running, ticket: TicketClaims): Promise<void> {
    const askedAt = this.elapsed();
    try {
      await inTime(this.access.start(playback.id, ticket));
      playback.started = true;
      playback.allowedAt = askedAt;
    } catch (error) {
      if (error instanceof Refusal && error.kind !== 'unavailable') {
        // Nothing was recorded and nothing was sent: there is no end to report.
        if (this.#running.get(playback.id) === playback) this.#running.delete(playback.id);
        throw error;
      }
      // Whether the start is on record is unknown, so the playback stays: tried again, or reported when it is given up.
      throw mediaRefusals['media.decision-unavailable']('the start could not be recorded');
    } finally {
      playback.starting = undefined;
    }
  }

  async #recheck(): Promise<void> {
    const asked = [...this.#running.values()].filter(({ started }) => started);
    for (let from = 0; from < asked.length; from += RECHECK_BATCH) {
      const batch = asked.slice(from, from + RECHECK_BATCH);
      const askedAt = this.elapsed();
      try {
        const { stillAllowed } = await inTime(this.access.recheck(batch.map(({ id }) => id)));
        const allowed = new Set(stillAllowed);
        for (const playback of batch) {
          if (allowed.has(playback.id)) playback.allowedAt = Math.max(playback.allowedAt, askedAt);
          else this.#end(playback, 'revoked');
        }
      } catch {
        // No answer is no yes: `allowedAt` grows old.
      }
    }
  }

  #end(playback: Running, reason: StopReason): void {
    if (this.#running.get(playback.id) !== playback) return;
    this.#running.delete(playback.id);
    this.#ended.set(playback.id, this.elapsed());
    for (const response of playback.inFlight) response.destroy();
    playback.inFlight.clear();
    const ranges = playback.served.ranges.map(({ from, to }) => ({ from: iso(from), to: iso(to) }));
    this.#reports.set(playback.id, { reason, ranges, sending: false });
    void this.#report();
  }

  async #report(atOnce: number = REPORTS_AT_ONCE): Promise<void> {
    this.#reportedAt = this.elapsed();
    const due = [...this.#reports].filter(([, { sending }]) => !sending).slice(0, atOnce);
    await Promise.all(
      due.map(async ([id, report]) => {
        report.sending = true;
        try {
          await inTime(this.access.stopped(id, report.reason, report.ranges));
          this.#reports.delete(id);
        } catch (error) {
          report.sending = false;
          if (!(error instanceof Refusal) || error.kind === 'unavailable') return;
          this.#reports.delete(id);
          this.unreported(id, error);
        }
      }),
    );
  }
}

function sameSubject(a: TicketClaims, b: TicketClaims): boolean {
  return a.sub === b.sub && a.cam === b.cam && a.gid === b.gid && a.sid === b.sid && a.mode === b.mode;
}

const iso = (ms: number) => new Date(ms).toISOString();

/** @throws Error when the answer takes too long */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), ANSWER_WAIT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
