-- What the published tables of publication $1 show to role $2, which sockets act as. Guarded are those that have row-level
-- security, and those of which the role holds any privilege. Run it with search_path = pg_catalog: then policies are told with every
-- name in full.
WITH RECURSIVE
client AS (
    SELECT oid, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = $2::text::name
),
names AS (
    -- And of those that the stream brought, $3 and $4, published any more or not.
    SELECT schemaname, tablename, to_jsonb(t) AS p FROM pg_publication_tables t WHERE t.pubname = $1::text::name
    UNION ALL
    SELECT b.schema::name, b.name::name, NULL FROM unnest($3::text[], $4::text[]) AS b (schema, name)
     WHERE NOT EXISTS (SELECT FROM pg_publication_tables t
                        WHERE t.pubname = $1::text::name AND t.schemaname = b.schema::name AND t.tablename = b.name::name)
),
published AS (
    SELECT c.oid, n.nspname, c.relname, c.relrowsecurity, told.p -> 'attnames' AS attnames,
           coalesce(told.p ->> 'rowfilter' IS NULL AND b.pubinsert AND b.pubupdate AND b.pubdelete AND b.pubtruncate, false)
               AS is_whole
      FROM names told
      LEFT JOIN pg_publication b ON b.pubname::text = told.p ->> 'pubname'
      JOIN pg_namespace n ON n.nspname = told.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = told.tablename
     WHERE n.nspname <> 'walcast'
),
-- The policies that decide what the role may SELECT.
policies AS (
    SELECT p.oid, p.polrelid, p.polpermissive, pg_get_expr(p.polqual, p.polrelid) AS expression,
           format('%I.%I', n.nspname, c.relname) AS relation
      FROM pg_policy p
      JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN client ON true
     WHERE p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL
       AND c.relrowsecurity AND NOT client.bypasses
       AND (c.relforcerowsecurity OR NOT pg_has_role(client.oid, c.relowner, 'USAGE'))
       AND EXISTS (SELECT FROM unnest(p.polroles) AS of (role)
                    WHERE CASE WHEN of.role = 0 THEN true ELSE pg_has_role(client.oid, of.role, 'USAGE') END)
),
reads AS (
    SELECT DISTINCT p.oid, p.polrelid, d.refobjid AS relid, d.refobjsubid AS attnum
      FROM policies p
      JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
     WHERE d.deptype = 'n'
),
-- What a function of this body may see beside its arguments is the settings only, where all that it calls is known not to read.
functions AS (
    SELECT p.oid AS policy, f.oid::regprocedure::text AS name,
           f.provolatile = 'i' OR l.lanname = 'sql'
               AND body.text !~ '\m(from|join|table|with|into|update|delete|insert|merge|execute|call)\M'
               AND body.text !~ '\.\s*[a-z_"][a-z0-9_$"]*\s*\('
               AND NOT EXISTS (
                   SELECT FROM regexp_matches(body.text, '([a-z_][a-z0-9_$]*)\s*\(', 'g') AS call (name)
                    WHERE call.name[1] NOT IN ('select', 'coalesce', 'nullif', 'current_setting', 'and', 'or', 'not', 'in', 'when', 'case',
                                               'then', 'else', 'cast', 'as', 'any', 'all', 'array', 'row', 'greatest', 'least', 'return')
                      AND (NOT EXISTS (SELECT FROM pg_proc b WHERE b.proname = call.name[1]::name
                                          AND b.pronamespace = 'pg_catalog'::regnamespace)
                           OR EXISTS (SELECT FROM pg_proc b WHERE b.proname = call.name[1]::name
                                         AND b.pronamespace = 'pg_catalog'::regnamespace AND b.provolatile <> 'i'))) AS is_clear
      FROM policies p
      JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.deptype = 'n'
      LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
      JOIN pg_proc f ON f.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid
                                                  WHEN 'pg_operator'::regclass THEN o.oprcode END
      JOIN pg_language l ON l.oid = f.prolang
     CROSS JOIN LATERAL (SELECT lower(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc)) AS text) body
),
-- Why what a policy reads cannot be known, or changes by itself.
opaque AS (
    SELECT policy AS oid, format('calls %s, which may read anything', name) AS why FROM functions WHERE NOT is_clear
    UNION ALL
    SELECT p.oid, format('calls %s(), which changes by itself', call.name[1])
      FROM policies p CROSS JOIN LATERAL regexp_matches(p.expression, '(?<![.\w"])([a-z_][a-z0-9_$]*)\(', 'g') AS call (name)
     WHERE EXISTS (SELECT FROM pg_proc b WHERE b.proname = call.name[1]::name AND b.provolatile <> 'i'
                      AND b.pronamespace = 'pg_catalog'::regnamespace)
       AND call.name[1] NOT IN ('current_setting', 'to_json', 'to_jsonb', 'json_build_object', 'jsonb_build_object', 'json_build_array',
                                'jsonb_build_array', 'concat', 'concat_ws', 'format', 'array_to_string', 'to_char', 'to_date',
                                'to_timestamp', 'to_number', 'date_part', 'date_trunc', 'timezone')
    UNION ALL
    SELECT p.oid, 'changes with time' FROM policies p
     WHERE p.expression ~ '\m(CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP)\M'
    UNION ALL
    SELECT p.oid, 'reads a whole row' FROM policies p WHERE p.expression ~ '\.\*'
    UNION ALL
    SELECT r.oid, format('reads %s, which is no plain table', r.relid::regclass) FROM reads r JOIN pg_class c ON c.oid = r.relid
     WHERE c.relkind NOT IN ('r', 'p') OR r.attnum < 0
        OR c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    UNION ALL
    SELECT r.oid, format('reads %s, whose changes are not published in full', r.relid::regclass) FROM reads r
      LEFT JOIN published t ON t.oid = r.relid
      LEFT JOIN pg_attribute a ON a.attrelid = r.relid AND a.attnum = r.attnum
     WHERE r.relid <> r.polrelid AND (t.oid IS NULL OR NOT t.is_whole OR a.attname IS NOT NULL AND NOT coalesce(t.attnames ? a.attname, true))
),
-- The tables by whose policies a question about a root is answered: its own, and those of what these read.
closure AS (
    SELECT oid AS root, oid AS relid FROM published WHERE relrowsecurity
    UNION
    SELECT c.root, r.relid FROM closure c JOIN reads r ON r.polrelid = c.relid
),
elsewhere AS (
    SELECT c.root, r.relid,
           jsonb_object_agg(a.attname, format('%I.%I', tn.nspname, ty.typname)) FILTER (WHERE a.attname IS NOT NULL) AS columns,
           bool_and(c.relid IN (c.root, r.relid)) AS is_direct
      FROM closure c
      JOIN policies p ON p.polrelid = c.relid
      JOIN reads r ON r.oid = p.oid
      LEFT JOIN (pg_attribute a JOIN pg_type ty ON ty.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = ty.typnamespace)
             ON a.attrelid = r.relid AND a.attnum = r.attnum AND r.attnum > 0
     -- Its own row is before it; others of its table it reads by name.
     WHERE r.relid <> c.root OR c.relid <> c.root OR p.expression LIKE '%' || p.relation || '%'
     GROUP BY c.root, r.relid
)
-- Names as bytes: those of a database in SQL_ASCII may be of no encoding.
SELECT t.oid, convert_to(t.nspname::text, bytes.encoding) AS schema, convert_to(t.relname::text, bytes.encoding) AS name,
       t.relrowsecurity AS row_security,
       client.oid IS NOT NULL AS has_client,
       coalesce(pg_has_role(client.oid, 'MEMBER'), false) AS may_act,
       coalesce(client.bypasses, false)
           OR t.relrowsecurity AND NOT c.relforcerowsecurity AND coalesce(pg_has_role(client.oid, c.relowner, 'USAGE'), false)
           AS bypasses,
       coalesce(has_schema_privilege(client.oid, c.relnamespace, 'USAGE')
           AND has_any_column_privilege(client.oid, t.oid, 'SELECT'), false) AS can_select,
       coalesce((SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
                  WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND NOT coalesce(has_column_privilege(client.oid, t.oid, a.attnum, 'SELECT'), false)), '[]') AS hidden,
       (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format('%I.%I', tn.nspname, ty.typname))
                         ORDER BY a.attnum)
          FROM pg_attribute a JOIN pg_type ty ON ty.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = ty.typnamespace
         WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT coalesce((SELECT jsonb_build_array(r.id_column) FROM walcast.rules r
                          WHERE r.schema_name = t.nspname AND r.table_name = t.relname AND r.id_column IS NOT NULL),
                        jsonb_agg(a.attname ORDER BY k.position))
          FROM pg_index i
         CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = t.oid AND i.indisprimary) AS key,
       coalesce((SELECT jsonb_agg(p.expression ORDER BY p.oid) FROM policies p WHERE p.polrelid = t.oid AND p.polpermissive), '[]')
           AS permissive,
       coalesce((SELECT jsonb_agg(p.expression ORDER BY p.oid) FROM policies p WHERE p.polrelid = t.oid AND NOT p.polpermissive), '[]')
           AS restrictive,
       coalesce((SELECT jsonb_agg(DISTINCT a.attname) FROM reads r
                   JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = r.attnum
                  WHERE r.polrelid = t.oid AND r.relid = t.oid AND r.attnum > 0), '[]') AS reads,
       coalesce((SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', e.relname, 'columns', w.columns, 'is_direct', w.is_direct))
                   FROM elsewhere w JOIN pg_class e ON e.oid = w.relid JOIN pg_namespace n ON n.oid = e.relnamespace
                  WHERE w.root = t.oid), '[]') AS elsewhere,
       (SELECT coalesce(string_agg(f.xmin::text || f.oid::text, ',' ORDER BY f.oid), '') FROM closure x
          JOIN policies p ON p.polrelid = x.relid
          JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
          JOIN pg_proc f ON f.oid = d.refobjid WHERE x.root = t.oid) AS functions,
       (SELECT min(o.why) FROM closure x JOIN policies p ON p.polrelid = x.relid JOIN opaque o ON o.oid = p.oid WHERE x.root = t.oid)
           AS opaque,
       c.relkind = 'p' AS is_partitioned, guarded.yes AS is_guarded
  FROM published t
  JOIN pg_class c ON c.oid = t.oid
  LEFT JOIN client ON true
 CROSS JOIN (SELECT CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END AS encoding) bytes
 CROSS JOIN LATERAL (SELECT coalesce(t.relrowsecurity
                                     OR has_table_privilege(client.oid, t.oid, 'SELECT, INSERT, UPDATE, DELETE')
                                     OR has_any_column_privilege(client.oid, t.oid, 'SELECT, INSERT, UPDATE'), false) AS yes) guarded
 ORDER BY t.oid
