//! Who is in a room with whom, and what they say of themselves.

use std::process::Stdio;

use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::support::{Client, Database, Flow, Network, Server, Sockets, WebSocket, token, users, within};

struct Scene {
    _database: Database,
    server: Server,
    sockets: Sockets,
}

impl Scene {
    async fn new(arguments: &[&str]) -> Scene {
        let database = Database::new().await;
        let server = Server::start_with(&database, arguments).await;
        Scene { _database: database, server, sockets: Sockets::start().await }
    }

    async fn comes(&self, user: &str) -> Client {
        self.sockets.connect(&self.server, user, "websocket").await
    }

    /// Comes into the room, and hears that it is there.
    async fn enters(&self, user: &str) -> Client {
        let mut client = self.comes(user).await;
        client.subscribe(room()).await;
        assert_eq!(company(&mut client).await, told("component:user-joined", user));
        client
    }
}

fn room() -> Value {
    json!({ "componentId": "x" })
}

/// The next that a client is told, whatever it is, but for where it stands.
async fn company(client: &mut Client) -> (String, Value) {
    loop {
        let (event, mut arguments) = client.next_of_all().await;
        if !matches!(event.as_str(), "connect" | "upgrade" | "walcast:position") {
            return (event, arguments.remove(0));
        }
    }
}

fn told(event: &str, user: &str) -> (String, Value) {
    let payload = json!({ "componentId": "x", "id": "x", "userId": user, "userEmail": format!("{user}@example.com") });
    (event.to_owned(), payload)
}

#[tokio::test]
async fn a_user_joins_with_the_first_socket_and_leaves_with_the_last() {
    let scene = Scene::new(&[]).await;
    let mut ann = scene.enters("ann").await;
    let mut bob = scene.comes("bob").await;
    let ack = bob.subscribe(room()).await;
    let there: Vec<_> = ack["users"].as_array().expect("users").iter().map(|user| &user["id"]).collect();
    assert_eq!((there, &ack["count"]), (vec![&json!("ann"), &json!("bob")], &json!(2)));
    assert!(ack["users"][0]["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{ack}");
    assert_eq!(company(&mut bob).await, told("component:user-joined", "bob"));
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));

    // Another tab of the same user: it learns that it is in, and nobody else hears of it.
    let mut tab = scene.enters("bob").await;
    bob.disconnect().await;
    let mut carol = scene.enters("carol").await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "carol"));
    assert_eq!(company(&mut tab).await, told("component:user-joined", "carol"));
    tab.request("component:unsubscribe", room()).await;
    for other in [&mut ann, &mut carol] {
        assert_eq!(company(other).await, told("component:user-left", "bob"));
    }
    // It can come again, by the same socket.
    tab.subscribe(room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));
    assert_eq!(company(&mut tab).await, told("component:user-joined", "bob"));
    tab.subscribe(room()).await;
    carol.disconnect().await;
    assert_eq!(company(&mut tab).await, told("component:user-left", "carol"), "to subscribe twice is to be there once");
}

#[tokio::test]
async fn in_the_room_of_an_entity_it_is_told_by_the_ids_of_the_entity() {
    let scene = Scene::new(&[]).await;
    let ids = json!({ "entityType": "page", "entityId": "1" });
    let mut ann = scene.comes("ann").await;
    ann.subscribe(ids.clone()).await;
    let joined = |user: &str| json!({ "entityType": "page", "entityId": "1", "userId": user, "userEmail": format!("{user}@example.com") });
    assert_eq!(company(&mut ann).await, ("component:user-joined".to_owned(), joined("ann")));
    let bob = scene.comes("bob").await;
    // By another prefix it is the same room.
    assert_eq!(bob.request("order:subscribe", ids).await["ok"], true);
    assert_eq!(company(&mut ann).await, ("component:user-joined".to_owned(), joined("bob")));
}

#[tokio::test]
async fn who_dies_is_noticed_by_the_heartbeat() {
    let scene = Scene::new(&["--ping-interval", "500ms", "--ping-timeout", "4s"]).await;
    let mut ann = scene.enters("ann").await;
    let network = Network::start(Some(scene.server.address)).await;
    let options = json!({ "transports": ["websocket"], "auth": { "token": token("bob") } });
    let url = format!("http://{}", network.address);
    let bob = scene.sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
    bob.subscribe(room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));
    network.flow(Flow::Stalled);
    assert_eq!(company(&mut ann).await, told("component:user-left", "bob"));
}

