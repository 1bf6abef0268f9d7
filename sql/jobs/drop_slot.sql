-- Drops walcast's slot, before a major upgrade of Postgres or for good. Stop walcast first; run as a superuser or as walcast:
--   psql -v slot=walcast -f sql/jobs/drop_slot.sql
-- Up to 16, pg_upgrade does not carry slots over; later versions refuse to upgrade while one has not confirmed all its log.
-- A slot that nobody reads holds the log back for ever. Afterwards walcast makes a new one when it starts, and every client
-- fetches again. A slot that is being read is refused: "replication slot … is active".
\set ON_ERROR_STOP on
\if :{?slot} \else \set slot walcast \endif

SELECT slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS set_free
  FROM pg_replication_slots
 WHERE slot_name = :'slot' AND database = current_database();

SELECT pg_drop_replication_slot(slot_name) AS dropped
  FROM pg_replication_slots
 WHERE slot_name = :'slot' AND database = current_database();
