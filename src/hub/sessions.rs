use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use uuid::Uuid;

use super::{Followed, SocketId};
use crate::events::{Offset, Room};

/// Names a session to its client, and is known to nobody else: 122 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    pub fn random() -> Self {
        SessionId(Uuid::new_v4())
    }

    /// As a client or another server said it; `None`: no walcast has named one so.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(SessionId)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Servers choose the names, at random. And they lie in the table itself: one of 100,000 that grows would else wait for
/// as many other places in memory, and everybody for it.
type BySession<T> = HashMap<SessionId, T, FixedState>;

/// What a socket was in, for the client that comes back with its session's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: Arc<str>,
    /// Who brings an older offset was told to fetch when the session began, and may not have heard it.
    pub began: Offset,
    /// The rooms that it asked for, by which prefix, and after which offset everything of the room was for it.
    pub rooms: Vec<(ByteString, Room, Offset)>,
    /// The tables that it followed.
    pub tables: Vec<Followed>,
}

/// The sessions of the sockets that are here, and of those that went lately.
#[derive(Default)]
pub struct Sessions {
    seated: BySession<SocketId>,
    /// Each with the number of its departure.
    left: BySession<(u64, Session)>,
    /// The departures, the oldest first; of those that came back, too.
    departures: VecDeque<(Instant, u64, SessionId)>,
    number: u64,
}

/// The most sessions that are kept of sockets that went: the oldest make room.
const MOST: usize = 50_000;

impl Sessions {
    pub fn seat(&mut self, id: SessionId, socket: SocketId) {
        self.seated.insert(id, socket);
    }

    /// The socket that has the session now.
    pub fn socket_of(&self, id: &SessionId) -> Option<SocketId> {
        self.seated.get(id).copied()
    }

    /// A session that its socket left.
    pub fn peek(&self, id: &SessionId) -> Option<&Session> {
        self.left.get(id).map(|(_, session)| session)
    }

    /// Its socket went.
    pub fn keep(&mut self, session: Session, now: Instant) {
        self.seated.remove(&session.id);
        self.number += 1;
        self.departures.push_back((now, self.number, session.id));
        self.left.insert(session.id, (self.number, session));
        while self.left.len() > MOST {
            self.forget_oldest();
        }
    }

    /// Hands out a session that its socket left, to its user only, and once.
    pub fn take(&mut self, id: &SessionId, user: &str) -> Option<Session> {
        self.left.get(id).filter(|(_, session)| &*session.user == user)?;
        self.left.remove(id).map(|(_, session)| session)
    }

    /// Those that their sockets left.
    pub fn left(&self) -> impl Iterator<Item = &Session> {
        self.left.values().map(|(_, session)| session)
    }

    /// Forgets what is too old to be resumed.
    pub fn age(&mut self, now: Instant, window: Duration) {
        while self.departures.front().is_some_and(|(left, ..)| now.duration_since(*left) > window) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, number, id)) = self.departures.pop_front() else { return };
        // One that came back and went again has departed once more since.
        if self.left.get(&id).is_some_and(|(last, _)| *last == number) {
            self.left.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId(Uuid::from_u128(number as u128))
    }

    fn session(number: usize) -> Session {
        Session { id: id(number), user: "ann".into(), began: Offset::default(), rooms: Vec::new(), tables: Vec::new() }
    }

    #[test]
    fn a_session_is_named_as_it_was_named() {
        let id = SessionId::random();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::parse("Zq1DxS0bGpm6OgEXAAAB"), None);
    }

    #[test]
    fn a_session_is_handed_out_once_and_to_its_user_only() {
        let mut sessions = Sessions::default();
        sessions.keep(session(1), Instant::now());
        assert_eq!(sessions.take(&id(1), "bob"), None);
        assert_eq!(sessions.take(&id(2), "ann"), None);
        assert_eq!(sessions.take(&id(1), "ann"), Some(session(1)));
        assert_eq!(sessions.take(&id(1), "ann"), None);
    }

    #[test]
    fn sessions_are_bounded_in_age_and_number() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let window = Duration::from_secs(60);
        sessions.keep(session(1), start);
        sessions.keep(session(2), start + Duration::from_secs(50));
        sessions.age(start + Duration::from_secs(61), window);
        assert_eq!(sessions.left().count(), 1);
        for number in 0..=MOST {
            sessions.keep(session(10 + number), start + Duration::from_secs(55));
        }
        assert_eq!(sessions.left().count(), MOST);
        assert_eq!(sessions.take(&id(2), "ann"), None, "the oldest make room");
    }

    #[test]
    fn one_that_comes_and_goes_is_as_old_as_its_last_departure() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        sessions.keep(session(1), start);
        sessions.take(&id(1), "ann");
        sessions.keep(session(1), start + Duration::from_secs(50));
        sessions.age(start + Duration::from_secs(61), Duration::from_secs(60));
        assert!(sessions.take(&id(1), "ann").is_some());
    }
}
