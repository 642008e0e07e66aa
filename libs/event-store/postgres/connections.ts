import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UnreachableError } from '../port.js';

const CONNECT_MS_MAX = 5_000;
/** A page or a group takes milliseconds; what takes so long hangs, and its caller is told. */
const STATEMENT_MS_MAX = 10_000;
const BACK_OFF_MS = [20, 100, 500, 2_000] as const;

/** How the store's own connections are set up: texts as they stand, UTC, plans that never scan the whole table. */
export function connectionConfig(url: string): pg.PoolConfig {
  const settings = {
    timezone: 'UTC',
    datestyle: 'ISO',
    jit: 'off',
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    plan_cache_mode: 'force_generic_plan',
    statement_timeout: String(STATEMENT_MS_MAX),
  };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  return {
    connectionString: url,
    options: options.join(' '),
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX + 5_000,
    keepAlive: true,
    application_name: 'mingjing event store',
  };
}

/**
 * A client whose connection may break at any moment, also in the one in which a pool hands it out and nobody listens to
 * it yet. Whoever uses it hears of the break by the query that fails.
 */
export class PooledClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => {});
  }
}

/** Leaves every value as the text that PostgreSQL sent. */
export const AS_TEXT = { getTypeParser: () => (text: string) => text };

const AWAY_SQLSTATE = /^(08|53|57)[0-9A-Z]{3}$/;
const AWAY_SYSTEM = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/;
/** How pg words a lost or missing connection; such errors carry no code. */
const AWAY_MESSAGE = /connection|timeout|not queryable/i;

/** Whether an error says that the server is away or full for now, and not that the statement is wrong. */
export function isPassing(thrown: unknown): boolean {
  const error = (thrown as { driverError?: unknown } | undefined)?.driverError ?? thrown; // as TypeORM wraps it
  if (!(error instanceof Error)) return false;
  if (error instanceof UnreachableError) return true;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return AWAY_SQLSTATE.test(code) || AWAY_SYSTEM.test(code);
  return error.constructor === Error && AWAY_MESSAGE.test(error.message);
}

/** Repeats an action while the server is away, ever slower, until it succeeds or the signal aborts (then it throws). */
export async function untilThere<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await action();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await sleep(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)], undefined, { signal });
    }
  }
}
