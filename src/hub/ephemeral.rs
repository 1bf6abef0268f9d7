use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use bytestring::ByteString;
use smallvec::SmallVec;

use super::SocketId;
use crate::events::Room;

/// What is worth telling only as long as it is new: typing, cursors, states. Of each user, room and kind the latest waits for
/// the next tick: a user has one cursor in a room, whichever of the rows there it is at.
#[derive(Default)]
pub struct Ephemeral {
    /// In the order in which it was said.
    waiting: BTreeMap<u64, Waiting>,
    latest: HashMap<Key, u64>,
    said: u64,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// `cursor`, whatever the prefix.
    kind: ByteString,
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
    /// In each of the rooms it takes the place of what the user said there before, if that still waits.
    pub fn put(
        &mut self,
        user: &Arc<str>,
        event: ByteString,
        rooms: SmallVec<[Room; 2]>,
        payload: String,
        from: SocketId,
    ) {
        let Some(first) = rooms.first() else { return };
        let kind = event.slice_ref(event.rsplit(':').next().unwrap_or_default());
        let key = key_of((&kind, first, user));
        self.said += 1;
        for room in &rooms {
            let key = Key { kind: kind.clone(), room: room.clone(), user: user.clone() };
            let Some(before) = self.latest.insert(key, self.said) else { continue };
            let Some(stale) = self.waiting.get_mut(&before) else { continue };
            stale.rooms.retain(|of| of != room);
            if stale.rooms.is_empty() {
                self.waiting.remove(&before);
            }
        }
        self.waiting.insert(self.said, Waiting { event, payload, rooms, from, user: user.clone(), key });
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that waits, in the order in which it was said.
    pub fn take(&mut self) -> impl Iterator<Item = Waiting> + use<> {
        std::mem::take(self).waiting.into_values()
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

    fn say(ephemeral: &mut Ephemeral, user: &'static str, event: &'static str, rooms: &[&str], payload: &str) {
        let rooms = rooms.iter().map(|room| Room::row("component", room)).collect();
        ephemeral.put(&user.into(), event.into(), rooms, payload.into(), SocketId(1));
    }

    /// What is told, and in which rooms.
    fn told(ephemeral: &mut Ephemeral) -> Vec<(String, Vec<String>)> {
        let names = |waiting: &Waiting| waiting.rooms.iter().map(|room| room.as_str().to_owned()).collect();
        ephemeral.take().map(|waiting| (waiting.payload.clone(), names(&waiting))).collect()
    }

    #[test]
    fn of_a_user_room_and_kind_the_latest_waits() {
        let mut ephemeral = Ephemeral::default();
        for (user, event, room, payload) in [
            ("a", "component:cursor", "x", "1"),
            ("b", "component:cursor", "x", "2"),
            ("a", "component:typing", "x", "3"),
            ("a", "component:cursor", "y", "4"),
            ("a", "component:cursor", "x", "5"),
            ("b", "component:typing", "x", "6"),
            ("b", "order:typing", "x", "7"),
        ] {
            say(&mut ephemeral, user, event, &[room], payload);
        }
        let payloads: Vec<String> = told(&mut ephemeral).into_iter().map(|(payload, _)| payload).collect();
        assert_eq!(payloads, ["2", "3", "4", "5", "7"]);
        assert!(ephemeral.is_empty() && ephemeral.latest.is_empty());
    }

    #[test]
    fn where_one_room_heard_something_newer_the_other_still_hears_its_latest() {
        let mut ephemeral = Ephemeral::default();
        for (rooms, payload) in [(["page", "x"], "1"), (["page", "y"], "2"), (["page", "x"], "3"), (["page", "z"], "4")]
        {
            say(&mut ephemeral, "a", "component:cursor", &rooms, payload);
        }
        let rooms = |names: &[&str]| names.iter().map(|name| format!("component:{name}")).collect::<Vec<_>>();
        let expected = [("2", rooms(&["y"])), ("3", rooms(&["x"])), ("4", rooms(&["page", "z"]))];
        assert_eq!(told(&mut ephemeral), expected.map(|(payload, rooms)| (payload.to_owned(), rooms)));
    }
}
