use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::Fault;
use crate::change::{Lsn, Timestamp};

/// Reads big-endian fields off a frame. It cannot overrun: each `take` names what it wanted where too little is left.
pub(super) struct Reader(Bytes);

impl Reader {
    pub fn new(frame: Bytes) -> Self {
        Reader(frame)
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, Fault> {
        self.0.try_get_u8().map_err(|_| Fault::Truncated { what })
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, Fault> {
        self.0.try_get_u16().map_err(|_| Fault::Truncated { what })
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, Fault> {
        self.0.try_get_u32().map_err(|_| Fault::Truncated { what })
    }

    pub fn lsn(&mut self, what: &'static str) -> Result<Lsn, Fault> {
        self.0.try_get_u64().map(Lsn).map_err(|_| Fault::Truncated { what })
    }

    pub fn timestamp(&mut self, what: &'static str) -> Result<Timestamp, Fault> {
        self.0.try_get_i64().map(Timestamp).map_err(|_| Fault::Truncated { what })
    }

    /// The next `len` bytes, shared with the frame.
    pub fn bytes(&mut self, len: u32, what: &'static str) -> Result<Bytes, Fault> {
        match usize::try_from(len) {
            Ok(len) if len <= self.0.len() => Ok(self.0.split_to(len)),
            _ => Err(Fault::Truncated { what }),
        }
    }

    /// The text up to the next NUL, which is taken too.
    pub fn c_string(&mut self, what: &'static str) -> Result<ByteString, Fault> {
        utf8(self.c_bytes(what)?, what)
    }

    /// The same, in whatever encoding.
    pub fn c_bytes(&mut self, what: &'static str) -> Result<Bytes, Fault> {
        let len = self.0.iter().position(|byte| *byte == 0).ok_or(Fault::Truncated { what })?;
        let text = self.0.split_to(len);
        self.0.advance(1);
        Ok(text)
    }

    /// Ends the frame: a byte that nobody asked for is an error.
    pub fn finish(self) -> Result<(), Fault> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Fault::LeftOver(left)),
        }
    }
}

pub(super) fn utf8(bytes: Bytes, what: &'static str) -> Result<ByteString, Fault> {
    ByteString::try_from(bytes).map_err(|_| Fault::NotUtf8 { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
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

    #[test]
    fn a_text_shares_the_frames_memory() {
        let frame = Bytes::from(b"hello\0".to_vec());
        let text = Reader::new(frame.clone()).c_string("x").expect("a text");
        assert_eq!(text.as_bytes().as_ptr(), frame.as_ptr());
    }
}
