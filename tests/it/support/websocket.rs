//! A WebSocket frame by frame (RFC 6455), which believes nothing that it did not parse.

use std::{collections::VecDeque, net::SocketAddr};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Connection, connection::Response, is_passed_over, token, within};

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;

pub const HANDSHAKE: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

pub struct WebSocket {
    pub connection: Connection,
    /// What the handshake was answered with.
    pub head: String,
    /// Of Engine.IO's session.
    pub sid: String,
    last_ack: u64,
    /// Events that came while an ack was waited for.
    events: VecDeque<Value>,
}

/// A whole one, as servers send them: final and not masked.
#[derive(Debug)]
pub struct Frame {
    pub opcode: u8,
    pub compressed: bool,
    pub payload: Vec<u8>,
}

impl WebSocket {
    /// Shakes hands, for a new session or for one that polled until now.
    pub async fn shake(mut connection: Connection, sid: Option<&str>, headers: &[&str]) -> Result<WebSocket, Response> {
        let target = sid.map_or(TARGET.to_owned(), |sid| format!("{TARGET}&sid={sid}"));
        let response = connection.request("GET", &target, &[&HANDSHAKE, headers].concat(), "").await;
        if response.status != 101 {
            return Err(response);
        }
        // The example of RFC 6455, section 1.3.
        assert!(response.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{}", response.head);
        let sid = sid.unwrap_or_default().to_owned();
        Ok(WebSocket { connection, head: response.head, sid, last_ack: 0, events: VecDeque::new() })
    }

    /// A client of a new session in the namespace.
    pub async fn enter(address: SocketAddr, user: &str, headers: &[&str]) -> WebSocket {
        Self::enter_over(Connection::open(address).await, user, headers).await
    }

    pub async fn enter_over(connection: Connection, user: &str, headers: &[&str]) -> WebSocket {
        let mut socket = Self::open(connection, headers).await;
        socket.show(&token(user)).await;
        check_reply(&socket.packet().await);
        socket
    }

    /// Engine.IO's session and nothing more.
    pub async fn open(connection: Connection, headers: &[&str]) -> WebSocket {
        let shaken = Self::shake(connection, None, headers).await;
        let mut socket = shaken.unwrap_or_else(|response| panic!("{}", response.head));
        let open = socket.packet().await;
        let open: Value = serde_json::from_str(open.strip_prefix('0').expect("the open packet")).expect("JSON");
        open["sid"].as_str().expect("a name").clone_into(&mut socket.sid);
        socket
    }

    /// Asks to be let into the namespace.
    pub async fn show(&mut self, token: &str) {
        self.say(&format!("40{}", json!({ "token": token }))).await;
    }

    /// Sends one frame. Its mask changes nothing, as is allowed.
    pub async fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(&frame(first, payload)).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.connection.stream.write_all(bytes).await.expect("writes");
    }

    pub async fn say(&mut self, text: &str) {
        self.send(FIN | TEXT, text.as_bytes()).await;
    }

