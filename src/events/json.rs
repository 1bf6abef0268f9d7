//! Values as JSON: a cell's text and its type's oid in, JSON text out. Numbers keep every digit.

use std::fmt::Write;

use serde_json::value::RawValue;

use super::array;

/// The text is not what Postgres writes for the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Number,
    Bool,
    Json,
    String,
}

/// Oids are those of `pg_type`; built-in types never change theirs.
fn form(type_oid: u32) -> Form {
    match type_oid {
        // int8, int2, int4, oid, float4, float8, numeric
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => Form::Number,
        16 => Form::Bool,
        // json, jsonb
        114 | 3802 => Form::Json,
        _ => Form::String,
    }
}

/// Whether the type is json or jsonb.
pub(super) fn is_json(type_oid: u32) -> bool {
    form(type_oid) == Form::Json
}

/// Whether [`write_value`] can say the value in its type's own form.
pub(super) fn check(type_oid: u32, text: &str) -> Result<(), Corrupt> {
    match (form(type_oid), array::element(type_oid)) {
        (Form::Json, _) => raw(text).map(drop),
        (Form::String, None) => Ok(()),
        (Form::String, Some(_)) => try_write(&mut String::with_capacity(text.len()), type_oid, text),
        (Form::Number, _) if is_none(text) || is_number(text) => Ok(()),
        (Form::Bool, _) if matches!(text, "t" | "f") => Ok(()),
        (Form::Number | Form::Bool, _) => Err(Corrupt),
    }
}

/// A value as events tell it: from the text that Postgres writes for it, and the oid of its type.
pub fn value_to_json(type_oid: u32, text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_value(&mut out, type_oid, text);
    out
}

/// Appends the value. What is corrupt becomes a string: the output is valid JSON whatever the text.
pub(super) fn write_value(out: &mut String, type_oid: u32, text: &str) {
    let start = out.len();
    if try_write(out, type_oid, text).is_err() {
        out.truncate(start);
        write_string(out, text);
    }
}

/// Appends the value; after an error `out` ends anywhere.
pub(super) fn try_write(out: &mut String, type_oid: u32, text: &str) -> Result<(), Corrupt> {
    match array::element(type_oid) {
        Some(element) => {
            let form = form(element.type_oid);
            array::write(out, text, element.delimiter, |out, text| write_scalar(out, form, text))
        }
        None => write_scalar(out, form(type_oid), text),
    }
}

fn write_scalar(out: &mut String, form: Form, text: &str) -> Result<(), Corrupt> {
    match form {
        Form::String => write_string(out, text),
        Form::Number if is_none(text) => write_string(out, text),
        Form::Number if is_number(text) => out.push_str(text),
        Form::Bool if text == "t" => out.push_str("true"),
        Form::Bool if text == "f" => out.push_str("false"),
        Form::Json => out.push_str(raw(text)?.get()),
        Form::Number | Form::Bool => return Err(Corrupt),
    }
    Ok(())
}

/// What numeric types hold beside numbers.
fn is_none(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
}

fn raw(text: &str) -> Result<&RawValue, Corrupt> {
    serde_json::from_str(text).map_err(|_| Corrupt)
}

/// The grammar of a JSON number, which the text forms of Postgres's numeric types keep to.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    fn number(text: &str) -> Option<&str> {
        let text = text.strip_prefix('-').unwrap_or(text);
        let mut rest = match text.strip_prefix('0') {
            Some(rest) => rest,
            None => digits(text)?,
        };
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = digits(fraction)?;
        }
        match rest.strip_prefix(['e', 'E']) {
            Some(exponent) => digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
            None => Some(rest),
        }
    }
    number(text) == Some("")
}

/// Appends a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    // Most texts have nothing to escape: they are looked through by words, without a branch for each byte.
    if is_plain(text.as_bytes()) {
        out.push_str(text)
    } else {
        write_escaped(out, text)
    }
    out.push('"');
}

fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<WORD>();
    let is_plain = !words.iter().fold(false, |found, word| found | has_special(*word));
    // The last word again with what is left, where there is one.
    is_plain
        && match text.last_chunk::<WORD>() {
            Some(last) => !has_special(*last),
            None => !rest.iter().any(|byte| is_special(*byte)),
        }
}

const WORD: usize = size_of::<u64>();

/// Whether any byte of a word [`is_special`], by the borrow that a subtraction takes from it alone.
fn has_special(word: [u8; WORD]) -> bool {
    let all = |byte: u8| u64::from_ne_bytes([byte; WORD]);
    let word = u64::from_ne_bytes(word);
    let less = |word: u64, than: u8| word.wrapping_sub(all(than)) & !word & all(0x80);
    let found = less(word, 0x20) | less(word ^ all(b'"'), 1) | less(word ^ all(b'\\'), 1);
    found != 0
}

/// Of a text with something to escape, so many bytes are looked at together.
const BLOCK: usize = 32;

fn write_escaped(out: &mut String, text: &str) {
    let mut plain = 0;
    let blocks = text.as_bytes().chunks(BLOCK).enumerate().filter(|(_, block)| !is_plain(block));
    for (start, block) in blocks.map(|(number, block)| (number * BLOCK, block)) {
        for (place, byte) in block.iter().enumerate().filter(|(_, byte)| is_special(**byte)) {
            out.push_str(text.get(plain..start + place).unwrap_or_default());
            plain = start + place + 1;
            // Writing to a String cannot fail.
            let _ = match byte {
                b'"' => out.write_str("\\\""),
                b'\\' => out.write_str("\\\\"),
                b'\n' => out.write_str("\\n"),
                b'\r' => out.write_str("\\r"),
                b'\t' => out.write_str("\\t"),
                _ => write!(out, "\\u{byte:04x}"),
            };
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

/// Whether a JSON string says the byte by more than itself.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A JSON object under construction at the end of a text.
pub(super) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub fn open(out: &'a mut String) -> Self {
        out.push('{');
        Object { out, is_empty: true }
    }

    /// Starts a member; write its value, exactly one, to what is returned.
    pub fn member(&mut self, name: &str) -> &mut String {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(',');
        }
        write_string(self.out, name);
        self.out.push(':');
        self.out
    }

    /// Appends members that are JSON already, as they stand between braces.
    pub fn members(&mut self, members: &str) {
        if !members.is_empty() {
            if !std::mem::take(&mut self.is_empty) {
                self.out.push(',');
            }
            self.out.push_str(members);
        }
    }

    pub fn string(&mut self, name: &str, text: &str) {
        write_string(self.member(name), text);
    }

    /// A text without anything to escape.
    pub fn plain(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        let out = self.member(name);
        out.push('"');
        write(out);
        out.push('"');
    }

    pub fn close(self) {
        self.out.push('}');
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
