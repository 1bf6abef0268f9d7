//! What lies between one client's connection and the library: see [`Link`].

mod heartbeat;
mod out;
mod outbox;
mod polling;
mod queue;
mod reader;
mod sending;
#[cfg(test)]
mod tests;
mod tls;
mod upgrade;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use socketioxide::socket::Sid;

pub use heartbeat::{Beat, Heartbeats};
pub use out::Visit;
use out::{Carrier, Out, Stage};
pub use polling::NoPoll;
use queue::Queue;
pub use reader::{Reader, Terms};

use super::{
    library::Library,
    limits::{Flow, Rate, Verdict},
    packet,
    websocket::frame,
};
use crate::{
    admission::Visitor,
    hub::{Frame, Frames, OutboxClosed, SessionId, Weight},
    telemetry,
};

/// What a link keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes may wait for one socket, each frame counted with its place in the queue.
    pub bytes: usize,
    /// How long the frame at the head of the queue may wait to be taken.
    pub stall: Duration,
    /// Frames of this many bytes and more are compressed, where the client can read that.
    pub compress: usize,
    pub beat: Beat,
    /// How often its client may ask.
    pub rate: Rate,
}

/// How many frames may wait for one socket. Four rooms that a large transaction fills up to their cap.
const MOST_FRAMES: usize = 4_096;

/// What lies between one client, over whichever transport it has, and the library, which keeps the protocol.
///
/// To the library every client polls: a [`Reader`] hands it what comes over a WebSocket, and what it has to say is
/// [delivered](Link::deliver) here. Events and acks do not go through it: they are ready-made frames, shared among all
/// sockets. What is sent while nothing waits goes to the socket at once, from whoever sends it; the rest waits here, and the
/// reader flushes it. A client that polls takes what waits with its next poll.
///
/// What does not fit any more, or waits too long, ends the connection: the client comes back knowing that it does,
/// instead of missing something unawares.
pub struct Link {
    me: Weak<Link>,
    library: Library,
    sid: OnceLock<Sid>,
    compresses: AtomicBool,
    /// The client comes back by itself, so it is told offsets.
    recovers: AtomicBool,
    /// From where the client comes, if that is known.
    visitor: Option<Visitor>,
    flow: Flow,
    out: Mutex<Out>,
}

impl Link {
    pub fn over_websocket(library: Library, visitor: Option<Visitor>) -> Arc<Self> {
        Self::new(library, visitor, Carrier::WebSocket)
    }

    pub fn over_polling(library: Library, visitor: Option<Visitor>) -> Arc<Self> {
        Self::new(library, visitor, Carrier::Polling)
    }

    fn new(library: Library, visitor: Option<Visitor>, carrier: Carrier) -> Arc<Self> {
        Arc::new_cyclic(|me| Link {
            me: me.clone(),
            flow: Flow::new(library.limits().rate),
            library,
            sid: OnceLock::new(),
            compresses: AtomicBool::new(false),
            recovers: AtomicBool::new(true),
            visitor,
            out: Mutex::new(Out::new(carrier)),
        })
    }

    /// The name of the library's session, once it has one.
    pub fn name(&self, sid: Sid) {
        let _ = self.sid.set(sid);
    }

    pub fn sid(&self) -> Option<Sid> {
        self.sid.get().copied()
    }

    /// Whether the client may ask for something now. However often it leaves and enters, it is one client.
    pub fn judge(&self) -> Verdict {
        self.flow.judge()
    }

    /// By which the client may come back, to be told with the reply to its CONNECT.
    pub fn set_session(&self, session: Option<SessionId>) {
        self.out().session = session;
    }

    /// The client enters the namespace: it is sent nothing until it hears that it is in.
    pub fn enter(&self, recovers: bool) -> Visit {
        self.recovers.store(recovers, Ordering::Relaxed);
        let mut out = self.out();
        out.begin_visit()
    }

