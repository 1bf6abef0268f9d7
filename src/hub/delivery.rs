use std::{sync::Arc, time::Instant};

use bytestring::ByteString;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::{
    Dispatcher, Frame, Position, SocketId,
    burst::Shares,
    command::ByRoom,
    history::Content,
    outbox::{Encode, Frames, Weight},
};
use crate::{
    change::{Lsn, Timestamp},
    events::{Event, Room, RoomParts, Target},
};

/// Sends after which other tasks get their turn.
const SENDS_A_TURN: usize = 128;

/// How many events the transaction under way has had for each occupied room.
#[derive(Default)]
pub struct Crowd {
    transaction: Lsn,
    counts: ByRoom<u32>,
}

impl Crowd {
    /// Whether the rest of the transaction is kept from a room.
    pub(super) fn is_over(&self, room: &Room, cap: u32) -> bool {
        self.counts.get(room).is_some_and(|count| *count > cap)
    }
}

/// Why a room is not sent all of a transaction.
pub const BULK: &str = "bulk";

impl Dispatcher {
    /// Addresses an event to everyone in its rooms, to each socket once; drops one that was dispatched before. It goes
    /// out with the [`flush`](Self::flush).
    pub(super) fn dispatch(&mut self, event: &Event) {
        let Some(position) = &mut self.position else { return };
        let offset = event.offset();
        if offset <= position.offset {
            return;
        }
        position.offset = offset;
        self.watch.show(event, position);
        if self.crowd.transaction != offset.lsn {
            self.crowd = Crowd { transaction: offset.lsn, ..Crowd::default() };
        }
        let content = match event.target() {
            Target::Rooms(rooms) if let Some(sighting) = event.sighting() => {
                let open: SmallVec<[&Room; 2]> = rooms.iter().filter(|room| !self.is_crowded(event, room)).collect();
                if open.len() < rooms.len() || !self.is_held(event, rooms) {
                    self.release_before(&open);
                    self.address_seen(event, &open, &sighting);
                    if open.len() < rooms.len() {
                        let crowded: SmallVec<[&Room; 2]> = rooms.iter().filter(|room| !open.contains(room)).collect();
                        self.expel(&crowded, &sighting);
                    }
                }
                Content::Guarded { event: event.clone(), rooms: rooms.clone() }
            }
            Target::Rooms(rooms) => {
                // Most of what a database writes nobody listens to.
                let is_heard = rooms.iter().any(|room| self.rooms.in_room(room).is_some());
                let lean = if is_heard { None } else { event.lean() };
                if let Some(event) = lean {
                    Content::Unheard { event, rooms: rooms.clone() }
                } else {
                    let Some(frame) = rooms.first().and_then(|room| self.encode(event, room, event.name())) else {
                        return self.tell_followers(event);
                    };
                    let is_open = |room: &&Room| is_heard && !self.is_crowded(event, room);
                    let open: SmallVec<[&Room; 2]> = rooms.iter().filter(is_open).collect();
                    if is_heard && (open.len() < rooms.len() || !self.is_held(event, rooms)) {
                        self.release_before(&open);
                        self.burst.add(frame.clone(), &self.rooms, &open, self.writer(event));
                    }
                    Content::Rooms { frame, rooms: rooms.clone() }
                }
            }
            Target::Everyone => {
                self.release_all();
                let mut audience: IndexMap<(Room, ByteString), Vec<SocketId>> = IndexMap::new();
                for (socket, room, prefix) in self.rooms.subscriptions() {
                    audience.entry((room.clone(), prefix.clone())).or_default().push(socket);
                }
                for ((room, prefix), sockets) in audience {
                    let Some(frame) = self.encode(event, &room, &event.name_for(&prefix)) else { continue };
                    self.burst.add_for(frame, sockets);
                }
                Content::Wide(event.clone())
            }
            target @ Target::Table { .. } => {
                self.release_all();
                let rooms: Vec<Room> = self.rooms.occupied().filter(|room| target.matches(room)).cloned().collect();
                for room in &rooms {
                    let Some(frame) = self.encode(event, room, event.name()) else { continue };
                    self.burst.add(frame, &self.rooms, &[room], None);
                }
                Content::Wide(event.clone())
            }
        };
        self.burst.note(event.committed_at());
        self.tell_followers(event);
        self.history.push(offset, content, Instant::now());
    }

    /// The socket here that asked for the write which an event tells, and was told by its ack. The history keeps the event for
    /// it too: who comes back may not have had the ack.
    pub(super) fn writer(&self, event: &Event) -> Option<SocketId> {
        let name = event.actor().filter(|_| event.is_echo_suppressed())?.socket.as_ref()?;
        self.rooms.named(name)
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
        if is_first {
            // It is older than what a fetch finds.
            self.release_before(&[room]);
        }
        if let (true, Some(position)) = (is_first, &self.position) {
            let prefix = event.prefix_in(room);
            let payload = resync_payload(room, prefix, BULK, position, event.committed_at());
            let frame = self.frame(&format!("{prefix}:resync"), &payload, None);
            self.burst.add(frame, &self.rooms, &[room], None);
        }
        true
    }

