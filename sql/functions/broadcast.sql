-- Tells an event to a room, if this transaction commits, at its place among the transaction's changes. It travels in the log as
-- a transactional message: no table is written. What is refused here is not told either where somebody writes the message by
-- hand: src/events/broadcast.rs keeps the same rules.
CREATE OR REPLACE FUNCTION walcast.broadcast(room text, event text, payload jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    size integer;
BEGIN
    IF room IS NULL OR room !~ '^(user:.|entity:[^:]+:.|(?!user:|entity:)[^:]+:.)'
       OR octet_length(convert_to(room, 'UTF8')) > 2048 THEN
        RAISE EXCEPTION 'the room "%" is none', left(room, 100)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Name it as clients know it: user:42, entity:page:1, component:7, with at most 2048 bytes.';
    END IF;

    IF event IS NULL OR event = '' OR octet_length(convert_to(event, 'UTF8')) > 200 OR event ~ '[\u0001-\u001F\u007F]' THEN
        RAISE EXCEPTION 'the event "%" has no name that can be sent', left(event, 100)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Give one of 1 to 200 bytes, without control characters: ''invoice:paid''.';
    END IF;
    IF event ~ '^(walcast|presence|auth|changes):'
       OR event ~ (':(created|updated|deleted|nested-[^:]*|resync|subscribe|unsubscribe|user-joined|user-left|typing|cursor|'
                   'error)$')
       OR event IN ('connect', 'disconnect', 'connect_error', 'disconnecting', 'error', 'newListener', 'removeListener') THEN
        RAISE EXCEPTION 'the event "%" has a name of walcast''s or Socket.IO''s own', event
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Choose one that clients cannot take for the change of a row: ''page:published''.';
    END IF;

    IF payload IS NULL OR jsonb_typeof(payload) <> 'object' THEN
        RAISE EXCEPTION 'the payload of "%" is % and not an object', event, coalesce(jsonb_typeof(payload), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Put it into one: {"value": …}.';
    END IF;
    IF payload ?| ARRAY['offset', 'timestamp'] THEN
        RAISE EXCEPTION 'the payload of "%" has a member "offset" or "timestamp", which walcast adds itself', event
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give it another name.';
    END IF;
    size := octet_length(convert_to(payload::text, 'UTF8'));
    IF size > 262144 THEN
        RAISE EXCEPTION 'the payload of "%" has % bytes as JSON, the limit is 262144', event, size
            USING ERRCODE = 'program_limit_exceeded',
                  HINT = 'Send an id by which the client can fetch the rest.';
    END IF;

    -- As UTF-8, whatever the encoding of the database: the content of a message is not converted on its way.
    PERFORM pg_logical_emit_message(true, 'walcast.broadcast', convert_to(
        json_build_object('room', room, 'event', event, 'payload', payload)::text, 'UTF8'));
END
$$;

REVOKE ALL ON FUNCTION walcast.broadcast(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION walcast.broadcast(text, text, jsonb) IS
    'Tells an event to the sockets in a room (user:42, entity:page:1, component:7) if this transaction commits, in order with its '
    'changes. The payload is an object of at most 262144 bytes; the event''s name must be none of walcast''s own.';
