//! What an operator looks at: who is where, and events as they are dispatched.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

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
    let mut best: BTreeMap<(Reverse<usize>, &str), &Room> = BTreeMap::new();
    for room in rooms.occupied() {
        let place = (Reverse(rooms.in_room(room).map_or(0, Occupants::len)), room.as_str());
        let beats = best.last_key_value().is_none_or(|(last, _)| place < *last);
        if (best.len() < most || beats) && !matches!(room.parts(), RoomParts::User { .. }) {
            best.insert(place, room);
            if best.len() > most {
                best.pop_last();
            }
        }
    }
    best.into_iter().map(|((Reverse(sockets), _), room)| busy(rooms, room, sockets)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        change::Lsn,
        events::Offset,
        hub::{
            SocketId,
            rooms::{Membership, tests::rooms_of},
        },
    };

    #[test]
    fn the_fullest_rooms_come_first_with_some_of_their_users_and_nobodys_own_room() {
        let mut rooms = rooms_of(&[(1, "ann"), (2, "ann"), (3, "bob")]);
        let mut join = |socket, room: Room| {
            let since = Offset::before(Lsn(1));
            rooms.join(SocketId(socket), room, Membership { prefix: Some("component".into()), since });
        };
        for (name, size) in [("a", 1), ("b", 3), ("c", 2), ("d", 1)] {
            (1..=size).for_each(|socket| join(socket, Room::row("component", name)));
        }
        (1..=3).for_each(|socket| join(socket, Room::user("ann")));
        let told: Vec<_> = busiest(&rooms, 3)
            .into_iter()
            .map(|room| {
                (room.room, room.sockets, room.users.iter().map(|user| user.id.to_string()).collect::<Vec<_>>())
            })
            .collect();
        let of = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                ("component:b".to_owned(), 3, of(&["ann", "bob"])),
                ("component:c".to_owned(), 2, of(&["ann"])),
                ("component:a".to_owned(), 1, of(&["ann"])),
            ]
        );
    }

    #[test]
    fn of_many_users_some_are_named() {
        let users: Vec<String> = (0..NAMED + 1).map(|user| user.to_string()).collect();
        let seats: Vec<(u64, &'static str)> =
            users.iter().zip(0..).map(|(user, socket)| (socket, &*user.clone().leak())).collect();
        let mut rooms = rooms_of(&seats);
        for (socket, _) in &seats {
            let since = Offset::before(Lsn(1));
            rooms.join(SocketId(*socket), Room::entity("page", "1"), Membership { prefix: None, since });
        }
        let told = busiest(&rooms, 1).pop().expect("a room");
        assert_eq!((told.sockets, told.users.len(), told.more), (NAMED + 1, NAMED, true));
    }
}
