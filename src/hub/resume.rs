use std::collections::{HashMap, HashSet};

use bytestring::ByteString;
use serde_json::json;

use super::{
    Comeback, Dispatcher, Entered, Frame, Frames, HubError, Member, Position, Reply, Session, SessionId, SocketId,
    Subscribed, Subscription, delivery::BULK, dispatcher::ELSEWHERE, history::Content, rooms::Membership,
};
use crate::{
    change::Lsn,
    events::{Offset, Room},
    telemetry,
};

/// Why a socket cannot go on from where it was.
pub(super) type Gap = &'static str;

pub(super) const HISTORY_GAP: Gap = "history gap";
const SESSION_GONE: Gap = "session gone";

/// A room that a socket wants to be in.
struct Wanted {
    /// `None` where it does not have to ask.
    prefix: Option<ByteString>,
    room: Room,
    /// What the room sent up to here was not for the socket.
    floor: Offset,
}

impl Wanted {
    fn new(prefix: Option<ByteString>, room: Room) -> Self {
        Wanted { prefix, room, floor: Offset::default() }
    }
}

impl Dispatcher {
    /// Takes a socket in. One that was here before gets back into its rooms, with what it missed in them.
    pub(super) fn connect(
        &mut self,
        socket: SocketId,
        member: Member,
        own: Room,
        comeback: Option<Comeback>,
        reply: Reply<Entered>,
    ) {
        let Some(position) = self.position.clone() else { return reply(Err(HubError::Gone)) };
        if self.stands_by {
            // It was let in just before; here it would wait in silence.
            member.outbox.close(ELSEWHERE);
            return reply(Err(HubError::Stopping));
        }
        if self.stopping {
            return reply(Err(HubError::Stopping));
        }
        // The one whose place it takes does not count.
        let replaced = matches!(&comeback, Some(Comeback::Session { id, .. }) if self.sessions.socket_of(id).is_some());
        let sockets = self.rooms.in_room(&own).map_or(0, |sockets| sockets.len());
        let limit = self.settings.limits.sockets_of_a_user;
        if limit > 0 && sockets >= limit.saturating_add(usize::from(replaced)) {
            return reply(Err(HubError::TooManySockets(limit)));
        }
        let own = Wanted::new(None, own);
        match comeback {
            None => {
                let session = self.take_seat(socket, member, None);
                self.join(socket, &[own], position.offset);
                reply(Ok(Entered { socket, session, refused: Vec::new() }));
            }
            Some(Comeback::Rooms { since, rooms }) => {
                let (asked_for, refused) = self.admitted(&member.user.id, rooms);
                let session = self.take_seat(socket, member, None);
                let wanted = std::iter::once(own).chain(asked_for).collect();
                self.come_back(socket, &position, &since, wanted, refused.is_empty());
                reply(Ok(Entered { socket, session, refused }));
            }
            Some(Comeback::Session { id, since }) => {
                let session = self.recover(socket, member, &position, own, id.clone(), since);
                telemetry::came_back(session == Some(id));
                reply(Ok(Entered { socket, session, refused: Vec::new() }));
            }
        }
    }

    /// Of the rooms that a handshake names those that the user may come into, and the others.
    fn admitted(&self, user: &str, rooms: Vec<(ByteString, Room)>) -> (Vec<Wanted>, Vec<(ByteString, Room, HubError)>) {
        let (mut admitted, mut refused, mut named) = (Vec::new(), Vec::new(), HashSet::new());
        for (prefix, room) in rooms {
            if !named.insert(room.clone()) {
                continue;
            }
            match self.admit(&room, user, admitted.len()) {
                Ok(()) => admitted.push(Wanted::new(Some(prefix), room)),
                Err(why) => refused.push((prefix, room, why)),
            }
        }
        (admitted, refused)
    }

    /// Whether a user may come into a room by a socket that is in so many others.
    fn admit(&self, room: &Room, user: &str, others: usize) -> Result<(), HubError> {
        let limits = self.settings.limits;
        if limits.rooms_of_a_socket > 0 && others >= limits.rooms_of_a_socket {
            return Err(HubError::TooManyRooms(limits.rooms_of_a_socket));
        }
        let is_full = limits.users_of_a_room > 0 && self.presence.count(room) >= limits.users_of_a_room;
        if is_full && !self.presence.has(room, user) {
            return Err(HubError::RoomFull(limits.users_of_a_room));
        }
        Ok(())
    }

