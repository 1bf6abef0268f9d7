use super::{Case, Finding, size};
use crate::{postgres::quote::literal, replication::ReplicationError, store::survey::Slot};

const NAME: &str = "slot";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let name = &case.settings.slot;
    let Some(slot) = &case.survey.slot else {
        return vec![Finding::note(
            NAME,
            format!("slot {name} is not there"),
            "walcast serve makes it when it starts; what commits before that is not told",
            "walcast serve",
        )];
    };
    if let Some(error) = misfit(slot, case) {
        return vec![Finding::error(
            NAME,
            error.to_string(),
            "walcast does not read from a slot that is not its own, and does not touch it",
            error.remedy().unwrap_or_default(),
        )];
    }
    let status = slot.wal_status.as_deref();
    let reason = slot
        .invalidation_reason
        .clone()
        .or_else(|| (slot.conflicting == Some(true)).then(|| "conflict with recovery".to_owned()))
        .or_else(|| (status == Some("lost")).then(|| "its log was removed".to_owned()));
    let held = slot.held_bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    let mut findings = Vec::new();
    if let Some(reason) = reason {
        return vec![Finding::error(
            NAME,
            format!("Postgres has invalidated slot {name}: {reason}"),
            "what it held is gone. walcast serve makes it anew when it starts, and every client fetches again",
            "start walcast serve, and raise max_slot_wal_keep_size so that it does not come again",
        )];
    }
    if status == Some("unreserved") {
        findings.push(Finding::error(
            NAME,
            format!("slot {name} has fallen behind max_slot_wal_keep_size: the next checkpoint may take its log away"),
            "then everything that it held is lost, and every client fetches again",
            "start walcast serve, or see why it is slow; ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_reload_conf();",
        ));
    }
    if !slot.active {
        findings.push(Finding::warning(
            NAME,
            format!("nobody reads from slot {name}, which holds {} of log back", size(held)),
            "until somebody does nothing is broadcast, and the log on the server's disk grows",
            format!(
                "start walcast serve; if it is not to come back: SELECT pg_drop_replication_slot({});",
                literal(name)
            ),
        ));
    }
    findings
}

/// Why walcast would not read from it, as it says when it starts.
fn misfit(slot: &Slot, case: &Case<'_>) -> Option<ReplicationError> {
    let name = slot.slot_name.clone();
    let wanted = case.settings.plugin;
    let Some(plugin) = slot.plugin.clone().filter(|_| slot.slot_type == "logical") else {
        return Some(ReplicationError::SlotPhysical { slot: name });
    };
    if slot.here != Some(true) {
        let (found, wanted) = (slot.database.clone().unwrap_or_default(), case.survey.server.database.clone());
        return Some(ReplicationError::SlotDatabase { slot: name, found, wanted });
    }
    (plugin != wanted.to_string()).then_some(ReplicationError::SlotPlugin { slot: name, found: plugin, wanted })
}
