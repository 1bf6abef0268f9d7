//! Over the same writes both plugins tell the same entries, to the last position.

use super::*;
use crate::change::Table;

fn assert_same(scenario: &str, pgoutput: &[Entry], wal2json: &[Entry]) {
    assert!(!pgoutput.is_empty(), "{scenario} tells nothing");
    for (index, (pgoutput, wal2json)) in pgoutput.iter().zip(wal2json).enumerate() {
        assert_eq!(pgoutput, wal2json, "{scenario}, entry {index}: pgoutput (left) and wal2json differ");
    }
    assert_eq!(pgoutput.len(), wal2json.len(), "{scenario}: one tells more than the other");
}

#[test]
fn both_plugins_tell_the_same() {
    for scenario in scenarios() {
        if scenario != "first_seen" && scenario != "lost_numbers" {
            assert_same(&scenario, &pgoutput_entries(&scenario), &wal2json_entries(&scenario));
        }
    }
}

#[test]
fn before_a_table_is_seen_whole_they_differ_in_types_alone() {
    let without_unseen_types = |pgoutput: &[Entry], wal2json: &[Entry]| -> Vec<Entry> {
        pgoutput.iter().zip(wal2json).map(|(of_pgoutput, of_wal2json)| forget_types(of_pgoutput, of_wal2json)).collect()
    };
    let (pgoutput, wal2json) = (pgoutput_entries("first_seen"), wal2json_entries("first_seen"));
    assert_ne!(pgoutput, wal2json);
    assert_same("first_seen", &without_unseen_types(&pgoutput, &wal2json), &wal2json);
}

/// `of_pgoutput` with type 0 wherever `of_wal2json` has it.
fn forget_types(of_pgoutput: &Entry, of_wal2json: &Entry) -> Entry {
    let (Entry::Change(change), Entry::Change(other)) = (of_pgoutput, of_wal2json) else { return of_pgoutput.clone() };
    let mut table = Table::clone(&change.table);
    for (column, other) in table.columns.iter_mut().zip(&other.table.columns) {
        if other.type_oid == 0 {
            column.type_oid = 0;
        }
    }
    Entry::Change(Change { table: table.into(), ..change.clone() })
}

#[test]
fn wal2json_alone_loses_nan_and_infinity() {
    let pgoutput = operations_of(&pgoutput_entries("lost_numbers"), "t");
    let wal2json = operations_of(&wal2json_entries("lost_numbers"), "t");
    let told = inserted(&["3", "1.5", "2.50"]);
    assert_eq!(pgoutput, [inserted(&["1", "NaN", "NaN"]), inserted(&["2", "-Infinity", "Infinity"]), told.clone()]);
    assert_eq!(wal2json, [inserted(&["1", "·", "·"]), inserted(&["2", "·", "·"]), told]);
}
