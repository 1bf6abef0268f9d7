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
    identity  "char";
    missing   text;
BEGIN
    SELECT n.nspname, c.relname, c.relreplident INTO STRICT schema_of, name_of, identity
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = target;

    IF entity IS NOT NULL AND cardinality(entity) <> 2 THEN
        RAISE EXCEPTION 'entity must name two columns, the type and the id, but names %', cardinality(entity)
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

    IF id IS NULL AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = target AND i.indisprimary) THEN
        RAISE EXCEPTION 'table % has no primary key, so its rows need an id', target
            USING HINT = 'Name a unique column: id => ''…''';
    END IF;

    IF identity <> 'f' THEN
        RAISE WARNING 'the replica identity of % is not FULL: the log does not say which columns an UPDATE changed, nor to '
                      'which entity a deleted row belonged', target
            USING HINT = format('ALTER TABLE %s REPLICA IDENTITY FULL;', target);
    END IF;

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
END
$$;

REVOKE ALL ON FUNCTION walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION walcast.broadcast_table(regclass, text, text, text[], text, text, text, jsonb) IS
    'Says how a published table is broadcast: names of events and rooms, and which columns hold id, entity, author and '
    'version. Call it again to change the rule.';
