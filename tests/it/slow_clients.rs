//! Clients that take nothing, little, or leave in the middle: each costs only itself. It is ended, its descriptor is closed
//! and its rooms are left; whoever takes what it is sent hears everything.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Connection, Database, PATIENCE, Poller, Server, WebSocket, is_passed_over,
    websocket::{Packet, read},
    within,
};

/// A room, and a client in it that behaves.
struct Scene {
    database: Database,
    server: Server,
    healthy: WebSocket,
    id: String,
    /// How many descriptors the server has open without anybody else.
    descriptors: usize,
    written: usize,
}

impl Scene {
    async fn new(arguments: &[&str]) -> Scene {
        let database = Database::new().await;
        let id = database.component("c", "[]").await;
        database.free_versions().await;
        database.sql("UPDATE components SET version = 0").await;
        let server = Server::start_with(&database, arguments).await;
        let mut healthy = WebSocket::enter(server.address, "healthy", &[]).await;
        healthy.subscribe(json!({ "componentId": id })).await;
        let descriptors = server.descriptors();
        Scene { database, server, healthy, id, descriptors, written: 0 }
    }

    /// Small pieces of the kernel's, so that little is in flight.
    async fn narrow(&self, user: &str) -> WebSocket {
        let connection = Connection::open_narrow(self.server.address, 4 << 10).await;
        WebSocket::enter_over(connection, user, &[]).await
    }

    fn ids(&self) -> Value {
        json!({ "componentId": self.id })
    }

    /// As many changes, each a transaction and an event of a bit more than so many bytes. The healthy client hears them, a few
    /// at a time, so that it is never slow.
    async fn write(&mut self, count: usize, bytes: usize) {
        let (mut from, to) = (self.written + 1, self.written + count);
        while from <= to {
            let few = to.min(from + 2);
            self.database
                .sql(&format!(
                    "DO $$ BEGIN FOR n IN {from}..{few} LOOP
                         UPDATE components SET version = n, name = lpad(n::text, {bytes}, 'x') WHERE id = '{}'; COMMIT;
                     END LOOP; END $$",
                    self.id
                ))
                .await;
            for version in from..=few {
                assert_eq!(self.healthy.event().await[1]["version"], version);
            }
            from = few + 1;
        }
        self.written = to;
    }

