//! Thousands of clients that come and go, in every manner: what the server holds is what it held before.

use std::sync::Arc;

use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::Semaphore, task::JoinSet};

use crate::support::{Connection, Database, PATIENCE, Poller, Server, WebSocket, websocket::HANDSHAKE, within};

const CLIENTS: usize = 10_000;
const AT_ONCE: usize = 50;

#[derive(Clone, Copy)]
enum Manner {
    Nothing,
    HalfARequest,
    UnheardHandshake,
    NeverEnters,
    OpensAPoll,
    Abrupt,
    Polite,
    Polls,
    InMidUpgrade,
}

async fn come_and_go(server: &Server, manner: Manner) {
    let address = server.address;
    let room = json!(["component:subscribe", { "entityType": "page", "entityId": "1" }]);
    match manner {
        Manner::Nothing => drop(Connection::open(address).await),
        Manner::HalfARequest => {
            let mut connection = Connection::open(address).await;
            let half = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: walcast\r\nUpgra";
            connection.stream.write_all(half).await.expect("writes");
        }
        Manner::UnheardHandshake => {
            let mut connection = Connection::open(address).await;
            connection.ask("GET", "/socket.io/?EIO=4&transport=websocket", &HANDSHAKE, "").await;
        }
        // From the room, abruptly.
        Manner::Abrupt => {
            let mut socket = WebSocket::enter(address, "abrupt", &[]).await;
            socket.say(&format!("420{room}")).await;
            let _ = socket2::SockRef::from(&socket.connection.stream).set_linger(Some(std::time::Duration::ZERO));
        }
        // From the room, politely: Socket.IO's goodbye, and the WebSocket's.
        Manner::Polite => {
            let mut socket = WebSocket::enter(address, "polite", &[]).await;
            socket.subscribe(room[1].clone()).await;
            socket.say("41").await;
            socket.send(0x88, &1000_u16.to_be_bytes()).await;
            while socket.frame().await.is_some() {}
        }
        Manner::NeverEnters => drop(WebSocket::shake(Connection::open(address).await, None, &[]).await),
        Manner::OpensAPoll => {
            let mut poller = Poller::open(address).await;
            poller.connection.ask("GET", &poller.target(), &[], "").await;
        }
        Manner::Polls => {
            let mut poller = Poller::enter(address, "polite").await;
            poller.say(&format!("420{room}")).await;
            poller.say("1").await;
        }
        Manner::InMidUpgrade => {
            let mut poller = Poller::enter(address, "upgrading").await;
            let upgrade = WebSocket::shake(Connection::open(address).await, Some(&poller.sid), &[]).await;
            assert!(upgrade.is_ok(), "the upgrade is refused");
            poller.say("1").await;
        }
    }
}

async fn churn(server: &Arc<Server>, clients: usize, manners: &[Manner]) {
    let (slots, mut all) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for client in 0..clients {
        let slot = slots.clone().acquire_owned().await.expect("it stays open");
        let (server, manner) = (server.clone(), manners[client % manners.len()]);
        all.spawn(async move {
            come_and_go(&server, manner).await;
            drop(slot);
        });
        while let Some(done) = all.try_join_next() {
            done.expect("no client fails");
        }
    }
    while let Some(done) = all.join_next().await {
        done.expect("no client fails");
    }
}

/// How many tasks a server has when it is asked to stop.
async fn tasks_at_the_end(mut server: Server) -> u64 {
    assert_eq!(server.stop().await, Some(0));
    let stopping = |line: &serde_json::Value| line["message"] == "stopping";
    let line = server.logged("its end", PATIENCE, stopping).await.expect("it was logged");
    line["tasks"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_clients_that_come_and_go_leave_nothing_behind() {
    let manners =
        [Manner::Nothing, Manner::HalfARequest, Manner::Abrupt, Manner::Polite, Manner::Polls, Manner::InMidUpgrade];
    let database = Database::new().await;
    let quiet = Server::start(&database).await;
    // By then it has its connections to the database.
    quiet.until_metric("walcast_slot_held_bytes", |bytes| bytes > 0.0).await;
    let quiet = tasks_at_the_end(quiet).await;
    let server = Arc::new(
        Server::start_with(
            &database,
            &["--log", "warn,walcast::app=info,walcast::http=info", "--ping-interval", "10m"],
        )
        .await,
    );
    let mut watcher = WebSocket::enter(server.address, "watcher", &[]).await;
    watcher.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let descriptors = server.descriptors();

    // The first of each kind make what is kept for the next.
    churn(&server, CLIENTS / 10, &manners).await;
    server.until_descriptors_are(descriptors).await;
    let (threads, resident) = (server.status("Threads"), server.status("VmRSS"));
    churn(&server, CLIENTS, &manners).await;
    server.until_descriptors_are(descriptors).await;

    within("the room without them", async {
        loop {
            let ack = watcher.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
            if ack["users"].as_array().expect("users").len() == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(server.status("Threads") <= threads + 1, "{} threads, and {threads} were", server.status("Threads"));
    let grown = server.status("VmRSS").saturating_sub(resident);
    // The sessions of those that went are kept for as long as they may come back: 400 bytes each, or so.
    assert!(grown < 16 << 10, "{grown} kB more than the {resident} before");
    database.component("c", "[]").await;
    assert_eq!(watcher.event().await[0], "component:created");
    drop(watcher);
    // Its session is over, and the connection that asked for that is closed.
    server.until_metric("walcast_sockets", |sockets| sockets == 0.0).await;
    server.until_descriptors_are(descriptors - 1).await;
    let server = Arc::into_inner(server).expect("nobody else has it");
    let tasks = tasks_at_the_end(server).await;
    assert!(tasks <= quiet, "{tasks} tasks are left, and {quiet} are without any client");
}

/// The library keeps a session that nobody entered for 45 seconds. The connection it must not keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_go_before_they_enter_leave_no_descriptors_behind() {
    let database = Database::new().await;
    let server = Arc::new(Server::start(&database).await);
    let descriptors = server.descriptors();
    churn(&server, 1_000, &[Manner::UnheardHandshake, Manner::NeverEnters, Manner::OpensAPoll]).await;
    server.until_descriptors_are(descriptors).await;
}
