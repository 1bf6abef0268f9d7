-- What reads and writes under prefix $1 have to know: the rule and whether its table is guarded, as the mark says they stand
-- now, the table, and what publication $2 shows of it, to role $3 where it is guarded.
SELECT to_jsonb(r) AS rule,
       r.xmin::text || r.ctid::text || guarded.yes::text AS mark,
       guarded.yes AS is_guarded,
       client.oid IS NOT NULL AS has_client,
       c.oid AS oid,
       c.relkind = 'p' AS is_partitioned,
       -- Row filters came with Postgres 15.
       t.published ->> 'rowfilter' AS filter,
       (SELECT jsonb_agg(jsonb_build_object(
                   'name', a.attname,
                   'oid', a.atttypid::bigint,
                   'type', format('%I.%I', tn.nspname, ty.typname),
                   'is_text', ty.typcategory = 'S',
                   -- So did lists of columns. Up to 17, generated columns stand among them, which the log does not tell.
                   'told', (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000)
                           AND t.published IS NOT NULL
                           AND (NOT guarded.yes OR coalesce(has_column_privilege(client.oid, c.oid, a.attnum, 'SELECT'), false))
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
  LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname = r.schema_name AND c.relname = r.table_name
  LEFT JOIN (SELECT p.schemaname, p.tablename, to_jsonb(p) AS published
               FROM pg_catalog.pg_publication_tables p WHERE p.pubname = $2::text::name) t
         ON t.schemaname = r.schema_name AND t.tablename = r.table_name
 LEFT JOIN pg_catalog.pg_roles client ON client.rolname = $3::text::name
 CROSS JOIN LATERAL (SELECT coalesce(c.relrowsecurity
                 OR has_table_privilege(client.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
                 OR has_any_column_privilege(client.oid, c.oid, 'SELECT, INSERT, UPDATE'), false) AS yes) guarded
 WHERE r.prefix = $1
