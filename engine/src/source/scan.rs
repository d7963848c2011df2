//! The JSON scanner: one pass over an event's bytes that checks all of RFC 8259 and what evidence needs beyond it.
//!
//! Beyond the grammar, every object's keys are unique once unescaped, no surrogate stands alone, nesting is
//! bounded and no byte order mark leads. The scanner tells a [`Sink`] what it meets and keeps nothing; it does not
//! recurse, so no input can exhaust the stack. It is generic over the sink: each use is compiled for itself.

use std::cell::Cell;

use super::keys::{Keys, Level};
use super::text::{Text, hex4};
use crate::{Error, Result};

/// A value that holds no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    String(Text<'a>),
    Number(&'a [u8]),
    True,
    False,
    Null,
}

/// What is told of what the scanner meets, in the order of the bytes. What was told before an error counts for
/// nothing.
pub(crate) trait Sink<'a> {
    /// A key, unescaped, with its [`print`](super::keys::print); its opening quote is at `at`.
    fn key(&mut self, key: &[u8], print: u64, at: usize);
    /// An object or an array starts at `at`.
    fn start(&mut self, array: bool, at: usize);
    /// The innermost open object or array ends before `end`.
    fn end(&mut self, end: usize);
    /// A scalar, at `at..end`.
    fn scalar(&mut self, value: Scalar<'a>, at: usize, end: usize);
}

/// What the top level may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Top {
    /// An event is an object.
    Object,
    /// A document of many events is any value.
    Any,
}

/// One object or array that is open.
#[derive(Debug)]
enum Open {
    Array,
    Object(Level),
}

/// Buffers that outlive a scan, so that the next one allocates nothing.
#[derive(Debug, Default)]
struct Scratch {
    open: Vec<Open>,
    keys: Keys,
}

/// Buffers that have grown larger than this many entries are not kept.
const SCRATCH_MAX: usize = 1 << 15;

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { open: Vec::new(), keys: Keys::new() }) };
}

/// Scans `input`, which may nest `depth_max` deep.
///
/// # Errors
/// [`Error::InvalidEvent`] with the byte where it is first seen to be wrong.
pub(crate) fn scan<'a>(input: &'a [u8], top: Top, depth_max: usize, sink: &mut impl Sink<'a>) -> Result<()> {
    if let Err(error) = std::str::from_utf8(input) {
        return refuse(error.valid_up_to(), "not UTF-8; convert the event, and send binary data as base64");
    }
    let mut scratch = SCRATCH.take();
    let result = Scan { input, at: 0 }.document(top, depth_max, &mut scratch, sink);
    scratch.open.clear();
    scratch.keys.clear();
    if scratch.keys.capacity() <= SCRATCH_MAX {
        SCRATCH.set(scratch);
    }
    result
}

fn refuse<T>(at: usize, reason: impl Into<String>) -> Result<T> {
    Err(Error::InvalidEvent { offset: at as u64, reason: reason.into() })
}

