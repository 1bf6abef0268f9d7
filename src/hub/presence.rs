use std::{
    collections::{HashMap, VecDeque},
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

impl Audience {
    pub fn has(&self, socket: SocketId) -> bool {
        match self {
            Audience::AllBut(others) => others.binary_search(&socket).is_err(),
            Audience::Only(those) => those.binary_search(&socket).is_ok(),
        }
    }
}

/// Who is in which room, by their sockets.
#[derive(Default)]
pub struct Presence {
    rooms: ByRoom<Users>,
    /// Of each room, who came or went since that was told last.
    untold: ByRoom<News>,
    /// The same rooms, and some that nobody is in any more, in the order in which they are told.
    queue: VecDeque<Room>,
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
        let news = news(&mut self.untold, &mut self.queue, room);
        let clock = news.clock;
        if let Some(present) = users.get_mut(&user.id) {
            present.sockets += 1;
            present.call(user);
        } else {
            let flips = news.flips(user);
            flips.at.push(clock);
            // Who is back before it was told that they went has never been away.
            let mut present = flips.before.clone().unwrap_or_else(|| Present::new(user.clone()));
            present.call(user);
            present.sockets = 1;
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
            self.untold.remove(room);
            self.resting.remove(room);
            return;
        }
        let news = news(&mut self.untold, &mut self.queue, room);
        news.clock += 1;
        let clock = news.clock;
        let flips = news.flips(present.user());
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
            present.call(user);
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

    /// What is to be told next, of a room that need not wait.
    pub fn next_untold(&mut self, now: Instant) -> Option<(Room, News)> {
        self.resting.retain(|_, until| *until > now);
        for _ in 0..self.queue.len() {
            let room = self.queue.pop_front()?;
            if self.resting.contains_key(&room) {
                self.queue.push_back(room);
            } else if let Some(news) = self.untold.remove(&room).filter(|news| !news.changed.is_empty()) {
                return Some((room, news));
            }
        }
        None
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

/// What a room is yet to be told, from now on if it was nothing.
fn news<'a>(untold: &'a mut ByRoom<News>, queue: &mut VecDeque<Room>, room: &Room) -> &'a mut News {
    untold.entry(room.clone()).or_insert_with(|| {
        queue.push_back(room.clone());
        News::default()
    })
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
#[path = "presence_tests.rs"]
mod tests;
