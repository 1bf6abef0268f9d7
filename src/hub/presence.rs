use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use smallvec::SmallVec;

use super::{SocketId, User, command::ByRoom};
use crate::{change::Timestamp, events::Room};

/// A user in a room, as the others there see them.
#[derive(Clone, Debug, Serialize)]
pub struct Present {
    #[serde(flatten)]
    pub user: User,
    /// When their first socket came.
    #[serde(serialize_with = "displayed")]
    pub since: Timestamp,
    /// What they last said of themselves; a JSON object.
    pub state: Option<Value>,
    #[serde(skip)]
    sockets: u32,
}

/// That a user came or went.
#[derive(Debug)]
pub struct Change {
    pub user: User,
    pub is_here: bool,
    pub audience: Audience,
}

/// Who does not know yet. In ascending order.
#[derive(Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody in the room but those who came after it.
    AllBut(Vec<SocketId>),
    /// Those who came while it was otherwise for a moment.
    Only(Vec<SocketId>),
}

/// Who is in which room, by their sockets.
#[derive(Default)]
pub struct Presence {
    rooms: ByRoom<Users>,
    /// Of each room, who came or went since that was told last.
    untold: IndexMap<Room, News>,
    /// Rooms that are so large that they must wait before they are told again.
    resting: HashMap<Room, Instant>,
}

type Users = IndexMap<Arc<str>, Present>;

/// What a room is yet to be told. Who comes in between learns from the ack how it is just then, so its news are others.
#[derive(Default)]
pub struct News {
    changed: IndexMap<Arc<str>, Flips>,
    /// When each socket came.
    newcomers: IndexMap<SocketId, u64>,
    clock: u64,
}

struct Flips {
    user: User,
    /// How the user was in the room when that was told last; `None`: not at all.
    before: Option<Present>,
    /// When the user came or went, in turns.
    at: SmallVec<[u64; 2]>,
}

impl Presence {
    /// A socket of a user comes into a room.
    pub fn enter(&mut self, room: &Room, user: &User, by: SocketId) {
        let users = self.rooms.entry(room.clone()).or_default();
        let news = self.untold.entry(room.clone()).or_default();
        let clock = news.clock;
        if let Some(present) = users.get_mut(&user.id) {
            present.sockets += 1;
        } else {
            let flips = news.flips(user);
            flips.at.push(clock);
            let new = || Present { user: user.clone(), since: Timestamp::now(), state: None, sockets: 0 };
            // Who is back before it was told that they went has never been away.
            let present = flips.before.clone().unwrap_or_else(new);
            users.insert(user.id.clone(), Present { sockets: 1, ..present });
        }
        news.clock += 1;
        news.newcomers.insert(by, news.clock);
    }

    /// A socket of a user leaves a room that it was in.
    pub fn leave(&mut self, room: &Room, user: &str, by: SocketId) {
        if let Some(news) = self.untold.get_mut(room) {
            news.newcomers.swap_remove(&by);
        }
        let Some(users) = self.rooms.get_mut(room) else { return };
        let Some(present) = users.get_mut(user) else { return };
        present.sockets -= 1;
        if present.sockets > 0 {
            return;
        }
        let Some(present) = users.swap_remove(user) else { return };
        if users.is_empty() {
            // Nobody is there to be told.
            self.rooms.remove(room);
            self.untold.swap_remove(room);
            self.resting.remove(room);
            return;
        }
        let news = self.untold.entry(room.clone()).or_default();
        news.clock += 1;
        let clock = news.clock;
        let flips = news.flips(&present.user);
        if flips.at.is_empty() {
            flips.before = Some(present);
        }
        flips.at.push(clock);
    }

    /// A user says something of themselves. False: they are not in the room.
    pub fn set_state(&mut self, room: &Room, user: &str, state: Value) -> bool {
        let present = self.rooms.get_mut(room).and_then(|users| users.get_mut(user));
        present.map(|present| present.state = Some(state)).is_some()
    }

    /// Whether the user is in the room.
    pub fn has(&self, room: &Room, user: &str) -> bool {
        self.rooms.get(room).is_some_and(|users| users.contains_key(user))
    }

    /// How many users are in the room.
    pub fn count(&self, room: &Room) -> usize {
        self.rooms.get(room).map_or(0, IndexMap::len)
    }

    /// The users in the room, each once.
    pub fn users(&self, room: &Room) -> impl Iterator<Item = &Present> {
        self.rooms.get(room).into_iter().flat_map(IndexMap::values)
    }

    /// What is to be told now, of each room that need not wait.
    pub fn take_untold(&mut self, now: Instant) -> Vec<(Room, News)> {
        self.resting.retain(|_, until| *until > now);
        let due: Vec<Room> = self.untold.keys().filter(|room| !self.resting.contains_key(*room)).cloned().collect();
        let untold = due.into_iter().filter_map(|room| self.untold.swap_remove_entry(&room));
        untold.filter(|(_, news)| !news.changed.is_empty()).collect()
    }

