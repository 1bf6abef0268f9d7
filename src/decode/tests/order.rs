//! Frames out of order are refused, by both decoders alike.

use super::*;
use crate::decode::Fault;

const PGOUTPUT: [(&str, &str); 8] = [
    ("begin", "420000000000000010000303e71c76ac0000000001"),
    ("commit", "430000000000000000100000000000000020000303e71c76ac00"),
    ("other commit", "430000000000000000110000000000000020000303e71c76ac00"),
    ("relation", "52000043407075626c69630074006400010169640000000017ffffffff"),
    ("insert", "49000043404e0001740000000131"),
    ("truncate", "54000000010000004340"),
    ("message", "4d01000000000000000f610000000000"),
    ("loose message", "4d00000000000000000f610000000000"),
];

const WAL2JSON: [(&str, &str); 8] = [
    ("begin", r#"{"action":"B","xid":1,"timestamp":"2026-11-23 02:28:00+00","lsn":"0/10","nextlsn":"0/20"}"#),
    ("commit", r#"{"action":"C","xid":1,"timestamp":"2026-11-23 02:28:00+00","lsn":"0/10","nextlsn":"0/20"}"#),
    ("other commit", r#"{"action":"C","xid":1,"timestamp":"2026-11-23 02:28:00+00","lsn":"0/11","nextlsn":"0/20"}"#),
    ("relation", r#"{"action":"T","xid":1,"lsn":"0/0","schema":"public","table":"hidden"}"#),
    (
        "insert",
        r#"{"action":"I","xid":1,"lsn":"0/7","schema":"public","table":"t","columns":[{"name":"id","typeoid":23,"value":1}]}"#,
    ),
    ("truncate", r#"{"action":"T","xid":1,"lsn":"0/7","schema":"public","table":"t"}"#),
    ("message", r#"{"action":"M","xid":1,"lsn":"0/F","transactional":true,"prefix":"a","content":""}"#),
    ("loose message", r#"{"action":"M","xid":null,"lsn":"0/F","transactional":false,"prefix":"a","content":""}"#),
];

/// What each decoder makes of frames, by their names above.
fn both(names: &[&str]) -> [Result<Vec<Entry>, DecodeError>; 2] {
    let find = |frames: &[(&str, &'static str)], name: &str| {
        frames.iter().find(|(known, _)| *known == name).expect("a frame of that name").1
    };
    let pgoutput: Vec<Frame> = names.iter().map(|name| (Lsn(7), unhex(find(&PGOUTPUT, name)).into())).collect();
    let wal2json: Vec<Frame> =
        names.iter().map(|name| (Lsn(7), Bytes::from_static(find(&WAL2JSON, name).as_bytes()))).collect();
    let mut of_wal2json = Wal2Json::new(published("message"));
    [decode(&mut PgOutput::new(), &pgoutput), decode(&mut of_wal2json, &wal2json)]
}

/// Both tell so many entries, and the same.
fn told(names: &[&str], entries: usize) {
    let [pgoutput, wal2json] =
        both(names).map(|told| told.expect("the frames are in order").iter().map(common).collect::<Vec<_>>());
    assert_eq!(pgoutput, wal2json, "{names:?}");
    assert_eq!(pgoutput.len(), entries, "{names:?}");
}

fn refused(names: &[&str], is: impl Fn(&Fault) -> bool) {
    let (_, before) = names.split_last().expect("a frame");
    for (told, allowed) in both(names).into_iter().zip(both(before)) {
        allowed.expect("only the last frame is out of order");
        let error = told.expect_err("the last frame is out of order");
        assert!(is(error.fault()), "{names:?}: {error}");
    }
}

#[test]
fn a_transaction_is_told_from_begin_to_commit() {
    told(&["begin", "relation", "insert", "truncate", "message", "commit", "begin", "insert", "commit"], 8);
}

#[test]
fn a_change_outside_a_transaction_is_refused() {
    for change in ["insert", "truncate", "message", "relation", "commit"] {
        refused(&[change], |fault| matches!(fault, Fault::OutsideTransaction(_)));
        refused(&["begin", "relation", "insert", "commit", change], |fault| {
            matches!(fault, Fault::OutsideTransaction(_))
        });
    }
}

#[test]
fn begin_within_a_transaction_is_refused() {
    refused(&["begin", "begin"], |fault| matches!(fault, Fault::NestedBegin { open: Lsn(0x10) }));
}

#[test]
fn a_commit_of_another_transaction_is_refused() {
    refused(&["begin", "other commit"], |fault| {
        matches!(fault, Fault::OtherCommit { begin: Lsn(0x10), commit: Lsn(0x11) })
    });
}

#[test]
fn a_message_that_is_not_transactional_needs_no_transaction() {
    told(&["loose message", "begin", "relation", "insert", "commit", "loose message"], 5);
}

#[test]
fn a_transaction_that_tells_nothing_is_not_told() {
    told(&["begin", "relation", "commit"], 0);
    told(&["begin", "relation"], 0);
}