#[tokio::test]
async fn a_state_is_told_to_the_others_and_to_those_who_come_later() {
    let scene = Scene::new(&[]).await;
    let (mut ann, mut bob) = (scene.enters("ann").await, scene.enters("bob").await);
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));
    let state = json!({ "color": "red", "selected": ["a", 1] });
    let ack = bob.request("presence:update", json!({ "componentId": "x", "state": state })).await;
    assert_eq!(ack, json!({ "ok": true }));
    let (event, payload) = company(&mut ann).await;
    assert_eq!((event.as_str(), &payload["userId"], &payload["state"]), ("presence:state", &json!("bob"), &state));
    assert_eq!(payload["componentId"], "x");
    let carol = scene.comes("carol").await;
    let ack = carol.subscribe(room()).await;
    let of_bob = ack["users"].as_array().expect("users").iter().find(|user| user["id"] == "bob").expect("bob is there");
    assert_eq!(of_bob["state"], state);
    // Who said it does not hear it.
    assert_eq!(company(&mut bob).await, told("component:user-joined", "carol"));
    // With who leaves it is gone.
    bob.request("component:unsubscribe", room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "carol"));
    assert_eq!(company(&mut ann).await, told("component:user-left", "bob"));
    let ack = bob.subscribe(room()).await;
    assert!(ack["users"].as_array().expect("users").iter().all(|user| user["state"].is_null()), "{ack}");
}

#[tokio::test]
async fn what_a_user_said_in_leaving_is_not_told_when_they_have_left() {
    let scene = Scene::new(&["--ephemeral-tick", "500ms"]).await;
    let (mut ann, bob) = (scene.enters("ann").await, scene.enters("bob").await);
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));
    bob.emit("presence:update", json!({ "componentId": "x", "state": { "color": "red" } })).await;
    bob.request("component:unsubscribe", room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-left", "bob"));
    let carol = scene.comes("carol").await;
    carol.subscribe(room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "carol"), "nothing was told of who has left");
}

#[tokio::test]
async fn of_a_room_that_one_is_not_in_one_says_nothing() {
    let scene = Scene::new(&[]).await;
    let mut ann = scene.enters("ann").await;
    let mut bob = scene.comes("bob").await;
    for (event, payload) in [
        ("presence:update", json!({ "componentId": "x", "state": {} })),
        ("component:typing", json!({ "componentId": "x" })),
        ("component:cursor", json!({ "componentId": "x", "entityType": "page", "entityId": "1", "position": 1 })),
    ] {
        let ack = bob.request(event, payload.clone()).await;
        assert_eq!((&ack["ok"], &ack["error"]["code"]), (&json!(false), &json!("forbidden")), "{event}");
        bob.emit(event, payload).await;
        let error = bob.expect("component:error").await;
        assert_eq!((&error["event"], &error["code"]), (&json!(event), &json!("forbidden")));
    }
    let large = json!({ "componentId": "x", "state": { "text": "x".repeat(5000) } });
    for (payload, code) in
        [(json!({ "componentId": "x", "state": "red" }), "invalid_payload"), (large, "payload_too_large")]
    {
        assert_eq!(ann.request("presence:update", payload).await["error"]["code"], code);
    }
    let carol = scene.comes("carol").await;
    carol.subscribe(room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "carol"), "nothing else was told");
}

#[tokio::test]
async fn who_recovers_is_told_who_is_there_now() {
    let scene = Scene::new(&[]).await;
    let mut ann = scene.enters("ann").await;
    let network = Network::start(Some(scene.server.address)).await;
    let options = json!({
        "transports": ["websocket"], "auth": { "token": token("bob") },
        "reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 200,
    });
    let url = format!("http://{}", network.address);
    let mut bob = scene.sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
    bob.subscribe(room()).await;
    assert_eq!(company(&mut ann).await, told("component:user-joined", "bob"));
    network.aim(None);
    network.cut();
    bob.until("disconnect").await;
    assert_eq!(company(&mut ann).await, told("component:user-left", "bob"));
    let _carol = scene.enters("carol").await;
    network.aim(Some(scene.server.address));
    assert_eq!(bob.until("connect").await[0], true);
    let roster = bob.until("presence:roster").await.remove(0);
    assert_eq!((&roster["componentId"], &roster["count"]), (&json!("x"), &json!(3)));
    let mut there: Vec<_> = users(&roster).as_array().expect("users").iter().map(|user| user["id"].clone()).collect();
    there.sort_by_key(ToString::to_string);
    assert_eq!(there, ["ann", "bob", "carol"]);
}

