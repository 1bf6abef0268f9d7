//! Floor 1: the SQL side of Postgres. Every statement that is not replication lives here or in `sql/`.

mod broadcasts;
mod demo;
mod error;
mod migrations;
mod pool;
mod publication;
mod reads;
mod row_security;
mod rule_table;
mod seed;
mod sessions;
mod slots;
pub mod survey;
mod tables;
mod visible;
mod writes;

pub use broadcasts::{BroadcastError, Broadcasts};
pub use demo::{Edit, Edited};
pub use error::StoreError;
pub use migrations::{Migrated, migrate};
pub use pool::Store;
pub use reads::{Found, Page, Read, ReadError, Reads, Selection, Snapshot};
pub use row_security::RowSecurity;
pub use sessions::SavedSession;
pub use slots::Standing;
pub use writes::{Action, Identity, Values, Write, WriteError, WriteSettings, Writes, Written};
