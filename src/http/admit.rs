use std::sync::Once;

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::listener::Peer;
use crate::{
    admission::{Admission, Failed},
    telemetry,
};

/// What is behind the door.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// A page of a strange origin may not even open them.
    Sockets,
    /// CORS keeps a page of a strange origin from reading, and the token that it has not from writing.
    Api,
}

/// Lets a request in, or refuses it before anything of it is looked at: for its origin, for what came from its address before,
/// or for how many do at once. Of what it lets in, it counts what was refused inside.
pub async fn admit(admission: Admission, room: Room, mut request: Request, next: Next) -> Response {
    let Some(Peer { address, seat }) = request.extensions_mut().remove::<Peer>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Admission { origins, visitors } = admission;
    if visitors.overhear(address, request.headers()) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::warn!(
                peer = %address,
                "requests come with X-Forwarded-For from an address that is not in WALCAST_TRUSTED_PROXIES: it is ignored; if a \
                 proxy of yours is there, name it, since else all of its clients count as one"
            );
        });
    }
    let visitor = visitors.asking(address, request.headers());
    // Who has a session has shown that it is no stranger, or has little time left to.
    let begins = room == Room::Api || !has_session(&request);
    if let Some(wait) = visitor.is_refused().filter(|_| begins) {
        telemetry::http_refused("failed_handshakes");
        return refuse("too many handshakes failed", wait.as_secs() + 1);
    }
    if room == Room::Sockets && !origins.admit(request.headers(), visitors.trust(address)) {
        telemetry::http_refused("origin");
        visitor.fail();
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect: it is not in FRONTEND_URL")
            .into_response();
    }
    // Until it is answered; a WebSocket takes it along.
    let Some(seat) = seat.or_else(|| visitor.take_seat()) else {
        telemetry::http_refused("connections");
        return refuse("too many connections from one address", 1);
    };
    request.extensions_mut().insert(seat.clone());
    request.extensions_mut().insert(visitor.clone());
    let response = next.run(request).await;
    drop(seat);
    if response.extensions().get::<Failed>().is_some() {
        visitor.fail();
    }
    response
}

fn has_session(request: &Request) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sid=")))
}

fn refuse(why: &str, seconds: u64) -> Response {
    let message = format!("{why}: try again in {seconds} s");
    let body = json!({ "ok": false, "error": { "code": "rate_limited", "message": message } });
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, HeaderValue::from(seconds))], Json(body)).into_response()
}
