use std::{borrow::Cow, fmt};

use bytestring::ByteString;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::decode::error::readable;

/// What a frame that is not sound JSON says of itself before the place where it is not. wal2json writes these fields
/// before all values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub action: Option<ByteString>,
    pub schema: Option<ByteString>,
    pub table: Option<ByteString>,
}

impl Head {
    pub fn read(payload: &[u8]) -> Self {
        let mut head = Head::default();
        // That it ends in an error is why we are here.
        let _ = head.deserialize(&mut serde_json::Deserializer::from_slice(payload));
        head
    }
}

impl<'de> DeserializeSeed<'de> for &mut Head {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Head {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(Content(name)) = fields.next_key()? {
            let place = match name.as_ref() {
                b"action" => &mut self.action,
                b"schema" => &mut self.schema,
                b"table" => &mut self.table,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = Some(readable(&fields.next_value::<Content<'_>>()?.0));
        }
        Ok(())
    }
}

/// A JSON string of any bytes: wal2json puts them into it as they are.
pub(super) struct Content<'a>(pub Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Content(Cow::Borrowed(bytes)))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Content(Cow::Owned(bytes.to_owned())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
