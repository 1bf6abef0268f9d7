//! What could not be read or told: who may have missed something is told to fetch again, once a transaction.

use super::*;

fn component(id: &'static str, entity: &'static str, rows: &'static str) -> Row {
    row([id, "page", entity, "A", rows, "1", "maker", "writer"])
}

/// A component with a document that is no JSON.
fn corrupt(id: &'static str, entity: &'static str) -> Operation {
    insert(component(id, entity, "{"))
}

fn unreadable(table: Option<(&str, &str)>) -> Entry {
    let table = table.map(|(schema, name)| (schema.into(), name.into()));
    Entry::Unreadable(Unreadable { lsn: Lsn(0x1000), table })
}

impl Stream {
    /// Ends the transaction: all that it told since it began, each as `name to whom {ids and reason}`.
    fn end(&mut self) -> Vec<String> {
        self.commit().expect("a commit");
        self.begin(Lsn(0x2000));
        self.out.drain(..).map(|event| summary(&event)).collect()
    }

    /// A change that cannot be told, whether or not that was said before.
    fn lose(&mut self, table: &Arc<Table>, operation: Operation) {
        let before = self.mapper.counts().untold;
        let _ = self.change(table, operation);
        assert_eq!(self.mapper.counts().untold, before + 1, "it was told");
    }
}

fn summary(event: &Event) -> String {
    match event.target() {
        Target::Rooms(_) if event.name().ends_with(":resync") => show(event),
        Target::Rooms(_) => event.name().to_owned(),
        Target::Table { prefix, entities } => format!("{} to {prefix}, entities: {entities}", event.name()),
        Target::Everyone => "to everyone".to_owned(),
    }
}

const TABLE_WIDE: &str = "component:resync to component, entities: true";

