use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use uuid::Uuid;

use super::{Followed, SocketId};
use crate::events::{Offset, Room};

/// Names a session to its client, and is known to nobody else: 122 random bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    pub(super) fn random() -> Self {
        SessionId(Uuid::new_v4().simple().to_string().into())
    }

    /// As a client or another server said it.
    pub fn new(text: &str) -> Self {
        SessionId(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
    seated: HashMap<SessionId, SocketId>,
    /// Each with the number of its departure.
    left: HashMap<SessionId, (u64, Session)>,
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
        self.departures.push_back((now, self.number, session.id.clone()));
        self.left.insert(session.id.clone(), (self.number, session));
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

    fn session(id: &str) -> Session {
        Session {
            id: SessionId::new(id),
            user: "ann".into(),
            began: Offset::default(),
            rooms: Vec::new(),
            tables: Vec::new(),
        }
    }

    #[test]
    fn a_session_is_handed_out_once_and_to_its_user_only() {
        let mut sessions = Sessions::default();
        sessions.keep(session("a"), Instant::now());
        assert_eq!(sessions.take(&SessionId::new("a"), "bob"), None);
        assert_eq!(sessions.take(&SessionId::new("b"), "ann"), None);
        assert_eq!(sessions.take(&SessionId::new("a"), "ann"), Some(session("a")));
        assert_eq!(sessions.take(&SessionId::new("a"), "ann"), None);
    }

    #[test]
    fn sessions_are_bounded_in_age_and_number() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let window = Duration::from_secs(60);
        sessions.keep(session("old"), start);
        sessions.keep(session("young"), start + Duration::from_secs(50));
        sessions.age(start + Duration::from_secs(61), window);
        assert_eq!(sessions.left().count(), 1);
        for number in 0..=MOST {
            sessions.keep(session(&number.to_string()), start + Duration::from_secs(55));
        }
        assert_eq!(sessions.left().count(), MOST);
        assert_eq!(sessions.take(&SessionId::new("young"), "ann"), None, "the oldest make room");
    }

    #[test]
    fn one_that_comes_and_goes_is_as_old_as_its_last_departure() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        sessions.keep(session("a"), start);
        sessions.take(&SessionId::new("a"), "ann");
        sessions.keep(session("a"), start + Duration::from_secs(50));
        sessions.age(start + Duration::from_secs(61), Duration::from_secs(60));
        assert!(sessions.take(&SessionId::new("a"), "ann").is_some());
    }
}
