use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::events::tests::seeded;

const CHILDREN: &str = "components";

fn diff_of(old: &Value, new: &Value) -> Option<Vec<NestedChange>> {
    diff(&old.to_string().into(), &new.to_string().into(), CHILDREN)
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} is not JSON: {error}"))
}

/// What a client does, to the letter of the module's table.
fn apply(document: &mut Value, change: &NestedChange) {
    let (NestedChange::Went { row, .. } | NestedChange::Changed { row, .. } | NestedChange::Came { row, .. }) = change;
    let row_id = parse(row);
    let rows = document.as_array_mut().expect("an array of rows");
    let mut found = rows.iter_mut().filter(|row| row["id"] == row_id);
    let row = found.next().unwrap_or_else(|| panic!("no row {row_id}")).as_object_mut().expect("a row");
    assert!(found.next().is_none(), "two rows {row_id}");
    let children = row.entry(CHILDREN).or_insert_with(|| json!([])).as_array_mut().expect("an array of children");
    match change {
        NestedChange::Went { id, .. } => children.retain(|child| child["id"] != parse(id)),
        NestedChange::Came { component, .. } => children.push(parse(component)),
        NestedChange::Changed { id, updates, .. } => {
            let child = children.iter_mut().find(|child| child["id"] == parse(id)).expect("the child");
            let child = child.as_object_mut().expect("an object");
            for (name, value) in updates {
                match value.as_deref().map(parse).unwrap_or_default() {
                    Value::Null => child.remove(name),
                    value => child.insert(name.clone(), value),
                };
            }
        }
    }
}

fn assert_told(old: Value, new: Value, expected: &[&str]) {
    let changes = diff_of(&old, &new).unwrap_or_else(|| panic!("{old} → {new} was not told"));
    let shown: Vec<_> = changes.iter().map(show).collect();
    assert_eq!(shown, expected);
    let mut document = old;
    changes.iter().for_each(|change| apply(&mut document, change));
    assert_eq!(document, new);
}

fn show(change: &NestedChange) -> String {
    match change {
        NestedChange::Went { row, id } => format!("{row} went {id}"),
        NestedChange::Came { row, component } => format!("{row} came {component}"),
        NestedChange::Changed { row, id, updates } => {
            let update = |(name, value): &Member| format!("{name}={}", value.as_deref().unwrap_or("null"));
            format!("{row} changed {id} {}", updates.iter().map(update).collect::<Vec<_>>().join(" "))
        }
    }
}

/// A document of one row with these children.
fn row(children: Value) -> Value {
    json!([{"id": "r", "components": children}])
}

#[test]
fn what_came_changed_and_went_is_told() {
    assert_told(
        row(json!([{"id": 1, "a": 1, "b": 2}, {"id": 2}, {"id": 3}])),
        row(json!([{"id": 1, "a": {"x": 1}}, {"id": 3}, {"id": 4, "n": null}, {"id": "4"}])),
        &[
            r#""r" went 2"#,
            r#""r" changed 1 a={"x":1} b=null"#,
            r#""r" came {"id":4,"n":null}"#,
            r#""r" came {"id":"4"}"#,
        ],
    );
}

