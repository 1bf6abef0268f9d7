use std::sync::Arc;

use bytestring::ByteString;
use serde_json::value::RawValue;

/// An event as it goes to sockets: encoded once, shared by all of them.
#[derive(Clone, Debug)]
pub struct Frame {
    /// `component:updated`.
    pub event: ByteString,
    /// A JSON object.
    pub payload: Arc<RawValue>,
}

/// The outbox takes nothing any more: its socket is gone, or was too slow and is being disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxClosed;

/// The queue of one socket. A frame is either taken, and then sent in order, or the outbox closes its socket: it never
/// skips one.
pub trait Outbox: Send + Sync {
    fn send(&self, frame: &Frame) -> Result<(), OutboxClosed>;

    /// The same for what the history keeps anyway: however much it is, it costs the outbox next to nothing.
    fn replay(&self, frame: &Frame) -> Result<(), OutboxClosed>;

    /// Disconnects the socket: it is served elsewhere, or comes back.
    fn close(&self, reason: &'static str);
}
