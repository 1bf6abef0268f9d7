//! Rows that change more often than they are told. What is held back is only what nothing else has overtaken: before a socket
//! is sent anything later, it is sent what was held back for it, so that the offset that it holds is true.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::{Dispatcher, SocketId};
use crate::events::{Event, Room, Target};

type Place = SmallVec<[Room; 2]>;

/// By the rooms in which they are told.
#[derive(Default)]
pub struct Throttle {
    /// Until when each row is not told again.
    recent: HashMap<Place, Instant>,
    /// One update for all that came meanwhile.
    held: IndexMap<Place, Event>,
    /// When to look for what is due: then, or earlier.
    due: Option<Instant>,
}

impl Throttle {
    /// Whether an update is held back, with those of its row before it.
    fn hold(&mut self, event: &Event, rooms: &Place, window: Duration, now: Instant) -> bool {
        if self.recent.get(rooms).is_none_or(|until| *until <= now) && !self.held.contains_key(rooms) {
            self.recent.insert(rooms.clone(), now + window);
            return false;
        }
        let merged = match self.held.get(rooms) {
            Some(held) => held.merged_with(event),
            None => Some(event.clone()),
        };
        let Some(merged) = merged else { return false };
        self.held.insert(rooms.clone(), merged);
        self.due = self.due.into_iter().chain(self.recent.get(rooms).copied()).min();
        true
    }

    /// When to look for what is due.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Forgets the rows that are told as they change.
    pub fn age(&mut self, now: Instant) {
        self.recent.retain(|rooms, until| *until > now || self.held.contains_key(rooms));
    }

    /// Takes out an event, whose row is told again after a while.
    fn take(&mut self, rooms: &Place, now: Instant) -> Option<Event> {
        let event = self.held.swap_remove(rooms)?;
        self.recent.insert(rooms.clone(), now + event.throttle().unwrap_or_default());
        Some(event)
    }
}

impl Dispatcher {
    /// Whether an event for these rooms, all of which hear it, is told later.
    pub(super) fn is_held(&mut self, event: &Event, rooms: &Place) -> bool {
        event.throttle().is_some_and(|window| self.throttle.hold(event, rooms, window, Instant::now()))
    }

    /// Addresses what was held back and is due.
    pub(super) fn release_due(&mut self) {
        let now = Instant::now();
        if self.throttle.due.is_none_or(|due| due > now) {
            return;
        }
        let recent = &self.throttle.recent;
        let due = self.throttle.held.keys().filter(|rooms| recent.get(*rooms).is_none_or(|until| *until <= now));
        self.release(due.cloned().collect());
        let Throttle { recent, held, due } = &mut self.throttle;
        *due = held.keys().map(|rooms| recent.get(rooms).copied().unwrap_or(now)).min();
    }

    /// Addresses what was held back for anybody in these rooms, before they are sent something else.
    pub(super) fn release_before(&mut self, rooms: &[&Room]) {
        let is_anybody = rooms.iter().any(|room| self.rooms.in_room(room).is_some());
        if is_anybody && !self.throttle.held.is_empty() {
            let met = self.throttle.held.keys().filter(|held| self.rooms.meet(held.iter(), rooms.iter().copied()));
            self.release(met.cloned().collect());
        }
    }

    /// The same for one socket, and for those in a room that it comes into.
    pub(super) fn release_for(&mut self, socket: SocketId, room: &Room) {
        let concerns = |held: &&Place| held.iter().any(|held| held == room || self.rooms.is_in(socket, held));
        self.release(self.throttle.held.keys().filter(concerns).cloned().collect());
    }

    /// The same in a room that a socket leaves: an offset that it hears later, elsewhere, is behind that.
    pub(super) fn release_ahead_of_leaving(&mut self, socket: SocketId, room: &Room) {
        if self.rooms.is_in(socket, room) {
            self.release(self.throttle.held.keys().filter(|held| held.contains(room)).cloned().collect());
        }
    }

    /// The same for some sockets.
    pub(super) fn release_ahead_of(&mut self, sockets: &[SocketId]) {
        if !self.throttle.held.is_empty() {
            let sockets = sockets.iter().copied().collect();
            let concerns = |held: &&Place| self.rooms.have_any(held, &HashSet::new(), &sockets);
            self.release(self.throttle.held.keys().filter(concerns).cloned().collect());
        }
    }

    /// Those for whom something is held back.
    pub(super) fn awaiting(&self) -> HashSet<SocketId> {
        let rooms = self.throttle.held.keys().flatten();
        rooms.filter_map(|room| self.rooms.in_room(room)).flatten().copied().collect()
    }

    pub(super) fn release_all(&mut self) {
        self.release(self.throttle.held.keys().cloned().collect());
    }

    /// Addresses events, and before each whatever is held back for the same sockets and came earlier.
    fn release(&mut self, wanted: HashSet<Place>) {
        if wanted.is_empty() {
            return;
        }
        let mut held: Vec<(&Place, &Event)> = self.throttle.held.iter().collect();
        // The latest first: who is sent one is sent all that are older.
        held.sort_unstable_by_key(|(_, event)| Reverse(event.offset()));
        let (mut sockets, mut rooms, mut places) = (HashSet::new(), HashSet::new(), Vec::new());
        for (place, _) in held {
            if wanted.contains(place) || self.rooms.have_any(place, &rooms, &sockets) {
                for room in place.iter().filter(|room| rooms.insert(*room)) {
                    sockets.extend(self.rooms.in_room(room).into_iter().flatten());
                }
                places.push(place.clone());
            }
        }
        let now = Instant::now();
        for place in places.iter().rev() {
            let Some(event) = self.throttle.take(place, now) else { continue };
            let Target::Rooms(rooms) = event.target() else { continue };
            let rooms: Vec<&Room> = rooms.iter().collect();
            if let Some(sighting) = event.sighting() {
                self.address_seen(&event, &rooms, &sighting);
                continue;
            }
            let Some(frame) = rooms.first().and_then(|room| self.encode(&event, room, event.name())) else { continue };
            self.burst.add(frame, &self.rooms, &rooms, self.writer(&event));
        }
    }
}
