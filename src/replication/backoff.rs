use std::time::Duration;

use rand::RngExt as _;

/// Pauses that double, from 0.1 s to 10 s, each shortened by up to a half so that many servers do not come at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

impl Backoff {
    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.jitter(pause)
    }

    /// Between half of a pause and all of it.
    pub(super) fn jitter(&self, pause: Duration) -> Duration {
        pause.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// A connection that held this long is not part of one failure after another. One that breaks at once, each time it
    /// comes to the same change, is, although each time it connects.
    pub(super) fn is_outlived_by(&self, connection: Duration) -> bool {
        connection > LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        for full in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            let full = Duration::from_millis(full);
            let pause = backoff.next();
            assert!((full / 2..=full).contains(&pause), "{pause:?} of {full:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= LONGEST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
