-- Publication $1 as a whole, whether it is there or not.
SELECT jsonb_build_object(
    'exists', p.oid IS NOT NULL,
    'insert', coalesce(p.pubinsert, false),
    'update', coalesce(p.pubupdate, false),
    'delete', coalesce(p.pubdelete, false),
    'rules', EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                      WHERE t.pubname = p.pubname AND (t.schemaname, t.tablename) = ('walcast', 'rules')),
    -- Whether `walcast serve` can make it, or put the rules into it.
    'may_mend', (CASE WHEN p.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
                      ELSE pg_has_role(p.pubowner, 'USAGE') END)
                AND EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                             WHERE (n.nspname, c.relname) = ('walcast', 'rules') AND pg_has_role(c.relowner, 'USAGE')))
  FROM (SELECT) one
  LEFT JOIN pg_catalog.pg_publication p ON p.pubname = $1::text::name
