use rand::RngExt;

use super::{Store, StoreError};

impl Store {
    /// The epoch of a slot's history; made where the slot has none yet, or one in another database cluster: a dump carries
    /// the table from one to another, and `pg_upgrade` the slot as well.
    pub async fn epoch(&self, slot: &str, system_identifier: &str) -> Result<String, StoreError> {
        let client = self.client().await?;
        // Two servers may start at once: the first to commit names the epoch, and both read it.
        client
            .execute(
                "INSERT INTO walcast.slots (slot_name, epoch, system_identifier) VALUES ($1::text::name, $2, $3) \
                 ON CONFLICT (slot_name) DO UPDATE SET epoch = excluded.epoch, \
                 system_identifier = excluded.system_identifier, created_at = now() \
                 WHERE slots.system_identifier <> excluded.system_identifier",
                &[&slot, &new_epoch(), &system_identifier],
            )
            .await
            .map_err(StoreError::sql("write walcast.slots"))?;
        let row = client
            .query_one("SELECT epoch FROM walcast.slots WHERE slot_name = $1::text::name", &[&slot])
            .await
            .map_err(StoreError::sql("read walcast.slots"))?;
        Ok(row.get(0))
    }

    /// Begins a new history: the slot was created, so positions of an earlier one mean nothing any more.
    pub async fn new_epoch(&self, slot: &str, system_identifier: &str) -> Result<String, StoreError> {
        let epoch = new_epoch();
        self.client()
            .await?
            .execute(
                "INSERT INTO walcast.slots (slot_name, epoch, system_identifier) VALUES ($1::text::name, $2, $3) \
                 ON CONFLICT (slot_name) DO UPDATE SET epoch = excluded.epoch, \
                 system_identifier = excluded.system_identifier, created_at = now()",
                &[&slot, &epoch, &system_identifier],
            )
            .await
            .map_err(StoreError::sql("write walcast.slots"))?;
        Ok(epoch)
    }
}

/// Random, not counted: a database restored from a backup must not count to an epoch that clients know.
fn new_epoch() -> String {
    format!("{:08x}", rand::rng().random::<u32>())
}
