use std::time::Duration;

use postgres_protocol::message::frontend;

use super::{
    Connected, Fresh, ReplicationError, Settings, publication, slot,
    wire::{self, Wire},
};
use crate::{
    decode::Decoder,
    postgres::quote::{identifier, literal},
};

/// The oldest server whose pgoutput sends logical messages.
const OLDEST: u32 = 140_000;

/// Between two status updates, at most; also where the server has no timeout.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// A connection on which everything is ready for the stream.
pub(super) struct Session {
    pub(super) wire: Wire,
    /// Its `fresh` is still empty: a slot that was made must not be forgotten should the session fail.
    pub(super) connected: Connected,
    /// Somebody was reading from the slot a moment ago.
    pub(super) taken: bool,
    /// How often the server must hear from us.
    pub(super) status_interval: Duration,
    pub(super) decoder: Box<dyn Decoder>,
    start: String,
}

impl Session {
    /// Connects, checks the server and the publication, and makes the slot where it is missing or lost; then `fresh` says so,
    /// also where what follows fails.
    pub(super) async fn open(settings: &Settings, fresh: &mut Option<Fresh>) -> Result<Session, ReplicationError> {
        let mut wire = wire::connect(&settings.dsn).await?;
        let server_version: u32 =
            wire.query_one("SHOW server_version_num").await?.parse(0, "the server's version number")?;
        if server_version < OLDEST {
            return Err(ReplicationError::TooOld { major: server_version / 10_000 });
        }
        let timeout = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
        let timeout = Duration::from_millis(wire.query_one(timeout).await?.parse(0, "wal_sender_timeout")?);
        publication::require(&mut wire, &settings.publication).await?;
        let slot = slot::ensure(&mut wire, settings, server_version, fresh).await?;
        // After it, or whoever had the slot until now could have read beyond what we take for the end of the log.
        let system = wire.query_one("IDENTIFY_SYSTEM").await?;
        let (options, decoder) = publication::reading(&mut wire, settings, server_version).await?;
        let connected = Connected {
            fresh: None,
            confirmed: slot.confirmed,
            wal_end: system.parse(2, "the log's end")?,
            server_version,
            system_identifier: system.parse(0, "the system identifier")?,
        };
        let status_interval = if timeout.is_zero() { STATUS_INTERVAL } else { STATUS_INTERVAL.min(timeout / 3) };
        let start = start_replication(&settings.slot, &options);
        Ok(Session { wire, connected, taken: slot.active, status_interval, decoder, start })
    }

    /// From here on the connection carries the stream.
    pub(super) async fn start(&mut self) -> Result<(), ReplicationError> {
        self.wire.copy_both(&self.start).await
    }

    /// Takes leave, so that the server does not log a broken connection.
    pub(super) async fn close(mut self) {
        let said = self.wire.writer.put(|buffer| {
            frontend::terminate(buffer);
            Ok(())
        });
        if said.is_ok() {
            // Whether it is heard makes no difference: the connection ends either way.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.wire.writer.send()).await;
        }
    }
}

/// 0/0 lets the server start where the slot stands. A position of our own could be above that and would skip changes.
fn start_replication(slot: &str, options: &[(String, String)]) -> String {
    let options: Vec<String> =
        options.iter().map(|(name, value)| format!("{} {}", identifier(name), literal(value))).collect();
    format!("START_REPLICATION SLOT {} LOGICAL 0/0 ({})", identifier(slot), options.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        let options = [("add-tables".to_owned(), "public.it's".to_owned()), ("x".to_owned(), "\"P\"".to_owned())];
        assert_eq!(
            start_replication("w", &options),
            "START_REPLICATION SLOT \"w\" LOGICAL 0/0 (\"add-tables\" 'public.it''s', \"x\" '\"P\"')"
        );
    }
}
