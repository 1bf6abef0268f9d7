//! `POST /api/broadcast`: services tell events by a token that lets them.

use serde_json::{Value, json};
use walcast::auth::sign_json;

use crate::support::{Cluster, Connection, Database, SECRET, Server, Sockets, token_for};

fn service() -> String {
    sign_json(&json!({ "sub": "billing", "broadcast": true }), SECRET).expect("signs")
}

/// The status, and the answer as JSON.
async fn post(server: &Server, token: &str, body: &str) -> (u16, Value) {
    let header = format!("Authorization: Bearer {token}");
    let mut connection = Connection::open(server.address).await;
    let response = connection.request("POST", "/api/broadcast", &[&header], body).await;
    let body = String::from_utf8(response.body).expect("a text");
    (response.status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    assert_eq!(answer.1["ok"], false, "{answer:?}");
    (answer.0, answer.1["error"]["code"].as_str().expect("a code"))
}

#[tokio::test]
async fn what_a_service_says_is_told_by_the_log() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    let body = r#"{"room": "user:ann", "event": "invoice:paid", "payload": {"id": 7}}"#;
    assert_eq!(post(&server, &service(), body).await, (202, json!({ "ok": true })));
    let told = client.expect("invoice:paid").await;
    assert!(told["id"] == 7 && told["offset"].is_string(), "{told}");
    assert_eq!(post(&server, &service(), r#"{"room": "user:ann", "event": "bare"}"#).await.0, 202);
    client.expect("bare").await;
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_and_not_told() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    let good = r#"{"room": "user:ann", "event": "ping", "payload": {}}"#;
    for claims in [
        json!({ "sub": "x" }),
        json!({ "sub": "x", "broadcast": "true" }),
        json!({ "sub": "x", "broadcast": 1 }),
        json!({ "sub": "x", "broadcast": [true] }),
        json!({ "sub": "x", "role": "service_role" }),
    ] {
        let token = sign_json(&claims, SECRET).expect("signs");
        assert_eq!(code(&post(&server, &token, good).await), (403, "forbidden"), "{claims}");
    }
    let forged = sign_json(&json!({ "sub": "x", "broadcast": true }), &"x".repeat(40)).expect("signs");
    assert_eq!(code(&post(&server, &forged, good).await), (401, "unauthorized"));
    assert_eq!(code(&post(&server, &token_for("x", -60), good).await), (401, "token_expired"));

    let of = |payload: &str| format!(r#"{{"room": "user:ann", "event": "ping", "payload": {payload}}}"#);
    let large = of(&format!(r#"{{"a": "{}"}}"#, "x".repeat(262_144)));
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        (r#"{"room": "user:ann"}"#, 400),
        (r#"{"room": 7, "event": "ping"}"#, 400),
        (r#"{"room": "user:ann\u0000", "event": "ping"}"#, 400),
        (r#"{"room": "user:'); DROP TABLE components; --", "event": "component:created"}"#, 400),
        (r#"{"room": "nowhere", "event": "ping"}"#, 400),
        (&of("[1]"), 400),
        (&of(r#"{"a": "\u0000"}"#), 400),
        (&large, 413),
        (&" ".repeat((1 << 20) + 1), 413),
    ] {
        let answer = post(&server, &service(), body).await;
        let expected = if status == 413 { "payload_too_large" } else { "invalid_payload" };
        assert_eq!(code(&answer), (status, expected), "{body:.80} {answer:?}");
    }
    assert_eq!(server.get("/api/broadcast", &[]).await.0, 405);
    database.sql("SELECT walcast.broadcast('user:ann', 'last')").await;
    client.expect("last").await;
}

#[tokio::test]
async fn without_a_database_it_is_unavailable_and_then_available_again() {
    let mut cluster = Cluster::start(&[]).await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--migrate"]).await;
    let body = r#"{"room": "user:ann", "event": "ping"}"#;
    assert_eq!(post(&server, &service(), body).await.0, 202);
    assert!(cluster.stop_fast(20).await);
    assert_eq!(code(&post(&server, &service(), body).await), (503, "unavailable"));
    server.becomes("Disconnected").await;
    cluster.start_again().await;
    assert_eq!(post(&server, &service(), body).await.0, 202);
}