    /// The client left the namespace, and perhaps enters it again: until then, it is sent nothing.
    pub fn leave(&self, visit: Visit) {
        let mut out = self.out();
        if out.visit == visit {
            out.gate();
        }
    }

    /// Its handshake failed.
    pub fn count_failure(&self) {
        if let Some(visitor) = &self.visitor {
            visitor.fail();
        }
    }

    /// Too many handshakes failed that came from where this client does.
    pub fn is_refused(&self) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.is_refused().is_some())
    }

    /// Breaks the connection off: its client cannot be served now.
    pub fn turn_away(&self, reason: &'static str) {
        self.end(&mut self.out(), reason, None);
    }

    pub fn has_ended(&self) -> bool {
        self.out().stage == Stage::Ended
    }

    /// Sends one frame that is for this client alone.
    pub fn send_one(&self, wire: bytes::Bytes) -> Result<(), OutboxClosed> {
        self.put(Frames::all(&[Frame::new(wire, Weight::Durable)]), Queue::push)
    }

    /// Ends the connection after what waits, as far as that can be sent at once.
    pub fn part(&self) {
        let mut out = self.out();
        self.send_waiting(&mut out);
        let is_done = out.is_sent() && out.held.is_empty();
        self.finish_with(&mut out, "the server stops", None, is_done);
    }

    fn put(
        &self,
        frames: Frames<'_>,
        push: impl Fn(&mut Queue, bytes::Bytes, Weight, Instant),
    ) -> Result<(), OutboxClosed> {
        let mut out = self.out();
        let mut sent = 0;
        match (out.stage, out.carrier) {
            (Stage::Ended, _) => return Err(OutboxClosed),
            (Stage::Open, Carrier::WebSocket) if out.wire.is_empty() => match self.send_now(&mut out, frames) {
                Ok(bytes) => sent = bytes,
                Err(error) => {
                    self.end(&mut out, "connection lost", Some(&error));
                    return Err(OutboxClosed);
                }
            },
            _ => {}
        }
        let queue = if out.stage == Stage::Open { &mut out.wire } else { &mut out.held };
        for frame in frames.iter() {
            let bytes = self.form(frame);
            if sent >= bytes.len() {
                sent -= bytes.len();
            } else {
                push(queue, bytes.slice(std::mem::take(&mut sent)..), frame.weight(), Instant::now());
            }
        }
        self.settle(&mut out)
    }

    /// Something was queued, perhaps: it is bounded, watched, and whoever flushes it is told.
    fn settle(&self, out: &mut Out) -> Result<(), OutboxClosed> {
        if out.is_sent() && out.held.is_empty() {
            return Ok(());
        }
        if self.is_over(out) {
            out.wire.shed();
            out.held.shed();
            if self.is_over(out) {
                self.end(out, SLOW_CONSUMER, None);
                return Err(OutboxClosed);
            }
        }
        if !std::mem::replace(&mut out.watched, true) {
            self.library.watch(self.me.clone());
        }
        if let Some(flusher) = out.flusher.take() {
            flusher.wake();
        }
        Ok(())
    }

    fn is_over(&self, out: &Out) -> bool {
        out.cost() > self.library.limits().bytes || out.counted() > MOST_FRAMES
    }

    /// Ends the connection if its client takes nothing; how much waits for it, in bytes. `None`: there is nothing to watch any
    /// more.
    pub fn inspect(&self, now: Instant) -> Option<usize> {
        let mut out = self.out();
        let since = out.wire.since().into_iter().chain(out.held.since()).min();
        let Some(since) = since.filter(|_| out.stage != Stage::Ended) else {
            out.watched = false;
            return None;
        };
        if now.duration_since(since) > self.library.limits().stall {
            self.end(&mut out, SLOW_CONSUMER, None);
        }
        Some(out.cost())
    }

    /// Breaks the connection off, whatever state it is in. Stock clients come back from that, and from nothing else.
    fn end(&self, out: &mut Out, reason: &'static str, error: Option<&io::Error>) {
        self.finish_with(out, reason, error, false);
    }

    /// `kindly`: the kernel may go on sending what it has.
    fn finish_with(&self, out: &mut Out, reason: &'static str, error: Option<&io::Error>, kindly: bool) {
        if out.stage == Stage::Ended {
            return;
        }
        // The kernel times a client that takes nothing as well, and it may be the first to see.
        let timed_out = error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        let reason = if timed_out { SLOW_CONSUMER } else { reason };
        telemetry::connection_ended(reason);
        let sid = self.sid.get().map(Sid::as_str);
        let (bytes, frames) = (out.cost(), out.counted());
        if reason == SLOW_CONSUMER {
            telemetry::dropped(SLOW_CONSUMER, frames);
        }
        match error {
            // The client went; that is its own affair.
            Some(error) if !timed_out => {
                tracing::debug!(socket = sid, reason, %error, bytes, frames, "connection ended")
            }
            None if kindly => tracing::debug!(socket = sid, reason, bytes, frames, "connection ended"),
            _ => tracing::info!(socket = sid, reason, bytes, frames, "connection ended"),
        }
        if kindly {
            out.say_goodbye();
        }
        if let Some(tcp) = &out.tcp {
            let socket = socket2::SockRef::from(tcp);
            if !kindly {
                // What the kernel still holds for the client is let go with the connection.
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        if let Some(flusher) = out.end() {
            flusher.wake();
        }
        self.tell_library();
    }

    /// The library must be told of a client's end.
    fn tell_library(&self) {
        if let Some(sid) = self.sid.get() {
            self.library.close(*sid);
        }
    }

    /// Sends the packet by which the client learns of its session, before all others.
    pub fn greet(&self, packet: &[u8]) {
        let _ = self.send_past_gate(frame::text(&[packet]));
    }

    /// Takes what the library has to say to the client, as the body of a poll. True: it asks whether the client is there.
    pub fn deliver(&self, body: &[u8]) -> bool {
        let mut out = self.out();
        if out.stage == Stage::Ended {
            return false;
        }
        let mut asks = false;
        for packet in packet::split(body) {
            if packet == packet::PING.as_bytes() {
                asks = true;
            } else if packet::is_connect_reply(packet) {
                let named = out.session.and_then(|session| packet::with_session(packet, &session.to_string()));
                self.push(&mut out, named.as_deref().unwrap_or(packet));
                out.open();
            } else if packet != packet::NOOP.as_bytes() {
                self.push(&mut out, packet);
            }
        }
        self.send_waiting(&mut out);
        // Who takes too little is ended, of which the library learns by itself.
        let _ = self.settle(&mut out);
        asks
    }

    fn push(&self, out: &mut Out, packet: &[u8]) {
        out.wire.push(frame::text(&[packet]), Weight::Durable, Instant::now());
    }

    /// The library has ended the session: what it said last is the last.
    pub fn end_session(&self) {
        let mut out = self.out();
        let ended = match (out.stage, out.carrier) {
            (Stage::Ended, _) => None,
            (_, Carrier::WebSocket) => self.close(&mut out, frame::CLOSE_FRAME),
            // The poll that is open brings it.
            (_, Carrier::Polling) => {
                if let Some(tcp) = &out.tcp {
                    let _ = socket2::SockRef::from(tcp).shutdown(std::net::Shutdown::Both);
                }
                out.stage = Stage::Ended;
                out.flusher.take()
            }
        };
        drop(out);
        if let Some(flusher) = ended {
            flusher.wake();
        }
    }

    /// Ends a WebSocket with its close frame, behind what waits. Nothing may follow that, so whoever sends is kept out in the
    /// same breath. Who is to be told of it, if anybody waits.
    fn close(&self, out: &mut Out, wire: bytes::Bytes) -> Option<Waker> {
        out.wire.push(wire, Weight::Durable, Instant::now());
        self.send_waiting(out);
        out.say_goodbye();
        out.end()
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(sid) = self.sid.get() {
            self.library.forget(*sid);
        }
    }
}

const SLOW_CONSUMER: &str = "slow_consumer";
