use bytestring::ByteString;
use serde_json::Value;

use super::{
    inbound::kind,
    reply::{Code, Failure},
    subscribe::{LONGEST_ID, LONGEST_OFFSET},
};
use crate::{
    events::{Room, RoomParts},
    hub::{Comeback, SessionId},
};

/// What a handshake says of an earlier one: `auth: {since, rooms}`, the rooms that the client was in, by the names that the
/// acks gave; else `auth: {pid, offset}`, which stock clients say by themselves. `None` where it says neither.
pub fn read(auth: &Value) -> Result<Option<Comeback>, Failure> {
    let since = match auth.get("since") {
        None | Some(Value::Null) => return Ok(session(auth)),
        Some(Value::String(since)) if since.len() <= LONGEST_OFFSET => since.clone(),
        Some(Value::String(_)) => return Err(invalid("`since` is longer than any offset")),
        Some(other) => return Err(invalid(format!("`since` must be an offset, but is {}", kind(other)))),
    };
    let names = match auth.get("rooms") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(names)) if names.len() <= MOST_ROOMS => names,
        Some(Value::Array(names)) => {
            return Err(invalid(format!("`rooms` names {} rooms, the limit is {MOST_ROOMS}", names.len())));
        }
        Some(other) => return Err(invalid(format!("`rooms` must be an array, but is {}", kind(other)))),
    };
    let rooms = names
        .iter()
        .map(|name| {
            let name = name.as_str().filter(|name| name.len() <= 2 * LONGEST_ID);
            let room =
                name.and_then(Room::named).ok_or_else(|| invalid("`rooms` must hold names as acks give them"))?;
            Ok((prefix_of(&room), room))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Some(Comeback::Rooms { since, rooms }))
}

/// The most rooms that a handshake may name.
const MOST_ROOMS: usize = 1_000;

/// By which prefix a room that is known by name only was asked for. An entity's says nothing of it.
fn prefix_of(room: &Room) -> ByteString {
    match room.parts() {
        RoomParts::Row { prefix, .. } => prefix.into(),
        RoomParts::Entity { .. } | RoomParts::User { .. } => "component".into(),
    }
}

/// What no client says that got it from a server is of no session; what another kind of server named is of one that is gone.
fn session(auth: &Value) -> Option<Comeback> {
    let text = |name: &str| auth.get(name)?.as_str().filter(|text| text.len() <= LONGEST_OFFSET);
    let id = SessionId::parse(text("pid")?).unwrap_or_else(SessionId::random);
    Some(Comeback::Session { id, since: text("offset").map(str::to_owned) })
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidPayload, message)
}
