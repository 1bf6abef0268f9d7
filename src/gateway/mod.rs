//! Floor 3: Socket.IO in and out. The only importer of socketioxide.
//!
//! A socket comes in by [`handshake`], which checks its token, and has a [`session`] until it goes. What it sends is read
//! by [`inbound`] and answered by [`reply`]; what it is sent goes through its [`outbox`].

mod connection;
mod connections;
mod handshake;
mod inbound;
mod outbox;
mod reply;
mod session;
mod subscribe;
pub mod websocket;

use std::{sync::Arc, time::Duration};

use socketioxide::{SocketIo, layer::SocketIoLayer};

pub use connection::{Connection, Cut};
pub use connections::Connections;
pub use handshake::{INVALID_TOKEN, NO_TOKEN};
use outbox::Limits;

use crate::{auth::Verifier, hub::Hub};

/// What the gateway is built from.
pub struct Settings {
    pub hub: Hub,
    pub verifier: Arc<Verifier>,
    pub connections: Connections,
    /// The largest inbound payload, in bytes.
    pub max_payload: usize,
    /// How many bytes may wait for one socket.
    pub outbox_bytes: usize,
    /// How long a socket may take nothing while something waits for it.
    pub stall_timeout: Duration,
}

/// What every session of this server shares.
struct Gateway {
    hub: Hub,
    verifier: Arc<Verifier>,
    connections: Connections,
    max_payload: usize,
    limits: Limits,
}

/// Messages over the payload limit are refused with an error that names it, so they must first be let in: up to this
/// many times the limit. What is larger ends the connection.
const LET_IN: usize = 8;
/// Packets that the library may hold for one socket; what comes on top waits in its [`outbox`].
const LIBRARY_QUEUE: usize = 512;

/// Socket.IO as a tower layer for `/socket.io/`, and the handle that closes it.
pub fn build(settings: Settings) -> (SocketIoLayer, SocketIo) {
    let let_in = settings.max_payload.saturating_mul(LET_IN);
    let (layer, io) = SocketIo::builder()
        .max_payload(let_in as u64)
        .ws_max_message_size(let_in)
        .ws_max_frame_size(let_in)
        .max_buffer_size(LIBRARY_QUEUE)
        .build_layer();
    let gateway = Arc::new(Gateway {
        hub: settings.hub,
        verifier: settings.verifier,
        connections: settings.connections,
        max_payload: settings.max_payload,
        limits: Limits { bytes: settings.outbox_bytes, stall: settings.stall_timeout },
    });
    handshake::install(&io, gateway);
    (layer, io)
}
