use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    io,
    net::Shutdown,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use socketioxide::socket::Sid;

use super::{Carrier, Link, Out, Stage, tls::Tls};
use crate::{
    admission::Seat,
    gateway::{
        connection::Connection,
        packet,
        websocket::{Inbound, Message, Violation, frame},
    },
};

/// Reads a WebSocket, from its handshake to its end, and hands the library what the client says over it.
///
/// It is the one task that a connection has, and so it also flushes what waits in the [`Link`] when the client takes more.
pub struct Reader {
    link: Arc<Link>,
    inbound: Inbound,
    /// What was read and is not carried out yet; behind it, why no more is.
    said: VecDeque<Message>,
    violation: Option<Violation>,
    step: Step,
    /// Held for as long as the connection.
    _seat: Option<Seat>,
}

/// How far a client has come on its way to this WebSocket. Until it is over, it polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Opened,
    /// It tried the connection out.
    Probed,
    Over,
}

/// What the client said in its handshake.
pub struct Terms {
    /// It polled until now.
    pub upgrades: bool,
    /// permessage-deflate was agreed on.
    pub compressed: bool,
    /// The most bytes of one message.
    pub limit: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// How much is read at once of a client that may compress, in bytes.
const COMPRESSED_PIECE: usize = 4 << 10;
/// How long a client that polls may take to try out the WebSocket that it opened; if that ends before, the client polls on, as
/// where a proxy lets no WebSocket through. Once it was told that this works, a stock client polls no more: it has as long as its
/// session lasts, which ends with the WebSocket.
const PROBE: Duration = Duration::from_secs(10);
/// How much later than the probe's answer the poll returns that its client has open: a client that loses both connections
/// notices by its poll. Engine.IO's own server takes as long.
const RELEASE: Duration = Duration::from_millis(100);

impl Reader {
    /// `early`: what came with the handshake already. `None`: the link has a connection.
    pub fn new(
        link: Arc<Link>,
        connection: Connection,
        seat: Option<Seat>,
        early: &[u8],
        terms: &Terms,
    ) -> Option<Self> {
        let (tcp, session) = match connection {
            Connection::Tcp(tcp) => (tcp, None),
            Connection::Tls(tls) => {
                let (tcp, session) = tls.into_inner();
                (tcp, Some(session))
            }
        };
        {
            // Whoever sends has the lock: nothing goes out unencrypted in between.
            let mut out = link.out();
            if out.tcp.is_some() || out.stage == Stage::Ended {
                return None;
            }
            out.tcp = Some(tcp);
            out.tls = session.map(Tls::new);
        }
        if !terms.upgrades {
            link.compresses.store(terms.compressed, Ordering::Relaxed);
        }
        let Terms { upgrades, compressed, limit } = *terms;
        let mut reader = Reader {
            link,
            inbound: Inbound::new(compressed, limit),
            said: VecDeque::new(),
            violation: None,
            step: if upgrades { Step::Opened } else { Step::Over },
            _seat: seat,
        };
        reader.take_in(early);
        Some(reader)
    }

    /// Reads until the connection ends.
    pub async fn run(mut self) {
        if self.step == Step::Opened {
            // Apart, since most connections never do this and all would keep the room for it.
            let tried = Box::pin(tokio::time::timeout(PROBE, self.read()));
            if !tried.await.is_ok_and(|goes_on| goes_on) {
                return;
            }
        }
        if self.step == Step::Probed {
            match Box::pin(tokio::time::timeout(RELEASE, self.read())).await {
                Ok(false) => return,
                Ok(true) => {}
                Err(_) => self.link.release_poll(),
            }
        }
        while self.read().await {}
    }

