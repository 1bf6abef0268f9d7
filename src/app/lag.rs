use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::change::{Lsn, Timestamp};

/// When the newest transaction was committed that was handed to the dispatcher. Clones are one.
#[derive(Clone, Default)]
pub struct Newest(Arc<AtomicI64>);

impl Newest {
    pub fn set(&self, committed_at: Timestamp) {
        self.0.store(committed_at.0, Ordering::Relaxed);
    }

    pub fn get(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// How long what is handed on is behind the database, for who looks at it from time to time.
///
/// What was handed on last may be old because nothing has been committed since; that is no lag. So two things tell of one: the
/// end of the log that an earlier look saw has not been reached yet, since then; and where that is so, how old the
/// transactions are that are handed on meanwhile.
#[derive(Default)]
pub struct Lag {
    /// Ends of the log that have not been reached, and when they were seen; the oldest first.
    ahead: VecDeque<(Instant, Lsn)>,
    /// The newest transaction at the last look.
    before: Timestamp,
    /// The newest one that was handed on since it is behind.
    told: Option<Timestamp>,
}

impl Lag {
    /// The log goes on to `end`, all before `done` is handed on, and what was handed on last was committed at `newest`.
    pub fn look(&mut self, now: Instant, end: Lsn, done: Lsn, newest: Timestamp) -> Duration {
        while self.ahead.front().is_some_and(|(_, ahead)| done >= *ahead) {
            self.ahead.pop_front();
        }
        let came = std::mem::replace(&mut self.before, newest) != newest;
        let waits = self.ahead.front().map(|(since, _)| now.duration_since(*since));
        if done < end {
            self.ahead.push_back((now, end));
        }
        let Some(waits) = waits else {
            self.told = None;
            return Duration::ZERO;
        };
        if came {
            self.told = Some(newest);
        }
        waits.max(self.told.map_or(Duration::ZERO, Timestamp::elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_is_old_because_nothing_came_is_no_lag() {
        let (mut lag, start, newest) = (Lag::default(), Instant::now(), Timestamp(Timestamp::now().0 - HOUR));
        assert_eq!(lag.look(start, Lsn(10), Lsn(10), newest), Duration::ZERO);
        assert_eq!(lag.look(start + seconds(5), Lsn(20), Lsn(10), newest), Duration::ZERO, "it has only just come");
        assert_eq!(lag.look(start + seconds(10), Lsn(30), Lsn(20), newest), Duration::ZERO, "it keeps up");
    }

    #[test]
    fn what_does_not_get_on_is_behind_since_it_was_seen() {
        let (mut lag, start, newest) = (Lag::default(), Instant::now(), Timestamp::now());
        for (look, behind) in [(0, 0), (5, 5), (10, 10)] {
            let now = start + seconds(look);
            assert_eq!(lag.look(now, Lsn(20 + look), Lsn(10), newest), seconds(behind));
        }
        assert_eq!(lag.look(start + seconds(15), Lsn(40), Lsn(25), newest), seconds(5), "since the second look");
        assert_eq!(lag.look(start + seconds(20), Lsn(40), Lsn(40), newest), Duration::ZERO);
    }

    #[test]
    fn who_catches_up_is_as_far_behind_as_what_it_hands_on() {
        let (mut lag, start) = (Lag::default(), Instant::now());
        let ago = |hours: i64| Timestamp(Timestamp::now().0 - hours * HOUR);
        lag.look(start, Lsn(1_000), Lsn(10), Timestamp::default());
        let three = ago(3);
        let behind = lag.look(start + seconds(5), Lsn(1_000), Lsn(20), three);
        assert_eq!(behind.as_secs() / 3_600, 3);
        let stuck = lag.look(start + seconds(10), Lsn(1_000), Lsn(20), three);
        assert_eq!(stuck.as_secs() / 3_600, 3, "it stays so while nothing comes");
        let behind = lag.look(start + seconds(15), Lsn(1_000), Lsn(500), ago(1));
        assert_eq!(behind.as_secs() / 3_600, 1);
        assert_eq!(lag.look(start + seconds(20), Lsn(1_000), Lsn(1_000), ago(0)), Duration::ZERO);
    }
}
