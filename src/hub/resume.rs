use std::collections::HashMap;

use bytestring::ByteString;
use serde_json::json;

use super::{
    Dispatcher, Frame, HubError, Member, Reply, Resume, SocketId, Subscribed, Subscription, delivery, history::Content,
    rooms::Membership,
};
use crate::{
    change::Lsn,
    events::{Offset, Room},
};

/// Why a socket cannot go on from where it was.
type Gap = &'static str;

impl Dispatcher {
    /// Takes a socket in. One that was here before gets back into its rooms, with what it missed in them.
    pub(super) fn connect(&mut self, socket: SocketId, member: Member, own: Room, resume: Option<Resume>) {
        let Some(position) = self.position.clone() else { return };
        self.rooms.add_socket(socket, member);
        let Some(resume) = resume else {
            self.rooms.join(socket, own, Membership { prefix: None, since: position.offset });
            return;
        };
        let wanted: Vec<(Option<ByteString>, Room)> = std::iter::once((None, own))
            .chain(resume.rooms.into_iter().map(|(prefix, room)| (Some(prefix), room)))
            .collect();
        let since = self.since(&resume.since);
        let is_covered = |room: &Room| since.is_ok_and(|since| self.history.covers(room, since));
        let (covered, uncovered): (Vec<_>, Vec<_>) = wanted.iter().partition(|(_, room)| is_covered(room));
        let rooms: Vec<(&str, &Room)> =
            covered.iter().map(|(prefix, room)| (prefix.as_deref().unwrap_or_default(), room)).collect();
        let missed = since.and_then(|since| Ok((since, self.missed(socket, &rooms, since)?)));

        let (from, frames, gap) = match missed {
            Ok((since, frames)) => (since, frames, None),
            Err(gap) => (position.offset, Vec::new(), Some(gap)),
        };
        self.replay(socket, &frames);
        for (prefix, room) in &covered {
            self.rooms.join(socket, room.clone(), Membership { prefix: prefix.clone(), since: from });
        }
        for (prefix, room) in &uncovered {
            self.rooms.join(socket, room.clone(), Membership { prefix: prefix.clone(), since: position.offset });
        }
        let names: Vec<&str> =
            wanted.iter().filter(|(prefix, _)| prefix.is_some()).map(|(_, room)| room.as_str()).collect();
        let lost = if gap.is_some() { &wanted } else { &uncovered.into_iter().cloned().collect() };
        let outcome = json!({
            "offset": position.offset.to_wire(&position.epoch),
            "rooms": names,
            "resumed": lost.iter().all(|(prefix, _)| prefix.is_none()),
        });
        if let Some(frame) = delivery::frame("walcast:resumed", &outcome) {
            self.send(socket, &frame);
        }
        for (prefix, room) in lost {
            if let Some(prefix) = prefix {
                self.resync(socket, room, prefix, gap.unwrap_or(HISTORY_GAP));
            }
        }
    }

    /// Takes a socket into a room. What it missed goes out before the answer, so that the answer's offset is true.
    pub(super) fn subscribe(&mut self, socket: SocketId, subscription: Subscription, reply: Reply<Subscribed>) {
        let Some(position) = self.position.clone() else { return reply(Err(HubError::Gone)) };
        let Subscription { prefix, room, since } = subscription;
        let missed = since.as_deref().map(|since| {
            let since = self.since(since)?;
            if !self.history.covers(&room, since) {
                return Err(HISTORY_GAP);
            }
            Ok((since, self.missed(socket, &[(&prefix, &room)], since)?))
        });
        let resumed = matches!(missed, Some(Ok(_)));
        let (since, frames, gap) = match missed {
            Some(Ok((since, frames))) => (since, frames, None),
            Some(Err(gap)) => (position.offset, Vec::new(), Some(gap)),
            None => (position.offset, Vec::new(), None),
        };
        self.replay(socket, &frames);
        let membership = Membership { prefix: Some(prefix.clone()), since };
        if !self.rooms.join(socket, room.clone(), membership) {
            return reply(Err(HubError::Gone));
        }
        reply(Ok(Subscribed { position, resumed, users: self.rooms.roster(&room) }));
        if let Some(gap) = gap {
            self.resync(socket, &room, &prefix, gap);
        }
    }

    fn replay(&mut self, socket: SocketId, frames: &[Frame]) {
        let Some(member) = self.rooms.member(socket) else { return };
        let closed = frames.iter().any(|frame| member.outbox.replay(frame).is_err());
        self.sends += frames.len();
        if closed {
            self.rooms.remove_socket(socket);
        }
    }

    /// Reads an offset that a client brought.
    fn since(&self, text: &str) -> Result<Offset, Gap> {
        let position = self.position.as_ref().ok_or(HISTORY_GAP)?;
        match Offset::parse_wire(text) {
            Ok((epoch, offset)) if epoch == position.epoch && offset <= position.offset => Ok(offset),
            Ok((epoch, _)) if epoch != position.epoch => Err("another history"),
            // From the future, or no offset at all.
            _ => Err(HISTORY_GAP),
        }
    }

    /// What the rooms, each under its prefix, were sent after an offset and the socket was not; `Err` where that is more than it may be sent.
    fn missed(&self, socket: SocketId, rooms: &[(&str, &Room)], since: Offset) -> Result<Vec<Frame>, Gap> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut transaction = Lsn::ZERO;
        let mut counts: HashMap<&Room, u32> = HashMap::new();
        let names: Vec<&Room> = rooms.iter().map(|(_, room)| *room).collect();
        for (offset, content) in self.history.after(&names, since) {
            if transaction != offset.lsn {
                transaction = offset.lsn;
                counts.clear();
            }
            let before = frames.len();
            match content {
                Content::Rooms { frame, rooms: told } => {
                    for room in told {
                        let count = counts.entry(room).or_default();
                        *count += 1;
                        if *count > self.settings.room_cap && names.contains(&room) {
                            return Err("bulk");
                        }
                    }
                    if !self.rooms.has_heard(socket, told, offset) {
                        frames.push(frame.clone());
                    }
                }
                Content::Wide(event) => {
                    let concerned = rooms.iter().filter(|(_, room)| event.target().matches(room));
                    frames.extend(concerned.filter_map(|(prefix, room)| {
                        self.encode(event, room, event.name_for(prefix).into_owned().into())
                    }));
                }
            }
            bytes += frames.iter().skip(before).map(|frame| frame.payload.get().len()).sum::<usize>();
            if bytes > self.settings.replay_bytes {
                return Err("too much was missed");
            }
        }
        Ok(frames)
    }
}

const HISTORY_GAP: Gap = "history gap";
