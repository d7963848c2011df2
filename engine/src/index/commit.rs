//! From the index to its root, at little more than the cost of what was added since the last time.
//!
//! A seal needs the root while appenders wait. So the builder keeps, from commitment to commitment, each field's
//! leaves in their sorted order with their hashes, and the running hashes of long postings. What remains is
//! hashing the new and changed terms, one merge for each field that has new ones, and the inner nodes, whose
//! places shift with every new leaf: these are hashed anew, many side by side.

use std::ops::Range;

use super::IndexCommitment;
use super::bits::{Bits, ones, words};
use super::builder::{Field, IndexBuilder};
use super::posting::Running;
use super::terms::TermId;
use crate::Seq;
use crate::format::index::{
    ABSENT, IndexLeaf, IndexRoot, PRESENT, UNREADABLE, index_key, rules_digest, term_hash,
};
use crate::hash::{
    Hash, IndexKey, SHORT_SEQS_MAX, index_leaves, index_short_seqs, index_term_block, index_terms,
};
use crate::merkle;
use crate::source::{EXTRACTOR, TermKind};

/// The reserved terms in the order of [`Field::reserved`].
const RESERVED: [&[u8]; 3] = [PRESENT, ABSENT, UNREADABLE];

/// A leaf on its way into a field's order.
struct Fresh {
    term: Hash,
    leaf: Hash,
}

/// How many terms are hashed side by side.
const BATCH: usize = 256;

/// The hashes of up to [`BATCH`] terms, and the buffers that it takes to get them.
#[derive(Default)]
struct LeafHashes {
    blocks: Vec<[u8; 64]>,
    long: Vec<(usize, Hash)>,
    leaves: Vec<[u8; 128]>,
    term_hashes: Vec<u8>,
    leaf_hashes: Vec<u8>,
    /// The hashes of the short postings.
    short_seqs: Vec<Hash>,
}

impl LeafHashes {
    fn iter(&self) -> impl Iterator<Item = (Hash, Hash)> {
        let (terms, leaves) = (self.term_hashes.as_chunks().0, self.leaf_hashes.as_chunks().0);
        terms.iter().zip(leaves).map(|(term, leaf)| (Hash(*term), Hash(*leaf)))
    }
}

impl IndexBuilder {
    /// What a seal over the records taken so far states.
    ///
    /// The first call for a segment costs about half a microsecond a distinct term; later ones a small part of
    /// that, plus what was added since. So whoever seals calls it once while others append, and again under the
    /// lock.
    pub fn commitment(&mut self) -> IndexCommitment {
        if let Some((record_count, commitment)) = self.committed
            && record_count == self.record_count
        {
            return commitment;
        }
        self.commit_terms();
        self.commit_reserved();
        let (tree_root, leaf_count) = self.tree();
        let rules = rules_digest(EXTRACTOR, &self.sources());
        let (first_seq, record_count) = (self.first_seq, self.record_count);
        let index_root = IndexRoot { leaf_count, first_seq, record_count, rules, tree_root }.hash();
        let commitment = IndexCommitment { index_root, rules, leaf_count };
        self.committed = Some((record_count, commitment));
        commitment
    }

    /// The sources that the segment uses, ascending, each with its profile's digest.
    pub fn sources(&self) -> Vec<(Seq, Hash)> {
        let mut sources: Vec<_> = self.sources.iter().map(|source| (source.seq, source.digest)).collect();
        sources.sort_unstable();
        sources
    }

    fn commit_terms(&mut self) {
        let mut hashes = LeafHashes::default();
        for ids in std::mem::take(&mut self.touched).chunks(BATCH) {
            self.hash_leaves(ids, &mut hashes);
            for (id, (term, leaf)) in ids.iter().zip(hashes.iter()) {
                let entry = self.terms.entry_mut(*id);
                entry.touched = false;
                self.fields[entry.field as usize].replace(&term, &leaf);
            }
        }
        self.commit_new(&mut hashes);
    }

