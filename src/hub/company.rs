//! What sockets are told of those beside them. None of it is in the history, and none carries an offset.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Dispatcher, Frame, Frames, HubError, Present, Reply, Signal, SocketId, User, Weight,
    delivery::{ids, json, let_the_log_come},
    ephemeral::key_of,
    presence::{Audience, Change},
};
use crate::events::Room;

/// What a roster may take in bytes, for each user that may be named: with many large states they are fewer.
const NAMED_BYTES: usize = 512;
/// What one `user-joined` takes on the wire, in bytes, more or less.
const CHANGE_BYTES: usize = 150;
/// What of presence a room may be sent in a second, all its sockets together. One that was sent more rests so much longer:
/// while thousands come into one room, it need not be told of each.
const BYTES_PER_SECOND: usize = 16 << 20;

/// How many sends of presence may be on the way when changes are asked for again: not even a room is told at once.
pub(super) const SENDS_A_PORTION: usize = 32;
/// How much longer than it took to send a portion it lasts until the next. So who is where takes a twentieth of the
/// dispatcher's time at the most: while thousands come into a hundred rooms it is told later, and more of it at once.
const PAUSE: u32 = 20;
static EVERYONE: Audience = Audience::AllBut(Vec::new());

impl Dispatcher {
    /// Something waits for the next tick.
    pub(super) fn quicken(&mut self) {
        let next = || Some(Instant::now() + self.settings.tick);
        if self.tell_presence_at.is_none() && self.presence.is_untold() {
            self.tell_presence_at = next();
        }
        if self.tell_ephemeral_at.is_none() && !self.ephemeral.is_empty() {
            self.tell_ephemeral_at = next();
        }
        if self.tell_position_at.is_none() && !self.unsure.is_empty() {
            self.tell_position_at = Some(Instant::now());
        }
    }

    /// When there is something to do.
    pub(super) fn pulse(&self) -> Option<Instant> {
        let due = [self.tell_presence_at, self.tell_ephemeral_at, self.tell_position_at, self.throttle.due()];
        due.into_iter().flatten().min()
    }

    pub(super) async fn beat(&mut self) {
        let now = Instant::now();
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        let (presence, ephemeral) = (is_due(&mut self.tell_presence_at), is_due(&mut self.tell_ephemeral_at));
        // First who is there, then what they do.
        if presence {
            self.tell_presence().await;
        }
        if ephemeral {
            self.tell_ephemeral().await;
        }
        if is_due(&mut self.tell_position_at) {
            let some = self.unsure.split_off(self.unsure.len().saturating_sub(SENDS_A_PORTION));
            self.tell_position(some).await;
            self.tell_position_at = pause_after(now).filter(|_| !self.unsure.is_empty());
        }
        self.quicken();
        self.release_due();
        self.flush().await;
    }

    /// Tells some rooms, so that changes never wait for all of them, and has the others wait in proportion.
    async fn tell_presence(&mut self) {
        let (mut begin, mut sends) = (Instant::now(), 0);
        while sends < SENDS_A_PORTION {
            let Some((room, news)) = self.presence.next_untold(begin) else { return self.flush().await };
            let audience = self.rooms.by_prefix(&room);
            let sockets: usize = audience.iter().map(|(_, sockets)| sockets.len()).sum();
            sends += sockets;
            // A list comes in place of more changes than it has names, or of as many as it is long with their states.
            let named = self.roster(&room, None).into_iter().map(|present| present.size().max(CHANGE_BYTES));
            let (each, all) = (news.len() * CHANGE_BYTES, CHANGE_BYTES + named.sum::<usize>());
            let changes = (each <= all).then(|| self.presence.changes(&room, news));
            for (prefix, sockets) in audience {
                let told: Vec<(Frame, &Audience)> = match &changes {
                    Some(changes) => {
                        let frame = |of: &Change| self.change(&room, &prefix, &of.user, of.is_here);
                        changes.iter().map(|change| (frame(change), &change.audience)).collect()
                    }
                    // In place of what is never left out it is not left out either, nor does it overtake any of that.
                    None => vec![(self.roster_frame(&room, &prefix, None, Weight::Durable), &EVERYONE)],
                };
                for some in sockets.chunks(SENDS_A_PORTION) {
                    // A change may have taken somebody out since.
                    let here: Vec<SocketId> =
                        some.iter().copied().filter(|socket| self.rooms.is_in(*socket, &room)).collect();
                    for (frame, audience) in &told {
                        self.burst.add_for(frame.clone(), here.iter().copied().filter(|socket| audience.has(*socket)));
                    }
                    if self.burst.deliveries() >= SENDS_A_PORTION {
                        self.flush().await;
                        let passing = Instant::now();
                        let_the_log_come().await;
                        self.log_first().await;
                        begin += passing.elapsed();
                    }
                }
            }
            let rest = Duration::from_secs_f64((sockets * each.min(all)) as f64 / BYTES_PER_SECOND as f64);
            if rest > self.settings.tick {
                self.presence.rest(room, rest);
            }
        }
        self.flush().await;
        if self.presence.is_untold() {
            self.tell_presence_at = pause_after(begin);
        }
    }

