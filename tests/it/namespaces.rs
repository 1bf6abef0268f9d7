//! Only the namespaces `/` and `/dashboard` are there; who asks for another is told so, and nobody else is harmed.

use serde_json::json;

use crate::support::{Database, Server, Sockets, token};

#[tokio::test]
async fn another_namespace_on_the_same_connection_is_refused_and_the_first_lives_on() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        // A process each, since it keeps what may be shared.
        let sockets = Sockets::start().await;
        let options = json!({ "transports": transports, "auth": { "token": token("ann") }, "forceNew": false });
        let mut client = sockets.try_connect(&server, options.clone()).await.expect("connects");
        let elsewhere = json!({ "url": format!("{}/nowhere", server.url()), "options": options });
        for _ in 0..2 {
            let refusal = sockets.client(elsewhere.clone()).await.err();
            assert_eq!(refusal.as_deref(), Some("Invalid namespace"), "{transports:?}");
        }
        client.catch_up(&database).await;
        assert_eq!(client.received(), [], "it is not disconnected");
    }
}

#[tokio::test]
async fn another_namespace_alone_is_refused() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    for transport in ["websocket", "polling"] {
        let options = json!({ "transports": [transport], "auth": { "token": token("ann") } });
        let elsewhere = json!({ "url": format!("{}/nowhere", server.url()), "options": options });
        assert_eq!(sockets.client(elsewhere).await.err().as_deref(), Some("Invalid namespace"), "{transport}");
    }
}
