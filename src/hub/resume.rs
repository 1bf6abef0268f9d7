use std::{collections::HashSet, sync::Arc};

use bytestring::ByteString;
use serde_json::json;

use super::{
    Comeback, Dispatcher, Entered, Frame, Frames, HubError, Member, Position, Reply, Session, SessionId, SocketId,
    Subscribed, Subscription, delivery::BULK, dispatcher::ELSEWHERE, rooms::Membership, sight::Identity,
};
use crate::{
    events::{Offset, Room},
    telemetry,
};

/// Why a socket cannot go on from where it was.
pub type Gap = &'static str;

pub const HISTORY_GAP: Gap = "history gap";
const SESSION_GONE: Gap = "session gone";

/// A room that a socket wants to be in.
pub struct Wanted {
    /// `None` where it does not have to ask.
    pub prefix: Option<ByteString>,
    pub room: Room,
    /// What the room sent up to here was not for the socket.
    pub floor: Offset,
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
        let who = self.who(&member.claims);
        match comeback {
            None => {
                let session = self.take_seat(socket, member, None);
                self.join(socket, &[own], position.offset);
                reply(Ok(Entered { socket, session, refused: Vec::new() }));
            }
            Some(Comeback::Rooms { since, rooms }) => {
                let (asked_for, refused) = self.admitted(&member.user.id, who, rooms);
                let session = self.take_seat(socket, member, None);
                let wanted = std::iter::once(own).chain(asked_for).collect();
                self.come_back(socket, who, &position, &since, wanted, refused.is_empty());
                reply(Ok(Entered { socket, session, refused }));
            }
            Some(Comeback::Session { id, since }) => {
                if self.rooms_of_session(&id).iter().any(|room| self.may_be_in(who, room).is_none()) {
                    // Its client comes again.
                    return reply(Err(HubError::Unanswered));
                }
                let session = self.recover(socket, member, &position, own, id, since);
                telemetry::came_back(session == Some(id));
                reply(Ok(Entered { socket, session, refused: Vec::new() }));
            }
        }
    }

    /// Of the rooms that a handshake names those that the user may come into, and the others.
    fn admitted(
        &self,
        user: &str,
        who: Identity,
        rooms: Vec<(ByteString, Room)>,
    ) -> (Vec<Wanted>, Vec<(ByteString, Room, HubError)>) {
        let (mut admitted, mut refused, mut named) = (Vec::new(), Vec::new(), HashSet::new());
        for (prefix, room) in rooms {
            if !named.insert(room.clone()) {
                continue;
            }
            match self.admit(&room, user, who, admitted.len()) {
                Ok(()) => admitted.push(Wanted::new(Some(prefix), room)),
                Err(why) => refused.push((prefix, room, why)),
            }
        }
        (admitted, refused)
    }

    /// Whether a user may come into a room by a socket that is in so many others.
    fn admit(&self, room: &Room, user: &str, who: Identity, others: usize) -> Result<(), HubError> {
        self.check_sight(who, room)?;
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

    /// Whether who has these claims may see what the room is about.
    fn check_sight(&self, who: Identity, room: &Room) -> Result<(), HubError> {
        match self.may_be_in(who, room) {
            Some(true) => Ok(()),
            Some(false) => Err(HubError::NotVisible),
            None => Err(HubError::Unanswered),
        }
    }

    fn take_seat(&mut self, socket: SocketId, member: Member, session: Option<SessionId>) -> Option<SessionId> {
        let recovers = self.settings.recovery && member.recovers;
        let session = recovers.then(|| session.unwrap_or_else(SessionId::random));
        if let Some(session) = session {
            self.sessions.seat(session, socket);
        }
        self.rooms.add_socket(socket, member, session);
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
    fn come_back(
        &mut self,
        socket: SocketId,
        who: Identity,
        position: &Position,
        brought: &str,
        wanted: Vec<Wanted>,
        is_whole: bool,
    ) {
        let since = self.since(brought);
        let rooms: Vec<(ByteString, Room)> =
            wanted.iter().filter_map(|wanted| Some((wanted.prefix.clone()?, wanted.room.clone()))).collect();
        let (covered, mut lost): (Vec<Wanted>, Vec<Wanted>) =
            wanted.into_iter().partition(|wanted| since.is_ok_and(|since| self.covers(wanted, since)));
        let mut gap = HISTORY_GAP;
        match since.and_then(|since| Ok((since, self.missed(socket, who, &covered, since)?))) {
            Ok((since, frames)) => {
                self.bring_back(socket, &covered, since, &frames);
                let shifted = self.shifted(who, &covered, since);
                self.send(socket, Frames::all(&shifted));
            }
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
        let who = self.who(&member.claims);
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
        let (rooms, hidden): (Vec<_>, Vec<_>) =
            rooms.into_iter().partition(|(_, room, _)| self.may_be_in(who, room) == Some(true));
        let mut wanted = vec![own];
        wanted.extend(rooms.into_iter().map(|(prefix, room, floor)| Wanted { prefix: Some(prefix), room, floor }));
        let brought = since.unwrap_or_default();
        let session = match self.missed_since(socket, who, &wanted, began, &brought) {
            Ok((since, frames)) => {
                let session = self.take_seat(socket, member, Some(id));
                self.bring_back(socket, &wanted, since, &frames);
                let shifted = self.shifted(who, &wanted, since);
                self.send(socket, Frames::all(&shifted));
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
        };
        let lost: Vec<Frame> = hidden.iter().filter_map(|(_, room, _)| self.lost_sight(room)).collect();
        self.send(socket, Frames::all(&lost));
        session
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
        let (user, claims) = (Arc::clone(&member.user.id), Arc::clone(&member.claims));
        let who = self.who(&claims);
        let is_back = self.rooms.is_in(socket, &wanted.room);
        let admitted = match is_back {
            true => self.check_sight(who, &wanted.room),
            false => self.admit(&wanted.room, &user, who, self.asked_for(socket)),
        };
        if let Err(why) = admitted {
            return reply(Err(why));
        }
        let is_first = self.asked_for(socket) == 0;
        let room = std::slice::from_ref(&wanted);
        let missed = brought.as_deref().map(|since| self.missed_since(socket, who, room, Offset::default(), since));
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
        let named = self.roster(&wanted.room, Some(&user));
        let (users, count) = (named.into_iter().cloned().collect(), self.presence.count(&wanted.room));
        reply(Ok(Subscribed { position, resumed, users, count }));
        // In one piece.
        let mut more = Vec::new();
        if let (false, Some(prefix)) = (is_back, &wanted.prefix) {
            more.extend(self.welcome(socket, &wanted.room, prefix));
        }
        match gap {
            Some(gap) => {
                self.send(socket, Frames::all(&std::mem::take(&mut more)));
                self.tell_lost(socket, &[wanted], gap);
            }
            None if brought.is_some() => more.extend(self.shifted(who, &[wanted], since)),
            None => {}
        }
        // A client that comes back by its session holds the offset of the last event, and an ack is none.
        if self.rooms.has_session(socket) && (is_first || !frames.is_empty()) {
            more.extend(self.position_frame());
        }
        self.send(socket, Frames::all(&more));
    }
}
