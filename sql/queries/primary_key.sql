-- The columns of a table's primary key, in its order, empty where it has none. The table is that of oid $1, or, where that is not
-- known, of schema $2 and name $3; no row: it is gone.
SELECT ARRAY(
            SELECT a.attname::text
              FROM pg_index i
             CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary
             ORDER BY k.position)
  FROM pg_class c
 WHERE c.oid = coalesce($1::oid, (
       SELECT named.oid FROM pg_class named JOIN pg_namespace n ON n.oid = named.relnamespace
        WHERE n.nspname = $2::text AND named.relname = $3::text))