    /// Who came and who went, and who does not know. Who did both has done neither.
    pub fn changes(&self, room: &Room, news: News) -> Vec<Change> {
        let News { changed, newcomers, .. } = news;
        let change = |Flips { user, before, at }: Flips| {
            let (was_here, is_here) = (before.is_some(), self.has(room, &user.id));
            let knows = |came: u64| (was_here ^ (at.partition_point(|flip| *flip < came) % 2 == 1)) == is_here;
            let of = |know: bool| {
                let those = newcomers.iter().filter(|(_, came)| knows(**came) == know);
                let mut those: Vec<SocketId> = those.map(|(socket, _)| *socket).collect();
                those.sort_unstable();
                those
            };
            let audience = if was_here == is_here { Audience::Only(of(false)) } else { Audience::AllBut(of(true)) };
            (audience != Audience::Only(Vec::new())).then_some(Change { user, is_here, audience })
        };
        changed.into_values().filter_map(change).collect()
    }

    /// Tells nothing of a room for a while.
    pub fn rest(&mut self, room: Room, time: Duration) {
        self.resting.insert(room, Instant::now() + time);
    }

    /// Whether anything is yet to be told.
    pub fn is_untold(&self) -> bool {
        !self.untold.is_empty()
    }
}

impl News {
    /// How many users came or went, at the most.
    pub fn len(&self) -> usize {
        self.changed.len()
    }

    fn flips(&mut self, user: &User) -> &mut Flips {
        let new = || Flips { user: user.clone(), before: None, at: SmallVec::new() };
        self.changed.entry(user.id.clone()).or_insert_with(new)
    }
}

fn displayed<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &'static str) -> User {
        User { id: id.into(), email: None }
    }

    /// What is told of a room, and to whom: `+a` came, `-a` went.
    fn told_to(presence: &mut Presence) -> Vec<(String, Audience)> {
        let mut told = Vec::new();
        for (room, news) in presence.take_untold(Instant::now()) {
            for Change { user, is_here, audience } in presence.changes(&room, news) {
                told.push((format!("{}{}", if is_here { '+' } else { '-' }, user.id), audience));
            }
        }
        told.sort_by(|(one, _), (other, _)| one.cmp(other));
        told
    }

    fn told(presence: &mut Presence) -> Vec<String> {
        told_to(presence).into_iter().map(|(told, _)| told).collect()
    }

    #[test]
    fn who_comes_in_between_is_told_what_is_not_as_it_was_then() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        presence.enter(&room, &user("b"), SocketId(2));
        // Both were told by their acks that they are in; the first, not that the second is.
        let all_but = |sockets: &[u64]| Audience::AllBut(sockets.iter().copied().map(SocketId).collect());
        let only = |socket: u64| Audience::Only(vec![SocketId(socket)]);
        assert_eq!(told_to(&mut presence), [("+a".to_owned(), all_but(&[1, 2])), ("+b".to_owned(), all_but(&[2]))]);
        presence.leave(&room, "a", SocketId(1));
        presence.enter(&room, &user("c"), SocketId(3));
        presence.enter(&room, &user("a"), SocketId(4));
        assert_eq!(told_to(&mut presence), [("+a".to_owned(), only(3)), ("+c".to_owned(), all_but(&[3, 4]))]);
        presence.enter(&room, &user("d"), SocketId(5));
        presence.enter(&room, &user("b"), SocketId(6));
        presence.leave(&room, "d", SocketId(5));
        // To the sixth socket only.
        assert_eq!(told_to(&mut presence).iter().map(|(told, _)| told.as_str()).collect::<Vec<_>>(), ["-d"]);
    }

    #[test]
    fn a_user_comes_by_the_first_socket_and_goes_with_the_last() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        presence.enter(&room, &user("b"), SocketId(2));
        assert_eq!(told(&mut presence), ["+a", "+b"]);
        presence.enter(&room, &user("a"), SocketId(3));
        presence.leave(&room, "a", SocketId(1));
        assert!(told(&mut presence).is_empty());
        presence.leave(&room, "a", SocketId(3));
        assert_eq!(told(&mut presence), ["-a"]);
        assert_eq!(presence.count(&room), 1);
    }

    #[test]
    fn who_is_back_before_it_is_told_was_never_away() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        presence.enter(&room, &user("b"), SocketId(2));
        let state = serde_json::json!({ "color": "red" });
        assert!(presence.set_state(&room, "a", state.clone()));
        told(&mut presence);
        let since = presence.users(&room).find(|present| &*present.user.id == "a").map(|present| present.since);
        presence.leave(&room, "a", SocketId(1));
        presence.enter(&room, &user("a"), SocketId(3));
        assert!(told(&mut presence).is_empty());
        let back = presence.users(&room).find(|present| &*present.user.id == "a").expect("is there");
        assert_eq!(Some(back.since), since);
        assert_eq!(back.state, Some(state));
    }

    #[test]
    fn who_came_and_went_before_it_was_told_was_never_there() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        told(&mut presence);
        presence.enter(&room, &user("b"), SocketId(2));
        presence.leave(&room, "b", SocketId(2));
        assert!(told(&mut presence).is_empty());
    }

    #[test]
    fn a_room_that_rests_is_told_later() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        presence.rest(room.clone(), Duration::from_secs(60));
        assert!(told(&mut presence).is_empty());
        assert!(presence.is_untold());
        let later = Instant::now() + Duration::from_secs(61);
        assert_eq!(presence.take_untold(later).len(), 1);
    }

    #[test]
    fn a_room_that_nobody_is_in_leaves_nothing_behind() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        presence.enter(&room, &user("a"), SocketId(1));
        presence.rest(room.clone(), Duration::from_secs(60));
        presence.leave(&room, "a", SocketId(1));
        assert!(presence.rooms.is_empty() && presence.untold.is_empty() && presence.resting.is_empty());
    }
}
