//! Nothing that is secret, and nothing of what is written, is in the log, however much is logged.

use serde_json::json;

use crate::support::{Connection, Database, Poller, SECRET, Server, WebSocket, token, token_for};

/// In every value that somebody writes or asks for.
const PAYLOAD: &str = "payload-marker-9f31";
const PASSWORD: &str = "password-marker-77ac";

/// Everything that tokens and values pass through, gone through once, also where it fails.
async fn traffic(database: &Database, server: &Server, tokens: &[&str]) {
    let id = database.component("c", r#"[{"id": "r", "nestedComponents": []}]"#).await;
    let [good, renewed, bad @ ..] = tokens else { panic!("tokens") };
    for token in bad {
        let mut socket = WebSocket::open(Connection::open(server.address).await, &[]).await;
        socket.show(token).await;
        assert!(socket.packet().await.starts_with("44"));
        let header = format!("Authorization: Bearer {token}");
        assert!(WebSocket::shake(Connection::open(server.address).await, None, &[&header]).await.is_ok());
        assert_eq!(server.get("/api/components/x", &[&header]).await.0, 401);
    }

    let mut socket = WebSocket::open(Connection::open(server.address).await, &[]).await;
    socket.show(good).await;
    socket.packet().await;
    socket.subscribe(json!({ "componentId": id })).await;
    let value = json!(PAYLOAD);
    let deep = json!({ PAYLOAD: [{ "more": PAYLOAD }] });
    let component = json!({ "type": "text", "name": value, "data": deep, "rows": [] });
    let of_page = |component| json!({ "entityType": "page", "entityId": "1", "component": component });
    for (event, payload) in [
        ("component:create", of_page(component)),
        ("component:create", of_page(json!({ "type": "text", PAYLOAD: 1 }))),
        ("component:create", of_page(json!({ "type": "text", "rows": value }))),
        ("component:update", json!({ "componentId": id, "updates": { "name": value } })),
        ("component:update", json!({ "componentId": id, "updates": { "name": value }, "version": 1 })),
        ("component:update", json!({ "componentId": id, "updates": { "type": "forbidden", "name": value } })),
        ("component:update", json!({ "componentId": PAYLOAD, "updates": { "name": value } })),
        ("component:nested-create", json!({ "componentId": id, "rowId": "r", "nestedComponent": { "text": value } })),
        ("component:cursor", json!({ "componentId": id, "position": deep })),
        ("component:typing", json!({ "componentId": id, "text": value })),
        ("presence:update", json!({ "componentId": id, "state": deep })),
        ("auth:refresh", json!({ "token": bad[0] })),
        ("auth:refresh", json!({ "token": renewed })),
        ("no such event", deep.clone()),
    ] {
        socket.request(event, payload).await;
    }
    // What is no event at all.
    socket.say(&format!("42[\"component:update\",{{\"broken\":\"{PAYLOAD}\"")).await;
    while socket.frame().await.is_some() {}

    let mut poller = Poller::open(server.address).await;
    poller.say(&format!("40{}", json!({ "token": good }))).await;
    poller.poll().await;
    poller
        .say(&format!("420{}", json!(["component:update", { "componentId": id, "updates": { "name": PAYLOAD } }])))
        .await;
    poller.poll().await;

    let header = format!("Authorization: Bearer {good}");
    for target in [
        "/api/components?entityType=page&entityId=1".to_owned(),
        format!("/api/components/{id}"),
        format!("/api/components/{PAYLOAD}"),
        format!("/api/components?entityType={PAYLOAD}&entityId=%00{PAYLOAD}"),
        format!("/api/components?entityType=page&entityId=1&after={PAYLOAD}&limit={PAYLOAD}"),
    ] {
        server.get(&target, &[&header]).await;
    }
    let body = json!({ "room": "user:ann", "event": "note", "payload": { "text": PAYLOAD } }).to_string();
    let unfit = format!(r#"{{"room": "user:ann", "event": "note", "payload": {{"text": "\u0000 {PAYLOAD}"}}}}"#);
    for body in [body.as_str(), &unfit, &format!("{{\"room\": \"{PAYLOAD}")] {
        Connection::open(server.address).await.request("POST", "/api/broadcast", &[&header], body).await;
    }
    // It was all heard, and the stream has told it.
    database.sql(&format!("SELECT walcast.broadcast('entity:page:1', 'note', '{{\"text\": \"{PAYLOAD}\"}}')")).await;
    database.until_confirmed().await;
}

async fn keeps_its_secrets(level: &str) {
    let database = Database::new().await;
    // What a constraint refuses, Postgres tells with the whole row.
    database.sql("ALTER TABLE components ADD CONSTRAINT kind CHECK (type <> 'forbidden')").await;
    let dsn = database.dsn().replace("password=''", &format!("password='{PASSWORD}'"));
    assert!(dsn.contains(PASSWORD), "{dsn}");
    let mut server = Server::start_on(&dsn, &database.name, &["--log", level, "--replay-window", "0s"]).await;
    let claims = json!({ "userId": "ann", "broadcast": true });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let good = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signs");
    let (renewed, expired) = (token("ann"), token_for("ann", -60));
    let forged = format!("{}x", &good[..good.len() - 4]);
    let tokens = [good.as_str(), &renewed, &expired, &forged, "token-marker-no-jwt"];
    traffic(&database, &server, &tokens).await;
    assert_eq!(server.stop().await, Some(0));

    let log = server.log();
    let signatures = tokens.iter().map(|token| token.rsplit('.').next().expect("a part"));
    for secret in signatures.chain([PAYLOAD, PASSWORD, SECRET]) {
        let leaks: Vec<_> = log.iter().map(ToString::to_string).filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{} lines at {level} hold `{secret}`, such as {}", leaks.len(), leaks[0]);
    }
    // It did log as much as it was asked to.
    assert!(log.iter().any(|line| line["level"] == level.to_uppercase()), "nothing at {level}");
}

#[tokio::test]
async fn no_token_password_or_payload_is_logged_at_debug() {
    keeps_its_secrets("debug").await;
}

#[tokio::test]
async fn no_token_password_or_payload_is_logged_at_trace() {
    keeps_its_secrets("trace").await;
}
