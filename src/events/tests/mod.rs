//! The stream as the log would give it, and what a client makes of its events.

mod actors;
mod broadcasts;
mod child_rows;
mod documents;
mod identity;
mod losses;
mod merged;
mod payloads;
mod plain_tables;
mod rules_in_stream;
mod total;
mod truncate;

use std::sync::Arc;

use proptest::test_runner::{Config, RngSeed};
use serde_json::{Value, json};

use super::*;
use crate::change::*;

/// Properties are tried on the same inputs in every run.
pub(super) fn seeded(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0x57A1_CA57), ..Config::default() }
}

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const UUID: u32 = 2950;
const JSONB: u32 = 3802;

const COMMIT: Lsn = Lsn(0x1A2B);

fn table(schema: &str, name: &str, columns: &[(&str, u32)]) -> Arc<Table> {
    let column = |(name, type_oid): &(&str, u32)| Column { name: (*name).into(), type_oid: *type_oid };
    Arc::new(Table {
        schema: schema.into(),
        name: name.into(),
        oid: None,
        columns: columns.iter().map(column).collect(),
        key: None,
    })
}

fn rule(json: Value) -> RuleSpec {
    serde_json::from_value(json).expect("a rule")
}

fn components() -> Arc<Table> {
    table(
        "public",
        "components",
        &[
            ("id", UUID),
            ("entity_type", TEXT),
            ("entity_id", TEXT),
            ("name", TEXT),
            ("rows", JSONB),
            ("version", INT8),
            ("created_by", TEXT),
            ("updated_by", TEXT),
        ],
    )
}

fn components_rule() -> Value {
    json!({
        "schema_name": "public", "table_name": "components", "prefix": "component", "id_column": "id",
        "entity_type_column": "entity_type", "entity_id_column": "entity_id",
        "actor_column": "updated_by", "creator_column": "created_by", "version_column": "version",
        "nested": {"column": "rows", "children": "components"},
    })
}

/// `"∅"` is NULL, `"…"` unchanged, `"-"` absent.
fn row<const N: usize>(cells: [&str; N]) -> Row {
    let cell = |text| match text {
        "∅" => Cell::Null,
        "…" => Cell::Unchanged,
        "-" => Cell::Absent,
        text => Cell::from(text),
    };
    cells.into_iter().map(cell).collect()
}

fn insert(new: Row) -> Operation {
    Operation::Insert { new }
}

fn update(old: Row, new: Row) -> Operation {
    Operation::Update { old: Some(OldRow::Full(old)), new }
}

fn delete(old: Row) -> Operation {
    Operation::Delete { old: OldRow::Full(old) }
}

fn set_actor(content: &str) -> Entry {
    message(ACTOR_PREFIX, content)
}

fn message(prefix: &str, content: &str) -> Entry {
    Entry::Message(LogicalMessage {
        lsn: Lsn(7),
        transactional: true,
        prefix: prefix.into(),
        content: content.to_owned().into(),
    })
}

/// A mapper within a transaction, and what it gave.
struct Stream {
    mapper: Mapper,
    out: Vec<Event>,
}

impl Stream {
    fn new(rules: &[Value]) -> Self {
        let mapper = Mapper::new(rules.iter().cloned().map(rule).collect()).expect("sound rules");
        let mut stream = Stream { mapper, out: Vec::new() };
        stream.begin(COMMIT);
        stream
    }

    fn begin(&mut self, commit_lsn: Lsn) {
        let committed_at = "2026-11-23 02:28:00.135927+00".parse().expect("a time");
        self.take(Entry::Begin(Begin { commit_lsn, committed_at, xid: 9 })).expect("a beginning");
    }

    fn commit(&mut self) -> Result<(), MapError> {
        self.take(Entry::Commit(Commit { commit_lsn: COMMIT, end_lsn: Lsn(COMMIT.0 + 48) }))
    }

    fn take(&mut self, entry: Entry) -> Result<(), MapError> {
        self.mapper.map(entry, &mut self.out)
    }

    fn change(&mut self, table: &Arc<Table>, operation: Operation) -> Result<(), MapError> {
        self.take(entry(table, operation))
    }

    /// The events since the last call, each as `name rooms payload`.
    fn told(&mut self) -> Vec<String> {
        self.out.drain(..).map(|event| show(&event)).collect()
    }

    /// The events of a change that is told without a fault.
    fn tell(&mut self, table: &Arc<Table>, operation: Operation) -> Vec<String> {
        self.change(table, operation).expect("a change without a fault");
        self.told()
    }
}

fn entry(table: &Arc<Table>, operation: Operation) -> Entry {
    Entry::Change(Change { lsn: Lsn(0x1000), table: Arc::clone(table), operation })
}

/// The payload without offset and timestamp, which [`payloads`] looks at.
fn show(event: &Event) -> String {
    let Target::Rooms(rooms) = event.target() else { panic!("{event:?} is table-wide") };
    let rooms: Vec<_> = rooms.iter().map(Room::as_str).collect();
    let payload = encode(event);
    let tail = payload.rfind(r#","offset":"#).expect("an offset");
    format!("{} [{}] {}}}", event.name(), rooms.join(" "), &payload[..tail])
}

fn encode(event: &Event) -> String {
    let payload = event.encode(&Epoch::new("k7"), &Room::row("no", "matter"));
    let read: Result<Value, _> = serde_json::from_str(&payload);
    assert!(read.is_ok_and(|payload| payload.is_object()), "{payload}");
    payload
}
