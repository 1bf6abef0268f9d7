use std::sync::Arc;

use bytestring::ByteString;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Value, value::RawValue};
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Frame, Hub, Position, SocketId, Subscribed, Subscription,
    command::{Command, Inbox},
    rooms::Rooms,
};
use crate::{
    change::{Lsn, Timestamp},
    events::{Event, Offset, Room, RoomParts, Target},
};

/// Sends after which other tasks get their turn: the writers of the sockets, so that a long transaction drains while it
/// is dispatched instead of filling every queue first.
const SENDS_A_TURN: usize = 256;

/// The one task that orders everything: see the [module](super).
pub struct Dispatcher {
    inbox: Inbox,
    rooms: Rooms,
    /// Where the stream stands; `None` until it began.
    position: Option<Position>,
    /// Told how far all is handed on.
    handed_on: Box<dyn Fn(Lsn) + Send>,
    sends: usize,
}

impl Dispatcher {
    /// `handed_on` is called with the end of each transaction whose events are all in their outboxes.
    pub fn new(handed_on: impl Fn(Lsn) + Send + 'static) -> (Hub, Dispatcher) {
        let (hub, inbox) = Hub::new();
        let dispatcher =
            Dispatcher { inbox, rooms: Rooms::default(), position: None, handed_on: Box::new(handed_on), sends: 0 };
        (hub, dispatcher)
    }

