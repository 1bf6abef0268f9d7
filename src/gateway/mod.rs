//! Floor 3: Socket.IO in and out. The only importer of socketioxide.
//!
//! A client's [`requests`] come to the library, which keeps the protocol; a WebSocket by way of [`upgrade`]. Between the
//! connection and the library lies a [`link`], by which the socket is sent its events. A socket comes in by [`handshake`],
//! which checks its token, and has a [`session`] until it goes, or its token's [`expiry`]. What it sends is read by
//! [`inbound`] and answered by [`reply`]; what it [`write`]s, in its [`order`]. All that is of the namespace `/`; operators
//! have one of their own, the [`dashboard`].

mod comeback;
mod connection;
pub mod dashboard;
mod expiry;
mod follow;
mod handshake;
mod inbound;
mod library;
mod limits;
mod link;
mod order;
mod packet;
mod refresh;
mod reply;
mod requests;
mod session;
mod signal;
mod subscribe;
mod upgrade;
pub mod websocket;
mod write;

use std::{sync::Arc, time::Duration};

use socketioxide::SocketIo;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

pub use connection::Connection;
use expiry::Expiries;
use follow::Tables;
pub use handshake::{INVALID_TOKEN, NO_TOKEN, bearer};
use library::Library;
pub use limits::Rate;
pub use link::Beat;
use link::Limits;
use requests::Requests;
use write::Writing;

use crate::{
    admission::Line,
    auth::Verifier,
    hub::{Encode, Hub},
    store::{Reads, Writes},
};

/// What the gateway is built from.
pub struct Settings {
    pub hub: Hub,
    pub verifier: Arc<Verifier>,
    pub writes: Writes,
    pub reads: Reads,
    /// How many writes of one socket may wait.
    pub write_queue: usize,
    /// The largest inbound payload, in bytes.
    pub max_payload: usize,
    /// How deep it may nest.
    pub max_depth: usize,
    /// Where clients wait to be let in.
    pub line: Line,
    /// How often a socket may ask.
    pub rate: Rate,
    pub heartbeat: Beat,
    /// How many bytes may wait for one socket.
    pub outbox_bytes: usize,
    /// How long a socket may take nothing while something waits for it.
    pub stall_timeout: Duration,
    /// Frames of this many bytes and more are compressed.
    pub compress: usize,
    /// How long a socket whose token has expired may stay.
    pub token_grace: Duration,
    /// How long a client may be connected without having shown a token.
    pub handshake: Duration,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    pub dashboard: dashboard::Settings,
}

/// What every session of this server shares.
struct Gateway {
    hub: Hub,
    verifier: Arc<Verifier>,
    library: Library,
    writing: Arc<Writing>,
    tables: Arc<Tables>,
    expiries: Expiries,
    max_payload: usize,
    max_depth: usize,
}

/// Messages over the payload limit are refused with an error that names it, so they must first be let in: up to this
/// many times the limit. What is larger ends the connection.
const LET_IN: usize = 8;

/// How often the library pings a client after the first time, which is at once: the links have a heartbeat of their own.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Ends what the gateway serves.
pub struct Sockets {
    line: Arc<Line>,
    library: Library,
    writing: Arc<Writing>,
    io: SocketIo,
    _dashboard: AbortOnDropHandle<()>,
}

/// How long writes that have begun are waited for.
const LAST_WRITES: Duration = Duration::from_secs(1);

impl Sockets {
    /// Writes that have begun are finished; every client is sent what waits for it and comes back, here or to another server; then the library closes.
    pub async fn close(self) {
        self.line.close();
        self.writing.stopping.cancel();
        self.writing.tracker.close();
        let _ = tokio::time::timeout(LAST_WRITES, self.writing.tracker.wait()).await;
        self.library.part();
        self.io.close().await;
    }
}

/// Socket.IO as routes for `/socket.io/`, and what ends it. Call it in a runtime.
pub fn build(settings: Settings) -> (axum::Router, Sockets) {
    let let_in = settings.max_payload.saturating_mul(LET_IN);
    let (service, io) = SocketIo::builder()
        .max_payload(let_in as u64)
        .ping_interval(NEVER)
        .ping_timeout(settings.heartbeat.patience)
        .connect_timeout(settings.handshake)
        .build_with_inner_svc(axum::Router::new());
    let writing = Arc::new(Writing {
        writes: settings.writes,
        queue: settings.write_queue,
        tracker: TaskTracker::new(),
        stopping: CancellationToken::new(),
    });
    let limits = Limits {
        bytes: settings.outbox_bytes,
        stall: settings.stall_timeout,
        compress: settings.compress,
        beat: settings.heartbeat,
        rate: settings.rate,
    };
    let library = Library::new(service, limits);
    let is_open = settings.dashboard.is_open;
    let dashboard =
        dashboard::install(&library, &io, settings.dashboard, settings.hub.clone(), Arc::clone(&settings.verifier));
    let gateway = Arc::new(Gateway {
        hub: settings.hub,
        verifier: settings.verifier,
        library: library.clone(),
        writing: Arc::clone(&writing),
        tables: Arc::new(Tables::new(settings.reads)),
        expiries: Expiries::watch(settings.token_grace),
        max_payload: settings.max_payload,
        max_depth: settings.max_depth,
    });
    handshake::install(&io, gateway);
    let line = Arc::new(settings.line);
    let sockets = Sockets { line: Arc::clone(&line), library: library.clone(), writing, io, _dashboard: dashboard };
    (requests::routes(Requests { library, line, let_in, body: settings.body, is_open }), sockets)
}

/// How the hub's events are written. With `recovery`, they carry what stock clients come back with.
pub fn encode(recovery: bool) -> Encode {
    if recovery { packet::event } else { packet::event_without_offset }
}
