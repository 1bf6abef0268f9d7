//! What the servers are put to, a file each.

mod compression;
mod drain;
mod growth;
mod memory;
mod pair;
mod return_of_all;
mod steady;
mod training;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    database::Database,
    report::Section,
    server::{Plugin, Programs, Server},
};

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub rounds: usize,
    /// How long rows are written in each.
    pub seconds: u64,
}

pub type Workload = fn(&Programs, Extent) -> Result<Section, Failure>;

/// By the names that choose them.
pub const ALL: [(&str, Workload); 8] = [
    ("W1", steady::many_rooms),
    ("W2", steady::one_room),
    ("W3", steady::transactions),
    ("W4", drain::backlog),
    ("W5", memory::idle),
    ("W6", growth::all),
    ("W7", return_of_all::after_a_deploy),
    ("W8", compression::large_payloads),
];

/// Only where they are named.
pub const OTHERS: [(&str, Workload); 2] = [("PAIR", pair::side_by_side), ("TRAINING", training::all)];

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    Walcast(Plugin),
    /// Another version of walcast.
    Before(Plugin),
    Node(Plugin),
    Floor,
    /// `pg_recvlogical`, which passes on what it gets.
    Reader(Plugin),
}

impl Contender {
    pub fn name(self) -> String {
        match self {
            Contender::Walcast(plugin) => format!("walcast, {plugin}"),
            Contender::Before(plugin) => format!("walcast before, {plugin}"),
            Contender::Node(plugin) => format!("Node, {plugin}"),
            Contender::Floor => "floor".into(),
            Contender::Reader(plugin) => format!("pg_recvlogical, {plugin}"),
        }
    }

    /// Walcast and Node by some plugins, and an earlier walcast where there is one.
    pub fn of(programs: &Programs, plugins: &[Plugin]) -> Vec<Contender> {
        let before = |plugin| programs.before.is_some().then_some(Contender::Before(plugin));
        let of = |plugin| [Some(Contender::Walcast(plugin)), before(plugin), Some(Contender::Node(plugin))];
        plugins.iter().copied().flat_map(of).flatten().collect()
    }

    /// Starts the server, and returns when it is ready.
    pub fn start(
        self,
        programs: &Programs,
        database: &mut Database,
        slot: &str,
        deflate: bool,
    ) -> Result<Server, Failure> {
        if let Contender::Node(plugin) = self {
            database.make_slot(slot, plugin)?;
            return self.launch(programs, database, slot, deflate);
        }
        let server = self.launch(programs, database, slot, deflate)?;
        server.caught_up()?;
        Ok(server)
    }

    /// Starts the server; it may be behind. The slot is there, but for walcast, which makes its own.
    pub fn launch(
        self,
        programs: &Programs,
        database: &Database,
        slot: &str,
        deflate: bool,
    ) -> Result<Server, Failure> {
        match self {
            Contender::Walcast(plugin) => Server::walcast(&programs.walcast, database, slot, plugin, &[]),
            Contender::Before(plugin) => {
                let before = programs.before.as_ref().ok_or("there is no earlier walcast")?;
                Server::walcast(before, database, slot, plugin, &[])
            }
            Contender::Node(plugin) => Server::node(&programs.peer, database, slot, plugin, deflate),
            Contender::Floor => Err("the floor reads no database".into()),
            Contender::Reader(_) => Err("pg_recvlogical is no server".into()),
        }
    }
}

/// Does something so many times, each time so long after the last was due.
fn paced(times: u64, apart: Duration, mut act: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let begin = Instant::now();
    for nth in 0..times {
        sleep((begin + apart * nth as u32).saturating_duration_since(Instant::now()));
        act()?;
    }
    Ok(())
}

/// A name for a database and its slot that nobody has had.
fn fresh_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("bench_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
