use std::{
    io::{self, IoSlice},
    sync::atomic::Ordering,
    time::Instant,
};

use tokio::net::TcpStream;

use super::{
    Link, Out,
    queue::{self, PIECES, Slices},
    tls::Tls,
};
use crate::{
    gateway::{
        packet,
        websocket::{self, frame},
    },
    hub::{Frame, Frames},
};

impl Link {
    /// Sends as much of new frames as the connection takes; how many bytes that is.
    pub(super) fn send_now(&self, out: &mut Out, frames: Frames<'_>) -> io::Result<usize> {
        let Some(tcp) = self.tcp() else { return Ok(0) };
        let mut sent = 0;
        let mut frames = frames.iter();
        loop {
            let mut slices: Slices<'_> =
                frames.by_ref().take(PIECES).map(|frame| IoSlice::new(self.form(frame))).collect();
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            if length == 0 {
                return Ok(sent);
            }
            match try_write(&tcp, out.tls.as_mut(), &mut slices) {
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
        let Some(tcp) = self.tcp() else { return };
        // A connection that is lost shows when it is read.
        while !out.is_sent() && out.send_some(&tcp).is_ok_and(|all| all) {}
    }

    /// The frame as this client reads it.
    pub(super) fn form<'a>(&self, frame: &'a Frame) -> &'a bytes::Bytes {
        if !self.recovers.load(Ordering::Relaxed) {
            return frame.bare(packet::without_offset);
        }
        let wire = frame.wire();
        if wire.len() < self.limits.compress || !self.compresses.load(Ordering::Relaxed) {
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
    pub(super) fn send_some(&mut self, tcp: &TcpStream) -> io::Result<bool> {
        let (mut slices, length) = self.wire.slices();
        let sent = try_write(tcp, self.tls.as_mut(), &mut slices)?;
        drop(slices);
        if sent == 0 && length > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.wire.advance(sent, Instant::now());
        Ok(sent == length)
    }

    /// Ends TLS as the client expects it; a cut could be anybody's.
    pub(super) fn say_goodbye(&mut self, tcp: &TcpStream) {
        if let Some(tls) = &mut self.tls {
            tls.close(tcp);
        }
    }

    /// The kernel has all that goes over the WebSocket.
    pub(super) fn is_sent(&self) -> bool {
        self.wire.is_empty() && !self.tls.as_ref().is_some_and(Tls::waits)
    }
}

fn try_write(tcp: &TcpStream, tls: Option<&mut Tls>, slices: &mut [IoSlice<'_>]) -> io::Result<usize> {
    match tls {
        None => queue::send(tcp, slices),
        Some(tls) => tls.try_write(tcp, slices),
    }
}
