//! Many clients at once: what they are to do, what they were sent, and the process that plays them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Failure,
    mark::Delay,
    process::{Output, Running, beside},
};

/// What `load` is to play.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    pub address: String,
    pub sockets: u64,
    /// How many rooms there are, `entity:page:…` and on, and the number of the first.
    pub rooms: u64,
    pub first_room: u64,
    /// How many of them each socket is in.
    pub each: u64,
    /// `None`: the server only sends.
    pub secret: Option<String>,
    /// Offers permessage-deflate, as browsers do.
    pub deflate: bool,
    /// The offset to resume from.
    pub since: Option<String>,
    /// The number of the last event of each room before that offset.
    pub begin: u64,
    /// The first one's user; the others follow.
    pub first_user: u64,
    /// How many come in at once.
    pub at_once: usize,
}

impl Spec {
    /// So many clients, spread evenly over so many rooms.
    pub fn new(sockets: u64, rooms: u64) -> Self {
        Spec {
            address: String::new(),
            sockets,
            rooms,
            first_room: 0,
            each: 1,
            secret: None,
            deflate: false,
            since: None,
            begin: 0,
            first_user: 0,
            at_once: 64,
        }
    }

    /// The `nth` room of a client.
    pub fn room(&self, client: u64, nth: u64) -> u64 {
        self.first_room + (client * self.each + nth) % self.rooms
    }

    /// Which of a client's rooms that is.
    pub fn nth(&self, client: u64, room: u64) -> u64 {
        (room + self.rooms - self.room(client, 0)) % self.rooms
    }
}

/// What all clients were sent.
#[derive(Default)]
pub struct Tally {
    pub got: u64,
    pub lost: u64,
    pub repeated: u64,
    pub bytes: u64,
    pub pings: u64,
    pub resumed: u64,
    /// That of the last acknowledgement.
    pub offset: String,
    pub delays: Vec<Delay>,
}

/// The same, as it is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub got: u64,
    pub lost: u64,
    pub repeated: u64,
    pub bytes: u64,
    pub pings: u64,
    pub resumed: u64,
    pub offset: String,
    /// In microseconds, of what came since `fresh`.
    pub p50: u32,
    pub p99: u32,
    pub longest: u32,
    pub cpu: Duration,
}

/// The median of delays, what one in a hundred exceeds, and the longest.
pub fn parts(delays: impl IntoIterator<Item = u32>) -> [u32; 3] {
    let mut delays: Vec<u32> = delays.into_iter().collect();
    delays.sort_unstable();
    let last = delays.len().saturating_sub(1);
    [50, 99, 100].map(|percent| delays.get((delays.len() * percent / 100).min(last)).copied().unwrap_or_default())
}

/// A running `load`. Ends with its owner.
pub struct Load {
    process: Running,
}

impl Load {
    /// Returns at once.
    pub fn start(spec: &Spec) -> Result<Self, Failure> {
        let process = Running::start(beside("load")?.arg(serde_json::to_string(spec)?), Output::Standard)?;
        Ok(Load { process })
    }

    /// Returns when all are in their rooms.
    pub fn filled(spec: &Spec) -> Result<Self, Failure> {
        let load = Self::start(spec)?;
        load.ready()?;
        Ok(load)
    }

    pub fn ready(&self) -> Result<(), Failure> {
        self.process.hear(|line| line == "ready").map(drop)
    }

    /// Whether all are in their rooms by now.
    pub fn is_ready(&mut self) -> Result<bool, Failure> {
        self.process.has_said(|line| line == "ready")
    }

    /// Until so many deliveries came since the start; what is lost counts as come.
    pub fn until(&mut self, deliveries: u64) -> Result<(), Failure> {
        self.process.tell(&format!("until {deliveries}"))?;
        self.process.hear(|line| line == format!("at {deliveries}")).map(drop)
    }

    /// Forgets the delays up to now.
    pub fn fresh(&mut self) -> Result<(), Failure> {
        self.process.tell("fresh")
    }

    /// Of each delivery since `fresh`.
    pub fn delays(&mut self) -> Result<Vec<Delay>, Failure> {
        self.process.tell("delays")?;
        let line = self.process.hear(|line| line.starts_with('['))?;
        Ok(serde_json::from_str(&line)?)
    }

    pub fn report(&mut self) -> Result<Report, Failure> {
        self.process.tell("report")?;
        let line = self.process.hear(|line| line.starts_with('{'))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// The report, after a look at whether all came that should, each once.
    pub fn flawless(&mut self, expected: u64) -> Result<Report, Failure> {
        let report = self.report()?;
        if report.got == expected && report.lost + report.repeated == 0 {
            Ok(report)
        } else {
            Err(format!("{expected} deliveries expected, and that is no result: {report:?}").into())
        }
    }
}
