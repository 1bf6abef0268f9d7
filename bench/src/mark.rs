//! What an event carries in its text, so that whoever gets it knows which it is and how old: `#`, then digits.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where it begins; nothing else that a server sends has this character.
const SIGN: u8 = b'#';
const NUMBER: usize = 12;
const ROOM: usize = 8;
const STAMP: usize = 16;
const DIGITS: usize = NUMBER + ROOM + STAMP;

/// The same in SQL, stamped when the row is written: `mark(number, room)`; and the stamp of such a one, `stamp(mark)`.
pub const IN_SQL: &str = "
CREATE FUNCTION mark(number bigint, room bigint) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT '#' || lpad(number::text, 12, '0') || lpad(room::text, 8, '0')
               || lpad((extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text, 16, '0')
$$;
CREATE FUNCTION stamp(mark text) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN substr(mark, 22, 16)::bigint;";

/// When a row was written, and how much later somebody had it, in microseconds.
pub type Delay = (u64, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which event of its room, from one.
    pub number: u64,
    /// From zero.
    pub room: u64,
    /// When it was written, in microseconds since 1970.
    pub stamp: u64,
}

impl Mark {
    pub fn put(self, out: &mut Vec<u8>) {
        let Mark { number, room, stamp } = self;
        out.push(SIGN);
        out.extend(format!("{number:0NUMBER$}{room:0ROOM$}{stamp:0STAMP$}").bytes());
    }

    pub fn until(self, now: u64) -> Delay {
        (self.stamp, u32::try_from(now.saturating_sub(self.stamp)).unwrap_or(u32::MAX))
    }

    pub fn find(text: &[u8]) -> Option<Self> {
        Self::at(text, memchr::memchr(SIGN, text)?)
    }

    /// Every one in bytes that may have that character elsewhere, too.
    pub fn all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        memchr::memchr_iter(SIGN, bytes).filter_map(|at| Self::at(bytes, at))
    }

    /// The one whose sign is there.
    fn at(text: &[u8], sign: usize) -> Option<Self> {
        let (number, rest) = text.get(sign + 1..sign + 1 + DIGITS)?.split_at(NUMBER);
        let (room, stamp) = rest.split_at(ROOM);
        Some(Mark { number: read(number)?, room: read(room)?, stamp: read(stamp)? })
    }
}

fn read(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// Microseconds since 1970, by the clock that Postgres stamps with.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_a_text() {
        let mark = Mark { number: 42, room: 7, stamp: 1_795_000_000_123_456 };
        let mut text = b"42[\"component:updated\",{\"name\":\"".to_vec();
        mark.put(&mut text);
        assert_eq!(Mark::find(&text), Some(mark));
        assert_eq!(Mark::find(&text[..text.len() - 1]), None);
    }
}
