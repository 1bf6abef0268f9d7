//! Events that the database gives by name: what is told of them, and what is not.

use super::*;

fn broadcast(content: &str) -> Entry {
    message(BROADCAST_PREFIX, content)
}

fn given(room: &str, event: &str, payload: &str) -> Entry {
    let (room, event) = (json!(room), json!(event));
    broadcast(&format!(r#"{{"room": {room}, "event": {event}, "payload": {payload}}}"#))
}

#[test]
fn it_is_told_at_its_place_with_nothing_added_but_where_it_stands() {
    let mut stream = Stream::new(&[components_rule()]);
    let component = || row(["c1", "page", "1", "A", "[]", "1", "∅", "∅"]);
    stream.take(set_actor(r#"{"actor":"user-42","socket":"s1"}"#)).expect("an actor");
    stream.change(&components(), insert(component())).expect("a change");
    stream
        .take(given("entity:page:1", "page:published", r#" { "n": 12345678901234567890.5, "é": [{}] } "#))
        .expect("told");
    stream.change(&components(), delete(component())).expect("a change");
    stream.take(given("user:42", "ping", "{}")).expect("told");

    let offsets: Vec<_> = stream.out.iter().map(|event| event.offset().n).collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
    let [_, first, _, second] = &stream.out[..] else { panic!("{:?}", stream.out) };
    assert_eq!(
        encode(first),
        r#"{"n": 12345678901234567890.5, "é": [{}],"offset":"k7/0000000000001A2B-00000001","timestamp":"2026-11-23T02:28:00.135Z"}"#
    );
    assert!(encode(second).starts_with(r#"{"offset":"#), "{}", encode(second));
    assert_eq!((first.name(), second.name()), ("page:published", "ping"));
    assert_eq!(second.target(), &Target::Rooms([Room::user("42")].into_iter().collect()));
    // No socket asked for it, so none is left out.
    assert!(first.actor().is_none() && !first.is_echo_suppressed());
    assert_eq!(stream.mapper.counts(), Default::default());
}

#[test]
fn what_is_one_too_many_is_told_under_the_prefix_of_the_room() {
    let mut stream = Stream::new(&[]);
    for (room, prefix) in [
        ("order:7", "order"),
        ("sales.items:7", "sales.items"),
        ("entity:page:1", "component"),
        ("user:7", "component"),
    ] {
        stream.take(given(room, "page:published", "{}")).expect("told");
        let event = stream.out.pop().expect("an event");
        let Target::Rooms(rooms) = event.target() else { panic!("{event:?}") };
        assert_eq!(event.prefix_in(&rooms[0]), prefix, "{room}");
    }
}

#[test]
fn names_and_rooms_that_are_not_for_it_are_refused() {
    let long = |length: usize| "é".repeat(length / 2);
    let mut refused: Vec<(String, String)> = Vec::new();
    for event in [
        "component:created",
        "order:updated",
        "a:b:deleted",
        "order:nested-created",
        "order:nested-x",
        "order:resync",
        "order:subscribe",
        "order:unsubscribe",
        "order:user-joined",
        "order:user-left",
        "order:typing",
        "order:cursor",
        "order:error",
        ":created",
        "walcast:position",
        "walcast:",
        "presence:roster",
        "auth:refresh",
        "connect",
        "disconnect",
        "connect_error",
        "disconnecting",
        "error",
        "newListener",
        "removeListener",
        "",
        "\u{1}",
        "a\nb",
        &long(202),
    ] {
        refused.push(("user:1".into(), event.into()));
    }
    for room in [
        "",
        "user",
        "user:",
        ":",
        ":7",
        "order:",
        "order",
        "entity:",
        "entity:page",
        "entity:page:",
        "entity::1",
        &format!("order:{}", long(2_044)),
    ] {
        refused.push((room.into(), "ping".into()));
    }
    let mut stream = Stream::new(&[]);
    for (room, event) in &refused {
        let error = stream.take(given(room, event, "{}")).err().unwrap_or_else(|| panic!("{event} to {room} was told"));
        assert!(error.remedy.contains("walcast.broadcast()") && error.lsn == Lsn(7), "{error}");
    }
    assert!(stream.out.is_empty());
    assert_eq!(stream.mapper.counts().untold, refused.len() as u64);

    for event in
        ["created", "page:published", "order:create", "connected", "Error", "walcast", "a:b:c", "é", &long(200)]
    {
        stream.take(given("user:1", event, "{}")).expect(event);
    }
    for room in ["user:a:b", "order:7:n%3A", "entity:a%3Ab:c:d", &format!("order:{}", long(2_042))] {
        stream.take(given(room, "ping", "{}")).expect(room);
    }
}

#[test]
fn what_is_malformed_is_counted_and_stops_nothing() {
    let largest = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
    let mut stream = Stream::new(&[]);
    let over = largest(262_145);
    let mut count = 0;
    for payload in ["null", "1", "[]", r#""{}""#, r#"{"offset":1}"#, r#"{"a":1,"time\u0073tamp":2}"#, "{", "", &over] {
        assert!(stream.take(given("user:1", "ping", payload)).is_err(), "{payload:.40} was told");
        count += 1;
    }
    for content in ["", "{}", "[", r#"{"room":"user:1","event":"ping"}"#, r#"{"room":1,"event":"ping","payload":{}}"#] {
        assert!(stream.take(broadcast(content)).is_err(), "{content} was told");
        count += 1;
    }
    let Entry::Message(mut message) = given("user:1", "ping", "{}") else { unreachable!() };
    message.content = b"\xFF".to_vec().into();
    assert!(stream.take(Entry::Message(message.clone())).is_err());
    // One that outlives a rollback is not told, wherever it stands.
    let Entry::Message(mut outside) = given("user:1", "ping", "{}") else { unreachable!() };
    outside.transactional = false;
    assert!(stream.take(Entry::Message(outside)).is_err());
    assert_eq!(stream.mapper.counts(), Counts { untold: count + 2, ..Counts::default() });
    assert!(stream.out.is_empty());

    stream.take(given("user:1", "ping", &largest(262_144))).expect("told");
    stream.commit().expect("a commit");
    assert_eq!(stream.out.len(), 1, "nobody is told to fetch again");
}
