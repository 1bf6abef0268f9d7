use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::postgres::{Dsn, tls};

/// Waits until the server refuses newcomers because it shuts down, asking once in `every`.
///
/// For the time in which we do not read, since the consumer is behind: a walsender that shuts down first sends all
/// the log there is, and would wait for us for ever, as our status updates keep its timeout from striking. Its word
/// that it shuts down stands behind what we do not read, so a newcomer has to ask. A plain connection, because those of
/// replication are few (`max_wal_senders`).
pub(super) async fn noticed(dsn: &Dsn, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Ok(tls) = tls(dsn) else { continue };
        let mut config = dsn.config().clone();
        config.connect_timeout(every).application_name("walcast: is it shutting down?");
        if let Err(refusal) = config.connect(tls).await
            && refusal.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
        {
            return;
        }
    }
}
