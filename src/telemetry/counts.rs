use std::time::Duration;

use metrics::{Counter, Histogram, counter, gauge, histogram};

use super::names::{self, Metric, WAL_STATUSES};

fn add(metric: &Metric, count: u64) {
    counter!(metric.name).increment(count);
}

/// `value`: of the metric's label.
fn add_of(metric: &Metric, value: impl Into<metrics::SharedString>, count: u64) {
    if let Some((label, _)) = metric.label {
        counter!(metric.name, label => value.into()).increment(count);
    }
}

fn set(metric: &Metric, value: f64) {
    gauge!(metric.name).set(value);
}

/// Whether this server reads from the slot.
pub fn leads(leads: bool) {
    set(&names::LEADER, f64::from(leads));
}

/// Whether the stream runs and is caught up.
pub fn ready(is_ready: bool) {
    set(&names::READY, f64::from(is_ready));
}

/// A stream began after another one was lost.
pub fn reconnected() {
    add(&names::RECONNECTS, 1);
}

/// How the slot stands, as the database says.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    pub lag_bytes: u64,
    pub held_bytes: u64,
    /// `None`: without a bound.
    pub safe_bytes: Option<u64>,
    /// As in `pg_replication_slots`; `None`: there is no slot.
    pub wal_status: Option<&'a str>,
}

impl Slot<'_> {
    pub fn report(self) {
        set(&names::SLOT_LAG_BYTES, self.lag_bytes as f64);
        set(&names::SLOT_HELD_BYTES, self.held_bytes as f64);
        set(&names::SLOT_SAFE_BYTES, self.safe_bytes.map_or(f64::INFINITY, |bytes| bytes as f64));
        let status = self.wal_status.unwrap_or("missing");
        for known in WAL_STATUSES {
            gauge!(names::SLOT_WAL_STATUS.name, "status" => *known).set(f64::from(*known == status));
        }
    }
}

/// How far what is handed on to sockets is behind the database.
pub fn stream_lag(bytes: u64, time: Duration) {
    set(&names::STREAM_LAG_BYTES, bytes as f64);
    set(&names::STREAM_LAG_SECONDS, time.as_secs_f64());
}

/// What the stream brought, looked up once: to count is then an addition.
pub struct Streamed {
    transactions: Counter,
    changes: Counter,
}

impl Default for Streamed {
    fn default() -> Self {
        Streamed { transactions: counter!(names::TRANSACTIONS.name), changes: counter!(names::CHANGES.name) }
    }
}

impl Streamed {
    /// Whole transactions, and changes of rows.
    pub fn count(&self, transactions: u64, changes: u64) {
        self.transactions.increment(transactions);
        self.changes.increment(changes);
    }
}

/// Changes that could not be decoded, and those that could not be told.
pub fn poison(unreadable: u64, untold: u64) {
    for (kind, count) in [("unreadable", unreadable), ("untold", untold)] {
        if count > 0 {
            add_of(&names::POISON, kind, count);
        }
    }
}

/// What the dispatcher counts, looked up once.
pub struct Dispatched {
    events: Counter,
    deliveries: Counter,
    commit_to_socket: Histogram,
}

impl Default for Dispatched {
    fn default() -> Self {
        Dispatched {
            events: counter!(names::EVENTS.name),
            deliveries: counter!(names::DELIVERIES.name),
            commit_to_socket: histogram!(names::COMMIT_TO_SOCKET.name),
        }
    }
}

impl Dispatched {
    pub fn events(&self, count: usize) {
        self.events.increment(count as u64);
    }

    /// A flush: how many frames it handed to outboxes, and how old the oldest change in it is by now, if there is one.
    pub fn flushed(&self, deliveries: usize, age: Option<Duration>) {
        self.deliveries.increment(deliveries as u64);
        if let Some(age) = age {
            self.commit_to_socket.record(age.as_secs_f64());
        }
    }
}

/// How full the hub is.
#[derive(Clone, Copy, Debug)]
pub struct Hub {
    pub sockets: usize,
    pub rooms: usize,
    pub sessions: usize,
    pub history_events: usize,
    pub history_bytes: usize,
}

impl Hub {
    pub fn report(self) {
        set(&names::SOCKETS, self.sockets as f64);
        set(&names::ROOMS, self.rooms as f64);
        set(&names::SESSIONS, self.sessions as f64);
        set(&names::HISTORY_EVENTS, self.history_events as f64);
        set(&names::HISTORY_BYTES, self.history_bytes as f64);
    }
}

/// What waits for sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outboxes {
    /// Those for which something waits.
    pub sockets: usize,
    pub bytes: usize,
    /// For the one for which most waits, in bytes.
    pub most: usize,
}

impl Outboxes {
    /// So much waits for one more socket.
    pub fn add(&mut self, bytes: usize) {
        self.sockets += 1;
        self.bytes += bytes;
        self.most = self.most.max(bytes);
    }

    /// `limit`: what may wait for one.
    pub fn report(self, limit: usize) {
        set(&names::OUTBOX_SOCKETS, self.sockets as f64);
        set(&names::OUTBOX_BYTES, self.bytes as f64);
        set(&names::OUTBOX_FILL, self.most as f64 / limit.max(1) as f64);
    }
}

/// Frames that waited are not sent.
pub fn dropped(reason: &'static str, frames: usize) {
    if frames > 0 {
        add_of(&names::DROPS, reason, frames as u64);
    }
}

/// A request was refused, by its code, or by the limit.
pub fn refused(code: &'static str) {
    add_of(&names::REFUSALS, code, 1);
}

/// A client came back by the name of its session.
pub fn came_back(recovered: bool) {
    add_of(&names::RECOVERIES, if recovered { "yes" } else { "no" }, 1);
}

/// A write of a socket was answered.
pub fn write(outcome: &'static str, took: Duration) {
    add_of(&names::WRITES, outcome, 1);
    histogram!(names::WRITE_SECONDS.name).record(took.as_secs_f64());
}

/// A write is tried once more.
pub fn write_retried() {
    add(&names::WRITE_RETRIES, 1);
}

/// A request to the polling API was answered with a status.
pub fn api_request(status: u16) {
    add_of(&names::API_REQUESTS, status.to_string(), 1);
}

/// Somebody was refused before it showed a token: for its origin, for what comes from its address, or for how slow it is.
pub fn http_refused(reason: &'static str) {
    add_of(&names::HTTP_REFUSALS, reason, 1);
}

/// How many wait in line.
pub fn handshakes_waiting(count: usize) {
    gauge!(names::HANDSHAKES_WAITING.name).set(count as f64);
}

/// What became of a connected socket's token.
pub fn token(fate: &'static str) {
    add_of(&names::TOKENS, fate, 1);
}

pub fn connection_ended(reason: &'static str) {
    add_of(&names::CONNECTIONS_ENDED, reason, 1);
}

/// Where it is known from whether a user may see a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was asked before, and still holds.
    Cache,
    Database,
}

/// Row-level security is to say whether users may see rows: one question for each pair. Count it for each pair that needs an
/// answer, wherever that will come from, and its answer by [`row_security_answered`].
pub fn row_security_asked(questions: usize) {
    add(&names::ROW_SECURITY_QUESTIONS, questions as u64);
}

/// It has said so, yes or no. A question without an answer (the database failed, or took too long) counts as none: that is
/// what the alert looks for.
pub fn row_security_answered(from: Answer, answers: usize) {
    let from = match from {
        Answer::Cache => "cache",
        Answer::Database => "database",
    };
    add_of(&names::ROW_SECURITY_ANSWERS, from, answers as u64);
}
