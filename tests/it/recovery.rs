//! A stock client that loses its connection comes back by itself: in all its rooms, with what it missed, without any code of
//! its user's.

use serde_json::{Value, json};

use crate::support::{Client, Database, Flow, Network, PATIENCE, Server, Sockets, token};

const TRANSPORTS: [&[&str]; 3] = [&["websocket"], &["polling"], &["polling", "websocket"]];

/// A component, and a client that follows it and its entity through a network that can be cut.
struct Scene {
    database: Database,
    server: Server,
    network: Network,
    sockets: Sockets,
    client: Client,
    /// The session of the client, which its user does not know of.
    session: Value,
    id: String,
}

impl Scene {
    async fn new(transports: &[&str], arguments: &[&str]) -> Scene {
        let database = Database::new().await;
        let server = Server::start_with(&database, arguments).await;
        let network = Network::start(Some(server.address)).await;
        let sockets = Sockets::start().await;
        let id = database.component("c", "[]").await;
        let (client, session) = connect(&sockets, &network, transports, json!({ "token": token("ann") })).await;
        let mut scene = Scene { database, server, network, sockets, client, session, id };
        scene.client.catch_up(&scene.database).await;
        scene.client.subscribe(json!({ "componentId": scene.id })).await;
        scene.client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
        scene
    }

    async fn rename(&self, name: &str) {
        self.database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{}'", self.id)).await;
    }

    /// The client hears that a component has this name now, and nothing else before.
    async fn hears(&mut self, name: &str) {
        assert_eq!(self.client.expect("component:updated").await["updates"]["name"], name);
    }

    /// Cuts the client off.
    async fn cut(&mut self) {
        self.network.aim(None);
        self.network.cut();
        let (event, reason) = self.client.next().await;
        assert_eq!(event, "disconnect", "{reason}");
    }

    /// Lets the client come back; whether it says that it has recovered.
    async fn mend(&mut self) -> bool {
        self.network.aim(Some(self.server.address));
        self.client.until("connect").await[0] == true
    }
}

async fn connect(sockets: &Sockets, network: &Network, transports: &[&str], auth: Value) -> (Client, Value) {
    let options = json!({
        "transports": transports, "auth": auth,
        "reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 200,
    });
    let url = format!("http://{}", network.address);
    let mut client = sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
    let (mut session, mut upgraded) = (None, transports.len() == 1);
    while session.is_none() || !upgraded {
        match client.next_of_all().await {
            (event, mut arguments) if event == "connect" => session = arguments.pop(),
            (event, _) if event == "upgrade" => upgraded = true,
            other => panic!("{other:?}"),
        }
    }
    (client, session.expect("a session"))
}

#[tokio::test]
async fn it_is_back_in_its_rooms_with_what_it_missed_over_every_transport() {
    for transports in TRANSPORTS {
        let mut scene = Scene::new(transports, &[]).await;
        scene.rename("before").await;
        scene.hears("before").await;
        for round in 0..2 {
            scene.cut().await;
            scene.rename(&format!("missed {round}")).await;
            let another = scene.database.component("another", "[]").await;
            assert!(scene.mend().await, "{transports:?}: it has not recovered");
            scene.hears(&format!("missed {round}")).await;
            let created = scene.client.expect("component:created").await;
            assert_eq!(created["componentId"], another, "{transports:?}: once, though it may be in two rooms");
            scene.rename(&format!("live {round}")).await;
            scene.hears(&format!("live {round}")).await;
        }
    }
}

#[tokio::test]
async fn who_heard_nothing_since_it_subscribed_recovers_too() {
    for transports in TRANSPORTS {
        let mut scene = Scene::new(transports, &[]).await;
        scene.cut().await;
        scene.rename("missed").await;
        assert!(scene.mend().await, "{transports:?}");
        scene.hears("missed").await;
    }
}

#[tokio::test]
async fn a_room_that_it_left_is_not_entered_again() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    scene.client.request("component:unsubscribe", json!({ "entityType": "page", "entityId": "1" })).await;
    scene.cut().await;
    scene.database.component("of the room that it left", "[]").await;
    scene.rename("missed").await;
    assert!(scene.mend().await);
    scene.hears("missed").await;
}

#[tokio::test]
async fn over_a_server_that_is_replaced() {
    for transports in TRANSPORTS {
        let mut scene = Scene::new(transports, &[]).await;
        scene.rename("before").await;
        scene.hears("before").await;
        scene.network.aim(None);
        assert_eq!(scene.server.stop().await, Some(0));
        let (event, reason) = scene.client.next().await;
        assert_eq!(event, "disconnect", "{reason}");
        scene.rename("missed").await;
        scene.server = Server::start(&scene.database).await;
        assert!(scene.mend().await, "{transports:?}");
        scene.hears("missed").await;
        scene.rename("live").await;
        scene.hears("live").await;
    }
}

#[tokio::test]
async fn over_a_server_that_hands_over_to_one_that_stood_by() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    let standby = Server::spawn_on(&scene.database.dsn(), &scene.database.name, &[]).await;
    standby.becomes("Standby").await;
    scene.network.aim(None);
    assert_eq!(std::mem::replace(&mut scene.server, standby).stop().await, Some(0));
    scene.client.until("disconnect").await;
    scene.rename("missed").await;
    scene.server.becomes("Ready").await;
    assert!(scene.mend().await);
    scene.hears("missed").await;
}

#[tokio::test]
async fn after_a_server_that_was_killed_it_begins_anew_and_is_told_to_fetch() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    scene.network.aim(None);
    scene.server.kill().await;
    scene.client.until("disconnect").await;
    scene.server = Server::start(&scene.database).await;
    assert!(!scene.mend().await);
    let resync = scene.client.expect("component:resync").await;
    assert_eq!(resync, json!({ "reason": "session gone" }), "of no room: of everything");
}

