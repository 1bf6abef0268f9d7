use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// One JSON object of format 2, borrowing the frame's bytes. Which fields are there depends on the action; fields of
/// options that walcast does not set are passed over.
#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow)]
    pub action: Option<Text<'a>>,
    pub xid: Option<u32>,
    #[serde(borrow)]
    pub timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    pub lsn: Option<Text<'a>>,
    #[serde(borrow)]
    pub nextlsn: Option<Text<'a>>,
    #[serde(borrow)]
    pub schema: Option<Text<'a>>,
    #[serde(borrow)]
    pub table: Option<Text<'a>>,
    #[serde(borrow)]
    pub columns: Option<Columns<'a>>,
    #[serde(borrow)]
    pub identity: Option<Columns<'a>>,
    pub transactional: Option<bool>,
    #[serde(borrow)]
    pub prefix: Option<Content<'a>>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    /// Only format 1 has it.
    pub change: Option<IgnoredAny>,
}

/// A column's value in a row.
#[derive(Deserialize)]
pub(super) struct Column<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "oid")]
    pub typeoid: u32,
    /// Unparsed: parsing would cost numbers their digits.
    #[serde(borrow)]
    pub value: &'a RawValue,
    /// The column's index among the published ones, once it is looked up.
    #[serde(skip)]
    pub index: usize,
}

/// A JSON string: a slice of the frame, or a copy where it has escapes.
pub(super) struct Text<'a>(pub Cow<'a, str>);

/// A JSON string of any bytes: wal2json puts them into it as they are.
pub(super) struct Content<'a>(pub Cow<'a, [u8]>);

/// A row's columns.
pub(super) struct Columns<'a>(pub Vec<Column<'a>>);

/// wal2json prints the oid's 32 bits as a signed number.
fn oid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let printed = i64::deserialize(deserializer)?;
    u32::try_from(printed)
        .or_else(|_| i32::try_from(printed).map(i32::cast_unsigned))
        .map_err(|_| de::Error::invalid_value(de::Unexpected::Signed(printed), &"an oid"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Str)
    }
}

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

impl<'de: 'a, 'a> Deserialize<'de> for Columns<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of columns")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut columns: A) -> Result<Self::Value, A::Error> {
                // JSON does not say how many there are; most tables fit without growing.
                let mut list = Vec::with_capacity(16);
                while let Some(column) = columns.next_element()? {
                    list.push(column);
                }
                Ok(Columns(list))
            }
        }
        deserializer.deserialize_seq(List)
    }
}
