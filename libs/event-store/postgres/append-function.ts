/** Advisory lock under which appends of all processes take turns; one number a database is enough. */
export const APPEND_LOCK = 3_117_001;

/**
 * Appends a group of appends in one transaction. A part is the events of one append for one stream; parts come in the
 * order of their appends, events in the order of their parts. Within a group no id stands twice (the caller sees to
 * it, the unique index insists).
 *   expected:  a revision, or -1 no stream, -2 any, -3 stream exists
 *   outcomes:  per append 0 appended, 1 duplicate, 2 conflict, 3 id taken, 4 a category that is not the caller's
 *   positions: per append the position of its last event
 *   culprits:  per append the part that conflicts or is of a foreign category, or the event whose id is taken
 *   revisions: per part the last revision; of a conflicting part the actual one (-1 no stream)
 * The lock is let go only after the commit is visible, and every statement of a volatile function sees what was
 * committed before it began: so positions grow in commit order and have no gaps.
 * Who appends is the session's user: it stays what it was at the sign-in, whatever SET ROLE or a function in between
 * says. What is not allowed is refused before anything else is looked at, so that a stranger learns nothing by it.
 */
export const APPEND_FUNCTION = `
CREATE OR REPLACE FUNCTION event_store.append(
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
  allowed    text[] := ARRAY(SELECT p.object FROM permission p WHERE p.role = session_user AND p.act = 'append');
  some_foreign boolean := false;
  n_parts    int := coalesce(cardinality(part_append), 0);
  n_events   int := coalesce(cardinality(ids), 0);
  new_position bigint[] := array_fill(NULL::bigint, ARRAY[n_events]);
  new_name     int[]    := array_fill(NULL::int, ARRAY[n_events]);
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
  IF NOT '*' = ANY (allowed) THEN
    some_foreign := EXISTS (SELECT FROM unnest(names) AS n(name) WHERE split_part(n.name, '-', 1) <> ALL (allowed));
  END IF;
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

    IF some_foreign THEN
      FOR p IN first_part..last_part LOOP
        IF split_part(names[part_name[p]], '-', 1) <> ALL (allowed) THEN
          outcome := 4;
          culprit := p;
          EXIT;
        END IF;
      END LOOP;
    END IF;

    IF outcome = 0 AND some_taken THEN
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
          new_name[e] := part_name[p];
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
    SELECT n.position, names[n.name], n.revision, n.id, n.type, n.version, n.data, n.metadata, moment
      FROM unnest(new_position, new_name, new_revision, ids, types, versions, datas, metadatas)
           AS n(position, name, revision, id, type, version, data, metadata)
     WHERE n.position IS NOT NULL;
    PERFORM pg_notify('event_store', '');
  END IF;
END $$;
`;
