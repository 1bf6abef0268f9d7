use std::fmt;

use crate::change::{Lsn, Table};

/// An entry that could not be told, in whole or in part.
///
/// The events that [`Mapper::map`](super::Mapper::map) appended beside it stand; the stream goes on. Log it where it is
/// consumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MapError {
    /// `schema.name`; `None` where the entry is no change of a table.
    pub table: Option<String>,
    /// Where in the log the entry stands.
    pub lsn: Lsn,
    pub what: String,
    pub remedy: String,
}

impl MapError {
    pub(super) fn of(table: &Table, lsn: Lsn, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        MapError { table: Some(table.to_string()), lsn, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Some(table) => write!(f, "table {table} at {}: {}; {}", self.lsn, self.what, self.remedy),
            None => write!(f, "message at {}: {}; {}", self.lsn, self.what, self.remedy),
        }
    }
}
