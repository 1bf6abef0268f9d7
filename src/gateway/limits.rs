use std::num::NonZeroU32;

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use serde_json::Value;

use super::reply::{Code, Failure};

type Bucket = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<<MonotonicClock as Clock>::Instant>>;

/// How often a socket may ask.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: NonZeroU32,
    /// How many at once, after a pause.
    pub burst: NonZeroU32,
}

/// How many refusals a socket may have for each request of a burst.
const PATIENCE: u32 = 10;

/// The requests of one socket. Those beyond the rate are refused; who goes on all the same floods.
pub struct Flow {
    taken: Bucket,
    refused: Bucket,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Verdict {
    Take,
    Refuse(Failure),
    /// The socket does not listen.
    Flood,
}

impl Flow {
    pub fn new(rate: Rate) -> Self {
        let bucket = |burst| {
            let quota = Quota::per_second(rate.per_second).allow_burst(burst);
            RateLimiter::direct_with_clock(quota, MonotonicClock)
        };
        let patience = rate.burst.saturating_mul(NonZeroU32::MIN.saturating_add(PATIENCE - 1));
        Flow { taken: bucket(rate.burst), refused: bucket(patience) }
    }

    pub fn judge(&self) -> Verdict {
        let Err(until) = self.taken.check() else { return Verdict::Take };
        if self.refused.check().is_err() {
            return Verdict::Flood;
        }
        Verdict::Refuse(refusal(&until))
    }
}

fn refusal(until: &NotUntil<<MonotonicClock as Clock>::Instant>) -> Failure {
    let wait = until.wait_time_from(MonotonicClock.now());
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    Failure::new(Code::RateLimited, format!("too many events: send the next in {millis} ms"))
        .with("retryAfterMs", millis.into())
}

/// Whether a JSON value nests no deeper than this; a text, or an object of none, has depth 1.
pub fn is_within(value: &Value, depth: usize) -> bool {
    let Some(inside) = depth.checked_sub(1) else { return false };
    match value {
        Value::Array(values) => values.iter().all(|value| is_within(value, inside)),
        Value::Object(members) => members.values().all(|value| is_within(value, inside)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_asks_too_often_is_refused_and_who_goes_on_floods() {
        let one = |count| NonZeroU32::new(count).expect("not zero");
        let flow = Flow::new(Rate { per_second: one(1), burst: one(3) });
        for _ in 0..3 {
            assert!(matches!(flow.judge(), Verdict::Take));
        }
        for _ in 0..3 * PATIENCE {
            let Verdict::Refuse(failure) = flow.judge() else { panic!("it is refused") };
            assert_eq!(failure.code, Code::RateLimited);
            let wait = failure.details["retryAfterMs"].as_u64().expect("a time");
            assert!((1..=1000).contains(&wait), "{wait}");
        }
        assert!(matches!(flow.judge(), Verdict::Flood));
    }

    #[test]
    fn depth_is_that_of_the_deepest_value() {
        for (value, depth) in [(json!(1), 1), (json!({}), 1), (json!({"a": 1}), 2), (json!([[1], {"a": [2]}]), 4)] {
            assert!(is_within(&value, depth), "{value}");
            assert!(!is_within(&value, depth - 1), "{value}");
        }
    }
}
