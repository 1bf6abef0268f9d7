//! Nested components that are rows of the same table.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn table_of_parts() -> Arc<Table> {
    table(
        "public",
        "parts",
        &[("id", INT4), ("page", TEXT), ("parent_id", INT4), ("row_id", TEXT), ("a", TEXT), ("b", INT4)],
    )
}

fn parts_rule() -> Value {
    json!({
        "schema_name": "public", "table_name": "parts", "prefix": "component", "id_column": "id",
        "entity_type_column": "page", "entity_id_column": "page", "nested": {"parent": "parent_id", "row": "row_id"},
    })
}

fn part(page: &str, parent: &str, place: &str, a: &str) -> Row {
    row(["7", page, parent, place, a, "∅"])
}

fn told(operation: Operation) -> Vec<String> {
    Stream::new(&[parts_rule()]).tell(&table_of_parts(), operation)
}

const TOP: &str = "∅";

#[test]
fn a_row_with_a_parent_is_told_as_nested() {
    assert_eq!(
        told(insert(part("p", "1", "r", "x"))),
        [
            r#"component:nested-created [component:1 entity:p:p] {"componentId":1,"rowId":"r","nestedComponent":{"id":7,"page":"p","parent_id":1,"row_id":"r","a":"x","b":null},"createdBy":null}"#
        ]
    );
    assert_eq!(
        told(update(part("p", "1", "r", "x"), part("p", "1", "r", "∅"))),
        [
            r#"component:nested-updated [component:1 entity:p:p] {"componentId":1,"rowId":"r","nestedComponentId":7,"updates":{"a":null},"updatedBy":null}"#
        ]
    );
    assert_eq!(
        told(delete(part("p", "1", "r", "x"))),
        [
            r#"component:nested-deleted [component:1 entity:p:p] {"componentId":1,"rowId":"r","nestedComponentId":7,"deletedBy":null}"#
        ]
    );
}

