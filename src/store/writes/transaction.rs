//! One attempt of a write: its transaction from beginning to end.

use std::time::Duration;

use tokio_postgres::{Client, Transaction, types::Type};

use super::{Write, WriteError, Written, mutations, refusal::Setback, row::Row, table::WriteTable};

/// `committing` is true while nobody knows whether the write stands.
pub async fn run(
    client: &mut Client,
    table: &WriteTable,
    write: &Write,
    timeout: Duration,
    committing: &mut bool,
) -> Result<Written, Setback> {
    let row = Row::new(table, write)?;
    let transaction = client.transaction().await?;
    // Here row-level security comes in: SET LOCAL ROLE, once those who write have a role of their own.
    // The three go out together, and are carried out in this order; `biased`, so that the first that fails is heard of, and not
    // those that fail with it.
    let begin = begin(&transaction, table, write, timeout);
    let (mark, is_first, found) =
        tokio::try_join!(biased; begin, mutations::claim(&transaction, write), row.lock(&transaction))?;
    if mark.as_ref() != Some(&table.mark) {
        return Err(Setback::Changed);
    }
    if !is_first {
        return mutations::recall(&transaction, write).await;
    }
    let written = row.write(&transaction, found).await?;
    mutations::remember(&transaction, write, &written).await?;
    *committing = true;
    match transaction.commit().await {
        Ok(()) => Ok(written),
        // Postgres refused it (a deferred constraint), unless it was on its way out.
        Err(error) if error.code().is_some_and(|code| !code.code().starts_with("57P")) => Err(error.into()),
        Err(_) => Err(WriteError::unknown().into()),
    }
}

/// The mark of the rule as it stands.
async fn begin(
    transaction: &Transaction<'_>,
    table: &WriteTable,
    write: &Write,
    timeout: Duration,
) -> Result<Option<String>, tokio_postgres::Error> {
    let timeout = timeout.as_millis().to_string();
    let identity = &*write.identity;
    let texts = [&timeout, &identity.claims, &identity.user_id, &write.socket, &table.rule.prefix];
    let query = include_str!("../../../sql/queries/begin_write.sql");
    let row = transaction.query_typed_one(query, &texts.map(|text| (text as _, Type::TEXT))).await?;
    Ok(row.get("mark"))
}
