use std::{borrow::Cow, fmt, mem};

use super::{
    Violation,
    frame::{self, Head},
    inflate,
};

/// Reads what a client sends: frames as they come, messages as they are meant.
///
/// It holds at most one frame, and the fragments of one message. After a [`Violation`] it makes no sense any more: the
/// connection is to be closed.
pub struct Inbound {
    compressed: bool,
    limit: usize,
    /// The part of a frame that came so far.
    held: Vec<u8>,
    begun: Option<Box<Begun>>,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
    /// To be answered by a pong that says the same.
    Ping(Vec<u8>),
    /// It says nothing more, and perhaps why.
    Close(Option<u16>),
}

/// What kind it is and how long, for the log: what it says is nobody else's affair.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Text(text) => write!(f, "a text of {} bytes", text.len()),
            Message::Binary(bytes) => write!(f, "{} bytes", bytes.len()),
            Message::Ping(_) => f.write_str("a ping"),
            Message::Close(_) => f.write_str("that it closes"),
        }
    }
}

/// The message whose frames are coming.
struct Begun {
    opcode: u8,
    is_compressed: bool,
    /// Unmasked.
    payload: Vec<u8>,
}

struct Frame<'a> {
    head: Head,
    /// Masked as it came.
    payload: &'a [u8],
}

impl Inbound {
    /// `compressed`: permessage-deflate was negotiated. `limit`: bytes of one message, both as it comes and inflated.
    pub fn new(compressed: bool, limit: usize) -> Self {
        Inbound { compressed, limit, held: Vec::new(), begun: None }
    }

    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Bytes of one message.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes in bytes as they came, and appends to `out` the messages that are whole with them, in order. What came before
    /// a violation is in `out` all the same.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl Extend<Message>) -> Result<(), Violation> {
        let bytes = match mem::take(&mut self.held) {
            held if held.is_empty() => Cow::Borrowed(bytes),
            mut held => {
                held.extend_from_slice(bytes);
                Cow::Owned(held)
            }
        };
        let mut rest = &*bytes;
        while let Some((frame, after)) = self.next(rest)? {
            out.extend(self.read(&frame)?);
            rest = after;
        }
        // What grows is kept as it is, lest it be copied with every byte; the rest of something large is not.
        self.held = match bytes {
            Cow::Owned(held) if held.len() == rest.len() => held,
            _ => rest.to_vec(),
        };
        Ok(())
    }

    /// Nothing of a frame or of a message is held.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.begun.is_none()
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
        Ok(Some((Frame { head, payload }, rest)))
    }

    /// Whether a frame of data may come now, by its opcode and its length.
    fn check_order(&self, head: &Head) -> Result<(), Violation> {
        let before = match (&self.begun, head.opcode == frame::CONTINUATION) {
            (None, true) => return Err(Violation::Protocol("a continuation of no message")),
            (None, false) => 0,
            (Some(_), false) => return Err(Violation::Protocol("a new message within a fragmented one")),
            (Some(begun), true) => begun.payload.len(),
        };
        match usize::try_from(head.length) {
            Ok(length) if length <= self.limit.saturating_sub(before) => Ok(()),
            _ => Err(Violation::TooBig { limit: self.limit }),
        }
    }

    /// The message that a whole frame is, or the last of.
    fn read(&mut self, Frame { head, payload }: &Frame<'_>) -> Result<Option<Message>, Violation> {
        if head.is_control() {
            let mut said = Vec::new();
            append_unmasked(&mut said, payload, head.key);
            return control(head.opcode, said);
        }
        let mut begun = self
            .begun
            .take()
            .unwrap_or_else(|| Box::new(Begun { opcode: head.opcode, is_compressed: head.rsv1, payload: Vec::new() }));
        append_unmasked(&mut begun.payload, payload, head.key);
        if head.fin {
            return begun.end(self.limit).map(Some);
        }
        self.begun = Some(begun);
        Ok(None)
    }
}

impl Begun {
    fn end(self, limit: usize) -> Result<Message, Violation> {
        let payload = if self.is_compressed { inflate(&self.payload, limit)? } else { self.payload };
        if self.opcode == frame::TEXT {
            String::from_utf8(payload).map(Message::Text).map_err(|_| Violation::NotText)
        } else {
            Ok(Message::Binary(payload))
        }
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Option<Message>, Violation> {
    match (opcode, payload.split_first_chunk()) {
        (frame::PING, _) => Ok(Some(Message::Ping(payload))),
        (frame::PONG, _) => Ok(None),
        (_, None) if payload.is_empty() => Ok(Some(Message::Close(None))),
        (_, None) => Err(Violation::Protocol("a close frame with half a code")),
        (_, Some((code, reason))) => {
            let code = u16::from_be_bytes(*code);
            // Those that may be sent (section 7.4); the rest are reserved, or stand for what no frame says.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Violation::Protocol("a close frame with a code that none has"));
            }
            str::from_utf8(reason).map_err(|_| Violation::NotText)?;
            Ok(Some(Message::Close(Some(code))))
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
            inbound.push(part, &mut Vec::new()).expect("no violation");
        }
        assert_eq!(inbound.held, frame[..5]);
        assert!(inbound.held.capacity() < 64, "{} bytes are kept", inbound.held.capacity());
        inbound.push(&frame[5..], &mut Vec::new()).expect("no violation");
        assert_eq!(inbound.held.capacity(), 0);
    }
}
