//! Over the same writes both plugins tell the same entries, to the last position.

use super::*;

fn assert_same(scenario: &str, pgoutput: &[Entry], wal2json: &[Entry]) {
    assert!(!pgoutput.is_empty(), "{scenario} tells nothing");
    for (index, (pgoutput, wal2json)) in pgoutput.iter().zip(wal2json).enumerate() {
        let (pgoutput, wal2json) = (common(pgoutput), common(wal2json));
        assert_eq!(pgoutput, wal2json, "{scenario}, entry {index}: pgoutput (left) and wal2json differ");
    }
    assert_eq!(pgoutput.len(), wal2json.len(), "{scenario}: one tells more than the other");
}

#[test]
fn both_plugins_tell_the_same() {
    for scenario in scenarios() {
        if scenario != "lost_numbers" && scenario != "partition_identity" {
            assert_same(&scenario, &pgoutput_entries(&scenario), &wal2json_entries(&scenario));
        }
    }
}

#[test]
fn wal2json_alone_loses_nan_and_infinity() {
    let pgoutput = operations_of(&pgoutput_entries("lost_numbers"), "t");
    let wal2json = operations_of(&wal2json_entries("lost_numbers"), "t");
    let told = inserted(&["3", "1.5", "2.50"]);
    assert_eq!(pgoutput, [inserted(&["1", "NaN", "NaN"]), inserted(&["2", "-Infinity", "Infinity"]), told.clone()]);
    assert_eq!(wal2json, [inserted(&["1", "·", "·"]), inserted(&["2", "·", "·"]), told]);
}
