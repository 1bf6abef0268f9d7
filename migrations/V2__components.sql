-- The table that frontends of the main job listen to, and its rule. A table `components` that is there already stays
-- entirely the application's: it is not touched, and how it is broadcast is for its owner to say.
DO $$
BEGIN
    IF to_regclass('public.components') IS NOT NULL THEN
        RETURN;
    END IF;

    CREATE TABLE public.components (
        id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        entity_type text NOT NULL,
        entity_id   text NOT NULL,
        type        text NOT NULL,
        name        text NOT NULL DEFAULT '',
        data        jsonb NOT NULL DEFAULT '{}',
        rows        jsonb NOT NULL DEFAULT '[]',
        version     bigint NOT NULL DEFAULT 1,
        created_by  text,
        updated_by  text,
        created_at  timestamptz NOT NULL DEFAULT now(),
        updated_at  timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX components_entity_idx ON public.components (entity_type, entity_id, id);

    -- FULL: the old row in the log is what tells which columns changed.
    ALTER TABLE public.components REPLICA IDENTITY FULL;

    INSERT INTO walcast.rules (schema_name, table_name, prefix, id_column, entity_type_column, entity_id_column,
                               actor_column, creator_column, version_column, nested)
    VALUES ('public', 'components', 'component', 'id', 'entity_type', 'entity_id',
            'updated_by', 'created_by', 'version', '{"column": "rows", "children": "components"}');
END
$$;
