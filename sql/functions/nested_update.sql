-- Sets members of one nested component and leaves the others as they are; null takes a member away. It is what
-- `nested-updated` tells, the other way round.
CREATE OR REPLACE FUNCTION walcast.nested_update(
    component text,
    row_id    text,
    nested_id text,
    updates   jsonb,
    prefix    text   DEFAULT 'component',
    version   bigint DEFAULT NULL,
    actor     text   DEFAULT NULL
) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.version
      FROM walcast.nested_write('update', component, row_id, nested_id, updates, prefix, nested_update.version, actor) AS w;
$$;

REVOKE ALL ON FUNCTION walcast.nested_update(text, text, text, jsonb, text, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.nested_update(text, text, text, jsonb, text, bigint, text) IS
    'Sets members of a nested component, null takes one away; the new version. version: write only if it is still this one '
    '(else SQLSTATE WC001). actor: goes into the rule''s actor column.';
