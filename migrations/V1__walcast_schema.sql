-- What walcast itself keeps in a database. The schema `walcast` exists already: the migration runner makes it,
-- since the history of migrations stands in it.

COMMENT ON SCHEMA walcast IS 'walcast: broadcasts committed changes to browsers over Socket.IO';
REVOKE ALL ON SCHEMA walcast FROM PUBLIC;

CREATE TABLE walcast.rules (
    schema_name        text NOT NULL,
    table_name         text NOT NULL,
    prefix             text NOT NULL,
    id_column          text,
    entity_type_column text,
    entity_id_column   text,
    actor_column       text,
    creator_column     text,
    version_column     text,
    nested             jsonb,
    PRIMARY KEY (schema_name, table_name),
    -- Rooms of two tables must not mix. Deferrable: within a transaction tables may trade prefixes.
    CONSTRAINT rules_prefix_key UNIQUE (prefix) DEFERRABLE INITIALLY DEFERRED,
    -- A colon ends a prefix in the name of a room.
    CONSTRAINT rules_prefix_check CHECK (prefix <> '' AND prefix !~ ':'),
    -- `user` and `entity` begin the names of rooms that are not a row's; the others would name two members of a payload
    -- alike.
    CONSTRAINT rules_reserved_check CHECK (
        prefix NOT IN ('user', 'entity', 'changes', 'createdBy', 'deletedBy', 'entityId', 'entityType', 'offset', 'reason',
                       'timestamp', 'updatedBy', 'updates', 'version')
        AND NOT (nested IS NOT NULL AND prefix IN ('row', 'nestedComponent'))
    ),
    CONSTRAINT rules_entity_check CHECK ((entity_type_column IS NULL) = (entity_id_column IS NULL)),
    -- coalesce: what is missing makes a comparison NULL, and a CHECK lets NULL pass.
    CONSTRAINT rules_nested_check CHECK (nested IS NULL OR coalesce(
        CASE WHEN nested ? 'column' OR nested ? 'children'
             THEN jsonb_typeof(nested -> 'column') = 'string' AND jsonb_typeof(nested -> 'children') = 'string'
                  AND nested ->> 'children' <> 'id'
             ELSE jsonb_typeof(nested -> 'parent') = 'string' AND jsonb_typeof(nested -> 'row') = 'string'
                  AND nested ->> 'parent' <> nested ->> 'row'
        END, false))
);
COMMENT ON TABLE walcast.rules IS
    'How published tables are broadcast. Published itself, so that a rule takes effect at its commit in the stream of '
    'changes. Write it with walcast.broadcast_table() and walcast.unbroadcast_table().';
COMMENT ON COLUMN walcast.rules.prefix IS 'Events are named prefix:created, prefix:updated, prefix:deleted; rooms prefix:id.';
COMMENT ON COLUMN walcast.rules.id_column IS 'The column that names a row; null: the primary key.';
COMMENT ON COLUMN walcast.rules.nested IS
    'Either {"column": …, "children": …}: a jsonb column [{"id", children: [{"id"}]}]; '
    'or {"parent": …, "row": …}: columns by which a child row names its parent.';

CREATE TABLE walcast.slots (
    slot_name         name PRIMARY KEY,
    epoch             text NOT NULL CHECK (epoch <> '' AND epoch !~ '/'),
    system_identifier text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE walcast.slots IS
    'The history that a replication slot tells: its epoch is part of every offset and changes when the slot had to be '
    'created again, so that no client takes a position in one history for a position in another.';

CREATE TABLE walcast.slot_rules (
    slot_name name NOT NULL,
    lsn       pg_lsn NOT NULL,
    rules     jsonb NOT NULL,
    PRIMARY KEY (slot_name, lsn)
);
COMMENT ON TABLE walcast.slot_rules IS
    'The rules as they stood at a position of a slot''s stream: after a restart the stream begins there again.';
