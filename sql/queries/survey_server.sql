-- How the server is set up, as `walcast doctor` judges it: one JSON object. Reads only.
SELECT jsonb_build_object(
    'version', current_setting('server_version_num')::int,
    'wal_level', current_setting('wal_level'),
    'max_slots', current_setting('max_replication_slots')::int,
    'used_slots', (SELECT count(*) FROM pg_catalog.pg_replication_slots),
    'max_senders', current_setting('max_wal_senders')::int,
    'used_senders', (SELECT count(*) FROM pg_catalog.pg_stat_get_wal_senders()),
    -- In megabytes; -1: no bound.
    'keep_bytes', (SELECT nullif(s.setting, '-1')::bigint * 1048576
                     FROM pg_catalog.pg_settings s WHERE s.name = 'max_slot_wal_keep_size'),
    'database', current_database(),
    'role', r.rolname,
    -- Where the provider gives no attribute, a role of its own stands for it.
    'may_replicate', r.rolsuper OR r.rolreplication OR EXISTS (
        SELECT FROM pg_catalog.pg_roles rds
         WHERE rds.rolname = 'rds_replication' AND pg_has_role(r.oid, rds.oid, 'MEMBER')))
  FROM pg_catalog.pg_roles r
 WHERE r.rolname = current_user
