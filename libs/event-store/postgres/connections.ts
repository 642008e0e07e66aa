import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const CONNECT_MS_MAX = 10_000;
const STATEMENT_MS_MAX = 60_000;
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

/** Leaves every value as the text that PostgreSQL sent. */
export const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** Whether an error says that the server is away or full for now, and not that the statement is wrong. */
export function isPassing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return error instanceof Error && !isBug(error);
  return code.startsWith('08') || code.startsWith('53') || code.startsWith('57');
}

function isBug(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
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