    /// The next frame, whatever it is. `None`: the connection has ended, and not within a frame.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, size)) = parse(&self.connection.held) {
                self.connection.held.drain(..size);
                return Some(frame);
            }
            if within("a frame", self.connection.read()).await.is_err() {
                assert!(self.connection.held.is_empty(), "it ends within a frame: {:?}", self.connection.held);
                return None;
            }
        }
    }

    /// The next packet but for pings, which are answered.
    pub async fn packet(&mut self) -> String {
        loop {
            let frame = self.frame().await.expect("a frame");
            assert_eq!(frame.opcode, TEXT, "{frame:?}");
            match frame.text() {
                ping if ping == "2" => self.say("3").await,
                packet => return packet,
            }
        }
    }

    /// Asks for something, and takes its ack; events that come before wait for [`event`](Self::event).
    pub async fn request(&mut self, event: &str, payload: Value) -> Value {
        self.last_ack += 1;
        let id = self.last_ack;
        self.say(&format!("42{id}{}", json!([event, payload]))).await;
        loop {
            match read(&self.packet().await) {
                Packet::Event(event) => self.events.push_back(event),
                Packet::Ack(of, ack) => {
                    assert_eq!(of, id);
                    return ack;
                }
            }
        }
    }

    pub async fn subscribe(&mut self, ids: Value) -> Value {
        let ack = self.request("component:subscribe", ids).await;
        assert_eq!(ack["ok"], true, "{ack}");
        ack
    }

    /// The next event, as an array of its name and its arguments; but what most tests do not speak of.
    pub async fn event(&mut self) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => match read(&self.packet().await) {
                    Packet::Event(event) => event,
                    Packet::Ack(id, ack) => panic!("an ack {id} that nobody waits for: {ack}"),
                },
            };
            if !event[0].as_str().is_some_and(is_passed_over) {
                return event;
            }
        }
    }

    /// The name of a component that an event of it tells.
    pub async fn name(&mut self) -> Value {
        self.event().await[1]["updates"]["name"].take()
    }
}

pub enum Packet {
    /// Its name and its arguments.
    Event(Value),
    Ack(u64, Value),
}

/// A packet of the main namespace.
pub fn read(packet: &str) -> Packet {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {packet}"));
    if let Some(event) = packet.strip_prefix("42") {
        return Packet::Event(json(event));
    }
    let (id, ack) = packet.strip_prefix("43").and_then(|ack| ack.split_at_checked(ack.find('[')?)).expect(packet);
    Packet::Ack(id.parse().expect(packet), json(ack)[0].take())
}

/// The reply to CONNECT, to the letter.
pub fn check_reply(packet: &str) {
    let reply: Value = packet.strip_prefix("40").and_then(|json| serde_json::from_str(json).ok()).expect(packet);
    let (sid, pid) = (reply["sid"].as_str().expect(packet), reply["pid"].as_str().expect(packet));
    assert_eq!(packet, format!(r#"40{{"sid":"{sid}","pid":"{pid}"}}"#));
}

/// One frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The frame that the bytes begin with, and its size. A server has no choice but one in how it writes one.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(first & (FIN | 0x30), FIN, "it is final, and RSV2 and RSV3 are not set");
    let (opcode, compressed) = (first & 0xF, first & RSV1 != 0);
    assert!([TEXT, CLOSE, 0xA].contains(&opcode), "opcode {opcode}");
    assert!(!compressed || opcode == TEXT);
    let (length, rest) = match second {
        0..126 => (usize::from(second), rest),
        126 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length) as usize, rest))?,
        _ => panic!("it is masked"),
    };
    assert!(length < 64 << 20, "a frame of {length} bytes");
    assert!(second != 126 || length > 125, "a longer length than {length} needs");
    assert!(second != 127 || length > 0xFFFF, "a longer length than {length} needs");
    let payload = rest.get(..length)?.to_vec();
    Some((Frame { opcode, compressed, payload }, bytes.len() - rest.len() + length))
}

impl Frame {
    pub fn text(&self) -> String {
        let text = if self.compressed { inflate(&self.payload) } else { self.payload.clone() };
        String::from_utf8(text).expect("UTF-8")
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// A message by itself (RFC 7692, section 7.2.2).
fn inflate(deflated: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(4 << 20);
    let whole = [deflated, &[0, 0, 0xFF, 0xFF]].concat();
    let mut decompress = Decompress::new(false);
    decompress.decompress_vec(&whole, &mut text, FlushDecompress::Sync).expect("inflates");
    assert_eq!(decompress.total_in(), whole.len() as u64, "all of it is one message");
    text
}

/// The payload of a compressed message.
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len() + 1024);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(text, &mut deflated, FlushCompress::Sync).expect("deflates");
    assert!(deflated.ends_with(&[0, 0, 0xFF, 0xFF]));
    deflated.truncate(deflated.len() - 4);
    deflated
}
