//! Ten thousand handshakes that come to nothing: the server holds afterwards what it held before, and a good client beside
//! them does not notice.

use std::sync::Arc;

use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::Semaphore, task::JoinSet};

use crate::support::{Connection, Database, Poller, Server, WebSocket, token_for, websocket::HANDSHAKE};

const CLIENTS: usize = 10_000;
const AT_ONCE: usize = 50;

/// What is tried, by its number: each ends the connection from its own side too.
async fn try_in(server: &Server, number: usize) {
    let mut connection = Connection::open(server.address).await;
    let bad = ["bad", "a.b.c", ""][number % 3];
    match number % 8 {
        0 => {
            let mut socket = WebSocket::open(connection, &[]).await;
            socket.show(bad).await;
            assert!(socket.packet().await.starts_with("44"));
        }
        1 => {
            let mut poller = Poller::open_over(connection).await;
            poller.say(&format!("40{}", json!({ "token": bad }))).await;
            assert!(poller.poll().await[0].starts_with("44"));
        }
        // It asks again and again over one connection.
        2 => {
            let mut socket = WebSocket::open(connection, &[]).await;
            for _ in 0..5 {
                socket.show(&token_for("ann", -60)).await;
                assert!(socket.packet().await.starts_with("44"));
            }
        }
        3 => {
            let strange = ["Origin: https://evil.example"];
            assert_eq!(WebSocket::shake(connection, None, &strange).await.err().map(|r| r.status), Some(403));
        }
        4 => {
            let target = "/socket.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAA";
            assert_eq!(connection.request("GET", target, &HANDSHAKE, "").await.status, 400);
        }
        5 => {
            let target = "/api/components?entityType=page&entityId=1";
            let header = format!("Authorization: Bearer {bad}x");
            assert_eq!(connection.request("GET", target, &[&header], "").await.status, 401);
        }
        6 => {
            let _ = connection.stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n").await;
            connection.until_end().await;
        }
        // It opens a session, and goes without a word.
        _ => drop(Poller::open_over(connection).await),
    }
}

async fn storm(server: &Arc<Server>, clients: usize) {
    let (slots, mut all) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for number in 0..clients {
        let slot = slots.clone().acquire_owned().await.expect("it stays open");
        let server = server.clone();
        all.spawn(async move {
            try_in(&server, number).await;
            drop(slot);
        });
        while let Some(done) = all.try_join_next() {
            done.expect("each is refused as it should be");
        }
    }
    while let Some(done) = all.join_next().await {
        done.expect("each is refused as it should be");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_bad_handshakes_leave_nothing_behind() {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let arguments = ["--log", "warn,walcast::app=info,walcast::http=info", "--handshake-timeout", "2s"];
    let limits = ["--trusted-proxies", "", "--failed-handshakes", "0"];
    let server = Arc::new(Server::start_with(&database, &[&arguments[..], &limits].concat()).await);
    let mut good = WebSocket::enter(server.address, "good", &[]).await;
    good.subscribe(json!({ "componentId": id })).await;
    let before = server.descriptors();

    // The first make what is kept for the next.
    storm(&server, CLIENTS / 5).await;
    server.until_descriptors_are(before).await;
    let resident = server.status("VmRSS");
    let storming = tokio::spawn({
        let server = server.clone();
        async move { storm(&server, CLIENTS).await }
    });
    let mut names = 0;
    while !storming.is_finished() {
        names += 1;
        database.sql(&format!("UPDATE components SET name = 'n{names}' WHERE id = '{id}'")).await;
        assert_eq!(good.name().await, format!("n{names}"));
        drop(WebSocket::enter(server.address, "another", &[]).await);
    }
    storming.await.expect("the storm passes");
    server.until_descriptors_are(before).await;
    let grown = server.status("VmRSS").saturating_sub(resident);
    // Sessions that nobody entered are kept for the time of a handshake, and what the good ones leave, so that they may return.
    assert!(grown < 16 << 10, "{grown} kB more than the {resident} before");
    assert_eq!(good.subscribe(json!({ "componentId": id })).await["count"], 1);
}

/// With its limits as they come, most of it is not even listened to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_address_most_are_refused_unheard() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--trusted-proxies", ""]).await;
    for _ in 0..1_000 {
        let mut connection = Connection::open_from("127.0.0.2", server.address).await;
        let header = ["Authorization: Bearer bad"];
        connection.request("GET", "/api/components/x", &header, "").await;
    }
    let refused = "walcast_http_refusals_total{reason=\"failed_handshakes\"}";
    server.until_metric(refused, |refused| refused == 900.0).await;
    WebSocket::enter(server.address, "good", &[]).await;
}