    /// Who is in the room, as another client's ack tells.
    async fn users(&mut self) -> Vec<String> {
        let ack = self.healthy.subscribe(self.ids()).await;
        ack["users"]
            .as_array()
            .expect("users")
            .iter()
            .map(|user| user["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// The one other client is ended: its descriptor is closed, and it is in no room any more.
    async fn is_alone_again(&mut self) {
        self.server.until_descriptors_are(self.descriptors).await;
        within("the room without it", async {
            while self.users().await != ["healthy"] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        self.write(1, 10).await;
    }

    /// The log says that this socket was too slow, and how much waited for it.
    async fn says_slow(&self, sid: &str) -> Value {
        let slow = |line: &Value| line["reason"] == "slow_consumer" && line["socket"] == sid;
        self.server.logged("a slow consumer", PATIENCE, slow).await.expect("the server lives")
    }
}

#[tokio::test]
async fn one_that_never_reads_is_ended_by_what_waits_for_it() {
    let mut scene = Scene::new(&["--outbox-bytes", "64KiB", "--stall-timeout", "5m"]).await;
    let mut stuck = scene.narrow("stuck").await;
    stuck.subscribe(scene.ids()).await;
    assert_eq!(scene.users().await.len(), 2);
    scene.write(60, 16_000).await;
    let line = scene.says_slow(&stuck.sid).await;
    let bytes = line["bytes"].as_u64().expect("how many");
    assert!((64 << 10..128 << 10).contains(&bytes), "{line}");
    scene.is_alone_again().await;
}

#[tokio::test]
async fn cursors_are_the_first_to_go_and_end_nobody() {
    const ROOMS: usize = 40;
    let arguments =
        ["--outbox-bytes", "64KiB", "--stall-timeout", "5m", "--rate-limit", "10000/s", "--rate-burst", "10000"];
    let mut scene = Scene::new(&arguments).await;
    let mut stuck = scene.narrow("stuck").await;
    let mut speaker = WebSocket::enter(scene.server.address, "speaker", &[]).await;
    stuck.subscribe(scene.ids()).await;
    for room in 0..ROOMS {
        for client in [&mut stuck, &mut speaker] {
            client.subscribe(json!({ "componentId": format!("room {room}") })).await;
        }
    }
    let dropped = "walcast_drops_total{reason=\"shed\"} ";
    let mut round = 0;
    within("the first that is dropped", async {
        loop {
            round += 1;
            for room in 0..ROOMS {
                let cursor = json!({ "componentId": format!("room {room}"), "position": [round, "x".repeat(3_000)] });
                speaker.say(&format!("42{}", json!(["component:cursor", cursor]))).await;
            }
            let metrics = scene.server.get("/metrics", &[]).await.2;
            let count = metrics.lines().find_map(|line| line.strip_prefix(dropped)?.parse::<f64>().ok());
            if count.is_some_and(|count| count > 0.0) {
                break;
            }
        }
    })
    .await;
    // It is still there, and is told what may not be left out.
    scene.write(1, 10).await;
    within("the change", async { while stuck.event().await[0] != "component:updated" {} }).await;
    assert!(scene.server.log().iter().all(|line| line["reason"] != "slow_consumer"));
}

#[tokio::test]
async fn one_that_never_reads_is_ended_by_how_long_it_takes_nothing() {
    let mut scene = Scene::new(&["--outbox-bytes", "64MiB", "--stall-timeout", "1s"]).await;
    let mut stuck = scene.narrow("stuck").await;
    stuck.subscribe(scene.ids()).await;
    scene.write(60, 16_000).await;
    scene.says_slow(&stuck.sid).await;
    scene.is_alone_again().await;
}

#[tokio::test]
async fn one_that_reads_a_byte_a_second_is_ended_too() {
    let mut scene = Scene::new(&["--outbox-bytes", "64MiB", "--stall-timeout", "2s"]).await;
    let mut trickling = scene.narrow("trickling").await;
    trickling.subscribe(scene.ids()).await;
    let sid = trickling.sid.clone();
    let reading = tokio::spawn(async move {
        let mut byte = [0];
        while let Ok(1) = tokio::io::AsyncReadExt::read(&mut trickling.connection.stream, &mut byte).await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    scene.write(60, 16_000).await;
    scene.says_slow(&sid).await;
    scene.is_alone_again().await;
    reading.abort();
}

#[tokio::test]
async fn one_that_is_half_closed_is_let_go() {
    let mut scene = Scene::new(&[]).await;
    for reads in [true, false] {
        let mut half = scene.narrow("half").await;
        half.subscribe(scene.ids()).await;
        if !reads {
            scene.write(60, 16_000).await;
        }
        tokio::io::AsyncWriteExt::shutdown(&mut half.connection.stream).await.expect("shuts down");
        scene.is_alone_again().await;
        // What it can still read is whole.
        while reads && half.frame().await.is_some() {}
    }
}

#[tokio::test]
async fn acks_among_broadcasts_to_a_slow_reader_are_whole_frames_in_order() {
    const EVENTS: usize = 300;
    let mut scene = Scene::new(&["--outbox-bytes", "64MiB", "--stall-timeout", "5m"]).await;
    let mut slow = scene.narrow("slow").await;
    slow.subscribe(scene.ids()).await;
    // It asks while it takes nothing, so that acks wait among the events.
    for round in 0..10_u64 {
        scene.write(EVENTS / 10, 16_000).await;
        for n in 0..20 {
            slow.say(&format!(
                "42{}{}",
                100 + round * 20 + n,
                json!(["component:unsubscribe", { "componentId": "x" }])
            ))
            .await;
        }
        // The server has read them all, before more is written, once it has let the slow one into this room.
        let room = json!({ "componentId": format!("round {round}") });
        slow.say(&format!("42{}", json!(["component:subscribe", room]))).await;
        within("its requests", async {
            while scene.healthy.subscribe(room.clone()).await["users"].as_array().map(Vec::len) != Some(2) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    let (mut versions, mut acks, mut turns) = (Vec::new(), Vec::new(), 0);
    let mut was_ack = false;
    while versions.len() < EVENTS || acks.len() < 200 {
        let packet = read(&slow.packet().await);
        turns += usize::from(matches!(packet, Packet::Ack(..)) != was_ack);
        was_ack = matches!(packet, Packet::Ack(..));
        match packet {
            Packet::Event(event) if event[0].as_str().is_some_and(is_passed_over) => {}
            Packet::Event(event) => {
                let version = event[1]["version"].as_u64().expect("a version");
                assert_eq!(event[1]["updates"]["name"], format!("{version:x>16000}"));
                versions.push(version as usize);
            }
            Packet::Ack(id, ack) => {
                assert_eq!(ack, json!({ "ok": true }));
                acks.push(id);
            }
        }
    }
    assert_eq!(versions, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(acks, (100..300).collect::<Vec<_>>());
    assert!(turns > 5, "the acks came in one piece: they did not wait among the events");
}

#[tokio::test]
async fn one_that_polls_no_more_is_ended() {
    for arguments in
        [["--outbox-bytes", "64KiB", "--stall-timeout", "5m"], ["--outbox-bytes", "64MiB", "--stall-timeout", "1s"]]
    {
        let mut scene = Scene::new(&arguments).await;
        let mut silent = Poller::enter(scene.server.address, "silent").await;
        silent.say(&format!("42{}", json!(["component:subscribe", scene.ids()]))).await;
        within("the silent one in the room", async { while scene.users().await.len() < 2 {} }).await;
        scene.write(10, 16_000).await;
        scene.says_slow(&silent.sid).await;
        let response = silent.connection.request("GET", &silent.target(), &[], "").await;
        assert_eq!((response.status, &*response.body), (400, &br#"{"code":1,"message":"Session ID unknown"}"#[..]));
        drop(silent);
        scene.is_alone_again().await;
    }
}

#[tokio::test]
async fn one_that_leaves_in_the_middle_of_a_poll_is_ended() {
    let mut scene = Scene::new(&["--stall-timeout", "1s"]).await;
    let mut polling = Poller::enter(scene.server.address, "polling").await;
    polling.say(&format!("42{}", json!(["component:subscribe", scene.ids()]))).await;
    within("the polling one in the room", async { while scene.users().await.len() < 2 {} }).await;
    polling.connection.ask("GET", &polling.target(), &[], "").await;
    let sid = polling.sid.clone();
    drop(polling);
    scene.write(1, 10).await;
    scene.says_slow(&sid).await;
    scene.is_alone_again().await;
}
