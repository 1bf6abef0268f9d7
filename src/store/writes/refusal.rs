use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::DbError;

use crate::store::pool::is_lost;

/// Why a write was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// What is to be written cannot stand in the table.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Forbidden(String),
    /// The row is not at the version that the writer knows.
    #[error("{message}")]
    Conflict {
        message: String,
        /// A JSON object: the version, and the columns that were to be written.
        current: String,
    },
    /// The database cannot be reached, or does not come to it.
    #[error("{message}")]
    Unavailable {
        message: String,
        /// The connection was lost while the write was committed: it may stand or not.
        is_unknown: bool,
    },
    #[error("{0}")]
    Internal(String),
}

impl WriteError {
    pub fn unavailable(message: impl Into<String>) -> Self {
        WriteError::Unavailable { message: message.into(), is_unknown: false }
    }

    pub fn unknown() -> Self {
        let message = "the connection was lost in COMMIT, and nobody knows whether it was written: read it again, or repeat it \
                       with the same mutationId";
        WriteError::Unavailable { message: message.to_owned(), is_unknown: true }
    }

    /// As metrics call it.
    pub fn name(&self) -> &'static str {
        match self {
            WriteError::Invalid(_) => "invalid_payload",
            WriteError::NotFound(_) => "not_found",
            WriteError::Forbidden(_) => "forbidden",
            WriteError::Conflict { .. } => "conflict",
            WriteError::Unavailable { is_unknown: false, .. } => "unavailable",
            WriteError::Unavailable { is_unknown: true, .. } => "unknown",
            WriteError::Internal(_) => "internal",
        }
    }
}

/// Why an attempt ended.
#[derive(Debug)]
pub enum Setback {
    Refused(WriteError),
    /// The rule is another than the one that the attempt began with.
    Changed,
    Sql(tokio_postgres::Error),
}

impl From<WriteError> for Setback {
    fn from(error: WriteError) -> Self {
        Setback::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Setback {
    fn from(error: tokio_postgres::Error) -> Self {
        Setback::Sql(error)
    }
}

/// What to do about an error of Postgres; what is said if that does not help.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Refuse(WriteError),
    /// Others got in the way.
    TryAgain(WriteError),
    /// The connection was lost before COMMIT, perhaps this one only.
    Reconnect(WriteError),
    /// The table may be another than it was.
    ReadAgain(WriteError),
}

/// Decides by the error's SQLSTATE. See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub fn verdict(error: &tokio_postgres::Error) -> Verdict {
    let Some(db) = error.as_db_error() else {
        return match is_lost(error) {
            true => Verdict::Reconnect(WriteError::unavailable("the connection to the database was lost")),
            false => Verdict::Refuse(WriteError::Internal(error.to_string())),
        };
    };
    match db.code().code() {
        "40001" | "40P01" => {
            Verdict::TryAgain(WriteError::unavailable("other writes keep getting in the way: try again"))
        }
        // Undefined table, column, type; a column of another type; a plan that does not fit the table any more.
        "42P01" | "42703" | "42704" | "42804" => Verdict::ReadAgain(WriteError::Internal(said(db))),
        "42501" => Verdict::Refuse(WriteError::Forbidden(said(db))),
        "P0002" => Verdict::Refuse(WriteError::NotFound(said(db))),
        // Raised by a trigger of the application; what walcast does not do.
        "P0001" | "0A000" => Verdict::Refuse(WriteError::Invalid(said(db))),
        "57014" | "55P03" => {
            Verdict::Refuse(WriteError::unavailable("the row was locked, or the write took, for too long"))
        }
        "57P01" => Verdict::Reconnect(WriteError::unavailable(said(db))),
        // A standby.
        "25006" => Verdict::Refuse(WriteError::unavailable(said(db))),
        code => Verdict::Refuse(match code.get(..2) {
            Some("22" | "23") => WriteError::Invalid(said(db)),
            Some("08" | "53" | "57") => WriteError::unavailable(said(db)),
            _ => WriteError::Internal(format!("{} (SQLSTATE {code})", said(db))),
        }),
    }
}

/// What a client of the pool is told that gets no connection.
pub fn no_connection(error: &PoolError) -> WriteError {
    WriteError::unavailable(match error {
        PoolError::Timeout(TimeoutType::Wait) => "too many writes wait for the database: try again",
        _ => "the database cannot be reached: try again",
    })
}

/// The server's own words, and the column where they lack it.
fn said(db: &DbError) -> String {
    match db.column() {
        Some(column) if !db.message().contains(column) => format!("{column}: {}", db.message()),
        _ => db.message().to_owned(),
    }
}
