//! Rows that change more often than they are told. What is held back is only what nothing else has overtaken: before a socket
//! is sent anything later, it is sent what was held back for it, so that the offset that it holds is true.

use std::{
    collections::HashMap,
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
        merged.map(|merged| self.held.insert(rooms.clone(), merged)).is_some()
    }

    /// When the next is to be told.
    pub fn due(&self) -> Option<Instant> {
        self.held.keys().filter_map(|rooms| self.recent.get(rooms)).min().copied()
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
        let recent = &self.throttle.recent;
        let due = self.throttle.held.keys().filter(|rooms| recent.get(*rooms).is_none_or(|until| *until <= now));
        let due: Vec<Place> = due.cloned().collect();
        self.release(due);
    }

    /// Addresses what was held back for anybody in these rooms, before they are sent something else.
    pub(super) fn release_before(&mut self, rooms: &[&Room]) {
        if !self.throttle.held.is_empty() {
            let met = self.throttle.held.keys().filter(|held| self.rooms.meet(held.iter(), rooms.iter().copied()));
            let met: Vec<Place> = met.cloned().collect();
            self.release(met);
        }
    }

    /// The same for one socket, and for those in a room that it comes into.
    pub(super) fn release_for(&mut self, socket: SocketId, room: &Room) {
        let concerns = |held: &&Place| held.iter().any(|held| held == room || self.rooms.is_in(socket, held));
        let concerned: Vec<Place> = self.throttle.held.keys().filter(concerns).cloned().collect();
        self.release(concerned);
    }

    pub(super) fn release_all(&mut self) {
        let all: Vec<Place> = self.throttle.held.keys().cloned().collect();
        self.release(all);
    }

    /// Addresses events, and before each whatever is held back for the same sockets and came earlier.
    fn release(&mut self, mut places: Vec<Place>) {
        let mut seen = 0;
        while let Some(place) = places.get(seen).cloned() {
            seen += 1;
            let Some(offset) = self.throttle.held.get(&place).map(Event::offset) else { continue };
            for (other, held) in &self.throttle.held {
                let is_new = held.offset() < offset && !places.contains(other);
                if is_new && self.rooms.meet(place.iter(), other.iter()) {
                    places.push(other.clone());
                }
            }
        }
        let now = Instant::now();
        let mut events: Vec<Event> = places.iter().filter_map(|place| self.throttle.take(place, now)).collect();
        events.sort_by_key(Event::offset);
        for event in events {
            let Target::Rooms(rooms) = event.target() else { continue };
            let Some(frame) = rooms.first().and_then(|room| self.encode(&event, room, event.name())) else { continue };
            self.burst.add(frame, &self.rooms, &rooms.iter().collect::<Vec<_>>(), self.writer(&event));
        }
    }
}
