//! The JSON scanner: one pass over an event's bytes that checks all of RFC 8259 and what evidence needs beyond it.
//!
//! Beyond the grammar, every object's keys are unique once unescaped, no surrogate stands alone, nesting is
//! bounded and no byte order mark leads. The scanner tells a [`Sink`] what it meets and keeps nothing; it does not
//! recurse, so no input can exhaust the stack. It is generic over the sink: each use is compiled for itself.

use std::cell::Cell;

use super::keys::{Keys, Level, Print};
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

/// The scalar that stands in these bytes, which the scanner has passed.
pub(crate) fn scalar_of(bytes: &[u8]) -> Scalar<'_> {
    match bytes {
        [b'"', raw @ .., b'"'] => Scalar::String(Text { raw, escaped: raw.contains(&b'\\') }),
        [b't', ..] => Scalar::True,
        [b'f', ..] => Scalar::False,
        [b'n', ..] => Scalar::Null,
        _ => Scalar::Number(bytes),
    }
}

/// What is told of what the scanner meets, in the order of the bytes. What was told before an error counts for
/// nothing.
pub(crate) trait Sink<'a> {
    /// A key, unescaped, with its print; its opening quote is at `at`.
    fn key(&mut self, key: &[u8], print: Print, at: usize);
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

/// The innermost object or array that is open.
#[derive(Debug)]
enum Open {
    Nothing,
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
    is_text(input)?;
    scan_text(input, top, depth_max, sink)
}

/// Checks that `input` is what a scan can be made of: UTF-8, and not too long.
///
/// # Errors
/// As of [`scan`].
pub(crate) fn is_text(input: &[u8]) -> Result<()> {
    // Most events are ASCII, which is seen in half the time.
    if !input.is_ascii()
        && let Err(error) = std::str::from_utf8(input)
    {
        return refuse(error.valid_up_to(), "not UTF-8; convert the event, and send binary data as base64");
    }
    if u32::try_from(input.len()).is_err() {
        return refuse(u32::MAX as usize, "4 GiB or longer; divide it");
    }
    Ok(())
}

/// [`scan`] of what has passed [`is_text`].
///
/// # Errors
/// As of [`scan`].
pub(crate) fn scan_text<'a>(
    input: &'a [u8],
    top: Top,
    depth_max: usize,
    sink: &mut impl Sink<'a>,
) -> Result<()> {
    let mut scratch = SCRATCH.take();
    let mut scan = Scan { input, at: 0, wrong: (0, "") };
    let done = scan.document(top, depth_max, &mut scratch, sink);
    scratch.open.clear();
    scratch.keys.clear();
    if scratch.keys.capacity() <= SCRATCH_MAX {
        SCRATCH.set(scratch);
    }
    match done {
        Some(()) => Ok(()),
        None => refuse(scan.wrong.0, scan.wrong.1),
    }
}

fn refuse<T>(at: usize, reason: &str) -> Result<T> {
    Err(Error::InvalidEvent { offset: at as u64, reason: reason.to_owned() })
}

const TWICE: &str = "this key is in its object already; a key may stand once";
const NO_VALUE: &str = "no JSON value; expected {, [, \", a number, true, false or null";
const CUT_STRING: &str = "ends inside a string; the event is cut off";
const HALF_PAIR: &str = "half of a surrogate pair; write both halves, or the character in UTF-8";

/// Reads values whose places are known, by the rules of [`scan`].
pub(crate) struct Values<'a>(Scan<'a>);

impl<'a> Values<'a> {
    /// Of `input`, which is UTF-8 and shorter than 4 GiB.
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Values(Scan { input, at: 0, wrong: (0, "") })
    }

    /// The string whose opening quote is at `at`, and its end; none where it is none.
    #[inline(always)]
    pub(crate) fn string(&mut self, at: usize) -> Option<(Text<'a>, usize)> {
        self.0.at = at;
        Some((self.0.string()?, self.0.at))
    }

    /// The number, true, false or null at `at`, and its end; none where it is none.
    #[inline]
    pub(crate) fn word(&mut self, at: usize) -> Option<(Scalar<'a>, usize)> {
        self.0.at = at;
        let word = match self.0.input.get(at)? {
            b't' => self.0.literal(b"true").map(|()| Scalar::True),
            b'f' => self.0.literal(b"false").map(|()| Scalar::False),
            b'n' => self.0.literal(b"null").map(|()| Scalar::Null),
            _ => self.0.number().map(Scalar::Number),
        };
        Some((word?, self.0.at))
    }
}

