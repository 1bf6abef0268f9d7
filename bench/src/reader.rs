//! `pg_recvlogical`: Postgres's own reader, which looks at nothing that it gets.

use std::{
    io::Read as _,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::{
    Failure,
    database::Database,
    mark::{self, Delay, Mark},
    process::{PATIENCE, on_processor},
    server::Plugin,
};

/// Not started yet; `more` says until when, and where to.
pub fn command(database: &Database, slot: &str, plugin: Plugin, more: &[&str]) -> Command {
    let options: &[&str] = match plugin {
        Plugin::Pgoutput => &["proto_version=1", "publication_names=walcast"],
        // As walcast asks for it.
        Plugin::Wal2json => &[
            "format-version=2",
            "include-types=0",
            "include-type-oids=1",
            "include-lsn=1",
            "include-timestamp=1",
            "include-xids=1",
            "include-transaction=1",
            "add-tables=walcast.rules,public.components",
        ],
    };
    let binaries = std::env::var("PG_BIN").unwrap_or_default();
    let mut command = Command::new(format!("{binaries}/pg_recvlogical"));
    command.args(["-d", &database.url, "-S", slot, "--start", "--no-loop"]).args(more);
    command.args(options.iter().flat_map(|option| ["-o", option])).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// One whose output is read by this process. Ends with its owner.
pub struct Passing {
    child: Child,
    delays: mpsc::Receiver<Delay>,
}

impl Passing {
    pub fn start(database: &Database, slot: &str, plugin: Plugin) -> Result<Self, Failure> {
        let mut child = command(database, slot, plugin, &["-f", "-"]).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (sender, delays) = mpsc::channel();
        std::thread::spawn(move || listen(output, &sender));
        Ok(Passing { child, delays })
    }

    /// The delays of so many rows.
    pub fn take(&self, rows: u64) -> Result<Vec<Delay>, Failure> {
        let next = |_| self.delays.recv_timeout(PATIENCE).map_err(|error| format!("pg_recvlogical: {error}").into());
        (0..rows).map(next).collect()
    }

    pub fn cpu(&self) -> Result<Duration, Failure> {
        on_processor(self.child.id())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until the output or the listener ends.
fn listen(mut output: ChildStdout, delays: &mpsc::Sender<Delay>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut newest = 0;
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let now = mark::now();
        // The row as it was is there too, and is older.
        for mark in Mark::all(&buffer[..length]).filter(|mark| mark.stamp > newest).collect::<Vec<_>>() {
            newest = mark.stamp;
            if delays.send(mark.until(now)).is_err() {
                return;
            }
        }
    }
}
