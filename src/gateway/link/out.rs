use std::task::Waker;

use tokio::net::TcpStream;

use super::{queue::Queue, tls::Tls};
use crate::hub::SessionId;

/// The outgoing side of a link, under its lock.
pub(super) struct Out {
    pub carrier: Carrier,
    pub stage: Stage,
    /// The connection of a WebSocket, to which whoever has frames sends them. It goes with its [`Reader`](super::Reader):
    /// others hold the link for longer than the connection lasts.
    pub tcp: Option<TcpStream>,
    /// What stands between here and the connection, where TLS does.
    pub tls: Option<Tls>,
    /// What goes to the client next, over the WebSocket or with a poll.
    pub wire: Queue,
    /// What waits for the gate to open.
    pub held: Queue,
    /// Who takes what waits: the task that reads the WebSocket, or the poll that is open.
    pub flusher: Option<Waker>,
    /// Told to the client with the reply to its CONNECT.
    pub session: Option<SessionId>,
    pub visit: Visit,
    pub watched: bool,
    /// The client said something since it was asked whether it is there.
    pub is_heard: bool,
    /// The client has a poll open.
    pub is_polled: bool,
    /// It opened a WebSocket, to go over to it.
    pub is_upgrading: bool,
    /// It tries that out, and waits for its poll to return.
    pub is_probed: bool,
}

/// One stay of a client in the namespace.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Visit(u32);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Polling,
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
            is_polled: false,
            is_upgrading: false,
            is_probed: false,
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

    pub fn gate(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Gated;
        }
        self.held = Queue::default();
    }

    /// Events may follow what went before.
    pub fn open(&mut self) {
        if self.stage == Stage::Gated {
            self.stage = Stage::Open;
            let Out { wire, held, .. } = self;
            wire.append(held);
        }
    }
}
