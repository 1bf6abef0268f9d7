//! Events that services give over HTTP. Each is one transaction that does nothing but say it: it is told by the log, as what
//! SQL broadcasts is.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};

use super::{StoreError, pool};
use crate::postgres::Dsn;

const CONNECTIONS: usize = 2;
/// How long a connection may take to come about, and a broadcast may wait for one.
const WAIT: Duration = Duration::from_secs(2);
/// How long all of a broadcast may take, once it has a connection.
const LONGEST: Duration = Duration::from_secs(5);
/// How many connections may be lost under one: those of the pool may have been ended while nobody used them.
const ATTEMPTS: usize = 3;

/// Why an event was not broadcast.
#[derive(Debug, thiserror::Error)]
pub enum BroadcastError {
    /// `walcast.broadcast` refused the room, the event's name or the payload.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooLarge(String),
    #[error(
        "the role of the server may not broadcast: GRANT EXECUTE ON FUNCTION walcast.broadcast(text, text, jsonb) to it"
    )]
    Forbidden,
    /// Nothing was told.
    #[error("the database cannot be reached: try again")]
    Unavailable,
    #[error("the database did not say whether it was committed: it may be told, or not")]
    Unknown,
    #[error("{0}")]
    Internal(String),
}

/// The way to broadcast. Cheap to clone.
#[derive(Clone)]
pub struct Broadcasts {
    pool: Pool,
}

impl Broadcasts {
    /// Connects when the first event comes.
    pub fn new(dsn: &Dsn) -> Result<Self, StoreError> {
        Ok(Broadcasts { pool: pool::build(dsn, CONNECTIONS, WAIT, WAIT)? })
    }

    /// Hands an event to the log; `payload` is JSON. When it returns, that is committed.
    pub async fn broadcast(&self, room: &str, event: &str, payload: &str) -> Result<(), BroadcastError> {
        let mut outcome = Err(BroadcastError::Unavailable);
        for _ in 0..ATTEMPTS {
            let mut client = self.pool.get().await.map_err(|error| {
                tracing::debug!(%error, "no connection for a broadcast");
                BroadcastError::Unavailable
            })?;
            let mut committing = false;
            let attempt = attempt(&mut client, [room, event, payload], &mut committing);
            outcome = match tokio::time::timeout(LONGEST, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    // What it still has under way is nobody's any more.
                    drop(Object::take(client));
                    return Err(if committing { BroadcastError::Unknown } else { BroadcastError::Unavailable });
                }
            };
            match outcome {
                Err(BroadcastError::Unavailable) if committing => return Err(BroadcastError::Unknown),
                Err(BroadcastError::Unavailable) => {}
                outcome => return outcome,
            }
        }
        outcome
    }
}

async fn attempt(client: &mut Object, given: [&str; 3], committing: &mut bool) -> Result<(), BroadcastError> {
    let transaction = client.transaction().await?;
    let call = "SELECT walcast.broadcast($1, $2, $3::text::jsonb)";
    let [room, event, payload] = given;
    transaction.execute(call, &[&room, &event, &payload]).await?;
    *committing = true;
    transaction.commit().await?;
    Ok(())
}

impl From<tokio_postgres::Error> for BroadcastError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            tracing::debug!(%error, "a broadcast failed");
            return if pool::is_lost(&error) {
                BroadcastError::Unavailable
            } else {
                BroadcastError::Internal(error.to_string())
            };
        };
        let said = db.hint().map_or_else(|| db.message().to_owned(), |hint| format!("{}: {hint}", db.message()));
        match db.code().code() {
            "42501" => BroadcastError::Forbidden,
            // A standby takes no message.
            "25006" => BroadcastError::Unavailable,
            code => match code.get(..2) {
                Some("22") => BroadcastError::Invalid(said),
                Some("54") => BroadcastError::TooLarge(said),
                Some("08" | "53" | "57") => BroadcastError::Unavailable,
                _ => BroadcastError::Internal(format!("{said} (SQLSTATE {code})")),
            },
        }
    }
}
