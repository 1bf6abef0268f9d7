//! The few WebSocket frames that are needed (RFC 6455, section 5.2).

use crate::mark::Mark;

/// Appends a server's text frame of `size` bytes in all that holds a mark.
pub fn put_marked(out: &mut Vec<u8>, size: usize, mark: Mark) {
    let payload = size.saturating_sub(4).max(126);
    out.extend([0x81, 126]);
    out.extend((payload as u16).to_be_bytes());
    let start = out.len();
    mark.put(out);
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

/// A frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: u8,
    pub compressed: bool,
    pub payload: &'a [u8],
    /// What it takes on the wire.
    pub size: usize,
}

/// The frame that `bytes` begin with; `None`: it is not all there.
pub fn from_server(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, head): (usize, usize) = match second & 0x7F {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    let size = head.checked_add(length)?;
    Some(Frame { opcode: first & 0x0F, compressed: first & 0x40 != 0, payload: bytes.get(head..size)?, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_frame_has_its_size_and_its_mark() {
        let mark = Mark { number: 42, room: 1, stamp: 3 };
        let mut bytes = Vec::new();
        put_marked(&mut bytes, 513, mark);
        assert_eq!(bytes.len(), 513);
        let frame = from_server(&bytes).expect("it is whole");
        assert_eq!((frame.opcode, frame.compressed, frame.size), (1, false, 513));
        assert_eq!(Mark::find(frame.payload), Some(mark));
        assert_eq!(from_server(&bytes[..512]), None);
    }
}
