use bytestring::ByteString;

use super::{Store, StoreError};
use crate::events::RuleSpec;

impl Store {
    /// The rules as they are committed now.
    pub async fn rules(&self) -> Result<Vec<RuleSpec>, StoreError> {
        let rows = self
            .client()
            .await?
            .query("SELECT to_jsonb(r) FROM walcast.rules r ORDER BY schema_name, table_name", &[])
            .await
            .map_err(StoreError::sql("read walcast.rules"))?;
        rows.iter()
            .map(|row| serde_json::from_value(row.get(0)).map_err(|error| StoreError::BadRule(error.to_string())))
            .collect()
    }

    /// The columns of a table's primary key, in its order; empty where it has none or the table is gone.
    pub async fn primary_key(&self, schema: &str, table: &str) -> Result<Vec<ByteString>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(include_str!("../../sql/queries/primary_key.sql"), &[&schema, &table])
            .await
            .map_err(StoreError::sql("read a primary key"))?;
        Ok(rows.iter().map(|row| row.get::<_, &str>(0).into()).collect())
    }
}
