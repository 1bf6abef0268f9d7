use std::task::Waker;

use tokio::net::TcpStream;

use super::{queue::Queue, tls::Tls};
use crate::hub::SessionId;

/// The outgoing side of a link, under its lock.
pub(super) struct Out {
    pub carrier: Carrier,
    pub stage: Stage,
    /// The connection of a WebSocket, to which whoever has frames sends them. It goes with its [`Stream`](super::Stream):
    /// others hold the link for longer than the connection lasts.
    pub tcp: Option<TcpStream>,
    /// What stands between here and the connection, where TLS does.
    pub tls: Option<Tls>,
    /// What goes over the WebSocket next.
    pub wire: Queue,
    /// What waits for the gate to open, or for a poll.
    pub held: Queue,
    /// The task that flushes, and reads.
    pub flusher: Option<Waker>,
    /// Told to the client with the reply to its CONNECT.
    pub session: Option<SessionId>,
    pub visit: Visit,
    pub watched: bool,
    /// The client said something since it was asked whether it is there.
    pub is_heard: bool,
    /// The next poll is to ask it.
    pub is_pinged: bool,
}

/// One stay of a client in the namespace.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Visit(u32);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// `marked`: the library has word that something waits, so that a poll that is open returns.
    Polling {
        marked: bool,
    },
    WebSocket,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The reply to CONNECT has not passed yet: no event may come before it.
    Gated,
    Open,
    Ended,
}

impl Out {
    pub fn new(carrier: Carrier) -> Self {
        Out {
            carrier,
            stage: Stage::Gated,
            tcp: None,
            tls: None,
            wire: Queue::default(),
            held: Queue::default(),
            flusher: None,
            session: None,
            visit: Visit::default(),
            watched: false,
            is_heard: false,
            is_pinged: false,
        }
    }

    pub fn begin_visit(&mut self) -> Visit {
        self.gate();
        self.visit.0 += 1;
        self.visit
    }

    /// Nothing is sent any more. Who is to be told of it, if anybody waits.
    pub fn end(&mut self) -> Option<Waker> {
        self.stage = Stage::Ended;
        self.wire = Queue::default();
        self.held = Queue::default();
        self.tls = None;
        self.flusher.take()
    }

    /// How much waits, in bytes.
    pub fn cost(&self) -> usize {
        self.wire.cost() + self.held.cost()
    }

    /// How many frames wait.
    pub fn counted(&self) -> usize {
        self.wire.counted() + self.held.counted()
    }

    /// Whether events go over the WebSocket now.
    pub fn flows(&self) -> bool {
        self.stage == Stage::Open && self.carrier == Carrier::WebSocket
    }

    pub fn gate(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Gated;
        }
        self.held = Queue::default();
    }

    /// What was held goes out, if it may now.
    pub fn release(&mut self) {
        if self.flows() {
            let Out { wire, held, .. } = self;
            wire.append(held);
        }
    }
}
