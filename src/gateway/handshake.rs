use std::{borrow::Cow, future, sync::Arc};

use axum::http::{HeaderMap, header};
use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{SocketRef, TryData},
    handler::ConnectHandler,
    socket::DisconnectReason,
};
use tokio::sync::oneshot;

use super::{Gateway, comeback, inbound::Inbound, library::Library, link::Link, refresh::Bearer, session::Session};
use crate::{auth::Claims, hub::HubError, telemetry};

/// A refusal, word for word as clients compare it.
pub const NO_TOKEN: &str = "Authentication error: No token provided";
/// A refusal, word for word as clients compare it.
pub const INVALID_TOKEN: &str = "Authentication error: Invalid token";
/// The connection ends with it, so a stock client tries again.
const UNAVAILABLE: &str = "the server cannot take the socket now: connect again";

/// Installs the namespace `/`: every socket of it has shown a token, and is in the hub before its client hears that it is
/// connected.
pub fn install(io: &SocketIo, gateway: Arc<Gateway>) {
    let enter = move |socket: SocketRef, TryData(auth): TryData<Value>| {
        let gateway = gateway.clone();
        async move { enter(gateway, &socket, &auth.unwrap_or_default()).await }
    };
    let connected = |_: SocketRef| future::ready(());
    io.ns("/", connected.with(enter));
}

async fn enter(gateway: Arc<Gateway>, socket: &SocketRef, auth: &Value) -> Result<(), Cow<'static, str>> {
    let link = knock(&gateway.library, socket)?;
    let (claims, all) = authenticate(&gateway, socket, auth, &link)?;
    let all: Arc<str> = all.into();
    let recovers = recovers(socket, auth);
    let visit = link.enter(recovers);
    let (sender, entered) = oneshot::channel();
    let (comeback, complaint) = match comeback::read(auth) {
        Ok(comeback) => (comeback, None),
        Err(failure) => (None, Some(failure)),
    };
    gateway.hub.connect(
        Session::member(&claims, &all, &link, recovers),
        Session::own_room(&claims),
        comeback,
        Box::new(move |entered| drop(sender.send(entered))),
    );
    let entered = match entered.await {
        Ok(Ok(entered)) => entered,
        // Coming again at once would not help.
        Ok(Err(error @ HubError::TooManySockets(_))) => {
            telemetry::refused("too_many_sockets");
            return Err(error.to_string().into());
        }
        _ => {
            link.turn_away(UNAVAILABLE);
            return Err(UNAVAILABLE.into());
        }
    };
    link.set_session(entered.session);
    let session = Arc::new(Session::new(gateway, link, visit, entered.socket, Bearer::new(claims, all)));
    session.watch_token();
    if let Some(failure) = complaint {
        session.complain(failure);
    }
    for (prefix, room, error) in entered.refused {
        session.refuse(&prefix, &room, error.into());
    }
    listen(socket, session);
    Ok(())
}

/// The link of a socket that asks to come in, unless too many failed that came from where it does.
pub fn knock(library: &Library, socket: &SocketRef) -> Result<Arc<Link>, &'static str> {
    let Some(link) = library.find(socket.id) else {
        tracing::debug!(socket = %socket.id, "the connection was lost while its socket came in");
        return Err(UNAVAILABLE);
    };
    // One connection may ask as often as it likes.
    if link.is_refused() {
        telemetry::http_refused("failed_handshakes");
        link.turn_away("too many handshakes failed");
        return Err(UNAVAILABLE);
    }
    Ok(link)
}

fn authenticate(
    gateway: &Gateway,
    socket: &SocketRef,
    auth: &Value,
    link: &Link,
) -> Result<(Claims, String), &'static str> {
    let in_auth = auth.get("token").and_then(Value::as_str);
    let token = in_auth.filter(|token| !token.is_empty()).or_else(|| bearer(&socket.req_parts().headers));
    let Some(token) = token else {
        link.count_failure();
        return Err(NO_TOKEN);
    };
    gateway.verifier.verify_whole(token).map_err(|error| {
        tracing::debug!(socket = %socket.id, %error, "handshake refused");
        // A token that has expired was a good one.
        if !error.has_expired() {
            link.count_failure();
        }
        INVALID_TOKEN
    })
}

/// Whether the client takes the offset that ends each event. A handler in Python takes no argument more than it names; in
/// every other language that has a client, one more does no harm. `auth: {recovery}` says it where the client knows better.
fn recovers(socket: &SocketRef, auth: &Value) -> bool {
    let agent = socket.req_parts().headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    auth.get("recovery").and_then(Value::as_bool).unwrap_or(!agent.to_ascii_lowercase().contains("python"))
}

/// The token in the header `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// Listens from before the client hears that it is connected: what it sends at once must find its handler.
///
/// Handlers are plain functions that return a ready future, not `async` ones: the library calls them in the order of the
/// socket's packets, and spawns only what they return.
fn listen(socket: &SocketRef, session: Arc<Session>) {
    socket.on_fallback({
        let session = session.clone();
        move |socket: SocketRef, inbound: Inbound| {
            session.receive(&socket, &inbound);
            future::ready(())
        }
    });
    socket.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
        tracing::debug!(socket = %socket.id, ?reason, "socket disconnected");
        session.leave();
        future::ready(())
    });
}
