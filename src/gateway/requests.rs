use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use socketioxide::socket::Sid;

use super::{
    dashboard::FromHere,
    library::Library,
    link::{Link, NoPoll},
    upgrade,
};
use crate::admission::{Closed, Failed, Line};

/// What the requests of this server share.
#[derive(Clone)]
pub struct Requests {
    pub library: Library,
    /// Where new clients wait to be let in.
    pub line: Arc<Line>,
    /// The most bytes of one message that is let in.
    pub let_in: usize,
    /// How long a client that polls may take to send what it has to say.
    pub body: Duration,
    /// Whether it matters who comes from this machine.
    pub is_open: bool,
}

/// Socket.IO's own path. Polling passes through here to the library and back; a WebSocket is ours.
pub fn routes(requests: Requests) -> Router {
    Router::new().route("/socket.io", any(receive)).route("/socket.io/", any(receive)).with_state(Arc::new(requests))
}

/// What the query says: see the Engine.IO protocol.
struct Query<'a> {
    version: Option<&'a str>,
    transport: Option<&'a str>,
    sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn read(query: &'a str) -> Self {
        let find = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        Query { version: find("EIO"), transport: find("transport"), sid: find("sid") }
    }
}

/// Why a request is refused; but for the last, as Engine.IO's reference server says it.
#[derive(Clone, Copy)]
pub enum Refusal {
    UnknownTransport,
    UnknownSession,
    BadMethod,
    BadRequest,
    UnsupportedVersion,
    /// The server stops: whoever waits comes to another.
    Stopping,
}

impl From<Closed> for Refusal {
    fn from(_: Closed) -> Self {
        Refusal::Stopping
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, message) = match self {
            Refusal::UnknownTransport => (0, "Transport unknown"),
            Refusal::UnknownSession => (1, "Session ID unknown"),
            Refusal::BadMethod => (2, "Bad handshake method"),
            Refusal::BadRequest => (3, "Bad request"),
            Refusal::UnsupportedVersion => (5, "Unsupported protocol version"),
            Refusal::Stopping => {
                return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "stopping").into_response();
            }
        };
        let body = serde_json::json!({ "code": code, "message": message });
        let mut response = (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
        // Whoever polled when the server was restarted is no attacker.
        if !matches!(self, Refusal::UnknownSession) {
            response.extensions_mut().insert(Failed);
        }
        response
    }
}

async fn receive(State(requests): State<Arc<Requests>>, mut request: Request) -> Response {
    if requests.is_open
        && let Some(from_here) = FromHere::read(request.headers())
    {
        request.extensions_mut().insert(from_here);
    }
    respond(&requests, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn respond(requests: &Requests, mut request: Request) -> Result<Response, Refusal> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let query = Query::read(&query);
    if query.version != Some("4") {
        return Err(Refusal::UnsupportedVersion);
    }
    let session = match query.sid.map(|sid| sid.parse::<Sid>()) {
        None => None,
        Some(Err(_)) => return Err(Refusal::UnknownSession),
        Some(Ok(sid)) => {
            Some(requests.library.find(sid).filter(|link| !link.has_ended()).ok_or(Refusal::UnknownSession)?)
        }
    };
    if let Some(link) = &session {
        link.hear();
    }
    match (query.transport, session) {
        (Some("websocket"), session) => upgrade::upgrade(requests, session, request).await,
        (Some("polling"), None) if request.method() != Method::GET => Err(Refusal::BadMethod),
        (Some("polling"), None) => {
            requests.line.turn().await?;
            let link = Link::over_polling(requests.library.clone(), request.extensions_mut().remove());
            let opened = requests.library.open(&link, opening(&mut request)).await;
            Ok(opened.map_or_else(|refused| refused, packets))
        }
        (Some("polling"), Some(link)) if !link.polls() => Err(Refusal::BadRequest),
        (Some("polling"), Some(link)) if request.method() == Method::GET => match link.poll().await {
            Ok(body) => Ok(packets(body)),
            Err(NoPoll::Ended) => Err(Refusal::UnknownSession),
            Err(NoPoll::NotNow) => Err(Refusal::BadRequest),
        },
        (Some("polling"), Some(_)) => {
            let answer = tokio::time::timeout(requests.body, requests.library.request(request)).await;
            Ok(answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response()))
        }
        _ => Err(Refusal::UnknownTransport),
    }
}

/// The body of a poll.
fn packets(body: bytes::Bytes) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], body).into_response()
}

/// What the library is to know of a client, which it keeps: copies, since the original headers would keep the buffer that
/// they were read into.
pub fn opening(request: &mut Request) -> Request {
    let copy = |name: header::HeaderName| {
        let value = HeaderValue::from_bytes(request.headers().get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    };
    let headers: HeaderMap = [header::AUTHORIZATION, header::USER_AGENT].into_iter().filter_map(copy).collect();
    let mut opening = Request::new(Body::empty());
    *opening.headers_mut() = headers;
    if let Some(from_here) = request.extensions_mut().remove::<FromHere>() {
        opening.extensions_mut().insert(from_here);
    }
    opening
}
