use super::{Case, Finding};

const NAME: &str = "capacity";

/// Room for one slot more, where ours is not there yet, and for one WAL sender, where nobody reads ours.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let server = &case.survey.server;
    let slot = case.survey.slot.as_ref();
    let mut findings = Vec::new();
    if slot.is_none() && server.used_slots >= server.max_slots {
        findings.push(Finding::error(
            NAME,
            format!("all {} replication slots are taken (max_replication_slots)", server.max_slots),
            "walcast needs one of its own, and cannot make it",
            format!(
                "ALTER SYSTEM SET max_replication_slots = {}; -- then restart Postgres; or drop one that nobody reads: \
                 SELECT slot_name FROM pg_replication_slots WHERE NOT active",
                server.max_slots + 5
            ),
        ));
    }
    if !slot.is_some_and(|slot| slot.active) && server.used_senders >= server.max_senders {
        findings.push(Finding::error(
            NAME,
            format!("all {} WAL senders are busy (max_wal_senders)", server.max_senders),
            "walcast's stream needs one, and Postgres refuses it",
            format!("ALTER SYSTEM SET max_wal_senders = {}; -- then restart Postgres", server.max_senders + 5),
        ));
    }
    findings
}