    /// Runs until cancelled. Sockets that ask before the stream began are answered when it has.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(command) = self.inbox.commands.recv(), if self.position.is_some() => self.obey(command),
                Some(batch) = self.inbox.batches.recv() => self.take(batch).await,
                else => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect { socket, member, rooms } => {
                self.rooms.add_socket(socket, member);
                for room in rooms {
                    self.rooms.join(socket, room, None);
                }
            }
            Command::Subscribe { socket, subscription, reply } => {
                let since = subscription.since.clone();
                match self.subscribe(socket, &subscription) {
                    Some(subscribed) => {
                        let missed = since.is_some() && !subscribed.resumed;
                        reply(Ok(subscribed));
                        if missed {
                            self.resync(socket, &subscription.room, &subscription.prefix, "history gap");
                        }
                    }
                    None => reply(Err(super::HubError::Gone)),
                }
            }
            Command::Unsubscribe { socket, room, reply } => {
                let known = self.rooms.leave(socket, &room);
                reply(if known { Ok(()) } else { Err(super::HubError::Gone) });
            }
            Command::Disconnect { socket } => self.rooms.remove_socket(socket),
        }
    }

    fn subscribe(&mut self, socket: SocketId, subscription: &Subscription) -> Option<Subscribed> {
        let position = self.position.clone()?;
        let prefix = Some(subscription.prefix.clone());
        if !self.rooms.join(socket, subscription.room.clone(), prefix) {
            return None;
        }
        // Without a history only a client that missed nothing at all can go on from where it was.
        let resumed = subscription
            .since
            .as_deref()
            .and_then(|since| Offset::parse_wire(since).ok())
            .is_some_and(|(epoch, offset)| epoch == position.epoch && offset == position.offset);
        Some(Subscribed { resumed, users: self.rooms.roster(&subscription.room), position })
    }

    async fn take(&mut self, batch: Batch) {
        match batch {
            Batch::Begin(position) => self.begin(position),
            Batch::Events { events, handed_on } => {
                for event in &events {
                    self.dispatch(event);
                    if self.sends >= SENDS_A_TURN {
                        self.sends = 0;
                        tokio::task::yield_now().await;
                    }
                }
                if let Some(end) = handed_on {
                    (self.handed_on)(end);
                }
            }
        }
    }

    fn begin(&mut self, position: Position) {
        match &self.position {
            // The stream was interrupted and repeats from an earlier point: what was dispatched stays dispatched.
            Some(current) if current.epoch == position.epoch => {}
            Some(_) => {
                self.position = Some(position);
                let all: Vec<_> = self
                    .rooms
                    .subscriptions()
                    .map(|(socket, room, prefix)| (socket, room.clone(), prefix.clone()))
                    .collect();
                for (socket, room, prefix) in all {
                    self.resync(socket, &room, &prefix, "slot lost");
                }
            }
            None => self.position = Some(position),
        }
    }

    /// Sends an event to everyone in its rooms, to each socket once; drops one that was dispatched before.
    fn dispatch(&mut self, event: &Event) {
        let Some(position) = &mut self.position else { return };
        if event.offset() <= position.offset {
            return;
        }
        position.offset = event.offset();
        match event.target() {
            Target::Rooms(rooms) => {
                let sockets = recipients(&self.rooms, rooms);
                if let (Some(room), false) = (rooms.first(), sockets.is_empty()) {
                    self.send_all(event, event.name(), room, &sockets);
                }
            }
            target @ Target::Table { .. } => {
                let rooms: Vec<Room> = self.rooms.occupied().filter(|room| target.matches(room)).cloned().collect();
                for room in rooms {
                    let sockets: Vec<SocketId> = self.rooms.in_room(&room).into_iter().flatten().copied().collect();
                    self.send_all(event, event.name(), &room, &sockets);
                }
            }
            Target::Everyone => {
                let mut audience: IndexMap<(Room, ByteString), Vec<SocketId>> = IndexMap::new();
                for (socket, room, prefix) in self.rooms.subscriptions() {
                    audience.entry((room.clone(), prefix.clone())).or_default().push(socket);
                }
                for ((room, prefix), sockets) in audience {
                    self.send_all(event, &event.name_for(&prefix), &room, &sockets);
                }
            }
        }
    }

    fn send_all(&mut self, event: &Event, name: &str, room: &Room, sockets: &[SocketId]) {
        let Some(position) = &self.position else { return };
        let payload = match RawValue::from_string(event.encode(&position.epoch, room)) {
            Ok(payload) => Arc::from(payload),
            Err(error) => {
                tracing::error!(event = name, offset = ?event.offset(), %error, "an event was not encoded as JSON");
                return;
            }
        };
        let frame = Frame { event: name.into(), payload };
        for socket in sockets {
            self.send(*socket, &frame);
        }
    }

    fn send(&mut self, socket: SocketId, frame: &Frame) {
        self.sends += 1;
        let closed = self.rooms.member(socket).is_some_and(|member| member.outbox.send(frame).is_err());
        if closed {
            self.rooms.remove_socket(socket);
        }
    }

    /// "What you hold may be stale: fetch it again."
    fn resync(&mut self, socket: SocketId, room: &Room, prefix: &str, reason: &str) {
        let Some(position) = &self.position else { return };
        let mut payload = ids(room, prefix);
        payload.insert("reason".into(), reason.into());
        payload.insert("offset".into(), position.offset.to_wire(&position.epoch).into());
        payload.insert("timestamp".into(), Timestamp::now().to_string().into());
        if let Ok(payload) = serde_json::value::to_raw_value(&payload) {
            let frame = Frame { event: format!("{prefix}:resync").into(), payload: Arc::from(payload) };
            self.send(socket, &frame);
        }
    }
}

/// What names a room in a payload. Whoever subscribed by the key of a row may call it `componentId` or `id`.
fn ids(room: &Room, prefix: &str) -> serde_json::Map<String, Value> {
    let pairs: Vec<(String, &str)> = match &room.parts() {
        RoomParts::User { id } => vec![("userId".into(), id)],
        RoomParts::Row { key, .. } => vec![(format!("{prefix}Id"), key), ("id".into(), key)],
        RoomParts::Entity { entity_type, id } => {
            return [("entityType".into(), Value::from(entity_type.as_ref())), ("entityId".into(), Value::from(*id))]
                .into_iter()
                .collect();
        }
    };
    pairs.into_iter().map(|(key, value)| (key, Value::from(value))).collect()
}

/// The sockets in any of the rooms, each once.
fn recipients(rooms: &Rooms, wanted: &[Room]) -> Vec<SocketId> {
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
