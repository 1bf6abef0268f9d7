use std::fmt;

use crate::change::Lsn;

/// Why what the slot tells is a new history: positions that are known from before mean nothing in it, and between the old
/// and the new there may be changes that never come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// The slot was missing and has been made: the first time, or since somebody dropped it.
    Created,
    /// Postgres had given the slot up, and it has been made anew. What committed after `after` and before the new slot's
    /// position is gone.
    Invalidated { reason: String, after: Lsn },
    /// Another database cluster answers than the one `before`, by its system identifier.
    OtherCluster { before: String },
    /// The same cluster, but its log is not the one that was read up to `read`: the database was restored from a backup, or
    /// a standby was promoted that did not have everything.
    WentBack { read: Lsn },
}

impl fmt::Display for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fresh::Created => f.write_str("the replication slot was missing"),
            Fresh::Invalidated { reason, after } => {
                write!(f, "Postgres had invalidated the replication slot ({reason}) at {after}")
            }
            Fresh::OtherCluster { before } => write!(f, "another database cluster answers than {before}"),
            Fresh::WentBack { read } => write!(f, "the database went back to before {read}, up to which it was read"),
        }
    }
}

/// The setting that keeps a slot from being invalidated for this reason once more.
pub(super) fn prevention(reason: &str) -> &'static str {
    match reason {
        "idle_timeout" => "raise idle_replication_slot_timeout, or keep walcast running",
        "wal_level_insufficient" => "keep wal_level = logical",
        "rows_removed" | "conflict with recovery" => "set hot_standby_feedback = on on the standby",
        _ => "raise max_slot_wal_keep_size to more than is written while walcast is away",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_whose_log_was_removed_wants_more_of_it_kept() {
        for reason in ["wal_removed", "its log was removed"] {
            assert!(prevention(reason).contains("max_slot_wal_keep_size"), "{reason}");
        }
        assert!(prevention("idle_timeout").contains("idle_replication_slot_timeout"));
    }
}
