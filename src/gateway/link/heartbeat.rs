use std::{
    collections::VecDeque,
    sync::Weak,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Link, Stage};
use crate::hub::Weight;

/// Engine.IO's heartbeat, of all links. The library's own passes each ping through a queue of its socket, which has grown by
/// 5 kB after a quarter of an hour and stays so, and through three tasks.
#[derive(Default)]
pub struct Heartbeats {
    /// Who is asked next whether it is there, and when.
    due: VecDeque<(Instant, Weak<Link>)>,
    /// Who was asked, and until when it has time to be heard of.
    asked: VecDeque<(Instant, Weak<Link>)>,
}

/// Engine.IO's ping, in a frame.
const PING: Bytes = Bytes::from_static(&[0x81, 1, b'2']);

impl Heartbeats {
    pub fn ask_at(&mut self, when: Instant, link: Weak<Link>) {
        self.due.push_back((when, link));
    }

    pub fn expect_by(&mut self, when: Instant, link: Weak<Link>) {
        self.asked.push_back((when, link));
    }

    /// Takes out who is to be asked now, and who should have been heard of by now.
    pub fn take(&mut self, now: Instant) -> (Vec<Weak<Link>>, Vec<Weak<Link>>) {
        (past(&mut self.due, now), past(&mut self.asked, now))
    }
}

/// All wait equally long, so the first is the first that is due.
fn past(queue: &mut VecDeque<(Instant, Weak<Link>)>, now: Instant) -> Vec<Weak<Link>> {
    let count = queue.partition_point(|(when, _)| *when <= now);
    queue.drain(..count).map(|(_, link)| link).collect()
}

impl Link {
    /// Asks the client whether it is there. False: the link has ended.
    pub fn ping(&self) -> bool {
        let mut out = self.out();
        out.is_heard = false;
        if out.stage == Stage::Ended {
            return false;
        }
        out.wire.push(PING, Weight::Durable, Instant::now());
        self.send_waiting(&mut out);
        self.settle(&mut out).is_ok()
    }

    /// The client said something, which is as good an answer as any.
    pub fn hear(&self) {
        self.out().is_heard = true;
    }

    /// Ends the connection of a client that was asked and has not been heard of since.
    pub fn expect(&self) {
        let mut out = self.out();
        if !out.is_heard {
            self.end(&mut out, "heartbeat missed", None);
        }
    }
}

/// When clients are asked whether they are there.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pub every: Duration,
    /// How long a client may take to say so.
    pub patience: Duration,
}
