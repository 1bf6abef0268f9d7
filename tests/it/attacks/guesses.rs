//! Rooms that are guessed: whatever a client names, of another user's own room it hears nothing.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, is_passed_over, token};

#[tokio::test]
async fn nobody_hears_what_is_told_to_another_user() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let auth = json!({
        "token": token("eve"), "since": "0/0",
        "rooms": ["user:bob", "user:bob:", " user:bob", "component:x", "user", "user:*", "*", "user:%", "USER:bob"],
    });
    let options = json!({ "transports": ["websocket"], "auth": auth });
    let mut eve = sockets.try_connect(&server, options).await.expect("connects");
    let mut bob = sockets.connect(&server, "bob", "websocket").await;

    let payloads = [
        json!({ "userId": "bob" }),
        json!({ "id": "bob" }),
        json!({ "room": "user:bob" }),
        json!({ "entityType": "user", "entityId": "bob" }),
        json!({ "entityType": "bob", "entityId": "" }),
        json!({ "componentId": "bob" }),
        json!({ "componentId": "user:bob" }),
        json!({ "componentId": ":user:bob" }),
        json!({ "componentId": "x\u{0}user:bob" }),
        json!({ "userId": "bob", "componentId": "bob" }),
    ];
    for prefix in ["user", "component", "entity", "", "user:bob", "auth", "walcast", "User", "user ", "users"] {
        for payload in &payloads {
            for event in ["subscribe", "typing", "cursor"] {
                let ack = eve.request(&format!("{prefix}:{event}"), payload.clone()).await;
                let room = ack["room"].as_str().unwrap_or_default();
                assert!(!room.starts_with("user:"), "{prefix}:{event} {payload}: {ack}");
            }
            eve.request("presence:update", json!({ "room": "user:bob", "state": {} })).await;
        }
    }

    // What eve has of her own comes after what bob was told.
    database.sql("SELECT walcast.broadcast('user:bob', 'secret', '{\"for\": \"bob\"}')").await;
    database.sql("SELECT walcast.broadcast('user:eve', 'last')").await;
    assert_eq!(bob.expect("secret").await["for"], "bob");
    let heard = until(&mut eve, "last").await;
    assert!(heard.iter().all(|(event, _)| event != "secret"), "{heard:?}");
}

async fn until(client: &mut Client, last: &str) -> Vec<(String, Value)> {
    let mut heard = Vec::new();
    loop {
        let (event, arguments) = client.next_of_all().await;
        if event == last {
            return heard;
        }
        if !is_passed_over(&event) {
            heard.push((event, json!(arguments)));
        }
    }
}