    fn take_seat(&mut self, socket: SocketId, member: Member, session: Option<SessionId>) -> Option<SessionId> {
        let recovers = self.settings.recovery && member.recovers;
        let session = recovers.then(|| session.unwrap_or_else(SessionId::random));
        if let Some(session) = &session {
            self.sessions.seat(session.clone(), socket);
        }
        self.rooms.add_socket(socket, member, session.clone());
        session
    }

    fn join(&mut self, socket: SocketId, wanted: &[Wanted], since: Offset) {
        for Wanted { prefix, room, floor } in wanted {
            let membership = Membership { prefix: prefix.clone(), since: since.max(*floor) };
            if self.rooms.join(socket, room.clone(), membership)
                && prefix.is_some()
                && let Some(member) = self.rooms.member(socket)
            {
                self.presence.enter(room, &member.user, socket);
            }
        }
        self.quicken();
    }

    /// Into rooms, with what was missed in them. First the rooms: should the connection be lost again, its session must not be
    /// left without them.
    fn bring_back(&mut self, socket: SocketId, wanted: &[Wanted], since: Offset, missed: &[Frame]) {
        self.join(socket, wanted, since);
        self.replay(socket, missed);
    }

    fn tell_company(&mut self, socket: SocketId, wanted: &[Wanted]) {
        self.tell_rosters(
            socket,
            wanted.iter().filter_map(|Wanted { prefix, room, .. }| Some((prefix.as_ref()?, room))),
        );
    }

    /// Back into the rooms that the handshake names: what was missed, then `walcast:resumed`, then what cannot be had.
    /// `is_whole`: these are all the rooms that it names.
    fn come_back(&mut self, socket: SocketId, position: &Position, brought: &str, wanted: Vec<Wanted>, is_whole: bool) {
        let since = self.since(brought);
        let rooms: Vec<(ByteString, Room)> =
            wanted.iter().filter_map(|wanted| Some((wanted.prefix.clone()?, wanted.room.clone()))).collect();
        let (covered, mut lost): (Vec<Wanted>, Vec<Wanted>) =
            wanted.into_iter().partition(|wanted| since.is_ok_and(|since| self.covers(wanted, since)));
        let mut gap = HISTORY_GAP;
        match since.and_then(|since| Ok((since, self.missed(socket, &covered, since)?))) {
            Ok((since, frames)) => self.bring_back(socket, &covered, since, &frames),
            Err(why) => {
                self.refused(socket, brought, why);
                gap = why;
                self.join(socket, &covered, position.offset);
                lost.extend(covered);
            }
        }
        self.join(socket, &lost, position.offset);
        let offset = position.offset.to_wire(&position.epoch);
        let names: Vec<&str> = rooms.iter().map(|(_, room)| room.as_str()).collect();
        let outcome = json!({ "offset": offset, "rooms": names, "resumed": lost.is_empty() && is_whole });
        let resumed = self.frame("walcast:resumed", &outcome, lost.is_empty().then_some(&*offset));
        self.send(socket, Frames::all(&[resumed]));
        self.tell_lost(socket, &lost, gap);
        self.tell_rosters(socket, rooms.iter().map(|(prefix, room)| (prefix, room)));
    }

    /// Back into the rooms of its session, with what was missed. Where that cannot be, a new session begins, in the same
    /// rooms as far as they are known, and the client is told to fetch.
    fn recover(
        &mut self,
        socket: SocketId,
        member: Member,
        position: &Position,
        own: Wanted,
        id: SessionId,
        since: Option<String>,
    ) -> Option<SessionId> {
        // The client is back before its old connection is found to be dead.
        if let Some(before) = self.sessions.socket_of(&id)
            && let Some(old) = self.rooms.member(before)
            && old.user.id == member.user.id
        {
            old.outbox.close("its client is back");
            self.remove(before);
        }
        let found = self.sessions.take(&id, &member.user.id);
        let Some(Session { began, rooms, tables, .. }) = found.filter(|_| self.settings.recovery) else {
            let session = self.take_seat(socket, member, None);
            self.join(socket, &[own], position.offset);
            self.tell_anew(socket, &[], SESSION_GONE);
            return session;
        };
        let mut wanted = vec![own];
        wanted.extend(rooms.into_iter().map(|(prefix, room, floor)| Wanted { prefix: Some(prefix), room, floor }));
        let brought = since.unwrap_or_default();
        match self.missed_since(socket, &wanted, began, &brought) {
            Ok((since, frames)) => {
                let session = self.take_seat(socket, member, Some(id));
                self.bring_back(socket, &wanted, since, &frames);
                self.follow_again(socket, tables, Ok(since), position);
                self.tell_company(socket, &wanted);
                session
            }
            Err(gap) => {
                self.refused(socket, &brought, gap);
                let session = self.take_seat(socket, member, None);
                self.join(socket, &wanted, position.offset);
                self.follow_again(socket, tables, Err(gap), position);
                self.tell_company(socket, &wanted);
                // Who has no offset was sent nothing yet, and has nothing to fetch again.
                if wanted.len() > 1 || !brought.is_empty() {
                    self.tell_anew(socket, &wanted, gap);
                }
                session
            }
        }
    }

