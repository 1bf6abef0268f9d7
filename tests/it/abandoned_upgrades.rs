//! Upgrades from polling that are broken off, made twice, or of no session: refused with the codes of Engine.IO. Nothing is
//! left behind of them, and whoever broke one off polls on, unless it had been told that it works.

use serde_json::{Value, json};

use crate::support::{
    Connection, Database, Flow, Network, Poller, Server, Sockets, WebSocket, token,
    websocket::{FIN, HANDSHAKE, RSV1, TEXT, frame},
    within,
};

async fn server() -> (Database, Server, String) {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let server = Server::start(&database).await;
    (database, server, id)
}

/// A client that polls, in a room.
async fn polling(server: &Server, id: &str) -> Poller {
    let mut poller = Poller::enter(server.address, "polling").await;
    poller.say(&format!("420{}", json!(["component:subscribe", { "componentId": id }]))).await;
    let acks = poller.poll().await;
    assert!(acks[0].starts_with(r#"430[{"#), "{acks:?}");
    poller
}

async fn upgrade(server: &Server, poller: &Poller) -> WebSocket {
    let shaken = WebSocket::shake(Connection::open(server.address).await, Some(&poller.sid), &[]).await;
    shaken.unwrap_or_else(|response| panic!("{}", response.head))
}

/// Who looks at who else is in the room, and how many descriptors the server has with them alone.
async fn watcher(server: &Server, id: &str) -> (WebSocket, usize) {
    let mut watcher = WebSocket::enter(server.address, "watcher", &[]).await;
    watcher.subscribe(json!({ "componentId": id })).await;
    (watcher, server.descriptors())
}

/// Who is in the room, as the ack of one more says.
async fn users(watcher: &mut WebSocket, id: &str) -> Vec<Value> {
    let ack = watcher.subscribe(json!({ "componentId": id })).await;
    ack["users"].as_array().expect("users").iter().map(|user| user["id"].clone()).collect()
}

async fn until_alone(watcher: &mut WebSocket, id: &str) {
    within("a room without anybody else", async {
        while users(watcher, id).await != ["watcher"] {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_breaks_an_upgrade_off_anywhere_polls_on_and_may_try_again() {
    let (database, server, id) = server().await;
    let (mut watcher, before) = watcher(&server, &id).await;
    let probe = frame(FIN | TEXT, b"2probe");
    let said: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("half a frame", &probe[..4]),
        ("another packet", &frame(FIN | TEXT, b"4hello")),
        ("what is binary", &frame(FIN | 2, b"5")),
        ("what is no WebSocket", &[0xFF; 16]),
        ("what was not negotiated", &frame(FIN | RSV1 | TEXT, b"2probe")),
    ];
    for (what, bytes) in said {
        let mut poller = polling(&server, &id).await;
        assert_eq!(users(&mut watcher, &id).await.len(), 2, "{what}");
        let polls = server.descriptors();
        for time in 0..2 {
            let mut socket = upgrade(&server, &poller).await;
            socket.write(bytes).await;
            drop(socket);
            server.until_descriptors_are(polls).await;
            database.sql(&format!("UPDATE components SET name = '{what} {time}' WHERE id = '{id}'")).await;
            until_heard(&mut poller, &format!("{what} {time}")).await;
        }
        assert_eq!(users(&mut watcher, &id).await.len(), 2, "{what}");
        let mut socket = upgrade(&server, &poller).await;
        socket.say("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        socket.say("5").await;
        database.sql(&format!("UPDATE components SET name = '{what}' WHERE id = '{id}'")).await;
        assert_eq!(socket.name().await, what);
        drop((socket, poller));
        until_alone(&mut watcher, &id).await;
        server.until_descriptors_are(before).await;
    }
}

#[tokio::test]
async fn who_breaks_an_upgrade_off_that_it_tried_out_is_gone() {
    let (_database, server, id) = server().await;
    let (mut watcher, before) = watcher(&server, &id).await;
    for hears in [true, false] {
        let mut poller = polling(&server, &id).await;
        assert_eq!(users(&mut watcher, &id).await.len(), 2);
        let mut socket = upgrade(&server, &poller).await;
        socket.say("2probe").await;
        if hears {
            assert_eq!(socket.packet().await, "3probe");
        }
        drop(socket);
        until_alone(&mut watcher, &id).await;
        until_unknown(&mut poller).await;
        drop(poller);
        server.until_descriptors_are(before).await;
    }
}

/// Polls until an event tells this name.
async fn until_heard(poller: &mut Poller, name: &str) {
    within("the event by polling", async {
        while !poller.poll().await.iter().any(|packet| packet.contains(&format!("\"{name}\""))) {}
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_of_no_session_or_without_a_handshake_is_refused() {
    let (_database, server, id) = server().await;
    let mut watcher = WebSocket::enter(server.address, "watcher", &[]).await;
    let before = server.descriptors();
    let mut ended = polling(&server, &id).await;
    ended.say("1").await;
    until_unknown(&mut ended).await;
    let polls = polling(&server, &id).await;
    let was_upgraded = polling(&server, &id).await;
    let mut upgraded = upgrade(&server, &was_upgraded).await;
    upgraded.say("2probe").await;
    assert_eq!(upgraded.packet().await, "3probe");
    let base = "/socket.io/?EIO=4&transport=websocket";
    let of = |sid: &str| format!("{base}&sid={sid}");
    let without = |name: &str| HANDSHAKE.into_iter().filter(|header| !header.starts_with(name)).collect::<Vec<_>>();
    let other = |name: &'static str, header: &'static str| [without(name), vec![header]].concat();
    let whole = HANDSHAKE.to_vec();
    for (what, method, target, headers, code) in [
        ("an unknown session", "GET", of("AAAAAAAAAAAAAAAA"), whole.clone(), 1),
        ("what is no session", "GET", of("'; DROP TABLE"), whole.clone(), 1),
        ("a session that ended", "GET", of(&ended.sid), whole.clone(), 1),
        ("a second upgrade", "GET", of(&was_upgraded.sid), whole.clone(), 3),
        ("no key", "GET", base.to_owned(), without("Sec-WebSocket-Key"), 3),
        ("no key, of a session", "GET", of(&polls.sid), without("Sec-WebSocket-Key"), 3),
        ("no version", "GET", base.to_owned(), without("Sec-WebSocket-Version"), 3),
        ("another version", "GET", base.to_owned(), other("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 3),
        ("no upgrade", "GET", base.to_owned(), without("Upgrade"), 3),
        ("no connection", "GET", base.to_owned(), other("Connection", "Connection: keep-alive"), 3),
        ("a POST", "POST", base.to_owned(), whole.clone(), 3),
        ("no EIO", "GET", "/socket.io/?transport=websocket".to_owned(), whole.clone(), 5),
        ("an old EIO", "GET", "/socket.io/?EIO=3&transport=websocket".to_owned(), whole.clone(), 5),
        ("no transport", "GET", "/socket.io/?EIO=4".to_owned(), whole.clone(), 0),
        ("another transport", "GET", "/socket.io/?EIO=4&transport=flash".to_owned(), whole.clone(), 0),
    ] {
        let target = target.replace(' ', "%20");
        let response = Connection::open(server.address).await.request(method, &target, &headers, "").await;
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        assert_eq!((response.status, &body["code"]), (400, &json!(code)), "{what}: {body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {body}");
    }
    // None of it did any harm: the one goes on polling and may still upgrade, the other goes over.
    let mut upgrading = upgrade(&server, &polls).await;
    for socket in [&mut upgraded, &mut upgrading] {
        socket.say("2probe").await;
    }
    for mut poller in [polls, was_upgraded] {
        poller.say("1").await;
    }
    drop((upgrading, upgraded, ended));
    watcher.subscribe(json!({ "componentId": id })).await;
    until_alone(&mut watcher, &id).await;
    server.until_descriptors_are(before).await;
}

async fn until_unknown(poller: &mut Poller) {
    within("the end of the session", async {
        while poller.connection.request("GET", &poller.target(), &[], "").await.status == 200 {}
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_over_is_sent_all_that_there_is_over_either_way_once() {
    let (database, server, id) = server().await;
    let rename = async |name: &str| {
        database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
    };
    let mut poller = polling(&server, &id).await;
    let mut socket = upgrade(&server, &poller).await;
    socket.say("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    rename("while it upgrades").await;
    until_heard(&mut poller, "while it upgrades").await;
    // Nobody polls now.
    rename("held").await;
    socket.say("5").await;
    assert_eq!(socket.name().await, "held");
    rename("live").await;
    assert_eq!(socket.name().await, "live");
    let response = poller.connection.request("GET", &poller.target(), &[], "").await;
    assert_eq!(response.status, 400, "it polls no more");
}

#[tokio::test]
async fn a_stock_client_whose_upgrade_is_cut_off_comes_back_by_itself() {
    let (database, server, id) = server().await;
    let network = Network::start(Some(server.address)).await;
    let sockets = Sockets::start().await;
    let options = json!({
        "transports": ["polling", "websocket"], "auth": { "token": token("ann") },
        "reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 200,
    });
    let url = format!("http://{}", network.address);
    let mut client = sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
    client.subscribe(json!({ "componentId": id })).await;
    for round in 0..5 {
        // Each time it is somewhere else in its upgrade, or already over.
        network.flow(Flow::Stalled);
        network.cut();
        network.flow(Flow::Open);
        // What is told into a connection that is cut off, and not known to be, a client that asks again by itself has missed;
        // and one that was about to go over is deaf until its heartbeat fails. So it is told until it hears.
        let mut telling = tokio::time::interval(std::time::Duration::from_secs(2));
        let mut times = 0;
        let back = async {
            loop {
                tokio::select! {
                    _ = telling.tick() => {
                        times += 1;
                        let name = format!("{round}.{times}");
                        database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
                    }
                    (_, told) = client.next() => {
                        if told["updates"]["name"].as_str().is_some_and(|name| name.starts_with(&format!("{round}."))) {
                            return;
                        }
                    }
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(100), back).await.expect("it comes back");
    }
}