    /// Reads until the connection ends, or (`true`) the client has gone a step.
    async fn read(&mut self) -> bool {
        loop {
            while let Some(message) = self.said.pop_front() {
                let step = self.step;
                if !self.carry_out(message).await {
                    return false;
                }
                if self.step != step {
                    return true;
                }
            }
            // Most connections are idle, always: they keep no memory.
            self.said = VecDeque::new();
            if let Some(violation) = self.violation.take() {
                self.refuse(violation);
                return false;
            }
            if !matches!(poll_fn(|context| self.poll_arrived(context)).await, Ok(1..)) {
                return false;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// False: that was the last.
    async fn carry_out(&mut self, message: Message) -> bool {
        tracing::trace!(socket = self.link.sid_str(), %message, "heard");
        match message {
            Message::Ping(payload) => self.say(frame::pong(&payload)),
            Message::Close(code) => {
                self.close(code.map_or(frame::CLOSE_FRAME, |code| frame::close(code, "")));
                false
            }
            Message::Text(packet) if self.is_over() => self.tell(packet).await,
            Message::Text(packet) if packet == packet::PROBE => {
                self.step = Step::Probed;
                self.link.probe()
            }
            Message::Text(packet) if packet == packet::UPGRADE => {
                self.step = Step::Over;
                self.link.go_over(self.inbound.is_compressed())
            }
            Message::Binary(bytes) if self.is_over() => {
                let packet = format!("b{}", BASE64_STANDARD.encode(bytes));
                let limit = self.inbound.limit();
                if packet.len() > limit {
                    self.refuse(Violation::TooBig { limit });
                    return false;
                }
                self.tell(packet).await
            }
            Message::Text(_) | Message::Binary(_) => {
                tracing::debug!(
                    socket = self.link.sid_str(),
                    "a client neither probed nor upgraded: its WebSocket ends"
                );
                false
            }
        }
    }

    /// Hands the library a packet. False: it cannot read it.
    async fn tell(&self, packet: String) -> bool {
        // That the client answered is known by now, and the library does not ask.
        if packet == packet::PONG {
            return true;
        }
        let Some(sid) = self.link.sid() else { return false };
        // Apart, for what idle connections keep.
        let is_read = Box::pin(self.link.library.tell(sid, packet)).await;
        if !is_read {
            self.link.turn_away("a packet that cannot be read");
        }
        is_read
    }

    /// What is the WebSocket's own, and no packet. False: the connection has ended.
    fn say(&self, wire: Bytes) -> bool {
        if self.is_over() { self.link.send_past_gate(wire) } else { self.link.out().send_past(&wire).is_ok() }
    }

    /// What the client sent cannot be read: it is told, as well as can be, and the connection ends.
    fn refuse(&self, violation: Violation) {
        tracing::debug!(socket = self.link.sid_str(), %violation, "connection refused");
        self.close(frame::close(violation.close_code(), &violation.to_string()));
        // So that the client reads it before it learns that nothing more is taken.
        if let Some(tcp) = &self.link.out().tcp {
            let _ = socket2::SockRef::from(tcp).shutdown(Shutdown::Write);
        }
    }

    /// The last that is said over this WebSocket. A client that did not come over to it polls on.
    fn close(&self, wire: Bytes) {
        let mut out = self.link.out();
        if !self.is_over() {
            let _ = out.send_past(&wire);
            out.say_goodbye();
        } else if out.stage != Stage::Ended {
            self.link.close(&mut out, wire);
            self.link.tell_library();
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.violation = self.inbound.push(bytes, &mut self.said).err();
    }

    /// Reads what has arrived; zero bytes at the end of the stream.
    fn poll_arrived(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_over() {
            self.flush(context)?;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // What is compressed may become a thousand times as much, and is taken in at once.
            let most = if self.inbound.is_compressed() { COMPRESSED_PIECE } else { scratch.len() };
            let Some(scratch) = scratch.get_mut(..most) else { return Poll::Ready(Ok(0)) };
            let read = std::task::ready!(self.link.poll_read(context, scratch))?;
            // Taken by range, since the scratch is this thread's and the rest of it stale.
            self.take_in(scratch.get(..read).unwrap_or_default());
            Poll::Ready(Ok(read))
        })
    }

    /// Sends what waits, as far as the connection takes it; else this task is woken when it takes more.
    fn flush(&self, context: &mut Context<'_>) -> io::Result<()> {
        let link = &self.link;
        let mut out = link.out();
        if out.stage == Stage::Ended {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if let Err(error) = out.flush(context) {
            link.end(&mut out, "connection lost", Some(&error));
            return Err(error);
        }
        if !out.flusher.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            out.flusher = Some(context.waker().clone());
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut out = self.link.out();
        match self.step {
            _ if out.stage == Stage::Ended => {}
            // It polls on.
            Step::Opened => {}
            Step::Probed => self.link.end(&mut out, "upgrade abandoned", None),
            Step::Over => {
                self.link.send_waiting(&mut out);
                out.say_goodbye();
                out.end();
                self.link.tell_library();
            }
        }
        out.is_probed = false;
        out.tls = None;
        out.tcp = None;
    }
}

impl Link {
    /// Reads what has arrived; zero bytes at the end of the stream.
    fn poll_read(&self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut out = self.out();
        if out.stage == Stage::Ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let read = std::task::ready!(out.poll_read(context, scratch));
        out.is_heard |= matches!(read, Ok(1..));
        if let Err(error) = &read
            && error.kind() == io::ErrorKind::TimedOut
            && out.carrier == Carrier::WebSocket
        {
            self.end(&mut out, "connection lost", Some(error));
        }
        Poll::Ready(read)
    }

    fn sid_str(&self) -> Option<&str> {
        self.sid.get().map(Sid::as_str)
    }
}

impl Out {
    fn poll_read(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(tcp) = &self.tcp else { return Poll::Ready(Ok(0)) };
        loop {
            // What is decrypted already, the kernel no longer has.
            if !self.tls.as_ref().is_some_and(Tls::has_arrived) {
                std::task::ready!(tcp.poll_read_ready(context))?;
            }
            let read = match &mut self.tls {
                Some(tls) => tls.try_read(tcp, scratch),
                None => tcp.try_read(scratch),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}