struct Scan<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn document(
        mut self,
        top: Top,
        depth_max: usize,
        scratch: &mut Scratch,
        sink: &mut impl Sink<'a>,
    ) -> Result<()> {
        let Scratch { open, keys } = scratch;
        if self.input.starts_with(&[0xEF, 0xBB, 0xBF]) {
            return refuse(0, "starts with a byte order mark; remove these three bytes");
        }
        match self.next() {
            None => return refuse(self.at, "empty; an event is one JSON object"),
            Some(byte) if byte != b'{' && top == Top::Object => {
                return refuse(self.at, "not a JSON object; an event is one object, {...}");
            }
            Some(_) => {}
        }
        // Each turn reads one value, then closes what ends behind it, up to the comma before the next value.
        'value: loop {
            let at = self.at;
            match self.next() {
                Some(b'{') => {
                    self.deeper(open.len(), depth_max)?;
                    sink.start(false, at);
                    if self.next() != Some(b'}') {
                        let mut level = keys.open();
                        self.key(&mut level, keys, sink)?;
                        open.push(Open::Object(level));
                        continue 'value;
                    }
                    self.at += 1;
                    sink.end(self.at);
                }
                Some(b'[') => {
                    self.deeper(open.len(), depth_max)?;
                    sink.start(true, at);
                    if self.next() != Some(b']') {
                        open.push(Open::Array);
                        continue 'value;
                    }
                    self.at += 1;
                    sink.end(self.at);
                }
                Some(b'"') => {
                    let text = self.string()?;
                    sink.scalar(Scalar::String(text), at, self.at);
                }
                Some(b'-' | b'0'..=b'9') => {
                    let number = self.number()?;
                    sink.scalar(Scalar::Number(number), at, self.at);
                }
                Some(b't') => {
                    self.literal(b"true")?;
                    sink.scalar(Scalar::True, at, self.at);
                }
                Some(b'f') => {
                    self.literal(b"false")?;
                    sink.scalar(Scalar::False, at, self.at);
                }
                Some(b'n') => {
                    self.literal(b"null")?;
                    sink.scalar(Scalar::Null, at, self.at);
                }
                Some(_) => {
                    return refuse(
                        self.at,
                        "no JSON value; expected {, [, \", a number, true, false or null",
                    );
                }
                None => return refuse(self.at, "ends where a value was expected; the event is cut off"),
            }
            loop {
                match (open.last_mut(), self.next()) {
                    (None, None) => return Ok(()),
                    (None, Some(_)) => {
                        return refuse(
                            self.at,
                            "more bytes after the value; append one event at a time, or one a line",
                        );
                    }
                    (Some(Open::Object(level)), Some(b',')) => {
                        self.at += 1;
                        self.next();
                        self.key(level, keys, sink)?;
                        continue 'value;
                    }
                    (Some(Open::Array), Some(b',')) => {
                        self.at += 1;
                        self.next();
                        continue 'value;
                    }
                    (Some(Open::Object(level)), Some(b'}')) => {
                        if let Some(at) = keys.close(self.input, level) {
                            return refuse(at, TWICE);
                        }
                        open.pop();
                        self.at += 1;
                        sink.end(self.at);
                    }
                    (Some(Open::Array), Some(b']')) => {
                        open.pop();
                        self.at += 1;
                        sink.end(self.at);
                    }
                    (Some(Open::Object(_)), Some(_)) => {
                        return refuse(self.at, "expected a comma or } after a member");
                    }
                    (Some(Open::Array), Some(_)) => {
                        return refuse(self.at, "expected a comma or ] after an element");
                    }
                    (Some(_), None) => {
                        return refuse(self.at, "ends inside an object or array; the event is cut off");
                    }
                }
            }
        }
    }

    /// The next byte that is no white space; `at` stands on it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.input.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Steps into an object or array.
    #[inline]
    fn deeper(&mut self, depth: usize, depth_max: usize) -> Result<()> {
        if depth >= depth_max {
            return refuse(self.at, format!("nested deeper than {depth_max} levels; flatten the event"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a key and its colon, up to its value.
    #[inline]
    fn key(&mut self, level: &mut Level, keys: &mut Keys, sink: &mut impl Sink<'a>) -> Result<()> {
        let at = self.at;
        if self.input.get(at) != Some(&b'"') {
            return refuse(at, "expected a key in double quotes");
        }
        let text = self.string()?;
        let Some((key, print)) = keys.add(self.input, level, at, text) else {
            return refuse(at, TWICE);
        };
        sink.key(key, print, at);
        if self.next() != Some(b':') {
            return refuse(self.at, "expected a colon after a key");
        }
        self.at += 1;
        self.next();
        Ok(())
    }

    /// Reads a string, `at` being on its opening quote.
    #[inline]
    fn string(&mut self) -> Result<Text<'a>> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = plain_end(self.input, at);
            match self.input.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text { raw: &self.input[start..at], escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => {
                    return refuse(
                        at,
                        "control character in a string; write it as an escape such as \\n or \\u0000",
                    );
                }
                None => return refuse(at, "ends inside a string; the event is cut off"),
            }
        }
    }

    /// The end of the escape at `at`; a surrogate pair is one escape.
    #[cold]
    fn escape(&self, at: usize) -> Result<usize> {
        match self.input.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match hex4(self.input.get(at + 2..at + 6)) {
                Some(0xD800..=0xDBFF) => {
                    let low = hex4(self.input.get(at + 8..at + 12));
                    if self.input.get(at + 6..at + 8) == Some(b"\\u") && matches!(low, Some(0xDC00..=0xDFFF))
                    {
                        return Ok(at + 12);
                    }
                    refuse(at, "half of a surrogate pair; write both halves, or the character in UTF-8")
                }
                Some(0xDC00..=0xDFFF) => {
                    refuse(at, "half of a surrogate pair; write both halves, or the character in UTF-8")
                }
                Some(_) => Ok(at + 6),
                None => refuse(at, "\\u needs four hex digits"),
            },
            Some(_) => refuse(at, "no such escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX"),
            None => refuse(at + 1, "ends inside a string; the event is cut off"),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<&'a [u8]> {
        let start = self.at;
        let mut at = start + usize::from(self.input.get(start) == Some(&b'-'));
        match self.input.get(at) {
            Some(b'0') => at += 1,
            Some(b'1'..=b'9') => at = self.digits(at),
            _ => return refuse(at, "a number needs a digit here"),
        }
        if matches!(self.input.get(at), Some(b'0'..=b'9')) {
            return refuse(
                at,
                "a number may not start with a zero; write it as a string if the zero matters",
            );
        }
        if self.input.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if matches!(self.input.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.input.get(at + 1), Some(b'+' | b'-')));
            at = self.some_digits(at + 1 + sign)?;
        }
        self.at = at;
        Ok(&self.input[start..at])
    }

    #[inline]
    fn digits(&self, mut at: usize) -> usize {
        while matches!(self.input.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    }

    fn some_digits(&self, at: usize) -> Result<usize> {
        match self.digits(at) {
            end if end > at => Ok(end),
            _ => refuse(at, "a number needs a digit here"),
        }
    }

    #[inline]
    fn literal(&mut self, word: &[u8]) -> Result<()> {
        let end = self.at + word.len();
        if self.input.get(self.at..end) != Some(word) {
            return refuse(self.at, "no JSON value; expected {, [, \", a number, true, false or null");
        }
        self.at = end;
        Ok(())
    }
}

const TWICE: &str = "this key is in its object already; a key may stand once";

/// The first place from `at` on of a quote, a backslash or a control character, eight bytes at a time.
#[inline]
fn plain_end(input: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        // `(x - 1) & !x & high` marks zero bytes; a borrow can mark only bytes above a true one.
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while matches!(input.get(at), Some(&byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}
