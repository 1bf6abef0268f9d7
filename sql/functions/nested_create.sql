-- Puts a nested component at the end of a row of its component. One without an id is given one.
CREATE OR REPLACE FUNCTION walcast.nested_create(
    component     text,
    row_id        text,
    nested        jsonb,
    prefix        text DEFAULT 'component',
    actor         text DEFAULT NULL,
    OUT nested_id jsonb,
    OUT version   bigint
)
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.nested_id, w.version
      FROM walcast.nested_write('create', component, row_id, NULL, nested, prefix, NULL, actor) AS w;
$$;

REVOKE ALL ON FUNCTION walcast.nested_create(text, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.nested_create(text, text, jsonb, text, text) IS
    'Puts a nested component into a row of a component: its id, and the new version. actor: goes into the rule''s actor column.';
