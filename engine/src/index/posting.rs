//! The offsets of one term, and their hash, kept up to date at the cost of what was added.

use hashbrown::HashMap;

use super::terms::TermId;
use crate::hash::{self, Hash};

/// From this many offsets on the hasher's state is kept (2 KiB): below, hashing anew costs less than a
/// microsecond.
const KEEP_HASHER_AT: usize = 1024;

/// Most terms of a segment are carried by one record: they must cost nothing but their place.
#[derive(Debug)]
pub(super) enum Posting {
    One(u32),
    Many(Vec<u32>),
}

/// A hash over offsets that goes on growing.
#[derive(Debug)]
pub(super) struct Running {
    hasher: blake3::Hasher,
    count: usize,
}

impl Running {
    pub(super) fn new() -> Self {
        Running { hasher: hash::index_seqs_hasher(), count: 0 }
    }

    /// Takes `offsets` as the next ones; `scratch` is a buffer to reuse.
    pub(super) fn update(&mut self, offsets: &[u32], scratch: &mut Vec<u8>) {
        // 64 KiB at a time: enough for BLAKE3 to fill its lanes, little enough to stay in the cache.
        for part in offsets.chunks(16 << 10) {
            self.hasher.update(as_bytes(part, scratch));
        }
        self.count += offsets.len();
    }

    pub(super) fn hash(&self) -> Hash {
        Hash(*self.hasher.finalize().as_bytes())
    }
}

fn as_bytes<'a>(offsets: &[u32], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    scratch.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    scratch
}

impl Posting {
    /// Adds `offset`, at least as great as the last; whether it was new.
    pub(super) fn push(&mut self, offset: u32) -> bool {
        match self {
            Posting::One(one) if *one == offset => false,
            Posting::One(one) => {
                *self = Posting::Many(vec![*one, offset]);
                true
            }
            Posting::Many(many) if many.last() == Some(&offset) => false,
            Posting::Many(many) => {
                many.push(offset);
                true
            }
        }
    }

    pub(super) fn offsets(&self) -> &[u32] {
        match self {
            Posting::One(one) => std::slice::from_ref(one),
            Posting::Many(many) => many,
        }
    }
}

/// The hashes of postings, with what makes the next time cheap.
#[derive(Debug, Default)]
pub(super) struct SeqsHasher {
    running: HashMap<TermId, Running>,
    scratch: Vec<u8>,
}

impl SeqsHasher {
    /// The hash of all offsets of the term `id`, which have only grown since the last call.
    pub(super) fn hash(&mut self, id: TermId, offsets: &[u32]) -> Hash {
        if offsets.len() >= KEEP_HASHER_AT {
            let running = self.running.entry(id).or_insert_with(Running::new);
            running.update(&offsets[running.count..], &mut self.scratch);
            return running.hash();
        }
        hash::index_seqs(as_bytes(offsets, &mut self.scratch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_grows_is_the_hash_of_all() {
        let mut posting = Posting::One(3);
        let mut all = vec![3];
        let mut hasher = SeqsHasher::default();
        for step in [0_u32, 1, 2, 1000, 19, 1, 1, 1, 40_000, 5] {
            for _ in 0..step {
                let next = all.last().unwrap() + 1 + all.len() as u32 % 7;
                assert!(posting.push(next));
                assert!(!posting.push(next));
                all.push(next);
            }
            let bytes: Vec<u8> = all.iter().flat_map(|offset| offset.to_le_bytes()).collect();
            assert_eq!(hasher.hash(7, posting.offsets()), hash::index_seqs(&bytes));
            assert_eq!(posting.offsets(), all);
        }
    }
}
