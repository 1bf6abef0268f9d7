-- Who reads ($1, the claims of the token, as PostgREST's policies know them), how long a statement may take ($2, in
-- milliseconds), and the form of values that the log has; for this transaction. And what its snapshot sees.
SELECT set_config('request.jwt.claims', $1, true),
       set_config('statement_timeout', $2, true),
       set_config('datestyle', 'ISO', true),
       set_config('intervalstyle', 'postgres', true),
       set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true),
       set_config('timezone', 'UTC', true),
       pg_catalog.pg_current_snapshot()::text AS snapshot
