-- What the role that asks may not do and walcast has to: of walcast's own (purpose `own`), of what publication $1 shows
-- (`read`), and of what sockets may write ($2: the tables whose rule says so, as [schema, name]; `write`). With the GRANT.
WITH tables (purpose, oid, privilege) AS (
    SELECT 'own', c.oid, wanted.privilege
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL (SELECT 'SELECT' WHERE c.relname IN ('rules', 'schema_history', 'applied_sql')
                         UNION ALL
                         SELECT unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
                          WHERE c.relname IN ('slots', 'slot_rules', 'sessions', 'mutations')) wanted (privilege)
     WHERE n.nspname = 'walcast' AND c.relkind = 'r'
    UNION ALL
    SELECT 'read', c.oid, 'SELECT'
      FROM pg_catalog.pg_publication_tables t
      JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
     WHERE t.pubname = $1::text::name AND t.schemaname <> 'walcast'
    UNION ALL
    SELECT 'write', c.oid, wanted.privilege
      FROM jsonb_array_elements($2::jsonb) rule
      JOIN pg_catalog.pg_namespace n ON n.nspname = rule ->> 0
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = rule ->> 1
     CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted (privilege)
), lacking AS (
    SELECT t.purpose, format('table %I.%I', n.nspname, c.relname) AS target,
           string_agg(DISTINCT t.privilege, ', ') AS privileges,
           format('%I.%I', n.nspname, c.relname) AS granted_on
      FROM tables t
      JOIN pg_catalog.pg_class c ON c.oid = t.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT has_table_privilege(t.oid, t.privilege)
           -- A privilege on some columns may be all that is wanted.
       AND NOT (t.purpose <> 'own' AND t.privilege <> 'DELETE' AND has_any_column_privilege(t.oid, t.privilege))
     GROUP BY t.purpose, n.nspname, c.relname
    UNION ALL
    SELECT min(used.purpose), format('schema %I', n.nspname), 'USAGE', format('SCHEMA %I', n.nspname)
      FROM (SELECT t.purpose, c.relnamespace FROM tables t JOIN pg_catalog.pg_class c ON c.oid = t.oid
            UNION ALL
            SELECT 'own', w.oid FROM pg_catalog.pg_namespace w WHERE w.nspname = 'walcast') used (purpose, schema)
      JOIN pg_catalog.pg_namespace n ON n.oid = used.schema
     WHERE NOT has_schema_privilege(n.oid, 'USAGE')
     GROUP BY n.nspname
    UNION ALL
    SELECT 'own', format('function walcast.%I', f.proname), 'EXECUTE', format('FUNCTION walcast.%I(%s)', f.proname,
           pg_get_function_identity_arguments(f.oid))
      FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
     WHERE n.nspname = 'walcast' AND NOT has_function_privilege(f.oid, 'EXECUTE')
       AND f.proname IN ('set_actor', 'broadcast', 'nested_create', 'nested_update', 'nested_delete', 'nested_write', 'nested_document')
)
SELECT jsonb_build_object('purpose', purpose, 'target', target, 'privileges', privileges,
                          'grant', format('GRANT %s ON %s TO %I;', privileges, granted_on, current_user))
  FROM lacking
 ORDER BY purpose, target
