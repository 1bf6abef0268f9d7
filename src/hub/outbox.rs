use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

/// An event as it goes to sockets: encoded once, shared by all of them and by the history.
///
/// What the bytes are is the transport's business: it gives the hub an [`Encode`] and gets them back.
#[derive(Clone, Debug)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wire: Bytes,
    compressed: OnceLock<Bytes>,
    bare: OnceLock<Bytes>,
    weight: Weight,
}

/// Makes the bytes of an event: its name, its payload (a JSON object), and the offset that it leaves its receiver at, if
/// it leaves it at one.
pub type Encode = fn(event: &str, payload: &str, offset: Option<&str>) -> Bytes;

/// What becomes of a frame whose socket is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is sent, or the socket is closed.
    Durable,
    /// It may be dropped, and a newer one of the same key takes its place: typing, cursors, presence.
    Volatile { key: u64 },
}

impl Frame {
    pub fn new(wire: Bytes, weight: Weight) -> Self {
        Frame(Arc::new(Inner { wire, compressed: OnceLock::new(), bare: OnceLock::new(), weight }))
    }

    pub fn wire(&self) -> &Bytes {
        &self.0.wire
    }

    /// A shorter form, made by whoever asks for it first.
    pub fn compressed(&self, make: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        self.0.compressed.get_or_init(|| make(&self.0.wire))
    }

    /// The form for those who do not take the offset, made by whoever asks for it first.
    pub fn bare(&self, make: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        self.0.bare.get_or_init(|| make(&self.0.wire))
    }

    pub fn weight(&self) -> Weight {
        self.0.weight
    }

    /// What it takes in memory, in bytes: always the same, so the shorter form, which is made only where it is asked for, is
    /// counted by what it mostly is.
    pub fn size(&self) -> usize {
        let wire = self.0.wire.len();
        let compressed = if wire < OFTEN_COMPRESSED { 0 } else { wire / 4 };
        size_of::<Inner>() + ALLOCATED + wire + compressed
    }
}

/// In bytes.
const OFTEN_COMPRESSED: usize = 1_000;
/// What two allocations take beside what is in them, their counters included.
const ALLOCATED: usize = 64;

/// Frames for one socket, in order.
#[derive(Clone, Copy)]
pub struct Frames<'a> {
    all: &'a [Frame],
    /// Which of `all`; `None`: every one.
    picked: Option<&'a [u32]>,
}

impl<'a> Frames<'a> {
    pub fn all(all: &'a [Frame]) -> Self {
        Frames { all, picked: None }
    }

    pub fn picked(all: &'a [Frame], picked: &'a [u32]) -> Self {
        Frames { all, picked: Some(picked) }
    }

    pub fn len(&self) -> usize {
        self.picked.map_or(self.all.len(), <[u32]>::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a Frame> + use<'a> {
        let Frames { all, picked } = *self;
        (0..self.len()).filter_map(move |nth| match picked {
            Some(picked) => all.get(*picked.get(nth)? as usize),
            None => all.get(nth),
        })
    }
}

/// The outbox takes nothing any more: its socket is gone, or was too slow and is being disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxClosed;

/// The name of a socket in the log, as its bytes, which no client chooses: in place, since all that are here lie in one table.
pub type SocketName = SmallVec<[u8; 16]>;

/// The queue of one socket. A durable frame is either taken, and then sent in order, or the outbox closes its socket: it
/// never skips one. No call waits.
pub trait Outbox: Send + Sync {
    fn send(&self, frames: Frames<'_>) -> Result<(), OutboxClosed>;

    /// The same for what the history keeps anyway: however much it is, it costs the outbox next to nothing.
    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed>;

    /// Disconnects the socket: it is served elsewhere, or comes back.
    fn close(&self, reason: &'static str);

    /// The name of its socket in the log, where what it writes is told from what others do. No two sockets of any server
    /// have the same.
    fn socket_name(&self) -> Option<SocketName> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_all_or_those_that_were_picked() {
        let all: Vec<Frame> =
            ["a", "b", "c"].into_iter().map(|text| Frame::new(Bytes::from(text), Weight::Durable)).collect();
        let text = |frames: Frames<'_>| frames.iter().map(|frame| frame.wire().clone()).collect::<Vec<_>>();
        assert_eq!(text(Frames::all(&all)), ["a", "b", "c"]);
        assert_eq!(text(Frames::picked(&all, &[0, 2])), ["a", "c"]);
        assert!(Frames::picked(&all, &[]).is_empty());
    }

    #[test]
    fn a_frame_is_compressed_once_for_all_that_share_it() {
        let frame = Frame::new(Bytes::from_static(b"aaaa"), Weight::Durable);
        let shared = frame.clone();
        assert_eq!(frame.compressed(|_| Bytes::from_static(b"a4")), "a4");
        assert_eq!(shared.compressed(|_| unreachable!("it is compressed already")), "a4");
        assert_eq!(shared.size(), frame.size());
    }
}
