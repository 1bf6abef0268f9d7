use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::{Client, Transaction, types::Type};
use tokio_util::sync::CancellationToken;

use super::{Write, WriteError, Writes, Written, refusal::Setback};

/// How often those that are too old are forgotten.
const PRUNE: Duration = Duration::from_secs(600);
/// How many are deleted at once: each batch is a transaction of its own.
const BATCH: i64 = 1_000;

/// Claims the name of a write. False: it was carried out before. Waits while a first attempt is under way elsewhere.
pub async fn claim(transaction: &Transaction<'_>, write: &Write) -> Result<bool, tokio_postgres::Error> {
    let Some(mutation) = &write.mutation else { return Ok(true) };
    let claim = "INSERT INTO walcast.mutations (user_id, mutation_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let names = [(&write.identity.user_id as _, Type::TEXT), (mutation as _, Type::TEXT)];
    Ok(transaction.execute_typed(claim, &names).await? > 0)
}

/// The answer that the first attempt was given.
pub async fn recall(transaction: &Transaction<'_>, write: &Write) -> Result<Written, Setback> {
    let query = "SELECT answer::text FROM walcast.mutations WHERE user_id = $1 AND mutation_id = $2";
    let names = [(&write.identity.user_id as _, Type::TEXT), (&write.mutation as _, Type::TEXT)];
    let answer = transaction.query_typed_opt(query, &names).await?.and_then(|row| row.get::<_, Option<String>>(0));
    let answer = answer.ok_or_else(|| WriteError::unavailable("what was answered is forgotten just now: try again"))?;
    serde_json::from_str(&answer)
        .map_err(|error| WriteError::Internal(format!("the answer to a mutation cannot be read: {error}")).into())
}

/// Keeps the answer for a repeat.
pub async fn remember(transaction: &Transaction<'_>, write: &Write, written: &Written) -> Result<(), Setback> {
    let Some(mutation) = &write.mutation else { return Ok(()) };
    let answer = serde_json::to_string(written)
        .map_err(|error| WriteError::Internal(format!("an answer cannot be kept: {error}")))?;
    let update = "UPDATE walcast.mutations SET answer = $3::text::jsonb WHERE user_id = $1 AND mutation_id = $2";
    let values = [(&write.identity.user_id as _, Type::TEXT), (mutation as _, Type::TEXT), (&answer as _, Type::TEXT)];
    transaction.execute_typed(update, &values).await?;
    Ok(())
}

impl Writes {
    /// Forgets what is too old to be repeated, now and then, until cancelled.
    pub async fn prune(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(PRUNE.min(self.0.settings.keep_mutations.max(Duration::from_secs(1))));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            if let Err(error) = self.forget_old().await {
                tracing::warn!(%error, "old mutations were not forgotten, and will be tried again: who locks walcast.mutations stands in pg_stat_activity");
            }
        }
    }

    async fn forget_old(&self) -> Result<(), WriteError> {
        let timeout = self.0.settings.timeout;
        loop {
            let mut client: Object = self.client().await?;
            // As for a write: Postgres keeps the time itself, where it can be reached.
            let gone = match tokio::time::timeout(timeout * 2, self.forget_some(&mut client, timeout)).await {
                Ok(gone) => gone.map_err(|error| WriteError::unavailable(error.to_string()))?,
                Err(_) => {
                    drop(Object::take(client));
                    return Err(WriteError::unavailable("the database did not answer in time"));
                }
            };
            if gone < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// How many it were.
    async fn forget_some(&self, client: &mut Client, timeout: Duration) -> Result<u64, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(&format!("SET LOCAL statement_timeout = {}", timeout.as_millis())).await?;
        let age = self.0.settings.keep_mutations.as_secs_f64();
        let limits = [(&age as _, Type::FLOAT8), (&BATCH as _, Type::INT8)];
        let gone =
            transaction.execute_typed(include_str!("../../../sql/queries/forget_mutations.sql"), &limits).await?;
        transaction.commit().await?;
        Ok(gone)
    }
}
