//! `auth: {token, since, rooms}`: back into all rooms in one step.

use serde_json::{Value, json};

use super::{Away, names, rename};
use crate::support::{Client, Server, token};

impl Away {
    fn rooms(&self) -> Value {
        json!([format!("component:{}", self.id), "entity:page:1"])
    }

    async fn back_since(&self, server: &Server, since: &Value, rooms: Value) -> Client {
        let auth = json!({ "token": token("ann"), "since": since, "rooms": rooms });
        let options = json!({ "transports": ["websocket"], "auth": auth });
        self.sockets.try_connect(server, options).await.expect("connects")
    }
}

/// What came up to `walcast:resumed`, and that.
async fn resumed(client: &mut Client) -> (Vec<(String, Value)>, Value) {
    let mut missed = Vec::new();
    loop {
        match client.next().await {
            (event, payload) if event == "walcast:resumed" => return (missed, payload),
            event => missed.push(event),
        }
    }
}

#[tokio::test]
async fn a_handshake_brings_back_all_rooms_and_each_missed_event_once() {
    let away = Away::new().await;
    let other = away.database.component("other", "[]").await;
    away.rename("second").await;
    rename(&away.database, &other, "other second").await;
    away.rename("third").await;
    away.dispatched().await;
    let mut client = away.back_since(&away.server, &away.since, away.rooms()).await;
    let (mut missed, resumed) = resumed(&mut client).await;
    assert_eq!(resumed["resumed"], true, "{resumed}");
    assert_eq!(resumed["rooms"], away.rooms());
    let (event, created) = missed.remove(0);
    assert_eq!((event.as_str(), &created["componentId"]), ("component:created", &json!(other)));
    assert_eq!(names(&missed), ["second", "other second", "third"]);
    let last = &missed.last().expect("events").1["offset"];
    assert!(resumed["offset"].as_str() >= last.as_str(), "{resumed} is before {last}");

    away.rename("live").await;
    assert_eq!(names(&[client.next().await]), ["live"], "once, though it is in both rooms");
    rename(&away.database, &other, "other live").await;
    assert_eq!(names(&[client.next().await]), ["other live"]);
}

#[tokio::test]
async fn a_handshake_that_missed_nothing_says_so() {
    let away = Away::new().await;
    let mut client = away.back_since(&away.server, &away.since, away.rooms()).await;
    let (missed, resumed) = resumed(&mut client).await;
    assert_eq!((missed, &resumed["resumed"]), (vec![], &json!(true)));
}

#[tokio::test]
async fn a_handshake_of_another_history_is_told_to_fetch_every_room() {
    let away = Away::new().await;
    let elsewhere = json!("another/0000000000000001-00000000");
    let mut client = away.back_since(&away.server, &elsewhere, away.rooms()).await;
    // Whether they come before `walcast:resumed` or after it is not fixed.
    let mut resyncs = Vec::new();
    let mut resumed = Value::Null;
    while resyncs.len() < 3 || resumed.is_null() {
        match client.next().await {
            (event, payload) if event == "component:resync" => resyncs.push(payload),
            (event, payload) if event == "walcast:resumed" => resumed = payload,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(resumed["resumed"], false);
    assert!(resyncs.iter().any(|resync| resync["componentId"] == away.id), "{resyncs:?}");
    assert!(resyncs.iter().any(|resync| resync["entityId"] == "1"), "{resyncs:?}");
    assert!(resyncs.iter().any(|resync| resync["userId"] == "ann"), "{resyncs:?}");
    away.rename("live").await;
    assert_eq!(names(&[client.next().await]), ["live"]);
}

#[tokio::test]
async fn a_server_that_stops_says_up_to_where_each_client_has_everything() {
    let mut away = Away::new().await;
    let mut client = away.back("websocket").await;
    client.subscribe(away.ids()).await;
    // The room is quiet, the database is not.
    away.database.component("another", "[]").await;
    away.dispatched().await;
    assert_eq!(away.server.stop().await, Some(0));
    let position = client.expect("walcast:position").await["offset"].take();
    client.expect("disconnect").await;
    assert!(position.as_str() > away.since.as_str(), "{position} is not after {}", away.since);

    away.rename("while away").await;
    let server = Server::start(&away.database).await;
    let rooms = json!([format!("component:{}", away.id)]);
    let mut client = away.back_since(&server, &position, rooms).await;
    let (missed, resumed) = resumed(&mut client).await;
    assert_eq!((names(&missed), &resumed["resumed"]), (vec!["while away"], &json!(true)));
}
