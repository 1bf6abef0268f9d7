use deadpool_postgres::PoolError;

use crate::store::pool::is_lost;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What was asked for cannot be read as what it should be.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Forbidden(String),
    /// The database cannot be reached, or not in time.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Internal(String),
}

impl ReadError {
    pub(super) fn no_row() -> Self {
        ReadError::NotFound("there is no such row".to_owned())
    }

    pub(super) fn not_published(prefix: &str) -> Self {
        ReadError::NotFound(format!("no published table has a rule with prefix `{prefix}`"))
    }
}

pub(super) fn no_connection(error: &PoolError) -> ReadError {
    tracing::debug!(%error, "no connection for a read");
    ReadError::Unavailable(match error {
        PoolError::Timeout(_) => "the server is busy, or the database cannot be reached: try again".to_owned(),
        _ => "the database cannot be reached: try again".to_owned(),
    })
}

impl From<tokio_postgres::Error> for ReadError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            tracing::debug!(%error, "a read failed");
            return match is_lost(&error) {
                true => ReadError::Unavailable("the database cannot be reached: try again".to_owned()),
                false => ReadError::Internal(error.to_string()),
            };
        };
        let (code, message) = (db.code().code(), db.message());
        match code.get(..2).unwrap_or_default() {
            // A value that is none of its column's type.
            "22" => ReadError::Invalid(message.to_owned()),
            "42" if code == "42501" => {
                tracing::warn!(
                    "a read was refused: {message}: GRANT SELECT on what clients may fetch to the role of walcast"
                );
                ReadError::Forbidden("this may not be read".to_owned())
            }
            // The table was changed between its description and the read.
            "42" if matches!(code, "42P01" | "42703") => {
                ReadError::Unavailable("the table has changed just now: try again".to_owned())
            }
            "57" if code == "57014" => ReadError::Unavailable("the read took too long: ask for less".to_owned()),
            "08" | "53" | "55" | "57" | "40" => ReadError::Unavailable(format!("the database is busy: {message}")),
            _ => ReadError::Internal(format!("{message} (SQLSTATE {code})")),
        }
    }
}
