//! Updates of a table whose nested components stand in a document column.

use super::*;

const NONE: &str = "[]";

fn component(name: &str, rows: &str) -> Row {
    row(["c1", "page", "1", name, rows, "1", "∅", "∅"])
}

fn told(old: Row, new: Row) -> Vec<String> {
    Stream::new(&[components_rule()]).tell(&components(), update(old, new))
}

#[test]
fn an_update_that_changes_nothing_is_no_event() {
    assert_eq!(told(component("A", NONE), component("A", NONE)), [""; 0]);
}

#[test]
fn an_unchanged_value_is_never_among_the_updates() {
    assert_eq!(
        told(component("A", NONE), component("B", "…")),
        [
            r#"component:updated [component:c1 entity:page:1] {"componentId":"c1","updates":{"name":"B"},"updatedBy":null,"version":1}"#
        ]
    );
}

#[test]
fn a_value_that_becomes_null_is_told_as_null() {
    assert_eq!(
        told(component("A", NONE), component("∅", NONE)),
        [
            r#"component:updated [component:c1 entity:page:1] {"componentId":"c1","updates":{"name":null},"updatedBy":null,"version":1}"#
        ]
    );
}

#[test]
fn other_columns_are_told_before_nested_changes_and_without_the_document() {
    let told = told(
        component("A", r#"[{"id": 1, "components": []}]"#),
        component("B", r#"[{"id": 1, "components": [{"id": 2}]}]"#),
    );
    assert_eq!(
        told,
        [
            r#"component:updated [component:c1 entity:page:1] {"componentId":"c1","updates":{"name":"B"},"updatedBy":null,"version":1}"#,
            r#"component:nested-created [component:c1 entity:page:1] {"componentId":"c1","rowId":1,"nestedComponent":{"id": 2},"createdBy":null,"version":1}"#,
        ]
    );
}

#[test]
fn what_nested_events_cannot_say_is_one_update_with_the_whole_document() {
    for (old, new) in [(NONE, r#"[{"id":1}]"#), ("∅", NONE), (NONE, "∅"), ("not json", NONE)] {
        let shown = if new == "∅" { "null" } else { new };
        assert_eq!(
            told(component("A", old), component("B", new)),
            [format!(
                r#"component:updated [component:c1 entity:page:1] {{"componentId":"c1","updates":{{"name":"B","rows":{shown}}},"updatedBy":null,"version":1}}"#
            )]
        );
    }
}

#[test]
fn without_an_old_row_the_document_is_told_whole() {
    let mut stream = Stream::new(&[components_rule()]);
    let operation = Operation::Update { old: None, new: component("A", r#"[{"id":1}]"#) };
    assert_eq!(
        stream.tell(&components(), operation),
        [
            r#"component:updated [component:c1 entity:page:1] {"componentId":"c1","updates":{"entity_type":"page","entity_id":"1","name":"A","rows":[{"id":1}],"version":1,"created_by":null,"updated_by":null},"updatedBy":null,"version":1}"#
        ]
    );
}

#[test]
fn a_move_to_another_entity_is_told_to_each_room_in_its_own_way() {
    let at = |entity: &'static str, rows| row(["c1", "page", entity, "A", rows, "1", "maker", "mover"]);
    let told = told(at("1", r#"[{"id":1}]"#), at("2", r#"[{"id":1,"components":[{"id":2}]}]"#));
    assert_eq!(
        told,
        [
            r#"component:updated [component:c1] {"componentId":"c1","updates":{"entity_id":"2"},"updatedBy":"mover","version":1}"#,
            r#"component:nested-created [component:c1] {"componentId":"c1","rowId":1,"nestedComponent":{"id":2},"createdBy":"mover","version":1}"#,
            r#"component:deleted [entity:page:1] {"componentId":"c1","entityType":"page","entityId":"1","deletedBy":"mover","reason":"moved","version":1}"#,
            r#"component:created [entity:page:2] {"componentId":"c1","entityType":"page","entityId":"2","component":{"id":"c1","entity_type":"page","entity_id":"2","name":"A","rows":[{"id":1,"components":[{"id":2}]}],"version":1,"created_by":"maker","updated_by":"mover"},"createdBy":"maker","version":1}"#,
        ]
    );
}

#[test]
fn a_row_that_leaves_its_entity_for_none_is_deleted_there_only() {
    let at = |entity: &'static str| row(["c1", "page", entity, "A", NONE, "1", "∅", "∅"]);
    let names = |told: Vec<String>| {
        told.iter().map(|event| event.split(" {").next().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(told(at("1"), at("∅"))),
        ["component:updated [component:c1]", "component:deleted [entity:page:1]"]
    );
    assert_eq!(
        names(told(at("∅"), at("1"))),
        ["component:updated [component:c1]", "component:created [entity:page:1]"]
    );
}

#[test]
fn a_corrupt_document_is_an_error_and_no_event() {
    let mut stream = Stream::new(&[]);
    for operation in [insert(component("A", "{")), update(component("A", NONE), component("B", "{"))] {
        stream = Stream::new(&[components_rule()]);
        let error = stream.change(&components(), operation).expect_err("an error");
        assert!(error.what.contains("column rows"), "{error}");
        assert_eq!(stream.told(), [""; 0]);
    }
    assert_eq!(stream.tell(&components(), insert(component("A", NONE))).len(), 1);
    assert_eq!(stream.tell(&components(), delete(component("A", "{"))).len(), 1);
}

#[test]
fn nested_components_in_a_column_that_is_not_json_are_complained_of_once() {
    let mut rule = components_rule();
    rule["nested"]["column"] = "name".into();
    let mut stream = Stream::new(&[rule]);
    let components = components();
    let error = stream.change(&components, insert(component("A", NONE))).expect_err("a complaint");
    assert!(error.what.contains("column name"), "{error}");
    assert_eq!(stream.tell(&components, insert(component("A", NONE))), [""; 0]);
}
