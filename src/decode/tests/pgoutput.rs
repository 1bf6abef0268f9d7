//! One test a message type, on bytes that Postgres 15 sent; then what is refused.

use std::error::Error;

use super::*;
use crate::{
    change::{Begin, Column, Commit, Table},
    decode::Fault,
};

const BEGIN: &str = "42000000000aa32f60000303e71c76ac00000004c6";
const ORIGIN: &str = "4f0000000abcdef01277616c636173745f6361707475726500";
const RELATION: &str = "52000043407075626c69630074006400010169640000000017ffffffff";
const INSERT: &str = "49000043404e0001740000000131";
const COMMIT: &str = "4300000000000aa32f60000000000aa32fa8000303e71c76ac00";
const TYPE: &str = "59000042307075626c6963006d6f6f6400";
const TRUNCATE: &str = "54000000010200004340";
const MESSAGE: &str = "4d010000000004409f0077616c636173742e6163746f720000000007757365722d3432";

fn entries(frames: &[&str]) -> Result<Vec<Entry>, DecodeError> {
    let frames: Vec<Frame> = frames.iter().map(|hex| (Lsn(7), unhex(hex).into())).collect();
    decode(&mut PgOutput::new(), &frames)
}

/// What the last frame is refused for.
fn refused(frames: &[&str]) -> DecodeError {
    let (_, before) = frames.split_last().expect("a frame");
    entries(before).expect("only the last frame is refused");
    let error = entries(frames).expect_err("the last frame is refused");
    assert!(error.source().is_none() && error.plugin() == "pgoutput" && error.lsn() == Lsn(7));
    error
}

fn relation(key: &str, columns: &[(&str, &str)]) -> String {
    let column = |(flag, name): &(&str, &str)| format!("{flag}{name}00000017ffffffff");
    format!("52000043407075626c6963007400{key}{:04x}{}", columns.len(), columns.iter().map(column).collect::<String>())
}

#[test]
fn begin_and_commit() {
    let told = entries(&[BEGIN, RELATION, INSERT, COMMIT]).expect("entries");
    let committed_at = "2026-11-23 02:28:00+00".parse().expect("a time");
    assert_eq!(told[0], Entry::Begin(Begin { commit_lsn: Lsn(0xAA32F60), committed_at, xid: 1222 }));
    assert_eq!(told[2], Entry::Commit(Commit { commit_lsn: Lsn(0xAA32F60), end_lsn: Lsn(0xAA32FA8) }));
    assert_eq!(told.len(), 3);
}

#[test]
fn origin_is_read_and_tells_nothing() {
    assert_eq!(entries(&[BEGIN, ORIGIN]).expect("no entries"), []);
    assert_eq!(
        entries(&[BEGIN, ORIGIN, RELATION, INSERT]).expect("entries"),
        entries(&[BEGIN, RELATION, INSERT]).expect("entries")
    );
}

#[test]
fn type_is_read_and_tells_nothing() {
    assert_eq!(entries(&[BEGIN, TYPE]).expect("no entries"), []);
}

#[test]
fn relation_and_insert() {
    let told = entries(&[BEGIN, RELATION, INSERT]).expect("entries");
    let columns = vec![Column { name: "id".into(), type_oid: 23 }];
    let table =
        Table { schema: "public".into(), name: "t".into(), oid: Some(0x4340), columns, key: Some(vec!["id".into()]) }
            .into();
    assert_eq!(told[1], Entry::Change(Change { lsn: Lsn(7), table, operation: inserted(&["1"]) }));
}

#[test]
fn relation_of_pg_catalog_has_no_schema_in_the_frame() {
    let in_catalog = RELATION.replacen("7075626c696300", "00", 1);
    let told = entries(&[BEGIN, &in_catalog, INSERT]).expect("entries");
    assert_eq!(changes_of(&told, "t")[0].table.schema, "pg_catalog");
}

#[test]
fn relation_announced_again_replaces_the_first() {
    let renamed = RELATION.replacen("740064", "750064", 1);
    let told = entries(&[BEGIN, RELATION, INSERT, &renamed, INSERT]).expect("entries");
    assert_eq!((changes_of(&told, "t").len(), changes_of(&told, "u").len()), (1, 1));
}

#[test]
fn update() {
    let told = pgoutput_entries("update_default");
    let key_changed = &operations_of(&told, "t")[5];
    assert_eq!(*key_changed, updated(Some(key(&["1", "x", "-", "-"])), &["10", "x", "·", "="]));
}

#[test]
fn delete() {
    assert_eq!(operations_of(&pgoutput_entries("delete"), "d")[2], Operation::Delete { old: key(&["1", "-", "-"]) });
}

