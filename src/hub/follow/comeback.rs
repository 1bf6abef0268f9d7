use std::{sync::Arc, time::Instant};

use super::{Followed, Interest};
use crate::{
    change::Timestamp,
    events::Offset,
    hub::{
        Dispatcher, Frame, Frames, HubError, Position, Reply, Session, SocketId,
        delivery::BULK,
        guarded::VISIBILITY,
        resume::{Gap, HISTORY_GAP},
    },
};

/// A socket follows a table.
#[derive(Clone, Debug)]
pub struct Following {
    /// By which it says that it wants to hear no more.
    pub name: Arc<str>,
    /// Everything up to here has been sent, everything after it will be.
    pub position: Position,
    /// Whether it is known that the socket missed nothing since `since`.
    pub resumed: bool,
}

impl Dispatcher {
    /// What those are in, and those were who left lately, that may come back.
    pub(in crate::hub) fn all_sessions(&self) -> Vec<Session> {
        let sessions = self.rooms.sessions();
        let here = sessions.map(|(socket, session)| Session { tables: self.follows.of(socket).to_vec(), ..session });
        here.chain(self.sessions.left().cloned()).collect()
    }

    /// What sockets were in that another server served until now.
    pub(in crate::hub) fn take_over(&mut self, sessions: Vec<Session>) {
        let now = Instant::now();
        let at = self.position.as_ref().map_or_else(Offset::default, |position| position.offset);
        for session in sessions {
            self.follows.expect(&session.tables, at, now);
            self.sessions.keep(session, now);
        }
    }

    /// `brought`: the wire form of the last offset that the client holds.
    pub(in crate::hub) async fn follow(
        &mut self,
        socket: SocketId,
        interest: Interest,
        brought: Option<String>,
        reply: Reply<Following>,
    ) {
        // The answer's offset must be true.
        self.release_ahead_of(&[socket]);
        self.flush().await;
        let Some(position) = self.position.clone() else { return reply(Err(HubError::Gone)) };
        if self.stopping {
            return reply(Err(HubError::Stopping));
        }
        if self.rooms.member(socket).is_none() {
            return reply(Err(HubError::Gone));
        }
        let limit = self.settings.limits.rooms_of_a_socket;
        let follows = self.follows.of(socket).iter().any(|followed| followed.interest == interest);
        if !follows && limit > 0 && self.asked_for(socket) >= limit {
            return reply(Err(HubError::TooManyRooms(limit)));
        }
        let is_first = self.asked_for(socket) == 0;
        let since = brought.as_deref().and_then(|brought| self.since(brought).ok());
        let who = self.identity(socket);
        let shifted = since.zip(who).map(|(since, who)| self.has_table_shifted(&interest.table, who, since));
        let gap = match brought.as_deref().map(|brought| self.since(brought)) {
            // Of what a socket missed nothing is kept but that there was something.
            Some(Ok(_)) if Some(true) == shifted => Some(VISIBILITY),
            Some(Ok(since)) => (!self.follows.is_quiet_since(&interest, since, false)).then_some(HISTORY_GAP),
            Some(Err(gap)) => Some(gap),
            None => {
                let is_over = self.follows.is_over(&interest, position.offset, self.settings.room_cap);
                is_over.then_some(BULK)
            }
        };
        let (name, table) = (interest.name.clone(), interest.table.clone());
        self.follows.join(socket, Followed { interest, since: position.offset }, position.offset);
        reply(Ok(Following { name, position, resumed: brought.is_some() && gap.is_none() }));
        let resync = gap.and_then(|gap| self.table_resync(&table, gap, Timestamp::now()));
        // A client that comes back by its session holds the offset of the last event, and an ack is none.
        let position = self.position_frame().filter(|_| is_first && self.rooms.has_session(socket));
        let frames: Vec<Frame> = resync.into_iter().chain(position).collect();
        self.send(socket, Frames::all(&frames));
    }

    /// Leaving what the socket does not follow is no error.
    pub(in crate::hub) fn unfollow(&mut self, socket: SocketId, name: &str, reply: Reply<()>) {
        if self.rooms.member(socket).is_none() {
            return reply(Err(HubError::Gone));
        }
        self.follows.leave(socket, name);
        reply(Ok(()));
    }

    /// What a socket asked for: rooms and tables.
    pub(in crate::hub) fn asked_for(&self, socket: SocketId) -> usize {
        self.rooms.subscribed(socket) + self.follows.count(socket)
    }

    /// A socket that has come back follows again what it did before. `since`: the offset from which it has gone on, or why it
    /// could not.
    pub(in crate::hub) fn follow_again(
        &mut self,
        socket: SocketId,
        followed: Vec<Followed>,
        since: Result<Offset, Gap>,
        position: &Position,
    ) {
        let is_in_rooms = self.rooms.subscribed(socket) > 0;
        let mut lost = Vec::new();
        let who = self.identity(socket);
        let has_shifted = |table, since| who.is_some_and(|who| self.has_table_shifted(table, who, since));
        for Followed { interest, since: from } in &followed {
            let table = &interest.table;
            let is_alone = !is_in_rooms && followed.iter().filter(|other| other.interest.table == *table).count() == 1;
            let gap = match since {
                Ok(since) if has_shifted(table, since) => Some(VISIBILITY),
                Ok(since) if self.follows.is_quiet_since(interest, since.max(*from), is_alone) => None,
                Ok(_) => Some(HISTORY_GAP),
                Err(gap) => Some(gap),
            };
            if let Some(gap) = gap.filter(|_| !lost.iter().any(|(lost, _)| lost == table)) {
                lost.push((table.clone(), gap));
            }
        }
        for Followed { interest, since: from } in followed {
            let from = if since.is_ok() { from } else { position.offset };
            self.follows.join(socket, Followed { interest, since: from }, position.offset);
        }
        let frames = lost.iter().filter_map(|(table, gap)| self.table_resync(table, gap, Timestamp::now()));
        let frames: Vec<Frame> = frames.collect();
        self.send(socket, Frames::all(&frames));
    }
}