#[test]
fn an_unreadable_change_tells_all_that_follow_its_table_at_the_end_of_its_transaction() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.take(unreadable(Some(("public", "components")))).expect("no fault of the mapper");
    assert_eq!(stream.told(), [""; 0]);
    stream.change(&components(), insert(component("c1", "1", "[]"))).expect("a change");
    stream.commit().expect("a commit");
    let offsets: Vec<_> = stream.out.iter().map(|event| (event.name(), event.offset())).collect();
    let at = |n| Offset { lsn: COMMIT, n };
    assert_eq!(offsets, [("component:created", at(0)), ("component:resync", at(1))]);
    let event = &stream.out[1];
    assert!(event.target().matches(&Room::row("component", "9")) && event.target().matches(&Room::entity("page", "1")));
    let payload = |room| event.encode(&Epoch::new("k7"), &room);
    let tail =
        r#","reason":"unreadable","offset":"k7/0000000000001A2B-00000001","timestamp":"2026-11-23T02:28:00.135Z"}"#;
    assert_eq!(payload(Room::row("component", "9")), format!(r#"{{"componentId":"9"{tail}"#));
    assert_eq!(payload(Room::entity("page", "1")), format!(r#"{{"entityType":"page","entityId":"1"{tail}"#));
}

#[test]
fn a_table_without_a_rule_is_told_under_its_own_name() {
    let mut stream = Stream::new(&[]);
    stream.take(unreadable(Some(("sales", "orders")))).expect("no fault of the mapper");
    assert_eq!(stream.end(), ["sales.orders:resync to sales.orders, entities: false"]);
}

#[test]
fn of_a_million_losses_one_resync_a_table_is_made_in_each_transaction() {
    let mut stream = Stream::new(&[components_rule()]);
    for _ in 0..2 {
        for _ in 0..1000 {
            stream.take(unreadable(Some(("public", "orders")))).expect("no fault of the mapper");
            stream.take(unreadable(Some(("public", "components")))).expect("no fault of the mapper");
            stream.lose(&components(), corrupt("c1", "1"));
        }
        // In the order of their names, whichever was lost first.
        assert_eq!(stream.end(), [TABLE_WIDE, "orders:resync to orders, entities: false"]);
    }
    assert_eq!(stream.mapper.counts(), Counts { unreadable: 4000, untold: 2000, resyncs: 4 });
}

#[test]
fn what_may_be_of_any_table_tells_everyone_under_their_own_prefix() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.lose(&components(), corrupt("c1", "1"));
    stream.take(unreadable(None)).expect("no fault of the mapper");
    stream.take(unreadable(Some(("public", "orders")))).expect("no fault of the mapper");
    stream.commit().expect("a commit");
    let [event] = stream.out.as_slice() else { panic!("{:?}", stream.out) };
    assert_eq!((event.name(), &*event.name_for("sales.orders")), ("component:resync", "sales.orders:resync"));
    for (room, payload) in [
        (Room::row("order", "7"), r#"{"orderId":"7","id":"7","reason":"unreadable","offset":"#),
        (Room::entity("page", "1"), r#"{"entityType":"page","entityId":"1","reason":"unreadable","offset":"#),
    ] {
        assert!(event.target().matches(&room) && event.encode(&Epoch::new("k7"), &room).starts_with(payload), "{room}");
    }
    assert!(!event.target().matches(&Room::user("7")));
}

#[test]
fn every_other_event_has_one_name_for_all() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.change(&components(), insert(component("c1", "1", "[]"))).expect("a change");
    stream.change(&components(), Operation::Truncate).expect("a change");
    let names: Vec<_> = stream.out.iter().map(|event| event.name_for("page")).collect();
    assert_eq!(names, ["component:created", "component:resync"]);
}

#[test]
fn an_unreadable_change_of_the_rules_is_an_error_and_the_rules_stay() {
    let mut stream = Stream::new(&[components_rule()]);
    let error = stream.take(unreadable(Some((RULES_SCHEMA, RULES_TABLE)))).expect_err("an error");
    assert_eq!(error.table.as_deref(), Some("walcast.rules"));
    assert!(error.remedy.contains("broadcast_table"), "{error}");
    assert_eq!(stream.end(), [""; 0]);
    assert_eq!(stream.mapper.rules(), [rule(components_rule())]);
}

#[test]
fn a_corrupt_row_is_told_in_its_own_rooms() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.lose(&components(), corrupt("c1", "1"));
    // The same row again: its rooms hear of it once.
    stream.lose(&components(), corrupt("c1", "1"));
    let told = r#"component:resync [component:c1 entity:page:1] {"componentId":"c1","entityType":"page","entityId":"1","reason":"unreadable","version":1}"#;
    assert_eq!(stream.end(), [told]);
    stream.lose(&components(), update(component("c1", "1", "[]"), component("c1", "2", "{")));
    assert_eq!(stream.end(), [told.replace("page:1]", "page:2 entity:page:1]").replace("Id\":\"1", "Id\":\"2")]);
}

#[test]
fn two_corrupt_rows_are_told_to_all_that_follow_the_table() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.lose(&components(), corrupt("c1", "1"));
    stream.lose(&components(), corrupt("c2", "1"));
    stream.lose(&components(), corrupt("c1", "1"));
    assert_eq!(stream.end(), [TABLE_WIDE]);
}

#[test]
fn a_fault_is_said_once_a_layout_and_told_in_every_transaction() {
    let (mut stream, components) = (Stream::new(&[components_rule()]), components());
    let error = stream.change(&components, corrupt("c1", "1")).expect_err("a complaint");
    assert!(error.what.contains("column rows"), "{error}");
    let first = stream.end();
    stream.change(&components, corrupt("c1", "1")).expect("it was said");
    assert_eq!((stream.end(), first.len()), (first, 1));
}

#[test]
fn a_column_that_the_rule_names_and_the_table_lacks_is_told_row_by_row() {
    let mut stream = Stream::new(&[components_rule()]);
    let lacking = table("public", "components", &[("id", UUID), ("entity_type", TEXT), ("entity_id", TEXT)]);
    let here = |id| row([id, "page", "1"]);
    let told = |id| {
        format!(
            r#"component:resync [component:{id} entity:page:1] {{"componentId":"{id}","entityType":"page","entityId":"1","reason":"unreadable","version":null}}"#
        )
    };
    stream.lose(&lacking, insert(here("c1")));
    assert_eq!(stream.end(), [told("c1")]);
    stream.lose(&lacking, delete(here("c2")));
    assert_eq!(stream.end(), [told("c2")]);
    assert_eq!(stream.tell(&components(), insert(component("c1", "1", "[]"))).len(), 1, "other layouts are told");
}

#[test]
fn a_row_that_does_not_say_its_entity_is_told_to_all_that_follow_the_table() {
    let mut stream = Stream::new(&[components_rule()]);
    let lacking = table("public", "components", &[("id", UUID), ("entity_type", TEXT)]);
    stream.lose(&lacking, insert(row(["c1", "page"])));
    assert_eq!(stream.end(), [TABLE_WIDE]);
}

#[test]
fn a_row_that_does_not_say_its_id_is_told_to_all_that_follow_the_table() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.lose(&components(), insert(component("∅", "1", "[]")));
    assert_eq!(stream.end(), [TABLE_WIDE]);
}

