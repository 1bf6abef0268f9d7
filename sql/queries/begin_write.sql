-- What holds for the transaction of a write: how long a statement may take ($1, in ms), the claims of the token ($2), and,
-- in the log ahead of the changes, who writes ($3) through which socket ($4). Values are read and written as in the log.
-- Answers with the mark of the rule of prefix $5 to role $6: another than before, and the rule, or that its table is guarded,
-- has changed.
SELECT set_config('statement_timeout', $1, true),
       set_config('request.jwt.claims', $2, true),
       set_config('datestyle', 'ISO, MDY', true),
       set_config('intervalstyle', 'postgres', true),
       set_config('timezone', 'UTC', true),
       set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true),
       walcast.set_actor($3, $4),
       (SELECT r.xmin::text || r.ctid::text || coalesce(c.relrowsecurity
                 OR has_table_privilege(client.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
                 OR has_any_column_privilege(client.oid, c.oid, 'SELECT, INSERT, UPDATE'), false)::text
          FROM walcast.rules r
          LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
                 ON n.nspname = r.schema_name AND c.relname = r.table_name
          LEFT JOIN pg_catalog.pg_roles client ON client.rolname = $6::text::name
         WHERE r.prefix = $5) AS mark
