-- What `walcast serve` does where the publication is missing. A DBA may run it instead (as the owner of the tables):
--   psql -v publication=walcast -f sql/publication.sql
-- After that the publication is the DBA's: ALTER PUBLICATION walcast ADD TABLE …; … DROP TABLE …;
\set ON_ERROR_STOP on
\if :{?publication} \else \set publication walcast \endif

-- A table components that walcast did not make has no rule, and stays unpublished until its owner publishes it.
SELECT format('CREATE PUBLICATION %I FOR TABLE walcast.rules%s WITH (publish_via_partition_root = true)', :'publication',
              CASE WHEN to_regclass('public.components') IS NOT NULL
                        AND EXISTS (SELECT FROM walcast.rules r
                                     WHERE r.schema_name = 'public' AND r.table_name = 'components')
                   THEN ', public.components' ELSE '' END) \gexec
