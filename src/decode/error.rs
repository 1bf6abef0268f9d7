use bytestring::ByteString;

use crate::change::{Lsn, Table, TableName};

/// A frame that cannot be decoded: which one, of which plugin, about which table where that is known, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode the {plugin} frame at {lsn}{}: {fault}", of(.table))]
pub struct DecodeError {
    plugin: &'static str,
    lsn: Lsn,
    // Boxed, since every result on the way holds the room for it.
    table: Option<Box<TableName>>,
    fault: Fault,
    harm: Harm,
}

fn of(table: &Option<Box<TableName>>) -> String {
    table.as_deref().map(|(schema, name)| format!(" (table {schema}.{name})")).unwrap_or_default()
}

impl DecodeError {
    pub(super) fn new(plugin: &'static str, lsn: Lsn, Failure { table, fault, harm }: Failure) -> Self {
        DecodeError { plugin, lsn, table: table.map(Box::new), fault, harm }
    }

    /// The output plugin, as Postgres names it: `pgoutput` or `wal2json`.
    pub fn plugin(&self) -> &'static str {
        self.plugin
    }

    /// Where the frame starts.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// The table that the frame is about, where the frame could be read so far.
    pub fn table(&self) -> Option<&TableName> {
        self.table.as_deref()
    }

    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Whether the fault is the frame's own, so that those after it can be read without it.
    ///
    /// It is where the frame is known to be a change, a message, a relation, a type or an origin, and stands in its order:
    /// each frame says itself where it ends, and none of these moves the transaction. A relation's fault makes all changes of
    /// it unreadable until it is announced again. It is not where the frame may have begun or ended a transaction (a
    /// Begin, a Commit, an unknown tag, a frame out of order), nor where nothing tells which relation is void.
    pub fn is_skippable(&self) -> bool {
        self.harm != Harm::Stream
    }
}

/// What is wrong with a frame. Where it cannot be [skipped](DecodeError::is_skippable), it is best read again: reconnect,
/// and Postgres sends its whole transaction anew. The same fault at the same position again means that sender and decoder disagree.
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
    #[error("{what} is not UTF-8; mend it in the database, and use one whose encoding is UTF8")]
    NotUtf8 { what: &'static str },
    #[error("column {column} holds a text that is not UTF-8; mend the row, and use a database whose encoding is UTF8")]
    CellNotUtf8 { column: String },
    #[error("column {column} comes in binary; ask pgoutput for text (binary 'false')")]
    BinaryCell { column: String },
    #[error("column {column} comes as unchanged in a row where that cannot be; reconnect to read it again")]
    UnchangedCell { column: String },
    #[error(
        "no relation frame that could be read has announced oid {0}; restart, and Postgres announces every relation again"
    )]
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

/// A [`Fault`], the table it was found in, and how much is lost by it, on the way to a [`DecodeError`].
#[derive(Debug)]
pub(super) struct Failure {
    pub table: Option<TableName>,
    pub fault: Fault,
    pub harm: Harm,
}

/// How much is lost with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// What follows means nothing without it.
    Stream,
    /// What it would have told.
    Told,
    /// Nothing: it would have told nothing, or what it told is accounted for.
    Nothing,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure { table: None, fault, harm: Harm::Stream }
    }
}

impl Fault {
    pub(super) fn of(self, table: &Table) -> Failure {
        self.of_name(table.full_name())
    }

    /// Found in something that is told of the table.
    pub(super) fn of_name(self, table: TableName) -> Failure {
        Failure { table: Some(table), ..self.told() }
    }

    /// Found in something that is told, of a table that is not known.
    pub(super) fn told(self) -> Failure {
        Failure { table: None, fault: self, harm: Harm::Told }
    }

    /// Found in something that is not told.
    pub(super) fn untold(self) -> Failure {
        Failure { table: None, fault: self, harm: Harm::Nothing }
    }

    /// Found in a logical message. One whose prefix is not UTF-8 is none of ours: it says nothing to walcast.
    pub(super) fn of_message(self) -> Failure {
        if matches!(self, Fault::NotUtf8 { .. }) { self.untold() } else { self.told() }
    }
}

/// The name of a table for those who are told of it: nobody follows one whose name is not UTF-8, so it need only differ.
pub(super) fn readable(name: &[u8]) -> ByteString {
    String::from_utf8_lossy(name).as_ref().into()
}
