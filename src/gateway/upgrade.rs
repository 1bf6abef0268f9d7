use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::{
    connection::Connection,
    link::{Link, Reader, Terms},
    requests::{Refusal, Requests, opening},
    websocket::{self, offers_deflate},
};
use crate::admission::{Seat, Visitor};

/// What is known of the client that asks.
struct Client {
    /// What the library is to know of it.
    opening: Request,
    visitor: Option<Visitor>,
    seat: Option<Seat>,
}

/// Takes a WebSocket's handshake (RFC 6455, section 4.2), of a new client or of one that polled until now.
pub async fn upgrade(
    requests: &Requests,
    session: Option<Arc<Link>>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && names(headers, header::UPGRADE, "websocket")
        && names(headers, header::CONNECTION, "upgrade")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks).ok_or(Refusal::BadRequest)?;
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let accept = HeaderValue::try_from(accept).map_err(|_| Refusal::BadRequest)?;
    let offers = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().filter_map(|value| value.to_str().ok());
    let terms = Terms { upgrades: session.is_some(), compressed: offers_deflate(offers), limit: requests.let_in };
    let begun = match &session {
        Some(link) => Some(link.begin_upgrade().ok_or(Refusal::BadRequest)?),
        None => {
            requests.line.turn().await?;
            None
        }
    };

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if terms.compressed {
        answer.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(websocket::ACCEPTED));
    }

    let connection = hyper::upgrade::on(&mut request);
    let opening = opening(&mut request);
    let extensions = request.extensions_mut();
    let client = Client { opening, visitor: extensions.remove(), seat: extensions.remove() };
    drop(request);
    let requests = requests.clone();
    tokio::spawn(async move {
        let reader = match connection.await {
            Ok(connection) => open(&requests, session, connection, &terms, client).await,
            Err(error) => return tracing::debug!(%error, "a WebSocket was gone before it was set up"),
        };
        // In a task of its own, since this one has become large.
        if let Some(reader) = reader {
            tokio::spawn(async move {
                reader.run().await;
                drop(begun);
            });
        }
    });
    Ok(response)
}

/// Connects a WebSocket with its session, which is a new one if the client has none.
async fn open(
    requests: &Requests,
    session: Option<Arc<Link>>,
    connection: Upgraded,
    terms: &Terms,
    client: Client,
) -> Option<Reader> {
    let Ok(parts) = connection.downcast::<TokioIo<Connection>>() else {
        tracing::error!("a WebSocket came over a connection of an unknown kind: report it");
        return None;
    };
    let connection = parts.io.into_inner();
    let is_new = session.is_none();
    let link = session.unwrap_or_else(|| Link::over_websocket(requests.library.clone(), client.visitor));
    let reader = Reader::new(link.clone(), connection, client.seat, &parts.read_buf, terms)?;
    if is_new {
        match requests.library.open(&link, client.opening).await {
            Ok(packet) => link.greet(&packet),
            Err(refused) => {
                tracing::error!(status = %refused.status(), "the library opens no session: report it");
                return None;
            }
        }
    }
    Some(reader)
}

/// Whether a header that is a list names a word.
fn names(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
}
