//! One connection of the load: a Socket.IO client over a WebSocket, as cheap as it can be.

use std::io::{self, Read as _, Write as _};

use flate2::{Decompress, FlushDecompress};
use mio::net::TcpStream;

use crate::{
    frame::{self, Frame},
    load::{Spec, Tally},
    mark::{self, Mark},
    token::token,
};

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    /// The WebSocket is asked for.
    Upgrading,
    /// The namespace is entered.
    Entering,
    Subscribing,
    /// It is in all its rooms.
    Listening,
}

pub struct Client {
    tcp: TcpStream,
    number: u64,
    pub stage: Stage,
    /// The begun frame that came so far.
    held: Vec<u8>,
    /// How many subscriptions were acknowledged.
    acks: u64,
    /// The number of the last event in each of its rooms.
    last: Vec<u64>,
    inflate: Option<Inflate>,
}

struct Inflate {
    stream: Decompress,
    /// Each message begins anew.
    alone: bool,
    text: Vec<u8>,
}

impl Client {
    pub fn new(tcp: TcpStream, number: u64, spec: &Spec) -> Self {
        let last = vec![spec.begin; spec.each as usize];
        Client { tcp, number, stage: Stage::Connecting, held: Vec::new(), acks: 0, last, inflate: None }
    }

    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// The connection stands.
    pub fn connected(&mut self, spec: &Spec) -> io::Result<()> {
        if let Some(error) = self.tcp.take_error()? {
            return Err(error);
        }
        if spec.secret.is_none() {
            self.stage = Stage::Listening;
            return Ok(());
        }
        self.stage = Stage::Upgrading;
        let extensions =
            if spec.deflate { "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" } else { "" };
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n",
            spec.address
        );
        self.write(request.as_bytes())
    }

    /// Reads all that has come.
    pub fn read(&mut self, scratch: &mut [u8], spec: &Spec, tally: &mut Tally) -> io::Result<()> {
        loop {
            let read = match self.tcp.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.held.is_empty() {
                let taken = self.take(&scratch[..read], spec, tally)?;
                self.held.extend_from_slice(&scratch[taken..read]);
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(&scratch[..read]);
                let taken = self.take(&held, spec, tally)?;
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
    fn take(&mut self, bytes: &[u8], spec: &Spec, tally: &mut Tally) -> io::Result<usize> {
        let mut taken = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            taken = end + 4;
            self.upgraded(&bytes[..taken], spec)?;
        }
        let now = mark::now();
        while let Some(Frame { opcode, compressed, payload, size }) = frame::from_server(&bytes[taken..]) {
            taken += size;
            if opcode != 1 {
                return Err(said(payload));
            }
            let mut inflate = if compressed { self.inflate.take() } else { None };
            let text = match &mut inflate {
                Some(inflate) => inflate.message(payload)?,
                None if compressed => return Err(io::Error::other("compressed, and never agreed on")),
                None => payload,
            };
            match Mark::find(text) {
                Some(mark) => {
                    tally.bytes += size as u64;
                    self.count(mark, now, spec, tally)?;
                }
                None => self.answer(text, spec, tally)?,
            }
            self.inflate = inflate.or(self.inflate.take());
        }
        Ok(taken)
    }

    fn upgraded(&mut self, head: &[u8], spec: &Spec) -> io::Result<()> {
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(said(head));
        }
        if memchr::memmem::find(head, b"permessage-deflate").is_some() {
            let alone = memchr::memmem::find(head, b"server_no_context_takeover").is_some();
            self.inflate = Some(Inflate { stream: Decompress::new(false), alone, text: Vec::new() });
        }
        let token =
            token(&format!("user-{}", spec.first_user + self.number), spec.secret.as_deref().unwrap_or_default());
        self.write(&frame::from_client(&format!(r#"40{{"token":"{token}"}}"#)))?;
        self.stage = Stage::Entering;
        Ok(())
    }

    fn count(&mut self, mark: Mark, now: u64, spec: &Spec, tally: &mut Tally) -> io::Result<()> {
        let place = spec.nth(self.number, mark.room);
        let last =
            self.last.get_mut(place as usize).ok_or_else(|| io::Error::other(format!("not its room: {mark:?}")))?;
        if mark.number <= *last {
            tally.repeated += 1;
            return Ok(());
        }
        tally.got += 1;
        tally.lost += mark.number - *last - 1;
        tally.delays.push(mark.until(now));
        *last = mark.number;
        Ok(())
    }

    /// What the protocol asks of a client.
    fn answer(&mut self, text: &[u8], spec: &Spec, tally: &mut Tally) -> io::Result<()> {
        match (self.stage, text) {
            (_, b"2") => {
                tally.pings += 1;
                self.write(&frame::from_client("3"))
            }
            (Stage::Entering, [b'4', b'0', ..]) => {
                self.stage = Stage::Subscribing;
                let since = spec.since.as_ref().map_or_else(String::new, |since| format!(r#","since":"{since}""#));
                let requests = (0..spec.each).flat_map(|nth| {
                    let room = spec.room(self.number, nth);
                    let ids = format!(r#"{{"entityType":"page","entityId":"{room}"{since}}}"#);
                    frame::from_client(&format!(r#"42{nth}["component:subscribe",{ids}]"#))
                });
                let requests: Vec<u8> = requests.collect();
                self.write(&requests)
            }
            (Stage::Subscribing, [b'4', b'3', ..]) if memchr::memmem::find(text, b"\"ok\":true").is_some() => {
                self.acks += 1;
                if memchr::memmem::find(text, b"\"resumed\":true").is_some() {
                    tally.resumed += 1;
                }
                if let Some(at) = memchr::memmem::find(text, b"\"offset\":\"") {
                    let offset = text[at + 10..].split(|byte| *byte == b'"').next().unwrap_or_default();
                    tally.offset = String::from_utf8_lossy(offset).into_owned();
                }
                if self.acks == spec.each {
                    self.stage = Stage::Listening;
                }
                Ok(())
            }
            (Stage::Subscribing, [b'4', b'3', ..]) | (_, [b'4', b'4', ..]) => Err(said(text)),
            _ => Ok(()),
        }
    }

    /// What a client says is short: it fits into the kernel's buffer.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tcp.write_all(bytes)
    }
}

impl Inflate {
    /// The text of a compressed message (RFC 7692, section 7.2.2).
    fn message(&mut self, payload: &[u8]) -> io::Result<&[u8]> {
        if self.alone {
            self.stream.reset(false);
        }
        self.text.clear();
        for mut bytes in [payload, &[0, 0, 0xFF, 0xFF]] {
            while !bytes.is_empty() {
                self.text.reserve(16 << 10);
                let before = self.stream.total_in();
                self.stream.decompress_vec(bytes, &mut self.text, FlushDecompress::Sync).map_err(io::Error::other)?;
                let read = self.stream.total_in() - before;
                bytes = &bytes[read as usize..];
            }
        }
        Ok(&self.text)
    }
}

fn said(bytes: &[u8]) -> io::Error {
    io::Error::other(format!("the server said: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)])))
}
