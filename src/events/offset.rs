use std::{fmt, sync::Arc};

use crate::change::Lsn;

/// This history's name; it changes when the slot had to be recreated, so that an offset of one history is never taken
/// for an offset of another. A short text without `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Epoch(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an event stands in its history. It comes from the log alone, so it is the same on every server and after
/// every restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    /// The transaction's commit position.
    pub lsn: Lsn,
    /// The event's number in its transaction, from 0.
    pub n: u32,
}

impl Offset {
    /// Behind every event of the transactions that commit before a position, and before every event of the others.
    pub fn before(lsn: Lsn) -> Self {
        Offset { lsn: Lsn(lsn.0.saturating_sub(1)), n: u32::MAX }
    }

    /// `{epoch}/{lsn}-{n}` with 16 and 8 upper-case hex digits: within an epoch, string order is event order.
    pub fn to_wire(&self, epoch: &Epoch) -> String {
        let mut text = String::with_capacity(epoch.as_str().len() + "/0123456789ABCDEF-01234567".len());
        text.push_str(epoch.as_str());
        text.push('/');
        push_hex::<16>(&mut text, self.lsn.0);
        text.push('-');
        push_hex::<8>(&mut text, self.n.into());
        text
    }

    /// Reads exactly what [`Offset::to_wire`] writes.
    pub fn parse_wire(text: &str) -> Result<(Epoch, Offset), ParseOffsetError> {
        let read = || {
            let (epoch, position) = text.rsplit_once('/')?;
            let (lsn, n) = position.split_once('-')?;
            let is_hex = |digits: &str, len| {
                digits.len() == len && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
            };
            if epoch.is_empty() || !is_hex(lsn, 16) || !is_hex(n, 8) {
                return None;
            }
            let offset = Offset { lsn: Lsn(u64::from_str_radix(lsn, 16).ok()?), n: u32::from_str_radix(n, 16).ok()? };
            Some((Epoch::new(epoch), offset))
        };
        read().ok_or_else(|| ParseOffsetError(text.to_owned()))
    }
}

/// Every event has one: by way of the formatter it would cost as much as the rest of a small event.
fn push_hex<const DIGITS: usize>(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let nibble = (number & 0xF) as u8;
        *digit = if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble };
        number >>= 4;
    }
    text.push_str(str::from_utf8(&digits).unwrap_or_default());
}

/// A text that is not an offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an offset of the form epoch/00000016B374D848-00000000: send back one that an event carried")]
pub struct ParseOffsetError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_read_back_as_written() {
        let epoch = Epoch::new("k7");
        for offset in
            [Offset::default(), Offset { lsn: Lsn(0x16_B374_D848), n: 31 }, Offset { lsn: Lsn(u64::MAX), n: u32::MAX }]
        {
            assert_eq!(Offset::parse_wire(&offset.to_wire(&epoch)), Ok((epoch.clone(), offset)));
        }
        assert_eq!(Offset { lsn: Lsn(0x16_B374_D848), n: 31 }.to_wire(&epoch), "k7/00000016B374D848-0000001F");
    }

    #[test]
    fn string_order_is_event_order() {
        let epoch = Epoch::new("e");
        let offsets = [(1, 2), (1, 10), (2, 0), (16, 0), (u64::MAX, 0)].map(|(lsn, n)| Offset { lsn: Lsn(lsn), n });
        let wire: Vec<_> = offsets.iter().map(|offset| offset.to_wire(&epoch)).collect();
        assert!(offsets.is_sorted() && wire.is_sorted(), "{wire:?}");
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        for text in [
            "",
            "/",
            "e/",
            "e",
            "/0000000000000001-00000000",
            "e/0000000000000001",
            "e/0000000000000001-0",
            "e/000000000000001-00000000",
            "e/000000000000000a-00000000",
            "e/+000000000000001-00000000",
            "e/0000000000000001-00000000 ",
            "e/0000000000000001-000000000",
        ] {
            assert!(Offset::parse_wire(text).is_err(), "{text:?} was taken");
        }
    }
}
