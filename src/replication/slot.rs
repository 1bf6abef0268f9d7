use tracing::info;

use super::{Plugin, ReplicationError, Settings, quote, wire::Wire};
use crate::change::Lsn;

/// A slot that can be streamed from.
pub(super) struct Slot {
    /// What it confirmed last; of a new slot its consistent point. Every transaction that commits after it will come.
    pub(super) confirmed: Lsn,
    pub(super) created: bool,
}

/// Finds the slot, or makes it. Whether somebody reads from it shows only when the stream starts.
pub(super) async fn ensure(wire: &mut Wire, settings: &Settings, version: u32) -> Result<Slot, ReplicationError> {
    if settings.temporary {
        return create(wire, settings, version).await;
    }
    if let Some(slot) = find(wire, settings, version).await? {
        return Ok(slot);
    }
    match create(wire, settings, version).await {
        // Another walcast was faster.
        Err(error) if error.sqlstate() == Some("42710") => match find(wire, settings, version).await? {
            Some(slot) => Ok(slot),
            None => Err(error),
        },
        other => other,
    }
}

/// A slot that cannot serve is an error. A lost one will be made anew here, once the epoch of its history is kept.
async fn find(wire: &mut Wire, settings: &Settings, version: u32) -> Result<Option<Slot>, ReplicationError> {
    let invalidation = match version {
        170_000.. => "invalidation_reason",
        160_000.. => "CASE WHEN conflicting THEN 'conflict with recovery' END",
        _ => "NULL",
    };
    let rows = wire
        .query(&format!(
            "SELECT slot_type, plugin, database, database = current_database(), confirmed_flush_lsn, \
             coalesce({invalidation}, CASE wal_status WHEN 'lost' THEN 'its log was removed' END) \
             FROM pg_catalog.pg_replication_slots WHERE slot_name = {}",
            quote::literal(&settings.slot)
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let slot = settings.slot.clone();
    let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
    if text(0) != "logical" {
        return Err(ReplicationError::SlotPhysical { slot });
    }
    if !row.is_true(3) {
        let wanted = settings.dsn.database().to_owned();
        return Err(ReplicationError::SlotDatabase { slot, found: text(2), wanted });
    }
    if text(1) != settings.plugin.to_string() {
        return Err(ReplicationError::SlotPlugin { slot, found: text(1), wanted: settings.plugin });
    }
    if row.get(4).is_none() && row.get(5).is_none() {
        // Somebody is just creating it.
        return Err(ReplicationError::SlotBusy { slot });
    }
    let confirmed = row.get(4).map_or(Ok(Lsn::ZERO), |_| row.parse(4, "a slot's position"))?;
    match row.get(5) {
        Some(reason) => Err(ReplicationError::SlotLost { slot, reason: reason.to_owned(), confirmed }),
        None => Ok(Some(Slot { confirmed, created: false })),
    }
}

async fn create(wire: &mut Wire, settings: &Settings, version: u32) -> Result<Slot, ReplicationError> {
    // Postgres first waits for the transactions that are running, however long.
    info!(slot = settings.slot, plugin = %settings.plugin, "creating a replication slot");
    let row = wire.query_one(&command(&settings.slot, settings.plugin, settings.temporary, version)).await?;
    let confirmed = row.parse(1, "a new slot's consistent point")?;
    info!(slot = settings.slot, at = %confirmed, "replication slot created");
    Ok(Slot { confirmed, created: true })
}

fn command(slot: &str, plugin: Plugin, temporary: bool, version: u32) -> String {
    let slot = quote::identifier(slot);
    match (temporary, version) {
        (true, _) => format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL {plugin} NOEXPORT_SNAPSHOT"),
        // A standby keeps a copy of it, so that a failover loses nothing.
        (false, 170_000..) => {
            format!("CREATE_REPLICATION_SLOT {slot} LOGICAL {plugin} (SNAPSHOT 'nothing', FAILOVER true)")
        }
        (false, _) => format!("CREATE_REPLICATION_SLOT {slot} LOGICAL {plugin} NOEXPORT_SNAPSHOT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_follows_the_server() {
        let made = |temporary, version| command("w", Plugin::Wal2Json, temporary, version);
        assert_eq!(made(false, 150_000), "CREATE_REPLICATION_SLOT \"w\" LOGICAL wal2json NOEXPORT_SNAPSHOT");
        assert_eq!(
            made(false, 170_000),
            "CREATE_REPLICATION_SLOT \"w\" LOGICAL wal2json (SNAPSHOT 'nothing', FAILOVER true)"
        );
        assert_eq!(made(true, 170_000), "CREATE_REPLICATION_SLOT \"w\" TEMPORARY LOGICAL wal2json NOEXPORT_SNAPSHOT");
    }
}
