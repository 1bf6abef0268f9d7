use rand::RngExt;

use super::{Store, StoreError};

impl Store {
    /// Forgets the history of a slot that is not there (any more). Called before the slot is created, so that not even a
    /// crash in between leaves the new slot under the old epoch.
    pub async fn forget_missing_slot(&self, slot: &str) -> Result<(), StoreError> {
        self.client()
            .await?
            .execute(
                "DELETE FROM walcast.slots s WHERE s.slot_name = $1::text::name \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots r WHERE r.slot_name = s.slot_name)",
                &[&slot],
            )
            .await
            .map_err(StoreError::sql("write walcast.slots"))?;
        Ok(())
    }

    /// The epoch of a slot's history; made where it has none yet, and anew where `is_new` or where the cluster is another
    /// than before: then positions of the earlier history mean nothing any more.
    pub async fn epoch(&self, slot: &str, system_identifier: &str, is_new: bool) -> Result<String, StoreError> {
        // Two servers may start at once: the first to commit names the epoch, and both read it.
        let row = self
            .client()
            .await?
            .query_one(
                "INSERT INTO walcast.slots AS s (slot_name, epoch, system_identifier) VALUES ($1::text::name, $2, $3) \
                 ON CONFLICT (slot_name) DO UPDATE SET \
                   epoch = CASE WHEN $4 OR s.system_identifier <> excluded.system_identifier \
                                THEN excluded.epoch ELSE s.epoch END, \
                   created_at = CASE WHEN $4 OR s.system_identifier <> excluded.system_identifier \
                                     THEN now() ELSE s.created_at END, \
                   system_identifier = excluded.system_identifier \
                 RETURNING s.epoch",
                &[&slot, &new_epoch(), &system_identifier, &is_new],
            )
            .await
            .map_err(StoreError::sql("write walcast.slots"))?;
        Ok(row.get(0))
    }
}

/// Random, not counted: a database restored from a backup must not count to an epoch that clients know.
fn new_epoch() -> String {
    format!("{:08x}", rand::rng().random::<u32>())
}