    /// Tells a socket to fetch what it has lost, everything where it is in no room; then where it is now. Until it has heard
    /// that, it holds an offset that is older than its session, and is told again when it comes back.
    fn tell_anew(&mut self, socket: SocketId, lost: &[Wanted], gap: Gap) {
        if lost.iter().any(|wanted| wanted.prefix.is_some()) {
            self.tell_lost(socket, lost, gap);
        } else {
            let everything = self.frame("component:resync", &json!({ "reason": gap }), None);
            self.send(socket, Frames::all(&[everything]));
        }
        if let Some(frame) = self.position_frame().filter(|_| self.rooms.has_session(socket)) {
            self.send(socket, Frames::all(&[frame]));
        }
    }

    fn tell_lost(&mut self, socket: SocketId, lost: &[Wanted], gap: Gap) {
        let asked_for = lost.iter().filter_map(|wanted| Some((&wanted.room, wanted.prefix.as_deref()?)));
        // Its own room, for which nobody has to ask, comes last.
        let own = lost.iter().filter(|wanted| wanted.prefix.is_none()).map(|wanted| (&wanted.room, "component"));
        let resync = |(room, prefix)| self.resync(room, prefix, gap);
        let frames: Vec<Frame> = asked_for.chain(own).filter_map(resync).collect();
        self.send(socket, Frames::all(&frames));
    }

    /// Takes a socket into a room. What it missed goes out before the answer, so that the answer's offset is true.
    pub(super) fn subscribe(&mut self, socket: SocketId, subscription: Subscription, reply: Reply<Subscribed>) {
        let Some(position) = self.position.clone() else { return reply(Err(HubError::Gone)) };
        if self.stopping {
            return reply(Err(HubError::Stopping));
        }
        let Subscription { prefix, room, since: brought } = subscription;
        let wanted = Wanted::new(Some(prefix), room);
        let Some(member) = self.rooms.member(socket) else { return reply(Err(HubError::Gone)) };
        let is_back = self.rooms.is_in(socket, &wanted.room);
        if !is_back && let Err(why) = self.admit(&wanted.room, &member.user.id, self.asked_for(socket)) {
            return reply(Err(why));
        }
        let is_first = self.asked_for(socket) == 0;
        let room = std::slice::from_ref(&wanted);
        let missed = brought.as_deref().map(|since| self.missed_since(socket, room, Offset::default(), since));
        let resumed = matches!(missed, Some(Ok(_)));
        let (since, frames, gap) = match missed {
            Some(Ok((since, frames))) => (since, frames, None),
            Some(Err(gap)) => (position.offset, Vec::new(), Some(gap)),
            None => {
                let is_over = self.crowd.is_over(&wanted.room, self.settings.room_cap);
                (position.offset, Vec::new(), is_over.then_some(BULK))
            }
        };
        if let (Some(gap), Some(since)) = (gap, &brought) {
            self.refused(socket, since, gap);
        }
        self.replay(socket, &frames);
        if self.rooms.member(socket).is_none() {
            return reply(Err(HubError::Gone));
        }
        self.join(socket, std::slice::from_ref(&wanted), since);
        let (users, count) = (self.roster(&wanted.room).cloned().collect(), self.presence.count(&wanted.room));
        reply(Ok(Subscribed { position, resumed, users, count }));
        if let (false, Some(prefix)) = (is_back, &wanted.prefix) {
            self.welcome(socket, &wanted.room, prefix);
        }
        if let Some(gap) = gap {
            self.tell_lost(socket, &[wanted], gap);
        }
        // A client that comes back by its session holds the offset of the last event, and an ack is none.
        if self.rooms.has_session(socket)
            && (is_first || !frames.is_empty())
            && let Some(frame) = self.position_frame()
        {
            self.send(socket, Frames::all(&[frame]));
        }
    }

