-- Watches how far walcast is behind, and how much log its slot keeps on the server's disk:
--   psql -f sql/jobs/watch_lag.sql                                  -- once
--   psql -v every=5 -f sql/jobs/watch_lag.sql                       -- every 5 seconds, until Ctrl-C
-- Judge by `held`: log stays from restart_lsn on, which an open transaction keeps back although all is confirmed (`lag`).
\set ON_ERROR_STOP on

SELECT now()::timestamptz(0) AS at, name, state, wal_status, pg_size_pretty(lag_bytes) AS lag, pg_size_pretty(held_bytes) AS held,
       current_setting('max_slot_wal_keep_size') AS at_most, round(seconds::numeric, 1) AS seconds
  FROM walcast.status
 WHERE kind = 'slot'
 ORDER BY name
\if :{?every} \watch :every
\else
\g
\endif
