use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use super::frame::{Column, Text};
use crate::{change::Cell, decode::Fault};

/// `pg_type.oid` of bytea, whose `\x` wal2json leaves out. (It leaves it in for a domain over bytea.)
const BYTEA: u32 = 17;

/// A column's value, in the text that pgoutput gives it.
pub(super) fn cell(source: &Bytes, column: &Column<'_>) -> Result<Cell, Fault> {
    let json = column.value.get();
    let text = match json.as_bytes() {
        b"null" => return Ok(Cell::Null),
        b"true" => ByteString::from_static("t"),
        b"false" => ByteString::from_static("f"),
        [b'-' | b'0'..=b'9', ..] => slice(source, json),
        [b'"', ..] => {
            let text: Text<'_> = serde_json::from_str(json)?;
            match column.typeoid {
                BYTEA => ["\\x", &text.0].concat().into(),
                _ => share(source, text.0),
            }
        }
        _ => return Err(Fault::NestedValue { column: column.name.0.to_string() }),
    };
    Ok(Cell::Text(text))
}

/// A text of the frame without copying it, if it has no escapes.
pub(super) fn share(source: &Bytes, text: Cow<'_, str>) -> ByteString {
    match text {
        Cow::Borrowed(text) => slice(source, text),
        Cow::Owned(text) => text.into(),
    }
}

/// Bytes of the frame without copying them, if they have no escapes.
pub(super) fn share_bytes(source: &Bytes, bytes: Cow<'_, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => source.slice_ref(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

/// `text` was borrowed from `source`, which is what `slice_ref` asks for.
fn slice(source: &Bytes, text: &str) -> ByteString {
    ByteString::try_from(source.slice_ref(text.as_bytes())).unwrap_or_else(|_| text.into())
}
