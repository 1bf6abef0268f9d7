//! The decoders on what a real server said: `tests/fixtures/decode`, written by its `capture.sh`.

mod damage;
mod layout;
mod meaning;
mod order;
mod pgoutput;
mod poison;
mod same_writes;
mod wal2json;

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use super::{DecodeError, Decoder, PgOutput, Published, PublishedTable, Scope, Wal2Json};
use crate::change::{Cell, Change, Column, Entry, LogicalMessage, Lsn, OldRow, Operation, Row, Table, Unreadable};

/// A frame: where it starts, and its payload.
type Frame = (Lsn, Bytes);

/// The fixtures' names: one for each file of writes.
fn scenarios() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path("writes"))
        .expect("the directory of writes")
        .map(|entry| entry.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 16, "fixtures are missing: {names:?}");
    names
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/decode", name].iter().collect()
}

fn frames(plugin: &str, scenario: &str) -> Vec<Frame> {
    let file = fs::read_to_string(path(&format!("{plugin}/{scenario}.frames"))).expect("a fixture");
    let frame = |line: &str| {
        let (lsn, payload) = line.split_once(' ').expect("a position and a payload");
        let payload = if plugin == "pgoutput" { unhex(payload) } else { payload.to_owned().into_bytes() };
        (lsn.parse().expect("a position"), Bytes::from(payload))
    };
    file.lines().map(frame).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).expect("a hex digit")).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte")).collect()
}

fn manifest(scenario: &str) -> Value {
    let file = fs::read_to_string(path(&format!("published/{scenario}.json"))).expect("a fixture");
    serde_json::from_str(&file).expect("JSON")
}

fn published(scenario: &str) -> Published {
    let text = |value: &Value| value.as_str().expect("a text").into();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let flag = |value: &Value| value.as_bool().expect("a flag");
    let column = |column: &Value| Column {
        name: text(&column[0]),
        type_oid: column[1].as_u64().and_then(|oid| oid.try_into().ok()).expect("an oid"),
    };
    let table = |table: &Value| PublishedTable {
        schema: text(&table["schema"]),
        name: text(&table["name"]),
        columns: list(&table["columns"]).iter().map(column).collect(),
        scope: match flag(&table["listed"]) {
            true => Scope::Listed,
            false => Scope::All { except: list(&table["except"]).iter().map(text).collect() },
        },
        full: flag(&table["full"]),
        insert: flag(&table["insert"]),
        update: flag(&table["update"]),
        delete: flag(&table["delete"]),
        truncate: flag(&table["truncate"]),
        leaves: list(&table["leaves"]).iter().map(|leaf| (text(&leaf[0]), text(&leaf[1]))).collect(),
    };
    Published::new(list(&manifest(scenario)["tables"]).iter().map(table).collect())
}

fn decode(decoder: &mut dyn Decoder, frames: &[Frame]) -> Result<Vec<Entry>, DecodeError> {
    let mut out = Vec::new();
    for (lsn, payload) in frames {
        decoder.decode(*lsn, payload, &mut out)?;
    }
    Ok(out)
}

fn pgoutput_entries(scenario: &str) -> Vec<Entry> {
    decode(&mut PgOutput::new(), &frames("pgoutput", scenario)).expect("pgoutput's fixture decodes")
}

fn wal2json_entries(scenario: &str) -> Vec<Entry> {
    decode(&mut Wal2Json::new(published(scenario)), &frames("wal2json", scenario)).expect("wal2json's fixture decodes")
}

/// Without what only pgoutput says of a table.
fn common(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    if let Entry::Change(change) = &mut entry {
        change.table = Arc::new(Table { oid: None, key: None, ..Table::clone(&change.table) });
    }
    entry
}

/// The changes of a table, in order.
fn changes_of(entries: &[Entry], table: &str) -> Vec<Change> {
    let change = |entry: &Entry| match entry {
        Entry::Change(change) if change.table.name == table => Some(change.clone()),
        _ => None,
    };
    entries.iter().filter_map(change).collect()
}

fn operations_of(entries: &[Entry], table: &str) -> Vec<Operation> {
    changes_of(entries, table).into_iter().map(|change| change.operation).collect()
}

fn messages(entries: &[Entry]) -> Vec<LogicalMessage> {
    let message = |entry: &Entry| match entry {
        Entry::Message(message) => Some(message.clone()),
        _ => None,
    };
    entries.iter().filter_map(message).collect()
}

/// A row in short: `·` is NULL, `=` unchanged, `-` absent.
fn row(short: &[&str]) -> Row {
    let cells = short.iter().map(|short| match *short {
        "·" => Cell::Null,
        "=" => Cell::Unchanged,
        "-" => Cell::Absent,
        text => text.into(),
    });
    cells.collect()
}

fn inserted(new: &[&str]) -> Operation {
    Operation::Insert { new: row(new) }
}

fn updated(old: Option<OldRow>, new: &[&str]) -> Operation {
    Operation::Update { old, new: row(new) }
}

fn full(old: &[&str]) -> OldRow {
    OldRow::Full(row(old))
}

fn key(old: &[&str]) -> OldRow {
    OldRow::Key(row(old))
}
