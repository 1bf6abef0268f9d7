//! Events of guarded tables: who is told them, and who has to leave.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use serde_json::Value;
use smallvec::SmallVec;

use super::{Dispatcher, Frame, SocketId, delivery::ids, history::Content, resume::Wanted, sight::Identity};
use crate::{
    change::{TableName, Timestamp},
    events::{Event, Image, Offset, Room, RoomParts, Sighting, Telling, What},
};

/// Why a room has to be fetched again whose rows may be others now, to who is told.
pub const VISIBILITY: &str = "visibility";

/// Who is told what of an event.
#[derive(Default)]
struct Told {
    as_it_is: Vec<SocketId>,
    appeared: Vec<SocketId>,
    vanished: Vec<SocketId>,
}

impl Told {
    fn add(&mut self, socket: SocketId, share: Share) {
        match share {
            Share::AsItIs => self.as_it_is.push(socket),
            Share::Appeared => self.appeared.push(socket),
            Share::Vanished => self.vanished.push(socket),
            Share::Owed => {}
        }
    }

    /// What is told, each with its event, which is made only for somebody.
    fn tellings(self, event: &Event) -> impl Iterator<Item = (Share, Event, Vec<SocketId>)> {
        let shares =
            [(Share::AsItIs, self.as_it_is), (Share::Vanished, self.vanished), (Share::Appeared, self.appeared)];
        let somebody = shares.into_iter().filter(|(_, sockets)| !sockets.is_empty());
        somebody.filter_map(|(share, sockets)| Some((share, share.of(event)?, sockets)))
    }
}

/// What there is to tell of an event to somebody who sees, or saw, its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    AsItIs,
    Appeared,
    Vanished,
    /// What it is cannot be said: the room has to be fetched again.
    Owed,
}

impl Share {
    /// The event as it is told to those who have this share of it.
    fn of(self, event: &Event) -> Option<Event> {
        match self {
            Share::AsItIs => Some(event.clone()),
            Share::Appeared => event.appeared(),
            Share::Vanished => event.vanished(),
            Share::Owed => None,
        }
    }
}

impl Sighting<'_> {
    /// By what the other saw before and sees now, as far as that is known. `is_own`: the other is in the row's own room, and so
    /// saw it.
    fn share(&self, before: Option<bool>, now: Option<bool>, is_own: bool) -> Option<Share> {
        // The log does not say what the row was, or nobody could say what it was to the other.
        let is_lost = *self.old == Image::Unknown || self.guard.is_opaque();
        let before = before.or_else(|| (is_lost && is_own).then_some(true));
        // Of a version that the log does not say enough of, it is known only whether its row is seen by now.
        let now = now.filter(|seen| !*seen || *self.new != Image::Unknown);
        match (self.telling, before, now) {
            (Telling::Appears, _, Some(true)) => Some(Share::AsItIs),
            (Telling::Appears, _, Some(false)) => None,
            (Telling::Vanishes, Some(true), _) => Some(Share::AsItIs),
            (Telling::Vanishes, Some(false), _) => None,
            (Telling::Changes { .. }, Some(true), Some(true)) => Some(Share::AsItIs),
            (Telling::Changes { is_first }, Some(true), Some(false)) => is_first.then_some(Share::Vanished),
            (Telling::Changes { is_first }, Some(false), Some(true)) => is_first.then_some(Share::Appeared),
            (Telling::Changes { .. }, Some(false), Some(false)) => None,
            // Whoever sees it may have seen it before.
            (Telling::Changes { .. }, None, Some(true)) if is_lost => Some(Share::AsItIs),
            (Telling::Notice, Some(true), _) | (Telling::Notice, _, Some(true)) => Some(Share::AsItIs),
            (Telling::Notice, Some(false), Some(false)) => None,
            _ => Some(Share::Owed),
        }
    }
}

