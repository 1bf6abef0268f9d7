//! What `walcast.broadcast` says in the log: one event for one room, of nobody's table.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::Room;

/// The prefix of the logical message that is an event by itself (`walcast.broadcast`). Its content is
/// `{"room": "user:42", "event": "invoice:paid", "payload": {…}}`, in UTF-8.
pub const BROADCAST_PREFIX: &str = "walcast.broadcast";

/// In bytes, as JSON text. The function refuses more where it is called.
const LARGEST_PAYLOAD: usize = 262_144;
/// In bytes.
const LONGEST_EVENT: usize = 200;
/// In bytes; no client can name a longer one when it comes back.
const LONGEST_ROOM: usize = 2_048;

/// The event, as it was given.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub event: Box<str>,
    /// The members of the payload as JSON, without the braces around them; empty where there are none.
    pub members: Box<str>,
}

/// Reads the content of the message. Anybody may write one by hand, so all that the function promises is checked again;
/// after an error, what is wrong with it.
pub(super) fn read(content: &[u8]) -> Result<(Room, Broadcast), String> {
    #[derive(Deserialize)]
    struct Content<'a> {
        room: String,
        event: String,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let content: Content<'_> = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let room = Some(&content.room).filter(|room| room.len() <= LONGEST_ROOM).and_then(|room| Room::addressed(room));
    let room = room.ok_or("its room is none")?;
    if !is_free(&content.event) {
        return Err("its event is empty, too long, or one of walcast's own".to_owned());
    }
    let payload = content.payload.get();
    if payload.len() > LARGEST_PAYLOAD {
        return Err(format!("its payload has {} bytes, the limit is {LARGEST_PAYLOAD}", payload.len()));
    }
    let members: HashMap<Cow<'_, str>, IgnoredAny> =
        serde_json::from_str(payload).map_err(|_| "its payload is no object")?;
    if members.contains_key("offset") || members.contains_key("timestamp") {
        return Err("its payload has a member offset or timestamp, which walcast adds".to_owned());
    }
    let members = payload.strip_prefix('{').and_then(|members| members.strip_suffix('}')).unwrap_or_default().trim();
    Ok((room, Broadcast { event: content.event.into(), members: members.into() }))
}

/// Whether an event may have this name: none that clients know as walcast's, or as Socket.IO's own.
fn is_free(event: &str) -> bool {
    const OWN: [&str; 7] =
        ["connect", "disconnect", "connect_error", "disconnecting", "error", "newListener", "removeListener"];
    const FAMILIES: [&str; 4] = ["walcast:", "presence:", "auth:", "changes:"];
    const ENDS: [&str; 11] = [
        "created",
        "updated",
        "deleted",
        "resync",
        "subscribe",
        "unsubscribe",
        "user-joined",
        "user-left",
        "typing",
        "cursor",
        "error",
    ];
    let is_taken = |(_, end): (&str, &str)| end.starts_with("nested-") || ENDS.contains(&end);
    (1..=LONGEST_EVENT).contains(&event.len())
        && !event.bytes().any(|byte| byte < b' ' || byte == 0x7F)
        && !OWN.contains(&event)
        && !FAMILIES.iter().any(|family| event.starts_with(family))
        && !event.rsplit_once(':').is_some_and(is_taken)
}
