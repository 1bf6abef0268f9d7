//! What has to be asked before something is told, and who has to be looked at again where who may see what has changed.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use smallvec::SmallVec;

use super::{
    Comeback, Dispatcher, Events, SessionId, SocketId,
    command::Command,
    concerned::Concerned,
    guarded::VISIBILITY,
    history::Content,
    shifts::Shift,
    sight::{Asking, Guarded, Identity},
};
use crate::{
    change::Timestamp,
    events::{Event, Image, Offset, Room, RoomParts, Sighting, Target},
    telemetry,
};

impl Dispatcher {
    /// Asks what has to be known before these events are dispatched, and takes in what changed for whom.
    pub(super) async fn look_ahead(&mut self, batch: &Events) {
        if !self.sight.is_guarding() {
            return;
        }
        let Events { events, touches, transactions, .. } = batch;
        self.unseen.extend(transactions);
        let concerned = self.concerned_by(touches).await;
        if !concerned.is_empty() {
            // What is held back is older.
            self.release_all();
        }
        for Concerned { guarded, spared, .. } in &concerned {
            self.sight.forget(&guarded.guard, spared);
        }
        // What else the transaction has changed may come with a later batch, and holds from its first event on.
        if batch.is_open || self.is_within {
            self.sight.forget_what_has_sources();
        }
        self.is_within = batch.is_open;
        let mut asking = Asking::default();
        for event in events {
            let (Some(sighting), Target::Rooms(rooms)) = (event.sighting(), event.target()) else { continue };
            let rooms: SmallVec<[&Room; 2]> = rooms.iter().collect();
            let people: HashSet<Identity> = self.inside(&rooms).into_iter().map(|(_, who)| who).collect();
            self.wonder_about(&mut asking, &sighting, people);
            let listeners = event.change().map(|change| self.follows.listeners(&change)).unwrap_or_default();
            let people: HashSet<Identity> = listeners.into_iter().filter_map(|socket| self.identity(socket)).collect();
            self.wonder_about(&mut asking, &sighting, people);
        }
        let last = events.last().map(Event::offset).unwrap_or_default().max(Offset::before(batch.wal_end));
        self.note_shifts(&concerned, last);
        self.look_again(concerned, asking).await;
    }

    fn wonder_about(&self, asking: &mut Asking, sighting: &Sighting<'_>, people: impl IntoIterator<Item = Identity>) {
        let key = sighting.key.as_deref();
        for who in people {
            self.sight.wonder(asking, sighting.guard, who, sighting.new, key);
            if *sighting.old != Image::Unknown && !sighting.guard.is_opaque() {
                self.sight.wonder(asking, sighting.guard, who, sighting.old, key);
            }
        }
    }

    /// Who is in a room in which the table is told.
    pub(super) fn followers(&mut self, guarded: &Guarded) -> Vec<(SocketId, Identity, Room)> {
        let is_told_in = |room: &&Room| room.is_row_of(&guarded.prefix) || guarded.entities && room.is_entity();
        let rooms: Vec<Room> = self.rooms.occupied().filter(is_told_in).cloned().collect();
        let mut followers = Vec::new();
        for room in rooms {
            followers.extend(self.inside(&[&room]).into_iter().map(|(socket, who)| (socket, who, room.clone())));
        }
        followers
    }

    /// Who follows it as a table.
    pub(super) fn table_followers(&mut self, guarded: &Guarded) -> Vec<(SocketId, Identity)> {
        let sockets = self.follows.followers(&guarded.guard.table);
        sockets.into_iter().filter_map(|socket| Some((socket, self.identity(socket)?))).collect()
    }

    /// Looks whether these people still may be where they are, with what else is to be asked. Who may not is told, and leaves.
    /// Which rows of an entity they held nobody knows: they are told to fetch them again.
    pub(super) async fn look_again(&mut self, concerned: Vec<Concerned>, mut asking: Asking) {
        let mut followers = Vec::new();
        for Concerned { guarded, whose, .. } in concerned {
            for (socket, who, room) in self.followers(&guarded) {
                if whose.as_ref().is_some_and(|whose| !whose.contains(&who)) {
                    continue;
                }
                if let Some((guard, key)) = self.sight.guard_of(&room) {
                    self.sight.wonder_about_key(&mut asking, &guard, who, key);
                }
                followers.push((socket, room));
            }
            for (socket, who) in self.table_followers(&guarded) {
                if whose.as_ref().is_none_or(|whose| whose.contains(&who)) {
                    self.table_debts.insert((socket, guarded.guard.table.clone()));
                }
            }
        }
        self.ask(asking).await;
        for (socket, room) in followers {
            self.judge(socket, room);
        }
        self.pay_for_tables();
        self.part().await;
    }

