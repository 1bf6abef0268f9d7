use crate::change::{Lsn, Table};

/// A frame that cannot be decoded: which one, of which plugin, about which table where that is known, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode the {plugin} frame at {lsn}{}: {fault}", of(.table))]
pub struct DecodeError {
    plugin: &'static str,
    lsn: Lsn,
    table: Option<String>,
    fault: Fault,
}

fn of(table: &Option<String>) -> String {
    table.as_ref().map(|table| format!(" (table {table})")).unwrap_or_default()
}

impl DecodeError {
    pub(super) fn new(plugin: &'static str, lsn: Lsn, Failure { table, fault }: Failure) -> Self {
        DecodeError { plugin, lsn, table, fault }
    }

    /// The output plugin, as Postgres names it: `pgoutput` or `wal2json`.
    pub fn plugin(&self) -> &'static str {
        self.plugin
    }

    /// Where the frame starts.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// `schema.name` of the table that the frame is about, where the frame could be read so far.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

/// What is wrong with a frame. A frame that is damaged or out of order is best read again: reconnect, and Postgres sends
/// its whole transaction anew. The same fault at the same position again means that sender and decoder disagree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    #[error("it ends within {what}; reconnect to read it again, and check that the stream is pgoutput protocol 1")]
    Truncated { what: &'static str },
    #[error(
        "{0} bytes are left over at its end; reconnect to read it again, and check that the stream is pgoutput protocol 1"
    )]
    LeftOver(usize),
    #[error("{what} has the unknown value {value:#04x}; ask for pgoutput protocol 1 without streaming or two_phase")]
    Unknown { what: &'static str, value: u8 },
    #[error("{what} is not UTF-8; walcast needs a database whose encoding is UTF8")]
    NotUtf8 { what: &'static str },
    #[error("column {column} comes in binary; ask pgoutput for text (binary 'false')")]
    BinaryCell { column: String },
    #[error("column {column} comes as unchanged in a row where that cannot be; reconnect to read it again")]
    UnchangedCell { column: String },
    #[error("no relation frame has announced oid {0}; reconnect, and Postgres announces every relation again")]
    UnknownRelation(u32),
    #[error("its row has {cells} cells where the relation has {columns} columns; reconnect to read both again")]
    CellCount { columns: usize, cells: usize },

    #[error("{0} comes outside a transaction; reconnect to read the transaction from its start")]
    OutsideTransaction(&'static str),
    #[error(
        "a transaction begins within the one that commits at {open}; ask for a stream of whole transactions (pgoutput protocol 1)"
    )]
    NestedBegin { open: Lsn },
    #[error(
        "it commits {commit} where the open transaction commits at {begin}; reconnect to read the transaction from its start"
    )]
    OtherCommit { begin: Lsn, commit: Lsn },

    #[error(
        "it is wal2json's format 1, which loses TRUNCATE and transactions over 1 GB; set the option format-version to 2"
    )]
    FormatVersion1,
    #[error("it is not what wal2json's format 2 says: {0}; set the options that `wal2json_options` names")]
    Json(#[from] serde_json::Error),
    #[error("it has no `{0}`; set the options that `wal2json_options` names")]
    Missing(&'static str),
    #[error("`{field}` holds {text:?}, which cannot be read; set the options that `wal2json_options` names")]
    Field { field: &'static str, text: String },
    #[error("column {column} holds JSON that is no text, number, boolean or null; wal2json never writes that")]
    NestedValue { column: String },
    #[error("column {column} comes twice; reconnect to read it again")]
    DuplicateColumn { column: String },
}

/// A [`Fault`], and the table it was found in, on the way to a [`DecodeError`].
#[derive(Debug)]
pub(super) struct Failure {
    table: Option<String>,
    fault: Fault,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure { table: None, fault }
    }
}

impl Fault {
    pub(super) fn of(self, table: &Table) -> Failure {
        Failure { table: Some(table.to_string()), fault: self }
    }
}
