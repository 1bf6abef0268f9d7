-- Takes a table's rule away. While it stays in the publication it is broadcast under its own name.
CREATE OR REPLACE FUNCTION walcast.unbroadcast_table(target regclass) RETURNS boolean
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM walcast.rules r
         USING pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = target AND r.schema_name = n.nspname AND r.table_name = c.relname
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM gone);
$$;

REVOKE ALL ON FUNCTION walcast.unbroadcast_table(regclass) FROM PUBLIC;
COMMENT ON FUNCTION walcast.unbroadcast_table(regclass) IS
    'Takes a table''s rule away; true if it had one. The table leaves the broadcast with ALTER PUBLICATION … DROP TABLE.';

-- The same by name: the rule of a table that was dropped stays, and its prefix stays taken.
CREATE OR REPLACE FUNCTION walcast.unbroadcast_table(schema_name text, table_name text) RETURNS boolean
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM walcast.rules r
         WHERE r.schema_name = unbroadcast_table.schema_name AND r.table_name = unbroadcast_table.table_name
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM gone);
$$;

REVOKE ALL ON FUNCTION walcast.unbroadcast_table(text, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.unbroadcast_table(text, text) IS
    'Takes the rule of a table away that may be gone; true if it had one. walcast.unbroadcast_table(''public'', ''orders'')';
