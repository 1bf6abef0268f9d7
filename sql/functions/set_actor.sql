-- Names who makes the changes that follow in this transaction. The name travels in the log as a transactional message,
-- ahead of those changes: no table is written, and it is gone if the transaction rolls back.
CREATE OR REPLACE FUNCTION walcast.set_actor(actor text, socket text DEFAULT NULL) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_logical_emit_message(true, 'walcast.actor', json_build_object('actor', actor, 'socket', socket)::text);
$$;

REVOKE ALL ON FUNCTION walcast.set_actor(text, text) FROM PUBLIC;
COMMENT ON FUNCTION walcast.set_actor(text, text) IS
    'Names who makes the changes that follow in this transaction. Call it before them. socket: the Socket.IO id of the '
    'socket that asked for them, which is not told of its own updates.';
