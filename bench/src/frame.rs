//! The few WebSocket frames that are needed (RFC 6455, section 5.2).

use crate::{DIGITS, MARK};

/// Appends a server's text frame of `size` bytes in all that holds a sequence number.
pub fn put_numbered(out: &mut Vec<u8>, size: usize, number: u64) {
    let payload = size.saturating_sub(4).max(DIGITS + 126);
    out.extend([0x81, 126]);
    out.extend((payload as u16).to_be_bytes());
    let start = out.len();
    out.push(MARK);
    out.extend(format!("{number:0DIGITS$}").bytes());
    out.resize(start + payload, b'.');
}

/// A client's text frame. Its key is zero: the server unmasks it all the same.
pub fn from_client(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.bytes());
    frame
}

/// The opcode and payload of the server's frame that `bytes` begin with, and its size; `None`: it is not all there.
pub fn from_server(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, head): (usize, usize) = match second & 0x7F {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    Some((first & 0x0F, bytes.get(head..head.checked_add(length)?)?, head + length))
}

/// The sequence number in an event's text.
pub fn number(payload: &[u8]) -> Option<u64> {
    let at = memchr::memchr(MARK, payload)? + 1;
    let digits = payload.get(at..at + DIGITS)?;
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_frame_has_its_size_and_its_number() {
        let mut bytes = Vec::new();
        put_numbered(&mut bytes, 513, 42);
        assert_eq!(bytes.len(), 513);
        let (opcode, payload, size) = from_server(&bytes).expect("it is whole");
        assert_eq!((opcode, size, number(payload)), (1, 513, Some(42)));
        assert_eq!(from_server(&bytes[..512]), None);
    }
}
