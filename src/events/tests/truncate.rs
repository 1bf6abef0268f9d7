//! TRUNCATE: everyone who holds a row of the table is told to fetch it again.

use super::*;

fn target(rules: &[Value], table: &Arc<Table>) -> Event {
    let mut stream = Stream::new(rules);
    stream.change(table, Operation::Truncate).expect("a truncate");
    assert_eq!(stream.out.len(), 1);
    stream.out.remove(0)
}

#[test]
fn every_room_of_the_tables_rows_and_every_entity_is_reached() {
    let event = target(&[components_rule()], &components());
    for (room, reached) in [
        (Room::row("component", "1"), true),
        (Room::row("component", ""), true),
        (Room::row("componen", "1"), false),
        (Room::row("components", "1"), false),
        (Room::row("orders", "1"), false),
        (Room::entity("page", "1"), true),
        (Room::user("component:1"), false),
    ] {
        assert_eq!(event.target().matches(&room), reached, "{room}");
    }
}

#[test]
fn a_table_without_entities_reaches_no_entity() {
    let event = target(&[], &table("public", "orders", &[]));
    assert!(event.target().matches(&Room::row("orders", "1")));
    assert!(!event.target().matches(&Room::entity("page", "1")));
    let payload = event.encode(&Epoch::new("e"), &Room::row("orders", "a:b\""));
    assert!(payload.starts_with(r#"{"id":"a:b\"","reason":"truncate","#), "{payload}");
}

#[test]
fn an_event_of_a_row_reaches_its_rooms_only() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.change(&components(), delete(row(["c1", "page", "1", "A", "[]", "1", "∅", "∅"]))).expect("a change");
    let target = stream.out[0].target();
    assert!(target.matches(&Room::row("component", "c1")) && target.matches(&Room::entity("page", "1")));
    assert!(!target.matches(&Room::row("component", "c2")) && !target.matches(&Room::entity("page", "2")));
}
