//! What a socket has missed.

use std::collections::{HashMap, HashSet};

use super::{
    Dispatcher, Frame, Frames, Member, SocketId,
    delivery::{BULK, encoded},
    history::Content,
    resume::{Gap, HISTORY_GAP, Wanted},
    sight::Identity,
};
use crate::{
    change::Lsn,
    events::{Offset, Room},
};

impl Dispatcher {
    pub(super) fn replay(&mut self, socket: SocketId, frames: &[Frame]) {
        let replay = |member: &Member| member.outbox.replay(Frames::all(frames)).is_err();
        if self.rooms.member(socket).is_some_and(replay) {
            self.remove(socket);
        }
    }

    pub(super) fn refused(&self, socket: SocketId, since: &str, reason: Gap) {
        let position = self.position.as_ref().map(|position| position.offset.to_wire(&position.epoch));
        tracing::debug!(socket = socket.0, since, position, reason, "a socket cannot go on from where it was");
    }

    /// Reads an offset that a client brought.
    pub(super) fn since(&self, text: &str) -> Result<Offset, Gap> {
        let position = self.position.as_ref().ok_or(HISTORY_GAP)?;
        match Offset::parse_wire(text) {
            Ok((epoch, offset)) if epoch == position.epoch && offset <= position.offset => Ok(offset),
            Ok((epoch, _)) if epoch != position.epoch => Err("another history"),
            // From the future, or no offset at all.
            _ => Err(HISTORY_GAP),
        }
    }

    pub(super) fn covers(&self, wanted: &Wanted, since: Offset) -> bool {
        self.history.covers(&wanted.room, since.max(wanted.floor))
    }

    /// The same as [`missed`](Self::missed) since an offset that a client brought, where that is not before `from`, and all of
    /// it is still there.
    pub(super) fn missed_since(
        &mut self,
        socket: SocketId,
        who: Identity,
        wanted: &[Wanted],
        from: Offset,
        brought: &str,
    ) -> Result<(Offset, Vec<Frame>), Gap> {
        let since = self.since(brought)?;
        if since < from || !wanted.iter().all(|wanted| self.covers(wanted, since)) {
            return Err(HISTORY_GAP);
        }
        Ok((since, self.missed(socket, who, wanted, since)?))
    }

    /// What the rooms were sent after an offset and the socket was not; `Err` where that is more than it may be sent.
    pub(super) fn missed(
        &mut self,
        socket: SocketId,
        who: Identity,
        wanted: &[Wanted],
        since: Offset,
    ) -> Result<Vec<Frame>, Gap> {
        if wanted.iter().any(|wanted| self.crowd.is_over(&wanted.room, self.settings.room_cap)) {
            // It would not be sent the rest of the transaction either.
            return Err(BULK);
        }
        let by_room: HashMap<&Room, &Wanted> = wanted.iter().map(|wanted| (&wanted.room, wanted)).collect();
        let names: Vec<&Room> = by_room.keys().copied().collect();
        let is_for = |room: &Room, offset: Offset| by_room.get(room).is_some_and(|wanted| wanted.floor < offset);
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut transaction = Lsn::ZERO;
        let mut counts: HashMap<&Room, u32> = HashMap::new();
        let (encode, position) = (self.settings.encode, self.position.as_ref());
        let missed = self.history.after(&names, since);
        self.history.encode(&missed, |event, room| Some(encoded(encode, position?, event, room, event.name())));
        let missed = self.history.told(&missed);
        let ends = self.ends(who, &missed)?;
        let mut gone = HashSet::new();
        for (offset, content) in missed {
            if transaction != offset.lsn {
                transaction = offset.lsn;
                counts.clear();
            }
            let before = frames.len();
            match content {
                Content::Rooms { rooms: told, .. }
                | Content::Unheard { rooms: told, .. }
                | Content::Guarded { rooms: told, .. } => {
                    for room in told.iter().filter(|room| is_for(room, offset)) {
                        let count = counts.entry(room).or_default();
                        *count += 1;
                        if *count > self.settings.room_cap {
                            return Err(BULK);
                        }
                    }
                    let is_missed = told.iter().any(|room| is_for(room, offset));
                    if is_missed && !self.rooms.has_heard(socket, told, offset) {
                        match content {
                            Content::Rooms { frame, .. } => frames.push(frame.clone()),
                            Content::Guarded { event, rooms } => {
                                let is_own = rooms.iter().any(|room| !room.is_entity() && by_room.contains_key(room));
                                let is_own = is_own && event.sighting().is_some_and(|sighting| !sighting.is_part);
                                let told = self.retold(who, event, is_own, &ends, &mut gone)?;
                                frames.extend(
                                    told.zip(rooms.first())
                                        .and_then(|(event, room)| self.encode(&event, room, event.name())),
                                );
                            }
                            Content::Unheard { .. } | Content::Wide(_) => {}
                        }
                    }
                }
                Content::Wide(event) => {
                    let concerned =
                        wanted.iter().filter(|wanted| event.target().matches(&wanted.room) && wanted.floor < offset);
                    let told = concerned.filter_map(|wanted| {
                        let prefix = wanted.prefix.as_deref().unwrap_or_default();
                        self.encode(event, &wanted.room, &event.name_for(prefix))
                    });
                    frames.extend(told);
                }
            }
            bytes += frames.iter().skip(before).map(|frame| frame.wire().len()).sum::<usize>();
            if bytes > self.settings.replay_bytes {
                return Err("too much was missed");
            }
        }
        Ok(frames)
    }
}
