-- Looks whether walcast can go on at another primary. Run there, after the promotion and before walcast starts:
--   psql -v slot=walcast -f sql/jobs/move_to_primary.sql            -- -v publication=… if it is not called walcast
-- Do not make a slot by hand: walcast would take it for the one that it had, and nobody would hear of what it lacks. A slot
-- that walcast makes itself tells every client to fetch again; one that came over by sync_replication_slots (Postgres 17) goes
-- on where it was. At the old primary, if it lives on: sql/jobs/drop_slot.sql, or its log piles up.
\set ON_ERROR_STOP on
\if :{?slot} \else \set slot walcast \endif
\if :{?publication} \else \set publication walcast \endif

WITH here AS (
    SELECT to_jsonb(s) AS slot FROM (SELECT) one
      LEFT JOIN pg_replication_slots s ON s.slot_name = :'slot'
)
SELECT c.what, c.ok, CASE WHEN NOT c.ok THEN c.remedy END AS remedy, bool_and(c.ok) OVER () AS ready
  FROM here, LATERAL (VALUES
    ('it is a primary', NOT pg_is_in_recovery(), 'SELECT pg_promote();'),
    ('wal_level is logical', current_setting('wal_level') = 'logical', 'ALTER SYSTEM SET wal_level = logical; and restart'),
    ('the publication is there', EXISTS (SELECT FROM pg_publication WHERE pubname = :'publication'), 'sql/publication.sql'),
    ('the slot came over, or walcast will make it',
     slot IS NULL OR slot = 'null' OR coalesce((slot ->> 'synced')::boolean, false) AND slot ->> 'wal_status' <> 'lost',
     'drop it, it is none that came over: sql/jobs/drop_slot.sql')) AS c (what, ok, remedy);
