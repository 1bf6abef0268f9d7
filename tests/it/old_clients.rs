//! Clients of Socket.IO 2 speak Engine.IO 3, which is not served: they are told so and fail, rather than hang.

use serde_json::{Value, json};

use crate::support::{Database, Server, Sockets};

#[tokio::test]
async fn a_client_of_version_2_gets_a_connect_error() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    for (transports, error) in [
        (vec!["websocket"], "websocket error"),
        (vec!["polling"], "xhr poll error"),
        (vec!["polling", "websocket"], "xhr poll error"),
    ] {
        let options = json!({ "transports": transports });
        let old = json!({ "url": server.url(), "version": 2, "options": options });
        assert_eq!(sockets.client(old).await.err().as_deref(), Some(error), "{transports:?}");
    }
}

/// The answer to a handshake in which the version of the protocol is this.
async fn answers(server: &Server, version: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for transport in ["polling", "websocket"] {
        let path = format!("/socket.io/?{version}transport={transport}");
        let upgrade =
            ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
        let headers = if transport == "websocket" { &upgrade[..] } else { &[] };
        let (status, head, body) = server.get(&path, headers).await;
        assert_eq!(status, 400, "{head}");
        answers.push(serde_json::from_str(&body).expect("JSON"));
    }
    answers
}

#[tokio::test]
async fn another_version_of_the_protocol_is_named_as_the_reason() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for version in ["EIO=3&", "EIO=5&", "EIO=&", ""] {
        for answer in answers(&server, version).await {
            assert_eq!(answer["message"], "Unsupported protocol version", "{version}");
        }
    }
}

#[tokio::test]
async fn the_code_of_a_refusal_is_a_number_as_in_the_reference_server() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for answer in answers(&server, "EIO=3&").await {
        assert_eq!(answer, json!({ "code": 5, "message": "Unsupported protocol version" }));
    }
}
