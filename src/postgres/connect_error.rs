use std::{error::Error, io, time::Duration};

use super::{Dsn, SslMode, distrusted, remedy};

/// Why there is no connection, where the server has not said a word: to whom, why, and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("Postgres at {at} cannot be reached: {why}. {}", remedy::UNREACHABLE)]
    Unreachable { at: String, why: String },
    #[error("Postgres at {at} did not answer within {} s. {}", .after.as_secs(), remedy::UNREACHABLE)]
    Timeout { at: String, after: Duration },
    #[error("Postgres at {at} offers no TLS, and sslmode is {mode}. {}", remedy::NO_TLS)]
    NoTls { at: String, mode: SslMode },
    #[error("TLS with Postgres at {at} failed: {why}. {}", remedy::DISTRUSTED)]
    Handshake { at: String, why: String },
    #[error("Postgres at {at} asks `{user}` for a password, and DATABASE_URL gives none. Add it")]
    NoPassword { at: String, user: String },
}

impl ConnectError {
    /// Reads what `tokio_postgres` says when it cannot connect. `None`: the server refused, in its own words.
    pub fn read(error: &tokio_postgres::Error, dsn: &Dsn, after: Duration) -> Option<Self> {
        if error.as_db_error().is_some() {
            return None;
        }
        let at = dsn.address();
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let why = cause.to_string();
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        // Its kinds are private, its words are not.
        let in_handshake = error.to_string().starts_with("error performing TLS handshake");
        Some(match io {
            Some(io) if in_handshake || distrusted(io) => ConnectError::Handshake { at, why },
            Some(io) if io.kind() == io::ErrorKind::TimedOut => ConnectError::Timeout { at, after },
            None if in_handshake => ConnectError::NoTls { at, mode: dsn.ssl_mode() },
            None if why.contains("password missing") => ConnectError::NoPassword { at, user: dsn.user().to_owned() },
            _ => ConnectError::Unreachable { at, why },
        })
    }
}
