-- The two roles, with the least privilege that works. Run as a superuser, after `walcast migrate`, once for each database:
--   psql -v password="'…'" -f sql/roles.sql
-- Roles are the whole cluster's: one that is there already is kept as it is, its password too.
--
-- walcast         what the server logs in as: replication, its own schema, and of anybody else's tables what it is granted;
--                 GRANT SELECT on those that clients fetch over HTTP
-- walcast_client  what sockets act as on guarded tables: those that have row-level security, and those that it is granted
--                 anything on. Nobody logs in as it
\set ON_ERROR_STOP on
\if :{?password}
\else
DO $$ BEGIN RAISE EXCEPTION 'no password given' USING HINT = 'psql -v password="''…''" -f sql/roles.sql'; END $$;
\endif

SELECT 'CREATE ROLE walcast_client NOLOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'walcast_client') \gexec
SELECT format('CREATE ROLE walcast LOGIN REPLICATION NOINHERIT PASSWORD %L IN ROLE walcast_client', :password)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'walcast') \gexec

SELECT format('GRANT CONNECT ON DATABASE %I TO walcast', current_database()) \gexec
GRANT USAGE ON SCHEMA walcast TO walcast;
-- The history and what was applied: to see that the database is this version's. The view is for whoever looks.
GRANT SELECT ON walcast.rules, walcast.schema_history, walcast.applied_sql, walcast.status TO walcast;
GRANT SELECT, INSERT, UPDATE, DELETE ON walcast.slots, walcast.slot_rules, walcast.sessions, walcast.mutations
    TO walcast;
GRANT EXECUTE ON FUNCTION
    walcast.set_actor(text, text),
    walcast.broadcast(text, text, jsonb)
    TO walcast;

-- Nested components are edited by these: as walcast, and of guarded tables as the role of sockets.
GRANT USAGE ON SCHEMA walcast TO walcast_client;
GRANT SELECT ON walcast.rules TO walcast_client;
GRANT EXECUTE ON FUNCTION
    walcast.nested_create(text, text, jsonb, text, text),
    walcast.nested_update(text, text, text, jsonb, text, bigint, text),
    walcast.nested_delete(text, text, text, text, bigint, text),
    walcast.nested_write(text, text, text, text, jsonb, text, bigint, text),
    walcast.nested_document(jsonb, text, text, text, text, jsonb)
    TO walcast, walcast_client;

-- Where policies or columns are to decide what sockets see and write, grant it to their role, and walcast what its schema holds:
--   GRANT USAGE ON SCHEMA app TO walcast, walcast_client;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON app.orders TO walcast_client;
-- Other tables the server reads and writes as walcast itself, for every socket with a valid token:
--   GRANT SELECT, INSERT, UPDATE, DELETE ON public.components TO walcast;

-- Your application names its users in its own transactions; publishing is a DBA's job:
--   GRANT USAGE ON SCHEMA walcast TO app;
--   GRANT EXECUTE ON FUNCTION walcast.set_actor(text, text), walcast.broadcast(text, text, jsonb) TO app;