#[test]
fn truncate_tells_one_change_a_relation() {
    let told = entries(&[BEGIN, RELATION, TRUNCATE]).expect("entries");
    assert_eq!(operations_of(&told, "t"), [Operation::Truncate]);
    let twice = "5400000002030000434000004340";
    assert_eq!(operations_of(&entries(&[BEGIN, RELATION, twice]).expect("entries"), "t").len(), 2);
}

#[test]
fn message() {
    let expected = LogicalMessage {
        lsn: Lsn(0x4409F00),
        transactional: true,
        prefix: "walcast.actor".into(),
        content: Bytes::from_static(b"user-42"),
    };
    assert_eq!(messages(&entries(&[BEGIN, MESSAGE]).expect("entries")), [expected]);
}

#[test]
fn an_old_row_of_key_columns_alone_is_the_whole_row() {
    let whole = relation("64", &[("01", "6100"), ("01", "6200")]);
    let update = "55000043404e0002740000000131740000000132";
    let told = entries(&[BEGIN, &whole, update]).expect("entries");
    assert_eq!(operations_of(&told, "t"), [updated(Some(full(&["1", "2"])), &["1", "2"])]);
    let toasted = "55000043404e000274000000013175";
    let told = entries(&[BEGIN, &whole, toasted]).expect("entries");
    assert_eq!(operations_of(&told, "t"), [updated(None, &["1", "="])], "the row is not known whole");
}

#[test]
fn an_unknown_relation_is_refused() {
    let error = refused(&[BEGIN, INSERT]);
    assert!(matches!(error.fault(), Fault::UnknownRelation(0x4340)));
    assert_eq!(error.table(), None);
}

#[test]
fn a_binary_cell_is_refused_and_its_table_named() {
    let error = refused(&[BEGIN, RELATION, "49000043404e0001620000000400000001"]);
    assert!(matches!(error.fault(), Fault::BinaryCell { column } if column == "id"));
    assert_eq!(error.table(), Some(&("public".into(), "t".into())));
    assert_eq!(
        error.to_string(),
        "cannot decode the pgoutput frame at 0/7 (table public.t): column id comes in binary; ask pgoutput for text \
         (binary 'false')"
    );
}

#[test]
fn an_unchanged_cell_is_refused_where_a_row_is_told_whole() {
    for row in ["49000043404e000175", "44000043404f000175", "44000043404b000175"] {
        assert!(matches!(refused(&[BEGIN, RELATION, row]).fault(), Fault::UnchangedCell { .. }), "{row}");
    }
}

#[test]
fn a_row_with_more_or_fewer_cells_than_columns_is_refused() {
    for row in ["49000043404e0000", "49000043404e00026e6e"] {
        assert!(matches!(refused(&[BEGIN, RELATION, row]).fault(), Fault::CellCount { columns: 1, .. }), "{row}");
    }
}

#[test]
fn an_unknown_tag_or_flag_is_refused() {
    let unknown = [
        "53",                                                         // Stream Start, of protocol 2
        "4301000000000aa32f60000000000aa32fa8000303e71c76ac00",       // flags of a commit
        "52000043407075626c69630074007800010169640000000017ffffffff", // replica identity x
        "52000043407075626c69630074006400010269640000000017ffffffff", // flags of a column
        "49000043404f0001740000000131",                               // an insert with an old row
        "49000043404e0001780000000131",                               // a cell of kind x
        "55000043404400",                                             // an update of neither K, O nor N
        "54000000010400004340",                                       // flags of a truncate
        "4d020000000004409f00610000000000",                           // flags of a message
    ];
    for frame in unknown {
        assert!(matches!(refused(&[BEGIN, RELATION, frame]).fault(), Fault::Unknown { .. }), "{frame}");
    }
}

#[test]
fn a_left_over_byte_is_refused() {
    for frame in [COMMIT, ORIGIN, RELATION, INSERT, TYPE, TRUNCATE, MESSAGE] {
        let longer = format!("{frame}00");
        assert!(matches!(refused(&[BEGIN, RELATION, &longer]).fault(), Fault::LeftOver(1)), "{longer}");
    }
    assert!(matches!(refused(&[&format!("{BEGIN}00")]).fault(), Fault::LeftOver(1)));
}

#[test]
fn a_text_that_is_not_utf8_is_refused() {
    let error = refused(&[BEGIN, RELATION, "49000043404e00017400000001e9"]);
    assert!(matches!(error.fault(), Fault::CellNotUtf8 { column } if column == "id"));
}
