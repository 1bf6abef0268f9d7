use std::{future, sync::Arc};

use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{SocketRef, TryData},
    handler::ConnectHandler,
    socket::DisconnectReason,
};

use super::{Gateway, inbound::Inbound, session::Session, subscribe};
use crate::auth::Claims;

/// A refusal, word for word as clients compare it.
pub const NO_TOKEN: &str = "Authentication error: No token provided";
/// A refusal, word for word as clients compare it.
pub const INVALID_TOKEN: &str = "Authentication error: Invalid token";

/// Installs the namespace `/`: every socket of it has shown a token.
///
/// Handlers are plain functions that return a ready future, not `async` ones: the library calls them in the order of the
/// socket's packets, and spawns only what they return.
pub fn install(io: &SocketIo, gateway: Arc<Gateway>) {
    let enter = {
        let gateway = gateway.clone();
        move |socket: SocketRef, TryData(auth): TryData<Value>| {
            let auth = auth.unwrap_or_default();
            let entered = authenticate(&gateway, &socket, &auth).map(|claims| {
                let session = Session::new(gateway.clone(), claims, subscribe::resume(&auth));
                listen(&socket, Arc::new(session));
            });
            future::ready(entered)
        }
    };
    let connected = move |socket: SocketRef| {
        if let Some(session) = socket.extensions.get::<Arc<Session>>() {
            session.open(&socket);
        }
        future::ready(())
    };
    io.ns("/", connected.with(enter));
}

fn authenticate(gateway: &Gateway, socket: &SocketRef, auth: &Value) -> Result<Claims, &'static str> {
    let in_auth = auth.get("token").and_then(Value::as_str);
    let token = in_auth.filter(|token| !token.is_empty()).or_else(|| bearer(socket)).ok_or(NO_TOKEN)?;
    gateway.verifier.verify(token).map_err(|error| {
        tracing::debug!(socket = %socket.id, %error, "handshake refused");
        INVALID_TOKEN
    })
}

fn bearer(socket: &SocketRef) -> Option<&str> {
    let header = socket.req_parts().headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// Listens from before the client hears that it is connected: what it sends at once must find its handler.
fn listen(socket: &SocketRef, session: Arc<Session>) {
    socket.extensions.insert(session.clone());
    socket.on_fallback({
        let session = session.clone();
        move |socket: SocketRef, inbound: Inbound| {
            session.receive(socket, inbound);
            future::ready(())
        }
    });
    socket.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| async move {
        tracing::debug!(socket = %socket.id, ?reason, "socket disconnected");
        session.close(socket.id.as_str()).await;
    });
}
