use std::time::Duration;

use tokio_postgres::{Error, GenericClient, types::Type};

/// So often transactions that are in the log are looked for in the database, at ever longer intervals.
const LOOKS: u32 = 20;
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// Whether others see by now what these transactions did, which are named by the lower halves of their numbers, as the log has
/// them.
pub async fn are_visible(client: &impl GenericClient, transactions: &[u32]) -> Result<bool, Error> {
    let numbers: Vec<i64> = transactions.iter().map(|number| i64::from(*number)).collect();
    let query = include_str!("../../sql/queries/are_visible.sql");
    client.query_typed_one(query, &[(&numbers as _, Type::INT8_ARRAY)]).await?.try_get(0)
}

/// A transaction is in the log before others see what it did, mostly for microseconds. Waits for that; false: not even after
/// a while. What is asked later is asked after these transactions.
pub async fn become_visible(client: &impl GenericClient, transactions: &[u32]) -> Result<bool, Error> {
    if transactions.is_empty() {
        return Ok(true);
    }
    for attempt in 1..=LOOKS {
        if are_visible(client, transactions).await? {
            return Ok(true);
        }
        tokio::time::sleep(FIRST_LOOK * attempt).await;
    }
    Ok(false)
}
