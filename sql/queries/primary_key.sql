-- A table's primary key, as the transaction $1 or a later one left it.
--
-- $1 is the lower half of the transaction's number, as the log has it. Of all numbers that end so, the one meant is less
-- than 2^31 away from the next to be given.
WITH now AS MATERIALIZED (
    SELECT s AS snapshot, pg_snapshot_xmax(s)::text::bigint AS next FROM pg_current_snapshot() s
)
SELECT pg_visible_in_snapshot(
           (next - ((next - $1::bigint + 2147483648) & 4294967295) + 2147483648)::text::xid8, snapshot) AS is_visible,
       (SELECT ARRAY(
            SELECT a.attname::text
              FROM pg_index i
             CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary
             ORDER BY k.position)
          FROM pg_class c
         WHERE c.oid = coalesce($2::oid, (
               SELECT named.oid FROM pg_class named JOIN pg_namespace n ON n.oid = named.relnamespace
                WHERE n.nspname = $3::text AND named.relname = $4::text))) AS key
  FROM now
