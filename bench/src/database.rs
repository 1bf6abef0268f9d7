//! A database with rows to write, and somebody who writes them.

use std::{
    collections::HashMap,
    process::{Command, Stdio},
};

use crate::{
    Failure, mark,
    process::{Output, Running, run},
    server::Plugin,
};

/// Rows of one room: the most that one transaction changes.
const ROWS: u64 = 50;

pub struct Database {
    pub url: String,
    psql: Running,
}

impl Database {
    /// A new one of that name, with the tables of `walcast` (its binary), as many rooms, and the publication `walcast`.
    pub fn create(postgres: &str, walcast: &str, name: &str, rooms: u64) -> Result<Self, Failure> {
        let url = format!("{}/{name}", postgres.strip_suffix("/postgres").ok_or("not the URL of postgres")?);
        run(Command::new("psql").args(["-qXd", postgres, "-c", &format!("CREATE DATABASE {name}")]))?;
        let mut migrate = Command::new(walcast);
        migrate.args(["migrate", "--database-url", &url]).stdout(Stdio::null()).stderr(Stdio::null());
        run(&mut migrate)?;
        let psql =
            Running::start(Command::new("psql").args(["-qAtXv", "ON_ERROR_STOP=1", "-d", &url]), Output::Standard)?;
        let mut database = Database { url, psql };
        database.run(&format!(
            "{mark}
             CREATE FUNCTION row_id(room bigint, nth bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
             RETURN lpad((room * 1000 + nth)::text, 32, '0')::uuid;
             -- By which transaction each row was written: no log has it.
             CREATE UNLOGGED TABLE written (stamp bigint, xid xid8 DEFAULT pg_current_xact_id());
             -- `count` rows of a room in one transaction, numbered from `first`.
             CREATE FUNCTION burst(room bigint, first bigint, count bigint, padding int) RETURNS void LANGUAGE plpgsql AS $$
             DECLARE mark text;
             BEGIN
                 FOR nth IN 0 .. count - 1 LOOP
                     UPDATE components SET name = mark(first + nth, room) || repeat('.', padding) WHERE id = row_id(room, nth)
                         RETURNING name INTO mark;
                     INSERT INTO written VALUES (stamp(mark));
                 END LOOP;
             END $$;
             INSERT INTO components (id, entity_type, entity_id, type)
             SELECT row_id(room, nth), 'page', room, 'text'
               FROM generate_series(0, {rooms} - 1) room, generate_series(0, {rows} - 1) nth;
             CREATE PUBLICATION walcast FOR TABLE walcast.rules, components WITH (publish_via_partition_root = true);
             ANALYZE components;",
            mark = mark::IN_SQL,
            rows = if rooms > 1000 { 1 } else { ROWS },
        ))?;
        Ok(database)
    }

    /// Runs SQL, and returns when it is done.
    pub fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.start(sql)?;
        self.ask("SELECT 'done'").map(drop)
    }

    /// Hands SQL on, and does not wait for it.
    pub fn start(&mut self, sql: &str) -> Result<(), Failure> {
        self.psql.tell(sql)
    }

    pub fn make_slot(&mut self, slot: &str, plugin: Plugin) -> Result<(), Failure> {
        self.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', '{plugin}');"))
    }

    /// The one value that a query has.
    pub fn ask(&mut self, query: &str) -> Result<String, Failure> {
        self.psql.tell(&format!("SELECT '=' || ({query});"))?;
        let line = self.psql.hear(|line| line.starts_with('='))?;
        Ok(line.trim_start_matches('=').to_owned())
    }

    /// When each row of a burst was committed, by its stamp, in microseconds since 1970.
    pub fn commits(&mut self) -> Result<HashMap<u64, u64>, Failure> {
        let pairs = self.ask(
            "SELECT jsonb_agg(jsonb_build_array(stamp, \
                    (extract(epoch FROM pg_xact_commit_timestamp(xid::xid)) * 1000000)::bigint))::text FROM written",
        )?;
        Ok(serde_json::from_str::<Vec<(u64, u64)>>(&pairs)?.into_iter().collect())
    }

    /// `count` rows of a room in one transaction, without waiting for it.
    pub fn burst(&mut self, room: u64, first: u64, count: u64, padding: u64) -> Result<(), Failure> {
        self.start(&format!("SELECT burst({room}, {first}, {count}, {padding});"))
    }
}
