-- Takes one nested component out of its row.
CREATE OR REPLACE FUNCTION walcast.nested_delete(
    component text,
    row_id    text,
    nested_id text,
    prefix    text   DEFAULT 'component',
    version   bigint DEFAULT NULL,
    actor     text   DEFAULT NULL
) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.version
      FROM walcast.nested_write('delete', component, row_id, nested_id, NULL, prefix, nested_delete.version, actor) AS w;
$$;

REVOKE ALL ON FUNCTION walcast.nested_delete(text, text, text, text, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.nested_delete(text, text, text, text, bigint, text) IS
    'Takes a nested component out of its row; the new version. version: only if it is still this one (else SQLSTATE WC001). '
    'actor: goes into the rule''s actor column.';
