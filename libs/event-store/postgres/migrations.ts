import pg from 'pg';
import { APPEND_FUNCTION, APPEND_LOCK } from './append-function.js';
import { PERMISSIONS, permit, SHARED_SUBSCRIPTIONS, type StoreRole } from './permissions.js';

const EVENT_TABLE = `
CREATE TABLE event_store.event (
  position    bigint      NOT NULL PRIMARY KEY,
  stream      text        NOT NULL COLLATE "C",
  revision    bigint      NOT NULL,
  id          uuid        NOT NULL UNIQUE,
  type        text        NOT NULL COLLATE "C",
  version     integer     NOT NULL,
  category    text        NOT NULL COLLATE "C" GENERATED ALWAYS AS (split_part(stream, '-', 1)) STORED,
  data        text        NOT NULL,
  metadata    text        NOT NULL,
  recorded_at timestamptz NOT NULL,
  UNIQUE (stream, revision)
);
COMMENT ON TABLE event_store.event IS
  'Facts. Appended by event_store.append only; data and metadata are JSON, kept as the text that was hashed.';

CREATE FUNCTION event_store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are never changed or removed (% on %)', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_store.event
  FOR EACH STATEMENT EXECUTE FUNCTION event_store.refuse_change();
ALTER TABLE event_store.event ENABLE ALWAYS TRIGGER append_only;
`;

const SUBSCRIPTION_TABLES = `
CREATE TABLE event_store.subscription (
  name      text        NOT NULL PRIMARY KEY,
  position  bigint      NOT NULL,
  epoch     bigint      NOT NULL DEFAULT 0,
  heartbeat timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE event_store.parked (
  subscription text        NOT NULL,
  position     bigint      NOT NULL,
  event_id     uuid        NOT NULL,
  error        text        NOT NULL,
  attempts     integer     NOT NULL,
  parked_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subscription, position)
);
`;

/** For the read models: search by parts of Chinese and Latin names, periods that must not overlap. */
const EXTENSIONS = `
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
`;

/**
 * In order; each runs once, in one transaction with its entry in the list. Never edited, only added to; the append
 * function stands where it was last replaced.
 */
const MIGRATIONS: readonly (readonly [name: string, sql: string])[] = [
  ['0001 events', EVENT_TABLE],
  ['0002 subscriptions', SUBSCRIPTION_TABLES],
  ['0003 extensions', EXTENSIONS],
  ['0004 permissions', `${PERMISSIONS}${APPEND_FUNCTION}`],
  ['0005 shared subscriptions', SHARED_SUBSCRIPTIONS],
];

/**
 * Brings the schema `event_store` of a database up to date; safe to call from several processes at once.
 * @param ownerUrl address as a role that may create schemas; it owns the events, and services MUST NOT connect as it
 * @param roles who may append to what: one role that may append everything (a hub), or a role a service; roles named
 *   in an earlier call and not in this one lose what they had. Without it the owner itself may append, and nothing else
 *   changes.
 * @throws Error in one sentence when a role may act as the owner, or a newer program has changed the schema
 */
export async function migrateEventStore(ownerUrl: string, roles?: string | readonly StoreRole[]): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [APPEND_LOCK]);
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS event_store;
      CREATE TABLE IF NOT EXISTS event_store.migration (name text PRIMARY KEY, ran_at timestamptz DEFAULT now());`);
    const { rows } = await client.query<{ name: string }>('SELECT name FROM event_store.migration ORDER BY name');
    const newer = rows.find((row) => !MIGRATIONS.some(([name]) => name === row.name));
    if (newer !== undefined) {
      throw new Error(`the event store was last used by a newer program (migration ${newer.name}); run that one.`);
    }
    for (const [name, sql] of MIGRATIONS) {
      if (rows.some((row) => row.name === name)) continue;
      await client.query(sql);
      await client.query('INSERT INTO event_store.migration (name) VALUES ($1)', [name]);
    }
    const named = typeof roles === 'string' ? [{ role: roles, categories: ['*'], subscriptions: ['*'] }] : roles;
    await permit(client, named ?? [], named === undefined);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}
