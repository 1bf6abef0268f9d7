//! One test an action, on what wal2json 2.5 wrote; then what only wal2json does, and what is refused.

use super::*;
use crate::{
    change::{Begin, Commit, Table},
    decode::{Fault, wal2json_options},
};

const BEGIN: &str =
    r#"{"action":"B","xid":1222,"timestamp":"2026-11-23 02:28:00.000001+00","lsn":"0/AA32F60","nextlsn":"0/AA32FA8"}"#;
const COMMIT: &str =
    r#"{"action":"C","xid":1222,"timestamp":"2026-11-23 02:28:00.000001+00","lsn":"0/AA32F60","nextlsn":"0/AA32FA8"}"#;

/// Publishes table `t`, without a column list but for column `generated`. The catalog has its columns as int4.
fn published_t(columns: &[&'static str]) -> Published {
    Published::new(vec![table_t(columns)])
}

pub(super) fn table_t(columns: &[&'static str]) -> PublishedTable {
    PublishedTable {
        schema: "public".into(),
        name: "t".into(),
        columns: columns.iter().map(|name| Column { name: (*name).into(), type_oid: 23 }).collect(),
        scope: Scope::All { except: vec!["generated".into()] },
        full: false,
        insert: true,
        update: true,
        delete: true,
        truncate: true,
        leaves: vec![("public".into(), "leaf".into())],
    }
}

/// Decodes frames of a transaction on table `t`, whose published columns are `a` and `b`.
fn entries<T: AsRef<[u8]>>(frames: &[T]) -> Result<Vec<Entry>, DecodeError> {
    entries_of(table_t(&["a", "b"]), frames)
}

/// Decodes frames of a transaction on a table.
pub(super) fn entries_of<T: AsRef<[u8]>>(table: PublishedTable, frames: &[T]) -> Result<Vec<Entry>, DecodeError> {
    let frames = frames.iter().map(|frame| Bytes::copy_from_slice(frame.as_ref()));
    let frames: Vec<Frame> =
        std::iter::once(Bytes::from_static(BEGIN.as_bytes())).chain(frames).map(|frame| (Lsn(7), frame)).collect();
    decode(&mut Wal2Json::new(Published::new(vec![table])), &frames)
}

fn refused(frame: impl AsRef<[u8]>) -> DecodeError {
    entries(&[frame]).expect_err("the frame is refused")
}

/// A column that a change shows: name, type oid, JSON.
pub(super) type Shown<'a> = (&'a str, &'a str, &'a str);

/// A change of `t`.
pub(super) fn change(action: &str, columns: Option<&[Shown<'_>]>, identity: Option<&[Shown<'_>]>) -> String {
    let row = |label: &str, columns: Option<&[Shown<'_>]>| match columns {
        Some(columns) => {
            let one =
                |(name, oid, value): &Shown<'_>| format!(r#"{{"name":"{name}","typeoid":{oid},"value":{value}}}"#);
            format!(r#","{label}":[{}]"#, columns.iter().map(one).collect::<Vec<_>>().join(","))
        }
        None => String::new(),
    };
    format!(
        r#"{{"action":"{action}","xid":1222,"lsn":"0/AA32E80","schema":"public","table":"t"{}{}}}"#,
        row("columns", columns),
        row("identity", identity)
    )
}

pub(super) fn insert(columns: &[Shown<'_>]) -> String {
    change("I", Some(columns), None)
}

#[test]
fn begin_and_commit() {
    let told = entries(&[&insert(&[("a", "23", "1"), ("b", "25", "null")]), COMMIT]).expect("entries");
    let committed_at = "2026-11-23 02:28:00.000001+00".parse().expect("a time");
    assert_eq!(told[0], Entry::Begin(Begin { commit_lsn: Lsn(0xAA32F60), committed_at, xid: 1222 }));
    assert_eq!(told[2], Entry::Commit(Commit { commit_lsn: Lsn(0xAA32F60), end_lsn: Lsn(0xAA32FA8) }));
}

#[test]
fn insert_shows_the_table() {
    let told = wal2json_entries("origin");
    let columns = vec![Column { name: "id".into(), type_oid: 23 }];
    let table = Table { schema: "public".into(), name: "t".into(), oid: None, columns, key: None }.into();
    let Entry::Change(change) = &told[1] else { panic!("a change, not {:?}", told[1]) };
    assert_eq!(*change, Change { lsn: change.lsn, table, operation: inserted(&["1"]) });
    assert_eq!(change.lsn, frames("wal2json", "origin")[3].0, "the frame's position is the change's");
}

#[test]
fn update() {
    let key_changed = &operations_of(&wal2json_entries("update_default"), "t")[5];
    assert_eq!(*key_changed, updated(Some(key(&["1", "x", "-", "-"])), &["10", "x", "·", "="]));
}

#[test]
fn delete() {
    assert_eq!(operations_of(&wal2json_entries("delete"), "d")[2], Operation::Delete { old: key(&["1", "-", "-"]) });
}

#[test]
fn truncate() {
    let told = operations_of(&wal2json_entries("truncate"), "b");
    assert_eq!(told[1..], [Operation::Truncate, Operation::Truncate]);
}

#[test]
fn message() {
    let of_fixture = messages(&wal2json_entries("message"));
    assert_eq!(of_fixture[0].content, "user-42");
    assert_eq!((of_fixture[2].transactional, of_fixture[0].transactional), (false, true));
}

#[test]
fn a_message_of_any_bytes_passes() {
    // Captured: pg_logical_emit_message(true, 'bin', '\x41ff00c328'::bytea). wal2json stops at the NUL.
    let frame = b"{\"action\":\"M\",\"lsn\":\"0/7\",\"transactional\":true,\"prefix\":\"bin\",\"content\":\"A\xff\"}";
    let told = messages(&entries(&[frame]).expect("entries"));
    assert_eq!(told[0].content, Bytes::from_static(b"A\xff"));
}

#[test]
fn an_update_without_an_identity_tells_no_old_row() {
    let row = [("a", "23", "1"), ("b", "25", "\"x\"")];
    let told = operations_of(&entries(&[change("U", Some(&row), None)]).expect("entries"), "t");
    assert_eq!(told, [updated(None, &["1", "x"])]);
}

#[test]
fn an_oid_over_two_to_the_31_is_printed_negative() {
    let told = entries(&[insert(&[("a", "-2", "1"), ("b", "4294967295", "1")])]).expect("entries");
    let oids: Vec<u32> = changes_of(&told, "t")[0].table.columns.iter().map(|column| column.type_oid).collect();
    assert_eq!(oids, [u32::MAX - 1, u32::MAX]);
    for oid in ["4294967296", "-2147483649", "1.5", "\"23\""] {
        assert!(matches!(refused(insert(&[("a", oid, "1")])).fault(), Fault::Json(_)), "{oid}");
    }
}

#[test]
fn what_an_update_leaves_as_it_was_is_in_both_rows() {
    let rows = [[("a", "25", r#""one\"""#), ("b", "17", r#""0a""#)], [("a", "25", r#""two""#), ("b", "17", r#""0a""#)]];
    let frames =
        [insert(&rows[0]), change("U", Some(&rows[0]), Some(&rows[0])), change("U", Some(&rows[1]), Some(&rows[0]))];
    let told = operations_of(&entries(&frames).expect("entries"), "t");
    assert_eq!(told[1], updated(Some(full(&["one\"", "\\x0a"])), &["one\"", "\\x0a"]));
    assert_eq!(told[2], updated(Some(full(&["one\"", "\\x0a"])), &["two", "\\x0a"]));
}

#[test]
fn format_1_is_refused_and_the_option_named() {
    let whole = r#"{"xid":1,"nextlsn":"0/7","change":[{"kind":"insert","schema":"public","table":"t","columnnames":["id"],"columntypes":["integer"],"columnvalues":[1]}]}"#;
    for frame in [whole, r#"{"change":[]}"#] {
        let error = refused(frame);
        assert!(matches!(error.fault(), Fault::FormatVersion1));
        assert!(error.to_string().ends_with("set the option format-version to 2"), "{error}");
    }
    // What write-in-chunks makes of format 1 is no JSON at all.
    assert!(matches!(refused(r#"{"xid":1,"change":["#).fault(), Fault::Json(_)));
}

#[test]
fn a_missing_field_is_refused_and_named() {
    let missing = [
        ("{}", "action"),
        (r#"{"action":"I","lsn":"0/7","table":"t","columns":[]}"#, "schema"),
        (r#"{"action":"I","lsn":"0/7","schema":"public","columns":[]}"#, "table"),
        (r#"{"action":"I","lsn":"0/7","schema":"public","table":"t"}"#, "columns"),
        (r#"{"action":"I","schema":"public","table":"t","columns":[]}"#, "lsn"),
        (r#"{"action":"D","lsn":"0/7","schema":"public","table":"t"}"#, "identity"),
        (r#"{"action":"T","schema":"public","table":"t"}"#, "lsn"),
        (r#"{"action":"C","lsn":"0/AA32F60"}"#, "nextlsn"),
        (r#"{"action":"B","xid":1,"lsn":"0/7"}"#, "timestamp"),
        (r#"{"action":"B","timestamp":"2026-11-23 02:28:00+00","lsn":"0/7"}"#, "xid"),
        (r#"{"action":"M","lsn":"0/7","prefix":"a","content":""}"#, "transactional"),
        (r#"{"action":"M","lsn":"0/7","transactional":true,"content":""}"#, "prefix"),
        (r#"{"action":"M","lsn":"0/7","transactional":true,"prefix":"a"}"#, "content"),
    ];
    for (frame, field) in missing {
        assert!(matches!(refused(frame).fault(), Fault::Missing(named) if *named == field), "{frame}");
    }
}

#[test]
fn a_field_that_cannot_be_read_is_refused_and_quoted() {
    for (frame, text) in [
        (r#"{"action":"X"}"#, "X"),
        (r#"{"action":"I","lsn":"07","schema":"public","table":"t","columns":[]}"#, "07"),
        (r#"{"action":"B","xid":1,"timestamp":"yesterday","lsn":"0/7"}"#, "yesterday"),
    ] {
        assert!(matches!(refused(frame).fault(), Fault::Field { text: quoted, .. } if quoted == text), "{frame}");
    }
}

#[test]
fn a_value_that_is_json_in_json_is_refused_and_its_table_named() {
    for value in ["[1]", "{}"] {
        let error = refused(insert(&[("a", "23", value)]));
        assert!(matches!(error.fault(), Fault::NestedValue { column } if column == "a"));
        assert_eq!((error.plugin(), error.table()), ("wal2json", Some(&("public".into(), "t".into()))));
    }
}

#[test]
fn a_column_that_comes_twice_is_refused() {
    let twice = [("a", "23", "1"), ("b", "25", "\"x\""), ("a", "23", "1")];
    for frame in [insert(&twice), change("U", Some(&twice), Some(&twice[..1])), change("D", None, Some(&twice))] {
        assert!(matches!(refused(frame).fault(), Fault::DuplicateColumn { column } if column == "a"));
    }
}

#[test]
fn spaces_escapes_and_fields_of_other_options_are_passed_over() {
    let frame = r#" { "action" : "I", "origin": {"a": ["]", {"}\"": 1}], "b": -1.5e3}, "xid": null, "lsn": "0/7",
        "sch\u0065ma": "public", "table": "\u0074", "columns": [ {"name": "a", "type": "text", "typeoid": 25, "value": "\n"},
        {"value": true, "typeoid": 16, "name": "b"} ] } "#;
    assert_eq!(operations_of(&entries(&[frame]).expect("entries"), "t"), [inserted(&["\n", "t"])]);
}

#[test]
fn what_is_no_json_is_refused() {
    let whole = insert(&[("a", "23", "1"), ("b", "25", "\"x\"")]);
    assert!(entries(&[&whole]).is_ok());
    for (sound, unsound) in [
        ("\"value\":1", "\"value\":01"),
        ("\"value\":1", "\"value\":1-2"),
        ("\"value\":1", "\"value\":nul"),
        ("\"value\":1", "\"value\":"),
        ("\"value\":1", "\"value\":1,\"value\":1"),
        ("\"value\":1", "\"valu\":1"),
        ("\"x\"", "\"\\x\""),
        ("\"x\"", "\"x\\"),
        ("},{", "}{"),
        ("},{", "},,{"),
        ("\"table\":", "\"table\" "),
        ("\"table\":", "\"schema\":"),
        ("\"table\":", "table:"),
        ("\"t\"", "7"),
    ] {
        let frame = whole.replacen(sound, unsound, 1);
        assert!(matches!(refused(&frame).fault(), Fault::Json(_)), "{frame}");
    }
}

#[test]
fn a_left_over_byte_is_refused() {
    assert!(matches!(refused(format!("{COMMIT}}}")).fault(), Fault::Json(_)));
}

#[test]
fn a_cell_that_is_not_utf8_is_refused() {
    let frame = insert(&[("a", "25", "\"?\"")]).into_bytes();
    let frame: Vec<u8> = frame.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    assert!(matches!(refused(frame).fault(), Fault::Json(_)));
}

/// The fixtures' `add_tables` is what the server was asked for when they were captured, odd names included.
#[test]
fn add_tables_is_what_the_server_understood() {
    for scenario in scenarios() {
        assert_eq!(published(&scenario).add_tables(), manifest(&scenario)["add_tables"], "{scenario}");
    }
    assert!(published("names").add_tables().contains(r#"odd\,\ \*schema\..ta\'b\"l\\e\.\,\*\ é"#));
    assert_eq!(changes_of(&wal2json_entries("names"), "*").len(), 2);
}

#[test]
fn options_ask_for_format_2_and_the_published_tables() {
    let options = wal2json_options(&published_t(&["a"]));
    let value = |name: &str| options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((value("format-version"), value("add-tables")), (Some("2"), Some("public.t,public.leaf")));
    assert_eq!(Published::default().add_tables(), "", "which wal2json takes for no table at all");
}
