use std::{io, time::Duration};

use crate::{
    change::Lsn,
    decode::DecodeError,
    postgres::{self, SslMode, TlsError},
};

use super::Plugin;

/// What went wrong between walcast and the write-ahead log. [`action`](Self::action) says what to do about it,
/// [`remedy`](Self::remedy) what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    #[error("Postgres at {at} cannot be reached: {source}")]
    Unreachable { at: String, source: io::Error },
    #[error("Postgres at {at} did not answer within {after:?}")]
    Timeout { at: String, after: Duration },
    #[error("the connection to Postgres broke: {0}")]
    Broken(#[source] io::Error),
    #[error("Postgres closed the connection")]
    Closed,
    #[error("Postgres ended the stream")]
    Ended,
    #[error("{at} is not what target_session_attrs={wanted} asks for")]
    SessionAttributes { at: String, wanted: &'static str },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("TLS with Postgres at {at} failed: {source}")]
    Handshake { at: String, source: io::Error },
    #[error("Postgres at {at} offers no TLS, and sslmode is {mode}")]
    NoTls { at: String, mode: SslMode },
    #[error("cannot log in to Postgres as `{user}`: {reason}")]
    Login { user: String, reason: String },
    #[error("{0}")]
    Server(ServerError),
    #[error("Postgres sent what the protocol does not allow: {0}")]
    Protocol(String),
    #[error("a change in the log cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    #[error("Postgres {major} is too old: walcast needs 14 or later")]
    TooOld { major: u32 },
    #[error("the server's log is not the one that was read up to {read}: the database went back to an earlier state")]
    WentBack { read: Lsn },
    #[error("slot `{slot}` was made for plugin {found}, and {wanted} is configured")]
    SlotPlugin { slot: String, found: String, wanted: Plugin },
    #[error("slot `{slot}` belongs to database `{found}`, not to `{wanted}`")]
    SlotDatabase { slot: String, found: String, wanted: String },
    #[error("slot `{slot}` is a physical slot")]
    SlotPhysical { slot: String },
    #[error("slot `{slot}` is being created or read by another server")]
    SlotBusy { slot: String },
    #[error("publication `{publication}` filters rows of {tables}, which plugin wal2json cannot honour")]
    RowFilter { publication: String, tables: String },
    #[error("publication `{publication}` is missing")]
    NoPublication { publication: String },
}

/// What a server answered with an ErrorResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLSTATE {sqlstate}){}{}", aside("; ", .detail), aside("; hint: ", .hint))]
pub struct ServerError {
    pub severity: String,
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

fn aside(lead: &str, text: &Option<String>) -> String {
    text.as_ref().map(|text| format!("{lead}{text}")).unwrap_or_default()
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time mends it: connect again after a while.
    Retry,
    /// Another walcast holds the slot: wait for it to go.
    Standby,
    /// Somebody has to change something; then connecting again works.
    TellOperator,
}

impl ReplicationError {
    pub fn action(&self) -> Action {
        use ReplicationError as E;
        match self {
            E::Server(error) => match error.sqlstate.as_str() {
                "55006" => Action::Standby,
                // 22023: the plugin refuses an option. 53xxx: resources. 58P01: no plugin.
                "28P01" | "28000" | "3D000" | "42501" | "53300" | "53400" | "55000" | "58P01" | "42704" | "42602"
                | "42710" | "42601" | "22023" | "0A000" | "08P01" => Action::TellOperator,
                // 57P0x: shutting down, starting up, crashed, slot invalidated while streaming. 08xxx: connection.
                // XX000 and the rest: a server's trouble that a new session may not have.
                _ => Action::Retry,
            },
            E::Unreachable { .. } | E::Timeout { .. } | E::Broken(_) | E::Closed | E::Ended => Action::Retry,
            E::SessionAttributes { .. } => Action::Retry,
            E::Handshake { source, .. } if !postgres::distrusted(source) => Action::Retry,
            E::SlotBusy { .. } => Action::Standby,
            E::WentBack { .. } | E::Protocol(_) => Action::Retry,
            // A frame that was damaged reads well the second time; one that is not ours to read never does.
            E::Decode(_) => Action::TellOperator,
            E::Handshake { .. } | E::Tls(_) | E::NoTls { .. } | E::Login { .. } | E::TooOld { .. } => {
                Action::TellOperator
            }
            E::SlotPlugin { .. } | E::SlotDatabase { .. } | E::SlotPhysical { .. } => Action::TellOperator,
            E::RowFilter { .. } | E::NoPublication { .. } => Action::TellOperator,
        }
    }

    /// One line: the SQL or the setting that mends it. `None` where time does, or where only a report of a bug can.
    pub fn remedy(&self) -> Option<String> {
        use ReplicationError as E;
        let text = match self {
            E::Server(error) => return error.remedy(),
            E::NoPublication { publication } => format!(
                "as the owner of the tables: CREATE PUBLICATION {} FOR TABLE walcast.rules, …",
                crate::postgres::quote::identifier(publication)
            ),
            E::SlotPlugin { slot, found, .. } => format!(
                "configure plugin {found}, or another slot name, or (changes not yet read are lost) {}",
                drop_slot(slot)
            ),
            E::SlotDatabase { slot, found, .. } => {
                format!("connect to database `{found}`, or use another slot name, or {}", drop_slot(slot))
            }
            E::SlotPhysical { .. } => "use another slot name".to_owned(),
            E::RowFilter { .. } => {
                "use plugin pgoutput, or take the row filter out: ALTER PUBLICATION … SET TABLE …".to_owned()
            }
            E::NoTls { .. } => "turn TLS on in the server (ssl = on), or use sslmode=prefer".to_owned(),
            E::Handshake { source, .. } if postgres::distrusted(source) => {
                "check sslmode, sslrootcert, sslcert and the host name in DATABASE_URL against the server's certificate"
                    .to_owned()
            }
            E::Unreachable { .. } | E::Timeout { .. } => {
                "check host and port in DATABASE_URL, and that Postgres runs and listens there".to_owned()
            }
            E::SessionAttributes { .. } => "name a server in DATABASE_URL that is".to_owned(),
            E::TooOld { .. } => "upgrade Postgres".to_owned(),
            E::Login { .. } | E::Tls(_) | E::Handshake { .. } | E::SlotBusy { .. } => return None,
            E::Protocol(_) => "check that what listens at the host and port in DATABASE_URL is Postgres".to_owned(),
            E::Broken(_) | E::Closed | E::Ended | E::WentBack { .. } | E::Decode(_) => return None,
        };
        Some(text)
    }

    pub(super) fn sqlstate(&self) -> Option<&str> {
        match self {
            ReplicationError::Server(error) => Some(&error.sqlstate),
            _ => None,
        }
    }
}

impl ServerError {
    fn remedy(&self) -> Option<String> {
        postgres::remedy(&self.sqlstate, &self.message).or_else(|| self.hint.clone())
    }
}

fn drop_slot(slot: &str) -> String {
    format!("SELECT pg_drop_replication_slot({})", crate::postgres::quote::literal(slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str, message: &str) -> ReplicationError {
        let (sqlstate, message) = (sqlstate.to_owned(), message.to_owned());
        ReplicationError::Server(ServerError { sqlstate, message, ..ServerError::default() })
    }

    #[test]
    fn a_server_s_refusal_decides_what_is_done() {
        for (sqlstate, action) in [
            ("55006", Action::Standby),
            ("57P01", Action::Retry),
            ("57P02", Action::Retry),
            ("57P03", Action::Retry),
            ("08006", Action::Retry),
            ("XX000", Action::Retry),
            ("", Action::Retry),
            ("28P01", Action::TellOperator),
            ("28000", Action::TellOperator),
            ("3D000", Action::TellOperator),
            ("42501", Action::TellOperator),
            ("42704", Action::TellOperator),
            ("53300", Action::TellOperator),
            ("53400", Action::TellOperator),
            ("55000", Action::TellOperator),
            ("58P01", Action::TellOperator),
        ] {
            assert_eq!(server(sqlstate, "").action(), action, "{sqlstate}");
        }
    }

    #[test]
    fn a_broken_network_is_waited_for_and_a_stranger_is_not() {
        let handshake = |source| ReplicationError::Handshake { at: "db:5432".to_owned(), source };
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(handshake(cut).action(), Action::Retry);
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let stranger = handshake(io::Error::new(io::ErrorKind::InvalidData, unknown));
        assert_eq!(stranger.action(), Action::TellOperator);
        assert!(stranger.remedy().is_some_and(|remedy| remedy.contains("sslrootcert")));
        assert_eq!(ReplicationError::Closed.action(), Action::Retry);
    }

    #[test]
    fn a_hint_serves_where_we_know_no_better() {
        let hint = Some("Do this.".to_owned());
        let error = ServerError { sqlstate: "XX000".to_owned(), hint, ..ServerError::default() };
        assert_eq!(ReplicationError::Server(error).remedy().as_deref(), Some("Do this."));
        assert_eq!(server("57P03", "starting up").remedy(), None);
    }
}
