use std::{borrow::Cow, mem};

use bytes::{BufMut, BytesMut};

use super::{
    Violation,
    frame::{self, Head},
    inflate,
};

/// Engine.IO's packet by which a client that polled until now goes over to its WebSocket.
const UPGRADE: u8 = b'5';

/// What a client sends, on its way to the library, which knows no compression.
///
/// It holds at most one frame, and the fragments of one compressed message. After a [`Violation`] it makes no sense any
/// more: the connection is to be closed.
pub struct Inbound {
    compressed: bool,
    limit: usize,
    /// The part of a frame that came so far.
    held: Vec<u8>,
    message: Option<Message>,
}

struct Frame<'a> {
    head: Head,
    whole: &'a [u8],
    /// Masked as it came.
    payload: &'a [u8],
}

/// The message whose frames are coming.
enum Message {
    /// Its frames pass. The length of its payload so far, in bytes, and whether it may yet be the upgrade packet.
    Plain { length: usize, may_upgrade: bool },
    /// Its payload so far, unmasked.
    Compressed { opcode: u8, deflated: Vec<u8> },
}

impl Inbound {
    /// `compressed`: permessage-deflate was negotiated. `limit`: bytes of one message, both as it comes and inflated.
    pub fn new(compressed: bool, limit: usize) -> Self {
        Inbound { compressed, limit, held: Vec::new(), message: None }
    }

    /// Takes in bytes as they came, and appends to `out` whole frames as the library may read them.
    ///
    /// A compressed message comes out as one uncompressed frame masked with a zero key. What is not compressed passes as
    /// it is, frame by frame. `Ok(true)`: among them was Engine.IO's upgrade packet. What came before a violation is in
    /// `out` all the same.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<bool, Violation> {
        let bytes = match mem::take(&mut self.held) {
            held if held.is_empty() => Cow::Borrowed(bytes),
            mut held => {
                held.extend_from_slice(bytes);
                Cow::Owned(held)
            }
        };
        let mut rest = &*bytes;
        let mut upgrades = false;
        while let Some((frame, after)) = self.next(rest)? {
            upgrades |= self.pass(frame, out)?;
            rest = after;
        }
        // What grows is kept as it is, lest it be copied with every byte; the rest of something large is not.
        self.held = match bytes {
            Cow::Owned(held) if held.len() == rest.len() => held,
            _ => rest.to_vec(),
        };
        Ok(upgrades)
    }

    /// Nothing of a frame or of a message is held.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.message.is_none()
    }

    /// The first frame of `bytes` and what comes after it; `None` where not all of it is there. Refuses it by its head.
    fn next<'a>(&self, bytes: &'a [u8]) -> Result<Option<(Frame<'a>, &'a [u8])>, Violation> {
        let Some(head) = Head::parse(bytes)? else { return Ok(None) };
        if !head.masked {
            return Err(Violation::Protocol("a client's frame that is not masked"));
        }
        if head.rsv1 && !self.compressed {
            return Err(Violation::Protocol("a compressed frame, where no compression was negotiated"));
        }
        if head.rsv1 && (head.is_control() || head.opcode == frame::CONTINUATION) {
            return Err(Violation::Protocol("RSV1 on a frame that does not begin a message"));
        }
        if !head.is_control() {
            self.check_order(&head)?;
        }
        let size = head.frame_size().ok_or(Violation::TooBig { limit: self.limit })?;
        let Some((whole, rest)) = bytes.split_at_checked(size) else { return Ok(None) };
        let (_, payload) = whole.split_at_checked(head.size).unwrap_or_default();
        Ok(Some((Frame { head, whole, payload }, rest)))
    }

    /// Whether a frame of data may come now, by its opcode and its length.
    fn check_order(&self, head: &Head) -> Result<(), Violation> {
        let before = match (&self.message, head.opcode == frame::CONTINUATION) {
            (None, true) => return Err(Violation::Protocol("a continuation of no message")),
            (None, false) => 0,
            (Some(_), false) => return Err(Violation::Protocol("a new message within a fragmented one")),
            (Some(Message::Plain { length, .. }), true) => *length,
            (Some(Message::Compressed { deflated, .. }), true) => deflated.len(),
        };
        match usize::try_from(head.length) {
            Ok(length) if length <= self.limit.saturating_sub(before) => Ok(()),
            _ => Err(Violation::TooBig { limit: self.limit }),
        }
    }

    /// Passes a whole frame on, or keeps it until its message is whole. `true` where that was the upgrade packet.
    fn pass(&mut self, Frame { head, whole, payload }: Frame<'_>, out: &mut BytesMut) -> Result<bool, Violation> {
        if head.is_control() {
            out.put_slice(whole);
            return Ok(false);
        }
        let is_upgrade = match self.message.get_or_insert_with(|| Message::begun_by(&head)) {
            Message::Plain { length, may_upgrade } => {
                out.put_slice(whole);
                *length += payload.len();
                *may_upgrade &= *length <= 1 && payload.iter().zip(head.key).all(|(byte, key)| byte ^ key == UPGRADE);
                *may_upgrade && *length == 1
            }
            Message::Compressed { opcode, deflated } => {
                append_unmasked(deflated, payload, head.key);
                let message = if head.fin { inflate(deflated, self.limit)? } else { Vec::new() };
                if head.fin {
                    frame::put_masked(out, *opcode, &message);
                }
                *opcode == frame::TEXT && message == [UPGRADE]
            }
        };
        if head.fin {
            self.message = None;
        }
        Ok(is_upgrade && head.fin)
    }
}

impl Message {
    fn begun_by(head: &Head) -> Self {
        if head.rsv1 {
            Message::Compressed { opcode: head.opcode, deflated: Vec::new() }
        } else {
            Message::Plain { length: 0, may_upgrade: head.opcode == frame::TEXT }
        }
    }
}

fn append_unmasked(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(payload);
    let (_, new) = out.split_at_mut(start);
    let (words, rest) = new.as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_leaves_no_memory_behind() {
        let mut frame = vec![0x82, 0xFF];
        frame.extend(100_000_u64.to_be_bytes());
        frame.resize(frame.len() + 4 + 100_000, 0);
        let mut inbound = Inbound::new(false, 1 << 20);
        // The beginning of another frame comes with the end of the large one.
        for part in [&frame[..99_999], &[&frame[99_999..], &frame[..5]].concat()] {
            inbound.push(part, &mut BytesMut::new()).expect("no violation");
        }
        assert_eq!(inbound.held, frame[..5]);
        assert!(inbound.held.capacity() < 64, "{} bytes are kept", inbound.held.capacity());
        inbound.push(&frame[5..], &mut BytesMut::new()).expect("no violation");
        assert_eq!(inbound.held.capacity(), 0);
    }
}
