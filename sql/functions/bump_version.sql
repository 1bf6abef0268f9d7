-- Counts the writes of a row, whoever makes them: what a client saw last can be told from what is there now.
--   CREATE TRIGGER … BEFORE UPDATE … FOR EACH ROW EXECUTE FUNCTION walcast.bump_version('version'[, 'updated_at']);
-- The second column is given the transaction's time, unless the write itself sets it.
CREATE OR REPLACE FUNCTION walcast.bump_version() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    next_version bigint;
    is_untouched boolean;
    kept         jsonb;
BEGIN
    -- By their usual names: a row that is handed on as a whole, as below, is unpacked, and what it holds out of line is
    -- written once more.
    IF TG_ARGV[0] = 'version' AND (TG_NARGS = 1 OR TG_ARGV[1] = 'updated_at') THEN
        NEW.version := coalesce(OLD.version, 0) + 1;
        -- By itself: Postgres looks for the columns of an expression, whichever part of it is needed.
        IF TG_NARGS > 1 THEN
            IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
                NEW.updated_at := now();
            END IF;
        END IF;
        RETURN NEW;
    END IF;

    EXECUTE format('SELECT coalesce(($1).%I, 0) + 1', TG_ARGV[0]) INTO next_version USING OLD;
    kept := jsonb_build_object(TG_ARGV[0], next_version);
    IF TG_NARGS > 1 THEN
        EXECUTE format('SELECT ($1).%1$I IS NOT DISTINCT FROM ($2).%1$I', TG_ARGV[1]) INTO is_untouched USING OLD, NEW;
        IF is_untouched THEN
            kept := kept || jsonb_build_object(TG_ARGV[1], now());
        END IF;
    END IF;
    RETURN jsonb_populate_record(NEW, kept);
END
$$;

REVOKE ALL ON FUNCTION walcast.bump_version() FROM PUBLIC;
COMMENT ON FUNCTION walcast.bump_version() IS
    'Trigger: the named column grows by one with every UPDATE of a row. Install it with walcast.keep_version().';
