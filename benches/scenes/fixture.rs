//! What a real server said of an UPDATE of one row of `components`: `benches/fixtures`, by tests/fixtures/decode/capture.sh.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use serde_json::Value;
use walcast::{
    change::{Cell, Change, Column, Entry, Lsn, OldRow, Operation, Row},
    decode::{Decoder, PgOutput, Published, PublishedTable, Scope},
    events::{Mapper, RuleSpec},
};

/// A frame: where it starts, and its payload.
pub type Frame = (Lsn, Bytes);

fn read(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "benches/fixtures", name].iter().collect();
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn frames(name: &str, payload: impl Fn(&str) -> Vec<u8>) -> Vec<Frame> {
    let frame = |line: &str| {
        let (lsn, text) = line.split_once(' ').expect("a position and a payload");
        (lsn.parse().expect("a position"), Bytes::from(payload(text)))
    };
    read(name).lines().map(frame).collect()
}

pub fn wal2json_frames(scenario: &str) -> Vec<Frame> {
    frames(&format!("wal2json/{scenario}.frames"), |text| text.as_bytes().to_vec())
}

pub fn pgoutput_frames(scenario: &str) -> Vec<Frame> {
    frames(&format!("pgoutput/{scenario}.frames"), |hex| {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte");
        (0..hex.len()).step_by(2).map(byte).collect()
    })
}

/// The same as of another commit.
pub fn pgoutput_frames_at(scenario: &str, commit_lsn: u64) -> Vec<Frame> {
    let moved = |(lsn, payload): Frame| {
        let mut payload = payload.to_vec();
        match payload[0] {
            b'B' => payload[1..9].copy_from_slice(&commit_lsn.to_be_bytes()),
            b'C' => {
                payload[2..10].copy_from_slice(&commit_lsn.to_be_bytes());
                payload[10..18].copy_from_slice(&(commit_lsn + 48).to_be_bytes());
            }
            _ => {}
        }
        (lsn, payload.into())
    };
    pgoutput_frames(scenario).into_iter().map(moved).collect()
}

/// The publication, of this one table.
pub fn published(scenario: &str) -> Published {
    let told: Value = serde_json::from_str(&read(&format!("published/{scenario}.json"))).expect("JSON");
    let table = &told["tables"][0];
    let text = |value: &Value| value.as_str().expect("a text").into();
    let oid = |value: &Value| value.as_u64().and_then(|oid| oid.try_into().ok()).expect("an oid");
    let columns = table["columns"].as_array().expect("columns").iter();
    Published::new(vec![PublishedTable {
        schema: text(&table["schema"]),
        name: text(&table["name"]),
        columns: columns.map(|column| Column { name: text(&column[0]), type_oid: oid(&column[1]) }).collect(),
        scope: Scope::All { except: Vec::new() },
        full: true,
        insert: true,
        update: true,
        delete: true,
        truncate: true,
        leaves: Vec::new(),
    }])
}

/// The transaction as the log tells it.
pub fn transaction(scenario: &str) -> Vec<Entry> {
    let (mut decoder, mut entries) = (PgOutput::new(), Vec::new());
    for (lsn, payload) in pgoutput_frames(scenario) {
        decoder.decode(lsn, &payload, &mut entries).expect("a frame that a server sent");
    }
    entries
}

/// The change in a transaction of one.
pub fn change(entries: &mut [Entry]) -> &mut Change {
    let found = entries.iter_mut().find_map(|entry| match entry {
        Entry::Change(change) => Some(change),
        _ => None,
    });
    found.expect("a change")
}

/// The same transaction at another place of the log, of a row of another entity.
pub fn move_to(entries: &mut [Entry], commit_lsn: Lsn, entity_id: &str) {
    for entry in entries.iter_mut() {
        match entry {
            Entry::Begin(begin) => begin.commit_lsn = commit_lsn,
            Entry::Commit(commit) => commit.commit_lsn = commit_lsn,
            _ => {}
        }
    }
    let change = change(entries);
    let column = change.table.column("entity_id").expect("the entity");
    let Operation::Update { old: Some(OldRow::Full(old)), new } = &mut change.operation else {
        panic!("{change:?} tells no old row");
    };
    for row in [old, new] {
        *row = with(row, column, entity_id);
    }
}

/// The row with another text in a column.
pub fn with(row: &Row, column: usize, text: &str) -> Row {
    row.cells().enumerate().map(|(index, cell)| if index == column { Cell::from(text) } else { cell }).collect()
}

/// By the rule that walcast gives its own `components`.
pub fn mapper() -> Mapper {
    let rule: RuleSpec = serde_json::from_value(serde_json::json!({
        "schema_name": "public", "table_name": "components", "prefix": "component", "id_column": "id",
        "entity_type_column": "entity_type", "entity_id_column": "entity_id",
        "actor_column": "updated_by", "creator_column": "created_by", "version_column": "version",
        "nested": {"column": "rows", "children": "components"},
    }))
    .expect("a rule");
    Mapper::new(vec![rule]).expect("a sound rule")
}