    /// Sends what was addressed: to each socket at once all that is for it.
    pub(super) async fn flush(&mut self) {
        let mut burst = std::mem::take(&mut self.burst);
        let mut deliveries = 0;
        match burst.shares(&self.rooms) {
            Shares::Same(sockets) => {
                deliveries = sockets.len() * burst.frames.len();
                for turn in sockets.chunks(SENDS_A_TURN) {
                    self.send_to_all(turn, Frames::all(&burst.frames));
                    if turn.len() == SENDS_A_TURN {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Shares::Own(shares) => {
                for (count, (socket, picked)) in shares.into_iter().enumerate() {
                    deliveries += picked.len();
                    self.send(socket, Frames::picked(&burst.frames, &picked));
                    take_turns(count).await;
                }
            }
        }
        self.counts.flushed(deliveries, burst.oldest().map(|commit| commit.elapsed()));
        burst.clear();
        self.burst = burst;
    }

    /// The event as sockets of a room are sent it, under the name by which they know it.
    pub(super) fn encode(&self, event: &Event, room: &Room, name: &str) -> Option<Frame> {
        Some(encoded(self.settings.encode, self.position.as_ref()?, event, room, name))
    }

    /// An event that the hub itself makes; `offset` where all before it is told with it.
    pub(super) fn frame(&self, event: &str, payload: &impl serde::Serialize, offset: Option<&str>) -> Frame {
        Frame::new((self.settings.encode)(event, &json(payload), offset), Weight::Durable)
    }

    /// `walcast:position {offset}`.
    pub(super) fn position_frame(&self) -> Option<Frame> {
        let position = self.position.as_ref()?;
        let offset = position.offset.to_wire(&position.epoch);
        Some(self.frame("walcast:position", &serde_json::json!({ "offset": offset }), Some(&offset)))
    }

    pub(super) fn send(&mut self, socket: SocketId, frames: Frames<'_>) {
        let closed = self.rooms.member(socket).is_some_and(|member| member.outbox.send(frames).is_err());
        if closed {
            self.remove(socket);
        }
    }

    /// Sends the same to each. All are looked up and touched before any is sent to: the kernel's work for one socket drives
    /// the memory of the next out of the caches, and what is asked for together is waited for together.
    fn send_to_all(&mut self, sockets: &[SocketId], frames: Frames<'_>) {
        let outboxes: SmallVec<[_; SENDS_A_TURN]> =
            sockets.iter().filter_map(|socket| Some((*socket, &self.rooms.member(*socket)?.outbox))).collect();
        for (_, outbox) in &outboxes {
            std::hint::black_box(Arc::strong_count(outbox));
        }
        let closed = outboxes.into_iter().filter(|(_, outbox)| outbox.send(frames).is_err());
        let closed: Vec<SocketId> = closed.map(|(socket, _)| socket).collect();
        closed.into_iter().for_each(|socket| self.remove(socket));
    }

    /// "What you hold may be stale: fetch it again."
    pub(super) fn resync(&self, room: &Room, prefix: &str, reason: &str) -> Option<Frame> {
        let payload = resync_payload(room, prefix, reason, self.position.as_ref()?, Timestamp::now());
        Some(self.frame(&format!("{prefix}:resync"), &payload, None))
    }
}

/// An event as [`Dispatcher::encode`] makes it, for those who borrow the dispatcher otherwise.
pub(super) fn encoded(encode: Encode, at: &Position, event: &Event, room: &Room, name: &str) -> Frame {
    // After one of several resyncs of an offset the others may not have come: who has it is not there yet.
    let offset = (!name.ends_with(":resync")).then(|| event.offset().to_wire(&at.epoch));
    let wire = encode(name, &event.encode(&at.epoch, room), offset.as_deref());
    Frame::new(wire, Weight::Durable)
}

/// What is written by it are texts, flags and JSON under texts, which JSON can always say.
pub fn json(payload: &impl serde::Serialize) -> String {
    serde_json::to_string(payload).unwrap_or_else(|_| "{}".to_owned())
}

/// What the kernel has of the log comes as far as the dispatcher's inbox. The stages before this one are on the same thread: one
/// has its turn after the first time that this yields, the next after the second.
pub(super) async fn let_the_log_come() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Lets other tasks go on after every so many sends.
async fn take_turns(sends: usize) {
    if sends % SENDS_A_TURN == SENDS_A_TURN - 1 {
        tokio::task::yield_now().await;
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
pub fn ids(room: &Room, prefix: &str) -> Map<String, Value> {
    let pairs: Vec<(String, Value)> = match room.parts() {
        RoomParts::User { id } => vec![("userId".into(), id.into())],
        RoomParts::Row { key, .. } => vec![(format!("{prefix}Id"), key.into()), ("id".into(), key.into())],
        RoomParts::Entity { entity_type, id } => {
            vec![("entityType".into(), entity_type.into()), ("entityId".into(), id.into())]
        }
    };
    pairs.into_iter().collect()
}
