//! tungstenite is the other side: it writes what a client sends, and reads what a server does.

mod bodies;
mod damage;
mod deflate;
mod extension;
mod frame;
mod inbound;
mod sessions;

use std::io::{self, Cursor, Read, Write};

use proptest::test_runner::{Config, RngSeed};
use tungstenite::{
    Message, WebSocket,
    protocol::{
        Role,
        frame::{
            Frame,
            coding::{Control, Data, OpCode},
        },
    },
};

use crate::gateway::websocket;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn seeded(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0x57A1_CA57), ..Config::default() }
}

/// A frame as a client sends it.
struct Sent {
    opcode: OpCode,
    payload: Vec<u8>,
    fin: bool,
    rsv1: bool,
    key: Option<[u8; 4]>,
}

impl Sent {
    fn new(opcode: OpCode, payload: impl Into<Vec<u8>>) -> Self {
        Sent { opcode, payload: payload.into(), fin: true, rsv1: false, key: Some(KEY) }
    }

    fn text(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Data(Data::Text), payload)
    }

    fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Data(Data::Binary), payload)
    }

    fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Control(Control::Ping), payload)
    }

    fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Control(Control::Pong), payload)
    }

    fn close(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Control(Control::Close), payload)
    }

    fn continuation(payload: impl Into<Vec<u8>>) -> Self {
        Sent::new(OpCode::Data(Data::Continue), payload)
    }

    /// Its payload is part of a compressed message.
    fn compressed(self) -> Self {
        Sent { rsv1: true, ..self }
    }

    /// More fragments of its message follow.
    fn unfinished(self) -> Self {
        Sent { fin: false, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut frame = Frame::message(self.payload.clone(), OpCode::Data(Data::Text), self.fin);
        let head = frame.header_mut();
        (head.opcode, head.rsv1, head.mask) = (self.opcode, self.rsv1, self.key);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("memory takes it");
        bytes
    }
}

/// A compressed message in one frame.
fn compressed(text: &str) -> Vec<u8> {
    Sent::text(websocket::deflate(text.as_bytes())).compressed().bytes()
}

/// The messages that tungstenite reads of a server's frames.
fn read(bytes: impl AsRef<[u8]>) -> Vec<Message> {
    let mut reader = WebSocket::from_raw_socket(Wire(Cursor::new(bytes)), Role::Client, None);
    std::iter::from_fn(|| match reader.read() {
        Ok(message) => Some(message),
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("tungstenite refuses it: {error}"),
    })
    .collect()
}

/// Bytes to be read, behind which more may come. What is written goes nowhere.
struct Wire<T>(Cursor<T>);

impl<T: AsRef<[u8]>> Read for Wire<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl<T> Write for Wire<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