#[tokio::test]
async fn a_room_that_fills_at_once_is_told_who_is_there_instead_of_each_who_comes() {
    const GUESTS: usize = 300;
    let scene = Scene::new(&["--roster", "20", "--ephemeral-tick", "1s"]).await;
    let mut first = WebSocket::enter(scene.server.address, "first", &[]).await;
    first.say(&format!("42{}", json!(["component:subscribe", room()]))).await;
    let mut guests = Vec::new();
    for guest in 0..GUESTS {
        guests.push(WebSocket::enter(scene.server.address, &format!("guest {guest}"), &[]).await);
    }
    for guest in &mut guests {
        guest.say(&format!("42{}", json!(["component:subscribe", room()]))).await;
    }
    // How many are there, and of how many of them it was told by itself.
    let (mut there, mut one_by_one) = (0, 0);
    within("word of all", async {
        while there <= GUESTS {
            let packet = first.packet().await;
            let Some(event) = packet.strip_prefix("42") else { continue };
            let event: Value = serde_json::from_str(event).expect("JSON");
            match event[0].as_str() {
                Some("component:user-joined") => {
                    there += 1;
                    one_by_one += 1;
                }
                Some("presence:roster") => {
                    there = event[1]["count"].as_u64().expect("a count") as usize;
                    assert_eq!(event[1]["users"].as_array().map(Vec::len), Some(20));
                }
                _ => {}
            }
        }
    })
    .await;
    assert!(one_by_one < GUESTS / 2, "{one_by_one} of {GUESTS} were told one by one");
}

#[tokio::test]
async fn who_comes_is_named_and_of_the_others_as_many_as_fit() {
    let names = |of: &Value| -> Vec<String> {
        let users = of["users"].as_array().expect("users").iter();
        users.map(|user| user["id"].as_str().expect("an id").to_owned()).collect()
    };
    let scene = Scene::new(&["--roster", "2"]).await;
    let (_ann, _bob, carol) = (scene.enters("ann").await, scene.enters("bob").await, scene.comes("carol").await);
    let ack = carol.subscribe(room()).await;
    assert_eq!((names(&ack), &ack["count"]), (vec!["ann".to_owned(), "carol".to_owned()], &json!(3)), "by number");

    let scene = Scene::new(&["--roster", "10"]).await;
    let mut guests = Vec::new();
    for user in ["ann", "bob", "carol"] {
        let guest = scene.enters(user).await;
        let large = json!({ "componentId": "x", "state": { "text": "x".repeat(4_000) } });
        assert_eq!(guest.request("presence:update", large).await["ok"], true);
        guests.push(guest);
    }
    let dave = scene.comes("dave").await;
    let ack = dave.subscribe(room()).await;
    assert_eq!((names(&ack), &ack["count"]), (vec!["ann".to_owned(), "dave".to_owned()], &json!(4)), "by size");
    // Whose own state fills the list is in it all the same.
    let ack = guests[2].subscribe(room()).await;
    assert_eq!((names(&ack), &ack["count"]), (vec!["carol".to_owned()], &json!(4)));
    // What is told in place of comings and goings keeps to the same.
    let options = json!({
        "transports": ["websocket"],
        "auth": { "token": token("eve"), "since": ack["offset"], "rooms": ["component:x"] },
    });
    let mut eve = scene.sockets.try_connect(&scene.server, options).await.expect("connects");
    let roster = eve.until("presence:roster").await.remove(0);
    assert_eq!((names(&roster), &roster["count"]), (vec!["ann".to_owned(), "eve".to_owned()], &json!(5)));
}

#[tokio::test]
async fn everybody_knows_who_is_there_after_a_while_of_coming_leaving_and_dying() {
    let scene = Scene::new(&[]).await;
    let tokens: Map<String, Value> =
        (0..200).map(|user| (format!("u{user}"), token(&format!("u{user}")).into())).collect();
    let order = json!({
        "url": scene.server.url(), "tokens": tokens, "ids": room(), "clients": 500,
        "seconds": 20, "seed": 1,
    });
    let crowd = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/crowd.mjs"))
        .arg(order.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(std::time::Duration::from_secs(120), crowd).await.expect("it ends").expect("node runs");
    let outcome: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(outcome["problems"], json!([]));
    let number = |what: &str| outcome[what].as_u64().unwrap_or_default();
    assert!(number("changes") > 1_000 && number("clients") > 50 && number("users") > 30, "{outcome}");
}
