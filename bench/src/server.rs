//! The servers that are measured.

use std::{fmt, process::Command, time::Duration};

use crate::{
    Failure,
    database::Database,
    process::{Output, Running, beside},
};

/// What tokens are signed with.
pub const SECRET: &str = "a secret of at least thirty-two bytes";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    Pgoutput,
    Wal2json,
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plugin::Pgoutput => "pgoutput",
            Plugin::Wal2json => "wal2json",
        })
    }
}

/// Where the programs are that are measured, and the cluster.
#[derive(Clone, Debug)]
pub struct Programs {
    pub postgres: String,
    pub walcast: String,
    /// Another walcast, to be measured beside it.
    pub before: Option<String>,
    /// `server.mjs`.
    pub peer: String,
}

/// A running server. Ends with its owner, who waits for it.
pub struct Server {
    pub process: Running,
    pub address: String,
}

impl Server {
    pub fn walcast(
        binary: &str,
        database: &Database,
        slot: &str,
        plugin: Plugin,
        more: &[&str],
    ) -> Result<Self, Failure> {
        let mut command = Command::new(binary);
        command.args(["serve", "--log-format", "json", "--jwt-secret", SECRET, "--listen", "127.0.0.1:0"]);
        command.args(["--slot", slot, "--database-url", &database.url, "--plugin", &plugin.to_string()]).args(more);
        let process = Running::start(&mut command, Output::Error)?;
        let line = process.hear(|line| line.contains("\"message\":\"listening\""))?;
        let address = line.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.ok_or("walcast does not say where it listens")?.to_owned();
        Ok(Server { process, address })
    }

    /// Returns when walcast has caught up.
    pub fn caught_up(&self) -> Result<(), Failure> {
        self.process.hear(|line| line.contains("\"to\":\"Ready\"")).map(drop)
    }

    /// The peer reads from a slot that is there.
    pub fn node(script: &str, database: &Database, slot: &str, plugin: Plugin, deflate: bool) -> Result<Self, Failure> {
        let mut command = Command::new("node");
        command.args([script, &database.url, slot, &plugin.to_string(), SECRET]);
        if deflate {
            command.arg("deflate");
        }
        Self::ready(Running::start(&mut command, Output::Standard)?)
    }

    /// The program that only sends.
    pub fn floor(sockets: u64) -> Result<Self, Failure> {
        Self::ready(Running::start(beside("floor")?.arg(sockets.to_string()), Output::Standard)?)
    }

    fn ready(process: Running) -> Result<Self, Failure> {
        let line = process.hear(|line| line.starts_with("ready "))?;
        Ok(Server { process, address: line.trim_start_matches("ready ").to_owned() })
    }

    pub fn cpu(&self) -> Result<Duration, Failure> {
        self.process.cpu()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.process.end() {
            eprintln!("{error}");
        }
    }
}
