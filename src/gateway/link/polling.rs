use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;

use super::{Carrier, Link, Stage};
use crate::gateway::{packet, websocket::frame};

/// A body is not filled beyond this: the client's next poll brings the rest.
const BODY: usize = 512 << 10;

/// Why a poll brings nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPoll {
    /// The link has ended, and with it the session.
    Ended,
    /// The client has one open, or polls no more.
    NotNow,
}

/// The poll that a client has open.
struct OpenPoll<'a>(&'a Link);

impl Link {
    /// What a poll brings, as soon as there is something.
    pub async fn poll(&self) -> Result<Bytes, NoPoll> {
        let poll = self.open_poll()?;
        poll_fn(|context| poll.0.poll_packets(context)).await
    }

    fn open_poll(&self) -> Result<OpenPoll<'_>, NoPoll> {
        let mut out = self.out();
        if out.carrier != Carrier::Polling {
            return Err(NoPoll::NotNow);
        }
        if out.is_polled {
            // Which of the two the client reads first, nobody knows.
            self.end(&mut out, "it polled twice at once", None);
            return Err(NoPoll::NotNow);
        }
        out.is_polled = true;
        Ok(OpenPoll(self))
    }

    fn poll_packets(&self, context: &mut Context<'_>) -> Poll<Result<Bytes, NoPoll>> {
        let mut out = self.out();
        let mut body = Vec::new();
        if out.carrier == Carrier::Polling {
            let now = Instant::now();
            while body.len() < BODY
                && let Some(frame) = out.wire.pop(now)
            {
                if !body.is_empty() {
                    body.push(packet::SEPARATOR);
                }
                body.extend_from_slice(&frame::payload(&frame));
            }
        }
        if body.is_empty() {
            if out.stage == Stage::Ended {
                return Poll::Ready(Err(NoPoll::Ended));
            }
            if out.carrier == Carrier::Polling && !out.is_probed {
                out.flusher = Some(context.waker().clone());
                return Poll::Pending;
            }
            body.extend_from_slice(packet::NOOP.as_bytes());
        }
        Poll::Ready(Ok(body.into()))
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.0.out().is_polled = false;
    }
}
