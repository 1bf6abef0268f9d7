-- What `walcast serve` does where the publication is missing. A DBA may run it instead (as the owner of the tables):
--   psql -v publication=walcast -f sql/publication.sql
-- After that the publication is the DBA's: ALTER PUBLICATION walcast ADD TABLE …; … DROP TABLE …;
\if :{?publication} \else \set publication walcast \endif

CREATE PUBLICATION :"publication" FOR TABLE walcast.rules, public.components
    WITH (publish_via_partition_root = true);
