//! A rebuilt index at its end: each term's records, what a seal should state of them, and all in the order in which
//! a sidecar has it.

use std::cmp::Ordering;

use super::reindex::{Field, Reindex};
use crate::Seq;
use crate::format::index::{
    ABSENT, IndexLeaf, IndexRoot, PRESENT, UNREADABLE, index_key, rules_digest, term_hash,
};
use crate::hash::{self, Hash, IndexKey};
use crate::merkle;
use crate::source::{EXTRACTOR, EventTime, Term, TermKind};

/// What a seal should state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restated {
    pub(super) index_root: Hash,
    pub(super) rules: Hash,
    pub(super) leaf_count: u64,
}

/// The finished index: each term's offsets side by side.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) index: Reindex,
    pub(super) offsets: Vec<u32>,
    /// By term: where its offsets end; they begin where the term's before end.
    pub(super) ends: Vec<usize>,
    /// The offsets of all records that were not deleted.
    every: Vec<u32>,
}

/// One of the three lists of a field: its offsets that are present, absent or unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reserved {
    /// All records that were not deleted. Most fields are in every record or in none, so this is kept once.
    Every,
    These(Vec<u32>),
}

/// The reserved terms, in the order of [`Finished::reserved`].
const RESERVED: [&[u8]; 3] = [PRESENT, ABSENT, UNREADABLE];

impl Finished {
    /// An index with the offsets of its terms.
    pub(super) fn new(index: Reindex, offsets: Vec<u32>, ends: Vec<usize>) -> Self {
        let mut finished = Finished { index, offsets, ends, every: Vec::new() };
        finished.every = finished.offsets_in(|index, word| !bits(&index.deleted, word));
        finished
    }

    pub(super) fn record_count(&self) -> u32 {
        self.index.record_count
    }

    pub(super) fn first_seq(&self) -> Seq {
        self.index.first_seq
    }

    pub(super) fn times(&self) -> &[EventTime] {
        &self.index.times
    }

    /// Event ids: the prefix of their hash, and the offset, in the order of the records.
    pub(super) fn event_ids(&self) -> &[(u64, u32)] {
        &self.index.event_ids
    }

    /// The sources used, ascending, and their profiles' digests.
    pub(super) fn sources(&self) -> Vec<(Seq, Hash)> {
        let mut sources: Vec<_> =
            self.index.sources.iter().map(|source| (source.seq, source.digest)).collect();
        sources.sort_unstable();
        sources
    }

    /// The digest of the rules by which the index was made.
    pub(super) fn rules(&self) -> Hash {
        rules_digest(EXTRACTOR, &self.sources())
    }