    /// Hashes the terms that no commitment has seen, and puts them in their places.
    fn commit_new(&mut self, hashes: &mut LeafHashes) {
        let end = self.terms.len();
        let new: Vec<TermId> = (self.committed_terms as TermId..end as TermId).collect();
        self.committed_terms = end;
        let mut fresh: Vec<Vec<Fresh>> = self.fields.iter().map(|_| Vec::new()).collect();
        for ids in new.chunks(BATCH) {
            self.hash_leaves(ids, hashes);
            for (id, (term, leaf)) in ids.iter().zip(hashes.iter()) {
                fresh[self.terms.entry(*id).field as usize].push(Fresh { term, leaf });
            }
        }
        for (field, fresh) in self.fields.iter_mut().zip(fresh) {
            field.merge(fresh);
        }
    }

    /// The term hashes and leaf hashes of some terms, in their order.
    fn hash_leaves(&mut self, ids: &[TermId], out: &mut LeafHashes) {
        let LeafHashes { blocks, long, leaves, term_hashes, leaf_hashes, short_seqs } = out;
        blocks.clear();
        long.clear();
        for (index, id) in ids.iter().enumerate() {
            let term = self.terms.term(*id);
            let block = index_term_block(term.kind as u8, term.bytes);
            if block.is_none() {
                long.push((index, term_hash(term.kind, term.bytes)));
            }
            blocks.push(block.unwrap_or([0; 64]));
        }
        index_terms(blocks, term_hashes);
        for (index, hash) in &*long {
            term_hashes[index * 32..][..32].copy_from_slice(&hash.0);
        }
        let is_short = |offsets: &&[u32]| offsets.len() <= SHORT_SEQS_MAX;
        let postings = ids.iter().map(|id| self.terms.entry(*id).posting.offsets());
        index_short_seqs(postings.filter(is_short), short_seqs);
        let mut short_seqs = short_seqs.iter().peekable();
        leaves.clear();
        for (id, term) in ids.iter().zip(term_hashes.as_chunks::<32>().0) {
            let entry = self.terms.entry(*id);
            let offsets = entry.posting.offsets();
            let leaf = IndexLeaf {
                field: self.fields[entry.field as usize].hash,
                term: Hash(*term),
                count: offsets.len() as u32,
                seqs: match short_seqs.next_if(|_| is_short(&offsets)) {
                    Some(hash) => *hash,
                    None => self.seqs.hash(*id, offsets),
                },
            };
            leaves.push(leaf.encode());
        }
        index_leaves(leaves, leaf_hashes);
    }

    fn commit_reserved(&mut self) {
        let terms: [Hash; 3] = RESERVED.map(|term| term_hash(TermKind::Reserved, term));
        let mut scratch = Vec::new();
        let (deleted, record_count) = (&self.deleted, self.record_count);
        let every = [|word: usize| !deleted.word(word)];
        update([&mut self.every], self.every_upto..record_count, every, &mut scratch);
        self.every_upto = record_count;
        for field in &mut self.fields {
            let sums = field.reserved_sums(deleted, record_count);
            if sums.iter().any(|sum| sum.count > 0 && !sum.is_every) {
                field.hash_reserved(deleted, record_count, &mut scratch);
            }
            for ((which, term), sum) in terms.iter().enumerate().zip(sums) {
                let (count, before) = (sum.count, field.reserved_committed[which]);
                if count == before {
                    continue;
                }
                let running = if sum.is_every { &self.every } else { &field.reserved[which] };
                let leaf = IndexLeaf { field: field.hash, term: *term, count, seqs: running.hash() }.hash();
                field.reserved_committed[which] = count;
                if before == 0 {
                    field.merge(vec![Fresh { term: *term, leaf }]);
                } else {
                    field.replace(term, &leaf);
                }
            }
        }
    }

    fn tree(&self) -> (Hash, u64) {
        let mut fields: Vec<&Field> = self.fields.iter().filter(|field| !field.private).collect();
        fields.sort_unstable_by_key(|field| field.hash);
        let leaf_count: usize = fields.iter().map(|field| field.order.len()).sum();
        let (mut leaves, mut keys) = (Vec::with_capacity(leaf_count * 32), Vec::with_capacity(leaf_count));
        for field in fields {
            leaves.extend_from_slice(&field.leaves);
            keys.extend(field.order.iter().map(|term| -> IndexKey { index_key(&field.hash, term) }));
        }
        (merkle::search_root(leaves, &keys), leaf_count as u64)
    }
}