#[tokio::test]
async fn who_was_away_for_longer_than_the_window_is_told_to_fetch_each_of_its_rooms() {
    let mut scene = Scene::new(&["websocket"], &["--replay-bytes", "4KiB"]).await;
    scene.cut().await;
    for round in 0..20 {
        scene.rename(&format!("missed {round}")).await;
    }
    assert!(!scene.mend().await);
    let mut resyncs = [scene.client.expect("component:resync").await, scene.client.expect("component:resync").await];
    resyncs.sort_by_key(|resync| resync["entityId"].is_null());
    assert_eq!((&resyncs[0]["entityId"], &resyncs[1]["componentId"]), (&json!("1"), &json!(scene.id)));
    assert_eq!(scene.client.expect("component:resync").await["userId"], "ann", "what was for the user is gone too");
    // It is in them all the same.
    scene.rename("live").await;
    scene.hears("live").await;
}

#[tokio::test]
async fn who_is_cut_off_before_it_hears_that_it_must_fetch_is_told_again() {
    let mut scene = Scene::new(&["websocket"], &["--replay-bytes", "4KiB"]).await;
    scene.rename("held").await;
    let held = scene.client.expect("component:updated").await["offset"].take();
    let direct = Network::start(Some(scene.server.address)).await;
    // The client of the first session has lost its rooms, the other is too far behind.
    for (session, reason) in [(json!("unknown"), "session gone"), (scene.session.clone(), "history gap")] {
        for round in 0..20 {
            scene.rename(&format!("missed {round}")).await;
        }
        scene.client.names_until("missed 19").await;
        let mut session = session;
        // It has a new session, and its old offset as long as it has not heard all that there was to be told.
        for reason in [reason, "history gap", "history gap"] {
            let auth = json!({ "token": token("ann"), "pid": session, "offset": held });
            let (mut back, new) = connect(&scene.sockets, &direct, &["websocket"], auth).await;
            assert_ne!(new, session, "it says that it has missed nothing: {reason}");
            assert_eq!(back.expect("component:resync").await["reason"], reason);
            session = new;
            back.disconnect().await;
        }
        let auth = json!({ "token": token("ann"), "pid": session, "offset": held });
        let (mut back, new) = connect(&scene.sockets, &direct, &["websocket"], auth).await;
        let offset = back.until("walcast:position").await.pop();
        back.disconnect().await;
        let auth = json!({ "token": token("ann"), "pid": new, "offset": offset });
        let (_, same) = connect(&scene.sockets, &direct, &["websocket"], auth).await;
        assert_eq!(same, new, "it has heard it: {reason}");
    }
}

#[tokio::test]
async fn who_is_back_before_its_old_connection_is_found_dead_takes_its_place() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    scene.rename("before").await;
    let offset = scene.client.expect("component:updated").await["offset"].take();
    // The old one hears nothing any more, and nobody hears of it.
    scene.network.flow(Flow::Stalled);
    scene.rename("missed").await;
    let direct = Network::start(Some(scene.server.address)).await;
    let auth = json!({ "token": token("ann"), "pid": scene.session, "offset": offset });
    let (mut back, session) = connect(&scene.sockets, &direct, &["websocket"], auth).await;
    assert_eq!(session, scene.session, "it has recovered");
    assert_eq!(back.expect("component:updated").await["updates"]["name"], "missed");
    let away = |line: &Value| line["reason"] == "its client is back";
    scene.server.logged("the end of the old connection", PATIENCE, away).await.expect("the server lives");
}

#[tokio::test]
async fn a_slow_network_brings_all_in_order() {
    let mut scene = Scene::new(&["websocket"], &["--compress-above", "1GiB"]).await;
    scene.network.flow(Flow::Slow);
    for round in 0..100 {
        scene.rename(&format!("{round:01000}")).await;
    }
    for round in 0..100 {
        scene.hears(&format!("{round:01000}")).await;
    }
}

#[tokio::test]
async fn nobody_gets_in_by_the_session_of_another_user() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    let auth = json!({ "token": token("bob"), "pid": scene.session, "offset": "e/0-0" });
    let (mut bob, _) = connect(&scene.sockets, &scene.network, &["websocket"], auth).await;
    assert_eq!(bob.expect("component:resync").await["reason"], "session gone");
    scene.rename("live").await;
    scene.hears("live").await;
    bob.catch_up(&scene.database).await;
    assert_eq!(bob.received(), [], "bob is in no room");
}

#[tokio::test]
async fn where_it_is_turned_off_events_end_in_no_offset_and_nobody_recovers() {
    let scene = Scene::new(&["websocket"], &["--recovery", "off"]).await;
    does_not_recover(scene).await;
}

#[tokio::test]
async fn a_client_may_say_that_it_takes_no_offset() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    let auth = json!({ "token": token("ann"), "recovery": false });
    (scene.client, _) = connect(&scene.sockets, &scene.network, &["websocket"], auth).await;
    scene.client.subscribe(json!({ "componentId": scene.id })).await;
    does_not_recover(scene).await;
}

async fn does_not_recover(mut scene: Scene) {
    scene.rename("live").await;
    let [payload] = &scene.client.expect_arguments("component:updated", 1).await[..] else { panic!("one argument") };
    assert_eq!(payload["updates"]["name"], "live");
    scene.cut().await;
    assert!(!scene.mend().await);
}

#[tokio::test]
async fn events_end_in_the_offset_that_they_carry() {
    let mut scene = Scene::new(&["websocket"], &[]).await;
    scene.rename("live").await;
    let [payload, offset] = &scene.client.expect_arguments("component:updated", 2).await[..] else { panic!("two") };
    assert_eq!(payload["offset"], *offset);
}
