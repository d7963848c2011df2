//! The terms of a segment: each stored once, found by field, type and bytes.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::posting::Posting;
use crate::source::{Term, TermKind};

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
    table: HashTable<TermId>,
    hasher: DefaultHashBuilder,
}

fn hash_of(hasher: &DefaultHashBuilder, field: u32, term: Term<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(field) << 8 | term.kind as u64);
    state.write(term.bytes);
    state.finish()
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

    pub(super) fn term(&self, id: TermId) -> Term<'_> {
        let entry = self.entry(id);
        Term { kind: entry.kind, bytes: bytes_of(&self.bytes, entry) }
    }

    /// The term of `field`, made with the posting `offset` where it is not there yet; whether it was made.
    pub(super) fn intern(&mut self, field: usize, term: Term<'_>, offset: u32) -> (TermId, bool) {
        let Terms { bytes, entries, table, hasher } = self;
        let field = field as u32;
        let hash = hash_of(hasher, field, term);
        let same = |&id: &TermId| {
            let entry = &entries[id as usize];
            entry.field == field && entry.kind == term.kind && bytes_of(bytes, entry) == term.bytes
        };
        if let Some(&id) = table.find(hash, same) {
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
        table.insert_unique(hash, id, |&id| {
            let entry = &entries[id as usize];
            hash_of(hasher, entry.field, Term { kind: entry.kind, bytes: bytes_of(bytes, entry) })
        });
        (id, true)
    }
}