impl Field {
    fn replace(&mut self, term: &Hash, leaf: &Hash) {
        if let Ok(place) = self.order.binary_search(term) {
            self.leaves[place * 32..][..32].copy_from_slice(&leaf.0);
        }
    }

    /// Puts leaves that are not there yet in their places.
    fn merge(&mut self, mut fresh: Vec<Fresh>) {
        if fresh.is_empty() {
            return;
        }
        fresh.sort_unstable_by_key(|fresh| fresh.term);
        // From the back, so that each old leaf moves once and by whole runs.
        let mut old_end = self.order.len();
        let mut new_end = old_end + fresh.len();
        let places: Vec<usize> =
            fresh.iter().map(|fresh| self.order.partition_point(|term| *term < fresh.term)).collect();
        self.order.resize(new_end, Hash::ZERO);
        self.leaves.resize(new_end * 32, 0);
        for (fresh, place) in fresh.iter().zip(places).rev() {
            let moved = old_end - place;
            new_end -= moved;
            self.order.copy_within(place..old_end, new_end);
            self.leaves.copy_within(place * 32..old_end * 32, new_end * 32);
            old_end = place;
            new_end -= 1;
            self.order[new_end] = fresh.term;
            self.leaves[new_end * 32..][..32].copy_from_slice(&fresh.leaf.0);
        }
    }

    /// The offsets that are present, absent and unreadable, 64 at a time.
    pub(super) fn reserved_words<'f>(&'f self, deleted: &'f Bits) -> [impl Fn(usize) -> u64 + 'f; 3] {
        let Field { present, unreadable, .. } = self;
        [0, 1, 2].map(|which| {
            move |word| match which {
                0 => present.word(word),
                1 => !(present.word(word) | unreadable.word(word) | deleted.word(word)),
                _ => unreadable.word(word),
            }
        })
    }

    fn reserved_sums(&self, deleted: &Bits, record_count: u32) -> [ReservedSum; 3] {
        self.reserved_words(deleted).map(|bits| {
            let mut sum = ReservedSum { count: 0, is_every: true };
            for (word, wanted) in words(0..record_count) {
                sum.count += (bits(word) & wanted).count_ones();
                sum.is_every &= (bits(word) ^ !deleted.word(word)) & wanted == 0;
            }
            sum
        })
    }

    /// Takes the offsets up to `record_count` into the hashes of the reserved postings.
    fn hash_reserved(&mut self, deleted: &Bits, record_count: u32, scratch: &mut Vec<u8>) {
        let offsets = self.reserved_upto..record_count;
        let mut reserved = std::mem::replace(&mut self.reserved, [(); 3].map(|()| Running::new()));
        update(reserved.each_mut(), offsets, self.reserved_words(deleted), scratch);
        (self.reserved, self.reserved_upto) = (reserved, record_count);
    }
}

/// What there is to know of one of a field's three lists before it is made.
struct ReservedSum {
    count: u32,
    /// It has all records that were not deleted.
    is_every: bool,
}

/// Takes those of `offsets` into running hashes that are in the set of each.
fn update<const N: usize>(
    mut running: [&mut Running; N],
    offsets: Range<u32>,
    sets: [impl Fn(usize) -> u64; N],
    scratch: &mut Vec<u8>,
) {
    let mut lists = [(); N].map(|()| Vec::new());
    let mut take = |lists: &mut [Vec<u32>; N]| {
        for (running, list) in running.iter_mut().zip(lists) {
            running.update(list, scratch);
            list.clear();
        }
    };
    for (word, wanted) in words(offsets) {
        for (list, set) in lists.iter_mut().zip(&sets) {
            list.extend(ones(set(word) & wanted).map(|bit| word as u32 * 64 + bit));
        }
        if word % 256 == 255 {
            take(&mut lists);
        }
    }
    take(&mut lists);
}
