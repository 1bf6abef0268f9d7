//! permessage-deflate, byte by byte, and compressed answers to those who poll.

use serde_json::{Value, json};

use crate::support::{
    Database, Poller, Server, WebSocket, is_passed_over,
    websocket::{CLOSE, FIN, Frame, OFFER, PING, Packet, RSV1, TEXT, deflate, frame, read},
    within,
};

struct Scene {
    database: Database,
    server: Server,
    id: String,
}

/// Longer than what is compressed, and shorter.
const LONG: usize = 3_000;
const SHORT: usize = 30;

impl Scene {
    async fn new(arguments: &[&str]) -> Scene {
        let database = Database::new().await;
        let id = database.component("c", "[]").await;
        let server = Server::start_with(&database, arguments).await;
        Scene { database, server, id }
    }

    async fn enter(&self, user: &str, headers: &[&str]) -> WebSocket {
        let mut socket = WebSocket::enter(self.server.address, user, headers).await;
        socket.subscribe(json!({ "componentId": self.id })).await;
        socket
    }

    async fn rename(&self, length: usize, with: char) {
        let name = with.to_string().repeat(length);
        self.database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{}'", self.id)).await;
    }
}

/// The next frame that holds an event of the component; its name in it.
async fn event(socket: &mut WebSocket) -> (Frame, String) {
    loop {
        let frame = within("an event", socket.frame()).await.expect("it goes on");
        let text = frame.text();
        if text == "2" {
            socket.say("3").await;
        } else if let Packet::Event(event) = read(&text)
            && let Some(name) = event[1]["updates"]["name"].as_str()
        {
            return (frame, name.to_owned());
        }
    }
}

#[tokio::test]
async fn long_events_are_compressed_for_those_who_asked_for_it() {
    let scene = Scene::new(&[]).await;
    let mut compressed = [scene.enter("a", &[OFFER]).await, scene.enter("b", &[OFFER]).await];
    let mut plain = scene.enter("plain", &[]).await;
    let agreed =
        "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
    for socket in &compressed {
        assert!(socket.head.contains(agreed), "{}", socket.head);
    }
    assert!(!plain.head.contains("sec-websocket-extensions"));
    for (length, letter) in [(LONG, 'a'), (SHORT, 'b'), (LONG, 'c')] {
        scene.rename(length, letter).await;
        let whole = letter.to_string().repeat(length);
        let (frame, name) = event(&mut plain).await;
        assert_eq!((frame.compressed, &name), (false, &whole));
        let mut payloads = Vec::new();
        for socket in &mut compressed {
            let (frame, name) = event(socket).await;
            assert_eq!((frame.compressed, &name), (length == LONG, &whole));
            payloads.push(frame.payload);
        }
        assert_eq!(payloads[0], payloads[1], "compressed once for all");
        assert!(length != LONG || payloads[0].len() < LONG / 4, "{} bytes", payloads[0].len());
    }
}

#[tokio::test]
async fn compression_begins_where_it_is_said_to() {
    let scene = Scene::new(&["--compress-above", "10kB"]).await;
    let mut socket = scene.enter("a", &[OFFER]).await;
    for (length, compressed) in [(9_000, false), (10_000, true)] {
        scene.rename(length, 'a').await;
        assert_eq!(event(&mut socket).await.0.compressed, compressed, "{length}");
    }
}

#[tokio::test]
async fn an_offer_that_cannot_be_kept_is_declined() {
    let scene = Scene::new(&[]).await;
    for (letter, offer) in [
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; unheard_of",
        "x-webkit-deflate-frame",
    ]
    .into_iter()
    .enumerate()
    {
        let mut socket = scene.enter("a", &[&format!("Sec-WebSocket-Extensions: {offer}")]).await;
        assert!(!socket.head.contains("sec-websocket-extensions"), "{offer}");
        scene.rename(LONG, char::from(b'a' + letter as u8)).await;
        assert!(!event(&mut socket).await.0.compressed, "{offer}");
    }
    let second = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate";
    let socket = scene.enter("a", &[second]).await;
    assert!(socket.head.contains("sec-websocket-extensions: permessage-deflate;"), "the second offer can be kept");
}

fn request(id: u64, ids: Value) -> Vec<u8> {
    format!("42{id}{}", json!(["component:subscribe", ids])).into_bytes()
}

