//! The rule that no object names a key twice, checked without an allocation per key and never in quadratic time.
//!
//! An object with few keys compares each new key with those before it, behind a 64-bit filter that says for most
//! that no comparison is needed. One with many sorts them when it ends: `n log n` whatever the keys are, so no
//! choice of keys makes it slow, and no secret hash key is needed.

use super::text::{Text, unescape};

/// Up to this many keys of one object are compared with each other as they come.
const LINEAR_MAX: usize = 32;

/// What tells keys apart quickly. Keys of up to 16 bytes with equal lengths and prints are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print {
    head: u64,
    tail: u64,
}

impl Print {
    #[inline]
    pub(crate) fn of(key: &[u8]) -> Print {
        let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(head), Some(tail)) => {
                    (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
                }
                _ => (key.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)), 0),
            },
        };
        Print { head, tail }
    }

    /// A number that differs for most prints that do.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        let mixed = (self.head ^ self.tail.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 32)
    }

    /// Whether two keys are equal whose prints are.
    #[inline]
    pub(crate) fn decides(a: &[u8], b: &[u8]) -> bool {
        a.len() == b.len() && (a.len() <= 16 || a == b)
    }
}

/// One key of an open object. Positions fit, for the scanner takes no input of 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Key {
    hash: u32,
    /// Where its opening quote stands in the input.
    at: u32,
    len: u32,
    /// Where in `text` its meaning starts, if it was unescaped.
    text: Option<u32>,
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

    /// Adds a key whose opening quote is at `at` in `input`; returns its meaning, or nothing where the object has it
    /// already.
    #[inline]
    pub(crate) fn add<'b>(
        &'b mut self,
        input: &'b [u8],
        level: &mut Level,
        at: usize,
        key: Text<'b>,
    ) -> Option<(&'b [u8], Print)> {
        let start = self.text.len();
        if key.escaped {
            unescape(key.raw, &mut self.text);
        }
        let meaning = if key.escaped { self.text.get(start..)? } else { key.raw };
        let print = Print::of(meaning);
        let hash = print.hash();
        let bit = 1 << (hash >> 58);
        let key = Key {
            hash: hash as u32,
            at: at as u32,
            len: meaning.len() as u32,
            text: key.escaped.then_some(start as u32),
        };
        if level.filter & bit != 0 && self.has(input, level, &key, meaning) {
            return None;
        }
        level.filter |= bit;
        self.keys.push(key);
        Some((meaning, print))
    }

    /// Whether the object has a key already. Once it has many, [`Keys::close`] finds that out instead.
    fn has(&self, input: &[u8], level: &Level, new: &Key, meaning: &[u8]) -> bool {
        let known = self.keys.get(level.first..).unwrap_or_default();
        known.len() < LINEAR_MAX
            && known.iter().any(|key| {
                key.hash == new.hash && key.len == new.len && bytes(input, &self.text, key) == meaning
            })
    }

    /// An object ends. Returns where a key of it stands for the second time, if there is one.
    pub(crate) fn close(&mut self, input: &[u8], level: &Level) -> Option<usize> {
        let text = &self.text;
        let keys = self.keys.get_mut(level.first..)?;
        let mut twice = None;
        if keys.len() > LINEAR_MAX {
            keys.sort_unstable_by(|a, b| {
                a.hash.cmp(&b.hash).then_with(|| bytes(input, text, a).cmp(bytes(input, text, b)))
            });
            twice = keys
                .windows(2)
                .filter(|pair| {
                    pair[0].hash == pair[1].hash
                        && bytes(input, text, &pair[0]) == bytes(input, text, &pair[1])
                })
                .map(|pair| pair[0].at.max(pair[1].at) as usize)
                .min();
        }
        self.keys.truncate(level.first);
        self.text.truncate(level.text);
        twice
    }
}

fn bytes<'b>(input: &'b [u8], text: &'b [u8], key: &Key) -> &'b [u8] {
    let (from, start) = match key.text {
        Some(start) => (text, start as usize),
        None => (input, key.at as usize + 1),
    };
    from.get(start..start + key.len as usize).unwrap_or_default()
}
