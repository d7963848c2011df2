//! From the index to its root, at little more than the cost of what was added since the last time.
//!
//! A seal needs the root while appenders wait. So the builder keeps, from commitment to commitment, each field's
//! leaves in their sorted order with their hashes, and the running hashes of long postings. What remains is
//! hashing the new and changed terms, one merge for each field that has new ones, and the inner nodes, whose
//! places shift with every new leaf: these are hashed anew, many side by side.

use super::IndexCommitment;
use super::bits::{Bits, ones};
use super::builder::{Field, IndexBuilder};
use super::terms::TermId;
use crate::Seq;
use crate::format::index::{
    ABSENT, IndexLeaf, IndexRoot, PRESENT, UNREADABLE, index_key, rules_digest, term_hash,
};
use crate::hash::{Hash, IndexKey, index_leaves, index_term_block, index_terms};
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
        let LeafHashes { blocks, long, leaves, term_hashes, leaf_hashes } = out;
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
        leaves.clear();
        for (id, term) in ids.iter().zip(term_hashes.as_chunks::<32>().0) {
            let entry = self.terms.entry(*id);
            let offsets = entry.posting.offsets();
            let leaf = IndexLeaf {
                field: self.fields[entry.field as usize].hash,
                term: Hash(*term),
                count: offsets.len() as u32,
                seqs: self.seqs.hash(*id, offsets),
            };
            leaves.push(leaf.encode());
        }
        index_leaves(leaves, leaf_hashes);
    }

    fn commit_reserved(&mut self) {
        let terms: [Hash; 3] = RESERVED.map(|term| term_hash(TermKind::Reserved, term));
        let mut scratch = Vec::new();
        for field in &mut self.fields {
            field.hash_reserved(&self.deleted, self.record_count, &mut scratch);
            for (which, term) in terms.iter().enumerate() {
                let running = &field.reserved[which];
                let (count, before) = (running.count() as u32, field.reserved_committed[which]);
                if count == before {
                    continue;
                }
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

    /// Takes the offsets up to `record_count` into the hashes of the reserved postings.
    fn hash_reserved(&mut self, deleted: &Bits, record_count: u32, scratch: &mut Vec<u8>) {
        let Field { present, unreadable, reserved, reserved_upto, .. } = self;
        let mut offsets: [Vec<u32>; 3] = Default::default();
        for word in *reserved_upto as usize / 64..record_count.div_ceil(64) as usize {
            let base = word as u32 * 64;
            let mut wanted = u64::MAX;
            if base < *reserved_upto {
                wanted &= u64::MAX << (*reserved_upto - base);
            }
            if record_count - base < 64 {
                wanted &= !(u64::MAX << (record_count - base));
            }
            let (present, unreadable) = (present.word(word), unreadable.word(word));
            let absent = !(present | unreadable | deleted.word(word));
            for (offsets, word) in offsets.iter_mut().zip([present, absent, unreadable]) {
                offsets.extend(ones(word & wanted).map(|bit| base + bit));
            }
            if word % 256 == 255 {
                for (running, offsets) in reserved.iter_mut().zip(&mut offsets) {
                    running.update(offsets, scratch);
                    offsets.clear();
                }
            }
        }
        for (running, offsets) in reserved.iter_mut().zip(&offsets) {
            running.update(offsets, scratch);
        }
        *reserved_upto = record_count;
    }
}
