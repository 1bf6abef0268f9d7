-- Another text where anything may have changed that says who may see which rows of what publication $1 publishes. It is asked
-- for twice a second: what there are thousands of is not written out but hashed, a column by the transaction that wrote it last.
WITH published AS MATERIALIZED (
    -- Not by way of pg_publication_tables, which asks this once a schema.
    SELECT t.relid
      FROM pg_catalog.pg_publication b
     CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(b.pubname::text) AS t
     WHERE b.pubname = $1::text::name)
SELECT md5(concat_ws(' ',
    (SELECT string_agg(p.oid::text || p.xmin::text, ',' ORDER BY p.oid) FROM pg_catalog.pg_policy p),
    (SELECT string_agg(concat_ws('.', c.oid, c.relname, c.relnamespace, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl::text),
                       ',' ORDER BY c.oid)
       FROM published JOIN pg_catalog.pg_class c ON c.oid = relid),
    (SELECT concat_ws('.', count(*), bit_xor(hashint8extended(a.attrelid::bigint << 16 | a.attnum, a.xmin::text::bigint)))
       FROM published JOIN pg_catalog.pg_attribute a ON a.attrelid = relid
      WHERE a.attnum > 0),
    (SELECT string_agg(concat_ws('.', i.indrelid, i.indkey::text), ',' ORDER BY i.indrelid)
       FROM published JOIN pg_catalog.pg_index i ON i.indrelid = relid
      WHERE i.indisprimary),
    (SELECT string_agg(b.oid::text || b.xmin::text, ',' ORDER BY b.oid) FROM pg_catalog.pg_publication b),
    (SELECT string_agg(b.oid::text || b.xmin::text, ',' ORDER BY b.oid) FROM pg_catalog.pg_publication_rel b),
    (SELECT string_agg(n.oid::text || n.xmin::text, ',' ORDER BY n.oid) FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_'),
    (SELECT string_agg(concat_ws('.', r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolinherit), ',' ORDER BY r.oid) FROM pg_catalog.pg_roles r),
    (SELECT string_agg(concat_ws('.', m.roleid, m.member, m.xmin), ',' ORDER BY m.roleid, m.member) FROM pg_catalog.pg_auth_members m),
    -- Those that are not Postgres's own.
    (SELECT md5(string_agg(f.oid::text || f.xmin::text, ',' ORDER BY f.oid)) FROM pg_catalog.pg_proc f WHERE f.oid >= 16384)))
