import type pg from 'pg';

/** What one database role may do in the event store besides reading. */
export interface StoreRole {
  /** Role that a service connects as; never one that owns the store or may act as its owner. */
  readonly role: string;
  /** Stream categories that it appends to; `*` for all of them. */
  readonly categories: readonly string[];
  /** Names of the stored subscriptions that it runs; `*` for all of them, default none. */
  readonly subscriptions?: readonly string[];
}

/**
 * Which role appends to which categories and runs which subscriptions.
 *
 * `append` asks the table and answers each caller of a group for itself. The trigger asks it again for whatever else
 * may write: a row policy would say the same, but not to an owner who is a superuser, and the append function runs as
 * the owner. The session's user counts, because no SET ROLE and no function between the two changes it.
 */
export const PERMISSIONS = `
CREATE TABLE event_store.permission (
  role   name NOT NULL,
  act    text NOT NULL CHECK (act IN ('append', 'subscribe')),
  object text NOT NULL COLLATE "C",
  PRIMARY KEY (role, act, object)
);
COMMENT ON TABLE event_store.permission IS
  'A role appends to streams of the category, or runs the subscription; * stands for all. Written by migrations only.';

CREATE FUNCTION event_store.refuse_foreign() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = event_store, pg_temp
AS $$
DECLARE
  allowed text[] := ARRAY(SELECT p.object FROM permission p WHERE p.role = session_user AND p.act = 'append');
  foreign_category text;
BEGIN
  IF '*' = ANY (allowed) THEN
    RETURN NULL;
  END IF;
  SELECT category INTO foreign_category FROM appended WHERE category <> ALL (allowed) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'role % may not append to category %', session_user, foreign_category USING ERRCODE = '42501';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER own_categories AFTER INSERT ON event_store.event
  REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION event_store.refuse_foreign();
ALTER TABLE event_store.event ENABLE ALWAYS TRIGGER own_categories;

CREATE FUNCTION event_store.may_run(subscription text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = event_store, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM permission p
                  WHERE p.role = session_user AND p.act = 'subscribe' AND p.object IN ('*', subscription))
$$;
ALTER TABLE event_store.subscription ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON event_store.subscription USING (event_store.may_run(name));
ALTER TABLE event_store.parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON event_store.parked USING (event_store.may_run(subscription));
`;

/**
 * A subscription that is shared by partition keeps a position a partition, `<name>/<topic>/<partition>`; it needs to know
 * how far the relay has come, and that is no secret.
 */
export const SHARED_SUBSCRIPTIONS = `
CREATE OR REPLACE FUNCTION event_store.may_run(subscription text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = event_store, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM permission p
                  WHERE p.role = session_user AND p.act = 'subscribe'
                    AND p.object IN ('*', split_part(subscription, '/', 1)))
$$;
CREATE POLICY told ON event_store.subscription FOR SELECT USING (name = 'relay');
`;

const GRANTS = (role: string, database: string) => `
REVOKE ALL ON ALL TABLES IN SCHEMA event_store FROM ${role};
GRANT CONNECT, CREATE ON DATABASE ${database} TO ${role};
GRANT USAGE ON SCHEMA event_store TO ${role};
GRANT SELECT ON event_store.event, event_store.permission TO ${role};
GRANT EXECUTE ON FUNCTION event_store.append, event_store.may_run TO ${role};
GRANT SELECT, INSERT, UPDATE ON event_store.subscription TO ${role};
GRANT SELECT, INSERT, UPDATE, DELETE ON event_store.parked TO ${role};
`;

/**
 * Lets these roles append and subscribe as they are said to, and nobody else; inside the caller's transaction.
 * @param owner also lets the connected role itself append, for a hub that has a single role
 * @throws Error in one sentence when a role may act as the owner, for whom no rule holds
 */
export async function permit(client: pg.Client, roles: readonly StoreRole[], owner: boolean): Promise<void> {
  await client.query(`
    REVOKE ALL ON SCHEMA event_store FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA event_store FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA event_store FROM PUBLIC;`);
  if (owner) {
    await client.query(
      `INSERT INTO event_store.permission VALUES (session_user, 'append', '*') ON CONFLICT DO NOTHING`,
    );
    return;
  }
  const { rows: here } = await client.query<{ database: string }>('SELECT current_database() AS database');
  const database = client.escapeIdentifier(here[0]!.database);
  await withdraw(client);
  for (const { role, categories, subscriptions = [] } of roles) {
    await refuseOwner(client, role);
    await client.query(GRANTS(client.escapeIdentifier(role), database));
    await client.query(
      `INSERT INTO event_store.permission
       SELECT $1::name, 'append', unnest($2::text[]) UNION SELECT $1::name, 'subscribe', unnest($3::text[])`,
      [role, categories, subscriptions],
    );
  }
}

/** Takes back what was permitted before: a role that is named no longer reads nothing and writes nothing. */
async function withdraw(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT DISTINCT p.role FROM event_store.permission p JOIN pg_roles r ON r.rolname = p.role
      WHERE p.role <> session_user`,
  );
  for (const role of rows.map((row) => client.escapeIdentifier(row.role))) {
    await client.query(`
      REVOKE ALL ON ALL TABLES IN SCHEMA event_store FROM ${role};
      REVOKE ALL ON ALL FUNCTIONS IN SCHEMA event_store FROM ${role};
      REVOKE ALL ON SCHEMA event_store FROM ${role};`);
  }
  await client.query('DELETE FROM event_store.permission');
}

async function refuseOwner(client: pg.Client, role: string): Promise<void> {
  const { rows } = await client.query<{ owner: string; may: boolean }>(
    `SELECT pg_get_userbyid(relowner) AS owner, pg_has_role($1::name, relowner, 'MEMBER') AS may
       FROM pg_class WHERE oid = 'event_store.event'::regclass`,
    [role],
  );
  const { owner, may } = rows[0]!;
  if (may) throw new Error(`Role ${role} may act as ${owner}, who owns the events: services need roles of their own.`);
}
