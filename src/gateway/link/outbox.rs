use std::sync::Arc;

use super::{Link, queue::Queue};
use crate::hub::{Frames, Outbox, OutboxClosed};

/// The outbox of one socket, as the hub sees it.
pub struct LinkOutbox(pub Arc<Link>);

impl Outbox for LinkOutbox {
    fn send(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.0.put(frames, Queue::push)
    }

    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.0.put(frames, Queue::push_replay)
    }

    fn close(&self, reason: &'static str) {
        self.0.turn_away(reason);
    }
}
