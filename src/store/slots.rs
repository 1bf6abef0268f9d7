use rand::RngExt;

use super::{Store, StoreError};
use crate::{change::Lsn, events::RuleSpec, telemetry};

/// How a slot stands.
#[derive(Debug)]
pub struct Standing {
    /// Up to where the log is written, and so sent to who reads it.
    pub log_end: Lsn,
    /// Log that is not confirmed.
    pub lag_bytes: u64,
    /// Log that stays on disk for it.
    pub held_bytes: u64,
    /// Log that can be written before Postgres gives the slot up; `None`: without a bound.
    pub safe_bytes: Option<u64>,
    /// As in `pg_replication_slots`; `None`: there is no slot.
    pub wal_status: Option<String>,
}

impl Standing {
    /// Tells who looks at metrics.
    pub fn report(&self) {
        telemetry::Slot {
            lag_bytes: self.lag_bytes,
            held_bytes: self.held_bytes,
            safe_bytes: self.safe_bytes,
            wal_status: self.wal_status.as_deref(),
        }
        .report();
    }
}

impl Store {
    /// How a slot stands now; where it is missing, or lost, it lags by nothing and holds nothing.
    pub async fn standing(&self, slot: &str) -> Result<Standing, StoreError> {
        let row = self
            .client()
            .await?
            .query_one(
                "SELECT log.ends::text, pg_catalog.pg_wal_lsn_diff(log.ends, s.confirmed_flush_lsn)::bigint, \
                   pg_catalog.pg_wal_lsn_diff(log.ends, s.restart_lsn)::bigint, s.safe_wal_size, s.wal_status \
                 FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                                   ELSE pg_catalog.pg_current_wal_flush_lsn() END AS ends) log \
                 LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = $1::text::name",
                &[&slot],
            )
            .await
            .map_err(StoreError::sql("read pg_replication_slots"))?;
        let bytes =
            |column: usize| row.get::<_, Option<i64>>(column).map(|bytes| u64::try_from(bytes).unwrap_or_default());
        Ok(Standing {
            log_end: row.get::<_, Option<String>>(0).and_then(|text| text.parse().ok()).unwrap_or_default(),
            lag_bytes: bytes(1).unwrap_or_default(),
            held_bytes: bytes(2).unwrap_or_default(),
            safe_bytes: bytes(3),
            wal_status: row.get(4),
        })
    }

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

    /// The rules as they stood at a position of a slot's stream. A slot that `is_new`, or of which nothing is known, begins
    /// with those in force now.
    pub async fn rules_at(&self, slot: &str, at: Lsn, is_new: bool) -> Result<Vec<RuleSpec>, StoreError> {
        let client = self.client().await?;
        if is_new {
            client
                .execute("DELETE FROM walcast.slot_rules WHERE slot_name = $1::text::name", &[&slot])
                .await
                .map_err(StoreError::sql("write walcast.slot_rules"))?;
        }
        let found = client
            .query_opt(
                "SELECT rules FROM walcast.slot_rules WHERE slot_name = $1::text::name AND lsn <= $2::text::pg_lsn \
                 ORDER BY lsn DESC LIMIT 1",
                &[&slot, &at.to_string()],
            )
            .await
            .map_err(StoreError::sql("read walcast.slot_rules"))?;
        drop(client);
        // What this walcast wrote it also reads; another version's is as good as nothing.
        if let Some(rules) = found.and_then(|row| serde_json::from_value(row.get(0)).ok()) {
            return Ok(rules);
        }
        let rules = self.rules().await?;
        self.save_rules(slot, at, &rules).await?;
        Ok(rules)
    }

    /// Notes the rules that hold from a position on, and forgets what no restart can ask for any more.
    pub async fn save_rules(&self, slot: &str, from: Lsn, rules: &[RuleSpec]) -> Result<(), StoreError> {
        let rules = serde_json::to_value(rules).map_err(|error| StoreError::Pool(error.to_string()))?;
        self.client()
            .await?
            .execute(
                "WITH kept AS (INSERT INTO walcast.slot_rules AS r (slot_name, lsn, rules) \
                   VALUES ($1::text::name, $2::text::pg_lsn, $3) \
                   ON CONFLICT (slot_name, lsn) DO UPDATE SET rules = excluded.rules) \
                 DELETE FROM walcast.slot_rules r WHERE r.slot_name = $1::text::name AND r.lsn < (\
                   SELECT max(o.lsn) FROM walcast.slot_rules o JOIN pg_catalog.pg_replication_slots s USING (slot_name) \
                    WHERE o.slot_name = r.slot_name AND o.lsn <= s.confirmed_flush_lsn)",
                &[&slot, &from.to_string(), &rules],
            )
            .await
            .map_err(StoreError::sql("write walcast.slot_rules"))?;
        Ok(())
    }
}

/// Random, not counted: a database restored from a backup must not count to an epoch that clients know.
fn new_epoch() -> String {
    format!("{:08x}", rand::rng().random::<u32>())
}
