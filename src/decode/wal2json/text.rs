use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use super::frame::Column;
use crate::{change::Cell, decode::Fault};

/// `pg_type.oid` of bytea, whose `\x` wal2json leaves out. (It leaves it in for a domain over bytea.)
const BYTEA: u32 = 17;

/// A column's value, in the text that pgoutput gives it.
pub(super) fn cell(source: &ByteString, column: &Column<'_>) -> Result<Cell, Fault> {
    let text = match column.value.json {
        b"null" => return Ok(Cell::Null),
        b"true" => ByteString::from_static("t"),
        b"false" => ByteString::from_static("f"),
        [b'-' | b'0'..=b'9', ..] => source.slice_ref(column.value.written()?),
        [b'"', ..] => match (column.typeoid, column.value.str()?) {
            (BYTEA, text) => ["\\x", &text].concat().into(),
            // Without a copy, if it has no escapes.
            (_, Cow::Borrowed(text)) => source.slice_ref(text),
            (_, Cow::Owned(text)) => text.into(),
        },
        _ => return Err(Fault::NestedValue { column: column.name.to_string() }),
    };
    Ok(Cell::Text(text))
}

/// Bytes of the frame without copying them, if they have no escapes.
pub(super) fn share_bytes(source: &Bytes, bytes: Cow<'_, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => source.slice_ref(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}
