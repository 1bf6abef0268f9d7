use bytestring::ByteString;
use uuid::Uuid;

use super::{
    decimal::Decimal,
    instant::{self, Zone},
};

/// A value that can be compared with others of its type: two are equal where Postgres says so, and stand in its order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// All that is counted by whole steps.
    Integer(i128),
    Decimal(Decimal),
    /// By its bytes.
    Text(ByteString),
}

impl Value {
    pub const TRUE: Value = Value::Integer(1);
    pub const FALSE: Value = Value::Integer(0);

    /// The value that Postgres wrote for a type; `None` where the text is none of it.
    pub fn read(type_oid: u32, text: &str) -> Option<Value> {
        Kind::of(type_oid).read(text)
    }
}

/// How the values of a type are read and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int {
        bits: u32,
    },
    Oid,
    Numeric,
    Float4,
    Float8,
    Bool,
    Text,
    /// `char(n)`, whose trailing blanks count for nothing.
    Padded,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    /// Of which Postgres itself does not say whether two are equal, or says it by more than their text.
    Json,
    /// Compared by the text that Postgres writes.
    Other,
}

impl Kind {
    /// Oids are those of `pg_type`; built-in types never change theirs.
    pub fn of(type_oid: u32) -> Kind {
        match type_oid {
            21 => Kind::Int { bits: 16 },
            23 => Kind::Int { bits: 32 },
            20 => Kind::Int { bits: 64 },
            26 => Kind::Oid,
            1700 => Kind::Numeric,
            700 => Kind::Float4,
            701 => Kind::Float8,
            16 => Kind::Bool,
            // "char", name, text, varchar
            18 | 19 | 25 | 1043 => Kind::Text,
            1042 => Kind::Padded,
            2950 => Kind::Uuid,
            1082 => Kind::Date,
            1083 => Kind::Time,
            1114 => Kind::Timestamp,
            1184 => Kind::TimestampTz,
            // json, xml, jsonb
            114 | 142 | 3802 => Kind::Json,
            _ => Kind::Other,
        }
    }

    /// For a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Int { bits: 16 } => "a smallint",
            Kind::Int { bits: 32 } => "an integer",
            Kind::Int { .. } => "a bigint",
            Kind::Oid => "an oid",
            Kind::Numeric => "a numeric",
            Kind::Float4 | Kind::Float8 => "a floating-point number",
            Kind::Bool => "a boolean",
            Kind::Text | Kind::Padded => "a text",
            Kind::Uuid => "a UUID",
            Kind::Date => "a date (2026-11-23)",
            Kind::Time => "a time (02:28:00)",
            Kind::Timestamp => "a timestamp (2026-11-23 02:28:00)",
            Kind::TimestampTz => "a timestamp (2026-11-23T02:28:00Z)",
            Kind::Json => "a document",
            Kind::Other => "of another type",
        }
    }

    pub fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::Padded)
    }

    /// Reads what Postgres writes for the type, and what of its other forms clients say.
    pub fn read(self, text: &str) -> Option<Value> {
        Some(match self {
            Kind::Int { bits } => {
                let bound = 1_i128 << (bits - 1);
                Value::Integer(text.trim().parse().ok().filter(|value| (-bound..bound).contains(value))?)
            }
            Kind::Oid => Value::Integer(text.trim().parse::<u32>().ok()?.into()),
            Kind::Numeric => Value::Decimal(Decimal::parse(text.trim())?),
            Kind::Float4 => float(text.trim().parse::<f32>().ok()?.into(), text)?,
            Kind::Float8 => float(text.trim().parse().ok()?, text)?,
            Kind::Bool => match text.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "y" | "yes" | "on" | "1" => Value::TRUE,
                "f" | "false" | "n" | "no" | "off" | "0" => Value::FALSE,
                _ => return None,
            },
            Kind::Text | Kind::Json | Kind::Other => Value::Text(text.into()),
            Kind::Padded => Value::Text(text.trim_end_matches(' ').into()),
            // The highest bit turned, its order is that of a signed number.
            Kind::Uuid => Value::Integer((Uuid::parse_str(text.trim()).ok()?.as_u128() ^ (1 << 127)).cast_signed()),
            Kind::Date => Value::Integer(instant::date(text.trim())?),
            Kind::Time => Value::Integer(instant::time(text.trim())?),
            Kind::Timestamp => Value::Integer(instant::timestamp(text.trim(), Zone::Ignored)?),
            Kind::TimestampTz => Value::Integer(instant::timestamp(text.trim(), Zone::Heeded)?),
        })
    }
}

/// By the order that Postgres gives floating-point numbers: NaN equals itself and is above all others; zero has no sign.
fn float(value: f64, text: &str) -> Option<Value> {
    let says_infinity = text.contains(['i', 'I']);
    if value.is_infinite() && !says_infinity {
        return None;
    }
    let value = if value == 0.0 { 0.0 } else { value };
    let bits = if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { value.to_bits() }.cast_signed();
    // Negative ones count the other way.
    Some(Value::Integer(i128::from(if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits })))
}
