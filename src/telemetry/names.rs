//! The names: what `/metrics` has, and docs/metrics.md lists.

/// A metric, as Prometheus is told of it.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// The name of its label, and those of the label's values that are there from the start, at 0.
    pub label: Option<(&'static str, &'static [&'static str])>,
    pub help: &'static str,
}

#[derive(Debug)]
pub enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets, in seconds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// As Prometheus calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    const fn by(self, label: &'static str, values: &'static [&'static str]) -> Metric {
        Metric { label: Some((label, values)), ..self }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, label: None, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, label: None, help }
}

const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), label: None, help }
}

/// Each is a constant, and one of [`ALL`].
macro_rules! metrics {
    ($($name:ident = $metric:expr;)*) => {
        $(pub const $name: Metric = $metric;)*
        /// Every metric.
        pub const ALL: &[Metric] = &[$($name),*];
    };
}

/// From a socket beside the database to one that had to wait for its turn.
const LATENCIES: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The states of a slot's log, as `pg_replication_slots.wal_status` has them, and `missing`: there is no slot.
pub const WAL_STATUSES: &[&str] = &["reserved", "extended", "unreserved", "lost", "missing"];

metrics! {
    LEADER = gauge("walcast_leader", "1: this server reads from the slot. 0: it stands by, or its stream is lost.");
    READY = gauge("walcast_ready", "1: the stream runs and is caught up, as `/readyz` says.");
    RECONNECTS = counter("walcast_reconnects_total", "Streams that began after another one of this process was lost.");

    SLOT_LAG_BYTES =
        gauge("walcast_slot_lag_bytes", "Log that is not confirmed; the replay window always is a part of it.");
    SLOT_HELD_BYTES = gauge("walcast_slot_held_bytes", "Log that stays on the database's disk for the slot.");
    SLOT_SAFE_BYTES = gauge(
        "walcast_slot_safe_bytes",
        "Log that can be written before Postgres gives the slot up; `+Inf` without `max_slot_wal_keep_size`."
    );
    SLOT_WAL_STATUS = gauge(
        "walcast_slot_wal_status",
        "1 for the status of the slot's log, as in `pg_replication_slots`, or `missing`; 0 for the others."
    ).by("status", WAL_STATUSES);
    STREAM_LAG_BYTES =
        gauge("walcast_stream_lag_bytes", "Log that was written and is not handed on to sockets; 0 on a standby.");
    STREAM_LAG_SECONDS = gauge(
        "walcast_stream_lag_seconds",
        "How long ago was committed what is handed on to sockets now; 0 when caught up, and on a standby."
    );

    TRANSACTIONS = counter("walcast_transactions_total", "Transactions that the stream brought, repeated ones included.");
    CHANGES = counter("walcast_changes_total", "Changes of rows that the stream brought, repeated ones included.");
    EVENTS = counter("walcast_events_total", "Events that the stream brought.");
    POISON = counter("walcast_poison_total", "Changes that could not be decoded (`unreadable`), or not be told (`untold`).")
        .by("kind", &["unreadable", "untold"]);

    DELIVERIES = counter("walcast_deliveries_total", "Events handed to a socket's outbox.");
    COMMIT_TO_SOCKET = histogram(
        "walcast_commit_to_socket_seconds",
        LATENCIES,
        "From the commit, by the database's clock, until the last socket was sent to: the oldest change of each flush."
    );
    DROPS = counter(
        "walcast_drops_total",
        "Frames that waited and were not sent: `replaced` by newer ones and `shed`, where they may be; what waited for a `slow_consumer`."
    ).by("reason", &["replaced", "shed", "slow_consumer"]);
    OUTBOX_BYTES = gauge("walcast_outbox_bytes", "What waits for all sockets together.");
    OUTBOX_FILL =
        gauge("walcast_outbox_fill_ratio", "What waits for the slowest socket, as a part of `WALCAST_OUTBOX_BYTES`.");
    OUTBOX_SOCKETS = gauge("walcast_outbox_sockets", "Sockets for which something waits.");

    SOCKETS = gauge("walcast_sockets", "Sockets that are connected.");
    HANDSHAKES_WAITING = gauge("walcast_handshakes_waiting", "Clients that wait in line to be let in.");
    ROOMS = gauge("walcast_rooms", "Rooms that somebody is in.");
    SESSIONS = gauge("walcast_sessions", "Sessions of sockets that went and may come back.");
    HISTORY_EVENTS = gauge("walcast_history_events", "Events kept for clients that come back.");
    HISTORY_BYTES = gauge("walcast_history_bytes", "What the kept events take in memory.");
    RECOVERIES =
        counter("walcast_recoveries_total", "Clients that came back by themselves, by whether they missed nothing.")
            .by("recovered", &["yes", "no"]);
    CONNECTIONS_ENDED =
        counter("walcast_connections_ended_total", "Connections that the server ended, by reason.")
            .by("reason", &["slow_consumer"]);
    REFUSALS = counter("walcast_refusals_total", "Requests of sockets that were refused, by the code of the error, or by the limit: `too_many_rooms`, `too_many_sockets`, `too_deep`.")
        .by("code", &[]);
    TOKENS = counter(
        "walcast_tokens_total",
        "Tokens of connected sockets: `expired`, `refreshed`, or expired and so `disconnected`."
    ).by("fate", &["expired", "refreshed", "disconnected"]);

    WRITES = counter(
        "walcast_writes_total",
        "Writes of sockets, by outcome: `ok`, or the code of the error, as `conflict`; `unknown`: lost in COMMIT."
    ).by("outcome", &["ok", "conflict", "unavailable", "unknown", "internal"]);
    WRITE_RETRIES =
        counter("walcast_write_retries_total", "Writes tried again after a deadlock or a serialization failure.");
    WRITE_SECONDS = histogram(
        "walcast_write_duration_seconds",
        LATENCIES,
        "What a write of a socket took, waiting for a connection and retries included."
    );
    API_REQUESTS = counter("walcast_api_requests_total", "Requests to the polling API, by the status they were answered with.")
        .by("status", &[]);
    HTTP_REFUSALS = counter(
        "walcast_http_refusals_total",
        "Who was refused before it showed a token: for its `origin`, for what comes from its address (`connections`, `failed_handshakes`), or as too slow (`slow_handshake`)."
    ).by("reason", &["origin", "connections", "failed_handshakes", "slow_handshake"]);

    ROW_SECURITY_QUESTIONS = counter(
        "walcast_row_security_questions_total",
        "Rows and users of whom row-level security had to say whether the one is told of the other."
    );
    ROW_SECURITY_ANSWERS = counter(
        "walcast_row_security_answers_total",
        "Answers to them: known before (`cache`), or asked for (`database`). Where none comes, nothing is told."
    ).by("from", &["cache", "database"]);

    BUILD = gauge("walcast_build_info", "1, with the version of walcast.").by("version", &[]);
    CPU = counter("process_cpu_seconds_total", "CPU time of the process, in whole seconds.");
    RESIDENT = gauge("process_resident_memory_bytes", "Memory of the process.");
    OPEN_FDS = gauge("process_open_fds", "File descriptors that are open: about one a socket.");
    MAX_FDS = gauge("process_max_fds", "File descriptors that may be open.");
    STARTED = gauge("process_start_time_seconds", "When the process started, in seconds since 1970.");
}
