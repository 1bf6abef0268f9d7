use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Position;
use crate::{change::Lsn, events::Offset};

/// The transactions that the stream brought last, by their numbers.
///
/// A transaction is in the log before others see what it did: mostly for microseconds, with synchronous standbys until
/// those have answered. So what is read from the tables after a position was passed may lack what came before it.
#[derive(Default)]
pub(super) struct Commits(Mutex<VecDeque<(u32, Lsn)>>);

/// How many are remembered: more than commit while one of them becomes visible.
const REMEMBERED: usize = 16_384;

impl Commits {
    /// A transaction begins in the stream; its events are not handed on yet.
    pub fn note(&self, xid: u32, commit_lsn: Lsn) {
        let mut commits = self.commits();
        if commits.len() >= REMEMBERED {
            commits.pop_front();
        }
        commits.push_back((xid, commit_lsn));
    }

    /// The last place up to which a reader who began at a position, or after it, saw everything.
    pub fn contained(&self, position: Position, sees: impl Fn(u32) -> bool) -> Position {
        let unseen = self.commits().iter().filter(|(xid, _)| !sees(*xid)).map(|(_, lsn)| Offset::before(*lsn)).min();
        let offset = unseen.map_or(position.offset, |unseen| position.offset.min(unseen));
        Position { offset, ..position }
    }

    fn commits(&self) -> MutexGuard<'_, VecDeque<(u32, Lsn)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Epoch;

    fn at(lsn: u64) -> Position {
        Position { epoch: Epoch::new("e"), offset: Offset::before(Lsn(lsn)) }
    }

    #[test]
    fn what_was_told_and_not_seen_is_not_contained() {
        let commits = Commits::default();
        for (xid, lsn) in [(7, 100), (9, 200), (8, 300)] {
            commits.note(xid, Lsn(lsn));
        }
        assert_eq!(commits.contained(at(400), |_| true), at(400));
        assert_eq!(commits.contained(at(400), |xid| xid != 8), at(300));
        assert_eq!(commits.contained(at(400), |xid| xid == 7), at(200));
        assert_eq!(commits.contained(at(150), |xid| xid == 7), at(150), "what was not told yet is none of it");
    }

    #[test]
    fn only_the_last_are_remembered() {
        let commits = Commits::default();
        for xid in 0..=REMEMBERED as u32 {
            commits.note(xid, Lsn(u64::from(xid) + 1));
        }
        assert_eq!(commits.commits().len(), REMEMBERED);
        assert_eq!(commits.contained(at(1 << 20), |xid| xid != 0), at(1 << 20));
        assert_eq!(commits.contained(at(1 << 20), |xid| xid != 1), at(2));
    }
}
