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

/**
 * Waits until no other process does a work, then takes it over. It is kept by a database connection and a heartbeat;
 * who loses either has lost it, at the latest when another may begin (see {@link Lease}).
 * @param url of the database that keeps positions
 * @throws the reason of the signal when it aborts before
 */
export async function leadershipOf(work: string, url: string, signal: AbortSignal): Promise<Leadership> {
  for (;;) {
    signal.throwIfAborted();
    const client = new pg.Client({ ...connectionConfig(url), application_name: `mingjing leader of ${work}` });
    const broken = Promise.withResolvers<string>();
    client.on('error', (error) => broken.resolve(error.message));
    client.on('end', () => broken.resolve('the connection ended'));
    try {
      await client.connect();
      const lease = await Lease.tryTake(sessionOf(client), TABLE, work, 0n);
      if (lease instanceof Lease) return lead(work, client, lease, broken.promise);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    await client.end().catch(() => {});
    await sleep(STAND_BY_MS, undefined, { signal }).catch(() => {});
  }
}

function lead(work: string, client: pg.Client, lease: Lease, broken: Promise<string>): Leadership {
  const resigned = new AbortController();
  const lost = Promise.withResolvers<string>();
  void Promise.race([broken, heartbeats(lease, resigned.signal)]).then((why) => {
    if (!resigned.signal.aborted) lost.resolve(`another process may do the work of ${work} now (${why}).`);
  });
  return {
    get position() {
      return lease.position;
    },
    advance: (position) => lease.advance(position),
    lost: lost.promise,
    resign: async () => {
      resigned.abort();
      await lease.release().catch(() => {});
      await client.end().catch(() => {});
    },
  };
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
