//! The payloads of the protocol, to the byte.

use super::*;

const ROWS: &str = r#"[{"id": "r1", "components": [{"id": "n1", "text": "a", "size": 1}]}]"#;

/// What one change makes of the components table, each event as its whole payload.
fn payloads(operation: Operation) -> Vec<(String, String)> {
    let mut stream = Stream::new(&[components_rule()]);
    stream.change(&components(), operation).expect("a change without a fault");
    stream.out.iter().map(|event| (event.name().to_owned(), encode(event))).collect()
}

fn component(name: &str, rows: &str, version: &str, by: &str) -> Row {
    row(["c1", "page", "123", name, rows, version, "user-1", by])
}

#[track_caller]
fn assert_told(operation: Operation, expected: &[(&str, &str)]) {
    let told = payloads(operation);
    let told: Vec<_> = told.iter().map(|(name, payload)| (name.as_str(), payload.as_str())).collect();
    assert_eq!(told, expected);
}

#[test]
fn created() {
    assert_told(
        insert(component("A", ROWS, "1", "user-1")),
        &[(
            "component:created",
            r#"{"componentId":"c1","entityType":"page","entityId":"123","component":{"id":"c1","entity_type":"page","entity_id":"123","name":"A","rows":[{"id": "r1", "components": [{"id": "n1", "text": "a", "size": 1}]}],"version":1,"created_by":"user-1","updated_by":"user-1"},"createdBy":"user-1","version":1,"offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#,
        )],
    );
}

#[test]
fn updated() {
    assert_told(
        update(component("A", ROWS, "1", "user-1"), component("B", ROWS, "2", "user-2")),
        &[(
            "component:updated",
            r#"{"componentId":"c1","updates":{"name":"B","version":2,"updated_by":"user-2"},"updatedBy":"user-2","version":2,"offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#,
        )],
    );
}

#[test]
fn deleted() {
    assert_told(
        delete(component("A", ROWS, "3", "user-2")),
        &[(
            "component:deleted",
            r#"{"componentId":"c1","entityType":"page","entityId":"123","deletedBy":"user-2","version":3,"offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#,
        )],
    );
}

#[test]
fn nested_created_updated_and_deleted() {
    let old = r#"[{"id": "r1", "components": [{"id": "n1", "text": "a", "size": 1}, {"id": 2}]}]"#;
    let new = r#"[{"id": "r1", "components": [{"id": "n1", "text": "b"}, {"id": 3}]}]"#;
    assert_told(
        update(component("A", old, "1", "user-1"), component("A", new, "1", "user-1")),
        &[
            (
                "component:nested-deleted",
                r#"{"componentId":"c1","rowId":"r1","nestedComponentId":2,"deletedBy":"user-1","version":1,"offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#,
            ),
            (
                "component:nested-updated",
                r#"{"componentId":"c1","rowId":"r1","nestedComponentId":"n1","updates":{"text":"b","size":null},"updatedBy":"user-1","version":1,"offset":"k7/0000000000001A2B-00000001","timestamp":"2026-11-23T02:28:00.135Z"}"#,
            ),
            (
                "component:nested-created",
                r#"{"componentId":"c1","rowId":"r1","nestedComponent":{"id": 3},"createdBy":"user-1","version":1,"offset":"k7/0000000000001A2B-00000002","timestamp":"2026-11-23T02:28:00.135Z"}"#,
            ),
        ],
    );
}

#[test]
fn resync_of_a_truncated_table() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.change(&components(), Operation::Truncate).expect("a truncate");
    let event = stream.out.pop().expect("an event");
    assert_eq!(event.name(), "component:resync");
    let epoch = Epoch::new("k7");
    assert_eq!(
        event.encode(&epoch, &Room::row("component", "c1")),
        r#"{"componentId":"c1","reason":"truncate","offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#
    );
    assert_eq!(
        event.encode(&epoch, &Room::entity("a:b", "c:d")),
        r#"{"entityType":"a:b","entityId":"c:d","reason":"truncate","offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#
    );
}

#[test]
fn a_table_without_a_rule() {
    let orders = table("public", "orders", &[("id", INT8), ("paid", BOOL)]);
    let mut stream = Stream::new(&[]);
    stream.mapper.learn(&orders, vec!["id".into()]);
    for operation in [insert(row(["5", "f"])), update(row(["5", "f"]), row(["5", "t"])), delete(row(["5", "t"]))] {
        stream.change(&orders, operation).expect("a change without a fault");
    }
    let payloads: Vec<_> = stream.out.iter().map(|event| format!("{} {}", event.name(), encode(event))).collect();
    assert_eq!(
        payloads,
        [
            r#"orders:created {"id":5,"record":{"id":5,"paid":false},"createdBy":null,"offset":"k7/0000000000001A2B-00000000","timestamp":"2026-11-23T02:28:00.135Z"}"#,
            r#"orders:updated {"id":5,"updates":{"paid":true},"updatedBy":null,"offset":"k7/0000000000001A2B-00000001","timestamp":"2026-11-23T02:28:00.135Z"}"#,
            r#"orders:deleted {"id":5,"deletedBy":null,"offset":"k7/0000000000001A2B-00000002","timestamp":"2026-11-23T02:28:00.135Z"}"#,
        ]
    );
}
