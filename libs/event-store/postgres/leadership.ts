import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectionConfig, isPassing } from './connections.js';
import { FencedError, Lease, type Session } from './lease.js';

const TABLE = 'event_store.subscription';
const STAND_BY_MS = 200;
const BEAT_MS = 3_000;

/** The right to be the one process that does a work of which there can be only one. */
export interface Leadership {
  /** How far that work has come, as it was stored last; 0 at first. */
  readonly position: bigint;
  /** Stores how far it has come. @throws FencedError when another process has taken over; nothing is stored then */
  advance(position: bigint): Promise<void>;
  /** Resolves with one sentence when it is lost: the process must stop that work at once. */
  readonly lost: Promise<string>;
  /** Lets another process take over at once. */
  resign(): Promise<void>;
}

export interface LeadershipOptions {
  /**
   * While the database is away nobody can take the work over: go on with it, and hold it anew when the database is back.
   * For a work that harms nothing when two do it for a moment, since somebody else may be quicker then.
   */
  readonly throughOutages?: boolean;
}

/**
 * Waits until no other process does a work, then takes it over. It is kept by a database connection and a heartbeat;
 * who loses either has lost it, at the latest when another may begin (see {@link Lease}).
 * @param url of the database that keeps positions
 * @throws the reason of the signal when it aborts before
 */
export async function leadershipOf(
  work: string,
  url: string,
  signal: AbortSignal,
  { throughOutages = false }: LeadershipOptions = {},
): Promise<Leadership> {
  for (;;) {
    const held = await tryHold(work, url).catch((error: unknown) => {
      if (!isPassing(error)) throw error;
      return undefined;
    });
    if (held instanceof Held) return lead(work, held, throughOutages ? () => tryHold(work, url) : undefined);
    await sleep(STAND_BY_MS, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}

/** A lease and the connection that it lives on. */
class Held {
  constructor(
    readonly lease: Lease,
    readonly client: pg.Client,
    readonly broken: Promise<string>,
  ) {}
}

/** @returns undefined when another process holds it */
async function tryHold(work: string, url: string): Promise<Held | undefined> {
  const client = new pg.Client({ ...connectionConfig(url), application_name: `mingjing leader of ${work}` });
  const broken = Promise.withResolvers<string>();
  client.on('error', (error) => broken.resolve(error.message));
  client.on('end', () => broken.resolve('the connection ended'));
  try {
    await client.connect();
    const lease = await Lease.tryTake(sessionOf(client), TABLE, work, 0n);
    if (lease instanceof Lease) return new Held(lease, client, broken.promise);
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end().catch(() => {});
  return undefined;
}

/** @param again takes it anew after the connection was lost; without it that is the end */
function lead(work: string, first: Held, again: (() => Promise<Held | undefined>) | undefined): Leadership {
  let held = first;
  const resigned = new AbortController();
  const lost = Promise.withResolvers<string>();
  const keep = async () => {
    for (;;) {
      const why = await Promise.race([held.broken, heartbeats(held.lease, resigned.signal)]);
      if (resigned.signal.aborted) return;
      const next = await holdAgain(again, resigned.signal);
      if (resigned.signal.aborted) {
        await next?.client.end().catch(() => {});
        return;
      }
      if (next === undefined) return lost.resolve(`another process may do the work of ${work} now (${why}).`);
      await held.client.end().catch(() => {});
      held = next;
    }
  };
  void keep();
  return {
    get position() {
      return held.lease.position;
    },
    advance: (position) => held.lease.advance(position),
    lost: lost.promise,
    resign: async () => {
      resigned.abort();
      await held.lease.release().catch(() => {});
      await held.client.end().catch(() => {});
    },
  };
}

/** Waits while the database is away. @returns undefined when another process was quicker */
async function holdAgain(
  again: (() => Promise<Held | undefined>) | undefined,
  signal: AbortSignal,
): Promise<Held | undefined> {
  while (again !== undefined && !signal.aborted) {
    try {
      return await again();
    } catch (error) {
      if (!isPassing(error)) return undefined;
      await sleep(STAND_BY_MS, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}

/** Resolves when a heartbeat fails, with the reason, or when the signal aborts. */
async function heartbeats(lease: Lease, signal: AbortSignal): Promise<string> {
  while (!signal.aborted) {
    try {
      await lease.beat();
    } catch (error) {
      return error instanceof FencedError ? error.message : `no heartbeat: ${String(error)}`;
    }
    await sleep(BEAT_MS, undefined, { signal }).catch(() => {});
  }
  return 'resigned';
}

function sessionOf(client: pg.Client): Session {
  return { query: async (text, values) => (await client.query(text, [...values])).rows };
}
