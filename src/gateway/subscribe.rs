use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    inbound::kind,
    reply::{Code, Failure, Responder},
};
use crate::{
    events::{Room, is_reserved},
    hub::{Hub, Present, SocketId, Subscribed, Subscription},
};

/// `component:subscribe`: the ack says from which offset on everything arrives.
pub fn subscribe(hub: &Hub, socket: SocketId, prefix: &str, payload: &Map<String, Value>, responder: Responder) {
    let subscription = match read(prefix, payload) {
        Ok(subscription) => subscription,
        Err(failure) => return responder.fail(failure),
    };
    let room = subscription.room.clone();
    hub.subscribe(
        socket,
        subscription,
        Box::new(move |outcome| match outcome {
            Ok(subscribed) => responder.succeed_with(&answer(&room, subscribed)),
            Err(error) => responder.fail(Failure::from(error)),
        }),
    );
}

/// `component:unsubscribe`, with the ids of the subscription.
pub fn unsubscribe(hub: &Hub, socket: SocketId, prefix: &str, payload: &Map<String, Value>, responder: Responder) {
    let room = match room(prefix, payload) {
        Ok(room) => room,
        Err(failure) => return responder.fail(failure),
    };
    hub.unsubscribe(
        socket,
        room,
        Box::new(move |outcome| responder.answer(outcome.map(|()| Map::new()).map_err(Failure::from))),
    );
}

#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    room: &'a str,
    offset: String,
    users: Vec<Present>,
    count: usize,
    resumed: bool,
}

fn answer(room: &Room, Subscribed { position, resumed, users, count }: Subscribed) -> String {
    let offset = position.offset.to_wire(&position.epoch);
    let answer = Answer { ok: true, room: room.as_str(), offset, users, count, resumed };
    // Texts and numbers are always JSON.
    serde_json::to_string(&answer).unwrap_or_else(|_| r#"{"ok":true}"#.to_owned())
}

fn read(prefix: &str, payload: &Map<String, Value>) -> Result<Subscription, Failure> {
    Ok(Subscription { prefix: prefix.into(), since: since(payload)?, room: room(prefix, payload)? })
}

/// The last offset that the client holds, if it says one.
pub fn since(payload: &Map<String, Value>) -> Result<Option<String>, Failure> {
    match payload.get("since") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(offset)) if offset.len() <= LONGEST_OFFSET => Ok(Some(offset.clone())),
        Some(Value::String(_)) => Err(invalid("`since` is longer than any offset")),
        Some(other) => Err(invalid(format!("`since` must be an offset, but is {}", kind(other)))),
    }
}

/// The room that the ids name: one row's (`{componentId}`, or `{id}`), or an entity's (`{entityType, entityId}`).
pub fn room(prefix: &str, payload: &Map<String, Value>) -> Result<Room, Failure> {
    if prefix.len() > LONGEST_PREFIX {
        return Err(invalid(format!("a prefix has at most {LONGEST_PREFIX} bytes")));
    }
    if prefix.is_empty() || prefix.contains(':') || is_reserved(prefix) {
        return Err(invalid(format!("`{prefix}` is nothing that can be subscribed to")));
    }
    let row_key = format!("{prefix}Id");
    let row = id(payload, &row_key)?.map_or_else(|| id(payload, "id"), |found| Ok(Some(found)))?;
    match (row, id(payload, "entityType")?, id(payload, "entityId")?) {
        (Some(key), None, None) => Ok(Room::row(prefix, &key)),
        (None, Some(entity_type), Some(entity_id)) => Ok(Room::entity(&entity_type, &entity_id)),
        (Some(_), _, _) => Err(invalid(format!("give either {row_key} or entityType and entityId, not both"))),
        (None, None, None) => Err(invalid(format!("{row_key}, or entityType and entityId, are missing"))),
        (None, Some(_), None) => Err(invalid("entityId is missing")),
        (None, None, Some(_)) => Err(invalid("entityType is missing")),
    }
}

pub const LONGEST_ID: usize = 1024;
/// A table's schema and name, escaped.
pub const LONGEST_PREFIX: usize = 512;
pub const LONGEST_OFFSET: usize = 256;

/// An id is a text; a number is taken by its digits, since keys are often numbers.
pub fn id(payload: &Map<String, Value>, key: &str) -> Result<Option<String>, Failure> {
    match payload.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(invalid(format!("{key} is empty"))),
        Some(Value::String(text)) if text.len() > LONGEST_ID => {
            Err(invalid(format!("{key} has {} bytes, the limit is {LONGEST_ID}", text.len())))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(invalid(format!("{key} must be a text or a number, but is {}", kind(other)))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidPayload, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn room_of(prefix: &str, payload: Value) -> Result<String, Failure> {
        let Value::Object(payload) = payload else { panic!("an object") };
        room(prefix, &payload).map(|room| room.as_str().to_owned())
    }

    #[test]
    fn ids_name_a_room() {
        for (prefix, payload, name) in [
            ("component", json!({"componentId": "x"}), "component:x"),
            ("component", json!({"entityType": "page", "entityId": 7}), "entity:page:7"),
            ("component", json!({"componentId": "x", "entityId": null}), "component:x"),
            ("orders", json!({"id": 42}), "orders:42"),
            ("sales.orders", json!({"id": "1:2"}), "sales.orders:1:2"),
        ] {
            assert_eq!(room_of(prefix, payload.clone()).as_deref(), Ok(name), "{payload}");
        }
    }

    #[test]
    fn ids_that_name_no_room_are_refused() {
        for (prefix, payload) in [
            ("component", json!({})),
            ("component", json!({"componentId": ""})),
            ("component", json!({"componentId": true})),
            ("component", json!({"componentId": {"$ne": null}})),
            ("component", json!({"componentId": "x".repeat(2000)})),
            ("component", json!({"entityType": "page"})),
            ("component", json!({"entityId": "1"})),
            ("component", json!({"componentId": "x", "entityType": "page", "entityId": "1"})),
            ("user", json!({"id": "42"})),
            ("entity", json!({"id": "page:1"})),
            ("user:x", json!({"id": "42"})),
            ("", json!({"id": "42"})),
        ] {
            assert!(room_of(prefix, payload.clone()).is_err(), "{prefix} {payload} was taken");
        }
    }
}
