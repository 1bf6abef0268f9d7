//! What no socket, user or room may exceed, and what is told who tries.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, WebSocket, token};

async fn scene(arguments: &[&str]) -> (Database, Server, Sockets) {
    let database = Database::new().await;
    let server = Server::start_with(&database, arguments).await;
    (database, server, Sockets::start().await)
}

async fn code(client: &Client, event: &str, payload: Value) -> Value {
    client.request(event, payload).await["error"]["code"].clone()
}

/// So many requests were refused for this; nothing else counts there.
async fn refused(server: &Server, what: &str, count: f64) {
    let metric = format!("walcast_refusals_total{{code=\"{what}\"}}");
    server.until_metric(&metric, |refused| refused == count).await;
}

#[tokio::test]
async fn a_room_takes_so_many_users_with_any_number_of_sockets() {
    let (_database, server, sockets) = scene(&["--max-room-users", "2"]).await;
    let room = json!({ "componentId": "x" });
    let ann = sockets.connect(&server, "ann", "websocket").await;
    let tab = sockets.connect(&server, "ann", "websocket").await;
    let bob = sockets.connect(&server, "bob", "polling").await;
    let carol = sockets.connect(&server, "carol", "websocket").await;
    for client in [&ann, &bob, &tab] {
        client.subscribe(room.clone()).await;
    }
    assert_eq!(code(&carol, "component:subscribe", room.clone()).await, "room_full");
    carol.subscribe(json!({ "componentId": "y" })).await;
    bob.request("component:unsubscribe", room.clone()).await;
    carol.subscribe(room).await;
    refused(&server, "room_full", 1.0).await;
}

#[tokio::test]
async fn a_socket_may_be_in_so_many_rooms() {
    let (_database, server, sockets) = scene(&["--max-rooms", "2"]).await;
    let ann = sockets.connect(&server, "ann", "websocket").await;
    for id in ["x", "y"] {
        ann.subscribe(json!({ "componentId": id })).await;
    }
    assert_eq!(code(&ann, "component:subscribe", json!({ "componentId": "z" })).await, "forbidden");
    // In those it may be as often as it likes.
    ann.subscribe(json!({ "componentId": "x" })).await;
    ann.request("component:unsubscribe", json!({ "componentId": "x" })).await;
    ann.subscribe(json!({ "componentId": "z" })).await;
    let table = ann.request("changes:subscribe", json!({ "table": "components" })).await;
    assert_eq!(table["error"]["code"], "forbidden", "a table that it follows is as a room");
    refused(&server, "too_many_rooms", 2.0).await;
}

#[tokio::test]
async fn a_handshake_takes_nobody_further_than_a_subscription() {
    let (_database, server, sockets) = scene(&["--max-rooms", "2", "--max-room-users", "1"]).await;
    let bob = sockets.connect(&server, "bob", "websocket").await;
    let since = bob.subscribe(json!({ "componentId": "full" })).await["offset"].clone();
    let rooms = ["component:x", "component:x", "component:full", "order:7", "component:z"];
    let auth = json!({ "token": token("ann"), "since": since, "rooms": rooms });
    let mut ann =
        sockets.try_connect(&server, json!({ "transports": ["websocket"], "auth": auth })).await.expect("connects");
    let resumed = ann.until("walcast:resumed").await.remove(0);
    assert_eq!((&resumed["rooms"], &resumed["resumed"]), (&json!(["component:x", "order:7"]), &json!(false)));
    for (id, code) in [("full", "room_full"), ("z", "forbidden")] {
        let error = ann.expect("component:error").await;
        assert_eq!((&error["event"], &error["componentId"]), (&json!("component:subscribe"), &json!(id)));
        assert_eq!(error["code"], code);
    }
    assert_eq!(code(&ann, "component:subscribe", json!({ "componentId": "z" })).await, "forbidden");
}

