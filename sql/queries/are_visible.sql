-- Whether others see by now what these transactions did; $1 are the lower halves of their numbers, as the log has them. Of all
-- numbers that end so, the one meant is less than 2^31 away from the next to be given.
WITH now AS MATERIALIZED (
    SELECT s AS snapshot, pg_snapshot_xmax(s)::text::bigint AS next FROM pg_current_snapshot() s
)
SELECT coalesce(bool_and(pg_visible_in_snapshot(
           (next - ((next - t.xid + 2147483648) & 4294967295) + 2147483648)::text::xid8, snapshot)), true)
  FROM now, unnest($1::bigint[]) AS t (xid)
