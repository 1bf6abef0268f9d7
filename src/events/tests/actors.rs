//! Who is named as the writer, and whose echo may be left out.

use super::*;

fn component(name: &str, created_by: &str, updated_by: &str) -> Row {
    row(["c1", "page", "1", name, "[]", "1", created_by, updated_by])
}

/// Who the payload of each event names.
fn named(stream: &mut Stream, operation: Operation) -> Vec<Value> {
    stream.change(&components(), operation).expect("a change without a fault");
    let by = |event: Event| {
        let payload: Value = serde_json::from_str(&encode(&event)).expect("JSON");
        let by = ["createdBy", "updatedBy", "deletedBy"].into_iter().find_map(|name| payload.get(name).cloned());
        by.expect("a writer")
    };
    stream.out.drain(..).map(by).collect()
}

#[test]
fn without_an_actor_the_columns_name_the_writer() {
    let mut stream = Stream::new(&[components_rule()]);
    assert_eq!(named(&mut stream, insert(component("A", "maker", "writer"))), ["maker"]);
    assert_eq!(named(&mut stream, insert(component("A", "∅", "writer"))), ["writer"]);
    assert_eq!(named(&mut stream, insert(component("A", "∅", "∅"))), [Value::Null]);
    assert_eq!(named(&mut stream, update(component("A", "maker", "one"), component("B", "maker", "two"))), ["two"]);
    assert_eq!(named(&mut stream, update(component("A", "maker", "one"), component("B", "maker", "∅"))), [Value::Null]);
    assert_eq!(named(&mut stream, delete(component("A", "maker", "writer"))), ["writer"]);
}

#[test]
fn an_actor_holds_for_the_changes_after_it_in_its_transaction() {
    let mut stream = Stream::new(&[components_rule()]);
    let inserted = || insert(component("A", "maker", "writer"));
    assert_eq!(named(&mut stream, inserted()), ["maker"]);
    stream.take(set_actor(r#"{"actor":"user-42","socket":null}"#)).expect("an actor");
    assert_eq!(named(&mut stream, inserted()), ["user-42"]);
    assert_eq!(named(&mut stream, update(component("A", "a", "b"), component("B", "a", "b"))), ["user-42"]);
    assert_eq!(named(&mut stream, delete(component("A", "a", "b"))), ["user-42"]);
    stream.take(set_actor(r#"{"actor":null}"#)).expect("no actor");
    assert_eq!(named(&mut stream, inserted()), ["maker"]);
    stream.take(set_actor(r#"{"actor":"user-43"}"#)).expect("an actor");
    stream.commit().expect("a commit");
    stream.begin(Lsn(0x2000));
    assert_eq!(named(&mut stream, inserted()), ["maker"]);
}

#[test]
fn a_malformed_actor_is_an_error_and_names_nobody() {
    let mut stream = Stream::new(&[components_rule()]);
    for content in ["", "{}", "[", r#"{"actor":1}"#, r#"{"socket":"s"}"#, r#""user-42""#, r#"{"actor":"a","socket":1}"#]
    {
        stream.take(set_actor(r#"{"actor":"user-42"}"#)).expect("an actor");
        let error = stream.take(set_actor(content)).expect_err("an error");
        assert!(error.remedy.contains("walcast.set_actor()") && error.lsn == Lsn(7), "{error}");
        assert_eq!(named(&mut stream, insert(component("A", "∅", "∅"))), [Value::Null], "{content}");
    }
}

#[test]
fn other_messages_are_ignored() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.take(message("walcast.actors", "{")).expect("not ours");
    stream.take(message("app", r#"{"actor":"x"}"#)).expect("not ours");
    let Entry::Message(mut outside) = set_actor(r#"{"actor":"x"}"#) else { unreachable!() };
    outside.transactional = false;
    stream.take(Entry::Message(outside)).expect("not of the transaction");
    assert_eq!(named(&mut stream, insert(component("A", "∅", "∅"))), [Value::Null]);
}

#[test]
fn the_socket_of_the_actor_goes_with_its_events_and_only_updates_are_no_echo() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.take(set_actor(r#"{"actor":"user-42","socket":"s1"}"#)).expect("an actor");
    let rows = |children: &str| {
        row(["c1", "page", "1", "A", &format!(r#"[{{"id":1,"components":{children}}}]"#), "1", "∅", "∅"])
    };
    for operation in [
        insert(component("A", "∅", "∅")),
        update(component("A", "∅", "∅"), component("B", "∅", "∅")),
        update(rows(r#"[{"id":1,"a":1},{"id":2}]"#), rows(r#"[{"id":1,"a":2},{"id":3}]"#)),
        delete(component("A", "∅", "∅")),
        Operation::Truncate,
    ] {
        stream.change(&components(), operation).expect("a change without a fault");
    }
    let actor = Actor { id: "user-42".into(), socket: Some("s1".into()) };
    assert!(stream.out.iter().all(|event| event.actor() == Some(&actor)));
    let suppressed: Vec<_> = stream.out.iter().map(|event| (event.name(), event.is_echo_suppressed())).collect();
    assert_eq!(
        suppressed,
        [
            ("component:created", false),
            ("component:updated", true),
            ("component:nested-deleted", false),
            ("component:nested-updated", true),
            ("component:nested-created", false),
            ("component:deleted", false),
            ("component:resync", false),
        ]
    );
}
