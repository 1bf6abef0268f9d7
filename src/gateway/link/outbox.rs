use super::{Link, queue::Queue};
use crate::hub::{Frames, Outbox, OutboxClosed, SocketName};

impl Outbox for Link {
    fn send(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.put(frames, Queue::push)
    }

    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.put(frames, Queue::push_replay)
    }

    fn close(&self, reason: &'static str) {
        self.turn_away(reason);
    }

    fn socket_name(&self) -> Option<SocketName> {
        self.sid().map(|sid| sid.as_str().as_bytes().into())
    }
}
