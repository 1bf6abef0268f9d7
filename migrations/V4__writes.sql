-- What sockets may write, what repeats of a write are answered with, and versions that count every write.

ALTER TABLE walcast.rules
    ADD COLUMN writable text[]
        CONSTRAINT rules_writable_check CHECK (cardinality(writable) > 0 AND array_position(writable, NULL) IS NULL),
    ADD COLUMN throttle_ms integer
        CONSTRAINT rules_throttle_check CHECK (throttle_ms >= 0);
COMMENT ON COLUMN walcast.rules.writable IS
    'The columns that sockets may set; null: sockets may neither create, change nor delete rows.';
COMMENT ON COLUMN walcast.rules.throttle_ms IS
    'Updates of one row within so many milliseconds are told as one; null or 0: each by itself.';

CREATE TABLE walcast.mutations (
    user_id     text NOT NULL,
    mutation_id text NOT NULL,
    answer      jsonb,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, mutation_id)
);
-- For those that are too old to be repeated, which are deleted now and then.
CREATE INDEX mutations_at_idx ON walcast.mutations (at);
COMMENT ON TABLE walcast.mutations IS
    'Writes of sockets that carried a mutationId, with their answers: a repeat is answered so, and writes nothing.';

-- A stand-in, for the trigger below to name: sql/functions/bump_version.sql, which is applied next, takes its place.
CREATE FUNCTION walcast.bump_version() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN NEW;
END
$$;

-- Only the components table that walcast made, under the rule that walcast made: any other is the application's.
DO $$
BEGIN
    UPDATE walcast.rules SET writable = ARRAY['type', 'name', 'data', 'rows']
     WHERE (schema_name, table_name, prefix) = ('public', 'components', 'component')
       AND (id_column, entity_type_column, entity_id_column) = ('id', 'entity_type', 'entity_id')
       AND (actor_column, creator_column, version_column) = ('updated_by', 'created_by', 'version')
       AND nested = '{"column": "rows", "children": "components"}'
       AND (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = to_regclass('public.components') AND a.attnum > 0 AND NOT a.attisdropped)
           = ARRAY['id', 'entity_type', 'entity_id', 'type', 'name', 'data', 'rows', 'version', 'created_by',
                   'updated_by', 'created_at', 'updated_at'];
    IF FOUND THEN
        CREATE TRIGGER walcast_version BEFORE UPDATE ON public.components
            FOR EACH ROW EXECUTE FUNCTION walcast.bump_version('version', 'updated_at');
    END IF;
END
$$;