    async fn tell_ephemeral(&mut self) {
        for waiting in self.ephemeral.take() {
            let wire = (self.settings.encode)(&waiting.event, &waiting.payload, None);
            let frame = Frame::new(wire, Weight::Volatile { key: waiting.key });
            // Who has left meanwhile would be there again for those who keep a list.
            let rooms = waiting.rooms.iter().filter(|room| self.presence.has(room, &waiting.user));
            let heard = rooms.filter_map(|room| self.rooms.in_room(room)).flatten().copied();
            let heard: Vec<SocketId> = heard.filter(|socket| *socket != waiting.from).collect();
            self.burst.add_for(frame, heard);
            if self.burst.is_full() {
                self.flush().await;
            }
        }
        self.flush().await;
    }

    /// What a socket tells those beside it. It must be with them.
    pub(super) fn signal(&mut self, socket: SocketId, signal: Signal, reply: Reply<()>) {
        let Some(user) = self.rooms.member(socket).map(|member| member.user.clone()) else {
            return reply(Err(HubError::Gone));
        };
        let (prefix, mut rooms, mut payload, state) = match signal {
            Signal::Event { event, rooms, payload } => (event, rooms, payload, None),
            Signal::State { prefix, room, state } => {
                let payload = ids(&room, &prefix);
                ("presence:state".into(), [room].into_iter().collect(), payload, Some(state))
            }
        };
        rooms.retain(|room| self.rooms.is_in(socket, room));
        let Some(room) = rooms.first() else { return reply(Err(HubError::NotInRoom)) };
        name(&mut payload, &user);
        if let Some(state) = state {
            self.presence.set_state(room, &user.id, state.clone());
            payload.insert("state".into(), state);
        }
        self.ephemeral.put(&user.id, prefix, rooms, Value::from(payload).to_string(), socket);
        self.quicken();
        reply(Ok(()));
    }

    /// `…:user-joined` or `…:user-left`.
    fn change(&self, room: &Room, prefix: &str, user: &User, is_here: bool) -> Frame {
        let event = if is_here { "user-joined" } else { "user-left" };
        let mut payload = ids(room, prefix);
        name(&mut payload, user);
        self.frame(&format!("{prefix}:{event}"), &payload, None)
    }

    /// What tells a socket that it is in.
    pub(super) fn welcome(&self, socket: SocketId, room: &Room, prefix: &str) -> Option<Frame> {
        Some(self.change(room, prefix, &self.rooms.member(socket)?.user, true))
    }

    /// What others are told of a socket's user from now on. That it changed no event tells.
    pub(super) fn rename(&mut self, socket: SocketId, email: Option<Arc<str>>) {
        let Some(seat) = self.rooms.seat_mut(socket) else { return };
        seat.member_mut().user.email = email;
        let user = seat.user().clone();
        for room in self.rooms.rooms_of(socket) {
            self.presence.rename(room, &user);
        }
    }

    /// Tells a socket that is back who is in its rooms now.
    pub(super) fn tell_rosters<'a>(
        &mut self,
        socket: SocketId,
        rooms: impl Iterator<Item = (&'a ByteString, &'a Room)>,
    ) {
        let Some(reader) = self.rooms.member(socket).map(|member| member.user.id.clone()) else { return };
        let frame =
            |(prefix, room): (&'a ByteString, &'a Room)| self.roster_frame(room, prefix, Some(&reader), volatile(room));
        let frames: Vec<Frame> = rooms.map(frame).collect();
        self.send(socket, Frames::all(&frames));
    }

    /// The users in a room, as many as are named, the reader among them.
    pub(super) fn roster(&self, room: &Room, reader: Option<&str>) -> Vec<&Present> {
        let most = self.settings.roster;
        self.presence.roster(room, reader, most, most.saturating_mul(NAMED_BYTES))
    }

    /// `presence:roster {…ids, users, count}`: takes the place of all that was told of a room before.
    fn roster_frame(&self, room: &Room, prefix: &str, reader: Option<&str>, weight: Weight) -> Frame {
        let (ids, count, users) = (ids(room, prefix), self.presence.count(room), self.roster(room, reader));
        let payload = json(&Roster { ids, count, users });
        Frame::new((self.settings.encode)("presence:roster", &payload, None), weight)
    }
}

/// When the next portion may follow that of which this was the beginning.
fn pause_after(begin: Instant) -> Option<Instant> {
    Some(Instant::now() + begin.elapsed() * PAUSE)
}

#[derive(Serialize)]
struct Roster<'a> {
    #[serde(flatten)]
    ids: Map<String, Value>,
    count: usize,
    users: Vec<&'a Present>,
}

/// Says of whom a payload is.
fn name(payload: &mut Map<String, Value>, user: &User) {
    payload.insert("userId".into(), (*user.id).into());
    payload.insert("userEmail".into(), user.email.as_deref().into());
}

/// Of a roster for one socket, which may be in a thousand rooms: all of them may be more than waits for a slow client.
fn volatile(room: &Room) -> Weight {
    Weight::Volatile { key: key_of(("presence:roster", room)) }
}
