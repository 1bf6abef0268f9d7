//! Pages of strange origins: CORS does not keep them from opening a WebSocket.

use serde_json::{Value, json};

use crate::support::{Browser, Connection, Database, Server, WebSocket, token};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// Over polling, and by a WebSocket: what each is answered with.
async fn statuses(server: &Server, headers: &[&str]) -> [u16; 2] {
    let polled = Connection::open(server.address).await.request("GET", POLL, headers, "").await.status;
    let shaken = WebSocket::shake(Connection::open(server.address).await, None, headers).await;
    [polled, shaken.map_or_else(|response| response.status, |_| 101)]
}

const IN: [u16; 2] = [200, 101];
const OUT: [u16; 2] = [403, 403];

#[tokio::test]
async fn pages_of_other_origins_are_refused_over_each_transport() {
    let database = Database::new().await;
    let arguments = ["--frontend-url", "https://app.example.com,http://localhost:5173"];
    let server = Server::start_with(&database, &arguments).await;
    for (headers, expected) in [
        // Who is no browser.
        (vec![], IN),
        (vec!["Origin: https://app.example.com"], IN),
        (vec!["Origin: http://localhost:5173"], IN),
        // Tests and this machine's proxies ask for host `walcast`.
        (vec!["Origin: http://walcast"], IN),
        (vec!["Origin: https://walcast"], IN),
        (vec!["Origin: http://walcast:81"], OUT),
        (vec!["Origin: https://evil.example"], OUT),
        (vec!["Origin: https://app.example.com.evil.example"], OUT),
        (vec!["Origin: http://app.example.com"], OUT),
        (vec!["Origin: null"], OUT),
        (vec!["Origin: https://app.example.com", "Origin: https://evil.example"], OUT),
        (vec!["Origin: https://public.example", "X-Forwarded-Host: public.example"], IN),
        (vec!["Origin: https://evil.example", "X-Forwarded-Host: public.example"], OUT),
    ] {
        assert_eq!(statuses(&server, &headers).await, expected, "{headers:?}");
    }
    server.until_metric("walcast_http_refusals_total{reason=\"origin\"}", |refused| refused == 14.0).await;
}

#[tokio::test]
async fn only_a_trusted_proxy_says_under_which_name_the_server_was_asked_for() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--trusted-proxies", ""]).await;
    let headers = ["Origin: https://public.example", "X-Forwarded-Host: public.example"];
    assert_eq!(statuses(&server, &headers).await, OUT);
}

#[tokio::test]
async fn any_origin_may_come_where_that_is_asked_for() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--frontend-url", "*"]).await;
    for origin in ["Origin: https://evil.example", "Origin: null"] {
        assert_eq!(statuses(&server, &[origin]).await, IN, "{origin}");
    }
    let (_, head, _) = server.get("/healthz", &["Origin: https://evil.example"]).await;
    let head = head.to_lowercase();
    assert!(head.contains("access-control-allow-origin: https://evil.example"), "{head}");
}

#[tokio::test]
async fn a_real_page_of_another_origin_opens_no_websocket() {
    let browser = Browser::start();
    let (page, stranger) = (browser.open().await, browser.open().await);
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--frontend-url", &page.origin]).await;
    let options: Value = json!({ "transports": ["websocket"], "auth": { "token": token("ann") } });
    let refusal = browser.client(&stranger, &server.url(), &options).await.err();
    assert_eq!(refusal.as_deref(), Some("websocket error"));
    browser.client(&page, &server.url(), &options).await.expect("connects");
    browser.close().await;
}
