use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde_json::Value;
use smallvec::SmallVec;

use super::{SocketId, User, command::ByRoom, present::Present};
use crate::events::Room;

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
    /// As they are called by now.
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
            present.user = user.clone();
        } else {
            let flips = news.flips(user);
            flips.at.push(clock);
            // Who is back before it was told that they went has never been away.
            let mut present = flips.before.clone().unwrap_or_else(|| Present::new(user.clone()));
            (present.user, present.sockets) = (user.clone(), 1);
            users.insert(user.id.clone(), present);
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
        let Some(present) = self.rooms.get_mut(room).and_then(|users| users.get_mut(user)) else { return false };
        present.say(state);
        true
    }

    /// A user in the room is called otherwise.
    pub fn rename(&mut self, room: &Room, user: &User) {
        if let Some(present) = self.rooms.get_mut(room).and_then(|users| users.get_mut(&user.id)) {
            present.user = user.clone();
        }
        if let Some(flips) = self.untold.get_mut(room).and_then(|news| news.changed.get_mut(&user.id)) {
            flips.user = user.clone();
        }
    }

    /// Whether the user is in the room.
    pub fn has(&self, room: &Room, user: &str) -> bool {
        self.rooms.get(room).is_some_and(|users| users.contains_key(user))
    }

    /// How many users are in the room.
    pub fn count(&self, room: &Room) -> usize {
        self.rooms.get(room).map_or(0, IndexMap::len)
    }

    /// Some of the users in the room, each once: so many, as far as they fit into so many bytes. Who is to read that is among
    /// them, however long they are.
    pub fn roster(&self, room: &Room, reader: Option<&str>, most: usize, bytes: usize) -> Vec<&Present> {
        let Some(users) = self.rooms.get(room) else { return Vec::new() };
        let own = reader.and_then(|reader| users.get_full(reader));
        let others = users.values().enumerate().filter(|(nth, _)| own.is_none_or(|(own, ..)| own != *nth));
        let rest = bytes.saturating_sub(own.map_or(0, |(.., own)| own.size()));
        let fitting = others.take(most.saturating_sub(usize::from(own.is_some()))).scan(rest, |rest, (_, other)| {
            *rest = rest.checked_sub(other.size())?;
            Some(other)
        });
        fitting.chain(own.map(|(.., own)| own)).collect()
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
        let flips = self.changed.entry(user.id.clone()).or_insert_with(new);
        flips.user = user.clone();
        flips
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::present::BARE;

    fn user(id: &'static str) -> User {
        User { id: id.into(), email: None }
    }

    fn present<'a>(presence: &'a Presence, room: &Room, id: &str) -> &'a Present {
        presence.roster(room, Some(id), 1, 0).pop().expect("is there")
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
        let since = present(&presence, &room, "a").since;
        presence.leave(&room, "a", SocketId(1));
        presence.enter(&room, &user("a"), SocketId(3));
        assert!(told(&mut presence).is_empty());
        let back = present(&presence, &room, "a");
        assert_eq!((back.since, back.state.as_ref()), (since, Some(&state)));
    }

    #[test]
    fn a_user_is_called_by_the_token_that_was_shown_last() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        let called = |email: &'static str| User { email: Some(email.into()), ..user("a") };
        let emails = |presence: &mut Presence| {
            let news = presence.take_untold(Instant::now());
            let changes = news.into_iter().flat_map(|(room, news)| presence.changes(&room, news));
            let emails = changes.filter(|change| &*change.user.id == "a").map(|change| change.user.email);
            emails.flatten().collect::<Vec<_>>()
        };
        presence.enter(&room, &user("b"), SocketId(1));
        presence.enter(&room, &called("old"), SocketId(2));
        presence.rename(&room, &called("new"));
        assert_eq!(emails(&mut presence), ["new".into()], "before it was told that they came");
        presence.rename(&room, &called("newer"));
        assert_eq!(present(&presence, &room, "a").user, called("newer"));
        presence.enter(&room, &called("tab"), SocketId(3));
        assert_eq!(present(&presence, &room, "a").user, called("tab"));
        for socket in [2, 3] {
            presence.leave(&room, "a", SocketId(socket));
        }
        assert_eq!(emails(&mut presence), ["tab".into()]);
        presence.enter(&room, &called("tab"), SocketId(4));
        emails(&mut presence);
        presence.leave(&room, "a", SocketId(4));
        presence.enter(&room, &called("back"), SocketId(5));
        assert_eq!(present(&presence, &room, "a").user, called("back"), "who is back within a tick, too");
        assert!(emails(&mut presence).is_empty());
        // Of who is in no such room nothing is kept.
        presence.rename(&Room::row("component", "y"), &called("lost"));
        assert_eq!(presence.rooms.len(), 1);
    }

    #[test]
    fn a_roster_keeps_to_its_number_and_size_and_names_its_reader() {
        let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
        for (socket, name) in (1..).zip(["a", "b", "c", "d"]) {
            presence.enter(&room, &user(name), SocketId(socket));
        }
        let names = |presence: &Presence, reader: Option<&str>, most: usize, bytes: usize| {
            let roster = presence.roster(&room, reader, most, bytes);
            roster.iter().map(|present| present.user.id.to_string()).collect::<String>()
        };
        for (reader, most, bytes, expected) in [
            (None, 9, 9_999, "abcd"),
            (None, 2, 9_999, "ab"),
            (Some("a"), 9, 9_999, "bcda"),
            (Some("d"), 2, 9_999, "ad"),
            (Some("nobody"), 2, 9_999, "ab"),
            (Some("d"), 9, 3 * (BARE + 1), "abd"),
            (Some("d"), 9, 3 * (BARE + 1) - 1, "ad"),
            (Some("d"), 0, 0, "d"),
        ] {
            assert_eq!(names(&presence, reader, most, bytes), expected, "{reader:?} {most} {bytes}");
        }
        presence.set_state(&room, "b", serde_json::json!({ "text": "x".repeat(2_000) }));
        assert_eq!(names(&presence, None, 9, 2_000), "a");
        assert_eq!(names(&presence, Some("b"), 9, 2_000), "b");
        presence.set_state(&room, "b", serde_json::json!({}));
        assert_eq!(names(&presence, None, 9, 2_000), "abcd");
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
