//! Behind the real library: does it still say what a [`Link`] takes for granted?

use std::{future, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use futures_util::FutureExt as _;
use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler as _, socket::Sid};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Beat, Limits, Link, NoPoll, Reader, Terms};
use crate::{
    gateway::{
        connection::Connection,
        library::Library,
        limits::Rate,
        websocket::frame::{self, Head},
    },
    hub::SessionId,
};

/// The name of the session of everybody here.
const SESSION: &str = "0123456789abcdef0123456789abcdef";
const BEAT: Beat = Beat { every: Duration::from_millis(100), patience: Duration::from_secs(2) };

fn limits() -> Limits {
    let rate = Rate { per_second: std::num::NonZeroU32::MAX, burst: std::num::NonZeroU32::MAX };
    Limits { bytes: 64 << 20, stall: Duration::from_secs(60), compress: usize::MAX, beat: BEAT, rate }
}

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

    /// The text of the next frame; `None`: the connection was ended.
    async fn text(&mut self) -> Option<String> {
        let (_, payload) = self.frame().await?;
        Some(String::from_utf8(payload).expect("text"))
    }

    /// The opcode of the next frame, which must be whole, and what it says; `None`: the connection was ended.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let head = Head::parse(&self.held).expect("a frame");
            if let Some((head, size)) = head.and_then(|head| Some((head, head.frame_size()?)))
                && size <= self.held.len()
            {
                let whole: bytes::Bytes = self.held.drain(..size).collect::<Vec<_>>().into();
                return Some((head.opcode, frame::payload(&whole).to_vec()));
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
        self.write(&[&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.connection.write_all(bytes).await.expect("writes");
    }
}

fn library() -> (Library, SocketIo) {
    let (service, io) =
        SocketIo::builder().ping_interval(Duration::from_secs(3600)).build_with_inner_svc(axum::Router::new());
    let library = Library::new(service, limits());
    let known = library.clone();
    let enter = move |socket: SocketRef| {
        let link = known.find(socket.id).expect("its connection");
        link.enter(true);
        link.set_session(SessionId::parse(SESSION));
        future::ready(Ok::<(), &'static str>(()))
    };
    let connected = |_: SocketRef| future::ready(());
    io.ns("/", connected.with(enter));
    (library, io)
}

/// A client in the namespace, whose session has a name.
async fn enter() -> (Library, SocketIo, Client, Sid) {
    let (library, io) = library();
    let link = Link::over_websocket(library.clone(), None);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let connection = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
    let (other, _) = listener.accept().await.expect("accepts");
    let terms = Terms { upgrades: false, compressed: false, limit: 1 << 20 };
    let reader = Reader::new(link.clone(), Connection::Tcp(other), None, &[], &terms).expect("a reader");
    let packet = library.open(&link, Request::new(Body::empty())).await.expect("a session");
    link.greet(&packet);
    tokio::spawn(reader.run());

    let mut client = Client { connection, held: Vec::new() };
    let open = client.packet().await;
    assert!(open.contains(r#""pingInterval":100,"#), "{open}");
    assert!(open.contains(r#""upgrades":[]"#), "{open}");
    client.say("40").await;
    let sid = link.sid().expect("a session");
    assert_eq!(client.packet().await, format!(r#"40{{"sid":"{sid}","pid":"{SESSION}"}}"#));
    (library, io, client, sid)
}

#[tokio::test]
async fn what_the_library_says_comes_through_whole_and_in_order() {
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
async fn a_session_that_the_library_ends_ends_the_connection() {
    let (_library, io, mut client, sid) = enter().await;
    io.of("/").and_then(|main| main.get_socket(sid)).expect("it is in").disconnect().expect("disconnects");
    assert_eq!(client.packet().await, "41");
    io.close().await;
    while client.text().await.is_some() {}
}

#[tokio::test]
async fn what_the_library_cannot_read_ends_the_connection() {
    let (library, _io, mut client, sid) = enter().await;
    client.say("x").await;
    while client.text().await.is_some() {}
    while library.find(sid).is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nothing_comes_after_the_close_frame_however_much_is_being_sent() {
    let unmasked = [0x81, 1, b'3'];
    let goes = [0x80 | frame::CLOSE, 0x80, 0, 0, 0, 0];
    for (what, bytes) in [("it broke the protocol", &unmasked[..]), ("it said that it closes", &goes)].repeat(20) {
        let (library, _io, mut client, sid) = enter().await;
        let link = library.find(sid).expect("its connection");
        client.write(bytes).await;
        // Fewer than may wait, so that nobody is too slow.
        let mut events = (0..3_000).map(|_| frame::text(&[b"42[]"]));
        let sender = std::thread::spawn(move || events.all(|event| link.send_one(event).is_ok()));
        let mut last = None;
        while let Some((opcode, _)) = client.frame().await {
            assert_ne!(last, Some(frame::CLOSE), "{opcode} came after the close frame, when {what}");
            last = Some(opcode);
        }
        assert_eq!(last, Some(frame::CLOSE), "{what}");
        sender.join().expect("it sends until the end");
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

fn polling() -> Arc<Link> {
    Link::over_polling(library().0, None)
}

#[tokio::test]
async fn a_poll_waits_for_something_and_brings_all_of_it() {
    let link = polling();
    assert_eq!(link.poll().now_or_never(), None);
    assert!(link.ping());
    assert!(link.deliver(b"40{}\x1e6\x1e2\x1e44"), "the library pings");
    assert_eq!(link.poll().await.as_deref(), Ok(b"2\x1e40{}\x1e44".as_slice()));
    assert_eq!(link.poll().now_or_never(), None);
    link.hear();
    link.expect();
    assert!(link.ping(), "it is there");
    link.expect();
    assert!(!link.ping(), "it was asked, and said nothing");
    assert_eq!(link.poll().await, Err(NoPoll::Ended));
}

#[tokio::test]
async fn two_polls_at_once_end_the_session() {
    let link = polling();
    let mut first = Box::pin(link.poll());
    assert_eq!(first.as_mut().now_or_never(), None);
    assert_eq!(link.poll().await, Err(NoPoll::NotNow));
    assert_eq!(first.await, Err(NoPoll::Ended));
}

#[tokio::test]
async fn the_last_that_the_library_says_is_brought_by_the_poll_that_is_open() {
    let link = polling();
    let mut poll = Box::pin(link.poll());
    assert_eq!(poll.as_mut().now_or_never(), None);
    link.deliver(b"1");
    link.end_session();
    assert_eq!(poll.await.as_deref(), Ok(b"1".as_slice()));
    assert_eq!(link.poll().await, Err(NoPoll::Ended));
}
