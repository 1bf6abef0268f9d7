-- Says how a published table is broadcast. Takes effect when the transaction commits, for the transactions after it.
CREATE OR REPLACE FUNCTION walcast.broadcast_table(
    target  regclass,
    prefix  text,
    id      text   DEFAULT NULL,
    entity  text[] DEFAULT NULL,
    actor   text   DEFAULT NULL,
    creator text   DEFAULT NULL,
    version text   DEFAULT NULL,
    nested  jsonb  DEFAULT NULL
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
                        nested ->> 'column', nested ->> 'parent', nested ->> 'row']) AS wanted
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

    IF identity <> 'f' THEN
        RAISE WARNING 'the replica identity of % is not FULL: the log does not say which columns an UPDATE changed, nor to '
                      'which entity a deleted row belonged', target
            USING HINT = format('ALTER TABLE %s REPLICA IDENTITY FULL;', target);
    END IF;

    BEGIN
        INSERT INTO walcast.rules AS r (schema_name, table_name, prefix, id_column, entity_type_column, entity_id_column,
                                        actor_column, creator_column, version_column, nested)
        VALUES (schema_of, name_of, prefix, id, entity[1], entity[2], actor, creator, version, nested)
        ON CONFLICT (schema_name, table_name) DO UPDATE SET
            prefix = excluded.prefix,
            id_column = excluded.id_column,
            entity_type_column = excluded.entity_type_column,
            entity_id_column = excluded.entity_id_column,
            actor_column = excluded.actor_column,
            creator_column = excluded.creator_column,
            version_column = excluded.version_column,
            nested = excluded.nested;
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

REVOKE ALL ON FUNCTION walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb) IS
    'Says how a published table is broadcast: names of events and rooms, and which columns hold id, entity, author and '
    'version. Call it again to change the rule.';
