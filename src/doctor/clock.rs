use super::{Case, Finding};
use crate::store::survey::Clock;

/// In milliseconds: what tokens and logs bear.
const MUCH: i64 = 5_000;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    judge(case.survey.clock)
}

/// The database's clock was read between `before` and `after`: only what lies outside of that is a difference.
fn judge(Clock { before, database, after }: Clock) -> Vec<Finding> {
    let skew = if database < before { database - before } else { (database - after).max(0) };
    if skew.abs() <= MUCH {
        return Vec::new();
    }
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    vec![Finding::warning(
        "clock",
        format!("the database's clock is {} s {direction} this machine's", skew.abs() / 1_000),
        "tokens that another machine signs expire too soon or too late, and the times in events are the database's",
        "synchronise both clocks, by NTP",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_round_trip_does_not_explain_is_a_difference() {
        let at = |before, database, after| judge(Clock { before, database, after });
        assert_eq!(at(100_000, 100_003, 100_007), []);
        assert_eq!(at(100_000, 119_000, 120_000), [], "a slow answer");
        assert_eq!(at(100_000, 105_007, 100_007), [], "five seconds");
        assert!(at(100_000, 107_000, 100_007)[0].what.contains("6 s ahead of"));
        assert!(at(100_000, 90_000, 100_007)[0].what.contains("10 s behind"));
    }
}
