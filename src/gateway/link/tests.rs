//! Behind the real library: does it still write as [`Stream`] takes for granted?

use std::{future, time::Duration};

use axum::http;
use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler as _, socket::Sid};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Beat, Limits, Link, Stream, Terms, fill_poll};
use crate::{
    gateway::{
        connection::Connection,
        library::Library,
        websocket::frame::{self, Head},
    },
    hub::SessionId,
};

const BEAT: Beat = Beat { every: Duration::from_millis(100), patience: Duration::from_secs(2) };
const LIMITS: Limits = Limits { bytes: 64 << 20, stall: Duration::from_secs(60), compress: usize::MAX, beat: BEAT };

struct Client {
    connection: TcpStream,
    held: Vec<u8>,
}

impl Client {
    /// The text of the next frame that is no ping. Those are answered.
    async fn packet(&mut self) -> String {
        loop {
            match self.text().await.expect("the connection was not ended") {
                ping if ping == "2" => self.say("3").await,
                packet => return packet,
            }
        }
    }

    /// The text of the next frame, which must be whole; `None`: the connection was ended.
    async fn text(&mut self) -> Option<String> {
        loop {
            let head = Head::parse(&self.held).expect("a frame");
            if let Some(size) = head.and_then(|head| head.frame_size()).filter(|size| *size <= self.held.len()) {
                let whole: bytes::Bytes = self.held.drain(..size).collect::<Vec<_>>().into();
                return Some(String::from_utf8(frame::payload(&whole).to_vec()).expect("text"));
            }
            let read = self.connection.read_buf(&mut self.held);
            match tokio::time::timeout(Duration::from_secs(30), read).await.expect("more comes, or the end") {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    async fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).expect("something short");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.connection.write_all(&frame).await.expect("writes");
    }
}

/// A client in the namespace, whose session has a name.
async fn enter() -> (Library, SocketIo, Client, Sid) {
    let (service, io) = SocketIo::builder().ws_read_buffer_size(64).build_with_inner_svc(axum::Router::new());
    let library = Library::new(io.clone(), service, LIMITS);
    let link = Link::over_websocket(library.clone(), None);
    let known = library.clone();
    let enter = move |socket: SocketRef| {
        let link = known.find(socket.id).expect("its connection");
        link.enter(true);
        link.set_session(Some(SessionId::new("name")));
        future::ready(Ok::<(), &'static str>(()))
    };
    let connected = |_: SocketRef| future::ready(());
    io.ns("/", connected.with(enter));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let connection = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
    let (other, _) = listener.accept().await.expect("accepts");
    let terms = Terms { upgrades: false, compressed: false, limit: 1 << 20 };
    let stream = Stream::new(link, Connection::Tcp(other), None, &[], &terms).expect("a stream");
    let mut request = http::Request::new(());
    *request.uri_mut() = http::Uri::from_static("/socket.io/?EIO=4&transport=websocket");
    library.serve(stream, request).await;

    let mut client = Client { connection, held: Vec::new() };
    let open = client.packet().await;
    assert!(open.contains(r#""pingInterval":100,"#), "{open}");
    let sid: Sid = open.split('"').nth(3).and_then(|sid| sid.parse().ok()).expect("the open packet names the session");
    client.say("40").await;
    assert_eq!(client.packet().await, format!(r#"40{{"sid":"{sid}","pid":"name"}}"#));
    (library, io, client, sid)
}

#[tokio::test]
async fn every_write_of_the_library_is_whole_frames() {
    let (_library, io, mut client, sid) = enter().await;
    let socket = io.of("/").and_then(|main| main.get_socket(sid)).expect("it is in");
    let sizes = [0, 100, 125, 126, 127, 4_096, 65_535, 65_536, 131_072, 3 << 20];
    for size in sizes {
        socket.emit("e", &"x".repeat(size)).expect("emits");
    }
    for size in sizes {
        assert!(client.packet().await == format!(r#"42["e","{}"]"#, "x".repeat(size)), "{size}");
    }
}

#[tokio::test]
async fn the_word_that_something_waits_reaches_no_client() {
    let (library, io, mut client, sid) = enter().await;
    let socket = io.of("/").and_then(|main| main.get_socket(sid)).expect("it is in");
    for round in 0..3 {
        assert!(library.mark(sid));
        socket.emit("e", &round).expect("emits");
        assert_eq!(client.packet().await, format!(r#"42["e",{round}]"#));
    }
}

#[tokio::test]
async fn who_answers_is_asked_again_and_who_does_not_is_cut_off() {
    let (_library, _io, mut client, _) = enter().await;
    let start = std::time::Instant::now();
    while start.elapsed() < 2 * BEAT.patience {
        assert_eq!(client.text().await.as_deref(), Some("2"));
        client.say("3").await;
    }
    while let Some(packet) = client.text().await {
        assert_eq!(packet, "2");
    }
}

#[tokio::test]
async fn a_poll_brings_the_ping_whatever_else_waits() {
    let (library, ..) = enter().await;
    let link = Link::over_polling(library, None);
    assert_eq!(fill_poll(&link, b"6").as_deref(), Ok(b"6".as_slice()));
    assert!(link.ping());
    assert_eq!(fill_poll(&link, b"6").as_deref(), Ok(b"6\x1e2".as_slice()));
    assert_eq!(fill_poll(&link, b"6").as_deref(), Ok(b"6".as_slice()), "it is asked once");
    link.hear();
    link.expect();
    assert!(link.ping(), "it is there");
    link.expect();
    assert!(!link.ping(), "it was asked, and said nothing");
}