    /// All fields, ascending by name.
    pub(super) fn fields_by_name(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.index.fields.len()).collect();
        order.sort_unstable_by(|a, b| self.index.fields[*a].name.cmp(&self.index.fields[*b].name));
        order
    }

    /// A field's name, and whether it is private.
    pub(super) fn field(&self, field: usize) -> (&str, bool) {
        let field = &self.index.fields[field];
        (&field.name, field.private)
    }

    pub(super) fn term(&self, id: u32) -> Term<'_> {
        let term = &self.index.terms[id as usize];
        Term { kind: term.kind, bytes: &self.index.bytes[term.start..][..term.len as usize] }
    }

    /// The terms of each of `fields` as a dictionary has them: by type, numbers by value, all else by bytes.
    pub(super) fn dictionaries(&self, fields: &[usize]) -> Vec<Vec<u32>> {
        // Most are told apart by their first bytes, which are sorted side by side.
        let mut keyed: Vec<Vec<(u128, u32)>> = self.index.fields.iter().map(|_| Vec::new()).collect();
        for (id, term) in (0..).zip(&self.index.terms) {
            let mut key = [0; 16];
            key[0] = term.kind as u8;
            if term.kind != TermKind::Number {
                let bytes = self.term(id).bytes;
                let len = bytes.len().min(15);
                key[1..=len].copy_from_slice(&bytes[..len]);
            }
            keyed[term.field as usize].push((u128::from_be_bytes(key), id));
        }
        let sorted = |field: &usize| {
            let mut terms = std::mem::take(&mut keyed[*field]);
            terms.sort_unstable_by(|(key_a, a), (key_b, b)| {
                key_a.cmp(key_b).then_with(|| {
                    let (a, b) = (self.term(*a), self.term(*b));
                    match a.kind {
                        TermKind::Number => compare_decimals(a.bytes, b.bytes),
                        _ => a.bytes.cmp(b.bytes),
                    }
                })
            });
            terms.into_iter().map(|(_, id)| id).collect()
        };
        fields.iter().map(sorted).collect()
    }

    /// The offsets of a term.
    pub(super) fn postings(&self, term: usize) -> &[u32] {
        let start = term.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.offsets[start..self.ends[term]]
    }

    /// A field's offsets that are present, absent and unreadable.
    pub(super) fn reserved(&self, field: usize) -> [Reserved; 3] {
        let Reindex { fields, deleted, record_count, .. } = &self.index;
        let (mut missing, mut any) = ([0; 3], [0; 3]);
        for word in 0..record_count.div_ceil(64) {
            let every = !bits(deleted, word) & self.used(word);
            let sets = reserved_bits(&self.index, &fields[field], word);
            for ((set, missing), any) in sets.iter().zip(&mut missing).zip(&mut any) {
                *missing |= (set & self.used(word)) ^ every;
                *any |= set & self.used(word);
            }
        }
        std::array::from_fn(|which| match (missing[which], any[which]) {
            (_, 0) => Reserved::These(Vec::new()),
            (0, _) => Reserved::Every,
            _ => Reserved::These(
                self.offsets_in(|index, word| reserved_bits(index, &index.fields[field], word)[which]),
            ),
        })
    }

    /// The offsets of a list.
    pub(super) fn list<'a>(&'a self, reserved: &'a Reserved) -> &'a [u32] {
        match reserved {
            Reserved::Every => &self.every,
            Reserved::These(offsets) => offsets,
        }
    }

    /// How many offsets each list of [`Finished::reserved`] has.
    pub(super) fn reserved_counts(&self, field: usize) -> [u32; 3] {
        let mut counts = [0; 3];
        for word in 0..self.index.record_count.div_ceil(64) {
            let sets = reserved_bits(&self.index, &self.index.fields[field], word);
            for (count, set) in counts.iter_mut().zip(sets) {
                *count += (set & self.used(word)).count_ones();
            }
        }
        counts
    }

    /// The offsets of the bits that are set, each word being of 64 records.
    fn offsets_in(&self, bits: impl Fn(&Reindex, u32) -> u64) -> Vec<u32> {
        let mut offsets = Vec::new();
        for word in 0..self.index.record_count.div_ceil(64) {
            let mut set = bits(&self.index, word) & self.used(word);
            while set != 0 {
                offsets.push(word * 64 + set.trailing_zeros());
                set &= set - 1;
            }
        }
        offsets
    }

    /// The bits of a word that stand for records.
    fn used(&self, word: u32) -> u64 {
        let left = self.index.record_count - word * 64;
        if left < 64 { !(u64::MAX << left) } else { u64::MAX }
    }
}

fn bits(all: &[u64], word: u32) -> u64 {
    all.get(word as usize).copied().unwrap_or(0)
}

/// Of 64 records, in which the field is present, absent and unreadable.
fn reserved_bits(index: &Reindex, field: &Field, word: u32) -> [u64; 3] {
    let (present, unreadable) = (bits(&field.present, word), bits(&field.unreadable, word));
    [present, !(present | unreadable | bits(&index.deleted, word)), unreadable]
}

/// A committed leaf on its way to the tree.
struct Leaf {
    /// The first eight bytes of the term's hash, which sort as it does.
    key: u64,
    term: Hash,
    leaf: Hash,
}

impl Leaf {
    fn new(term: Hash, leaf: Hash) -> Self {
        Leaf { key: u64::from_be_bytes(*term.0.first_chunk().unwrap_or(&[0; 8])), term, leaf }
    }
}

/// Terms whose leaves are hashed together: few enough that all of it stays in the cache.
const BATCH: usize = 256;

impl Finished {
    /// What the seal over this segment should state.
    pub(super) fn restate(&self) -> Restated {
        let index = &self.index;
        let mut by_field: Vec<Vec<Leaf>> = index.fields.iter().map(|_| Vec::new()).collect();
        let hashes: Vec<Hash> = index.fields.iter().map(|field| hash::index_field(&field.name)).collect();
        let (mut scratch, mut short) = (Vec::new(), Vec::new());
        let committed: Vec<u32> = (0..)
            .zip(&index.terms)
            .filter(|(_, term)| !index.fields[term.field as usize].private)
            .map(|(id, _)| id)
            .collect();
        for batch in committed.chunks(BATCH) {
            let terms = self.term_hashes(batch);
            let is_short = |offsets: &&[u32]| offsets.len() <= hash::SHORT_SEQS_MAX;
            let postings = batch.iter().map(|id| self.postings(*id as usize));
            hash::index_short_seqs(postings.filter(is_short), &mut short);
            let mut short = short.iter().peekable();
            let leaf = |(id, term): (&u32, &Hash)| {
                let offsets = self.postings(*id as usize);
                let seqs = match short.next_if(|_| is_short(&offsets)) {
                    Some(hash) => *hash,
                    None => hash_offsets(offsets, &mut scratch),
                };
                let field = hashes[index.terms[*id as usize].field as usize];
                IndexLeaf { field, term: *term, count: offsets.len() as u32, seqs }.encode()
            };
            let encoded: Vec<[u8; 128]> = batch.iter().zip(&terms).map(leaf).collect();
            let mut leaves = Vec::new();
            hash::index_leaves(&encoded, &mut leaves);
            for ((id, term), leaf) in batch.iter().zip(terms).zip(leaves.as_chunks().0) {
                by_field[index.terms[*id as usize].field as usize].push(Leaf::new(term, Hash(*leaf)));
            }
        }
        let mut of_every = None;
        for (place, field) in index.fields.iter().enumerate().filter(|(_, field)| !field.private) {
            for (term, reserved) in RESERVED.iter().zip(self.reserved(place)) {
                let offsets = self.list(&reserved);
                if !offsets.is_empty() {
                    let term = term_hash(TermKind::Reserved, term);
                    let mut hash = || hash_offsets(offsets, &mut scratch);
                    let seqs = match reserved {
                        Reserved::Every => *of_every.get_or_insert_with(hash),
                        Reserved::These(_) => hash(),
                    };
                    let field = hash::index_field(&field.name);
                    let leaf = IndexLeaf { field, term, count: offsets.len() as u32, seqs }.hash();
                    by_field[place].push(Leaf::new(term, leaf));
                }
            }
        }
        let (tree_root, leaf_count) = tree(by_field, &hashes);
        let rules = self.rules();
        let (first_seq, record_count) = (index.first_seq, index.record_count);
        let statement = IndexRoot { leaf_count, first_seq, record_count, rules, tree_root };
        Restated { index_root: statement.hash(), rules, leaf_count }
    }

