use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use super::listener::{Listener, Patience, Peer};
use crate::{gateway::Connection, telemetry};

/// The most bytes of a request's headers.
const HEADERS: usize = 64 << 10;

/// Serves HTTP to whoever the listener brings, until `closing`; it ends with the last connection.
pub async fn serve(mut listener: Listener, router: Router, patience: Patience, closing: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let (connection, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.cancelled() => break,
        };
        connections.spawn(converse(connection, peer, router.clone(), patience, closing.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn converse(connection: Connection, peer: Peer, router: Router, patience: Patience, closing: CancellationToken) {
    let (address, asked) = (peer.address, Arc::new(AtomicBool::new(false)));
    let asks = asked.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        // It is always ready.
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.idle).max_buf_size(HEADERS);
    let mut serving = pin!(http.serve_connection(TokioIo::new(connection), answer).with_upgrades());
    let dawdles = async {
        tokio::time::sleep(patience.handshake).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let served = tokio::select! {
        // What has come is looked at before the clock: where thousands come at once, it may have waited for us.
        biased;
        served = serving.as_mut() => served,
        () = dawdles => {
            telemetry::http_refused("slow_handshake");
            return tracing::debug!(peer = %address, "a connection sent no whole request in time");
        }
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(peer = %address, %error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::{
        admission::{Limits, Proxies, Visitors},
        http::bind,
    };

    #[tokio::test]
    async fn a_connection_that_is_kept_for_nothing_is_closed_and_one_in_use_is_not() {
        let long = Duration::from_secs(3600);
        let patience = Patience { idle: Duration::from_millis(300), ..Patience::new(long, long) };
        let visitors = Visitors::new(Limits { connections: 0, failures: None }, Proxies::new(vec![]));
        let listener = bind(([127, 0, 0, 1], 0).into(), patience, None, visitors).await.expect("a port");
        let address = listener.address().expect("an address");
        let slowly = async || {
            tokio::time::sleep(Duration::from_millis(600)).await;
            "done"
        };
        let router = Router::new().route("/", get(slowly));
        let closing = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, router, patience, closing.clone()));

        let mut stream = TcpStream::connect(address).await.expect("connects");
        let mut said = [0; 1024];
        // An answer may take longer than that.
        for _ in 0..2 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
            let length = stream.read(&mut said).await.expect("an answer");
            assert!(said[..length].starts_with(b"HTTP/1.1 200") && said[..length].ends_with(b"done"));
        }
        // Not even where the next request has begun.
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.expect("writes");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
        closing.cancel();
        serving.await.expect("it ends");
    }
}
