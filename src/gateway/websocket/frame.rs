//! Frames, as section 5.2 of RFC 6455 lays them out.

use bytes::{BufMut, Bytes};

use super::Violation;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;

/// The second byte's lengths that stand for a longer number behind it.
const LENGTH_IN_U16: u8 = 126;
const LENGTH_IN_U64: u8 = 127;

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// What the payload of a control frame may have, in bytes.
const CONTROL_LIMIT: usize = 125;

/// One final, unmasked text frame whose payload is the pieces put together.
pub fn text(pieces: &[&[u8]]) -> Bytes {
    build(FIN | TEXT, pieces)
}

/// One final, unmasked text frame of what [`deflate`](super::deflate()) made of a message.
pub fn compressed_text(deflated: &[u8]) -> Bytes {
    build(FIN | RSV1 | TEXT, &[deflated])
}

/// An unmasked close frame that says no more than that.
pub const CLOSE_FRAME: Bytes = Bytes::from_static(&[FIN | CLOSE, 0]);

/// An unmasked close frame. A reason that does not fit, in 123 bytes, is cut short.
pub fn close(code: u16, reason: &str) -> Bytes {
    let room = CONTROL_LIMIT - size_of_val(&code);
    let (reason, _) = reason.split_at(reason.floor_char_boundary(room));
    build(FIN | CLOSE, &[&code.to_be_bytes(), reason.as_bytes()])
}

/// The unmasked answer to a ping, whose payload it has.
pub fn pong(payload: &[u8]) -> Bytes {
    build(FIN | PONG, &[payload])
}

fn build(first: u8, pieces: &[&[u8]]) -> Bytes {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut frame = Vec::with_capacity(head_size(length) + length);
    put_head(&mut frame, first, length);
    pieces.iter().for_each(|piece| frame.put_slice(piece));
    frame.into()
}

fn put_head(out: &mut impl BufMut, first: u8, length: usize) {
    out.put_u8(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < LENGTH_IN_U16 => out.put_u8(length),
        (_, Ok(length)) => {
            out.put_u8(LENGTH_IN_U16);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(LENGTH_IN_U64);
            out.put_u64(length as u64);
        }
    }
}

/// The size of an unmasked head.
fn head_size(length: usize) -> usize {
    match length {
        0..126 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// The payload of a frame that was made here, shared with it; empty for what is no such frame.
pub fn payload(frame: &Bytes) -> Bytes {
    match Head::parse(frame) {
        Ok(Some(head)) if !head.masked && head.frame_size() == Some(frame.len()) => frame.slice(head.size..),
        _ => Bytes::new(),
    }
}

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// It is the last of its message.
    pub fin: bool,
    /// Its message is compressed.
    pub rsv1: bool,
    pub opcode: u8,
    pub masked: bool,
    /// What its payload is masked with; zeros where it is not.
    pub key: [u8; 4],
    /// The payload's, in bytes.
    pub length: u64,
    /// The head's own, key included, in bytes.
    pub size: usize,
}

impl Head {
    /// Reads the head that `bytes` begin with; `None` where not all of it is there yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, Violation> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & OPCODE);
        if first & RSV2_AND_3 != 0 {
            return Err(Violation::Protocol("a frame with RSV2 or RSV3 set"));
        }
        match opcode {
            CONTINUATION..=BINARY => {}
            CLOSE..=PONG if !fin => return Err(Violation::Protocol("a control frame in fragments")),
            CLOSE..=PONG if second & LENGTH >= LENGTH_IN_U16 => {
                return Err(Violation::Protocol("a control frame of more than 125 bytes"));
            }
            CLOSE..=PONG => {}
            _ => return Err(Violation::Protocol("a frame with a reserved opcode")),
        }
        let masked = second & MASKED != 0;
        let Some((length, rest)) = length(second & LENGTH, rest) else { return Ok(None) };
        let (key, rest) = match rest.split_first_chunk() {
            _ if !masked => ([0; 4], rest),
            Some((key, rest)) => (*key, rest),
            None => return Ok(None),
        };
        let size = bytes.len() - rest.len();
        Ok(Some(Head { fin, rsv1: first & RSV1 != 0, opcode, masked, key, length, size }))
    }

    pub fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }

    /// Of the whole frame, in bytes, where memory could hold so many.
    pub fn frame_size(&self) -> Option<usize> {
        self.size.checked_add(self.length.try_into().ok()?)
    }
}

/// The payload's length, and what comes after it.
fn length(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match short {
        LENGTH_IN_U16 => rest.split_first_chunk().map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest)),
        LENGTH_IN_U64 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        length => Some((length.into(), rest)),
    }
}
