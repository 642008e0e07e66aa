import pg from 'pg';

/** Advisory lock under which appends of all processes take turns; one number a database is enough. */
const APPEND_LOCK = 3_117_001;

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

/**
 * Appends a group of appends in one transaction. A part is the events of one append for one stream; parts come in the
 * order of their appends, events in the order of their parts. Within a group no id stands twice (the caller sees to
 * it, the unique index insists).
 *   expected:  a revision, or -1 no stream, -2 any, -3 stream exists
 *   outcomes:  per append 0 appended, 1 duplicate, 2 conflict, 3 id taken
 *   positions: per append the position of its last event
 *   culprits:  per append the part that conflicts, or the event whose id is taken
 *   revisions: per part the last revision; of a conflicting part the actual one (-1 no stream)
 * The lock is let go only after the commit is visible, and every statement of a volatile function sees what was
 * committed before it began: so positions grow in commit order and have no gaps.
 */
const APPEND_FUNCTION = `
CREATE FUNCTION event_store.append(
  names text[], part_append int[], part_name int[], part_expected bigint[], part_size int[],
  ids uuid[], streams text[], types text[], versions int[], datas text[], metadatas text[],
  OUT outcomes int[], OUT positions bigint[], OUT culprits int[], OUT revisions bigint[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = event_store, pg_temp
  SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
DECLARE
  moment     timestamptz;
  head       bigint;
  last       bigint[];
  some_taken boolean;
  n_parts    int := coalesce(cardinality(part_append), 0);
  n_events   int := coalesce(cardinality(ids), 0);
  new_position bigint[] := array_fill(NULL::bigint, ARRAY[n_events]);
  new_revision bigint[] := array_fill(NULL::bigint, ARRAY[n_events]);
  appended   boolean := false;
  first_part int := 1;
  last_part  int;
  first_event int := 1;
  last_event int;
  a          int;
  outcome    int;
  culprit    int;
  current    bigint;
  expected   bigint;
  e          int;
  standing   record;
BEGIN
  PERFORM pg_advisory_xact_lock(${APPEND_LOCK});
  moment := date_trunc('milliseconds', clock_timestamp());
  SELECT coalesce(max(position), 0) INTO head FROM event;
  SELECT array_agg(coalesce(
           (SELECT ev.revision FROM event ev WHERE ev.stream = n.name ORDER BY ev.revision DESC LIMIT 1), -1)
         ORDER BY n.i) INTO last
    FROM unnest(names) WITH ORDINALITY AS n(name, i);
  some_taken := EXISTS (SELECT FROM event ev WHERE ev.id = ANY (ids));
  revisions := array_fill(NULL::bigint, ARRAY[n_parts]);
  positions := array_fill(NULL::bigint, ARRAY[part_append[n_parts]]);

  WHILE first_part <= n_parts LOOP
    a := part_append[first_part];
    outcome := 0;
    culprit := 0;
    last_part := first_part;
    last_event := first_event + part_size[first_part] - 1;
    WHILE last_part < n_parts AND part_append[last_part + 1] = a LOOP
      last_part := last_part + 1;
      last_event := last_event + part_size[last_part];
    END LOOP;

    IF some_taken THEN
      SELECT count(ev.id) AS taken, max(ev.position) AS position,
             min(asked.i) FILTER (WHERE ev.stream <> asked.stream) AS stranger,
             min(asked.i) FILTER (WHERE ev.id IS NOT NULL) AS first
        INTO standing
        FROM unnest(ids[first_event:last_event], streams[first_event:last_event])
             WITH ORDINALITY AS asked(id, stream, i)
        LEFT JOIN event ev ON ev.id = asked.id;
      IF standing.stranger IS NOT NULL OR (standing.taken > 0 AND standing.taken < last_event - first_event + 1) THEN
        outcome := 3;
        culprit := first_event - 1 + coalesce(standing.stranger, standing.first);
      ELSIF standing.taken > 0 THEN
        outcome := 1;
        positions[a] := standing.position;
        e := first_event;
        FOR p IN first_part..last_part LOOP
          revisions[p] := (SELECT max(ev.revision) FROM event ev WHERE ev.id = ANY (ids[e:e + part_size[p] - 1]));
          e := e + part_size[p];
        END LOOP;
      END IF;
    END IF;

    IF outcome = 0 THEN
      FOR p IN first_part..last_part LOOP
        current := last[part_name[p]];
        expected := part_expected[p];
        IF NOT (expected = current AND expected <> -2 OR expected = -2 OR expected = -3 AND current >= 0) THEN
          outcome := 2;
          culprit := p;
          revisions[p] := current;
          EXIT;
        END IF;
      END LOOP;
    END IF;

    IF outcome = 0 THEN
      appended := true;
      e := first_event;
      FOR p IN first_part..last_part LOOP
        current := last[part_name[p]];
        FOR i IN 1..part_size[p] LOOP
          head := head + 1;
          current := current + 1;
          new_position[e] := head;
          new_revision[e] := current;
          e := e + 1;
        END LOOP;
        last[part_name[p]] := current;
        revisions[p] := current;
      END LOOP;
      positions[a] := head;
    END IF;

    outcomes[a] := outcome;
    culprits[a] := culprit;
    first_part := last_part + 1;
    first_event := last_event + 1;
  END LOOP;

  IF appended THEN
    INSERT INTO event (position, stream, revision, id, type, version, data, metadata, recorded_at)
    SELECT n.position, n.stream, n.revision, n.id, n.type, n.version, n.data, n.metadata, moment
      FROM unnest(new_position, streams, new_revision, ids, types, versions, datas, metadatas)
           AS n(position, stream, revision, id, type, version, data, metadata)
     WHERE n.position IS NOT NULL;
    PERFORM pg_notify('event_store', '');
  END IF;
END $$;
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

/** In order; each runs once, in one transaction with its entry in the list. Never edited, only added to. */
const MIGRATIONS: readonly (readonly [name: string, sql: string])[] = [
  ['0001 events', `${EVENT_TABLE}${APPEND_FUNCTION}`],
  ['0002 subscriptions', SUBSCRIPTION_TABLES],
  ['0003 extensions', EXTENSIONS],
];

/** What the service's role may do: read and append events, keep positions, make schemas of its own. No more. */
const GRANTS = (role: string, database: string) => `
REVOKE ALL ON SCHEMA event_store FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA event_store FROM PUBLIC, ${role};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA event_store FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE ${database} TO ${role};
GRANT USAGE ON SCHEMA event_store TO ${role};
GRANT SELECT ON event_store.event TO ${role};
GRANT EXECUTE ON FUNCTION event_store.append TO ${role};
GRANT SELECT, INSERT, UPDATE ON event_store.subscription TO ${role};
GRANT SELECT, INSERT, UPDATE, DELETE ON event_store.parked TO ${role};
`;

/**
 * Brings the schema `event_store` of a database up to date; safe to call from several processes at once.
 * @param ownerUrl address as a role that may create schemas; it owns the events, and services MUST NOT connect as it
 * @param serviceRole role that services connect as; it gets what it needs and loses what it does not
 */
export async function migrateEventStore(ownerUrl: string, serviceRole?: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [APPEND_LOCK]);
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS event_store;
      CREATE TABLE IF NOT EXISTS event_store.migration (name text PRIMARY KEY, ran_at timestamptz DEFAULT now());`);
    const { rows } = await client.query<{ name: string }>('SELECT name FROM event_store.migration');
    for (const [name, sql] of MIGRATIONS) {
      if (rows.some((row) => row.name === name)) continue;
      await client.query(sql);
      await client.query('INSERT INTO event_store.migration (name) VALUES ($1)', [name]);
    }
    if (serviceRole !== undefined) {
      const { rows: here } = await client.query<{ database: string }>('SELECT current_database() AS database');
      await client.query(GRANTS(client.escapeIdentifier(serviceRole), client.escapeIdentifier(here[0]!.database)));
    }
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}
