use smallvec::SmallVec;

use super::{
    Frame, SocketId,
    command::{BySocket, Sockets},
    rooms::Rooms,
};
use crate::{change::Timestamp, events::Room};

/// What is to go out: frames, each with its audience. A socket's share leaves in one piece, in order.
#[derive(Default)]
pub struct Burst {
    pub(super) frames: Vec<Frame>,
    /// Of each frame.
    audiences: Vec<Audience>,
    /// At most so many.
    deliveries: usize,
    /// When the first change was committed of which something is in it.
    oldest: Option<Timestamp>,
}

#[derive(PartialEq)]
enum Audience {
    /// All that are in any of these rooms, but for one that knows it already; somebody is in each.
    Rooms(SmallVec<[Room; 2]>, Option<SocketId>),
    Sockets(Vec<SocketId>),
}

/// What each socket is sent.
pub enum Shares {
    /// All of them are sent all.
    Same(Vec<SocketId>),
    /// Each is sent some.
    Own(BySocket<Picked>),
}

/// Numbers of frames, ascending.
type Picked = SmallVec<[u32; 6]>;

/// A burst of this many deliveries or frames goes out before more is added.
const MANY_DELIVERIES: usize = 1 << 20;
const MANY_FRAMES: usize = 1 << 10;

impl Burst {
    /// Adds a frame for all sockets in any of the rooms, each once, but for one that is left out.
    pub fn add(&mut self, frame: Frame, rooms: &Rooms, wanted: &[&Room], but: Option<SocketId>) {
        let sizes = wanted.iter().filter_map(|room| Some((*room, rooms.in_room(room)?.len())));
        let occupied: SmallVec<[(&Room, usize); 2]> = sizes.collect();
        let deliveries = occupied.iter().map(|(_, size)| size).sum();
        let occupied = occupied.into_iter().map(|(room, _)| room.clone()).collect();
        self.put(frame, Audience::Rooms(occupied, but), deliveries);
    }

    /// Adds a frame for these sockets; one that is named more than once gets it once.
    pub fn add_for(&mut self, frame: Frame, sockets: impl IntoIterator<Item = SocketId>) {
        let sockets: Vec<_> = sockets.into_iter().collect();
        let deliveries = sockets.len();
        self.put(frame, Audience::Sockets(sockets), deliveries);
    }

    fn put(&mut self, frame: Frame, audience: Audience, deliveries: usize) {
        if deliveries > 0 {
            self.frames.push(frame);
            self.audiences.push(audience);
            self.deliveries += deliveries;
        }
    }

    /// A change that was committed then has been added, if anybody hears of it. Changes come in the order of their commits.
    pub fn note(&mut self, committed_at: Timestamp) {
        if self.deliveries > 0 {
            self.oldest.get_or_insert(committed_at);
        }
    }

    /// When the first change in it was committed.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// Who is sent what. Mostly all frames are for the same rooms; then no socket needs a list of its own.
    pub fn shares(&self, rooms: &Rooms) -> Shares {
        let Some((first, others)) = self.audiences.split_first() else { return Shares::Same(Vec::new()) };
        if others.iter().all(|other| other == first) {
            return Shares::Same(first.sockets(rooms));
        }
        let most = self.deliveries.min(rooms.len());
        let mut own: BySocket<Picked> = BySocket::with_capacity_and_hasher(most, Default::default());
        for (number, audience) in (0..).zip(&self.audiences) {
            for socket in audience.sockets(rooms) {
                own.entry(socket).or_default().push(number);
            }
        }
        Shares::Own(own)
    }

    /// How many sends it is at the most.
    pub fn deliveries(&self) -> usize {
        self.deliveries
    }

    pub fn is_full(&self) -> bool {
        self.deliveries >= MANY_DELIVERIES || self.frames.len() >= MANY_FRAMES
    }

    /// Keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.audiences.clear();
        self.deliveries = 0;
        self.oldest = None;
    }
}

impl Audience {
    /// Each once.
    fn sockets(&self, rooms: &Rooms) -> Vec<SocketId> {
        let distinct = |sockets: Sockets| sockets.into_iter().collect();
        match self {
            Audience::Rooms(wanted, but) => {
                let others = |socket: &SocketId| Some(*socket) != *but;
                match wanted.as_slice() {
                    [room] => rooms.in_room(room).into_iter().flatten().copied().filter(others).collect(),
                    wanted => {
                        let sockets = wanted.iter().filter_map(|room| rooms.in_room(room)).flatten().copied();
                        distinct(sockets.filter(others).collect())
                    }
                }
            }
            Audience::Sockets(sockets) => distinct(sockets.iter().copied().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        change::Lsn,
        events::Offset,
        hub::{
            Weight,
            rooms::{Membership, tests::rooms_of},
        },
    };

    fn frame(text: &'static str) -> Frame {
        Frame::new(Bytes::from(text), Weight::Durable)
    }

    /// Who is sent which frames, in the order of the sockets.
    fn told(burst: &Burst, rooms: &Rooms) -> Vec<(u64, Vec<u32>)> {
        let mut told: Vec<(u64, Vec<u32>)> = match burst.shares(rooms) {
            Shares::Same(sockets) => {
                sockets.into_iter().map(|socket| (socket.0, (0..burst.frames.len() as u32).collect())).collect()
            }
            Shares::Own(own) => own.into_iter().map(|(socket, picked)| (socket.0, picked.into_vec())).collect(),
        };
        told.sort();
        told
    }

    #[test]
    fn a_socket_gets_each_frame_once_and_all_in_order() {
        let mut burst = Burst::default();
        let rooms = Rooms::default();
        burst.add_for(frame("a"), [SocketId(1), SocketId(2), SocketId(1)]);
        assert_eq!(told(&burst, &rooms), [(1, vec![0]), (2, vec![0])]);
        burst.add_for(frame("nobody"), []);
        burst.add_for(frame("b"), [SocketId(2)]);
        assert_eq!(burst.frames.len(), 2, "what nobody is sent is not kept");
        assert_eq!(told(&burst, &rooms), [(1, vec![0]), (2, vec![0, 1])]);
        burst.clear();
        assert!(burst.frames.is_empty() && told(&burst, &rooms).is_empty());
    }

    #[test]
    fn rooms_share_what_all_of_them_are_sent() {
        let mut rooms = rooms_of(&[(1, "a"), (2, "b"), (3, "c")]);
        let [x, y, empty] = ["x", "y", "empty"].map(|name| Room::row("component", name));
        for (socket, room) in [(1, &x), (2, &x), (2, &y), (3, &y)] {
            let since = Offset { lsn: Lsn(1), n: 0 };
            rooms.join(SocketId(socket), room.clone(), Membership { prefix: None, since });
        }
        let mut burst = Burst::default();
        burst.add(frame("a"), &rooms, &[&x, &y], None);
        burst.add(frame("b"), &rooms, &[&x, &empty, &y], None);
        assert!(matches!(burst.shares(&rooms), Shares::Same(sockets) if sockets.len() == 3));
        assert_eq!(told(&burst, &rooms), [(1, vec![0, 1]), (2, vec![0, 1]), (3, vec![0, 1])]);
        burst.add(frame("c"), &rooms, &[&x], None);
        assert_eq!(told(&burst, &rooms), [(1, vec![0, 1, 2]), (2, vec![0, 1, 2]), (3, vec![0, 1])]);
        burst.add(frame("d"), &rooms, &[&x, &y], Some(SocketId(2)));
        assert_eq!(told(&burst, &rooms), [(1, vec![0, 1, 2, 3]), (2, vec![0, 1, 2]), (3, vec![0, 1, 3])]);
    }
}