#[test]
fn a_row_without_a_parent_is_told_as_itself() {
    assert_eq!(
        told(update(part("p", TOP, "∅", "x"), part("p", TOP, "∅", "y"))),
        [r#"component:updated [component:7 entity:p:p] {"componentId":7,"updates":{"a":"y"},"updatedBy":null}"#]
    );
}

#[test]
fn a_move_to_another_parent_or_row_is_a_deletion_and_a_creation() {
    for (parent, place) in [("2", "r"), ("1", "s")] {
        let told = told(update(part("p", "1", "r", "x"), part("p", parent, place, "x")));
        assert_eq!(
            told,
            [
                r#"component:nested-deleted [component:1 entity:p:p] {"componentId":1,"rowId":"r","nestedComponentId":7,"deletedBy":null}"#.to_owned(),
                format!(
                    r#"component:nested-created [component:{parent} entity:p:p] {{"componentId":{parent},"rowId":"{place}","nestedComponent":{{"id":7,"page":"p","parent_id":{parent},"row_id":"{place}","a":"x","b":null}},"createdBy":null}}"#
                ),
            ]
        );
    }
}

#[test]
fn a_row_that_becomes_nested_is_deleted_as_itself_and_back_again() {
    let (top, nested) = (part("p", TOP, "∅", "x"), part("p", "1", "r", "x"));
    let down = told(update(top.clone(), nested.clone()));
    assert_eq!(
        down[0],
        r#"component:deleted [component:7 entity:p:p] {"componentId":7,"entityType":"p","entityId":"p","deletedBy":null,"reason":"moved"}"#
    );
    assert!(down[1].starts_with("component:nested-created [component:1 entity:p:p] "), "{}", down[1]);
    let up = told(update(nested, top));
    assert!(up[0].starts_with("component:nested-deleted [component:1 entity:p:p] "), "{}", up[0]);
    assert!(up[1].starts_with("component:created [component:7 entity:p:p] "), "{}", up[1]);
    assert_eq!((down.len(), up.len()), (2, 2));
}

#[test]
fn a_nested_row_that_moves_to_another_entity_stays_with_its_parent() {
    let told = told(update(part("p", "1", "r", "x"), part("q", "1", "r", "x")));
    assert_eq!(
        told[..2],
        [
            r#"component:nested-updated [component:1] {"componentId":1,"rowId":"r","nestedComponentId":7,"updates":{"page":"q"},"updatedBy":null}"#,
            r#"component:nested-deleted [entity:p:p] {"componentId":1,"rowId":"r","nestedComponentId":7,"deletedBy":null,"reason":"moved"}"#,
        ]
    );
    assert!(told[2].starts_with("component:nested-created [entity:q:q] "), "{}", told[2]);
}

#[test]
fn without_the_old_row_a_deletion_is_told_in_its_own_room_and_complained_of_once() {
    let mut stream = Stream::new(&[parts_rule()]);
    let parts = table_of_parts();
    let gone = || Operation::Delete { old: OldRow::Key(row(["7", "-", "-", "-", "-", "-"])) };
    let error = stream.change(&parts, gone()).expect_err("a complaint");
    assert!(error.remedy.contains("REPLICA IDENTITY FULL"), "{error}");
    let deleted =
        [r#"component:deleted [component:7] {"componentId":7,"entityType":null,"entityId":null,"deletedBy":null}"#];
    assert_eq!(stream.told(), deleted);
    assert_eq!(stream.tell(&parts, gone()), deleted);
    assert_eq!(
        stream.tell(&parts, Operation::Update { old: None, new: part("p", "1", "r", "x") }),
        [
            r#"component:nested-updated [component:1 entity:p:p] {"componentId":1,"rowId":"r","nestedComponentId":7,"updates":{"page":"p","parent_id":1,"row_id":"r","a":"x","b":null},"updatedBy":null}"#
        ]
    );
}

#[test]
fn rows_that_several_columns_identify_cannot_have_children() {
    let mut rule = parts_rule();
    rule["id_column"] = Value::Null;
    let mut stream = Stream::new(&[rule]);
    let parts = table_of_parts();
    stream.mapper.learn(&parts, vec!["id".into(), "page".into()]);
    let error = stream.change(&parts, insert(part("p", "1", "r", "x"))).expect_err("a complaint");
    assert!(error.what.contains("one parent column"), "{error}");
    assert_eq!(stream.tell(&parts, insert(part("p", "1", "r", "x"))), [""; 0]);
}

/// What a client holds that is in one room: components by id, and nested components by (parent, row, id), each
/// without its NULL members, which an update cannot tell from members that are gone.
#[derive(Default, Debug, PartialEq)]
struct Copy {
    top: BTreeMap<String, Value>,
    nested: BTreeMap<(String, String, String), Value>,
}

impl Copy {
    fn hear(&mut self, name: &str, payload: &Value) {
        let key = |member: &str| payload[member].to_string();
        let place = (key("componentId"), key("rowId"));
        match name {
            "component:created" => {
                let before = self.top.insert(place.0, without_nulls(&payload["component"]));
                assert_eq!(before, None, "created twice");
            }
            "component:updated" => merge(self.top.get_mut(&place.0).expect("a component"), &payload["updates"]),
            "component:deleted" => drop(self.top.remove(&place.0).expect("a component")),
            "component:nested-created" => {
                let id = payload["nestedComponent"]["id"].to_string();
                let before = self.nested.insert((place.0, place.1, id), without_nulls(&payload["nestedComponent"]));
                assert_eq!(before, None, "created twice");
            }
            "component:nested-updated" => {
                let key = (place.0, place.1, key("nestedComponentId"));
                merge(self.nested.get_mut(&key).expect("a nested component"), &payload["updates"]);
            }
            "component:nested-deleted" => {
                let key = (place.0, place.1, key("nestedComponentId"));
                drop(self.nested.remove(&key).expect("a nested component"));
            }
            other => panic!("{other} was not expected"),
        }
    }
}

fn without_nulls(record: &Value) -> Value {
    let members = record.as_object().expect("a record").iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn merge(record: &mut Value, updates: &Value) {
    let record = record.as_object_mut().expect("a record");
    for (name, value) in updates.as_object().expect("updates") {
        match value {
            Value::Null => record.remove(name),
            value => record.insert(name.clone(), value.clone()),
        };
    }
}

/// What the table holds, in the form of a client that is in every room of `page` (or, `None`, of all components).
fn expected(rows: &BTreeMap<u8, [Option<String>; 5]>, page: Option<&str>) -> Copy {
    let mut copy = Copy::default();
    for (id, [row_page, parent, place, a, b]) in rows {
        if page.is_some_and(|page| row_page.as_deref() != Some(page)) {
            continue;
        }
        let number = |text: &Option<String>| text.as_ref().map(|text| text.parse::<i64>().expect("a number"));
        let record = without_nulls(&json!({
            "id": id, "page": row_page, "parent_id": number(parent), "row_id": place, "a": a, "b": number(b),
        }));
        match parent {
            None => drop(copy.top.insert(id.to_string(), record)),
            Some(parent) => {
                let place = json!(place).to_string();
                drop(copy.nested.insert((parent.clone(), place, id.to_string()), record));
            }
        }
    }
    copy
}

fn cells(id: u8, values: &[Option<String>; 5]) -> Row {
    let id = id.to_string();
    let values = values.iter().map(|value| value.as_deref().map_or(Cell::Null, Cell::from));
    std::iter::once(Cell::from(id.as_str())).chain(values).collect()
}

fn part_values() -> impl Strategy<Value = [Option<String>; 5]> {
    let digit = || prop::option::of("[12]");
    (prop::option::weighted(0.9, "[pq]"), digit(), prop::option::of("[rs]"), digit(), digit())
        .prop_map(|(page, parent, place, a, b)| [page, parent, place, a, b])
}

proptest! {
    #![proptest_config(seeded(512))]

    /// Ids may change too: each step writes a row under one id or another, or deletes it.
    #[test]
    fn whoever_hears_every_event_of_their_rooms_holds_what_the_table_holds(
        steps in prop::collection::vec((0..4_u8, prop::option::of(0..4_u8), part_values()), 1..40)
    ) {
        let (mut stream, parts) = (Stream::new(&[parts_rule()]), table_of_parts());
        let mut rows = BTreeMap::new();
        let (mut of_page, mut of_components) = (Copy::default(), Copy::default());
        for (id, target, values) in steps {
            let old = rows.get(&id).map(|old| cells(id, old));
            let operation = match (old, target) {
                (None, _) => insert(cells(id, &values)),
                (Some(old), None) => delete(old),
                (Some(_), Some(target)) if target != id && rows.contains_key(&target) => continue,
                (Some(old), Some(target)) => update(old, cells(target, &values)),
            };
            let written = match operation {
                Operation::Delete { .. } => None,
                Operation::Insert { .. } => Some(id),
                _ => target,
            };
            rows.remove(&id);
            written.map(|id| rows.insert(id, values));
            stream.change(&parts, operation).expect("a change without a fault");
            for event in stream.out.drain(..) {
                let Target::Rooms(rooms) = event.target() else { panic!("{event:?}") };
                let payload: Value = serde_json::from_str(&encode(&event)).expect("JSON");
                if rooms.contains(&Room::entity("p", "p")) {
                    of_page.hear(event.name(), &payload);
                }
                if rooms.iter().any(|room| matches!(room.parts(), RoomParts::Row { .. })) {
                    of_components.hear(event.name(), &payload);
                }
            }
            prop_assert_eq!(&of_page, &expected(&rows, Some("p")));
            prop_assert_eq!(&of_components, &expected(&rows, None));
        }
    }
}