/// A scan under way. Its steps return none once something is wrong, and leave in `wrong` where and what: an error
/// of its own would have to be moved around on the hot path.
struct Scan<'a> {
    input: &'a [u8],
    at: usize,
    wrong: (usize, &'static str),
}

impl<'a> Scan<'a> {
    #[cold]
    fn wrong<T>(&mut self, at: usize, reason: &'static str) -> Option<T> {
        self.wrong = (at, reason);
        None
    }

    fn document(
        &mut self,
        top: Top,
        depth_max: usize,
        scratch: &mut Scratch,
        sink: &mut impl Sink<'a>,
    ) -> Option<()> {
        let Scratch { open: outer, keys } = scratch;
        if self.input.starts_with(&[0xEF, 0xBB, 0xBF]) {
            return self.wrong(0, "starts with a byte order mark; remove these three bytes");
        }
        match self.next() {
            None => return self.wrong(self.at, "empty; an event is one JSON object"),
            Some(byte) if byte != b'{' && top == Top::Object => {
                return self.wrong(self.at, "not a JSON object; an event is one object, {...}");
            }
            Some(_) => {}
        }
        let mut open = Open::Nothing;
        // Each turn reads one value, then closes what ends behind it, up to the comma before the next value.
        'value: loop {
            let at = self.at;
            match self.next() {
                Some(b'"') => {
                    let text = self.string()?;
                    sink.scalar(Scalar::String(text), at, self.at);
                }
                Some(byte @ (b'{' | b'[')) => {
                    if outer.len() >= depth_max {
                        return self
                            .wrong(at, "nested too deeply; an event nests 128 levels at most: flatten it");
                    }
                    self.at += 1;
                    let array = byte == b'[';
                    sink.start(array, at);
                    if self.next() != Some(if array { b']' } else { b'}' }) {
                        outer.push(open);
                        if array {
                            open = Open::Array;
                        } else {
                            let mut level = keys.open();
                            self.key(&mut level, keys, sink)?;
                            open = Open::Object(level);
                        }
                        continue 'value;
                    }
                    self.at += 1;
                    sink.end(self.at);
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
                Some(_) => return self.wrong(at, NO_VALUE),
                None => return self.wrong(at, "ends where a value was expected; the event is cut off"),
            }
            loop {
                let next = self.next();
                match &mut open {
                    Open::Object(level) => match next {
                        Some(b',') => {
                            self.at += 1;
                            self.next();
                            self.key(level, keys, sink)?;
                            continue 'value;
                        }
                        Some(b'}') => {
                            if let Some(at) = keys.close(self.input, level) {
                                return self.wrong(at, TWICE);
                            }
                        }
                        Some(_) => return self.wrong(self.at, "expected a comma or } after a member"),
                        None => return self.wrong(self.at, "ends inside an object; the event is cut off"),
                    },
                    Open::Array => match next {
                        Some(b',') => {
                            self.at += 1;
                            self.next();
                            continue 'value;
                        }
                        Some(b']') => {}
                        Some(_) => return self.wrong(self.at, "expected a comma or ] after an element"),
                        None => return self.wrong(self.at, "ends inside an array; the event is cut off"),
                    },
                    Open::Nothing => match next {
                        None => return Some(()),
                        Some(_) => {
                            let reason =
                                "more bytes after the value; append one event at a time, or one a line";
                            return self.wrong(self.at, reason);
                        }
                    },
                }
                self.at += 1;
                sink.end(self.at);
                open = outer.pop().unwrap_or(Open::Nothing);
            }
        }
    }

