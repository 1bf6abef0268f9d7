use std::{fmt, str::FromStr};

/// A position in the write-ahead log: a byte address, of the type `pg_lsn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// `0/0`, which Postgres never assigns: "no position".
    pub const ZERO: Lsn = Lsn(0);
}

/// The manual's form: two hexadecimal halves, `16/B374D848`.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A text that is not an LSN in the form `16/B374D848`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a WAL position of the form 16/B374D848")]
pub struct ParseLsnError(String);

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |digits: &str| {
            let digit = |so_far: u64, digit: char| Some(so_far << 4 | u64::from(digit.to_digit(16)?));
            (1..=8).contains(&digits.len()).then(|| digits.chars().try_fold(0, digit)).flatten()
        };
        text.split_once('/')
            .and_then(|(high, low)| Some(Lsn(half(high)? << 32 | half(low)?)))
            .ok_or_else(|| ParseLsnError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for lsn in [Lsn::ZERO, Lsn(0x16_B374_D848), Lsn(u64::MAX)] {
            assert_eq!(lsn.to_string().parse(), Ok(lsn));
        }
        assert_eq!(Lsn(0x16_B374_D848).to_string(), "16/B374D848");
    }

    #[test]
    fn refuses_what_is_no_position() {
        for text in ["", "/", "1", "1/", "/1", "g/1", "1/2/3", "+1/2", "123456789/0", " 1/2"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?} was taken");
        }
    }
}