    fn replay(&mut self, socket: SocketId, frames: &[Frame]) {
        let replay = |member: &Member| member.outbox.replay(Frames::all(frames)).is_err();
        if self.rooms.member(socket).is_some_and(replay) {
            self.remove(socket);
        }
    }

    fn refused(&self, socket: SocketId, since: &str, reason: Gap) {
        let position = self.position.as_ref().map(|position| position.offset.to_wire(&position.epoch));
        tracing::debug!(socket = socket.0, since, position, reason, "a socket cannot go on from where it was");
    }

    /// Reads an offset that a client brought.
    pub(super) fn since(&self, text: &str) -> Result<Offset, Gap> {
        let position = self.position.as_ref().ok_or(HISTORY_GAP)?;
        match Offset::parse_wire(text) {
            Ok((epoch, offset)) if epoch == position.epoch && offset <= position.offset => Ok(offset),
            Ok((epoch, _)) if epoch != position.epoch => Err("another history"),
            // From the future, or no offset at all.
            _ => Err(HISTORY_GAP),
        }
    }

    fn covers(&self, wanted: &Wanted, since: Offset) -> bool {
        self.history.covers(&wanted.room, since.max(wanted.floor))
    }

    /// The same as [`missed`](Self::missed) since an offset that a client brought, where that is not before `from`, and all of
    /// it is still there.
    fn missed_since(
        &self,
        socket: SocketId,
        wanted: &[Wanted],
        from: Offset,
        brought: &str,
    ) -> Result<(Offset, Vec<Frame>), Gap> {
        let since = self.since(brought)?;
        if since < from || !wanted.iter().all(|wanted| self.covers(wanted, since)) {
            return Err(HISTORY_GAP);
        }
        Ok((since, self.missed(socket, wanted, since)?))
    }

    /// What the rooms were sent after an offset and the socket was not; `Err` where that is more than it may be sent.
    fn missed(&self, socket: SocketId, wanted: &[Wanted], since: Offset) -> Result<Vec<Frame>, Gap> {
        if wanted.iter().any(|wanted| self.crowd.is_over(&wanted.room, self.settings.room_cap)) {
            // It would not be sent the rest of the transaction either.
            return Err(BULK);
        }
        let by_room: HashMap<&Room, &Wanted> = wanted.iter().map(|wanted| (&wanted.room, wanted)).collect();
        let names: Vec<&Room> = by_room.keys().copied().collect();
        let is_for = |room: &Room, offset: Offset| by_room.get(room).is_some_and(|wanted| wanted.floor < offset);
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut transaction = Lsn::ZERO;
        let mut counts: HashMap<&Room, u32> = HashMap::new();
        for (offset, content) in self.history.after(&names, since) {
            if transaction != offset.lsn {
                transaction = offset.lsn;
                counts.clear();
            }
            let before = frames.len();
            match content {
                Content::Rooms { frame, rooms: told } => {
                    for room in told.iter().filter(|room| is_for(room, offset)) {
                        let count = counts.entry(room).or_default();
                        *count += 1;
                        if *count > self.settings.room_cap {
                            return Err(BULK);
                        }
                    }
                    let is_missed = told.iter().any(|room| is_for(room, offset));
                    if is_missed && !self.rooms.has_heard(socket, told, offset) {
                        frames.push(frame.clone());
                    }
                }
                Content::Wide(event) => {
                    let concerned =
                        wanted.iter().filter(|wanted| event.target().matches(&wanted.room) && wanted.floor < offset);
                    let told = concerned.filter_map(|wanted| {
                        let prefix = wanted.prefix.as_deref().unwrap_or_default();
                        self.encode(event, &wanted.room, &event.name_for(prefix))
                    });
                    frames.extend(told);
                }
            }
            bytes += frames.iter().skip(before).map(|frame| frame.wire().len()).sum::<usize>();
            if bytes > self.settings.replay_bytes {
                return Err("too much was missed");
            }
        }
        Ok(frames)
    }
}
