-- Has a column count the writes of each row, so that whoever writes by an old version can be told.
CREATE OR REPLACE FUNCTION walcast.keep_version(
    target  regclass,
    version text DEFAULT 'version',
    touched text DEFAULT NULL
) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted text;
    kind   regtype;
BEGIN
    FOREACH wanted IN ARRAY array_remove(ARRAY[version, touched], NULL) LOOP
        SELECT a.atttypid::regtype INTO kind FROM pg_attribute a
         WHERE a.attrelid = target AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % has no column %', target, quote_ident(wanted)
                USING ERRCODE = 'undefined_column',
                      HINT = format('First: ALTER TABLE %s ADD COLUMN %I bigint NOT NULL DEFAULT 1;', target, wanted);
        END IF;
        IF wanted = version AND kind NOT IN ('bigint'::regtype, 'integer'::regtype) THEN
            RAISE EXCEPTION 'column % of table % is of type %, and versions are counted in bigint', quote_ident(wanted),
                            target, kind
                USING ERRCODE = 'datatype_mismatch';
        END IF;
    END LOOP;
    EXECUTE format('CREATE OR REPLACE TRIGGER walcast_version BEFORE UPDATE ON %s FOR EACH ROW '
                   'EXECUTE FUNCTION walcast.bump_version(%s)', target, concat_ws(', ', quote_literal(version), quote_literal(touched)));
END
$$;

REVOKE ALL ON FUNCTION walcast.keep_version(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.keep_version(regclass, text, text) IS
    'Has a column of a table grow by one with every UPDATE of a row, whoever writes; touched: a column for the time of the '
    'last write. As the owner of the table.';
