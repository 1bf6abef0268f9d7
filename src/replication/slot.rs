use tracing::{error, info};

use super::{Fresh, Plugin, ReplicationError, Settings, fresh::prevention, wire::Wire};
use crate::{change::Lsn, postgres::quote};

/// A slot that can be streamed from.
pub(super) struct Slot {
    /// What it confirmed last; of a new slot its consistent point. Every transaction that commits at it or after it will
    /// come.
    pub(super) confirmed: Lsn,
    /// Somebody is reading from it, and `confirmed` may be old already.
    pub(super) active: bool,
}

enum Found {
    Missing,
    /// Postgres has given it up, and what it held is gone.
    Lost {
        reason: String,
        after: Lsn,
    },
    Usable(Slot),
}

/// Finds the slot, or makes it where it is missing or lost; then `fresh` says why.
pub(super) async fn ensure(
    wire: &mut Wire,
    settings: &Settings,
    version: u32,
    fresh: &mut Option<Fresh>,
) -> Result<Slot, ReplicationError> {
    if !settings.temporary {
        match find(wire, settings, version).await? {
            Found::Usable(slot) => return Ok(slot),
            Found::Missing => {}
            Found::Lost { reason, after } => {
                error!(
                    slot = settings.slot,
                    remedy = prevention(&reason),
                    "Postgres has invalidated the replication slot ({reason}): what committed after {after} cannot be \
                     read any more; making the slot anew"
                );
                discard(wire, settings, version).await?;
                *fresh = Some(Fresh::Invalidated { reason, after });
            }
        }
    }
    match create(wire, settings, version).await {
        // Another walcast was faster.
        Err(error) if error.sqlstate() == Some("42710") => match find(wire, settings, version).await? {
            Found::Usable(slot) => Ok(slot),
            _ => Err(error),
        },
        Err(error) => Err(error),
        Ok(slot) => {
            fresh.get_or_insert(Fresh::Created);
            Ok(slot)
        }
    }
}

/// SQL for why a slot is lost; NULL for one that is not.
fn lost(version: u32) -> String {
    let reason = match version {
        170_000.. => "invalidation_reason",
        160_000.. => "CASE WHEN conflicting THEN 'conflict with recovery' END",
        _ => "NULL",
    };
    format!("coalesce({reason}, CASE wal_status WHEN 'lost' THEN 'its log was removed' END)")
}

/// A slot that is not ours to read is an error.
async fn find(wire: &mut Wire, settings: &Settings, version: u32) -> Result<Found, ReplicationError> {
    let rows = wire
        .query(&format!(
            "SELECT slot_type, plugin, database, database = current_database(), confirmed_flush_lsn, {}, active \
             FROM pg_catalog.pg_replication_slots WHERE slot_name = {}",
            lost(version),
            quote::literal(&settings.slot)
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(Found::Missing) };
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
    Ok(match row.get(5) {
        Some(reason) => Found::Lost { reason: reason.to_owned(), after: confirmed },
        None => Found::Usable(Slot { confirmed, active: row.is_true(6) }),
    })
}

/// Drops the slot, if it is still lost: another walcast may have made it anew meanwhile.
async fn discard(wire: &mut Wire, settings: &Settings, version: u32) -> Result<(), ReplicationError> {
    let drop = format!(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots \
         WHERE slot_name = {} AND {} IS NOT NULL",
        quote::literal(&settings.slot),
        lost(version)
    );
    match wire.query(&drop).await {
        // Another walcast was faster.
        Err(error) if error.sqlstate() == Some("42704") => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn create(wire: &mut Wire, settings: &Settings, version: u32) -> Result<Slot, ReplicationError> {
    // Postgres first waits for the transactions that are running, however long.
    info!(slot = settings.slot, plugin = %settings.plugin, "creating a replication slot");
    let row = wire.query_one(&command(&settings.slot, settings.plugin, settings.temporary, version)).await?;
    let confirmed = row.parse(1, "a new slot's consistent point")?;
    info!(slot = settings.slot, at = %confirmed, "replication slot created");
    Ok(Slot { confirmed, active: false })
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
