//! What the writes of the fixtures mean, under either plugin.

use super::*;

/// The operations on a table, which both plugins must tell alike.
fn told(scenario: &str, table: &str) -> Vec<Operation> {
    let pgoutput = operations_of(&pgoutput_entries(scenario), table);
    assert_eq!(pgoutput, operations_of(&wal2json_entries(scenario), table), "{scenario}: pgoutput (left), wal2json");
    pgoutput
}

fn deleted(old: OldRow) -> Operation {
    Operation::Delete { old }
}

fn long(word: &str) -> String {
    word.repeat(550)
}

#[test]
fn values_are_told_in_postgres_text() {
    let [first, empty, null, ..] = &told("insert", "t")[..] else { panic!("three rows were inserted") };
    let expected = [
        "1",
        "-32768",
        "9223372036854775807",
        "12345678901234567890.12345678901234567890",
        "0.1",
        "1e+300",
        "t",
        "tab\t\"quote\" back\\slash\nnew line é 😀 \u{1} /",
        "vc",
        "\\x00ff5c",
        "7",
        "t",
        "\\x00ff",
        "{1,NULL,3}",
        "{\"b\": 1,  \"a\": [1.10]}",
        "{\"a\": [1.10], \"b\": 1}",
        "2026-11-23 02:28:00.133275+00",
        "2026-11-23",
        "1 day 02:03:04",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "4294967295",
        "x",
        "so \"so\"",
        "10.0.0.1/8",
        "12.5000",
    ];
    assert_eq!(*first, inserted(&expected));
    let expected = [
        "2",
        "0",
        "-9007199254740993",
        "0.000",
        "0",
        "1e-300",
        "f",
        "",
        "",
        "\\x",
        "1",
        "f",
        "\\x",
        "{}",
        "null",
        "null",
    ];
    let Operation::Insert { new } = empty else { panic!("an insert") };
    assert!(new.cells().take(16).eq(row(&expected).cells()), "{new:?}");
    let Operation::Insert { new } = null else { panic!("an insert") };
    assert!(new.cells().skip(1).all(|cell| cell == Cell::Null), "{new:?}");
}

#[test]
fn what_rolls_back_is_not_told() {
    let ids: Vec<String> = told("insert", "t")
        .iter()
        .map(|operation| match operation {
            Operation::Insert { new } => new.cell(0).text().expect("an id").to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "6"], "5 went with its savepoint, 7 with its transaction");
}

#[test]
fn identity_default_tells_the_old_key_only_where_it_changed() {
    let expected = [
        inserted(&["1", "x", "1", &long("long")]),
        inserted(&["2", "y", "·", "·"]),
        updated(None, &["1", "x", "2", "="]),
        updated(None, &["1", "x", "2", &long("LONG")]),
        updated(None, &["2", "y", "·", "·"]),
        updated(Some(key(&["1", "x", "-", "-"])), &["10", "x", "·", "="]),
        updated(Some(key(&["2", "y", "-", "-"])), &["2", "z", "·", "short"]),
        updated(Some(key(&["10", "x", "-", "-"])), &["110", "x", "·", "="]),
        updated(Some(key(&["2", "z", "-", "-"])), &["102", "z", "·", "short"]),
    ];
    assert_eq!(told("update_default", "t"), expected);
}

#[test]
fn a_key_of_all_columns_tells_the_whole_old_row() {
    let expected = [
        inserted(&["1"]),
        updated(Some(full(&["1"])), &["1"]),
        updated(Some(full(&["1"])), &["2"]),
        deleted(full(&["2"])),
    ];
    assert_eq!(told("update_default", "one"), expected);
    let expected = [
        inserted(&["1", "x"]),
        updated(Some(full(&["1", "x"])), &["1", "x"]),
        updated(Some(full(&["1", "x"])), &["1", "y"]),
        deleted(full(&["1", "y"])),
    ];
    assert_eq!(told("update_default", "whole"), expected);
}

