-- Each table that publication $1 shows, as one JSON object: its columns and key, what the log tells of old rows, and who
-- may see what. walcast's own tables are left out.
SELECT jsonb_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'is_filtered', t.shown ->> 'rowfilter' IS NOT NULL,
    'row_security', c.relrowsecurity OR EXISTS (
        SELECT FROM pg_catalog.pg_class l WHERE l.oid = ANY (parts.list) AND l.relrowsecurity),
    'policies', (SELECT count(*) FROM pg_catalog.pg_policy y WHERE y.polrelid = c.oid),
    'columns', columns.list,
    'key', (SELECT coalesce(jsonb_agg(a.attname ORDER BY k.position), '[]')
              FROM pg_catalog.pg_index i
             CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary),
    -- Of itself, or of its partitions where changes are told as the root's.
    'identities', (SELECT jsonb_agg(jsonb_build_object(
            'schema', ln.nspname,
            'name', l.relname,
            'kind', l.relreplident,
            'works', l.relreplident = 'f' OR i.indexrelid IS NOT NULL,
            -- Columns of the identity that the publication's list leaves out.
            'hidden', (SELECT coalesce(jsonb_agg(a.attname ORDER BY a.attnum), '[]')
                         FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
                          AND (l.relreplident = 'f' OR a.attnum = ANY (i.indkey::smallint[]))
                          AND t.shown ? 'attnames' AND NOT t.shown -> 'attnames' ? a.attname)
        ) ORDER BY ln.nspname, l.relname)
         FROM pg_catalog.pg_class l
         JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
         LEFT JOIN pg_catalog.pg_index i ON i.indrelid = l.oid
               AND CASE l.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate
                                       WHEN 'i' THEN i.indisreplident
                                       ELSE false END
        WHERE l.oid = ANY (parts.list))
    )
  FROM (SELECT s.schemaname, s.tablename, to_jsonb(s) AS shown
          FROM pg_catalog.pg_publication_tables s WHERE s.pubname = $1::text::name) t
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
 CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(tree.relid::oid), ARRAY[c.oid]) AS list
      FROM pg_catalog.pg_partition_tree(c.oid) tree WHERE tree.isleaf) parts
 CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'name', a.attname,
               'type_oid', a.atttypid::bigint,
               -- Lists of columns came with 15. Up to 17 generated columns stand among them, which the log does not tell.
               'told', (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000)
                       AND coalesce(t.shown -> 'attnames' ? a.attname, a.attgenerated = '')) ORDER BY a.attnum), '[]') AS list
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) columns
 WHERE n.nspname <> 'walcast'
 ORDER BY n.nspname, c.relname
