use std::collections::{HashMap, HashSet};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::{
    Member, SocketId, SocketName, User,
    command::{ByRoom, BySocket},
    occupants::Occupants,
    sessions::{Session, SessionId},
    sight::Identity,
};
use crate::events::{Offset, Room, RoomParts};

/// Which sockets are in which rooms, looked up from both sides.
#[derive(Default)]
pub struct Rooms {
    /// In the order in which they came, and so in most rooms: what is walked through in turn lies side by side.
    sockets: BySocket<Seat>,
    /// By their names in the log.
    names: HashMap<SocketName, SocketId, FixedState>,
    rooms: ByRoom<Occupants>,
}

/// What a socket has here.
pub struct Seat {
    member: Member,
    /// `None`: who has it does not come back by itself.
    session: Option<SessionId>,
    /// Whose claims its member has; `None` until it is asked for.
    pub(super) identity: Option<Identity>,
    rooms: IndexMap<Room, Membership>,
}

/// How a socket is in a room.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The prefix by which the socket asked for the room; `None` where it did not have to ask.
    pub prefix: Option<ByteString>,
    /// The socket was sent everything of the room after this offset.
    pub since: Offset,
}

impl Rooms {
    pub fn add_socket(&mut self, socket: SocketId, member: Member, session: Option<SessionId>) {
        if let Some(name) = member.outbox.socket_name() {
            self.names.insert(name, socket);
        }
        self.sockets.insert(socket, Seat { member, session, identity: None, rooms: IndexMap::with_capacity(2) });
    }

    /// Takes a socket out of everything, and says what it was in; a room that nobody is left in is forgotten.
    pub fn remove_socket(&mut self, socket: SocketId) -> Option<Seat> {
        let seat = self.sockets.swap_remove(&socket)?;
        // A client that leaves and enters again on one connection keeps its name.
        if let Some(name) = seat.member.outbox.socket_name().filter(|name| self.names.get(name) == Some(&socket)) {
            self.names.remove(&name);
        }
        for room in seat.rooms.keys() {
            leave(&mut self.rooms, room, socket);
        }
        Some(seat)
    }

    /// What the sockets are in, of those that may come back, as far as that is rooms.
    pub fn sessions(&self) -> impl Iterator<Item = (SocketId, Session)> {
        self.sockets.iter().filter_map(|(socket, seat)| Some((*socket, seat.session()?)))
    }