impl Dispatcher {
    /// Which of those who follow a table are told a change, and as what: its filter says what it is to all of them, and policies
    /// what to each. By the event that tells it.
    pub(super) fn told_to(
        &mut self,
        event: &Event,
        what: What,
        sockets: Vec<SocketId>,
    ) -> Vec<(Event, What, Vec<SocketId>)> {
        let Some(sighting) = event.sighting() else { return vec![(event.clone(), what, sockets)] };
        let telling = match what {
            What::Insert | What::Enter => Telling::Appears,
            What::Delete | What::Leave => Telling::Vanishes,
            What::Update => Telling::Changes { is_first: true },
        };
        let sighting = Sighting { telling, ..sighting };
        let mut told = Told::default();
        for socket in sockets {
            let Some(who) = self.identity(socket) else { continue };
            let now = self.sight.sees(sighting.guard, who, sighting.new, sighting.key.as_deref());
            let before = self.sight.saw(sighting.guard, who, sighting.old);
            match sighting.share(before, now, false) {
                None => {}
                Some(Share::Owed) => drop(self.table_debts.insert((socket, sighting.guard.table.clone()))),
                // The filter's enter, of a row that was not seen before either: it tells the row as it is.
                Some(Share::AsItIs) if what == What::Enter && before != Some(true) => {
                    told.add(socket, Share::Appeared);
                }
                // The filter's leave, of a row that is not seen any more either: it tells the row as it was.
                Some(Share::AsItIs) if what == What::Leave && now != Some(true) => told.add(socket, Share::Vanished),
                Some(share) => told.add(socket, share),
            }
        }
        if event.is_silent() && what == What::Update {
            told.as_it_is.clear();
        }
        let what_of = |share| match share {
            Share::Appeared => What::Enter,
            Share::Vanished => What::Leave,
            Share::AsItIs | Share::Owed => what,
        };
        told.tellings(event).map(|(share, event, sockets)| (event, what_of(share), sockets)).collect()
    }

    /// The rooms of entities, of these, in which an identity may see other rows than after an offset: they are to be fetched again.
    pub(super) fn shifted(&self, who: Identity, rooms: &[Wanted], since: Offset) -> Vec<Frame> {
        let of_entities = self.sight.guarded().iter().filter(|guarded| guarded.entities);
        if !of_entities.into_iter().any(|guarded| self.sight.has_shifted(&guarded.guard, who, since)) {
            return Vec::new();
        }
        let entities = rooms.iter().filter(|wanted| wanted.room.is_entity());
        let prefixed = entities.filter_map(|wanted| Some((&wanted.room, wanted.prefix.as_deref()?)));
        prefixed.filter_map(|(room, prefix)| self.resync(room, prefix, VISIBILITY)).collect()
    }

    /// Whether an identity may see other rows of a table than after an offset.
    pub(super) fn has_table_shifted(&self, table: &TableName, who: Identity, since: Offset) -> bool {
        self.sight.guard_of_table(table).is_some_and(|guard| self.sight.has_shifted(guard, who, since))
    }

    /// Whose claims a socket has.
    pub(super) fn identity(&mut self, socket: SocketId) -> Option<Identity> {
        let seat = self.rooms.seat_mut(socket)?;
        if seat.identity.is_none() {
            seat.identity = Some(self.sight.identity(&seat.member().claims));
        }
        seat.identity
    }

    /// The sockets in some rooms, each once, with their identities.
    pub(super) fn inside(&mut self, rooms: &[&Room]) -> Vec<(SocketId, Identity)> {
        let sockets: IndexSet<SocketId> =
            rooms.iter().filter_map(|room| self.rooms.in_room(room)).flatten().copied().collect();
        sockets.into_iter().filter_map(|socket| Some((socket, self.identity(socket)?))).collect()
    }

    /// Addresses an event to those in the rooms who see its row, each what there is to tell.
    pub(super) fn address_seen(&mut self, event: &Event, rooms: &[&Room], sighting: &Sighting<'_>) {
        let mut told = Told::default();
        let guard = sighting.guard;
        let inside = self.inside(rooms);
        let own: SmallVec<[&Room; 2]> =
            rooms.iter().copied().filter(|room| !room.is_entity() && !sighting.is_part).collect();
        // All of one identity see the same.
        let mut known: HashMap<Identity, (Option<bool>, Option<bool>)> = HashMap::new();
        for (socket, who) in inside {
            let (before, now) = *known.entry(who).or_insert_with(|| {
                let now = self.sight.sees(guard, who, sighting.new, sighting.key.as_deref());
                (self.sight.saw(guard, who, sighting.old), now)
            });
            let is_own = own.iter().any(|room| self.rooms.is_in(socket, room));
            match sighting.share(before, now, is_own) {
                None => {}
                Some(Share::Owed) => {
                    let owed = rooms.iter().filter(|room| self.rooms.is_in(socket, room));
                    self.debts.extend(owed.map(|room| (socket, (*room).clone())));
                }
                Some(share) => {
                    told.add(socket, share);
                    if share == Share::Vanished {
                        let left = own.iter().filter(|room| self.rooms.is_in(socket, room));
                        self.leavers.extend(left.map(|room| (socket, (*room).clone())));
                    }
                }
            }
        }
        let Some(room) = rooms.first() else { return };
        if event.is_silent() {
            told.as_it_is.clear();
        }
        if let Some(writer) = self.writer(event) {
            told.as_it_is.retain(|socket| *socket != writer);
        }
        for (_, event, sockets) in told.tellings(event) {
            if let Some(frame) = self.encode(&event, room, event.name()) {
                self.burst.add_for(frame, sockets);
            }
        }
    }

