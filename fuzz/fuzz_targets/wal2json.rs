//! A stream of frames, each after its length in two bytes, big-endian: `Wal2Json` may refuse it, but not panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use walcast_fuzz::{
    change::Column,
    decode::{Published, PublishedTable, Scope, Wal2Json},
    stream,
};

/// `pg_type.oid`.
const TEXT: u32 = 25;

/// Tables and columns of the fixtures.
fn published() -> Published {
    let table = |name: &'static str, columns: &[&'static str], leaves: &[&'static str]| PublishedTable {
        schema: "public".into(),
        name: name.into(),
        columns: columns.iter().map(|column| Column { name: (*column).into(), type_oid: TEXT }).collect(),
        scope: Scope::All { except: Vec::new() },
        full: true,
        insert: true,
        update: true,
        delete: true,
        truncate: true,
        leaves: leaves.iter().map(|leaf| ("public".into(), (*leaf).into())).collect(),
    };
    Published::new(vec![
        table("t", &["id", "k", "code", "a", "big", "note", "b", "c"], &[]),
        table("p", &["id", "at", "note"], &["p_2025", "p_2026"]),
        table("a", &["id"], &[]),
        table("d", &["id", "a", "b"], &[]),
        table("f", &["id", "a", "big"], &[]),
        table("empty", &[], &[]),
    ])
}

fuzz_target!(|data: &[u8]| stream::run(Wal2Json::new(published()), data));