    /// Whether the socket has a session to come back to.
    pub fn has_session(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|seat| seat.session.is_some())
    }

    /// Whether the socket has come in; false where it was in the room already, or is no more.
    pub fn join(&mut self, socket: SocketId, room: Room, membership: Membership) -> bool {
        let Some(seat) = self.sockets.get_mut(&socket) else { return false };
        // One name in memory for all that are in the room.
        let room = self.rooms.get_key_value(&room).map_or(room, |(known, _)| known.clone());
        let since = seat.rooms.get(&room).map_or(membership.since, |before| before.since.min(membership.since));
        let before = seat.rooms.insert(room.clone(), Membership { since, ..membership });
        self.rooms.entry(room).or_insert(Occupants::One(socket)).insert(socket);
        before.is_none()
    }

    /// Whether the socket was in the room.
    pub fn leave(&mut self, socket: SocketId, room: &Room) -> bool {
        let Some(seat) = self.sockets.get_mut(&socket) else { return false };
        let was_in = seat.rooms.swap_remove(room).is_some();
        if was_in {
            leave(&mut self.rooms, room, socket);
        }
        was_in
    }

    pub fn is_in(&self, socket: SocketId, room: &Room) -> bool {
        self.sockets.get(&socket).is_some_and(|seat| seat.rooms.contains_key(room))
    }

    /// Whether the socket was sent an event of these rooms, being in one of them at the time.
    pub fn has_heard(&self, socket: SocketId, rooms: &[Room], offset: Offset) -> bool {
        let Some(seat) = self.sockets.get(&socket) else { return false };
        rooms.iter().any(|room| seat.rooms.get(room).is_some_and(|membership| membership.since < offset))
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.sockets.keys().copied()
    }

    pub fn seat_mut(&mut self, socket: SocketId) -> Option<&mut Seat> {
        self.sockets.get_mut(&socket)
    }

    /// Those that are known of the sockets here.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        self.sockets.values().filter_map(|seat| seat.identity)
    }

    /// The rooms that a socket asked for.
    pub fn rooms_of(&self, socket: SocketId) -> impl Iterator<Item = &Room> {
        self.sockets.get(&socket).into_iter().flat_map(Seat::asked_for)
    }

    /// The prefix by which a socket asked for a room that it is in.
    pub fn prefix(&self, socket: SocketId, room: &Room) -> Option<ByteString> {
        self.sockets.get(&socket)?.rooms.get(room)?.prefix.clone()
    }

    /// How many rooms the socket asked for.
    pub fn subscribed(&self, socket: SocketId) -> usize {
        // Its own it did not ask for.
        self.sockets.get(&socket).map_or(0, |seat| seat.rooms.len().saturating_sub(1))
    }

    pub fn member(&self, socket: SocketId) -> Option<&Member> {
        self.sockets.get(&socket).map(|seat| &seat.member)
    }

    /// The socket of this name in the log.
    pub fn named(&self, name: &str) -> Option<SocketId> {
        self.names.get(name.as_bytes()).copied()
    }

    /// The sockets of a room; none where nobody is in it.
    pub fn in_room(&self, room: &Room) -> Option<&Occupants> {
        self.rooms.get(room)
    }

    /// The sockets of a room, by the prefix by which they asked for it.
    pub fn by_prefix(&self, room: &Room) -> IndexMap<ByteString, Vec<SocketId>> {
        let mut by_prefix: IndexMap<ByteString, Vec<SocketId>> = IndexMap::new();
        let sockets = self.in_room(room).into_iter().flatten().copied();
        if let RoomParts::Row { prefix, .. } = room.parts() {
            // There is no other by which it can be asked for.
            by_prefix.insert(prefix.into(), sockets.collect());
            return by_prefix;
        }
        for socket in sockets {
            let membership = self.sockets.get(&socket).and_then(|seat| seat.rooms.get(room));
            if let Some(prefix) = membership.and_then(|membership| membership.prefix.clone()) {
                by_prefix.entry(prefix).or_default().push(socket);
            }
        }
        by_prefix
    }

    /// Whether a socket is in one of some rooms and in one of others.
    pub fn meet<'a>(
        &self,
        some: impl Iterator<Item = &'a Room> + Clone,
        others: impl Iterator<Item = &'a Room> + Clone,
    ) -> bool {
        let size = |rooms: &mut dyn Iterator<Item = &'a Room>| -> usize {
            rooms.filter_map(|room| self.in_room(room)).map(Occupants::len).sum()
        };
        let any = |few: &mut dyn Iterator<Item = &'a Room>, is_in_many: &dyn Fn(SocketId) -> bool| {
            few.filter_map(|room| self.in_room(room)).flatten().any(|socket| is_in_many(*socket))
        };
        if size(&mut some.clone()) <= size(&mut others.clone()) {
            any(&mut some.clone(), &|socket| others.clone().any(|room| self.is_in(socket, room)))
        } else {
            any(&mut others.clone(), &|socket| some.clone().any(|room| self.is_in(socket, room)))
        }
    }

    /// Whether any of these sockets is in one of the rooms; all that are in a room of `all_of` are among them.
    pub fn have_any(&self, rooms: &[Room], all_of: &HashSet<&Room>, sockets: &HashSet<SocketId>) -> bool {
        rooms.iter().filter_map(|room| Some((room, self.in_room(room)?))).any(|(room, inside)| {
            all_of.contains(room)
                || if inside.len() < sockets.len() {
                    inside.into_iter().any(|socket| sockets.contains(socket))
                } else {
                    sockets.iter().any(|socket| inside.contains(*socket))
                }
        })
    }

    /// The rooms that somebody is in.
    pub fn occupied(&self) -> impl Iterator<Item = &Room> {
        self.rooms.keys()
    }

    /// Every membership that a socket asked for, with the prefix it used.
    pub fn subscriptions(&self) -> impl Iterator<Item = (SocketId, &Room, &ByteString)> {
        self.sockets.iter().flat_map(|(socket, seat)| {
            seat.rooms.iter().filter_map(move |(room, membership)| Some((*socket, room, membership.prefix.as_ref()?)))
        })
    }
}

