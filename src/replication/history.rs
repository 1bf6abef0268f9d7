use crate::change::{Begin, Commit, Lsn, Timestamp};

/// A transaction by which a log is known again: no other log has one that committed at this place at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landmark {
    commit_lsn: Lsn,
    pub(super) end_lsn: Lsn,
    committed_at: Timestamp,
}

impl Landmark {
    pub(super) fn new(begin: &Begin, commit: &Commit) -> Landmark {
        Landmark { commit_lsn: commit.commit_lsn, end_lsn: commit.end_lsn, committed_at: begin.committed_at }
    }
}

/// Whether the log that comes in is the one that came in before.
///
/// A database restored from a copy of its files, and a standby that was promoted before it had everything, answer with
/// the same name and the same slot at an earlier position. Where their log ends tells them apart only until they have
/// written as much again. But whatever lies behind the slot's position comes again: so from a slot that stands before the
/// last transaction that came in, that transaction must come, or the log is another. And a slot that stands behind it
/// was moved there by who had read it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    last: Option<Landmark>,
    /// `last` must come again.
    due: bool,
    /// The log came past the place of `last`, and it was not there.
    broken: bool,
}

impl History {
    /// A connection starts to stream from `slot`. `false`: it tells another log, as far as is known.
    pub(super) fn resume(&mut self, slot: Lsn, wal_end: Lsn) -> bool {
        self.due = self.last.is_some_and(|last| slot <= last.commit_lsn);
        !self.broken && self.last.is_none_or(|last| last.end_lsn <= wal_end)
    }

    /// A transaction came in.
    pub(super) fn came(&mut self, landmark: Landmark) {
        if let Some(last) = self.last.filter(|last| self.due && landmark.commit_lsn >= last.commit_lsn) {
            self.due = false;
            self.broken = landmark != last;
        }
        if !self.broken && self.last.is_none_or(|last| last.end_lsn < landmark.end_lsn) {
            self.last = Some(landmark);
        }
    }

    /// Everything that commits before `end` has come in.
    pub(super) fn passed(&mut self, end: Lsn) {
        if self.due && self.last.is_some_and(|last| last.end_lsn <= end) {
            self.broken = true;
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it has shown that it is the same log.
    pub(super) fn is_certain(&self) -> bool {
        !self.due && !self.broken
    }

    /// The end of the last transaction that came in.
    pub(super) fn end(&self) -> Lsn {
        self.last.map_or(Lsn::ZERO, |last| last.end_lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits at `lsn`, ends 10 later.
    fn transaction(lsn: u64, at: i64) -> Landmark {
        Landmark { commit_lsn: Lsn(lsn), end_lsn: Lsn(lsn + 10), committed_at: Timestamp(at) }
    }

    /// Transactions came at 100 and 200.
    fn history() -> History {
        let mut history = History::default();
        assert!(history.resume(Lsn(50), Lsn(60)));
        history.came(transaction(100, 1));
        history.came(transaction(200, 2));
        history
    }

    #[test]
    fn what_comes_again_is_the_same_log() {
        let mut history = history();
        assert!(history.resume(Lsn(100), Lsn(210)));
        history.passed(Lsn(150));
        for transaction in [transaction(100, 1), transaction(200, 2), transaction(300, 3)] {
            history.came(transaction);
            assert!(!history.is_broken());
        }
        history.passed(Lsn(400));
        assert!(!history.is_broken());
        assert_eq!(history.end(), Lsn(310));
    }

    #[test]
    fn nothing_has_to_come_again_from_a_slot_behind_it() {
        let mut history = history();
        assert!(history.resume(Lsn(201), Lsn(400)));
        history.came(transaction(300, 3));
        history.passed(Lsn(400));
        assert!(!history.is_broken());
    }

    #[test]
    fn a_log_that_ends_earlier_is_another() {
        assert!(!history().resume(Lsn(100), Lsn(209)));
    }

    #[test]
    fn a_log_that_has_something_else_in_its_place_is_another() {
        for other in [transaction(200, 3), transaction(203, 2), transaction(300, 3)] {
            let mut history = history();
            assert!(history.resume(Lsn(100), Lsn(400)));
            history.came(transaction(150, 2));
            assert!(!history.is_broken(), "it is not that far yet");
            history.came(other);
            assert!(history.is_broken(), "{other:?}");
            assert!(!history.resume(Lsn(100), Lsn(400)), "{other:?}");
        }
    }

    #[test]
    fn a_log_that_has_nothing_in_its_place_is_another() {
        let mut history = history();
        assert!(history.resume(Lsn(200), Lsn(400)), "the slot stands right before it");
        history.passed(Lsn(209));
        assert!(!history.is_broken(), "it is not that far yet");
        history.passed(Lsn(210));
        assert!(history.is_broken());
    }
}
