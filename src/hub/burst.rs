use indexmap::IndexMap;
use smallvec::SmallVec;

use super::{Frame, SocketId, rooms::Rooms};
use crate::events::Room;

/// What is to go out: frames, and which of them each socket is sent. So a socket's share leaves in one piece, in order.
#[derive(Default)]
pub struct Burst {
    pub(super) frames: Vec<Frame>,
    /// By their numbers in `frames`, ascending.
    pub(super) addressed: IndexMap<SocketId, SmallVec<[u32; 6]>>,
    deliveries: usize,
}

/// A burst of this many deliveries or frames goes out before more is added.
const MANY_DELIVERIES: usize = 1 << 16;
const MANY_FRAMES: usize = 1 << 10;

impl Burst {
    /// Adds a frame for all sockets in any of the rooms, each once.
    pub fn add(&mut self, frame: Frame, rooms: &Rooms, wanted: &[&Room]) {
        let sockets = wanted.iter().filter_map(|room| rooms.in_room(room)).flatten();
        self.add_for(frame, sockets.copied());
    }

    /// Adds a frame for these sockets; one that is named more than once gets it once.
    pub fn add_for(&mut self, frame: Frame, sockets: impl IntoIterator<Item = SocketId>) {
        let number = self.frames.len() as u32;
        let before = self.deliveries;
        for socket in sockets {
            let picked = self.addressed.entry(socket).or_default();
            if picked.last() != Some(&number) {
                picked.push(number);
                self.deliveries += 1;
            }
        }
        if self.deliveries > before {
            self.frames.push(frame);
        }
    }

    pub fn deliveries(&self) -> u64 {
        self.deliveries as u64
    }

    pub fn is_full(&self) -> bool {
        self.deliveries >= MANY_DELIVERIES || self.frames.len() >= MANY_FRAMES
    }

    /// Keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.addressed.clear();
        self.deliveries = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::hub::Weight;

    #[test]
    fn a_socket_gets_each_frame_once_and_all_in_order() {
        let mut burst = Burst::default();
        let frame = |text: &'static str| Frame::new(Bytes::from(text), Weight::Durable);
        burst.add_for(frame("a"), [SocketId(1), SocketId(2), SocketId(1)]);
        burst.add_for(frame("nobody"), []);
        burst.add_for(frame("b"), [SocketId(2)]);
        assert_eq!(burst.frames.len(), 2, "what nobody is sent is not kept");
        assert_eq!(burst.addressed[&SocketId(1)].as_slice(), [0]);
        assert_eq!(burst.addressed[&SocketId(2)].as_slice(), [0, 1]);
        burst.clear();
        assert!(burst.frames.is_empty() && burst.addressed.is_empty());
    }
}
