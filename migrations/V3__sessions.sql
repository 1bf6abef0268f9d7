-- What the sockets of a server that stops were in, for the server that comes after it: its clients come back by
-- themselves, and say no more than their session's name.

-- Unlogged: a deploy should not fill the log that it is about to read. After a crash of Postgres clients are told to fetch.
CREATE UNLOGGED TABLE walcast.sessions (
    slot_name name NOT NULL,
    id        text NOT NULL,
    user_id   text NOT NULL,
    -- An offset, as those in the rooms.
    began     text NOT NULL,
    -- [[prefix, room, offset]]
    rooms     jsonb NOT NULL,
    PRIMARY KEY (slot_name, id)
);
COMMENT ON TABLE walcast.sessions IS
    'What the sockets of a server that stopped were in. The next server of the slot takes it out.';