    /// Takes those out of crowded rooms who do not see the row any more. They are told to fetch it, and will not find it.
    pub(super) fn expel(&mut self, rooms: &[&Room], sighting: &Sighting<'_>) {
        if sighting.is_part || *sighting.new == Image::Nothing {
            return;
        }
        for room in rooms.iter().filter(|room| !room.is_entity()) {
            for (socket, who) in self.inside(&[room]) {
                if self.sight.sees(sighting.guard, who, sighting.new, sighting.key.as_deref()) != Some(true) {
                    self.leavers.push((socket, (*room).clone()));
                }
            }
        }
    }

    /// Takes those out of rooms who may not be there any more; what was for them before has been sent.
    pub(super) async fn part(&mut self) {
        if self.leavers.is_empty() {
            return;
        }
        self.flush().await;
        for (socket, room) in std::mem::take(&mut self.leavers) {
            self.leave(socket, &room);
        }
    }

    /// Whether who has these claims may be in a room; `None`: that is not known.
    pub(super) fn may_be_in(&self, who: Identity, room: &Room) -> Option<bool> {
        match self.sight.guard_of(room) {
            Some((guard, key)) => self.sight.sees_key(&guard, who, key),
            None => Some(true),
        }
    }

    /// `component:deleted`, to whoever may not see a row any more.
    pub(super) fn lost_sight(&self, room: &Room) -> Option<Frame> {
        let RoomParts::Row { prefix, .. } = room.parts() else { return None };
        let position = self.position.as_ref()?;
        let mut payload = ids(room, prefix);
        payload.insert("deletedBy".into(), Value::Null);
        payload.insert("reason".into(), "no longer visible".into());
        payload.insert("offset".into(), position.offset.to_wire(&position.epoch).into());
        payload.insert("timestamp".into(), Timestamp::now().to_string().into());
        Some(self.frame(&format!("{prefix}:deleted"), &payload, None))
    }

    /// What an identity is told of missed events of guarded tables. A row that it may not see any more is told once, as gone, and
    /// none of what was in it. `Err`: that cannot be said.
    pub(super) fn retold(
        &self,
        who: Identity,
        event: &Event,
        is_own: bool,
        ends: &HashMap<RowName, bool>,
        gone: &mut HashSet<RowName>,
    ) -> Result<Option<Event>, &'static str> {
        let Some(sighting) = event.sighting() else { return Ok(None) };
        let name = (sighting.guard.oid, sighting.key.clone());
        let before = self.sight.saw(sighting.guard, who, sighting.old);
        let now = self.sight.sees(sighting.guard, who, sighting.new, sighting.key.as_deref());
        if ends.get(&name) == Some(&false) {
            if sighting.telling == Telling::Appears {
                return Ok(None);
            }
            return match before.or_else(|| is_own.then_some(true)) {
                Some(held) => Ok(if held && gone.insert(name) { event.vanished() } else { None }),
                // To tell that a row is gone would tell that it was there.
                None => Err(VISIBILITY),
            };
        }
        match sighting.share(before, now, is_own) {
            None => Ok(None),
            Some(Share::AsItIs) if event.is_silent() => Ok(None),
            Some(Share::Owed) => Err(VISIBILITY),
            Some(share) => Ok(share.of(event)),
        }
    }

    /// Whether an identity sees each row at the end of what was missed; of one that was deleted, whether it saw it.
    /// `Err`: that is not known.
    pub(super) fn ends(
        &self,
        who: Identity,
        missed: &[(Offset, &Content)],
    ) -> Result<HashMap<RowName, bool>, &'static str> {
        let mut ends = HashMap::new();
        for (_, content) in missed {
            let Content::Guarded { event, .. } = content else { continue };
            let Some(sighting) = event.sighting() else { continue };
            let last = if *sighting.new == Image::Nothing { sighting.old } else { sighting.new };
            // Of a row that is gone nobody can be asked any more.
            let is_lost = *sighting.new == Image::Nothing && (*last == Image::Unknown || sighting.guard.is_opaque());
            let seen = match is_lost {
                true => true,
                false => self.sight.sees(sighting.guard, who, last, sighting.key.as_deref()).ok_or(VISIBILITY)?,
            };
            ends.insert((sighting.guard.oid, sighting.key.clone()), seen);
        }
        Ok(ends)
    }
}

/// A table's oid, and the row's key where it is known.
pub type RowName = (u32, Option<String>);
