-- What a read under prefix $1 has to know: its rule, and what publication $2 shows of the rule's table. No row: there is no
-- such rule, or the table is not published.
SELECT to_jsonb(r) AS rule,
       c.oid AS oid,
       c.relkind = 'p' AS is_partitioned,
       -- Row filters came with Postgres 15.
       t.published ->> 'rowfilter' AS filter,
       (SELECT jsonb_agg(jsonb_build_object(
                   'name', a.attname,
                   'oid', a.atttypid::bigint,
                   'type', format('%I.%I', tn.nspname, ty.typname),
                   -- So did lists of columns. Up to 17, generated columns stand among them, which the log does not tell.
                   'told', (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000)
                           AND coalesce(t.published -> 'attnames' ? a.attname, a.attgenerated = '')) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
          JOIN pg_catalog.pg_namespace tn ON tn.oid = ty.typnamespace
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT jsonb_agg(a.attname ORDER BY k.position)
          FROM pg_catalog.pg_index i
         CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = c.oid AND i.indisprimary) AS key
  FROM walcast.rules r
  JOIN pg_catalog.pg_namespace n ON n.nspname = r.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = r.table_name
  JOIN (SELECT p.schemaname, p.tablename, to_jsonb(p) AS published
          FROM pg_catalog.pg_publication_tables p WHERE p.pubname = $2::name) t
    ON t.schemaname = n.nspname AND t.tablename = c.relname
 WHERE r.prefix = $1
