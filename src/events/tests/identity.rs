//! What events say where the log says less: other replica identities, column lists, keys that change.

use super::*;

fn component(id: &'static str, entity: &'static str) -> Row {
    row([id, "page", entity, "A", "[]", "1", "maker", "writer"])
}

fn key(id: &str) -> OldRow {
    OldRow::Key(row([id, "-", "-", "-", "-", "-", "-", "-"]))
}

#[test]
fn a_changed_id_is_a_deletion_and_a_creation() {
    let mut stream = Stream::new(&[components_rule()]);
    assert_eq!(
        stream.tell(&components(), update(component("c1", "1"), component("c2", "2"))),
        [
            r#"component:deleted [component:c1 entity:page:1] {"componentId":"c1","entityType":"page","entityId":"1","deletedBy":"writer","version":1}"#,
            r#"component:created [component:c2 entity:page:2] {"componentId":"c2","entityType":"page","entityId":"2","component":{"id":"c2","entity_type":"page","entity_id":"2","name":"A","rows":[],"version":1,"created_by":"maker","updated_by":"writer"},"createdBy":"maker","version":1}"#,
        ]
    );
}

#[test]
fn a_changed_id_of_which_the_log_gives_the_key_alone_is_deleted_in_its_own_room() {
    let mut stream = Stream::new(&[components_rule()]);
    let told = stream.tell(&components(), Operation::Update { old: Some(key("c1")), new: component("c2", "2") });
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[0],
        r#"component:deleted [component:c1] {"componentId":"c1","entityType":null,"entityId":null,"deletedBy":"writer","version":1}"#
    );
    assert!(told[1].starts_with("component:created [component:c2 entity:page:2] "), "{}", told[1]);
}

#[test]
fn a_created_record_that_the_log_does_not_give_whole_is_followed_by_a_resync() {
    let mut stream = Stream::new(&[components_rule()]);
    let new = row(["c2", "page", "2", "A", "…", "1", "maker", "writer"]);
    assert_eq!(
        stream.tell(&components(), Operation::Update { old: Some(key("c1")), new })[1..],
        [
            r#"component:created [component:c2 entity:page:2] {"componentId":"c2","entityType":"page","entityId":"2","component":{"id":"c2","entity_type":"page","entity_id":"2","name":"A","version":1,"created_by":"maker","updated_by":"writer"},"createdBy":"maker","version":1}"#,
            r#"component:resync [component:c2 entity:page:2] {"componentId":"c2","entityType":"page","entityId":"2","reason":"incomplete","version":1}"#,
        ]
    );
}

#[test]
fn a_deletion_by_key_names_no_entity_and_is_heard_in_its_own_room() {
    let mut stream = Stream::new(&[components_rule()]);
    let deleted = r#"component:deleted [component:c1] {"componentId":"c1","entityType":null,"entityId":null,"deletedBy":null,"version":null}"#;
    assert_eq!(stream.tell(&components(), Operation::Delete { old: key("c1") }), [deleted]);
    // wal2json may know a table by its key alone.
    let partial = table("public", "components", &[("id", UUID)]);
    assert_eq!(stream.tell(&partial, Operation::Delete { old: OldRow::Key(row(["c1"])) }), [deleted]);
}

#[test]
fn an_update_without_an_old_row_tells_every_known_column_but_the_id() {
    let orders = table("public", "orders", &[("id", INT4), ("note", TEXT), ("big", TEXT), ("left_out", TEXT)]);
    let mut stream = Stream::new(&[]);
    stream.mapper.learn(&orders, vec!["id".into()]);
    assert_eq!(
        stream.tell(&orders, Operation::Update { old: None, new: row(["1", "a", "…", "-"]) }),
        [r#"orders:updated [orders:1] {"id":1,"updates":{"note":"a"},"updatedBy":null}"#]
    );
}

#[test]
fn a_rule_that_names_a_column_the_table_lacks_is_complained_of_once_and_tells_nothing() {
    let mut stream = Stream::new(&[components_rule()]);
    let lacking = table("public", "components", &[("id", UUID), ("entity_type", TEXT)]);
    let error = stream.change(&lacking, insert(row(["c1", "page"]))).expect_err("a complaint");
    assert!(error.what.contains("entity_id") && error.remedy.contains("broadcast_table"), "{error}");
    for operation in [insert(row(["c1", "page"])), delete(row(["c1", "page"]))] {
        assert_eq!(stream.tell(&lacking, operation), [""; 0]);
    }
    assert_eq!(stream.tell(&components(), insert(component("c1", "1"))).len(), 1);
}

#[test]
fn a_rule_that_names_an_id_alone_says_nothing_of_entities_and_versions() {
    let plain = json!({"schema_name": "public", "table_name": "orders", "prefix": "order", "id_column": "no"});
    let orders = table("public", "orders", &[("id", INT4), ("no", TEXT)]);
    let mut stream = Stream::new(&[plain]);
    assert_eq!(
        stream.tell(&orders, insert(row(["1", "A-1"]))),
        [r#"order:created [order:A-1] {"orderId":"A-1","order":{"id":1,"no":"A-1"},"createdBy":null}"#]
    );
    assert_eq!(
        stream.tell(&orders, delete(row(["1", "A-1"]))),
        [r#"order:deleted [order:A-1] {"orderId":"A-1","deletedBy":null}"#]
    );
}

#[test]
fn a_row_without_an_id_is_complained_of_once() {
    let mut stream = Stream::new(&[components_rule()]);
    let components = components();
    let error = stream.change(&components, insert(component("∅", "1"))).expect_err("a complaint");
    assert!(error.what.contains("id"), "{error}");
    for operation in [insert(component("∅", "1")), delete(component("-", "1")), insert(Row::default())] {
        assert_eq!(stream.tell(&components, operation), [""; 0]);
    }
    assert_eq!(stream.tell(&components, insert(component("c1", "1"))).len(), 1);
}

#[test]
fn rows_of_another_length_than_the_table_are_told_as_far_as_they_go() {
    let mut stream = Stream::new(&[]);
    let orders = table("public", "orders", &[("id", INT4), ("note", TEXT)]);
    stream.mapper.learn(&orders, vec!["id".into()]);
    assert_eq!(
        stream.tell(&orders, insert(row(["1"]))),
        [r#"orders:created [orders:1] {"id":1,"record":{"id":1},"createdBy":null}"#]
    );
    assert_eq!(
        stream.tell(&orders, insert(row(["1", "a", "secret"]))),
        [r#"orders:created [orders:1] {"id":1,"record":{"id":1,"note":"a"},"createdBy":null}"#]
    );
}
