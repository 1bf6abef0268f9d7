//! One connection of the load: a Socket.IO client over a WebSocket, as cheap as it can be.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;

use crate::{frame, token::token};

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    /// The WebSocket is asked for.
    Upgrading,
    /// The namespace is entered.
    Entering,
    Subscribing,
    /// It is sent events.
    Listening,
}

/// What a client is told at its start.
#[derive(Clone)]
pub struct Terms {
    pub host: String,
    /// `None`: the server only sends.
    pub secret: Option<String>,
    pub room: &'static str,
}

pub struct Client {
    tcp: TcpStream,
    number: usize,
    pub stage: Stage,
    /// The begun frame that came so far.
    held: Vec<u8>,
    /// The number of the last event.
    pub last: u64,
}

/// What all clients were sent.
#[derive(Default)]
pub struct Tally {
    pub got: u64,
    pub lost: u64,
    pub repeated: u64,
    pub bytes: u64,
    pub pings: u64,
    /// Which event is waited for, and by how many clients still.
    pub target: u64,
    pub behind: usize,
}

impl Client {
    pub fn new(tcp: TcpStream, number: usize) -> Self {
        Client { tcp, number, stage: Stage::Connecting, held: Vec::new(), last: 0 }
    }

    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// The connection stands.
    pub fn connected(&mut self, terms: &Terms) -> io::Result<()> {
        if let Some(error) = self.tcp.take_error()? {
            return Err(error);
        }
        if terms.secret.is_none() {
            self.stage = Stage::Listening;
            return Ok(());
        }
        self.stage = Stage::Upgrading;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            terms.host
        );
        self.write(request.as_bytes())
    }

    /// Reads all that has come.
    pub fn read(&mut self, scratch: &mut [u8], terms: &Terms, tally: &mut Tally) -> io::Result<()> {
        loop {
            let read = match self.tcp.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.held.is_empty() {
                let taken = self.take(&scratch[..read], terms, tally)?;
                self.held.extend_from_slice(&scratch[taken..read]);
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(&scratch[..read]);
                let taken = self.take(&held, terms, tally)?;
                if taken < held.len() {
                    held.drain(..taken);
                    self.held = held;
                }
            }
            if read < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Takes whole frames from the front of `bytes`; how many bytes those were.
    fn take(&mut self, bytes: &[u8], terms: &Terms, tally: &mut Tally) -> io::Result<usize> {
        let mut taken = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err(said(bytes));
            }
            taken = end + 4;
            let token = token(&format!("user-{}", self.number), terms.secret.as_deref().unwrap_or_default());
            self.write(&frame::from_client(&format!(r#"40{{"token":"{token}"}}"#)))?;
            self.stage = Stage::Entering;
        }
        while let Some((opcode, payload, size)) = frame::from_server(&bytes[taken..]) {
            taken += size;
            if opcode != 1 {
                return Err(said(payload));
            }
            match frame::number(payload) {
                Some(number) if self.stage == Stage::Listening => {
                    tally.bytes += size as u64;
                    self.count(number, tally);
                }
                _ => self.answer(payload, terms, tally)?,
            }
        }
        Ok(taken)
    }

    fn count(&mut self, number: u64, tally: &mut Tally) {
        if number <= self.last {
            tally.repeated += 1;
            return;
        }
        tally.got += 1;
        tally.lost += number - self.last - 1;
        if self.last < tally.target && number >= tally.target {
            tally.behind -= 1;
        }
        self.last = number;
    }

    /// What the protocol asks of a client.
    fn answer(&mut self, payload: &[u8], terms: &Terms, tally: &mut Tally) -> io::Result<()> {
        match (self.stage, payload) {
            (_, b"2") => {
                tally.pings += 1;
                self.write(&frame::from_client("3"))
            }
            (Stage::Entering, [b'4', b'0', ..]) => {
                self.stage = Stage::Subscribing;
                self.write(&frame::from_client(&format!(r#"420["component:subscribe",{}]"#, terms.room)))
            }
            (Stage::Subscribing, [b'4', b'3', ..]) if memchr::memmem::find(payload, b"\"ok\":true").is_some() => {
                self.stage = Stage::Listening;
                Ok(())
            }
            (Stage::Subscribing, [b'4', b'3', ..]) | (_, [b'4', b'4', ..]) => Err(said(payload)),
            _ => Ok(()),
        }
    }

    /// What a client says is short: it fits into the kernel's buffer.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tcp.write_all(bytes)
    }
}

fn said(bytes: &[u8]) -> io::Error {
    io::Error::other(format!("the server said: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)])))
}