#[test]
fn a_move_between_rows_goes_before_it_comes() {
    assert_told(
        json!([{"id": 1, "components": []}, {"id": 2, "components": [{"id": "x"}]}]),
        json!([{"id": 1, "components": [{"id": "x"}]}, {"id": 2, "components": []}]),
        &[r#"2 went "x""#, r#"1 came {"id":"x"}"#],
    );
}

#[test]
fn a_child_makes_the_array_that_a_row_lacks() {
    assert_told(json!([{"id": 1}]), json!([{"id": 1, "components": [{"id": 2}]}]), &[r#"1 came {"id":2}"#]);
}

#[test]
fn a_null_member_that_goes_is_told() {
    assert_told(row(json!([{"id": 1, "a": null}])), row(json!([{"id": 1}])), &[r#""r" changed 1 a=null"#]);
}

#[test]
fn a_null_member_that_stays_is_not_told() {
    assert_told(
        row(json!([{"id": 1, "a": null, "b": 1}])),
        row(json!([{"id": 1, "a": null, "b": 2}])),
        &[r#""r" changed 1 b=2"#],
    );
}

#[test]
fn the_order_of_members_and_blanks_between_them_are_no_change() {
    let (old, new) = (r#"[{"id":1,"components":[{"id":2,"a":3}]}]"#, r#"[ {"components": [{"a":3, "id":2}],"id":1} ]"#);
    assert_eq!(diff(&old.into(), &new.into(), CHILDREN), Some(vec![]));
}

#[test]
fn what_nested_changes_cannot_say_is_not_told() {
    let same = json!([{"id": 1, "components": [{"id": 2, "a": 1}, {"id": 3}]}]);
    for (why, old, new) in [
        ("a row added", json!([]), json!([{"id": 1}])),
        ("a row removed", json!([{"id": 1}, {"id": 2}]), json!([{"id": 1}])),
        ("rows reordered", json!([{"id": 1}, {"id": 2}]), json!([{"id": 2}, {"id": 1}])),
        ("a row changed beside its children", json!([{"id": 1, "h": 1}]), json!([{"id": 1, "h": 2}])),
        ("a row's member added", json!([{"id": 1}]), json!([{"id": 1, "h": null}])),
        ("a row without an id", json!([{"components": []}]), json!([{"components": [{"id": 1}]}])),
        (
            "a row with a null id",
            json!([{"id": null, "components": []}]),
            json!([{"id": null, "components": [{"id": 1}]}]),
        ),
        ("two rows of one id", json!([{"id": 1}, {"id": 1}]), json!([{"id": 1}, {"id": 1, "components": [{"id": 2}]}])),
        ("a row that is no object", json!([5, {"id": 1}]), json!([5, {"id": 1, "components": [{"id": 2}]}])),
        ("a row that is an array", json!([[1], {"id": 1}]), json!([[1], {"id": 1, "components": [{"id": 2}]}])),
        ("an empty array that came", json!([{"id": 1}]), json!([{"id": 1, "components": []}])),
        ("an array that went", json!([{"id": 1, "components": []}]), json!([{"id": 1}])),
        (
            "children that are no array",
            json!([{"id": 1, "components": null}]),
            json!([{"id": 1, "components": [{"id": 2}]}]),
        ),
        ("children that become none", same.clone(), json!([{"id": 1, "components": {"id": 2}}])),
        ("children reordered", same.clone(), row_of(json!([{"id": 3}, {"id": 2, "a": 1}]))),
        ("a child in front", same.clone(), row_of(json!([{"id": 4}, {"id": 2, "a": 1}, {"id": 3}]))),
        ("a child in between", same.clone(), row_of(json!([{"id": 2, "a": 1}, {"id": 4}, {"id": 3}]))),
        ("a child without an id", same.clone(), row_of(json!([{"id": 2, "a": 1}, {"id": 3}, {"a": 1}]))),
        (
            "a child of an id that is no scalar",
            same.clone(),
            row_of(json!([{"id": 2, "a": 1}, {"id": 3}, {"id": [1]}])),
        ),
        ("two children of one id", same.clone(), row_of(json!([{"id": 2, "a": 1}, {"id": 3}, {"id": 3}]))),
        ("a member that became null", same.clone(), row_of(json!([{"id": 2, "a": null}, {"id": 3}]))),
        ("a null member that came", same.clone(), row_of(json!([{"id": 2, "a": 1, "b": null}, {"id": 3}]))),
        ("a document that is no array", json!({"id": 1}), json!({"id": 2})),
    ] {
        assert_eq!(diff_of(&old, &new), None, "{why}: {old} → {new}");
    }

    fn row_of(children: Value) -> Value {
        json!([{"id": 1, "components": children}])
    }
}

#[test]
fn names_that_stand_twice_are_not_told() {
    let old = r#"[{"id":1,"components":[{"id":2}]}]"#;
    for new in [
        r#"[{"id":1,"id":1,"components":[{"id":2},{"id":3}]}]"#,
        r#"[{"id":1,"components":[],"components":[{"id":2},{"id":3}]}]"#,
        r#"[{"id":1,"components":[{"id":2,"a":1,"a":2}]}]"#,
        r#"[{"id":1,"components":[{"id":2,"\ud800":1}]}]"#,
    ] {
        assert_eq!(diff(&old.into(), &new.into(), CHILDREN), None, "{new}");
        assert_eq!(diff(&new.into(), &old.into(), CHILDREN), None, "{new}");
    }
}

#[test]
fn numbers_that_a_browser_takes_for_one_are_one_id() {
    for (one, other) in [("1", "1.0"), ("9007199254740992", "9007199254740993"), ("0", "-0"), ("1e400", "1e401")] {
        let old = format!(r#"[{{"id":"r","components":[{{"id":{one}}}]}}]"#);
        let new = format!(r#"[{{"id":"r","components":[{{"id":{one}}},{{"id":{other}}}]}}]"#);
        assert_eq!(diff(&old.into(), &new.into(), CHILDREN), None, "{one} and {other}");
    }
}

/// Few ids and few values, so that ids collide, children move between rows, and much stays the same.
fn documents() -> impl Strategy<Value = Value> {
    let value =
        prop_oneof![Just(Value::Null), (0..3).prop_map(|n| json!(n)), Just(json!("s")), Just(json!({"k": [1]}))];
    let id =
        prop_oneof![8 => (0..6).prop_map(|n| json!(n)), 3 => "[ab]".prop_map(|s| json!(s)), 1 => Just(Value::Null)];
    let members = prop::collection::btree_map("[xyz]", value.clone(), 0..3);
    let child = (prop::option::weighted(0.97, id), members.clone()).prop_map(|(id, members)| {
        let mut child = json!(members);
        if let Some(id) = id {
            child["id"] = id;
        }
        child
    });
    let children = prop::option::weighted(0.9, prop::collection::vec(child, 0..4));
    let row = (0..3, children, prop::option::weighted(0.1, value)).prop_map(|(id, children, heading)| {
        let mut row = json!({"id": id});
        if let Some(children) = children {
            row[CHILDREN] = json!(children);
        }
        if let Some(heading) = heading {
            row["heading"] = heading;
        }
        row
    });
    prop::collection::vec(row, 0..3).prop_map(Value::Array)
}

/// A document and one that is some edits away from it.
fn edited() -> impl Strategy<Value = (Value, Value)> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8, 0..8);
    (documents(), prop::collection::vec(edit, 0..5)).prop_map(|(old, edits)| {
        let mut new = old.clone();
        edits.into_iter().for_each(|(row, child, what, n)| edit_once(&mut new, row, child, what, n));
        (old, new)
    })
}

fn edit_once(document: &mut Value, row: prop::sample::Index, child: prop::sample::Index, what: i32, n: i32) {
    let Some(rows) = document.as_array_mut().filter(|rows| !rows.is_empty()) else { return };
    let (from, to) = (row.index(rows.len()), child.index(rows.len()));
    let Some(children) = rows[from].get_mut(CHILDREN).and_then(Value::as_array_mut) else {
        rows[from][CHILDREN] = json!([{"id": 10 + n}]);
        return;
    };
    if what == 0 || children.is_empty() {
        children.push(json!({"id": 10 + n, "x": null}));
        return;
    }
    let at = child.index(children.len());
    match what {
        1 => drop(children.remove(at)),
        2 => children[at]["x"] = json!(n),
        3 => drop(children[at].as_object_mut().map(|child| child.remove("x"))),
        4 => children[at]["y"] = Value::Null,
        5 => {
            let moved = children.remove(at);
            if let Some(target) = rows[to].get_mut(CHILDREN).and_then(Value::as_array_mut) {
                target.push(moved);
            }
        }
        6 => children.reverse(),
        _ => children[at]["z"] = json!({"k": [n]}),
    }
}

proptest! {
    #![proptest_config(seeded(4096))]

    #[test]
    fn applying_the_changes_to_the_old_document_gives_the_new(
        (old, new) in prop_oneof![4 => edited(), 1 => (documents(), documents())]
    ) {
        if let Some(changes) = diff_of(&old, &new) {
            let mut document = old.clone();
            changes.iter().for_each(|change| apply(&mut document, change));
            prop_assert_eq!(document, new);
        }
    }

    #[test]
    fn any_texts_can_be_compared(old in "[\\[\\]{}\",:id01comp ]{0,40}", new in any::<String>()) {
        let _ = diff(&old.as_str().into(), &new.as_str().into(), CHILDREN);
        let _ = diff(&new.into(), &old.into(), CHILDREN);
    }
}

#[test]
fn most_edits_that_can_be_told_are_told() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let told = (0..1000)
        .filter_map(|_| edited().new_tree(&mut runner).ok())
        .filter(|tree| {
            let (old, new) = tree.current();
            old != new && diff_of(&old, &new).is_some_and(|changes| !changes.is_empty())
        })
        .count();
    assert!(told > 150, "only {told} of 1000: the property above proves little");
}