    /// The hashes of some terms: those that fit one block side by side.
    fn term_hashes(&self, ids: &[u32]) -> Vec<Hash> {
        let terms: Vec<Term<'_>> = ids.iter().map(|id| self.term(*id)).collect();
        let block = |term: &Term<'_>| hash::index_term_block(term.kind as u8, term.bytes).unwrap_or([0; 64]);
        let blocks: Vec<[u8; 64]> = terms.iter().map(block).collect();
        let mut hashed = Vec::new();
        hash::index_terms(&blocks, &mut hashed);
        // A block that holds a term has its length in it; one of zeros is of a term that is too long for one.
        let each = terms.iter().zip(&blocks).zip(hashed.as_chunks().0);
        each.map(
            |((term, block), hash)| {
                if block[0] == 0 { term_hash(term.kind, term.bytes) } else { Hash(*hash) }
            },
        )
        .collect()
    }
}

fn hash_offsets(offsets: &[u32], scratch: &mut Vec<u8>) -> Hash {
    scratch.clear();
    scratch.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    hash::index_seqs(scratch)
}

/// The root over all leaves, by (field hash, term hash), and how many they are.
fn tree(mut by_field: Vec<Vec<Leaf>>, hashes: &[Hash]) -> (Hash, u64) {
    let mut order: Vec<usize> = (0..by_field.len()).collect();
    order.sort_unstable_by_key(|field| hashes[*field]);
    let leaf_count = by_field.iter().map(Vec::len).sum();
    let (mut leaves, mut keys) = (Vec::with_capacity(leaf_count * 32), Vec::with_capacity(leaf_count));
    for field in order {
        // Hashes are told apart by their first bytes.
        by_field[field].sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| a.term.cmp(&b.term)));
        leaves.extend(by_field[field].iter().flat_map(|leaf| leaf.leaf.0));
        keys.extend(by_field[field].iter().map(|leaf| -> IndexKey { index_key(&hashes[field], &leaf.term) }));
    }
    (merkle::search_root(leaves, &keys), leaf_count as u64)
}

/// The order of canonical decimals by value: no exponent, no needless zero, so that lengths and digits tell it.
fn compare_decimals(a: &[u8], b: &[u8]) -> Ordering {
    let split = |text: &[u8]| {
        let (negative, digits) = match text.split_first() {
            Some((b'-', digits)) => (true, digits.to_vec()),
            _ => (false, text.to_vec()),
        };
        let whole_len = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
        (negative, whole_len, digits)
    };
    let ((negative_a, len_a, digits_a), (negative_b, len_b, digits_b)) = (split(a), split(b));
    match (negative_a, negative_b) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        // Digit by digit; a point stands below every digit, and so does the end.
        (false, false) => len_a.cmp(&len_b).then_with(|| digits_a.cmp(&digits_b)),
        (true, true) => len_b.cmp(&len_a).then_with(|| digits_b.cmp(&digits_a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_stand_in_the_order_of_their_values() {
        let ascending = [
            "-1000",
            "-12.5",
            "-12.25",
            "-12",
            "-9.99",
            "-1",
            "-0.5",
            "-0.05",
            "0",
            "0.001",
            "0.01",
            "0.1",
            "0.11",
            "0.9",
            "1",
            "1.5",
            "2",
            "9",
            "10",
            "10.01",
            "99",
            "100",
            "9007199254740993",
            "9007199254740994",
            "18446744073709551616",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_decimals(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} and {b}");
            }
        }
    }
}
