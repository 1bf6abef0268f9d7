//! The messages within CopyData: "Streaming Replication Protocol" in the manual.

use bytes::Buf;

use super::ReplicationError;
use crate::change::{Lsn, Timestamp};

/// What a walsender says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// XLogData: one message of the output plugin. `start` is 0/0 for some.
    Data { start: Lsn, payload: &'a [u8] },
    /// Everything that commits before `end` has been sent. With `reply` it wants a status update at once.
    Keepalive { end: Lsn, reply: bool },
}

impl<'a> Message<'a> {
    pub(super) fn parse(mut body: &'a [u8]) -> Result<Self, ReplicationError> {
        let kind = body.try_get_u8().map_err(|_| malformed("empty"))?;
        match kind {
            b'w' => {
                let start = position(&mut body)?;
                position(&mut body)?;
                position(&mut body)?; // the server's clock
                Ok(Message::Data { start, payload: body })
            }
            b'k' => {
                let end = position(&mut body)?;
                position(&mut body)?;
                let reply = body.try_get_u8().map_err(|_| malformed("cut short"))? != 0;
                if body.has_remaining() { Err(malformed("too long")) } else { Ok(Message::Keepalive { end, reply }) }
            }
            other => Err(malformed(&format!("of unknown kind {other:#04x}"))),
        }
    }
}

fn position(body: &mut &[u8]) -> Result<Lsn, ReplicationError> {
    body.try_get_u64().map(Lsn).map_err(|_| malformed("cut short"))
}

fn malformed(how: &str) -> ReplicationError {
    ReplicationError::Protocol(format!("a replication message is {how}"))
}

/// A standby status update. `flushed` is what the slot keeps as confirmed; at 0/0 it confirms nothing, and a walsender
/// that is shutting down takes `written` in its place. `reply` asks for a keepalive.
pub(super) fn status(written: Lsn, flushed: Lsn, applied: Lsn, now: Timestamp, reply: bool) -> [u8; 34] {
    let mut message = [0; 34];
    let fields = [written.0, flushed.0, applied.0].map(u64::to_be_bytes);
    let (kind, rest) = message.split_at_mut(1);
    kind.copy_from_slice(b"r");
    for (place, field) in rest.chunks_exact_mut(8).zip(fields.iter().chain([&now.0.to_be_bytes()])) {
        place.copy_from_slice(field);
    }
    if let Some(last) = message.last_mut() {
        *last = u8::from(reply);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Vec<u8> {
        [b"w".as_slice(), &7u64.to_be_bytes(), &8u64.to_be_bytes(), &9u64.to_be_bytes(), b"payload"].concat()
    }

    fn keepalive(reply: u8) -> Vec<u8> {
        [b"k".as_slice(), &7u64.to_be_bytes(), &9u64.to_be_bytes(), &[reply]].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Message<'_>, ReplicationError> {
        Message::parse(bytes)
    }

    #[test]
    fn data_and_keepalives_are_read() {
        let data = data();
        assert_eq!(parse(&data).expect("data"), Message::Data { start: Lsn(7), payload: b"payload" });
        for reply in [false, true] {
            let message = keepalive(reply.into());
            assert_eq!(parse(&message).expect("keepalive"), Message::Keepalive { end: Lsn(7), reply });
        }
    }

    #[test]
    fn what_is_cut_short_too_long_or_unknown_is_an_error() {
        for end in 0..25 {
            assert!(parse(&data()[..end]).is_err(), "data of {end} bytes");
        }
        for end in 0..18 {
            assert!(parse(&keepalive(0)[..end]).is_err(), "keepalive of {end} bytes");
        }
        assert!(parse(&[keepalive(0), vec![0]].concat()).is_err());
        assert!(parse(b"z").is_err());
    }

    #[test]
    fn a_status_update_stands_as_the_manual_lays_it_out() {
        let message = status(Lsn(1), Lsn(2), Lsn(3), Timestamp(4), false);
        assert_eq!(status(Lsn(1), Lsn(2), Lsn(3), Timestamp(4), true)[33], 1);
        let expected = [b"r".as_slice(), &[0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 2]].concat();
        assert_eq!(message[..17], expected[..]);
        assert_eq!(message[17..33], [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!(message[33], 0);
    }
}
