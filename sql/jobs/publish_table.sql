-- Publishes a table: from the commit on its changes are broadcast. Run as the owner of table and publication:
--   psql -v table=public.orders -f sql/jobs/publish_table.sql       -- -v publication=… if it is not called walcast
-- The identity comes first, in the same transaction: a table without one cannot be updated any more once it is published,
-- and FULL lets the log say which columns changed.
\set ON_ERROR_STOP on
\if :{?publication} \else \set publication walcast \endif

BEGIN;
SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL', :'table'::regclass) \gexec
SELECT format('ALTER PUBLICATION %I ADD TABLE %s', :'publication', :'table'::regclass) \gexec
COMMIT;
