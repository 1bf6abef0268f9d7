use super::Fault;
use crate::change::{Lsn, Timestamp};

/// Reads big-endian fields off a frame. It cannot overrun: each `take` names what it wanted where too little is left.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(frame: &'a [u8]) -> Self {
        Reader(frame)
    }

    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Fault> {
        self.array(what).map(u8::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Fault> {
        self.array(what).map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Fault> {
        self.array(what).map(u32::from_be_bytes)
    }

    #[inline]
    pub fn lsn(&mut self, what: &'static str) -> Result<Lsn, Fault> {
        self.array(what).map(u64::from_be_bytes).map(Lsn)
    }

    #[inline]
    pub fn timestamp(&mut self, what: &'static str) -> Result<Timestamp, Fault> {
        self.array(what).map(i64::from_be_bytes).map(Timestamp)
    }

    /// The next `len` bytes.
    #[inline]
    pub fn bytes(&mut self, len: u32, what: &'static str) -> Result<&'a [u8], Fault> {
        let split = usize::try_from(len).ok().and_then(|len| self.0.split_at_checked(len));
        let Some((bytes, rest)) = split else { return Err(Fault::Truncated { what }) };
        self.0 = rest;
        Ok(bytes)
    }

    /// The text up to the next NUL, which is taken too.
    pub fn c_string(&mut self, what: &'static str) -> Result<&'a str, Fault> {
        utf8(self.c_bytes(what)?, what)
    }

    /// The same, in whatever encoding.
    pub fn c_bytes(&mut self, what: &'static str) -> Result<&'a [u8], Fault> {
        let split = memchr::memchr(0, self.0).and_then(|len| self.0.split_at_checked(len));
        let Some((text, rest)) = split else { return Err(Fault::Truncated { what }) };
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// Ends the frame: a byte that nobody asked for is an error.
    pub fn finish(self) -> Result<(), Fault> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Fault::LeftOver(left)),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Fault> {
        // `ok_or` would make an error for each field, and drop it.
        let Some((array, rest)) = self.0.split_first_chunk() else { return Err(Fault::Truncated { what }) };
        self.0 = rest;
        Ok(*array)
    }
}

pub(super) fn utf8<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Fault> {
    str::from_utf8(bytes).map_err(|_| Fault::NotUtf8 { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader<'_> {
        Reader::new(bytes)
    }

    #[test]
    fn a_field_past_the_end_is_truncated() {
        assert!(matches!(reader(&[]).u8("tag"), Err(Fault::Truncated { what: "tag" })));
        assert!(matches!(reader(&[1]).u16("x"), Err(Fault::Truncated { .. })));
        assert!(matches!(reader(&[1, 2, 3]).u32("x"), Err(Fault::Truncated { .. })));
        assert!(matches!(reader(&[0; 7]).lsn("x"), Err(Fault::Truncated { .. })));
        assert!(matches!(reader(&[0; 7]).timestamp("x"), Err(Fault::Truncated { .. })));
        assert!(matches!(reader(b"abc").bytes(u32::MAX, "x"), Err(Fault::Truncated { .. })));
    }

    #[test]
    fn a_c_string_ends_at_its_nul_and_needs_one() {
        let mut two = reader(b"ab\0\0");
        assert_eq!(two.c_string("x").expect("a string"), "ab");
        assert_eq!(two.c_string("x").expect("an empty string"), "");
        assert!(two.finish().is_ok());
        assert!(matches!(reader(b"ab").c_string("x"), Err(Fault::Truncated { .. })));
        assert!(matches!(reader(b"\xff\0").c_string("x"), Err(Fault::NotUtf8 { .. })));
    }

    #[test]
    fn a_left_over_byte_is_an_error() {
        assert!(matches!(reader(b"ab").finish(), Err(Fault::LeftOver(2))));
    }
}