    /// The next byte that is no white space; `at` stands on it.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.input.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Reads a key and its colon, up to its value.
    #[inline(always)]
    fn key(&mut self, level: &mut Level, keys: &mut Keys, sink: &mut impl Sink<'a>) -> Option<()> {
        let at = self.at;
        if self.input.get(at) != Some(&b'"') {
            return self.wrong(at, "expected a key in double quotes");
        }
        let text = self.string()?;
        let Some((key, print)) = keys.add(self.input, level, at, text) else {
            return self.wrong(at, TWICE);
        };
        sink.key(key, print, at);
        if self.next() != Some(b':') {
            return self.wrong(self.at, "expected a colon after a key");
        }
        self.at += 1;
        self.next();
        Some(())
    }

    /// Reads a string, `at` being on its opening quote.
    #[inline(always)]
    fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at + 1;
        let mut at = plain_end(self.input, start);
        let escaped = self.input.get(at) != Some(&b'"');
        if escaped {
            at = self.escaped_end(at)?;
        }
        self.at = at + 1;
        Some(Text { raw: self.input.get(start..at)?, escaped })
    }

    /// The closing quote of a string that has at `at` something other than a plain character.
    #[cold]
    fn escaped_end(&mut self, mut at: usize) -> Option<usize> {
        loop {
            match self.input.get(at) {
                Some(b'"') => return Some(at),
                Some(b'\\') => at = plain_end(self.input, self.escape(at)?),
                Some(_) => {
                    let reason =
                        "control character in a string; write it as an escape such as \\n or \\u0000";
                    return self.wrong(at, reason);
                }
                None => return self.wrong(at, CUT_STRING),
            }
        }
    }

    /// The end of the escape at `at`; a surrogate pair is one escape.
    fn escape(&mut self, at: usize) -> Option<usize> {
        match self.input.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(at + 2),
            Some(b'u') => match hex4(self.input.get(at + 2..at + 6)) {
                Some(0xD800..=0xDBFF) => {
                    let low = hex4(self.input.get(at + 8..at + 12));
                    if self.input.get(at + 6..at + 8) == Some(b"\\u") && matches!(low, Some(0xDC00..=0xDFFF))
                    {
                        return Some(at + 12);
                    }
                    self.wrong(at, HALF_PAIR)
                }
                Some(0xDC00..=0xDFFF) => self.wrong(at, HALF_PAIR),
                Some(_) => Some(at + 6),
                None => self.wrong(at, "\\u needs four hex digits"),
            },
            Some(_) => {
                self.wrong(at, "no such escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX")
            }
            None => self.wrong(at + 1, CUT_STRING),
        }
    }

    #[inline]
    fn number(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut at = start + usize::from(self.input.get(start) == Some(&b'-'));
        match self.input.get(at) {
            Some(b'0') => at += 1,
            Some(b'1'..=b'9') => at = self.digits(at),
            _ => return self.wrong(at, NO_DIGIT),
        }
        match self.input.get(at) {
            Some(b'0'..=b'9') => {
                let reason = "a number may not start with a zero; write it as a string if the zero matters";
                return self.wrong(at, reason);
            }
            Some(b'.' | b'e' | b'E') => at = self.fraction_end(at)?,
            _ => {}
        }
        self.at = at;
        self.input.get(start..at)
    }

    fn fraction_end(&mut self, mut at: usize) -> Option<usize> {
        if self.input.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if matches!(self.input.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.input.get(at + 1), Some(b'+' | b'-')));
            at = self.some_digits(at + 1 + sign)?;
        }
        Some(at)
    }

    #[inline]
    fn digits(&self, mut at: usize) -> usize {
        while matches!(self.input.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    }

    fn some_digits(&mut self, at: usize) -> Option<usize> {
        match self.digits(at) {
            end if end > at => Some(end),
            _ => self.wrong(at, NO_DIGIT),
        }
    }

    #[inline]
    fn literal(&mut self, word: &[u8]) -> Option<()> {
        let end = self.at + word.len();
        if self.input.get(self.at..end) != Some(word) {
            return self.wrong(self.at, NO_VALUE);
        }
        self.at = end;
        Some(())
    }
}

const NO_DIGIT: &str = "a number needs a digit here";

/// The first place from `at` on of a quote, a backslash or a control character, eight bytes at a time.
#[inline(always)]
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
