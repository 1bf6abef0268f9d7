//! What an operator looks at: who is where, and events as they are dispatched.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use super::{Dispatcher, Position, User, occupants::Occupants, rooms::Rooms};
use crate::events::{Epoch, Event, Room, RoomParts, Target};

/// Which events to show: those that have both texts in their names, as far as they are given.
#[derive(Clone, Debug, Default)]
pub struct Lens {
    /// Of one of its rooms.
    pub room: Option<String>,
    /// Of its table, `schema.name`.
    pub table: Option<String>,
}

/// An event that was dispatched.
pub struct Shown {
    pub event: Event,
    pub epoch: Epoch,
    /// From the commit, by the database's clock.
    pub latency: Duration,
    /// How many before it were not shown, since whoever looks did not keep up.
    pub passed_over: u64,
}

/// Where the stream stands, and the rooms with the most sockets.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    #[serde(serialize_with = "wire")]
    pub position: Position,
    pub rooms: Vec<BusyRoom>,
}

/// A room that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BusyRoom {
    pub room: String,
    pub sockets: usize,
    /// Some of those who are in it, each once.
    pub users: Vec<User>,
    /// Whether there may be more of them.
    pub more: bool,
}

/// How many of a room's users are named.
const NAMED: usize = 12;
/// How many of a room's sockets are looked at for that.
const LOOKED_AT: usize = 256;

fn wire<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&position.offset.to_wire(&position.epoch))
}

impl Lens {
    /// What is told to everyone, or to all rooms of a table, concerns whatever is looked at.
    fn shows(&self, event: &Event) -> bool {
        let Target::Rooms(rooms) = event.target() else { return true };
        let room = self.room.as_ref().is_none_or(|text| rooms.iter().any(|room| room.as_str().contains(text)));
        let of_table = |text: &String| event.table().is_some_and(|table| table.to_string().contains(text));
        room && self.table.as_ref().is_none_or(of_table)
    }
}

/// Those who look at events. Mostly nobody does.
#[derive(Default)]
pub(super) struct Watch(Vec<Watcher>);

struct Watcher {
    lens: Lens,
    feed: mpsc::Sender<Shown>,
    passed_over: u64,
}

impl Watch {
    /// Shows events until nobody takes them any more.
    pub fn begin(&mut self, lens: Lens, feed: mpsc::Sender<Shown>) {
        self.0.retain(|watcher| !watcher.feed.is_closed());
        self.0.push(Watcher { lens, feed, passed_over: 0 });
    }

    pub fn show(&mut self, event: &Event, position: &Position) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain_mut(|watcher| watcher.show(event, position));
    }
}

impl Watcher {
    /// Whether somebody still looks.
    fn show(&mut self, event: &Event, position: &Position) -> bool {
        if !self.lens.shows(event) {
            return !self.feed.is_closed();
        }
        match self.feed.try_reserve() {
            Ok(place) => place.send(Shown {
                event: event.clone(),
                epoch: position.epoch.clone(),
                latency: event.committed_at().elapsed(),
                passed_over: std::mem::take(&mut self.passed_over),
            }),
            Err(mpsc::error::TrySendError::Full(())) => self.passed_over += 1,
            Err(mpsc::error::TrySendError::Closed(())) => return false,
        }
        true
    }
}

impl Dispatcher {
    /// `None`: the stream has not begun.
    pub(super) fn overview(&self, most: usize) -> Option<Overview> {
        let position = self.position.clone()?;
        Some(Overview { position, rooms: busiest(&self.rooms, most) })
    }
}

/// The rooms with the most sockets, the fullest first; without users' own.
fn busiest(rooms: &Rooms, most: usize) -> Vec<BusyRoom> {
    // As large as what is asked for, however many rooms there are.
    let mut best: BTreeSet<(Reverse<usize>, &Room)> = BTreeSet::new();
    for room in rooms.occupied() {
        let size = rooms.in_room(room).map_or(0, Occupants::len);
        let beats = best.last().is_none_or(|last| (Reverse(size), room) < *last);
        if (best.len() < most || beats) && !matches!(room.parts(), RoomParts::User { .. }) {
            best.insert((Reverse(size), room));
            if best.len() > most {
                best.pop_last();
            }
        }
    }
    best.into_iter().map(|(Reverse(sockets), room)| busy(rooms, room, sockets)).collect()
}

fn busy(rooms: &Rooms, room: &Room, sockets: usize) -> BusyRoom {
    let inside = rooms.in_room(room).into_iter().flatten().take(LOOKED_AT);
    let mut users: IndexMap<&str, &User> = IndexMap::new();
    for user in inside.filter_map(|socket| Some(&rooms.member(*socket)?.user)) {
        users.entry(&user.id).or_insert(user);
    }
    BusyRoom {
        room: room.as_str().to_owned(),
        sockets,
        more: sockets > LOOKED_AT || users.len() > NAMED,
        users: users.into_values().take(NAMED).cloned().collect(),
    }
}
