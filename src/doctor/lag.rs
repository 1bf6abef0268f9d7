use super::{Case, Finding, Severity, size};
use crate::postgres::quote::literal;

const NAME: &str = "lag";

/// With no bound set, this much beyond the replay window is worth a look.
const MUCH: u64 = 1 << 30;

/// How much log the slot holds back: from its restart_lsn, which is where the disk fills, and not from what is confirmed.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(slot) = &case.survey.slot else { return Vec::new() };
    let bytes = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    let (held, behind) = (bytes(slot.held_bytes), bytes(slot.behind_bytes));
    let replay = case.settings.replay_bytes;
    let (bound, severity) = match case.survey.server.keep_bytes {
        Some(keep) if held > keep / 10 * 9 => (format!("of at most {}", size(keep)), Severity::Error),
        Some(keep) if held > keep / 2 && held > replay.saturating_mul(2) => {
            (format!("of at most {}", size(keep)), Severity::Warning)
        }
        None if held > replay.saturating_add(MUCH) => ("and nothing bounds it".to_owned(), Severity::Warning),
        _ => return Vec::new(),
    };
    let name = &case.settings.slot;
    // What is confirmed has come along, and still the log has to stay.
    let remedy = if slot.active && behind / 2 <= replay {
        "end the transaction that keeps it: SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL \
         ORDER BY xact_start;"
            .to_owned()
    } else if slot.active {
        "see why walcast is slow, in its log and its /metrics".to_owned()
    } else {
        format!("start walcast serve; if it is not to come back: SELECT pg_drop_replication_slot({});", literal(name))
    };
    vec![Finding {
        severity,
        ..Finding::error(
            NAME,
            format!("slot {name} holds {} of log back, {bound}; {} are not confirmed", size(held), size(behind)),
            "log that is held back fills the disk; beyond max_slot_wal_keep_size Postgres invalidates the slot, and every client fetches again",
            remedy,
        )
    }]
}
