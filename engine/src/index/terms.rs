//! The terms of a segment: each stored once, found by field, type and bytes.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::posting::Posting;
use crate::source::{Term, TermKind, equal};

/// A term's place in [`Terms`], in the order of first use.
pub(crate) type TermId = u32;

#[derive(Debug)]
pub(super) struct Entry {
    at: usize,
    len: u16,
    pub(super) kind: TermKind,
    /// Changed since the last commitment.
    pub(super) touched: bool,
    pub(super) field: u32,
    pub(super) posting: Posting,
}

/// All terms: one buffer for their bytes, one table to find them, whose hash is seeded at random. So which bucket
/// a term falls in differs from run to run, and nothing that leaves the index depends on it.
#[derive(Debug, Default)]
pub(super) struct Terms {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Half of a term's hash with its id, so that a table that grows need not look at the terms.
    table: HashTable<(u32, TermId)>,
    hasher: DefaultHashBuilder,
}

fn hash_of(hasher: &DefaultHashBuilder, field: u32, term: Term<'_>) -> u32 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(field) << 8 | term.kind as u64);
    state.write(term.bytes);
    (state.finish() >> 32) as u32
}

/// What the table sees of a hash: it takes the place from the low bits and seven more from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn bytes_of<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.at..entry.at + usize::from(entry.len)]
}

impl Terms {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry(&self, id: TermId) -> &Entry {
        &self.entries[id as usize]
    }

    pub(super) fn entry_mut(&mut self, id: TermId) -> &mut Entry {
        &mut self.entries[id as usize]
    }

    /// Whether a term is this one of its field.
    pub(super) fn is(&self, id: TermId, term: Term<'_>) -> bool {
        let entry = self.entry(id);
        entry.kind == term.kind && equal(bytes_of(&self.bytes, entry), term.bytes)
    }

    pub(super) fn term(&self, id: TermId) -> Term<'_> {
        let entry = self.entry(id);
        Term { kind: entry.kind, bytes: bytes_of(&self.bytes, entry) }
    }

    /// The term of `field`, made with the posting `offset` where it is not there yet; whether it was made.
    pub(super) fn intern(&mut self, field: usize, term: Term<'_>, offset: u32) -> (TermId, bool) {
        let Terms { bytes, entries, table, hasher } = self;
        let field = field as u32;
        let hash = hash_of(hasher, field, term);
        let same = |&(other, id): &(u32, TermId)| {
            if other != hash {
                return false;
            }
            let entry = &entries[id as usize];
            entry.field == field && entry.kind == term.kind && equal(bytes_of(bytes, entry), term.bytes)
        };
        if let Some(&(_, id)) = table.find(spread(hash), same) {
            return (id, false);
        }
        let id = entries.len() as TermId;
        let entry = Entry {
            at: bytes.len(),
            len: term.bytes.len() as u16,
            kind: term.kind,
            touched: false,
            field,
            posting: Posting::One(offset),
        };
        bytes.extend_from_slice(term.bytes);
        entries.push(entry);
        table.insert_unique(spread(hash), (hash, id), |(hash, _)| spread(*hash));
        (id, true)
    }
}