#[test]
fn identity_full_tells_the_whole_old_row() {
    let (old, new) = (&long("long"), &long("LONG"));
    let expected = [
        inserted(&["1", "·", old, "·"]),
        inserted(&["2", "5", "·", "note"]),
        updated(Some(full(&["1", "·", old, "·"])), &["1", "1", "=", "·"]),
        updated(Some(full(&["1", "1", old, "·"])), &["1", "·", "=", "·"]),
        updated(Some(full(&["1", "·", old, "·"])), &["1", "·", new, "·"]),
        updated(Some(full(&["2", "5", "·", "note"])), &["2", "5", "·", "·"]),
        updated(Some(full(&["1", "·", new, "·"])), &["1", "·", "=", "·"]),
        updated(Some(full(&["1", "·", new, "·"])), &["3", "·", "=", "·"]),
    ];
    assert_eq!(told("update_full", "t"), expected);
}

#[test]
fn identity_full_needs_no_key() {
    let operations = told("update_full", "nokey");
    assert_eq!(operations[0], inserted(&["·", "·"]));
    assert_eq!(operations[3], updated(Some(full(&["·", "·"])), &["·", "y"]));
    assert_eq!(operations[6], deleted(full(&["·", "y"])));
    let expected = [
        inserted(&["·"]),
        updated(Some(full(&["·"])), &["·"]),
        updated(Some(full(&["·"])), &["1"]),
        deleted(full(&["1"])),
    ];
    assert_eq!(told("update_full", "one"), expected);
}

#[test]
fn identity_index_tells_the_indexed_columns_where_they_changed() {
    let expected = [
        inserted(&["1", "one", "1", &long("long")]),
        updated(None, &["1", "one", "2", "="]),
        updated(None, &["2", "one", "2", "="]),
        updated(Some(key(&["-", "one", "-", "-"])), &["2", "two", "2", "="]),
        deleted(key(&["-", "two", "-", "-"])),
    ];
    assert_eq!(told("update_index", "t"), expected);
}

#[test]
fn a_key_stored_out_of_line_is_told_though_unchanged() {
    let (old, new) = ("k".repeat(2100), "l".repeat(2100));
    let expected = [
        inserted(&[&old, "1", "n"]),
        updated(Some(key(&[&old, "-", "-"])), &["=", "2", "n"]),
        updated(Some(key(&[&old, "-", "-"])), &[&new, "2", "n"]),
        deleted(key(&[&new, "-", "-"])),
    ];
    assert_eq!(told("external_key", "t"), expected);
}

#[test]
fn deletes_tell_what_the_identity_holds() {
    assert_eq!(told("delete", "d")[2..], [deleted(key(&["1", "-", "-"])), deleted(key(&["2", "-", "-"]))]);
    let whole = [deleted(full(&["1", "a", &long("long")])), deleted(full(&["2", "·", "·"]))];
    assert_eq!(told("delete", "f")[2..], whole);
}

#[test]
fn truncate_tells_each_published_table() {
    assert_eq!(told("truncate", "a").iter().filter(|operation| **operation == Operation::Truncate).count(), 1);
    assert_eq!(told("truncate", "b").iter().filter(|operation| **operation == Operation::Truncate).count(), 2);
    assert_eq!(told("truncate", "hidden"), []);
}

#[test]
fn messages_of_every_prefix_pass() {
    let told: Vec<(bool, String, Bytes)> = messages(&pgoutput_entries("message"))
        .into_iter()
        .map(|message| (message.transactional, message.prefix.to_string(), message.content))
        .collect();
    let expected = [
        (true, "walcast.actor", "user-42"),
        (true, "other", "\"quoted\" é\n"),
        (false, "walcast.note", "alone"),
        (false, "walcast.note", "outlives the rollback"),
        (true, "walcast.note", "a transaction of its own"),
        (true, "", ""),
    ];
    assert_eq!(told, expected.map(|(transactional, prefix, content)| (transactional, prefix.into(), content.into())));
    assert_eq!(messages(&pgoutput_entries("message")), messages(&wal2json_entries("message")));
}

