//! What is shown of a segment's index, and what it proves: docs/FORMAT.md, section 6.
//!
//! A disclosure is the index root's statement, some leaves, and one proof for all of them. Once [`Disclosure::open`]
//! has found that it leads to an index root, [`Opened`] says what can be concluded from it, and from nothing else: that
//! a term's records are these, that a term is absent, that a field's whole vocabulary is this. Whether the index root
//! is the one that a seal states is the caller's to check.

use super::index::{IndexLeaf, IndexRoot, TermKind, index_key, term_hash};
use crate::hash::{self, Hash, IndexKey};
use crate::merkle::{self, SearchStep, Searched};

/// Some leaves of a segment's index, and the proof that they are its.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// What the index root hashes.
    pub statement: IndexRoot,
    /// The leaves that are shown, ascending by key.
    pub leaves: Vec<IndexLeaf>,
    /// The proof for all of them: [`merkle::search_proof`].
    pub steps: Vec<SearchStep>,
}

/// A disclosure that was found to lead to an index root.
#[derive(Debug, Clone)]
pub struct Opened<'d> {
    disclosure: &'d Disclosure,
    searched: Searched,
}

/// Why something does not follow from a disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The statement is not the one that the index root hashes.
    #[error("the index root hashes another statement")]
    Statement,
    /// The leaves are not those of the tree.
    #[error("the leaves do not lead to the index's tree")]
    Tree,
    /// Something that would decide it is not shown.
    #[error("the part of the index that would decide it is not shown")]
    NotShown,
    /// The term's leaf states other records.
    #[error("the term's leaf states other records")]
    OtherRecords,
    /// The term has a leaf.
    #[error("the term is in the index")]
    Present,
}

impl Disclosure {
    /// Checks that these are leaves of the index whose root is `index_root`.
    ///
    /// # Errors
    /// [`NotProven::Statement`], [`NotProven::Tree`].
    pub fn open(&self, index_root: &Hash) -> Result<Opened<'_>, NotProven> {
        if self.statement.hash() != *index_root {
            return Err(NotProven::Statement);
        }
        let leaves: Vec<(IndexKey, Hash)> =
            self.leaves.iter().map(|leaf| (leaf.key(), leaf.hash())).collect();
        let IndexRoot { leaf_count, tree_root, .. } = &self.statement;
        let searched = merkle::verify_search(tree_root, *leaf_count, &self.steps, &leaves);
        Ok(Opened { disclosure: self, searched: searched.ok_or(NotProven::Tree)? })
    }
}

impl<'d> Opened<'d> {
    /// What the index root hashes.
    pub fn statement(&self) -> &'d IndexRoot {
        &self.disclosure.statement
    }

    /// That the records of a term are those at `offsets`, ascending, and no other.
    ///
    /// # Errors
    /// [`NotProven::NotShown`], [`NotProven::OtherRecords`].
    pub fn posting(
        &self,
        field: &str,
        kind: TermKind,
        term: &[u8],
        offsets: &[u32],
    ) -> Result<(), NotProven> {
        let leaf = self.find(&key_of(field, kind, term)).ok_or(NotProven::NotShown)?;
        let ascending = offsets.windows(2).all(|pair| pair[0] < pair[1]);
        let below = offsets.last().is_none_or(|last| *last < self.statement().record_count);
        let mut hasher = hash::index_seqs_hasher();
        offsets.iter().for_each(|offset| {
            hasher.update(&offset.to_le_bytes());
        });
        let stated = leaf.count as usize == offsets.len() && leaf.seqs.0 == *hasher.finalize().as_bytes();
        if ascending && below && stated { Ok(()) } else { Err(NotProven::OtherRecords) }
    }

    /// That no record has a term.
    ///
    /// # Errors
    /// [`NotProven::Present`], [`NotProven::NotShown`].
    pub fn absence(&self, field: &str, kind: TermKind, term: &[u8]) -> Result<(), NotProven> {
        let key = key_of(field, kind, term);
        match self.find(&key) {
            Some(_) => Err(NotProven::Present),
            None if self.searched.shows_all(&key, &key) => Ok(()),
            None => Err(NotProven::NotShown),
        }
    }

    /// The leaves of a field, which are proven to be all that it has: its reserved terms and its vocabulary. None
    /// where no source of the segment knows the field.
    ///
    /// # Errors
    /// [`NotProven::NotShown`].
    pub fn vocabulary(&self, field: &str) -> Result<&'d [IndexLeaf], NotProven> {
        let (first, last) = span_of(field);
        if !self.searched.shows_all(&first, &last) {
            return Err(NotProven::NotShown);
        }
        let leaves = &self.disclosure.leaves;
        let start = leaves.partition_point(|leaf| leaf.key() < first);
        let end = leaves.partition_point(|leaf| leaf.key() <= last);
        Ok(&leaves[start..end])
    }

    fn find(&self, key: &IndexKey) -> Option<&'d IndexLeaf> {
        // That the leaves ascend was found when the proof was checked.
        let leaves = &self.disclosure.leaves;
        leaves.binary_search_by(|leaf| leaf.key().cmp(key)).ok().map(|place| &leaves[place])
    }
}

/// The key of a term of a field.
pub fn key_of(field: &str, kind: TermKind, term: &[u8]) -> IndexKey {
    index_key(&hash::index_field(field), &term_hash(kind, term))
}

/// The first and the last key that a field's leaves can have.
pub fn span_of(field: &str) -> (IndexKey, IndexKey) {
    let field = hash::index_field(field);
    (index_key(&field, &Hash::ZERO), index_key(&field, &Hash([0xFF; 32])))
}
