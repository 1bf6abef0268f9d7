//! Floor 0: every metric, named in one place. Who counts calls a function of here; what is counted is read at `/metrics`.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

const SOCKETS: &str = "walcast_sockets";
const ROOMS: &str = "walcast_rooms";
const SESSIONS: &str = "walcast_sessions";
const HISTORY_EVENTS: &str = "walcast_history_events";
const HISTORY_BYTES: &str = "walcast_history_bytes";
const EVENTS: &str = "walcast_events_total";
const DELIVERIES: &str = "walcast_deliveries_total";
const RECOVERIES: &str = "walcast_recoveries_total";
const POISON: &str = "walcast_poison_total";
const REFUSALS: &str = "walcast_refusals_total";
const WRITES: &str = "walcast_writes_total";
const WRITE_RETRIES: &str = "walcast_write_retries_total";
const API_REQUESTS: &str = "walcast_api_requests_total";
const TOKENS: &str = "walcast_tokens_total";
const QUESTIONS: &str = "walcast_row_security_questions_total";
const SEEN: &str = "walcast_row_security_answers_total";
const CONNECTIONS_ENDED: &str = "walcast_connections_ended_total";

/// Starts to count, for the whole process.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_gauge!(SOCKETS, "Sockets that are connected.");
    describe_gauge!(ROOMS, "Rooms that somebody is in.");
    describe_gauge!(SESSIONS, "Sessions of sockets that went and may come back.");
    describe_gauge!(HISTORY_EVENTS, "Events kept for clients that come back.");
    describe_gauge!(HISTORY_BYTES, Unit::Bytes, "What the kept events take in memory.");
    describe_counter!(EVENTS, "Events that the stream brought.");
    describe_counter!(DELIVERIES, "Events handed to a socket's outbox.");
    describe_counter!(RECOVERIES, "Clients that came back by themselves, by whether they missed nothing.");
    describe_counter!(POISON, "Changes that could not be decoded (`unreadable`), or not be told (`untold`).");
    describe_counter!(REFUSALS, "Requests of sockets that were refused, by the code of the error.");
    describe_counter!(
        WRITES,
        "Writes of sockets, by outcome: `ok`, or the code of the error; `unknown`: lost in COMMIT."
    );
    describe_counter!(WRITE_RETRIES, "Writes tried again after a deadlock or a serialization failure.");
    describe_counter!(API_REQUESTS, "Requests to the polling API, by the status they were answered with.");
    describe_counter!(TOKENS, "Tokens of connected sockets: `expired`, `refreshed`, or expired and so `disconnected`.");
    describe_counter!(CONNECTIONS_ENDED, "Connections that the server ended, by reason; `slow_consumer` is one.");
    describe_counter!(QUESTIONS, "Questions to Postgres about who may see which rows.");
    describe_counter!(SEEN, "Answers to whether somebody may see the row of an event, asked now or known before.");
    Ok(handle)
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
        let set = |name: &'static str, value: usize| gauge!(name).set(value as f64);
        set(SOCKETS, self.sockets);
        set(ROOMS, self.rooms);
        set(SESSIONS, self.sessions);
        set(HISTORY_EVENTS, self.history_events);
        set(HISTORY_BYTES, self.history_bytes);
    }
}

pub fn events(count: u64) {
    counter!(EVENTS).increment(count);
}

pub fn deliveries(count: u64) {
    counter!(DELIVERIES).increment(count);
}

/// Changes that could not be decoded, and those that could not be told.
pub fn poison(unreadable: u64, untold: u64) {
    for (kind, count) in [("unreadable", unreadable), ("untold", untold)] {
        if count > 0 {
            counter!(POISON, "kind" => kind).increment(count);
        }
    }
}

/// A request was refused, by its code.
pub fn refused(code: &'static str) {
    counter!(REFUSALS, "code" => code).increment(1);
}

/// A client came back by the name of its session.
pub fn came_back(recovered: bool) {
    counter!(RECOVERIES, "recovered" => if recovered { "yes" } else { "no" }).increment(1);
}

/// A write of a socket was answered.
pub fn write(outcome: &'static str) {
    counter!(WRITES, "outcome" => outcome).increment(1);
}

/// A write is tried once more.
pub fn write_retried() {
    counter!(WRITE_RETRIES).increment(1);
}

/// A request to the polling API was answered with a status.
pub fn api_request(status: u16) {
    counter!(API_REQUESTS, "status" => status.to_string()).increment(1);
}

/// What became of a connected socket's token.
pub fn token(fate: &'static str) {
    counter!(TOKENS, "fate" => fate).increment(1);
}

/// Questions to Postgres about who may see what.
pub fn asked(count: u64) {
    counter!(QUESTIONS).increment(count);
}

/// Answers to whether somebody may see the row of an event, asked now or known before.
pub fn seen(count: u64) {
    counter!(SEEN).increment(count);
}

pub fn connection_ended(reason: &'static str) {
    counter!(CONNECTIONS_ENDED, "reason" => reason).increment(1);
}