#[tokio::test]
async fn a_user_may_have_so_many_sockets() {
    let (_database, server, sockets) = scene(&["--max-user-sockets", "2"]).await;
    let mut first = sockets.connect(&server, "ann", "websocket").await;
    let _second = sockets.connect(&server, "ann", "polling").await;
    let options = || json!({ "transports": ["websocket"], "auth": { "token": token("ann") } });
    let refusal = sockets.try_connect(&server, options()).await.err();
    assert_eq!(refusal.as_deref(), Some("the user has 2 sockets, which is the limit: close one first"));
    refused(&server, "too_many_sockets", 1.0).await;
    sockets.connect(&server, "bob", "websocket").await;
    first.disconnect().await;
    server.until_metric("walcast_sockets", |sockets| sockets <= 2.0).await;
    sockets.connect(&server, "ann", "websocket").await;
}

#[tokio::test]
async fn who_sends_too_much_is_told_when_to_go_on_and_who_floods_is_sent_away() {
    let (_database, server, sockets) = scene(&["--rate-limit", "1/s", "--rate-burst", "5"]).await;
    let mut ann = sockets.connect(&server, "ann", "websocket").await;
    let room = json!({ "componentId": "x" });
    let acks = ann.requests("component:subscribe", vec![room.clone(); 10]).await;
    let taken = acks.iter().filter(|ack| ack["ok"] == true).count();
    assert!((5..=6).contains(&taken), "{acks:?}");
    let refusal = &acks[9]["error"];
    assert_eq!(refusal["code"], "rate_limited");
    assert!(refusal["retryAfterMs"].as_u64().is_some_and(|wait| (1..=1_000).contains(&wait)), "{refusal}");
    let error = loop {
        ann.emit("component:typing", room.clone()).await;
        if let Some((_, error)) = ann.received().into_iter().find(|(event, _)| event == "component:error") {
            break error;
        }
    };
    assert_eq!((&error["code"], error["retryAfterMs"].is_u64()), (&json!("rate_limited"), true));
    for _ in 0..100 {
        ann.emit("component:typing", room.clone()).await;
    }
    ann.until("disconnect").await;
    server.until_metric("walcast_connections_ended_total{reason=\"flood\"}", |ended| ended == 1.0).await;
    server.until_metric("walcast_refusals_total{code=\"rate_limited\"}", |refused| refused >= 5.0).await;
}

/// Leaving the namespace and entering it again makes no other client of it.
#[tokio::test]
async fn who_leaves_and_enters_again_has_asked_as_often_as_before() {
    const BURST: usize = 100;
    let (_database, server, _) = scene(&["--rate-limit", "1/s", "--rate-burst", &BURST.to_string()]).await;
    let mut ann = WebSocket::enter(server.address, "ann", &[]).await;
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut count = 0;
        for _ in 0..BURST {
            let ack = ann.request("component:subscribe", json!({ "componentId": "x" })).await;
            count += usize::from(ack["ok"] == true);
        }
        taken.push(count);
        ann.say("41").await;
        ann.show(&token("ann")).await;
        while !ann.packet().await.starts_with("40") {}
    }
    assert_eq!(taken[0], BURST);
    assert!(taken[1] < BURST / 2, "{taken:?}");
}

#[tokio::test]
async fn a_payload_may_nest_so_deep() {
    let (_database, server, sockets) = scene(&["--max-depth", "3"]).await;
    let ann = sockets.connect(&server, "ann", "websocket").await;
    ann.subscribe(json!({ "componentId": "x", "more": { "and": 1 } })).await;
    let deep = json!({ "componentId": "x", "more": { "and": { "more": 1 } } });
    assert_eq!(code(&ann, "component:subscribe", deep).await, "invalid_payload");
    refused(&server, "too_deep", 1.0).await;
}

#[tokio::test]
async fn a_payload_may_have_so_many_bytes() {
    let (_database, server, sockets) = scene(&["--max-payload", "1kB"]).await;
    for (nth, transport) in [(1.0, "websocket"), (2.0, "polling")] {
        let ann = sockets.connect(&server, "ann", transport).await;
        ann.subscribe(json!({ "componentId": "x", "more": "x".repeat(500) })).await;
        let large = json!({ "componentId": "x", "more": "x".repeat(1_000) });
        assert_eq!(code(&ann, "component:subscribe", large).await, "payload_too_large");
        refused(&server, "payload_too_large", nth).await;
    }
}
