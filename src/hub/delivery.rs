use std::{collections::HashMap, sync::Arc, time::Instant};

use bytestring::ByteString;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value, value::RawValue};
use smallvec::SmallVec;

use super::{Dispatcher, Frame, Position, SocketId, history::Content, rooms::Rooms};
use crate::{
    change::{Lsn, Timestamp},
    events::{Event, Room, RoomParts, Target},
};

/// How many events the transaction under way has had for each occupied room.
#[derive(Default)]
pub struct Crowd {
    transaction: Lsn,
    counts: HashMap<Room, u32>,
}

impl Crowd {
    /// Whether the rest of the transaction is kept from a room.
    pub(super) fn is_over(&self, room: &Room, cap: u32) -> bool {
        self.counts.get(room).is_some_and(|count| *count > cap)
    }
}

impl Dispatcher {
    /// Sends an event to everyone in its rooms, to each socket once; drops one that was dispatched before.
    pub(super) fn dispatch(&mut self, event: &Event) {
        let Some(position) = &mut self.position else { return };
        let offset = event.offset();
        if offset <= position.offset {
            return;
        }
        position.offset = offset;
        if self.crowd.transaction != offset.lsn {
            self.crowd = Crowd { transaction: offset.lsn, ..Crowd::default() };
        }
        let content = match event.target() {
            Target::Rooms(rooms) => {
                let Some(frame) = rooms.first().and_then(|room| self.encode(event, room, event.name())) else { return };
                let open: SmallVec<[&Room; 2]> = rooms.iter().filter(|room| !self.is_crowded(event, room)).collect();
                for socket in recipients(&self.rooms, &open) {
                    self.send(socket, &frame);
                }
                Content::Rooms { frame, rooms: rooms.clone() }
            }
            Target::Everyone => {
                let mut audience: IndexMap<(Room, ByteString), Vec<SocketId>> = IndexMap::new();
                for (socket, room, prefix) in self.rooms.subscriptions() {
                    audience.entry((room.clone(), prefix.clone())).or_default().push(socket);
                }
                for ((room, prefix), sockets) in audience {
                    let Some(frame) = self.encode(event, &room, &event.name_for(&prefix)) else { continue };
                    for socket in sockets {
                        self.send(socket, &frame);
                    }
                }
                Content::Wide(event.clone())
            }
            target @ Target::Table { .. } => {
                let rooms: Vec<Room> = self.rooms.occupied().filter(|room| target.matches(room)).cloned().collect();
                for room in &rooms {
                    let Some(frame) = self.encode(event, room, event.name()) else { continue };
                    for socket in recipients(&self.rooms, &[room]) {
                        self.send(socket, &frame);
                    }
                }
                Content::Wide(event.clone())
            }
        };
        self.history.push(offset, content, Instant::now());
    }

    /// Counts an event for a room that somebody is in; whether the room has had enough of this transaction. Then it is told
    /// at once to fetch again, before anything later: whoever holds a later offset knows what it was not sent. All of the
    /// transaction is committed, so that a fetch finds the rest of it too.
    fn is_crowded(&mut self, event: &Event, room: &Room) -> bool {
        if self.rooms.in_room(room).is_none() {
            return false;
        }
        let count = self.crowd.counts.entry(room.clone()).or_default();
        *count = count.saturating_add(1);
        if *count <= self.settings.room_cap {
            return false;
        }
        let is_first = *count == self.settings.room_cap.saturating_add(1);
        if let (true, Some(position)) = (is_first, &self.position) {
            let prefix = event.name().rsplit_once(':').map_or("component", |(prefix, _)| prefix);
            let payload = resync_payload(room, prefix, BULK, position, event.committed_at());
            if let Some(frame) = frame(&format!("{prefix}:resync"), &payload) {
                for socket in recipients(&self.rooms, &[room]) {
                    self.send(socket, &frame);
                }
            }
        }
        true
    }

    /// The event as sockets of a room are sent it, under the name by which they know it.
    pub(super) fn encode(&self, event: &Event, room: &Room, name: &str) -> Option<Frame> {
        let payload = event.encode(&self.position.as_ref()?.epoch, room);
        match RawValue::from_string(payload) {
            Ok(payload) => Some(Frame { event: name.into(), payload: payload.into() }),
            Err(error) => {
                tracing::error!(event = name, offset = ?event.offset(), %error, "an event was not encoded as JSON");
                None
            }
        }
    }

    pub(super) fn send(&mut self, socket: SocketId, frame: &Frame) {
        self.sends += 1;
        let closed = self.rooms.member(socket).is_some_and(|member| member.outbox.send(frame).is_err());
        if closed {
            self.rooms.remove_socket(socket);
        }
    }

    /// "What you hold may be stale: fetch it again."
    pub(super) fn resync(&mut self, socket: SocketId, room: &Room, prefix: &str, reason: &str) {
        let Some(position) = &self.position else { return };
        let payload = resync_payload(room, prefix, reason, position, Timestamp::now());
        if let Some(frame) = frame(&format!("{prefix}:resync"), &payload) {
            self.send(socket, &frame);
        }
    }
}

/// Why a room is not sent all of a transaction.
pub const BULK: &str = "bulk";

/// `walcast:position {offset}`.
pub fn position_frame(position: &Position) -> Option<Frame> {
    frame("walcast:position", &serde_json::json!({ "offset": position.offset.to_wire(&position.epoch) }))
}

/// An event that the hub itself makes.
pub fn frame(event: &str, payload: &impl serde::Serialize) -> Option<Frame> {
    match serde_json::value::to_raw_value(payload) {
        Ok(payload) => Some(Frame { event: event.into(), payload: Arc::from(payload) }),
        Err(error) => {
            tracing::error!(event, %error, "an event was not encoded as JSON");
            None
        }
    }
}

fn resync_payload(room: &Room, prefix: &str, reason: &str, at: &Position, when: Timestamp) -> Map<String, Value> {
    let mut payload = ids(room, prefix);
    payload.insert("reason".into(), reason.into());
    payload.insert("offset".into(), at.offset.to_wire(&at.epoch).into());
    payload.insert("timestamp".into(), when.to_string().into());
    payload
}

/// What names a room in a payload. Whoever subscribed by the key of a row may call it `componentId` or `id`.
fn ids(room: &Room, prefix: &str) -> Map<String, Value> {
    let pairs: Vec<(String, Value)> = match room.parts() {
        RoomParts::User { id } => vec![("userId".into(), id.into())],
        RoomParts::Row { key, .. } => vec![(format!("{prefix}Id"), key.into()), ("id".into(), key.into())],
        RoomParts::Entity { entity_type, id } => {
            vec![("entityType".into(), entity_type.into()), ("entityId".into(), id.into())]
        }
    };
    pairs.into_iter().collect()
}

/// The sockets in any of the rooms, each once.
fn recipients(rooms: &Rooms, wanted: &[&Room]) -> Vec<SocketId> {
    let mut occupied = wanted.iter().filter_map(|room| rooms.in_room(room));
    let Some(first) = occupied.next() else { return Vec::new() };
    let mut sockets: Vec<SocketId> = first.iter().copied().collect();
    let mut before: Vec<&IndexSet<SocketId>> = vec![first];
    for room in occupied {
        sockets.extend(room.iter().filter(|socket| !before.iter().any(|earlier| earlier.contains(*socket))));
        before.push(room);
    }
    sockets
}