#[test]
fn columns_outside_the_column_list_and_generated_ones_are_not_told() {
    let expected = [
        inserted(&["1", "1", "b"]),
        updated(None, &["1", "1", "b"]),
        updated(None, &["1", "2", "b"]),
        updated(Some(key(&["1", "-", "-"])), &["2", "2", "b"]),
        deleted(key(&["2", "-", "-"])),
    ];
    assert_eq!(told("columns", "t"), expected);
    assert_eq!(told("columns", "gen")[2], updated(Some(full(&["1", "b"])), &["3", "b"]));
}

#[test]
fn partitions_are_told_as_their_root() {
    let expected = [
        inserted(&["1", "2025-05-05", "x"]),
        inserted(&["2", "2026-06-06", "y"]),
        updated(None, &["1", "2025-05-05", "z"]),
        updated(None, &["2", "2026-06-06", "z"]),
        deleted(key(&["1", "2025-05-05", "-"])),
        inserted(&["1", "2026-01-02", "z"]),
        deleted(key(&["2", "2026-06-06", "-"])),
        inserted(&["3", "2026-06-06", "direct"]),
        Operation::Truncate,
    ];
    assert_eq!(told("partitions", "p"), expected, "and the TRUNCATE of one partition is not told");
}

#[test]
fn partitions_published_by_themselves_keep_their_names() {
    let expected = [
        inserted(&["1", "2025-05-05", "x"]),
        deleted(key(&["1", "2025-05-05", "-"])),
        Operation::Truncate,
        Operation::Truncate,
    ];
    assert_eq!(told("leaves", "p_2025"), expected);
    assert_eq!(told("leaves", "p"), []);
}

#[test]
fn a_partition_that_is_full_under_a_root_that_is_not_tells_its_old_rows() {
    let expected = [
        inserted(&["1", "a", "·"]),
        updated(Some(full(&["1", "a", "·"])), &["1", "b", "·"]),
        updated(Some(full(&["1", "b", "·"])), &["2", "b", "·"]),
        deleted(full(&["2", "b", "·"])),
    ];
    assert_eq!(told("partition_identity", "leaf"), expected);
}

/// pgoutput passes the partition's key off as the whole row: its nulls cannot be told from real ones.
#[test]
fn a_partition_that_is_not_full_under_a_root_that_is_tells_its_updates() {
    let (before, after) = (inserted(&["1", "a", "·"]), updated(None, &["1", "b", "·"]));
    let expected = [
        before.clone(),
        after.clone(),
        updated(Some(full(&["1", "·", "·"])), &["2", "b", "·"]),
        deleted(full(&["2", "·", "·"])),
    ];
    assert_eq!(operations_of(&pgoutput_entries("partition_identity"), "root"), expected);
    let expected =
        [before, after, updated(Some(key(&["1", "-", "-"])), &["2", "b", "·"]), deleted(key(&["2", "-", "-"]))];
    assert_eq!(operations_of(&wal2json_entries("partition_identity"), "root"), expected);
}

#[test]
fn operations_that_are_not_published_are_not_told() {
    let operations = told("operations", "t");
    assert!(matches!(operations[..2], [Operation::Insert { .. }, Operation::Insert { .. }]), "{operations:?}");
    assert!(operations[2..].iter().all(|operation| matches!(operation, Operation::Delete { .. })), "{operations:?}");
    assert_eq!(told("operations", "hidden"), []);
}

#[test]
fn ddl_makes_a_new_table() {
    let tables: Vec<Vec<(String, u32)>> = changes_of(&wal2json_entries("ddl"), "t")
        .iter()
        .map(|change| change.table.columns.iter().map(|column| (column.name.to_string(), column.type_oid)).collect())
        .collect();
    let with = |columns: &[(&str, u32)]| columns.iter().map(|(name, oid)| (name.to_string(), *oid)).collect::<Vec<_>>();
    assert_eq!(tables[0], with(&[("id", 23), ("a", 23)]));
    assert_eq!(tables[1], with(&[("id", 23), ("a", 23), ("b", 25)]));
    assert_eq!(tables[4], with(&[("id", 23), ("a", 20), ("b", 25)]));
    assert_eq!(tables[5], with(&[("id", 23), ("a", 20), ("b", 25), ("c", 16)]));
}
