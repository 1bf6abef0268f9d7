use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{self, HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::{
    connection::Connection,
    dashboard::FromHere,
    link::{Link, Stream, Terms},
    requests::{Refusal, Requests},
    websocket::{self, offers_deflate},
};
use crate::admission::{Seat, Visitor};

/// What is known of the client that asks.
struct Client {
    headers: HeaderMap,
    visitor: Option<Visitor>,
    seat: Option<Seat>,
    from_here: Option<FromHere>,
}

/// Takes a WebSocket's handshake (RFC 6455, section 4.2), of a new client or of one that polled until now.
pub fn upgrade(requests: &Requests, session: Option<Arc<Link>>, mut request: Request) -> Result<Response, Refusal> {
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
    if session.as_ref().is_some_and(|link| !link.begin_upgrade()) {
        return Err(Refusal::BadRequest);
    }

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
    // The original headers go with it: the library would keep them, and with them the buffer that they were read into.
    let headers = headers_of(&request);
    let extensions = request.extensions_mut();
    let client =
        Client { headers, visitor: extensions.remove(), seat: extensions.remove(), from_here: extensions.remove() };
    drop(request);
    let requests = requests.clone();
    tokio::spawn(async move {
        match connection.await {
            Ok(connection) => serve(&requests, session, connection, &terms, client).await,
            Err(error) => tracing::debug!(%error, "a WebSocket was gone before it was set up"),
        }
    });
    Ok(response)
}

/// The headers that are looked at later, in copies of their own.
fn headers_of(request: &Request) -> HeaderMap {
    let copy = |name: header::HeaderName| {
        let value = HeaderValue::from_bytes(request.headers().get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    };
    [header::AUTHORIZATION, header::USER_AGENT].into_iter().filter_map(copy).collect()
}

async fn serve(requests: &Requests, session: Option<Arc<Link>>, connection: Upgraded, terms: &Terms, client: Client) {
    let Ok(parts) = connection.downcast::<TokioIo<Connection>>() else {
        tracing::error!("a WebSocket came over a connection of an unknown kind: report it");
        return;
    };
    let connection = parts.io.into_inner();
    let mut request = http::Request::new(());
    let sid = session.as_ref().and_then(|link| link.sid());
    let link = session.unwrap_or_else(|| Link::over_websocket(requests.library.clone(), client.visitor));
    match sid.map(|sid| Uri::try_from(format!("/socket.io/?EIO=4&transport=websocket&sid={sid}"))) {
        Some(Ok(uri)) => *request.uri_mut() = uri,
        Some(Err(_)) => return,
        None => {
            *request.uri_mut() = Uri::from_static("/socket.io/?EIO=4&transport=websocket");
            *request.headers_mut() = client.headers;
            client.from_here.map(|from_here| request.extensions_mut().insert(from_here));
        }
    }
    if let Some(stream) = Stream::new(link, connection, client.seat, &parts.read_buf, terms) {
        requests.library.serve(stream, request).await;
    }
}

/// Whether a header that is a list names a word.
fn names(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
}
