use std::{
    cell::RefCell,
    io,
    net::Shutdown,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Instant,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Carrier, Link, Out, Stage, tls::Tls};
use crate::{
    admission::Seat,
    gateway::{
        connection::Connection,
        packet,
        websocket::{
            Inbound, Violation,
            frame::{self, Head},
        },
    },
    hub::Weight,
};

/// The library's end of a WebSocket: it reads what the client sends, uncompressed, and writes what it has to say.
///
/// Writing never waits, and so the library's writer is never stuck; what the client does not take waits in the [`Link`].
/// A write holds whole frames only, since all of it is always taken: which is how the library's packets are told apart.
pub struct Stream {
    link: Arc<Link>,
    inbound: Inbound,
    compressed: bool,
    ready: BytesMut,
    at_end: bool,
    /// Held for as long as the connection.
    _seat: Option<Seat>,
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

impl Stream {
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
        let Terms { compressed, limit, .. } = *terms;
        let inbound = Inbound::new(compressed, limit);
        let mut stream = Stream { link, inbound, compressed, ready: BytesMut::new(), at_end: false, _seat: seat };
        let taken = stream.take_in(early);
        taken.ok().map(|()| stream)
    }

    /// Takes in what came.
    fn take_in(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.inbound.push(bytes, &mut self.ready) {
            Ok(true) => self.link.go_over(self.compressed),
            Ok(false) => {}
            Err(violation) => {
                self.link.refuse(violation);
                return Err(io::Error::new(io::ErrorKind::InvalidData, violation));
            }
        }
        Ok(())
    }

    /// Reads what has arrived; zero bytes at the end of the stream.
    fn poll_arrived(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            // What is compressed may become a thousand times as much, and is taken in at once.
            let most = if self.compressed { COMPRESSED_PIECE } else { scratch.len() };
            let Some(scratch) = scratch.get_mut(..most) else { return Poll::Ready(Ok(0)) };
            let read = std::task::ready!(self.link.poll_read(context, scratch))?;
            // Taken by range, since the scratch is this thread's and the rest of it stale.
            self.take_in(scratch.get(..read).unwrap_or_default())?;
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

    /// Takes what the library writes.
    fn take_out(&self, out: &mut Out, mut bytes: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        while !bytes.is_empty() {
            let size = Head::parse(bytes).ok().flatten().and_then(|head| head.frame_size());
            let Some((whole, rest)) = size.and_then(|size| bytes.split_at_checked(size)) else {
                tracing::error!("the library wrote a part of a frame, which no version did that was tried: report it");
                return Err(io::ErrorKind::InvalidData.into());
            };
            bytes = rest;
            let whole = Bytes::copy_from_slice(whole);
            let packet = frame::payload(&whole);
            if packet::is_marker(&packet) {
                continue;
            }
            if let Some((sid, open)) = packet::opened(&packet, self.link.library.limits().beat.every) {
                self.link.library.add(sid, &self.link);
                out.wire.push(frame::text(&[&open]), Weight::Durable, now);
            } else if packet::is_connect_reply(&packet) {
                let named = self.link.open_gate(out, &packet).map(|text| frame::text(&[&text]));
                out.wire.push(named.unwrap_or(whole), Weight::Durable, now);
                out.release();
            } else {
                out.wire.push(whole, Weight::Durable, now);
            }
        }
        Ok(())
    }
}

impl Link {
    /// The client has ended its polling and goes on over the WebSocket.
    fn go_over(&self, compressed: bool) {
        let mut out = self.out();
        self.compresses.store(compressed, Ordering::Relaxed);
        out.carrier = Carrier::WebSocket;
        out.release();
        self.send_waiting(&mut out);
        let _ = self.settle(&mut out);
        let is_pinged = std::mem::take(&mut out.is_pinged);
        drop(out);
        if is_pinged {
            self.ping();
        }
    }

    /// What the client sent cannot be read: it is told, as well as can be, and the connection ends.
    fn refuse(&self, violation: Violation) {
        let mut out = self.out();
        let close = frame::close(violation.close_code(), &violation.to_string());
        out.wire.push(close, Weight::Durable, Instant::now());
        self.send_waiting(&mut out);
        tracing::debug!(socket = self.sid.get().map(socketioxide::socket::Sid::as_str), %violation, "connection refused");
        self.tell_library(&out);
        out.say_goodbye();
        if let Some(tcp) = &out.tcp {
            let _ = socket2::SockRef::from(tcp).shutdown(Shutdown::Write);
        }
        out.end();
    }

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
        {
            self.end(&mut out, "connection lost", Some(error));
        }
        Poll::Ready(read)
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

    /// Sends what waits, as far as the connection takes it; else the task is woken when it takes more.
    fn flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.is_sent() {
            let Some(tcp) = &self.tcp else { return Ok(()) };
            match tcp.poll_write_ready(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            match self.send_some() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    sent?;
                }
            }
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.flush(context)?;
        while self.ready.is_empty() && !self.at_end {
            self.at_end = std::task::ready!(self.poll_arrived(context))? == 0;
        }
        let length = self.ready.len().min(buffer.remaining());
        buffer.put_slice(self.ready.get(..length).unwrap_or_default());
        self.ready.advance(length);
        if self.ready.is_empty() {
            // Most connections are idle, always: they keep no memory.
            self.ready = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let link = &self.link;
        let mut out = link.out();
        if out.stage == Stage::Ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Err(error) = self.take_out(&mut out, bytes) {
            link.end(&mut out, "the library broke a frame", Some(&error));
            return Poll::Ready(Err(error));
        }
        link.send_waiting(&mut out);
        let taken = link.settle(&mut out).map(|()| bytes.len());
        Poll::Ready(taken.map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut out = self.link.out();
        match (out.stage, out.carrier) {
            (Stage::Ended, _) => {}
            // The library would leave the session between two transports for ever.
            (_, Carrier::Polling { .. }) => self.link.end(&mut out, "upgrade abandoned", None),
            (_, Carrier::WebSocket) => {
                self.link.send_waiting(&mut out);
                out.say_goodbye();
                out.end();
            }
        }
        out.tcp = None;
    }
}