#[test]
fn a_row_that_does_not_say_where_it_was_nested_is_told_and_then_all_that_follow_the_table() {
    let rule = json!({
        "schema_name": "public", "table_name": "parts", "prefix": "part", "id_column": "id",
        "nested": {"parent": "parent_id", "row": "row_id"},
    });
    let mut stream = Stream::new(&[rule]);
    let parts = table("public", "parts", &[("id", INT4), ("parent_id", INT4), ("row_id", TEXT), ("n", INT4)]);
    stream.lose(&parts, Operation::Update { old: None, new: row(["7", "1", "r", "5"]) });
    let table_wide = "part:resync to part, entities: false";
    assert_eq!(stream.end(), ["part:nested-updated", table_wide]);
    // Nor does a corrupt one: it may have left another parent.
    stream.lose(&parts, Operation::Update { old: None, new: row(["7", "1", "r", "x"]) });
    assert_eq!(stream.end(), [table_wide]);
}

#[test]
fn a_rule_that_cannot_be_followed_is_told_to_all_that_follow_the_table() {
    let mut rule = components_rule();
    rule["nested"]["column"] = "name".into();
    let mut stream = Stream::new(&[rule]);
    stream.lose(&components(), insert(component("c1", "1", "[]")));
    assert_eq!(stream.end(), [TABLE_WIDE]);
}

#[test]
fn a_table_whose_rows_nobody_can_name_tells_nobody() {
    let mut stream = Stream::new(&[]);
    let log = table("public", "log", &[("line", TEXT)]);
    stream.mapper.learn(&log, vec![]);
    stream.lose(&log, insert(row(["a"])));
    assert_eq!(stream.end(), [""; 0]);
    // A rule gave it a prefix, and entities that follow it.
    let mut rule = components_rule();
    rule["id_column"] = Value::Null;
    let (mut stream, components) = (Stream::new(&[rule]), components());
    stream.mapper.learn(&components, vec![]);
    stream.lose(&components, insert(component("c1", "1", "[]")));
    assert_eq!(stream.end(), [TABLE_WIDE]);
}

#[test]
fn a_table_whose_every_name_is_taken_tells_nobody() {
    let mut taken = components_rule();
    taken["prefix"] = "sales.orders".into();
    let mut stream = Stream::new(&[taken]);
    stream.take(unreadable(Some(("sales", "orders")))).expect("no fault of the mapper");
    let orders = table("sales", "orders", &[("id", INT4)]);
    stream.mapper.learn(&orders, vec!["id".into()]);
    stream.lose(&orders, insert(row(["1"])));
    assert_eq!(stream.end(), [""; 0]);
}

#[test]
fn losses_of_a_transaction_that_starts_again_are_forgotten() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.take(unreadable(None)).expect("no fault of the mapper");
    stream.lose(&components(), corrupt("c1", "1"));
    stream.mapper.reset();
    stream.begin(COMMIT);
    assert_eq!(stream.end(), [""; 0]);
}

#[test]
fn an_unreadable_change_outside_a_transaction_is_an_error() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.mapper.reset();
    for table in [None, Some(("public", "components"))] {
        assert!(stream.take(unreadable(table)).expect_err("an error").what.contains("outside"));
    }
}
