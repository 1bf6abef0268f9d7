-- How the broadcast stands: a row for each replication slot, and one for each table that is published with the rules.
--
-- New columns go to the end: CREATE OR REPLACE keeps what was granted on the view, and can do nothing else.
CREATE OR REPLACE VIEW walcast.status AS
-- Slots that walcast has read from, whether they are there or not, and all other logical slots of this database.
SELECT 'slot' AS kind,
       coalesce(s.slot_name, k.slot_name)::text AS name,
       CASE WHEN s.slot_name IS NULL THEN 'missing'
            WHEN s.wal_status = 'lost' THEN 'lost'
            WHEN s.active THEN 'active'
            ELSE 'inactive' END AS state,
       s.active_pid AS pid,
       s.wal_status,
       -- What is not confirmed, and what stays on disk: the latter may be far more.
       pg_catalog.pg_wal_lsn_diff(log.ends, s.confirmed_flush_lsn)::bigint AS lag_bytes,
       pg_catalog.pg_wal_lsn_diff(log.ends, s.restart_lsn)::bigint AS held_bytes,
       -- Of an active slot, how long its reader takes to answer, which only its own role and pg_monitor see; of an inactive
       -- one, since when it is, from Postgres 17 on.
       extract(epoch FROM CASE WHEN s.active THEN r.write_lag
                               ELSE now() - s.inactive_since END)::float8 AS seconds,
       s.plugin::text AS plugin,
       NULL::text AS publication,
       NULL::text AS prefix,
       NULL::text AS replica_identity,
       CASE WHEN s.slot_name IS NULL THEN 'walcast serve makes it when it starts'
            WHEN s.wal_status = 'lost' THEN 'what it held is gone'
            WHEN NOT s.active THEN 'nobody reads from it, and it holds the log back' END AS remark
  FROM (SELECT r.slot_name, r.plugin, r.active, r.active_pid, r.wal_status, r.restart_lsn, r.confirmed_flush_lsn,
               -- Not by name, which older versions lack: it is there after an upgrade.
               (to_jsonb(r) ->> 'inactive_since')::timestamptz AS inactive_since
          FROM pg_catalog.pg_replication_slots r
         WHERE r.slot_type = 'logical' AND r.database = current_database()) s
  FULL JOIN (SELECT DISTINCT o.slot_name FROM walcast.slots o) k ON k.slot_name = s.slot_name
  LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid
 CROSS JOIN (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                         ELSE pg_catalog.pg_current_wal_lsn() END AS ends) log
UNION ALL
SELECT 'table',
       t.schemaname || '.' || t.tablename,
       'published',
       NULL, NULL, NULL, NULL, NULL, NULL,
       t.pubname::text,
       rule.prefix,
       identity.kind,
       CASE WHEN identity.refuses THEN 'Postgres refuses its UPDATEs and DELETEs: it has no replica identity'
            WHEN identity.kind <> 'full'
            THEN 'updates name all columns, not those that changed; deletes tell the id alone' END
  FROM pg_catalog.pg_publication_tables t
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
  LEFT JOIN walcast.rules rule ON rule.schema_name = t.schemaname AND rule.table_name = t.tablename
 -- The poorest of its partitions', where changes are told as the root's.
 CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_or(l.relreplident = 'n') THEN 'nothing'
                WHEN bool_and(l.relreplident = 'f') THEN 'full'
                WHEN bool_or(l.relreplident = 'd') THEN 'default'
                ELSE 'index' END AS kind,
           bool_or(l.relreplident <> 'f' AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_index i
                WHERE i.indrelid = l.oid
                  AND CASE l.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate
                                          WHEN 'i' THEN i.indisreplident
                                          ELSE false END)) AS refuses
      FROM pg_catalog.pg_class l
     WHERE l.oid = ANY (coalesce((SELECT array_agg(tree.relid::oid)
                                    FROM pg_catalog.pg_partition_tree(c.oid) tree WHERE tree.isleaf), ARRAY[c.oid]))
    ) identity
 -- A publication of walcast's is known by the rules in it.
 WHERE EXISTS (SELECT FROM pg_catalog.pg_publication_tables w
                WHERE w.pubname = t.pubname AND (w.schemaname, w.tablename) = ('walcast', 'rules'))
   AND t.schemaname <> 'walcast';

REVOKE ALL ON walcast.status FROM PUBLIC;
COMMENT ON VIEW walcast.status IS
    'How the broadcast stands: replication slots with their lag and the log that they hold back, and the tables that are '
    'published, with their rules and what their replica identity costs. walcast doctor says more, with remedies.';
