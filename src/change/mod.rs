//! Floor 0: what the write-ahead log says, as plain data. No IO, no JSON, no sockets.

mod cell;
mod entry;
mod lsn;
mod row;
mod table;
mod timestamp;

pub use cell::Cell;
pub use entry::{Begin, Change, Commit, Entry, LogicalMessage, OldRow, Operation, Unreadable};
pub use lsn::{Lsn, ParseLsnError};
pub use row::{CellNotUtf8, Row, RowBuilder};
pub use table::{Column, Table, TableName};
pub use timestamp::{ParseTimestampError, Timestamp};
