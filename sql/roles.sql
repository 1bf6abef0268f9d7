-- The two roles, with the least privilege that works. Run as a superuser, after `walcast migrate`:
--   psql -v password="'…'" -f sql/roles.sql
--
-- walcast         what the server logs in as: replication, its own schema, and nothing of anybody else's tables
-- walcast_client  what sockets act as; nobody logs in as it. Grant it what clients may see and write.
\set ON_ERROR_STOP on
\if :{?password}
\else
DO $$ BEGIN RAISE EXCEPTION 'no password given' USING HINT = 'psql -v password="''…''" -f sql/roles.sql'; END $$;
\endif

CREATE ROLE walcast_client NOLOGIN;
CREATE ROLE walcast LOGIN REPLICATION NOINHERIT PASSWORD :password IN ROLE walcast_client;

SELECT format('GRANT CONNECT ON DATABASE %I TO walcast', current_database()) \gexec
GRANT USAGE ON SCHEMA walcast TO walcast;
GRANT SELECT ON walcast.rules, walcast.schema_history, walcast.applied_sql TO walcast;
GRANT SELECT, INSERT, UPDATE ON walcast.slots TO walcast;

-- Your application names its users in its own transactions; publishing is a DBA's job:
--   GRANT USAGE ON SCHEMA walcast TO app;
--   GRANT EXECUTE ON FUNCTION walcast.set_actor(text, text) TO app;
