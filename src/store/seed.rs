use super::{Store, StoreError};

impl Store {
    /// Puts a few components into an empty table, for a first look; the id of one of them.
    pub async fn seed_components(&self) -> Result<String, StoreError> {
        let client = self.client().await?;
        client
            .batch_execute(include_str!("../../sql/seed.sql"))
            .await
            .map_err(StoreError::sql("seed table components"))?;
        let row = client
            .query_one("SELECT id::text FROM public.components ORDER BY created_at, id LIMIT 1", &[])
            .await
            .map_err(StoreError::sql("read table components"))?;
        Ok(row.get(0))
    }

    /// Drops a replication slot of this database if it is there and nobody reads from it.
    pub async fn drop_idle_slot(&self, slot: &str) -> Result<(), StoreError> {
        self.client()
            .await?
            .execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                 WHERE slot_name = $1::text::name AND database = current_database() AND NOT active",
                &[&slot],
            )
            .await
            .map_err(StoreError::sql(format!("drop replication slot {slot}")))?;
        Ok(())
    }
}
