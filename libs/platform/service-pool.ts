import pg from 'pg';
import { PooledClient } from '#libs/event-store';

const CONNECTIONS_MAX = 4;
const CONNECT_MS_MAX = 5_000;
const QUERY_MS_MAX = 10_000;

/**
 * Connections of a service to its own tables. A database that hangs is an outage within seconds, not a request that
 * never ends; connections that die while idle are replaced at the next use.
 */
export function servicePool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: QUERY_MS_MAX,
    keepAlive: true,
    Client: PooledClient,
  } as pg.PoolConfig);
  pool.on('error', () => undefined);
  return pool;
}
