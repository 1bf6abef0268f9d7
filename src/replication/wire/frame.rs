use bytes::BytesMut;
use postgres_protocol::message::backend::{ErrorFields, Header, Message};

use crate::replication::{ReplicationError, ServerError};

/// The longest frame Postgres can make: its own limit for one allocation is 1 GB.
const LONGEST: usize = 0x4000_0000;

/// The tag and the length.
const HEADER: usize = 5;

/// CopyBothResponse, which `postgres_protocol` does not know.
const COPY_BOTH: u8 = b'W';

const COPY_DATA: u8 = b'd';

/// One message from the server.
pub(in crate::replication) enum Frame {
    CopyBoth,
    /// What a CopyData carries: nearly all that a stream brings, and so not taken apart and put together again.
    Copy(BytesMut),
    Message(Message),
}

/// Takes the first frame out of `buffer`, or leaves all in place where it is not complete yet.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, ReplicationError> {
    let malformed = |error: std::io::Error| ReplicationError::Protocol(error.to_string());
    let Some(header) = Header::parse(buffer).map_err(malformed)? else { return Ok(None) };
    let length = usize::try_from(header.len()).ok().filter(|length| *length <= LONGEST).ok_or_else(|| {
        ReplicationError::Protocol(format!("a frame `{}` of {} bytes", char::from(header.tag()), header.len()))
    })?;
    // The length does not count the tag. Only frames that are here are parsed, so that a lie about the length
    // cannot make us reserve the memory for it.
    if buffer.len() <= length {
        return Ok(None);
    }
    match header.tag() {
        COPY_BOTH => {
            drop(buffer.split_to(length + 1));
            return Ok(Some(Frame::CopyBoth));
        }
        COPY_DATA => {
            let mut frame = buffer.split_to(length + 1);
            return Ok(Some(Frame::Copy(frame.split_off(HEADER))));
        }
        _ => {}
    }
    Message::parse(buffer).map(|message| message.map(Frame::Message)).map_err(malformed)
}

/// Reads the fields of an ErrorResponse or a NoticeResponse; those it does not know are skipped, as the manual asks.
pub(in crate::replication) fn server_error(mut fields: ErrorFields<'_>) -> Result<ServerError, ReplicationError> {
    use fallible_iterator::FallibleIterator as _;
    let mut error = ServerError::default();
    while let Some(field) = fields.next().map_err(|error| ReplicationError::Protocol(error.to_string()))? {
        // Before a client encoding is agreed on, messages come in the server's.
        let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'V' => error.severity = text(),
            b'S' if error.severity.is_empty() => error.severity = text(),
            b'C' => error.sqlstate = text(),
            b'M' => error.message = text(),
            b'D' => error.detail = Some(text()),
            b'H' => error.hint = Some(text()),
            _ => {}
        }
    }
    Ok(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_response() -> Vec<u8> {
        let body = b"SFATAL\0VFATAL\0C28P01\0Mno \xff entry\0Dbecause\0Hdo\0Fauth.c\0\0";
        let mut frame = vec![b'E'];
        frame.extend((u32::try_from(body.len()).unwrap_or_default() + 4).to_be_bytes());
        frame.extend(body);
        frame
    }

    fn taken(bytes: &[u8]) -> Result<Option<Frame>, ReplicationError> {
        take(&mut BytesMut::from(bytes))
    }

    #[test]
    fn no_part_of_a_frame_is_taken_for_it() {
        let whole = error_response();
        for end in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..end]);
            assert!(matches!(take(&mut buffer), Ok(None)), "{end} bytes");
            assert_eq!(buffer.len(), end, "{end} bytes");
        }
    }

    #[test]
    fn an_error_response_becomes_its_fields() {
        let Ok(Some(Frame::Message(Message::ErrorResponse(body)))) = taken(&error_response()) else {
            panic!("not an error")
        };
        let error = server_error(body.fields()).expect("fields");
        assert_eq!((error.sqlstate.as_str(), error.message.as_str()), ("28P01", "no \u{fffd} entry"));
        assert_eq!((error.detail.as_deref(), error.hint.as_deref()), (Some("because"), Some("do")));
        assert_eq!(error.to_string(), "no \u{fffd} entry (SQLSTATE 28P01); because; hint: do");
    }

    #[test]
    fn copy_both_is_known_and_leaves_what_follows() {
        let mut buffer = BytesMut::from(&b"W\0\0\0\x07\0\0\0Zrest"[..]);
        assert!(matches!(take(&mut buffer), Ok(Some(Frame::CopyBoth))));
        assert_eq!(&buffer[..], b"Zrest");
    }

    #[test]
    fn copy_data_is_handed_on_as_it_is() {
        let Ok(Some(Frame::Copy(data))) = taken(b"d\0\0\0\x07abc") else { panic!("not copy data") };
        assert_eq!(&data[..], b"abc");
    }

    #[test]
    fn malformed_frames_are_errors() {
        for bytes in [
            &b"d\0\0\0\x03"[..],           // shorter than its own length
            &b"d\x7f\xff\xff\xff"[..],     // longer than Postgres can make
            &b"d\xff\xff\xff\xff"[..],     // negative
            &b"~\0\0\0\x04"[..],           // no such message
            &b"Z\0\0\0\x04"[..],           // too short for its kind
            &b"Z\0\0\0\x06II"[..],         // too long for its kind
            &b"R\0\0\0\x08\0\0\0\xff"[..], // no such authentication
        ] {
            assert!(matches!(taken(bytes), Err(ReplicationError::Protocol(_))), "{bytes:?}");
        }
    }
}
