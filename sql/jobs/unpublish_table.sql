-- Takes a table off the broadcast, with its rule. Run as the owner of table and publication:
--   psql -v table=public.orders -f sql/jobs/unpublish_table.sql     -- -v publication=… if it is not called walcast
-- Both in one transaction: with the rule gone first, its changes would go on under the table's own name. The rule of a table
-- that was dropped stays behind: SELECT walcast.unbroadcast_table('public', 'orders');
\set ON_ERROR_STOP on
\if :{?publication} \else \set publication walcast \endif

BEGIN;
SELECT format('ALTER PUBLICATION %I DROP TABLE %s', :'publication', :'table'::regclass) \gexec
SELECT walcast.unbroadcast_table(:'table'::regclass) AS had_a_rule;
COMMIT;
