//! What a seal commits to of a segment's index: one leaf a term, and the statement that the index root hashes.

use crate::Seq;
use crate::hash::{self, Hash, IndexKey};

/// The type of a term. True, false and null are their own types, and a number is never equal to a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TermKind {
    /// Says something of the record rather than of a value: `present`, `absent`, `unreadable`. The index alone
    /// makes these.
    Reserved = 0,
    /// Exact unescaped UTF-8.
    Text = 1,
    /// A canonical decimal.
    Number = 2,
    /// `true` or `false`, written so.
    Bool = 3,
    /// JSON's null; its bytes are empty.
    Null = 4,
}

/// The record says something readable for the field.
pub const PRESENT: &[u8] = b"present";
/// The record says nothing for the field.
pub const ABSENT: &[u8] = b"absent";
/// The record has something for the field that could not be read: it is a candidate of every condition.
pub const UNREADABLE: &[u8] = b"unreadable";

/// One leaf of the index tree: a term of a field and the records that carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexLeaf {
    /// [`hash::index_field`] of the field's name.
    pub field: Hash,
    /// [`hash::index_term`] of the term.
    pub term: Hash,
    /// How many records carry it.
    pub count: u32,
    /// [`hash::index_seqs_hasher`] over their offsets from the segment's first seq, ascending `u32`s.
    pub seqs: Hash,
}

impl IndexLeaf {
    /// The 128 bytes that the leaf hash covers: field, term, count, seqs, and zeros up to two whole blocks, so
    /// that many leaves can be hashed side by side.
    pub fn encode(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..32].copy_from_slice(&self.field.0);
        bytes[32..64].copy_from_slice(&self.term.0);
        bytes[64..68].copy_from_slice(&self.count.to_le_bytes());
        bytes[68..100].copy_from_slice(&self.seqs.0);
        bytes
    }

    /// The leaf's hash.
    pub fn hash(&self) -> Hash {
        hash::index_leaf(&self.encode())
    }

    /// What leaves are sorted by.
    pub fn key(&self) -> IndexKey {
        index_key(&self.field, &self.term)
    }
}

/// The key of a term of a field.
pub fn index_key(field: &Hash, term: &Hash) -> IndexKey {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&field.0);
    key[32..].copy_from_slice(&term.0);
    key
}

/// The hash of a term, with its type.
pub fn term_hash(kind: TermKind, term: &[u8]) -> Hash {
    hash::index_term(kind as u8, term)
}

/// The digest of the rules by which a segment was indexed: [`hash::index_rules`] over the extractor's version
/// (length `u32`, UTF-8), the count of sources (`u32`) and, ascending by source, each one's seq (`u64`) and its
/// profile's digest.
pub fn rules_digest(extractor: &str, sources: &[(Seq, Hash)]) -> Hash {
    let mut bytes = (extractor.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(extractor.as_bytes());
    bytes.extend_from_slice(&(sources.len() as u32).to_le_bytes());
    for (source, profile) in sources {
        bytes.extend_from_slice(&source.to_le_bytes());
        bytes.extend_from_slice(&profile.0);
    }
    hash::index_rules(&bytes)
}

/// What the index root hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRoot {
    /// How many leaves the index tree has.
    pub leaf_count: u64,
    /// The segment's first seq.
    pub first_seq: Seq,
    /// How many records the segment has.
    pub record_count: u32,
    /// [`hash::index_rules`] over the rules by which the segment was indexed.
    pub rules: Hash,
    /// The root of the index tree, its leaves sorted by (field, term).
    pub tree_root: Hash,
}

impl IndexRoot {
    /// The index root: a hash over leaf count, first seq, record count, rules and tree root.
    pub fn hash(&self) -> Hash {
        let mut bytes = [0; 84];
        bytes[..8].copy_from_slice(&self.leaf_count.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.record_count.to_le_bytes());
        bytes[20..52].copy_from_slice(&self.rules.0);
        bytes[52..].copy_from_slice(&self.tree_root.0);
        hash::index_root(&bytes)
    }
}
