//! What holds of any input. The fuzz targets (`fuzz/`) take this file by its path.

use super::websocket::{Inbound, Message, Violation, deflate, inflate};

/// What one message may have, in bytes: so little that a short input gets there.
const LIMIT: usize = 1 << 12;

/// The first byte says whether compression was negotiated and in how large parts the rest arrives. How it is parted must
/// make no difference, and no message outgrows the limit.
pub fn push(data: &[u8]) {
    let Some((mode, sent)) = data.split_first() else { return };
    let (compressed, part) = (mode & 1 == 1, usize::from(mode >> 1) + 1);
    let whole = pushed([sent], compressed);
    assert_eq!(pushed(sent.chunks(part), compressed), whole);

    for message in whole.0 {
        let length = match &message {
            Message::Text(text) => text.len(),
            Message::Binary(payload) => payload.len(),
            Message::Ping(payload) => LIMIT - 125 + payload.len(),
            Message::Close(_) => 0,
        };
        assert!(length <= LIMIT, "{message:?}");
    }
}

fn pushed<'a>(parts: impl IntoIterator<Item = &'a [u8]>, compressed: bool) -> (Vec<Message>, Option<Violation>) {
    let (mut inbound, mut out) = (Inbound::new(compressed, LIMIT), Vec::new());
    let refused = parts.into_iter().find_map(|part| inbound.push(part, &mut out).err());
    (out, refused)
}

/// What can be inflated is no longer than is allowed, and comes back after being compressed again.
pub fn inflate_any(data: &[u8]) {
    match inflate(data, LIMIT) {
        Ok(message) => {
            assert!(message.len() <= LIMIT && message.capacity() <= LIMIT + 8);
            assert_eq!(inflate(&deflate(&message), LIMIT), Ok(message));
        }
        Err(Violation::TooBig { limit }) => {
            assert_eq!(limit, LIMIT);
            assert!(inflate(data, LIMIT << 10).map_or(true, |message| message.len() > LIMIT));
        }
        Err(Violation::Protocol(_) | Violation::NotText) => {}
    }
}
