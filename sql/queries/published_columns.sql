-- The columns of table $1.$2 that publication $3 shows, as the log describes them; no row where the table is not published.
SELECT a.attname::text AS name, a.atttypid AS type_oid
  FROM (SELECT p.schemaname, p.tablename, to_jsonb(p) AS published
          FROM pg_catalog.pg_publication_tables p
         WHERE p.pubname = $3::text::name AND p.schemaname = $1::text::name AND p.tablename = $2::text::name) t
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 -- Lists of columns came with Postgres 15. Up to 17, generated columns stand among them, which the log does not tell.
 WHERE (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000)
   AND coalesce(t.published -> 'attnames' ? a.attname, a.attgenerated = '')
 ORDER BY a.attnum
