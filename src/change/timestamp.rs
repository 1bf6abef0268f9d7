use std::{fmt, str::FromStr, time::Duration};

use jiff::fmt::temporal::DateTimePrinter;

/// A commit time in Postgres's own count: microseconds since 2000-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// 2000-01-01 00:00:00 UTC in Unix microseconds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl Timestamp {
    /// Now, by this machine's clock.
    pub fn now() -> Self {
        Timestamp(jiff::Timestamp::now().as_microsecond() - POSTGRES_EPOCH)
    }

    /// Appends what [`Display`](fmt::Display) shows, without a formatter: every event has one.
    pub fn push_to(self, out: &mut String) {
        const MILLIS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        let at = self
            .0
            .checked_add(POSTGRES_EPOCH)
            .and_then(|unix| jiff::Timestamp::from_microsecond(unix - unix.rem_euclid(1_000)).ok());
        // Writing to a String cannot fail. Only a corrupt log holds a time past the year 9999.
        if at.is_none_or(|at| MILLIS.print_timestamp(&at, &mut *out).is_err()) {
            out.push_str("9999-12-31T23:59:59.999Z");
        }
    }

    /// How long ago it was, by this machine's clock; 0 where that is behind the database's.
    pub fn elapsed(self) -> Duration {
        Duration::from_micros(u64::try_from(Timestamp::now().0.saturating_sub(self.0)).unwrap_or_default())
    }
}

/// ISO 8601 in UTC with milliseconds, as on the wire to clients: `2026-11-23T02:28:00.135Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity("9999-12-31T23:59:59.999Z".len());
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

/// A text that is not a time in the form of [`Timestamp`]'s `FromStr`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of the form 2026-11-23 02:28:00.135927+00")]
pub struct ParseTimestampError(String);

/// Postgres's ISO form with an offset in hours (wal2json's): `2026-11-23 02:28:00.135927+00`.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|at| Timestamp(at.as_microsecond() - POSTGRES_EPOCH))
            .map_err(|_| ParseTimestampError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_milliseconds_in_utc() {
        let at: Timestamp = "2026-11-23 02:28:00.135927+00".parse().expect("a time");
        assert_eq!(at.to_string(), "2026-11-23T02:28:00.135Z");
        assert_eq!(Timestamp(0).to_string(), "2000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(-1).to_string(), "1999-12-31T23:59:59.999Z");
    }

    #[test]
    fn reads_a_time_without_a_fraction_and_with_another_offset() {
        assert_eq!("2000-01-01 00:00:01+00".parse(), Ok(Timestamp(1_000_000)));
        assert_eq!("2000-01-01 02:00:00+02".parse(), Ok(Timestamp(0)));
    }

    #[test]
    fn any_number_can_be_shown_and_by_both_ways_alike() {
        for micros in [i64::MIN, i64::MAX, 0, -1, 999, 1_000, 848_716_080_135_927, 252_455_615_999_999_999] {
            let mut pushed = String::new();
            Timestamp(micros).push_to(&mut pushed);
            assert!(!pushed.is_empty());
            assert_eq!(Timestamp(micros).to_string(), pushed);
        }
    }
}
