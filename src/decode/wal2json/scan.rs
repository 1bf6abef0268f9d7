use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr2};
use serde::de::{Error as _, IgnoredAny};

use super::head::Content;

/// Takes JSON apart from front to back, each byte looked at once: where a value ends is all that is found out of it until
/// somebody asks for more.
pub(super) struct Scan<'a> {
    json: &'a [u8],
    /// The same, where all of it is UTF-8.
    text: Option<&'a str>,
    at: usize,
}

pub(super) type Scanned<T> = Result<T, serde_json::Error>;

/// A value as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub json: &'a [u8],
    text: Option<&'a str>,
    /// Whether it is a string that does not stand for itself.
    is_escaped: bool,
}

impl<'a> Scan<'a> {
    pub fn new(json: &'a [u8], text: Option<&'a str>) -> Self {
        Scan { json, text, at: 0 }
    }

    /// Goes through an object: `member` is given the name of each and has to take its value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Scanned<()>) -> Scanned<()> {
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.peek();
            let name = self.string()?;
            self.expect(b':')?;
            member(self, &name.bytes()?)?;
            if !self.takes(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Goes through an array: `element` is given the number of each and has to take it.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self, usize) -> Scanned<()>) -> Scanned<()> {
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        for number in 0.. {
            element(self, number)?;
            if !self.takes(b',') {
                break;
            }
        }
        self.expect(b']')
    }

    /// Takes a value. What is within an array or an object may be anything between brackets.
    pub fn value(&mut self) -> Scanned<Value<'a>> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            Some(b'-' | b'0'..=b'9') => {
                let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let number = self.take_while(is_of_number);
                let is_plain = matches!(number.json, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
                if !is_plain {
                    serde_json::from_slice::<IgnoredAny>(number.json)?;
                }
                Ok(number)
            }
            _ => match self.take_while(u8::is_ascii_alphabetic) {
                literal @ Value { json: b"null" | b"true" | b"false", .. } => Ok(literal),
                _ => Err(unlike("a value", start)),
            },
        }
    }

    /// Takes the very bytes, if they are next.
    pub fn takes_same(&mut self, value: &[u8]) -> bool {
        self.peek();
        let is_next = self.json.get(self.at..).is_some_and(|rest| rest.starts_with(value));
        if is_next {
            self.at += value.len();
        }
        is_next
    }

    /// What stands at a place, where all is UTF-8.
    pub fn text(&self, place: Range<usize>) -> Option<&'a str> {
        self.text?.get(place)
    }

    /// Goes back to a place where it was.
    pub fn go_back(&mut self, to: usize) {
        self.at = to;
    }

    /// What was taken since a place.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.json.get(start..self.at).unwrap_or_default()
    }

    /// Where the next token begins.
    pub fn place(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Nothing may be left.
    pub fn end(mut self) -> Scanned<()> {
        if self.peek().is_none() { Ok(()) } else { Err(unlike("the end", self.at)) }
    }

    fn nested(&mut self) -> Scanned<Value<'a>> {
        let (start, mut depth) = (self.at, 0usize);
        loop {
            match self.json.get(self.at) {
                Some(b'"') => drop(self.string()?),
                Some(byte) => {
                    self.at += 1;
                    depth = match byte {
                        b'{' | b'[' => depth + 1,
                        b'}' | b']' => depth - 1,
                        _ => depth,
                    };
                    if depth == 0 {
                        return Ok(self.taken(start, false));
                    }
                }
                None => return Err(unlike("the end of what is nested", self.at)),
            }
        }
    }

    fn string(&mut self) -> Scanned<Value<'a>> {
        let start = self.at;
        if self.json.get(self.at) != Some(&b'"') {
            return Err(unlike("a string", start));
        }
        let (mut at, mut near, mut is_escaped) = (start + 1, 0, false);
        loop {
            match self.json.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    at += 2;
                    near = at + NEAR;
                }
                Some(_) if at < near => at += 1,
                _ => {
                    let rest = self.json.get(at..).unwrap_or_default();
                    let next = memchr2(b'"', b'\\', rest);
                    at += next.ok_or_else(|| unlike("the end of a string", start))?;
                }
            }
        }
        self.at = at + 1;
        Ok(self.taken(start, is_escaped))
    }

    fn take_while(&mut self, is_of_it: impl Fn(&u8) -> bool) -> Value<'a> {
        let start = self.at;
        let rest = self.json.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !is_of_it(byte)).unwrap_or(rest.len());
        self.taken(start, false)
    }

    fn taken(&self, start: usize, is_escaped: bool) -> Value<'a> {
        let text = self.text.and_then(|text| text.get(start..self.at));
        Value { json: self.since(start), text, is_escaped }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.json.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Scanned<()> {
        if self.takes(byte) { Ok(()) } else { Err(unlike(&format!("`{}`", char::from(byte)), self.at)) }
    }
}

impl<'a> Value<'a> {
    /// What a string says.
    pub fn str(self) -> Scanned<Cow<'a, str>> {
        match (self.text, self.json) {
            (Some(text), [b'"', .., b'"']) if !self.is_escaped => {
                Ok(Cow::Borrowed(text.get(1..text.len() - 1).unwrap_or_default()))
            }
            (Some(text), _) => match unescaped(text) {
                Some(said) => Ok(Cow::Owned(said)),
                None => serde_json::from_str(text).map(Cow::Owned),
            },
            (None, json) => serde_json::from_slice(json).map(Cow::Owned),
        }
    }

    /// The same of one that need not be UTF-8.
    pub fn bytes(self) -> Scanned<Cow<'a, [u8]>> {
        match self.json {
            [b'"', inner @ .., b'"'] if !self.is_escaped => Ok(Cow::Borrowed(inner)),
            json => serde_json::from_slice(json).map(|Content(bytes)| bytes),
        }
    }

    pub fn i64(self) -> Scanned<i64> {
        let said = str::from_utf8(self.json).ok().and_then(|said| said.parse().ok());
        said.ok_or_else(|| serde_json::Error::custom("expected a whole number"))
    }

    pub fn bool(self) -> Scanned<bool> {
        serde_json::from_slice(self.json)
    }

    pub fn is_null(self) -> bool {
        self.json == b"null"
    }

    /// As it is written.
    pub fn written(self) -> Scanned<&'a str> {
        self.text.ok_or_else(|| serde_json::Error::custom("it is not UTF-8"))
    }
}

/// Behind an escape the next one is mostly near, in a text that is JSON itself: so far it is looked for byte by byte.
const NEAR: usize = 24;

/// What a string with escapes says, where these are all of one letter; `None`: it is left to serde.
fn unescaped(written: &str) -> Option<String> {
    let text = written.strip_prefix('"')?.strip_suffix('"')?;
    let mut said = String::with_capacity(text.len());
    let (mut plain, mut at, mut near) = (0, 0, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        if *byte == b'\\' {
            said.push_str(text.get(plain..at)?);
            said.push(match text.as_bytes().get(at + 1)? {
                same @ (b'"' | b'\\' | b'/') => char::from(*same),
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                _ => return None,
            });
            at += 2;
            (plain, near) = (at, at + NEAR);
        } else if at < near {
            at += 1;
        } else {
            let rest = text.as_bytes().get(at..)?;
            at += memchr(b'\\', rest).unwrap_or(rest.len());
        }
    }
    said.push_str(text.get(plain..)?);
    Some(said)
}

fn unlike(wanted: &str, at: usize) -> serde_json::Error {
    serde_json::Error::custom(format!("expected {wanted} at byte {at}"))
}
