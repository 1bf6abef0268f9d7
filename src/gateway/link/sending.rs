use std::{
    io::{self, IoSlice},
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use tokio::io::Interest;

use super::{
    Carrier, Link, Out, Stage,
    queue::{self, PIECES, Slices},
    tls::Tls,
};
use crate::{
    gateway::{
        packet,
        websocket::{self, frame},
    },
    hub::{Frame, Frames, Weight},
};

impl Link {
    /// Sends as much of new frames as the connection takes; how many bytes that is.
    pub(super) fn send_now(&self, out: &mut Out, frames: Frames<'_>) -> io::Result<usize> {
        let Out { tcp: Some(tcp), tls, .. } = out else { return Ok(0) };
        let mut sent = 0;
        let mut frames = frames.iter();
        loop {
            let mut slices: Slices<'_> =
                frames.by_ref().take(PIECES).map(|frame| IoSlice::new(self.form(frame))).collect();
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            if length == 0 {
                return Ok(sent);
            }
            let written = match tls {
                None => queue::send(tcp, &slices),
                Some(tls) => tls.try_write(tcp, &mut slices),
            };
            match written {
                Ok(bytes) => {
                    sent += bytes;
                    if bytes < length {
                        return Ok(sent);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(sent),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what waits without waiting for it.
    pub(super) fn send_waiting(&self, out: &mut Out) {
        // A connection that is lost shows when it is read. One that is tried out is not the queue's yet.
        while out.carrier == Carrier::WebSocket && !out.is_sent() && out.send_some().is_ok_and(|all| all) {}
    }

    /// Sends what may go before the client is in. False: the link has ended.
    pub(super) fn send_past_gate(&self, wire: Bytes) -> bool {
        let mut out = self.out();
        if out.stage == Stage::Ended {
            return false;
        }
        out.wire.push(wire, Weight::Durable, Instant::now());
        self.send_waiting(&mut out);
        self.settle(&mut out).is_ok()
    }

    /// The frame as this client reads it.
    pub(super) fn form<'a>(&self, frame: &'a Frame) -> &'a Bytes {
        if !self.recovers.load(Ordering::Relaxed) {
            return frame.bare(packet::without_offset);
        }
        let wire = frame.wire();
        if wire.len() < self.library.limits().compress || !self.compresses.load(Ordering::Relaxed) {
            return wire;
        }
        frame.compressed(|wire| {
            let text = frame::payload(wire);
            let compressed = frame::compressed_text(&websocket::deflate(&text));
            if compressed.len() < wire.len() { compressed } else { wire.clone() }
        })
    }
}

impl Out {
    /// Sends the next that goes over the WebSocket. `Ok(false)`: the connection took only a part of it.
    pub(super) fn send_some(&mut self) -> io::Result<bool> {
        let Some(tcp) = &self.tcp else { return Ok(false) };
        let (mut slices, length) = self.wire.slices();
        let sent = match &mut self.tls {
            // The runtime learns of it if the connection takes no more, so that it wakes who waits for that.
            None => tcp.try_io(Interest::WRITABLE, || queue::send(tcp, &slices))?,
            Some(tls) => tls.try_write(tcp, &mut slices)?,
        };
        drop(slices);
        if sent == 0 && length > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.wire.advance(sent, Instant::now());
        Ok(sent == length)
    }

    /// Sends what waits, as far as the connection takes it; else the task is woken when it takes more.
    pub(super) fn flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
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

    /// Sends a frame that goes past the queue, which goes another way. In part it would be of no use.
    pub(super) fn send_past(&mut self, frame: &[u8]) -> io::Result<()> {
        let Out { tcp: Some(tcp), tls, .. } = self else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut slices = [IoSlice::new(frame)];
        let sent = match tls {
            None => queue::send(tcp, &slices),
            Some(tls) => tls.try_write(tcp, &mut slices),
        }?;
        if sent == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Ends TLS as the client expects it; a cut could be anybody's.
    pub(super) fn say_goodbye(&mut self) {
        if let (Some(tls), Some(tcp)) = (&mut self.tls, &self.tcp) {
            tls.close(tcp);
        }
    }

    /// The kernel has all that goes over the WebSocket.
    pub(super) fn is_sent(&self) -> bool {
        self.wire.is_empty() && !self.tls.as_ref().is_some_and(Tls::waits)
    }
}
