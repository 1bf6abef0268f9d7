use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::postgres::{ConnectError, Dsn, TlsError, advised, remedy};

/// What went wrong on the SQL side: what was being done, what the server said, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {doing}: {}", explain(source))]
    Sql { doing: String, source: tokio_postgres::Error },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot get a connection to the database: {0}")]
    Pool(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "cannot read the primary key of {table}: transaction {xid} is in the log, and nobody sees yet what it did; if it \
         waits for a standby (synchronous_standby_names), see to that one"
    )]
    NotVisible { xid: u32, table: String },
    #[error("cannot {doing}: what the catalog says cannot be read ({error}); report it with the server's version")]
    Unread { doing: String, error: serde_json::Error },
    #[error("cannot {doing}: the catalog says nothing; report it with the server's version")]
    Nothing { doing: String },
    #[error("cannot migrate: {0}")]
    Migration(String),
    #[error(
        "this database was migrated by a newer walcast (it has migration {found}, this walcast knows up to {known}): \
         run that version or a later one"
    )]
    TooNew { found: i32, known: i32 },
    #[error(
        "this database has migration {found} of {known}: run `walcast migrate` as an owner of the database, or start \
         with --migrate"
    )]
    NotMigrated { found: i32, known: i32 },
}

impl StoreError {
    /// For `map_err`: names what was being done.
    pub(super) fn sql(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> StoreError {
        let doing = doing.into();
        move |source| StoreError::Sql { doing, source }
    }

    /// Whether what was asked for is not there, or the role has no privilege for it.
    pub(super) fn is_refusal(&self) -> bool {
        let StoreError::Sql { source, .. } = self else { return false };
        let refusals = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INSUFFICIENT_PRIVILEGE];
        source.code().is_some_and(|code| refusals.contains(code))
    }

    /// For an error of connecting to a database that was given so long.
    pub(super) fn connecting(source: tokio_postgres::Error, dsn: &Dsn, after: Duration) -> StoreError {
        match ConnectError::read(&source, dsn, after) {
            Some(error) => error.into(),
            None => StoreError::Sql { doing: format!("connect to Postgres at {}", dsn.address()), source },
        }
    }
}

/// The server's own words, and the remedy where one is known.
fn explain(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        // The source says what the outer error only names ("error connecting to server").
        return std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    };
    match remedy(db.code().code(), db.message()) {
        Some(remedy) => advised(db.message(), Some(&remedy)),
        None => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
    }
}
