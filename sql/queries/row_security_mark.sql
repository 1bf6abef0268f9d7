-- Another text where anything may have changed that says who may see which rows of what publication $1 publishes.
SELECT md5(concat_ws(' ',
    (SELECT string_agg(p.oid::text || p.xmin::text, ',' ORDER BY p.oid) FROM pg_catalog.pg_policy p),
    (SELECT string_agg(concat_ws('.', c.oid, c.relname, c.relnamespace, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl::text,
                                 (SELECT string_agg(a.attname || a.attnum::text || a.atttypid::text || coalesce(a.attacl::text, ''), ',' ORDER BY a.attnum)
                                    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
                                 (SELECT string_agg(i.indkey::text, ',') FROM pg_catalog.pg_index i
                                   WHERE i.indrelid = c.oid AND i.indisprimary)), ',' ORDER BY c.oid)
       FROM pg_catalog.pg_publication_tables t
       JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
       JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
      WHERE t.pubname = $1::text::name),
    (SELECT string_agg(b.oid::text || b.xmin::text, ',' ORDER BY b.oid) FROM pg_catalog.pg_publication b),
    (SELECT string_agg(b.oid::text || b.xmin::text, ',' ORDER BY b.oid) FROM pg_catalog.pg_publication_rel b),
    (SELECT string_agg(n.oid::text || n.xmin::text, ',' ORDER BY n.oid) FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_'),
    (SELECT string_agg(concat_ws('.', r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolinherit), ',' ORDER BY r.oid) FROM pg_catalog.pg_roles r),
    (SELECT string_agg(concat_ws('.', m.roleid, m.member, m.xmin), ',' ORDER BY m.roleid, m.member) FROM pg_catalog.pg_auth_members m),
    -- Those that are not Postgres's own.
    (SELECT md5(string_agg(f.oid::text || f.xmin::text, ',' ORDER BY f.oid)) FROM pg_catalog.pg_proc f WHERE f.oid >= 16384)))
