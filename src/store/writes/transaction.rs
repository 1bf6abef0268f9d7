//! One attempt of a write: its transaction from beginning to end.

use std::time::Duration;

use tokio_postgres::{Client, Transaction, types::Type};

use super::{Write, WriteError, Written, mutations, refusal::Setback, row::Row, table::WriteTable};
use crate::store::rule_table::act_as;

/// `committing` is true while nobody knows whether the write stands.
pub async fn run(
    client: &mut Client,
    table: &WriteTable,
    write: &Write,
    Frame { role, timeout }: Frame<'_>,
    committing: &mut bool,
) -> Result<Written, Setback> {
    let row = Row::new(table, write)?;
    let transaction = client.transaction().await?;
    // All go out together, and are carried out in this order; `biased`, so that the first that fails is heard of, and not
    // those that fail with it.
    let begin = begin(&transaction, table, write, role, timeout);
    let acts = act(&transaction, table.is_guarded.then_some(role));
    let (mark, is_first, (), found) =
        tokio::try_join!(biased; begin, mutations::claim(&transaction, write), acts, row.lock(&transaction))?;
    if mark.as_ref() != Some(&table.mark) {
        return Err(Setback::Changed);
    }
    if !is_first {
        act_as_server(&transaction, table).await?;
        return mutations::recall(&transaction, write).await;
    }
    let written = row.write(&transaction, found).await?;
    if write.mutation.is_some() {
        act_as_server(&transaction, table).await?;
        mutations::remember(&transaction, write, &written).await?;
    }
    *committing = true;
    match transaction.commit().await {
        Ok(()) => Ok(written),
        // Postgres refused it (a deferred constraint), unless it was on its way out.
        Err(error) if error.code().is_some_and(|code| !code.code().starts_with("57P")) => Err(error.into()),
        Err(_) => Err(WriteError::unknown().into()),
    }
}

/// What each attempt keeps to.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// As which guarded tables are written.
    pub role: &'a str,
    /// How long one statement may take.
    pub timeout: Duration,
}

/// From now on as this role, if as another than the server's.
async fn act(transaction: &Transaction<'_>, role: Option<&str>) -> Result<(), tokio_postgres::Error> {
    match role {
        Some(role) => transaction.batch_execute(&act_as(role)).await,
        None => Ok(()),
    }
}

/// What walcast keeps for itself is no client's.
async fn act_as_server(transaction: &Transaction<'_>, table: &WriteTable) -> Result<(), tokio_postgres::Error> {
    match table.is_guarded {
        true => transaction.batch_execute("SET LOCAL ROLE NONE").await,
        false => Ok(()),
    }
}

/// The mark of the rule as it stands.
async fn begin(
    transaction: &Transaction<'_>,
    table: &WriteTable,
    write: &Write,
    role: &str,
    timeout: Duration,
) -> Result<Option<String>, tokio_postgres::Error> {
    let timeout = timeout.as_millis().to_string();
    let identity = &*write.identity;
    let texts: [&str; 6] = [&timeout, &identity.claims, &identity.user_id, &write.socket, &table.rule.prefix, role];
    let query = include_str!("../../../sql/queries/begin_write.sql");
    let row = transaction.query_typed_one(query, &texts.each_ref().map(|text| (text as _, Type::TEXT))).await?;
    Ok(row.get("mark"))
}
