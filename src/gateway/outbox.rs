use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::value::RawValue;
use socketioxide::{SendError, SocketError, extract::SocketRef};

use super::{connections::Connections, inbound::Ack};
use crate::hub::{Frame, Outbox, OutboxClosed};

/// What may wait for one socket.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: usize,
    /// How long nothing may be taken while something waits.
    pub stall: Duration,
}

/// Something to send to one socket.
pub enum Item {
    Event(Frame),
    Ack(Ack, Box<RawValue>),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Item::Event(frame) => frame.event.len() + frame.payload.get().len(),
            Item::Ack(_, body) => body.get().len(),
        }
    }
}

/// What waits for one socket beyond the library's own queue, which drops what it cannot hold and tells only its caller.
///
/// Everything for the socket goes through here, so that it arrives in order. What does not fit any more, or waits too
/// long, breaks the connection off: the client comes back knowing that it does, instead of missing something unawares.
pub struct Queue {
    limits: Limits,
    connections: Connections,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Each with the bytes that it counts for.
    waiting: VecDeque<(usize, Item)>,
    bytes: usize,
    /// When the library last took something, or the first thing began to wait.
    moved: Option<Instant>,
    /// A task is at work that moves what waits into the library's queue.
    pumping: bool,
    closed: bool,
}

impl Queue {
    pub fn new(limits: Limits, connections: Connections) -> Self {
        Queue { limits, connections, state: Mutex::default() }
    }

    pub fn send(self: &Arc<Self>, socket: &SocketRef, item: Item) -> Result<(), OutboxClosed> {
        let bytes = item.bytes();
        self.put(socket, item, bytes)
    }

    /// What is shared with the history costs nothing to keep waiting, so it is not counted; what comes live behind it is.
    fn replay(self: &Arc<Self>, socket: &SocketRef, item: Item) -> Result<(), OutboxClosed> {
        self.put(socket, item, 0)
    }

    fn put(self: &Arc<Self>, socket: &SocketRef, item: Item, bytes: usize) -> Result<(), OutboxClosed> {
        let mut state = self.state();
        if state.closed {
            return Err(OutboxClosed);
        }
        let item = if state.waiting.is_empty() {
            match hand_over(socket, item) {
                HandedOver::Taken => return Ok(()),
                HandedOver::Full(item) => item,
                HandedOver::Gone => {
                    state.closed = true;
                    return Err(OutboxClosed);
                }
            }
        } else {
            item
        };
        if state.bytes + bytes > self.limits.bytes {
            return self.shut(state, socket, "slow_consumer");
        }
        state.bytes += bytes;
        state.waiting.push_back((bytes, item));
        if !state.pumping {
            state.pumping = true;
            state.moved = Some(Instant::now());
            tokio::spawn(pump(socket.clone(), self.clone()));
        }
        Ok(())
    }

    /// Breaks the socket's connection off, so that its client reconnects; nothing is sent to it any more.
    pub fn close(self: &Arc<Self>, socket: &SocketRef, reason: &'static str) {
        let _ = self.shut(self.state(), socket, reason);
    }

    fn shut(
        &self,
        mut state: MutexGuard<'_, State>,
        socket: &SocketRef,
        reason: &'static str,
    ) -> Result<(), OutboxClosed> {
        if !state.closed {
            tracing::info!(socket = %socket.id, reason, waiting_bytes = state.bytes, "socket disconnected by the server");
            *state = State { closed: true, ..State::default() };
            self.connections.send_away(socket.id.as_str());
            // Ends a poll that waits for something to be sent; the next one finds the session gone.
            let _ = socket.emit("walcast:away", &serde_json::json!({ "reason": reason }));
        }
        Err(OutboxClosed)
    }

    /// Moves what it can into the library's queue. `None`: nothing is left to do.
    fn flush(&self, socket: &SocketRef) -> Option<Flushed> {
        let mut state = self.state();
        let mut moved = false;
        while let Some((bytes, item)) = state.waiting.pop_front() {
            match hand_over(socket, item) {
                HandedOver::Taken => {
                    state.bytes -= bytes;
                    state.moved = Some(Instant::now());
                    moved = true;
                }
                HandedOver::Full(item) => {
                    if state.moved.is_some_and(|moved| moved.elapsed() > self.limits.stall) {
                        let _ = self.shut(state, socket, "slow_consumer");
                        return None;
                    }
                    state.waiting.push_front((bytes, item));
                    return Some(if moved { Flushed::Some } else { Flushed::Nothing });
                }
                HandedOver::Gone => {
                    *state = State { closed: true, ..State::default() };
                    return None;
                }
            }
        }
        state.pumping = false;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum HandedOver {
    Taken,
    Full(Item),
    Gone,
}

fn hand_over(socket: &SocketRef, item: Item) -> HandedOver {
    let outcome = match &item {
        Item::Event(frame) => socket.emit(&*frame.event, &*frame.payload),
        Item::Ack(ack, body) => ack.send(body),
    };
    match outcome {
        Ok(()) => HandedOver::Taken,
        Err(SendError::Socket(SocketError::InternalChannelFull)) => HandedOver::Full(item),
        Err(_) => HandedOver::Gone,
    }
}

enum Flushed {
    Some,
    Nothing,
}

const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Empties a queue. The library does not say when its own has room again, so this asks, ever more seldom.
async fn pump(socket: SocketRef, queue: Arc<Queue>) {
    let mut wait = SHORTEST_WAIT;
    loop {
        tokio::time::sleep(wait).await;
        match queue.flush(&socket) {
            Some(Flushed::Some) => wait = SHORTEST_WAIT,
            Some(Flushed::Nothing) => wait = (wait * 2).min(LONGEST_WAIT),
            None => return,
        }
    }
}

/// The outbox of one socket, as the hub sees it.
pub struct SocketOutbox {
    socket: SocketRef,
    queue: Arc<Queue>,
}

impl SocketOutbox {
    pub fn new(socket: SocketRef, queue: Arc<Queue>) -> Self {
        SocketOutbox { socket, queue }
    }
}

impl Outbox for SocketOutbox {
    fn send(&self, frame: &Frame) -> Result<(), OutboxClosed> {
        self.queue.send(&self.socket, Item::Event(frame.clone()))
    }

    fn replay(&self, frame: &Frame) -> Result<(), OutboxClosed> {
        self.queue.replay(&self.socket, Item::Event(frame.clone()))
    }

    fn close(&self, reason: &'static str) {
        self.queue.close(&self.socket, reason);
    }
}
