use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Lsn, Row, Table, TableName, Timestamp};

/// One entry of the stream of committed transactions.
///
/// A transaction is `Begin`, then its changes and transactional messages in the order they were made (with an
/// `Unreadable` in the place of each that could not be decoded), then `Commit`; transactions follow each other in commit
/// order and never interleave. Nothing of a transaction that rolled back is ever seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Begin(Begin),
    Change(Change),
    Message(LogicalMessage),
    Unreadable(Unreadable),
    Commit(Commit),
}

/// A committed transaction starts. Its commit position is known already, so its events can be numbered as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where the commit record starts (pgoutput's `final_lsn`): it identifies the transaction.
    pub commit_lsn: Lsn,
    pub committed_at: Timestamp,
    pub xid: u32,
}

/// A transaction is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub commit_lsn: Lsn,
    /// Where the commit record ends. Confirm this one: confirming `commit_lsn` would replay the transaction.
    pub end_lsn: Lsn,
}

/// One change of one row, or of a whole table.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where in the log the change itself stands; for messages to operators.
    pub lsn: Lsn,
    pub table: Arc<Table>,
    pub operation: Operation,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Insert {
        new: Row,
    },
    /// `old` is `None` where the replica identity is not FULL and the UPDATE left it unchanged.
    Update {
        old: Option<OldRow>,
        new: Row,
    },
    Delete {
        old: OldRow,
    },
    Truncate,
}

/// What the log tells of a row before the change.
#[derive(Clone, Debug, PartialEq)]
pub enum OldRow {
    /// The whole row: replica identity FULL.
    Full(Row),
    /// Only the columns of the replica identity; the others are [`Cell::Absent`](super::Cell::Absent).
    Key(Row),
}

impl OldRow {
    pub fn row(&self) -> &Row {
        match self {
            OldRow::Full(row) | OldRow::Key(row) => row,
        }
    }
}

/// Something was told here that nobody could read: a row's change, a TRUNCATE, a message. What followed it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub lsn: Lsn,
    /// A name that is not UTF-8 has U+FFFD where it cannot be read. `None`: it may be about any table.
    pub table: Option<TableName>,
}

/// What `pg_logical_emit_message` wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalMessage {
    pub lsn: Lsn,
    /// A message that is not transactional stands outside every transaction and outlives a rollback.
    pub transactional: bool,
    pub prefix: ByteString,
    pub content: Bytes,
}