impl Seat {
    pub fn user(&self) -> &User {
        &self.member.user
    }

    pub fn member(&self) -> &Member {
        &self.member
    }

    pub fn member_mut(&mut self) -> &mut Member {
        &mut self.member
    }

    /// The rooms that it asked for.
    pub fn asked_for(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().filter(|(_, membership)| membership.prefix.is_some()).map(|(room, _)| room)
    }

    pub fn session(&self) -> Option<Session> {
        let asked_for = |(room, membership): (&Room, &Membership)| {
            Some((membership.prefix.clone()?, room.clone(), membership.since))
        };
        // It is in its own room from the first.
        let own = self.rooms.values().find(|membership| membership.prefix.is_none());
        Some(Session {
            id: self.session?,
            user: self.member.user.id.clone(),
            began: own.map(|own| own.since).unwrap_or_default(),
            rooms: self.rooms.iter().filter_map(asked_for).collect(),
            tables: Vec::new(),
        })
    }
}

fn leave(rooms: &mut ByRoom<Occupants>, room: &Room, socket: SocketId) {
    if rooms.get_mut(room).is_some_and(|occupants| !occupants.remove(socket)) {
        rooms.remove(room);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::change::Lsn;
    use crate::hub::{Frames, Outbox, OutboxClosed};

    struct Nowhere;
    impl Outbox for Nowhere {
        fn send(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
            Ok(())
        }
        fn replay(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
            Ok(())
        }
        fn close(&self, _: &'static str) {}
    }

    fn asked(since: u64) -> Membership {
        Membership { prefix: Some("component".into()), since: Offset { lsn: Lsn(since), n: 0 } }
    }

    pub fn rooms_of(users: &[(u64, &'static str)]) -> Rooms {
        let mut rooms = Rooms::default();
        for (socket, user) in users {
            let user = User { id: (*user).into(), email: None };
            rooms.add_socket(
                SocketId(*socket),
                Member { user, claims: "{}".into(), recovers: true, outbox: Arc::new(Nowhere) },
                None,
            );
        }
        rooms
    }

    #[test]
    fn a_socket_that_goes_leaves_nothing_behind() {
        let mut rooms = rooms_of(&[(1, "a"), (2, "b")]);
        let room = Room::row("component", "x");
        for socket in [1, 2] {
            assert!(rooms.join(SocketId(socket), room.clone(), asked(1)));
        }
        rooms.remove_socket(SocketId(1));
        assert_eq!(rooms.in_room(&room).map(Occupants::len), Some(1));
        rooms.remove_socket(SocketId(2));
        assert_eq!(rooms.occupied().count(), 0);
        assert!(!rooms.join(SocketId(2), room, asked(1)), "a socket that is gone joined");
    }

    #[test]
    fn what_was_heard_in_one_room_is_not_told_again_in_another() {
        let mut rooms = rooms_of(&[(1, "a")]);
        let both = [Room::row("component", "x"), Room::entity("page", "1")];
        rooms.join(SocketId(1), both[0].clone(), asked(5));
        let at = |lsn| Offset { lsn: Lsn(lsn), n: 0 };
        assert!(rooms.has_heard(SocketId(1), &both, at(6)));
        assert!(!rooms.has_heard(SocketId(1), &both, at(5)), "it was before the socket came");
        assert!(!rooms.has_heard(SocketId(1), &both[1..], at(6)));
        // Coming in again with an earlier offset widens what was heard; a later one does not narrow it.
        rooms.join(SocketId(1), both[0].clone(), asked(3));
        rooms.join(SocketId(1), both[0].clone(), asked(9));
        assert!(rooms.has_heard(SocketId(1), &both, at(4)));
    }

    #[test]
    fn joining_twice_is_joining_once() {
        let mut rooms = rooms_of(&[(1, "a")]);
        let room = Room::row("component", "x");
        for _ in 0..2 {
            rooms.join(SocketId(1), room.clone(), asked(1));
        }
        assert_eq!(rooms.subscriptions().count(), 1);
        assert!(rooms.leave(SocketId(1), &room));
        assert!(rooms.in_room(&room).is_none());
    }
}
