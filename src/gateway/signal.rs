use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::{
    inbound::kind,
    reply::{Code, Failure, Responder},
    subscribe,
};
use crate::{
    events::{Room, RoomParts},
    hub::{Hub, Signal, SocketId},
};

/// The most that a position or a state may take as JSON, in bytes.
const LONGEST: usize = 4096;

/// `component:typing` and `component:cursor`: to the others in the rooms that the ids name. Not stored.
pub fn event(hub: &Hub, socket: SocketId, event: &str, payload: &Map<String, Value>, responder: Responder) {
    match read_event(event, payload) {
        Ok(signal) => tell(hub, socket, signal, responder),
        Err(failure) => responder.fail(failure),
    }
}

/// `presence:update`: what a user says of itself to those in a room, now and as long as it is there.
pub fn state(hub: &Hub, socket: SocketId, payload: &Map<String, Value>, responder: Responder) {
    match read_state(payload) {
        Ok(signal) => tell(hub, socket, signal, responder),
        Err(failure) => responder.fail(failure),
    }
}

fn tell(hub: &Hub, socket: SocketId, signal: Signal, responder: Responder) {
    hub.signal(
        socket,
        signal,
        Box::new(move |outcome| responder.answer(outcome.map(|()| Map::new()).map_err(Failure::from))),
    );
}

/// The rooms of a row and of an entity, where both are named, and what is told to them.
fn read_event(event: &str, payload: &Map<String, Value>) -> Result<Signal, Failure> {
    let prefix = event.rsplit_once(':').map_or(event, |(prefix, _)| prefix);
    let row_keys = [format!("{prefix}Id"), "id".to_owned()];
    let entity_keys = ["entityType".to_owned(), "entityId".to_owned()];
    let of = |keys: &[String]| {
        let member = |key: &String| Some((key.clone(), payload.get(key).filter(|value| !value.is_null())?.clone()));
        keys.iter().filter_map(member).collect::<Map<String, Value>>()
    };
    let (row, entity) = (of(&row_keys), of(&entity_keys));
    // Whichever of them names the room: all are told to others.
    row_keys.iter().try_for_each(|key| subscribe::id(&row, key).map(drop))?;
    let mut rooms = SmallVec::new();
    if !entity.is_empty() {
        rooms.push(subscribe::room(prefix, &entity)?);
    }
    if entity.is_empty() || !row.is_empty() {
        rooms.push(subscribe::room(prefix, &row)?);
    }
    let mut told: Map<String, Value> = row.into_iter().chain(entity).collect();
    if let Some(position) = payload.get("position") {
        told.insert("position".into(), bounded("position", position)?.clone());
    }
    Ok(Signal::Event { event: event.into(), rooms, payload: told })
}

fn read_state(payload: &Map<String, Value>) -> Result<Signal, Failure> {
    let room = match payload.get("room") {
        None | Some(Value::Null) => subscribe::room(&prefix_of(payload)?, payload)?,
        Some(Value::String(name)) if name.len() <= LONGEST => {
            Room::named(name).ok_or_else(|| invalid("`room` must be a name as acks give them"))?
        }
        Some(_) => return Err(invalid("`room` must be a name as acks give them")),
    };
    let prefix = match room.parts() {
        RoomParts::Row { prefix, .. } => prefix.into(),
        RoomParts::Entity { .. } | RoomParts::User { .. } => "component".into(),
    };
    match payload.get("state") {
        Some(state @ Value::Object(_)) => Ok(Signal::State { prefix, room, state: bounded("state", state)?.clone() }),
        other => {
            let found = other.map_or("missing", kind);
            Err(invalid(format!("`state` must be an object, but is {found}")))
        }
    }
}

/// `componentId` is of the prefix `component`.
fn prefix_of(payload: &Map<String, Value>) -> Result<String, Failure> {
    let mut prefixes = payload.keys().filter_map(|key| key.strip_suffix("Id").filter(|prefix| *prefix != "entity"));
    match (prefixes.next(), prefixes.next()) {
        (Some(prefix), None) => Ok(prefix.to_owned()),
        (None, _) => Ok("component".to_owned()),
        (Some(_), Some(_)) => Err(invalid("give the ids of one room, or its name as `room`")),
    }
}

fn bounded<'a>(name: &str, value: &'a Value) -> Result<&'a Value, Failure> {
    let size = value.to_string().len();
    if size > LONGEST {
        let message = format!("`{name}` has {size} bytes as JSON, the limit is {LONGEST}");
        return Err(Failure::new(Code::PayloadTooLarge, message));
    }
    Ok(value)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidPayload, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    #[test]
    fn an_event_is_for_the_rooms_that_its_ids_name() {
        for (payload, rooms) in [
            (json!({"componentId": "x"}), &["component:x"][..]),
            (json!({"entityType": "page", "entityId": "1"}), &["entity:page:1"]),
            (json!({"entityType": "page", "entityId": 1, "componentId": "x"}), &["entity:page:1", "component:x"]),
        ] {
            let signal = read_event("component:cursor", &object(payload.clone())).expect("rooms");
            let Signal::Event { rooms: named, payload: told, .. } = signal else { panic!("an event") };
            assert_eq!(named.iter().map(Room::as_str).collect::<Vec<_>>(), rooms, "{payload}");
            assert_eq!(Value::from(told), payload);
        }
        for payload in [
            json!({}),
            json!({"entityType": "page"}),
            json!({"componentId": true}),
            json!({"position": 1}),
            // What is told to others is as short as an id is.
            json!({"componentId": "x", "id": "y".repeat(2000)}),
            json!({"componentId": "x", "id": {"more": "than an id"}}),
        ] {
            assert!(read_event("component:cursor", &object(payload.clone())).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_state_is_an_object_for_one_room() {
        for (payload, room) in [
            (json!({"componentId": "x", "state": {}}), "component:x"),
            (json!({"orderId": 7, "state": {}}), "order:7"),
            (json!({"room": "sales.orders:1:2", "state": {}}), "sales.orders:1:2"),
            (json!({"entityType": "page", "entityId": "1", "state": {}}), "entity:page:1"),
        ] {
            let signal = read_state(&object(payload.clone())).expect("a room");
            let Signal::State { room: named, .. } = signal else { panic!("a state") };
            assert_eq!(named.as_str(), room, "{payload}");
        }
        for payload in [
            json!({"componentId": "x"}),
            json!({"componentId": "x", "state": "red"}),
            json!({"componentId": "x", "orderId": "y", "state": {}}),
            json!({"room": "user:ann", "state": {}}),
            json!({"state": {}}),
        ] {
            assert!(read_state(&object(payload.clone())).is_err(), "{payload}");
        }
        let large = json!({"componentId": "x", "state": {"text": "x".repeat(LONGEST)}});
        let failure = read_state(&object(large)).expect_err("it is too large");
        assert_eq!(failure.code, Code::PayloadTooLarge);
    }
}
