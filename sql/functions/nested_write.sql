-- One write of one nested component, in the shape that the rule of the prefix says: in a document of its component's row,
-- or as a row that names its parent. One statement, whose expression Postgres evaluates anew on the newest version of the
-- row: of two writers at the same moment, neither undoes what the other did elsewhere in the row.
CREATE OR REPLACE FUNCTION walcast.nested_write(
    verb          text,
    component     text,
    row_id        text,
    wanted        text,
    content       jsonb,
    prefix        text,
    known_version bigint,
    actor         text,
    OUT nested_id jsonb,
    OUT version   bigint
)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rule     walcast.rules;
    target   regclass;
    key      text;
    parent   text;
    place    text;
    -- Of each column of the table, its type as a cast names it.
    types    jsonb;
    given    text[];
    names    text[] := '{}';
    columns  text[] := '{}';
    filter   text;
    command  text;
    rows     integer;
BEGIN
    SELECT r.* INTO rule FROM walcast.rules r WHERE r.prefix = nested_write.prefix AND r.nested IS NOT NULL;
    IF FOUND THEN
        target := to_regclass(format('%I.%I', rule.schema_name, rule.table_name));
    END IF;
    IF target IS NULL THEN
        RAISE EXCEPTION 'no table nests components under the prefix "%"', prefix
            USING ERRCODE = 'undefined_object', HINT = 'Say how with walcast.broadcast_table(…, nested => …).';
    END IF;
    SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, NULL)) INTO types
      FROM pg_attribute a WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped;
    SELECT coalesce(rule.id_column, min(a.attname)) INTO key
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = target AND i.indisprimary
    HAVING count(*) = 1 OR rule.id_column IS NOT NULL;
    IF key IS NULL THEN
        RAISE EXCEPTION 'table % has no single column that names a row', target
            USING ERRCODE = 'feature_not_supported', HINT = 'Name a unique one: walcast.broadcast_table(…, id => ''…'').';
    END IF;

    IF verb <> 'delete' AND (content IS NULL OR jsonb_typeof(content) <> 'object') THEN
        RAISE EXCEPTION 'a nested component is an object, and its updates are one, but this is %', content
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF verb = 'update' AND content ? 'id' THEN
        RAISE EXCEPTION 'the id of a nested component cannot be changed' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    filter := CASE WHEN known_version IS NOT NULL AND rule.version_column IS NOT NULL
                   THEN format(' AND t.%I = %L', rule.version_column, known_version) ELSE '' END;
    command := format(' RETURNING to_jsonb(t.%I), %s', key,
                      CASE WHEN rule.version_column IS NULL THEN 'NULL::bigint'
                           ELSE format('t.%I::bigint', rule.version_column) END);

    IF rule.nested ? 'column' THEN
        IF verb = 'create' THEN
            content := jsonb_build_object('id', gen_random_uuid()) || content;
            IF jsonb_typeof(content -> 'id') NOT IN ('string', 'number') THEN
                RAISE EXCEPTION 'the id of a nested component is a text or a number, not %', content -> 'id'
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            wanted := content ->> 'id';
        END IF;
        command := format(
            'UPDATE %s AS t SET %I = walcast.nested_document(t.%2$I::jsonb, %L, $5, $2, $3, $4)::%s%s '
            'WHERE t.%I = $1::%s%s%s',
            target, rule.nested ->> 'column', rule.nested ->> 'children', types ->> (rule.nested ->> 'column'),
            CASE WHEN actor IS NOT NULL AND rule.actor_column IS NOT NULL
                 THEN format(', %I = $6::%s', rule.actor_column, types ->> rule.actor_column) ELSE '' END,
            key, types ->> key, filter, command);
        EXECUTE command INTO nested_id, version USING component, row_id, wanted, content, verb, actor;
        GET DIAGNOSTICS rows = ROW_COUNT;
        nested_id := content -> 'id';
        filter := format('t.%I = $1::%s', key, types ->> key);
    ELSE
        parent := rule.nested ->> 'parent';
        place := rule.nested ->> 'row';
        SELECT coalesce(array_agg(member), '{}') INTO given FROM jsonb_object_keys(coalesce(content, '{}')) AS member;
        IF NOT types ?& given THEN
            RAISE EXCEPTION 'table % has no column %', target,
                            (SELECT string_agg(quote_ident(name), ', ') FROM unnest(given) AS name WHERE NOT types ? name)
                USING ERRCODE = 'undefined_column';
        END IF;
        -- What the database knows itself, where the content does not say otherwise: by column, the expression.
        SELECT coalesce(array_agg(k.name), '{}'), coalesce(array_agg(k.value), '{}') INTO names, columns
          FROM (VALUES (parent, format('p.%I::%s', key, types ->> parent), verb = 'create'),
                       (place, format('$2::%s', types ->> place), verb = 'create'),
                       (rule.entity_type_column, format('p.%I', rule.entity_type_column), verb = 'create'),
                       (rule.entity_id_column, format('p.%I', rule.entity_id_column), verb = 'create'),
                       (rule.creator_column, format('$6::%s', types ->> rule.creator_column),
                        verb = 'create' AND actor IS NOT NULL),
                       (rule.actor_column, format('$6::%s', types ->> rule.actor_column), actor IS NOT NULL)
               ) AS k (name, value, applies)
         WHERE k.applies AND k.name IS NOT NULL AND k.name <> ALL (given);
        SELECT names || coalesce(array_agg(g), '{}'), columns || coalesce(array_agg(format('v.%I', g)), '{}')
          INTO names, columns FROM unnest(given) AS g;
        -- A record of no columns cannot be written.
        given := CASE WHEN given = '{}' THEN ARRAY['nothing int'] ELSE
                 (SELECT array_agg(format('%I %s', g, types ->> g)) FROM unnest(given) AS g) END;
        filter := format('t.%I = $3::%s AND t.%I = $1::%s AND t.%I = $2::%s%s', key, types ->> key, parent,
                         types ->> parent, place, types ->> place, filter);
        command := CASE verb
            WHEN 'create' THEN format(
                'INSERT INTO %s AS t (%s) SELECT %s FROM %s AS p, jsonb_to_record($4) AS v (%s) WHERE p.%I = $1::%s',
                target, (SELECT string_agg(quote_ident(n), ', ') FROM unnest(names) AS n),
                array_to_string(columns, ', '), target, array_to_string(given, ', '), key, types ->> key)
            WHEN 'update' THEN format(
                'UPDATE %s AS t SET %s FROM jsonb_to_record($4) AS v (%s) WHERE %s', target,
                coalesce(nullif((SELECT string_agg(format('%I = %s', n, c), ', ') FROM unnest(names, columns) AS u (n, c)),
                                ''), format('%1$I = t.%1$I', parent)),
                array_to_string(given, ', '), filter)
            ELSE format('DELETE FROM %s AS t WHERE %s', target, filter)
            END || command;
        EXECUTE command INTO nested_id, version USING component, row_id, wanted, content, verb, actor;
        GET DIAGNOSTICS rows = ROW_COUNT;
        filter := CASE verb WHEN 'create' THEN format('t.%I = $1::%s', key, types ->> key)
                  ELSE format('t.%I = $2::%s', key, types ->> key) END;
    END IF;

    IF rows > 0 THEN
        RETURN;
    END IF;
    IF known_version IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE %s', target, filter) INTO rows USING component, wanted;
        IF rows > 0 THEN
            RAISE EXCEPTION '% "%" is not at version % any more', prefix, component, known_version
                USING ERRCODE = 'WC001', HINT = 'Read it again, and decide anew.';
        END IF;
    END IF;
    IF rule.nested ? 'column' OR verb = 'create' THEN
        RAISE EXCEPTION 'there is no % "%"', prefix, component USING ERRCODE = 'no_data_found';
    END IF;
    RAISE EXCEPTION 'there is no nested component "%" in row "%" of % "%"', wanted, row_id, prefix, component
        USING ERRCODE = 'no_data_found';
END
$$;

REVOKE ALL ON FUNCTION walcast.nested_write(text, text, text, text, jsonb, text, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.nested_write(text, text, text, text, jsonb, text, bigint, text) IS
    'What walcast.nested_create(), nested_update() and nested_delete() have in common. Call those.';
