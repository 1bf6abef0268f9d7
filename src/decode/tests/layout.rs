//! Which columns a table has, as wal2json's changes show them one after the other.

use std::sync::Arc;

use super::{
    wal2json::{Shown, change, entries_of, insert, table_t},
    *,
};
use crate::decode::Fault;

const A: Shown<'_> = ("a", "23", "1");
const B: Shown<'_> = ("b", "23", "2");
const TEXT: Shown<'_> = ("text", "25", "\"x\"");
const NEW: Shown<'_> = ("new", "25", "\"y\"");

fn update(columns: &[Shown<'_>], identity: &[Shown<'_>]) -> String {
    change("U", Some(columns), Some(identity))
}

fn delete(identity: &[Shown<'_>]) -> String {
    change("D", None, Some(identity))
}

/// The changes of table `t`, which the catalog has with columns `a` and `b`.
fn told(frames: &[String]) -> Vec<Change> {
    told_of(table_t(&["a", "b"]), frames)
}

fn told_of(table: PublishedTable, frames: &[String]) -> Vec<Change> {
    changes_of(&entries_of(table, frames).expect("entries"), "t")
}

fn columns(change: &Change) -> Vec<&str> {
    change.table.columns.iter().map(|column| &*column.name).collect()
}

/// The columns and the operation of the last change.
#[track_caller]
fn assert_last(told: &[Change], names: &[&str], operation: Operation) {
    let last = told.last().expect("a change");
    assert_eq!(columns(last), names);
    assert_eq!(last.operation, operation);
}

#[test]
fn an_unchanged_layout_keeps_its_table() {
    let row = [("a", "23", "1"), ("b", "25", "\"x\"")];
    let frames = [
        insert(&row),
        change("U", Some(&row[..1]), Some(&row[..1])),
        change("D", None, Some(&row[..1])),
        change("T", None, None),
        insert(&row),
    ];
    let told = told(&frames);
    assert!(told.iter().all(|change| Arc::ptr_eq(&change.table, &told[0].table)), "{told:?}");
}

#[test]
fn a_table_without_one_of_the_published_columns_is_told_without_it() {
    let frames = [change("D", None, Some(&[("a", "23", "1")])), insert(&[("a", "23", "1")])];
    let told = told(&frames);
    assert_eq!(told[0].operation, Operation::Delete { old: key(&["1", "-"]) }, "b may be there");
    assert_eq!(told[1].operation, inserted(&["1"]), "b is not there");
}

#[test]
fn what_the_catalog_says_holds_until_a_change_says_otherwise() {
    let first = told(&[delete(&[A])]);
    assert_last(&first, &["a", "b"], Operation::Delete { old: key(&["1", "-"]) });
    assert_eq!(first[0].table.columns[1].type_oid, 23);
    let first = told(&[update(&[A, ("b", "20", "2")], &[A])]);
    assert_last(&first, &["a", "b"], updated(None, &["1", "2"]));
    assert_eq!(first[0].table.columns[1].type_oid, 20);
}

#[test]
fn an_added_column_is_told_from_its_first_change_on() {
    let before = insert(&[A, TEXT]);
    let by_insert = told(&[before.clone(), insert(&[A, TEXT, NEW])]);
    assert_last(&by_insert, &["a", "text", "new"], inserted(&["1", "x", "y"]));
    let by_update = told(&[before.clone(), update(&[A, TEXT, NEW], &[A])]);
    assert_last(&by_update, &["a", "text", "new"], updated(None, &["1", "x", "y"]));
    let by_delete = told(&[before, delete(&[A, TEXT, NEW])]);
    assert_last(&by_delete, &["a", "text", "new"], Operation::Delete { old: full(&["1", "x", "y"]) });
    assert_eq!(columns(&by_delete[0]), ["a", "text"], "what was told before stays as it was told");
}

#[test]
fn an_added_column_stands_behind_an_unchanged_value_that_is_not_shown() {
    let told = told(&[insert(&[A, TEXT]), update(&[A, NEW], &[A])]);
    assert_last(&told, &["a", "text", "new"], updated(None, &["1", "=", "y"]));
}

#[test]
fn a_renamed_column_stands_behind_the_one_before_it() {
    let told = told(&[insert(&[A, B, TEXT]), update(&[A, NEW, TEXT], &[A])]);
    assert_last(&told, &["a", "new", "text"], updated(None, &["1", "y", "x"]));
}

#[test]
fn a_dropped_column_goes_with_the_next_insert() {
    let told = told(&[insert(&[A, TEXT, B]), delete(&[A]), insert(&[A, B])]);
    assert_eq!(told[1].operation, Operation::Delete { old: key(&["1", "-", "-"]) });
    assert_last(&told, &["a", "b"], inserted(&["1", "2"]));
}

#[test]
fn a_dropped_column_of_fixed_length_goes_with_the_next_update() {
    let told = told(&[insert(&[A, B, TEXT]), update(&[A, TEXT], &[A])]);
    assert_last(&told, &["a", "text"], updated(None, &["1", "x"]));
}

#[test]
fn a_dropped_column_that_could_be_out_of_line_is_held_for_unchanged_until_the_next_insert() {
    let told = told(&[insert(&[A, B, TEXT]), update(&[A, B], &[A]), insert(&[A, B])]);
    assert_eq!(told[1].operation, updated(None, &["1", "2", "="]));
    assert_last(&told, &["a", "b"], inserted(&["1", "2"]));
}

#[test]
fn under_full_any_dropped_column_goes_with_the_next_update() {
    let row = [A, B, TEXT];
    for whole in [update(&row, &row), delete(&row)] {
        let told = told(&[insert(&row), update(&row, &row), whole, update(&[A, B], &[A, B])]);
        assert_last(&told, &["a", "b"], updated(Some(full(&["1", "2"])), &["1", "2"]));
    }
    let of_catalog = PublishedTable { full: true, ..table_t(&["a", "b"]) };
    let told = told_of(of_catalog, &[insert(&row), update(&[A, B], &[A, B])]);
    assert_last(&told, &["a", "b"], updated(Some(full(&["1", "2"])), &["1", "2"]));
}

#[test]
fn under_full_a_delete_tells_all_there_is_and_drops_nothing() {
    let row = [A, B, TEXT];
    let told = told(&[insert(&row), update(&row, &row), delete(&[A, B])]);
    assert_last(&told, &["a", "b", "text"], Operation::Delete { old: full(&["1", "2", "-"]) });
}

#[test]
fn an_unchanged_value_under_full_is_told_by_the_old_row() {
    let told = told(&[insert(&[A, TEXT]), update(&[A], &[A, TEXT])]);
    assert_last(&told, &["a", "text"], updated(Some(full(&["1", "x"])), &["1", "="]));
}

#[test]
fn full_that_is_taken_back_shows_with_the_next_update() {
    let row = [A, B, TEXT];
    let told = told(&[insert(&row), update(&row, &row), update(&row, &[A]), delete(&[A])]);
    assert_eq!(told[2].operation, updated(None, &["1", "2", "x"]));
    assert_last(&told, &["a", "b", "text"], Operation::Delete { old: key(&["1", "-", "-"]) });
}

#[test]
fn a_key_that_was_all_there_was_is_a_key_again_when_a_column_is_added() {
    let told = told(&[insert(&[A]), update(&[A], &[A]), insert(&[A, TEXT]), update(&[A], &[A]), delete(&[A])]);
    assert_eq!(told[1].operation, updated(Some(full(&["1"])), &["1"]));
    assert_eq!(told[3].operation, updated(None, &["1", "="]));
    assert_last(&told, &["a", "text"], Operation::Delete { old: key(&["1", "-"]) });
}

#[test]
fn a_key_is_all_there_is_once_the_rest_is_dropped() {
    let told = told(&[insert(&[A, B]), update(&[A], &[A])]);
    assert_last(&told, &["a"], updated(Some(full(&["1"])), &["1"]));
}

#[test]
fn an_insert_shows_the_order() {
    let told = told(&[insert(&[B, NEW, A])]);
    assert_last(&told, &["b", "new", "a"], inserted(&["2", "y", "1"]));
}

#[test]
fn a_leaf_of_another_order_is_told_in_its_roots() {
    let of_leaf = |frame: String| frame.replace(r#""table":"t""#, r#""table":"leaf""#);
    let row = [NEW, B, A];
    let frames = [insert(&[A, B, NEW]), of_leaf(insert(&row)), of_leaf(update(&row, &row)), of_leaf(insert(&[B, A]))];
    let told = told(&frames);
    assert_eq!(told[1].operation, inserted(&["1", "2", "y"]));
    assert_eq!(told[2].operation, updated(Some(full(&["1", "2", "y"])), &["1", "2", "y"]));
    assert!(Arc::ptr_eq(&told[0].table, &told[2].table));
    assert_last(&told, &["a", "b"], inserted(&["1", "2"]));
}

#[test]
fn a_generated_column_is_never_told() {
    let generated = ("generated", "23", "7");
    let row = [A, generated, B, NEW];
    let frames = [insert(&row), update(&row, &[A]), update(&row, &row), delete(&row)];
    for change in told(&frames) {
        assert_eq!(columns(&change), ["a", "b", "new"]);
    }
}

#[test]
fn of_a_column_list_only_the_listed_ones_are_told() {
    let listed = || PublishedTable { scope: Scope::Listed, ..table_t(&["a", "b"]) };
    let row = [A, NEW, B, TEXT];
    for change in told_of(listed(), &[update(&row, &[A]), insert(&row), delete(&row)]) {
        assert_eq!(columns(&change), ["a", "b"]);
    }
    let renamed = told_of(listed(), &[insert(&[A, ("b2", "23", "2")])]);
    assert_last(&renamed, &["a"], inserted(&["1"]));
}

#[test]
fn a_new_column_that_comes_twice_is_refused() {
    let row = [A, B, NEW, NEW];
    for frame in [insert(&row), update(&row, &[A]), update(&[A, B], &row), delete(&row)] {
        let error = entries_of(table_t(&["a", "b"]), &[frame]).expect_err("the frame is refused");
        assert!(matches!(error.fault(), Fault::DuplicateColumn { column } if column == "new"), "{error}");
    }
}
