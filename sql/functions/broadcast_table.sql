-- Says how a published table is broadcast. Takes effect when the transaction commits, for the transactions after it.

-- As it was before sockets could write: left there, it would make calls ambiguous.
DROP FUNCTION IF EXISTS walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb);

CREATE OR REPLACE FUNCTION walcast.broadcast_table(
    target      regclass,
    prefix      text,
    id          text    DEFAULT NULL,
    entity      text[]  DEFAULT NULL,
    actor       text    DEFAULT NULL,
    creator     text    DEFAULT NULL,
    version     text    DEFAULT NULL,
    nested      jsonb   DEFAULT NULL,
    writable    text[]  DEFAULT NULL,
    throttle_ms integer DEFAULT NULL
) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_of text;
    name_of   text;
    kind      "char";
    identity  "char";
    missing   text;
    taken     record;
    violated  text;
BEGIN
    SELECT n.nspname, c.relname, c.relkind, c.relreplident INTO STRICT schema_of, name_of, kind, identity
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = target;

    IF kind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '% is no table, and only tables can be published', target
            USING HINT = 'Broadcast the tables that it shows.';
    END IF;

    IF prefix IS NULL OR prefix = '' OR prefix ~ ':' THEN
        RAISE EXCEPTION 'the prefix "%" of table % cannot begin the name of a room', prefix, target
            USING HINT = 'Give a name without a colon, for example: prefix => ''order''';
    END IF;

    SELECT r.schema_name, r.table_name INTO taken
      FROM walcast.rules r
     WHERE r.prefix = broadcast_table.prefix AND (r.schema_name, r.table_name) <> (schema_of, name_of);
    IF FOUND THEN
        RAISE EXCEPTION 'the prefix "%" is that of table %.% already, and their rooms would mix',
                        prefix, quote_ident(taken.schema_name), quote_ident(taken.table_name)
            USING HINT = format('Choose another, or first: SELECT walcast.unbroadcast_table(%L, %L);',
                                taken.schema_name, taken.table_name);
    END IF;

    IF entity IS NOT NULL AND cardinality(array_remove(entity, NULL)) <> 2 THEN
        RAISE EXCEPTION 'entity must name two columns, the type and the id, but is %', entity
            USING HINT = 'For example: entity => ARRAY[''entity_type'', ''entity_id'']';
    END IF;

    SELECT string_agg(quote_ident(wanted), ', ') INTO missing
      FROM unnest(ARRAY[id, entity[1], entity[2], actor, creator, version,
                        nested ->> 'column', nested ->> 'parent', nested ->> 'row'] || writable) AS wanted
     WHERE wanted IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_attribute a
                        WHERE a.attrelid = target AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table % has no column %', target, missing;
    END IF;

    -- Before the id: naming one would still leave a table that the application cannot write any more.
    IF identity <> 'f' AND NOT EXISTS (
        SELECT FROM pg_index i
         WHERE i.indrelid = target
           AND CASE identity WHEN 'd' THEN i.indisprimary AND i.indimmediate
                             WHEN 'i' THEN i.indisreplident
                             ELSE false END
    ) THEN
        RAISE EXCEPTION 'table % has no replica identity: once it is published, Postgres refuses its UPDATEs and DELETEs',
                        target
            USING HINT = format('First: ALTER TABLE %s REPLICA IDENTITY FULL; or give it a primary key.', target);
    END IF;

    IF id IS NULL AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = target AND i.indisprimary) THEN
        RAISE EXCEPTION 'table % has no primary key, so its rows need an id', target
            USING HINT = 'Name a unique column: id => ''…''';
    END IF;

    IF cardinality(writable) = 0 OR array_position(writable, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'writable must name columns, but is %', writable
            USING HINT = 'For example: writable => ARRAY[''name'', ''data'']; leave it out, and sockets may write nothing.';
    END IF;
    -- What names a row, or says who wrote it and when, is not for a client to choose.
    SELECT string_agg(quote_ident(w.name), ', ') INTO missing
      FROM unnest(writable) AS w (name)
      JOIN pg_attribute a ON a.attrelid = target AND a.attname = w.name
     WHERE w.name IN (id, version, actor, creator, 'id', 'created_at', 'updated_at')
        OR a.attgenerated <> '' OR a.attidentity <> ''
        OR EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = target AND i.indisprimary AND a.attnum = ANY (i.indkey))
        OR EXISTS (SELECT FROM pg_trigger t
                    WHERE t.tgrelid = target AND t.tgfoid = to_regproc('walcast.bump_version')
                      AND w.name = ANY (string_to_array(encode(t.tgargs, 'escape'), '\000')));
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'sockets may not set % of table %', missing, target
            USING HINT = 'Ids, versions, generated columns, and those that say who wrote a row and when are kept by the '
                         'database and by walcast.';
    END IF;
    IF throttle_ms < 0 THEN
        RAISE EXCEPTION 'throttle_ms is %, which is no time', throttle_ms;
    END IF;
    IF writable IS NOT NULL AND version IS NOT NULL AND NOT EXISTS (
        -- 1: for each row, 2: before, 16: UPDATE.
        SELECT FROM pg_trigger t WHERE t.tgrelid = target AND t.tgtype & 19 = 19
    ) THEN
        RAISE WARNING 'nothing keeps column % of %: writers by an old version would not be told', quote_ident(version), target
            USING HINT = format('SELECT walcast.keep_version(%L, %L);', target, version);
    END IF;

    IF identity <> 'f' THEN
        RAISE WARNING 'the replica identity of % is not FULL: the log does not say which columns an UPDATE changed, nor to '
                      'which entity a deleted row belonged', target
            USING HINT = format('ALTER TABLE %s REPLICA IDENTITY FULL;', target);
    END IF;

    BEGIN
        INSERT INTO walcast.rules AS r (schema_name, table_name, prefix, id_column, entity_type_column, entity_id_column,
                                        actor_column, creator_column, version_column, nested, writable, throttle_ms)
        VALUES (schema_of, name_of, prefix, id, entity[1], entity[2], actor, creator, version, nested, writable,
                throttle_ms)
        ON CONFLICT (schema_name, table_name) DO UPDATE SET
            prefix = excluded.prefix,
            id_column = excluded.id_column,
            entity_type_column = excluded.entity_type_column,
            entity_id_column = excluded.entity_id_column,
            actor_column = excluded.actor_column,
            creator_column = excluded.creator_column,
            version_column = excluded.version_column,
            nested = excluded.nested,
            writable = excluded.writable,
            throttle_ms = excluded.throttle_ms;
    EXCEPTION WHEN check_violation THEN
        -- What a rule may say stands in one place, the constraints of the table; here are the words for it.
        GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
        IF violated = 'rules_reserved_check' THEN
            RAISE EXCEPTION 'the prefix "%" is reserved: other rooms, or members of payloads, have that name', prefix
                USING HINT = 'Choose another, for example the singular of the table''s name: prefix => ''order''';
        ELSIF violated = 'rules_nested_check' THEN
            RAISE EXCEPTION 'nested does not say where nested components are: %', nested
                USING HINT = 'Either {"column": <a jsonb column>, "children": <a key other than "id">}, '
                             'or {"parent": <a column>, "row": <another column>}.';
        END IF;
        RAISE;
    END;
END
$$;

REVOKE ALL ON FUNCTION
    walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb, text[], integer) FROM PUBLIC;
COMMENT ON FUNCTION
    walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb, text[], integer) IS
    'Says how a published table is broadcast: names of events and rooms, which columns hold id, entity, author and version, '
    'and which of them sockets may set. Call it again to change the rule.';
