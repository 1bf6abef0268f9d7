use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use bytestring::ByteString;
use indexmap::IndexMap;
use smallvec::SmallVec;

use super::SocketId;
use crate::events::Room;

/// What is worth telling only as long as it is new: typing, cursors, states. Of each user and room the latest waits for the
/// next tick.
#[derive(Default)]
pub struct Ephemeral {
    waiting: IndexMap<Key, Waiting>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    event: ByteString,
    room: Room,
    user: Arc<str>,
}

/// An event that is never stored.
pub struct Waiting {
    pub event: ByteString,
    /// A JSON object.
    pub payload: String,
    /// Everybody in any of them hears it …
    pub rooms: SmallVec<[Room; 2]>,
    /// … but the socket that said it.
    pub from: SocketId,
    /// Who said it.
    pub user: Arc<str>,
    /// The same for whatever replaces it.
    pub key: u64,
}

impl Ephemeral {
    /// Takes the place of what the user said before in the first of the rooms, if that still waits.
    pub fn put(
        &mut self,
        user: &Arc<str>,
        event: ByteString,
        rooms: SmallVec<[Room; 2]>,
        payload: String,
        from: SocketId,
    ) {
        let Some(room) = rooms.first().cloned() else { return };
        let key = Key { event: event.clone(), room, user: user.clone() };
        let waiting = Waiting { event, payload, rooms, from, user: user.clone(), key: key_of(&key) };
        self.waiting.insert(key, waiting);
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that waits, in the order in which it was first said.
    pub fn take(&mut self) -> impl Iterator<Item = Waiting> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

/// By which a volatile frame is replaced.
pub fn key_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_user_and_room_the_latest_waits() {
        let mut ephemeral = Ephemeral::default();
        let mut say = |user: &'static str, event: &'static str, room: &str, payload: &str| {
            let rooms = SmallVec::from_iter([Room::row("component", room)]);
            ephemeral.put(&user.into(), event.into(), rooms, payload.into(), SocketId(1));
        };
        say("a", "component:cursor", "x", "1");
        say("b", "component:cursor", "x", "2");
        say("a", "component:typing", "x", "3");
        say("a", "component:cursor", "y", "4");
        say("a", "component:cursor", "x", "5");
        let told: Vec<String> = ephemeral.take().map(|waiting| waiting.payload).collect();
        assert_eq!(told, ["5", "2", "3", "4"]);
        assert!(ephemeral.is_empty());
    }
}