#[tokio::test]
async fn a_compressed_request_is_understood_in_fragments_too() {
    let scene = Scene::new(&[]).await;
    let mut socket = scene.enter("a", &[OFFER]).await;
    socket.send(FIN | RSV1 | TEXT, &deflate(&request(10, json!({ "componentId": "whole" })))).await;
    assert_ack(&mut socket, 10, "component:whole").await;

    let deflated = deflate(&request(11, json!({ "componentId": "x".repeat(1_000) })));
    let (first, rest) = deflated.split_at(7);
    let (second, third) = rest.split_at(1);
    for (head, payload) in [(RSV1 | TEXT, first), (0, second), (FIN | PING, b"ping"), (FIN, third)] {
        socket.send(head, payload).await;
    }
    let mut pong = within("a pong", socket.frame()).await.expect("it goes on");
    if pong.opcode == TEXT {
        assert!(pong.payload.starts_with(br#"42["component:user-joined""#), "{pong:?}");
        pong = within("a pong", socket.frame()).await.expect("it goes on");
    }
    assert_eq!((pong.opcode, &*pong.payload), (0xA, &b"ping"[..]));
    assert_ack(&mut socket, 11, &format!("component:{}", "x".repeat(1_000))).await;

    // Byte by byte, and not compressed, between compressed ones.
    for byte in frame(FIN | TEXT, &request(12, json!({ "componentId": "plain" }))) {
        socket.write(&[byte]).await;
    }
    socket.send(FIN | RSV1 | TEXT, &deflate(&request(13, json!({ "componentId": "last" })))).await;
    assert_ack(&mut socket, 12, "component:plain").await;
    assert_ack(&mut socket, 13, "component:last").await;
}

async fn assert_ack(socket: &mut WebSocket, id: u64, room: &str) {
    loop {
        match read(&socket.packet().await) {
            Packet::Ack(of, ack) => return assert_eq!((of, &ack["room"]), (id, &json!(room))),
            Packet::Event(event) => assert!(event[0].as_str().is_some_and(is_passed_over), "{event}"),
        }
    }
}

/// What the connection ends with.
async fn end(mut socket: WebSocket) -> u16 {
    let code = loop {
        let frame = within("a close frame", socket.frame()).await.expect("a close frame before the end");
        if frame.opcode == CLOSE {
            break frame.close_code();
        }
    };
    assert!(within("the end", socket.frame()).await.is_none(), "something came after the close frame");
    code
}

#[tokio::test]
async fn a_bomb_ends_the_connection_with_1009() {
    let scene = Scene::new(&["--max-payload", "64KiB"]).await;
    let before = scene.server.descriptors();
    let resident = scene.server.status("VmRSS");
    let bomb = deflate(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100 << 10, "{} bytes", bomb.len());
    let mut whole = scene.enter("whole", &[OFFER]).await;
    let mut fragmented = scene.enter("fragmented", &[OFFER]).await;
    whole.send(FIN | RSV1 | TEXT, &bomb).await;
    assert_eq!(end(whole).await, 1009);
    let (last, rest) = bomb.split_last().expect("bytes");
    fragmented.send(RSV1 | TEXT, &rest[..9]).await;
    for piece in rest[9..].chunks(10 << 10) {
        fragmented.send(0, piece).await;
        fragmented.send(FIN | PING, b"").await;
    }
    fragmented.send(FIN, &[*last]).await;
    assert_eq!(end(fragmented).await, 1009);
    scene.server.until_descriptors_are(before).await;
    let grown = scene.server.status("VmRSS").saturating_sub(resident);
    assert!(grown < 20 << 10, "{grown} kB more than before");
}

#[tokio::test]
async fn a_message_that_is_too_long_as_it_is_ends_the_connection_with_1009() {
    let scene = Scene::new(&["--max-payload", "64KiB"]).await;
    for headers in [&[][..], &[OFFER]] {
        let mut socket = scene.enter("a", headers).await;
        // Its head says so.
        let long = frame(FIN | TEXT, &vec![b' '; 600 << 10]);
        socket.write(&long[..100]).await;
        assert_eq!(end(socket).await, 1009, "{headers:?}");
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_with_1002() {
    let scene = Scene::new(&[]).await;
    let before = scene.server.descriptors();
    let compressed = deflate(b"42[]");
    let mut unmasked = frame(FIN | TEXT, b"3");
    unmasked[1] &= 0x7F;
    for (what, headers, bytes) in [
        ("a compressed frame, not negotiated", &[][..], frame(FIN | RSV1 | TEXT, &compressed)),
        ("RSV2", &[], frame(FIN | 0x20 | TEXT, b"3")),
        ("no mask", &[], unmasked.clone()),
        ("a reserved opcode", &[], frame(FIN | 0x3, b"3")),
        ("a continuation of nothing", &[], frame(FIN, b"3")),
        ("RSV2 where RSV1 is negotiated", &[OFFER], frame(FIN | 0x20 | TEXT, b"3")),
        ("no mask, negotiated", &[OFFER], unmasked),
        ("RSV1 on a ping", &[OFFER], frame(FIN | RSV1 | PING, b"3")),
        ("what does not inflate", &[OFFER], frame(FIN | RSV1 | TEXT, b"\xFF\xFF\xFF\xFF")),
    ] {
        let mut socket = scene.enter("a", headers).await;
        socket.write(&bytes).await;
        assert_eq!(end(socket).await, 1002, "{what}");
    }
    scene.server.until_descriptors_are(before).await;
}

#[tokio::test]
async fn long_answers_to_polls_come_gzipped_where_that_is_accepted() {
    let scene = Scene::new(&[]).await;
    let mut poller = Poller::enter(scene.server.address, "polling").await;
    poller.say(&format!("420{}", json!(["component:subscribe", { "componentId": scene.id }]))).await;
    assert!(poller.poll().await[0].starts_with("430"));
    for (length, accepts, gzipped) in [(LONG, true, true), (SHORT, true, false), (LONG, false, false)] {
        let letter = if accepts { 'a' } else { 'b' };
        scene.rename(length, letter).await;
        let headers: &[&str] = if accepts { &["Accept-Encoding: gzip"] } else { &[] };
        let response = loop {
            let response = poller.connection.request("GET", &poller.target(), headers, "").await;
            if response.body != b"2" {
                break response;
            }
        };
        assert_eq!(response.head.contains("content-encoding: gzip"), gzipped, "{}", response.head);
        let body = if gzipped { gunzip(&response.body) } else { response.body };
        let text = String::from_utf8(body).expect("text");
        let Packet::Event(event) = read(&text) else { panic!("{text}") };
        assert_eq!(event[1]["updates"]["name"], letter.to_string().repeat(length));
    }
}

fn gunzip(gzipped: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzipped), &mut text).expect("gzip");
    text
}
