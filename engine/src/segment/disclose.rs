//! Showing parts of a sealed segment's index to who does not have it, from its sidecar.

use super::{Field, Posting, Sidecar};
use crate::error::Fault;
use crate::format::disclosure::{self, Disclosure};
use crate::format::index::{ABSENT, IndexLeaf, IndexRoot, PRESENT, TermKind, UNREADABLE, term_hash};
use crate::hash::{self, Hash, IndexKey};
use crate::merkle;
use crate::source::Term;

/// All leaves of a segment's index, in their order. Making it takes about half a microsecond a term; it holds about 200
/// bytes a term.
#[derive(Debug)]
pub struct IndexLeaves {
    statement: IndexRoot,
    leaves: Vec<IndexLeaf>,
    keys: Vec<IndexKey>,
    hashes: Vec<Hash>,
}

/// Something of an index that is to be shown.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// A term of a field: its leaf, or that it has none.
    Term {
        /// The field's name.
        field: &'a str,
        /// The term.
        term: Term<'a>,
    },
    /// All leaves of a field.
    Vocabulary {
        /// The field's name.
        field: &'a str,
    },
}

impl Sidecar {
    /// The leaves of the segment's index, computed from this sidecar.
    ///
    /// # Errors
    /// Damaged; forged where they do not lead to the index root that the sidecar states.
    pub fn index_leaves(&self) -> Result<IndexLeaves, Fault> {
        let mut leaves = Vec::new();
        for index in 0..self.field_count()? {
            match self.field_at(index)? {
                Some(field) if !field.is_private() => push_field(&field, &mut leaves)?,
                _ => {}
            }
        }
        leaves.sort_unstable();
        let blocks: Vec<[u8; 128]> = leaves.iter().map(IndexLeaf::encode).collect();
        let mut bytes = Vec::new();
        hash::index_leaves(&blocks, &mut bytes);
        let hashes = bytes.as_chunks().0.iter().map(|hash| Hash(*hash)).collect();
        let keys: Vec<IndexKey> = leaves.iter().map(IndexLeaf::key).collect();
        let meta = self.meta();
        let statement = IndexRoot {
            leaf_count: leaves.len() as u64,
            first_seq: meta.first_seq,
            record_count: meta.record_count,
            rules: meta.rules,
            tree_root: merkle::search_root(bytes, &keys),
        };
        let found = statement.hash();
        if found != meta.index_root {
            return Err(Fault::forged(0, "index root", meta.index_root, found));
        }
        Ok(IndexLeaves { statement, leaves, keys, hashes })
    }
}

impl IndexLeaves {
    /// Shows these parts of the index, in one disclosure.
    pub fn disclose(&self, shown: &[Shown<'_>]) -> Disclosure {
        let span = |shown: &Shown<'_>| match shown {
            Shown::Term { field, term } => {
                let key = disclosure::key_of(field, term.kind, term.bytes);
                (key, key)
            }
            Shown::Vocabulary { field } => disclosure::span_of(field),
        };
        let spans: Vec<_> = shown.iter().map(span).collect();
        let (steps, places) = merkle::search_proof(&self.hashes, &self.keys, &spans);
        let leaves = places.into_iter().map(|place| self.leaves[place]).collect();
        Disclosure { statement: self.statement, leaves, steps }
    }
}

fn push_field(field: &Field<'_>, leaves: &mut Vec<IndexLeaf>) -> Result<(), Fault> {
    let name = hash::index_field(field.name());
    let mut push = |term: Hash, posting: Posting<'_>| {
        if posting.count() > 0 {
            let mut offsets = Vec::with_capacity(posting.count() as usize * 4);
            posting.bitmap()?.iter().for_each(|offset| offsets.extend_from_slice(&offset.to_le_bytes()));
            let seqs = hash::index_seqs(&offsets);
            leaves.push(IndexLeaf { field: name, term, count: posting.count(), seqs });
        }
        Ok(())
    };
    let reserved =
        [(PRESENT, field.present()?), (ABSENT, field.absent()?), (UNREADABLE, field.unreadable()?)];
    for (term, posting) in reserved {
        push(term_hash(TermKind::Reserved, term), posting)?;
    }
    for ordinal in 0..field.term_count() {
        if let Some(term) = field.term(ordinal)? {
            push(term_hash(term.kind, term.bytes), field.posting(ordinal)?)?;
        }
    }
    Ok(())
}
