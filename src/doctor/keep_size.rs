use super::{Case, Finding, size};

const NAME: &str = "keep_size";

/// A segment of the log: Postgres keeps whole ones.
const SEGMENT: u64 = 16 << 20;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let replay = case.settings.replay_bytes;
    let wanted = replay.saturating_mul(4).max(1 << 30);
    let remedy = format!(
        "ALTER SYSTEM SET max_slot_wal_keep_size = '{}MB'; SELECT pg_reload_conf(); -- or what the disk can spare",
        wanted >> 20
    );
    match case.survey.server.keep_bytes {
        None => vec![Finding::warning(
            NAME,
            "max_slot_wal_keep_size is -1: nothing bounds the log that a slot holds back",
            "while walcast is away its slot holds the log back, until the server's disk is full and Postgres stops",
            remedy,
        )],
        Some(keep) if keep < replay.saturating_add(2 * SEGMENT) => vec![Finding::error(
            NAME,
            format!(
                "max_slot_wal_keep_size is {}, and WALCAST_REPLAY_BYTES has {} held back",
                size(keep),
                size(replay)
            ),
            "Postgres invalidates the slot while all is as it should be, and every client fetches again",
            format!("{remedy}; or lower WALCAST_REPLAY_BYTES"),
        )],
        Some(keep) if keep < replay.saturating_mul(2) => vec![Finding::warning(
            NAME,
            format!(
                "max_slot_wal_keep_size is {}, and WALCAST_REPLAY_BYTES has {} held back",
                size(keep),
                size(replay)
            ),
            "a restart of walcast, or a burst of writes, may take the rest: then Postgres invalidates the slot",
            format!("{remedy}; or lower WALCAST_REPLAY_BYTES"),
        )],
        Some(_) => Vec::new(),
    }
}