    /// Tells who follows tables and may see other rows of them now, or was not told something of them, to fetch them again.
    fn pay_for_tables(&mut self) {
        for (socket, table) in std::mem::take(&mut self.table_debts) {
            if let Some(frame) = self.table_resync(&table, VISIBILITY, Timestamp::now()) {
                self.burst.add_for(frame, [socket]);
            }
        }
    }

    /// Whether a socket may stay in a room, as was asked.
    fn judge(&mut self, socket: SocketId, room: Room) {
        let Some(who) = self.identity(socket).filter(|_| self.rooms.is_in(socket, &room)) else { return };
        match self.may_be_in(who, &room) {
            Some(true) if room.is_entity() => {
                let prefix = self.rooms.prefix(socket, &room).unwrap_or_else(|| "component".into());
                if let Some(frame) = self.resync(&room, &prefix, VISIBILITY) {
                    self.burst.add_for(frame, [socket]);
                }
            }
            Some(true) => {}
            Some(false) => {
                if let Some(frame) = self.lost_sight(&room) {
                    self.burst.add_for(frame, [socket]);
                }
                self.leavers.push((socket, room));
            }
            None => drop(self.debts.insert((socket, room))),
        }
    }

    pub(super) async fn ask(&mut self, asking: Asking) {
        telemetry::row_security_asked(asking.known());
        telemetry::row_security_answered(telemetry::Answer::Cache, asking.known());
        if asking.is_empty() {
            return;
        }
        let questions = self.sight.questions(&asking);
        telemetry::row_security_asked(questions.len());
        let answers = self.authority.ask(&questions, &self.unseen).await;
        telemetry::row_security_answered(telemetry::Answer::Database, answers.iter().flatten().count());
        if answers.iter().any(Option::is_some) {
            self.unseen.clear();
        }
        self.sight.learn(asking, answers);
    }

    /// Asks what has to be known before these requests are carried out.
    pub(super) fn look_ahead_for(&mut self, commands: &[Command]) -> Asking {
        let mut asking = Asking::default();
        if !self.sight.is_guarding() {
            return asking;
        }
        for command in commands {
            match command {
                Command::Connect { member, comeback: Some(comeback), .. } => {
                    let who = self.sight.identity(&member.claims);
                    let (since, rooms) = match comeback {
                        Comeback::Rooms { since, rooms } => {
                            (Some(since.clone()), rooms.iter().map(|(_, room)| room.clone()).collect())
                        }
                        Comeback::Session { id, since } => (since.clone(), self.rooms_of_session(id)),
                    };
                    self.wonder_about_rooms(&mut asking, who, &rooms, since.as_deref());
                }
                Command::Subscribe { socket, subscription, .. } => {
                    if let Some(who) = self.identity(*socket) {
                        let rooms = [subscription.room.clone()];
                        self.wonder_about_rooms(&mut asking, who, &rooms, subscription.since.as_deref());
                    }
                }
                Command::Follow { socket, since: Some(since), .. } => {
                    if let Some(who) = self.identity(*socket) {
                        self.wonder_about_rooms(&mut asking, who, &[], Some(since));
                    }
                }
                Command::Refresh { socket, claims, .. } => {
                    let who = self.sight.identity(claims);
                    let rooms: Vec<Room> = self.rooms.rooms_of(*socket).cloned().collect();
                    self.wonder_about_rooms(&mut asking, who, &rooms, None);
                }
                _ => {}
            }
        }
        asking
    }

    /// Whose claims these are; the same for all while no table is guarded.
    pub(super) fn who(&mut self, claims: &Arc<str>) -> Identity {
        if self.sight.is_guarding() { self.sight.identity(claims) } else { Identity::ANYBODY }
    }

    pub(super) fn rooms_of_session(&self, id: &SessionId) -> Vec<Room> {
        if let Some(socket) = self.sessions.socket_of(id) {
            return self.rooms.rooms_of(socket).cloned().collect();
        }
        self.sessions.peek(id).into_iter().flat_map(|session| &session.rooms).map(|(_, room, _)| room.clone()).collect()
    }

