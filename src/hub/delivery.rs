use std::{collections::HashMap, sync::Arc, time::Instant};

use bytestring::ByteString;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value, value::RawValue};
use smallvec::SmallVec;

use super::{Dispatcher, Frame, Position, SocketId, history::Content, rooms::Rooms};
use crate::{
    change::{Lsn, Timestamp},
    events::{Event, Offset, Room, RoomParts, Target},
};

/// How much of the transaction under way the occupied rooms were sent.
#[derive(Default)]
pub struct Crowd {
    transaction: Lsn,
    counts: HashMap<Room, u32>,
    /// The rooms that are past the cap, and what is to be told of them when the transaction is over.
    over: IndexMap<Room, Excess>,
}

struct Excess {
    prefix: String,
    last: Offset,
    committed_at: Timestamp,
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
            self.end_crowd();
            self.crowd.transaction = offset.lsn;
        }
        let content = match event.target() {
            Target::Rooms(rooms) => {
                let Some(frame) = rooms.first().and_then(|room| self.encode(event, room, event.shared_name())) else {
                    return;
                };
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
                    let name = event.name_for(&prefix).into_owned().into();
                    let Some(frame) = self.encode(event, &room, name) else { continue };
                    for socket in sockets {
                        self.send(socket, &frame);
                    }
                }
                Content::Wide(event.clone())
            }
            target @ Target::Table { .. } => {
                let rooms: Vec<Room> = self.rooms.occupied().filter(|room| target.matches(room)).cloned().collect();
                for room in &rooms {
                    let Some(frame) = self.encode(event, room, event.shared_name()) else { continue };
                    for socket in recipients(&self.rooms, &[room]) {
                        self.send(socket, &frame);
                    }
                }
                Content::Wide(event.clone())
            }
        };
        self.history.push(offset, content, Instant::now());
    }

    /// Counts an event for a room that somebody is in; whether the room has had enough of this transaction.
    fn is_crowded(&mut self, event: &Event, room: &Room) -> bool {
        if self.rooms.in_room(room).is_none() {
            return false;
        }
        let count = self.crowd.counts.entry(room.clone()).or_default();
        *count = count.saturating_add(1);
        if *count <= self.settings.room_cap {
            return false;
        }
        let prefix = event.name().rsplit_once(':').map_or("component", |(prefix, _)| prefix);
        let excess = Excess { prefix: prefix.to_owned(), last: event.offset(), committed_at: event.committed_at() };
        self.crowd.over.insert(room.clone(), excess);
        true
    }

    /// The transaction is over: rooms that were not sent all of it are told to fetch again.
    pub(super) fn end_crowd(&mut self) {
        let Crowd { over, .. } = std::mem::take(&mut self.crowd);
        for (room, excess) in over {
            let Some(position) = &self.position else { return };
            let at = Position { epoch: position.epoch.clone(), offset: excess.last };
            let payload = resync_payload(&room, &excess.prefix, "bulk", &at, excess.committed_at);
            if let Some(frame) = frame(&format!("{}:resync", excess.prefix), &payload) {
                for socket in recipients(&self.rooms, &[&room]) {
                    self.send(socket, &frame);
                }
            }
        }
    }

    /// The event as sockets of a room are sent it, under the name by which they know it.
    pub(super) fn encode(&self, event: &Event, room: &Room, name: ByteString) -> Option<Frame> {
        let payload = event.encode(&self.position.as_ref()?.epoch, room);
        match RawValue::from_string(payload) {
            Ok(payload) => Some(Frame { event: name, payload: payload.into() }),
            Err(error) => {
                tracing::error!(event = %name, offset = ?event.offset(), %error, "an event was not encoded as JSON");
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
