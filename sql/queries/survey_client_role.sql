-- Role $1, which sockets act as, and what makes it more than a client: attributes, its own or of roles it is a member of,
-- and tables of publication $2 that it owns. No row: there is no such role.
SELECT jsonb_build_object(
    'name', r.rolname,
    'can_login', r.rolcanlogin,
    'above', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                         'role', m.rolname,
                         'attribute', CASE WHEN m.rolsuper THEN 'SUPERUSER' ELSE 'BYPASSRLS' END) ORDER BY m.rolname), '[]')
                FROM pg_catalog.pg_roles m
               WHERE (m.rolsuper OR m.rolbypassrls)
                     -- A superuser is a member of every role.
                 AND (m.oid = r.oid OR NOT r.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER'))),
    'owns', (SELECT coalesce(jsonb_agg(format('%I.%I', t.schemaname, t.tablename) ORDER BY 1), '[]')
               FROM pg_catalog.pg_publication_tables t
               JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
               JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
              WHERE t.pubname = $2::text::name
                AND (c.relowner = r.oid OR NOT r.rolsuper AND pg_has_role(r.oid, c.relowner, 'MEMBER'))))
  FROM pg_catalog.pg_roles r
 WHERE r.rolname = $1::text::name