    fn wonder_about_rooms(&self, asking: &mut Asking, who: Identity, rooms: &[Room], since: Option<&str>) {
        for room in rooms {
            if let Some((guard, key)) = self.sight.guard_of(room) {
                self.sight.wonder_about_key(asking, &guard, who, key);
            }
        }
        let Some(since) = since.and_then(|since| self.since(since).ok()) else { return };
        self.sight.wonder_about_shifts(asking, who, since);
        let rooms: Vec<&Room> = rooms.iter().collect();
        for (_, content) in self.history.told(&self.history.after(&rooms, since)) {
            if let Content::Guarded { event, .. } = content
                && let Some(sighting) = event.sighting()
            {
                self.wonder_about(asking, &sighting, [who]);
            }
        }
    }

    /// A socket has shown another token.
    pub(super) async fn refresh(&mut self, socket: SocketId, claims: Arc<str>) {
        let Some(seat) = self.rooms.seat_mut(socket) else { return };
        let before = std::mem::replace(&mut seat.member_mut().claims, Arc::clone(&claims));
        seat.identity = None;
        if !self.sight.is_guarding() || before == claims {
            return;
        }
        // A token is made anew without saying anything new.
        let says_the_same = said(&before) == said(&claims);
        let rooms: Vec<Room> = self.rooms.rooms_of(socket).cloned().collect();
        for room in rooms {
            if !room.is_entity() || !says_the_same {
                self.judge(socket, room);
            }
        }
        if !says_the_same {
            let tables = self.follows.of(socket).iter().map(|followed| &followed.interest.table);
            let guarded = tables.filter(|table| self.sight.guard_of_table(table).is_some());
            self.table_debts.extend(guarded.map(|table| (socket, table.clone())));
            self.pay_for_tables();
        }
        self.part().await;
        self.flush().await;
    }

    /// Tells those to fetch again who were not told something because nobody could say whether they may see it.
    pub(super) async fn settle(&mut self) {
        if self.debts.is_empty() && self.table_debts.is_empty() && self.unseen.is_empty()
            || !self.authority.sees(&self.unseen).await
        {
            return;
        }
        self.unseen.clear();
        self.pay_for_tables();
        let debts = std::mem::take(&mut self.debts);
        let mut asking = Asking::default();
        for (socket, room) in &debts {
            if let (Some(who), Some((guard, key))) = (self.identity(*socket), self.sight.guard_of(room)) {
                self.sight.wonder_about_key(&mut asking, &guard, who, key);
            }
        }
        self.ask(asking).await;
        for (socket, room) in debts {
            if !room.is_entity()
                && let Some(who) = self.identity(socket)
                && self.may_be_in(who, &room) == Some(true)
                && let RoomParts::Row { prefix, .. } = room.parts()
                && let Some(frame) = self.resync(&room, prefix, VISIBILITY)
            {
                self.burst.add_for(frame, [socket]);
            } else {
                self.judge(socket, room);
            }
        }
        self.part().await;
        self.flush().await;
        self.sight.end_moment();
    }

    pub(super) fn prune_sight(&mut self) {
        if self.sight.is_guarding() && self.sight.is_overgrown(self.rooms.len()) {
            let alive = self.rooms.identities().collect();
            self.sight.prune(&alive);
        }
    }

    /// These tables are guarded from now on.
    pub(super) async fn guard(&mut self, guarded: Vec<Guarded>) {
        let changed = self.sight.guard(guarded);
        if let Some(position) = &self.position {
            let at = position.offset;
            changed.iter().for_each(|guarded| self.sight.shift(&guarded.guard, Shift { at, whose: None }));
        }
        self.look_again(changed.into_iter().map(Concerned::all).collect(), Asking::default()).await;
        self.flush().await;
        self.sight.end_moment();
    }
}

/// What claims say but for when they were said.
fn said(claims: &str) -> Option<serde_json::Map<String, Value>> {
    let mut claims: serde_json::Map<String, Value> = serde_json::from_str(claims).ok()?;
    ["exp", "iat", "nbf", "jti"].iter().for_each(|name| drop(claims.remove(*name)));
    Some(claims)
}
