-- Slot $1 as Postgres shows it, whatever columns its version has, and how much log it holds back and has yet to confirm.
SELECT to_jsonb(s) || jsonb_build_object(
    'here', s.database = current_database(),
    -- What is kept on disk for it begins at restart_lsn, which may stay far behind what is confirmed.
    'held_bytes', pg_wal_lsn_diff(log.ends, s.restart_lsn)::bigint,
    'behind_bytes', pg_wal_lsn_diff(log.ends, s.confirmed_flush_lsn)::bigint)
  FROM pg_catalog.pg_replication_slots s
 CROSS JOIN LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                 ELSE pg_current_wal_lsn() END AS ends) log
 WHERE s.slot_name = $1::text::name
