//! Postgres's text form of arrays: `{1,NULL,3}`, `{{"a b",c},{"\"",""}}`, `[2:3]={7,8}`.

use super::json::Corrupt;

/// What an array type holds, and what stands between its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub type_oid: u32,
    pub delimiter: char,
}

/// Postgres's `MAXDIM`: a deeper text is none of its own.
const MAX_DIMENSIONS: usize = 6;

/// The element of a built-in array type; `None` for every other type, among them arrays of types made by users.
pub(super) fn element(array_oid: u32) -> Option<Element> {
    let type_oid = match array_oid {
        // bool, int8, int2, int4, text, json, float4, float8, varchar, date, timestamp, timestamptz, numeric, uuid, jsonb:
        // most columns are none, and need no search.
        16 | 20 | 21 | 23 | 25 | 114 | 700 | 701 | 1043 | 1082 | 1114 | 1184 | 1700 | 2950 | 3802 => return None,
        199 => 114,
        1000 => 16,
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1231 => 1700,
        3807 => 3802,
        // box, the only type whose elements a semicolon parts
        1020 => return Some(Element { type_oid: TEXT, delimiter: ';' }),
        other if OF_STRINGS.binary_search(&other).is_ok() => TEXT,
        _ => return None,
    };
    Some(Element { type_oid, delimiter: ',' })
}

/// It stands for every element type that has no form of its own in JSON.
const TEXT: u32 = 25;

/// The other array types of `pg_type`: those of element types whose values are strings in JSON.
const OF_STRINGS: [u32; 67] = [
    143, 271, 629, 651, 719, 775, 791, 1001, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1017,
    1018, 1019, 1027, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209,
    2210, 2211, 2287, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090,
    4097, 4192, 5039, 6150, 6151, 6152, 6153, 6155, 6157,
];

/// Appends the array as a JSON array, each element written by `element`, NULL as `null`. Bounds other than 1 are left
/// out: JSON has no place for them.
pub(super) fn write(
    out: &mut String,
    text: &str,
    delimiter: char,
    element: impl Fn(&mut String, &str) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let rest = if text.starts_with('[') {
        let (bounds, rest) = text.split_once('=').ok_or(Corrupt)?;
        let is_bound = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | ':' | '-' | '+');
        if bounds.chars().all(is_bound) { rest } else { return Err(Corrupt) }
    } else {
        text
    };
    let mut writer = Writer { out, rest, delimiter, element, scratch: String::new() };
    writer.dimension(1)?;
    if writer.rest.is_empty() { Ok(()) } else { Err(Corrupt) }
}

struct Writer<'a, F> {
    out: &'a mut String,
    rest: &'a str,
    delimiter: char,
    element: F,
    scratch: String,
}

impl<F: Fn(&mut String, &str) -> Result<(), Corrupt>> Writer<'_, F> {
    fn dimension(&mut self, depth: usize) -> Result<(), Corrupt> {
        if depth > MAX_DIMENSIONS || !self.take('{') {
            return Err(Corrupt);
        }
        self.out.push('[');
        if !self.take('}') {
            loop {
                match self.rest.bytes().next() {
                    Some(b'{') => self.dimension(depth + 1)?,
                    Some(b'"') => self.quoted()?,
                    _ => self.bare()?,
                }
                if self.take('}') {
                    break;
                }
                if !self.take(self.delimiter) {
                    return Err(Corrupt);
                }
                self.out.push(',');
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// An element in double quotes, where a backslash makes the next character plain.
    fn quoted(&mut self) -> Result<(), Corrupt> {
        self.scratch.clear();
        let mut chars = self.rest.chars();
        chars.next();
        loop {
            match chars.next().ok_or(Corrupt)? {
                '"' => break,
                '\\' => self.scratch.push(chars.next().ok_or(Corrupt)?),
                plain => self.scratch.push(plain),
            }
        }
        self.rest = chars.as_str();
        (self.element)(self.out, &self.scratch)
    }

    fn bare(&mut self) -> Result<(), Corrupt> {
        let end = self.rest.find(['{', '}', '"', '\\', self.delimiter]).ok_or(Corrupt)?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "" => Err(Corrupt),
            "NULL" => {
                self.out.push_str("null");
                Ok(())
            }
            text => (self.element)(self.out, text),
        }
    }

    fn take(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
#[path = "array_tests.rs"]
mod tests;
