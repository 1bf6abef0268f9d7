//! Many who come at once, and those who are there already.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Connection, Database, Poller, Server, WebSocket, websocket::HANDSHAKE, within};

#[tokio::test]
async fn whoever_comes_waits_in_line_and_whoever_is_in_does_not() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--handshakes-per-second", "2"]).await;
    let mut here = WebSocket::enter(server.address, "here", &[]).await;
    here.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let (begin, address) = (Instant::now(), server.address);
    let mut coming = JoinSet::new();
    for number in 0..12 {
        coming.spawn(async move {
            let connection = Connection::open(address).await;
            if number % 2 == 0 {
                drop(WebSocket::enter_over(connection, "newcomer", &[]).await);
            } else {
                drop(Poller::enter_over(connection, "newcomer").await);
            }
        });
    }
    server.until_metric("walcast_handshakes_waiting", |waiting| waiting >= 4.0).await;
    assert_eq!(server.get("/readyz", &[]).await.0, 200, "others are answered");
    database.component("here", "[]").await;
    while here.event().await[0] != "component:created" {}
    // Every one of them comes in, half a second after the one before it.
    within("their turn", coming.join_all()).await;
    assert!(begin.elapsed() >= Duration::from_secs(4), "they came in within {:?}", begin.elapsed());
    server.until_metric("walcast_handshakes_waiting", |waiting| waiting == 0.0).await;
}

#[tokio::test]
async fn who_gives_up_in_line_keeps_nobody_waiting_and_who_waits_when_the_server_stops_is_sent_away() {
    let database = Database::new().await;
    let mut server = Server::start_with(&database, &["--handshakes-per-second", "1"]).await;
    drop(WebSocket::enter(server.address, "first", &[]).await);
    let ask = async || {
        let mut connection = Connection::open(server.address).await;
        connection.ask("GET", "/socket.io/?EIO=4&transport=websocket", &HANDSHAKE, "").await;
        connection
    };
    let mut waiting = Vec::new();
    for _ in 0..60 {
        waiting.push(ask().await);
    }
    server.until_metric("walcast_handshakes_waiting", |waiting| waiting >= 35.0).await;
    // A minute would pass until it is the last one's turn.
    let mut last = waiting.pop().expect("they are sixty");
    drop(waiting);
    server.until_metric("walcast_handshakes_waiting", |waiting| waiting <= 1.0).await;
    assert_eq!(within("the last one's turn", last.answer()).await.status, 101);
    let mut more = Vec::new();
    for _ in 0..30 {
        more.push(ask().await);
    }
    server.until_metric("walcast_handshakes_waiting", |waiting| waiting >= 15.0).await;
    assert_eq!(within("the end", server.stop()).await, Some(0));
    let last = more.last_mut().expect("they are thirty");
    assert_eq!(within("an answer", last.answer()).await.status, 503);
}
