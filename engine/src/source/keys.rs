//! The rule that no object names a key twice, checked without an allocation per key and never in quadratic time.
//!
//! An object with few keys compares each new key with those before it, behind a 64-bit filter that says for most
//! that no comparison is needed. One with many sorts them when it ends: `n log n` whatever the keys are, so no
//! choice of keys makes it slow, and no secret hash key is needed.

use super::text::{Text, unescape};

/// Up to this many keys of one object are compared with each other as they come.
const LINEAR_MAX: usize = 32;

/// A number that says of two keys that they differ; equal numbers say nothing.
pub(crate) fn print(key: &[u8]) -> u64 {
    let len = key.len();
    let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            (Some(head), Some(tail)) => {
                (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
            }
            _ => (key.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)), 0),
        },
    };
    let mixed = (head ^ tail.rotate_left(29)).wrapping_add(len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

#[derive(Debug, Clone, Copy)]
struct Key {
    print: u64,
    /// Where its opening quote stands in the input.
    at: usize,
    /// Its meaning: in the input from `at`, or in `text` from `start`, where it was unescaped.
    start: usize,
    len: usize,
    unescaped: bool,
}

/// The keys of all objects that are open.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    text: Vec<u8>,
}

/// The keys of one open object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    first: usize,
    text: usize,
    filter: u64,
}

impl Keys {
    pub(crate) const fn new() -> Self {
        Keys { keys: Vec::new(), text: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.text.clear();
    }

    pub(crate) fn capacity(&self) -> usize {
        self.keys.capacity() + self.text.capacity()
    }

    /// An object starts.
    pub(crate) fn open(&self) -> Level {
        Level { first: self.keys.len(), text: self.text.len(), filter: 0 }
    }

    /// Adds a key whose opening quote is at `at` in `input`; returns its meaning and its print, or nothing where the object
    /// has it already.
    pub(crate) fn add<'b>(
        &'b mut self,
        input: &'b [u8],
        level: &mut Level,
        at: usize,
        key: Text<'b>,
    ) -> Option<(&'b [u8], u64)> {
        let start = if key.escaped {
            let start = self.text.len();
            unescape(key.raw, &mut self.text);
            start
        } else {
            at + 1
        };
        let meaning = if key.escaped { self.text.get(start..)? } else { key.raw };
        let print = print(meaning);
        let bit = 1 << (print >> 58);
        let known = self.keys.get(level.first..)?;
        if level.filter & bit != 0
            && known.len() < LINEAR_MAX
            && known.iter().any(|key| key.print == print && bytes(input, &self.text, key) == meaning)
        {
            return None;
        }
        level.filter |= bit;
        self.keys.push(Key { print, at, start, len: meaning.len(), unescaped: key.escaped });
        Some((meaning, print))
    }

    /// An object ends. Returns where a key of it stands for the second time, if there is one.
    pub(crate) fn close(&mut self, input: &[u8], level: &Level) -> Option<usize> {
        let text = &self.text;
        let keys = self.keys.get_mut(level.first..)?;
        let mut twice = None;
        if keys.len() > LINEAR_MAX {
            keys.sort_unstable_by(|a, b| {
                a.print.cmp(&b.print).then_with(|| bytes(input, text, a).cmp(bytes(input, text, b)))
            });
            twice = keys
                .windows(2)
                .filter(|pair| {
                    pair[0].print == pair[1].print
                        && bytes(input, text, &pair[0]) == bytes(input, text, &pair[1])
                })
                .map(|pair| pair[0].at.max(pair[1].at))
                .min();
        }
        self.keys.truncate(level.first);
        self.text.truncate(level.text);
        twice
    }
}

fn bytes<'b>(input: &'b [u8], text: &'b [u8], key: &Key) -> &'b [u8] {
    let from = if key.unescaped { text } else { input };
    from.get(key.start..key.start + key.len).unwrap_or_default()
}
