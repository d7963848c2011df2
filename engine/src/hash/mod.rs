//! Every hash of the format, each in its own domain.
//!
//! The log's tree is RFC 6962 to the letter: SHA-256 with prefix 0x00 for a leaf and 0x01 for a node. All else
//! is BLAKE3: bodies behind a 64-byte salt block, the index under keys derived from contexts. This file knows
//! no layout; what is hashed is laid out in `format`.

mod bodies;
mod lanes;

use std::fmt;
use std::sync::LazyLock;

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

pub use bodies::bodies;

/// A 32-byte hash. Displayed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Thirty-two zero bytes: the predecessor's leaf of the first record.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Reads 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Hash> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Hash(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a Merkle tree of RFC 6962's shape hashes its leaves and nodes.
pub trait TreeHash {
    /// The root of the tree with no leaves.
    fn empty() -> Hash;
    /// The hash of a leaf's data.
    fn leaf(data: &[u8]) -> Hash;
    /// The hash of two subtrees.
    fn node(left: &Hash, right: &Hash) -> Hash;
    /// [`TreeHash::node`] of each pair, put in `parents`, which has as much room.
    fn nodes(pairs: &[[Hash; 2]], parents: &mut [Hash]) {
        for ([left, right], parent) in pairs.iter().zip(parents) {
            *parent = Self::node(left, right);
        }
    }
}

/// The log's tree: RFC 6962 section 2.1, SHA-256.
#[derive(Debug, Clone, Copy)]
pub struct LogTree;

impl TreeHash for LogTree {
    fn empty() -> Hash {
        Hash(Sha256::digest([]).into())
    }

    fn leaf(data: &[u8]) -> Hash {
        if TWO_BLOCKS.contains(&(1 + data.len())) {
            return two_blocks([&[0], data, &[]]);
        }
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(data);
        Hash(hasher.finalize().into())
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        two_blocks([&[1], &left.0, &right.0])
    }

    fn nodes(pairs: &[[Hash; 2]], parents: &mut [Hash]) {
        for (pairs, parents) in pairs.chunks(lanes::LANES).zip(parents.chunks_mut(lanes::LANES)) {
            // Mostly empty lanes gain nothing.
            if pairs.len() <= lanes::LANES / 4 {
                for ([left, right], parent) in pairs.iter().zip(parents) {
                    *parent = Self::node(left, right);
                }
                continue;
            }
            let mut messages = lanes::Messages::new();
            for (lane, [left, right]) in pairs.iter().enumerate() {
                messages.put(lane, [&[1], &left.0, &right.0]);
            }
            parents
                .iter_mut()
                .zip(messages.hash())
                .take(pairs.len())
                .for_each(|(parent, hash)| *parent = hash);
        }
    }
}

/// How long a message is that takes two blocks of SHA-256: its end is marked by a bit, and its length stands behind it.
const TWO_BLOCKS: std::ops::RangeInclusive<usize> = 64 - 8..=2 * 64 - 9;

/// SHA-256 of a message of one of [`TWO_BLOCKS`] lengths. A log's tree is made of little else, and a hasher that could take
/// any length spends a seventh on that.
fn two_blocks(parts: [&[u8]; 3]) -> Hash {
    let mut message = [0; 2 * 64];
    let mut len = 0;
    for part in parts {
        message[len..][..part.len()].copy_from_slice(part);
        len += part.len();
    }
    message[len] = 0x80;
    message[126..].copy_from_slice(&(8 * len as u16).to_be_bytes());
    let mut state = SHA_256;
    compress256(&mut state, message.as_chunks().0);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Hash(hash)
}

/// How many leaves lie side by side at most.
pub const LEAF_LANES: usize = lanes::LANES;

/// [`LogTree::leaf`] of much data at once, side by side.
pub struct LeafLanes {
    messages: lanes::Messages,
    count: usize,
}

impl LeafLanes {
    /// With nothing in it.
    pub fn new() -> Self {
        LeafLanes { messages: lanes::Messages::new(), count: 0 }
    }

    /// Takes in a leaf's data, in two parts. False where its length, unlike that of most entries, is none that can lie beside
    /// others: it was not taken in.
    #[inline]
    pub fn put(&mut self, data: [&[u8]; 2]) -> bool {
        let [first, second] = data;
        let fits = TWO_BLOCKS.contains(&(1 + first.len() + second.len()));
        if fits {
            self.messages.put(self.count, [&[0], first, second]);
            self.count += 1;
        }
        fits
    }

    /// Whether it must be hashed before it can take more.
    pub fn is_full(&self) -> bool {
        self.count == LEAF_LANES
    }

    /// The leaves of what was taken in. Nothing is in it then.
    pub fn hash(&mut self) -> impl Iterator<Item = Hash> + use<> {
        let LeafLanes { messages, count } = std::mem::take(self);
        messages.hash().into_iter().take(count)
    }
}

impl Default for LeafLanes {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LeafLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafLanes").field("count", &self.count).finish_non_exhaustive()
    }
}

/// What SHA-256 begins with: FIPS 180-4, section 5.3.3.
const SHA_256: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

static INDEX_LEAF: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index leaf"));
static INDEX_NODE: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index node"));
static INDEX_EMPTY: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index empty"));
static INDEX_ROOT: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index root"));
static INDEX_FIELD: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index field"));
static INDEX_TERM: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index term"));
static INDEX_SEQS: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index seqs"));
static INDEX_RULES: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 index rules"));
static EVENT_ID: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 event id"));
static RECORD_SALT: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 record salt"));
static PROFILE: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 profile"));
static APPROVED_MATTER: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 approved matter"));
static CHALLENGE: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 challenge"));
static MASK_TOKEN: LazyLock<[u8; 32]> = LazyLock::new(|| context_key("indelible 2026 mask token"));

fn context_key(context: &'static str) -> [u8; 32] {
    blake3::derive_key(context, &[])
}

fn keyed(key: &[u8; 32], data: &[u8]) -> Hash {
    Hash(*blake3::keyed_hash(key, data).as_bytes())
}

/// What a segment's index is sorted by: a field's hash, then a term's.
pub type IndexKey = [u8; 64];

/// The root of the index tree that has no leaves.
pub fn index_empty() -> Hash {
    keyed(&INDEX_EMPTY, &[])
}

/// The hash of a leaf of an index tree. Keyed BLAKE3, so that no node of an index can pass for one of the log's tree.
pub fn index_leaf(leaf: &[u8; 128]) -> Hash {
    keyed(&INDEX_LEAF, leaf)
}

/// The hash of two subtrees of an index tree and of the key that divides them: the first of the right one.
pub fn index_node(left: &Hash, right: &Hash, divider: &IndexKey) -> Hash {
    keyed(&INDEX_NODE, &node_block(&left.0, &right.0, divider))
}

fn node_block(left: &[u8; 32], right: &[u8; 32], divider: &IndexKey) -> [u8; 128] {
    let mut block = [0; 128];
    block[..32].copy_from_slice(left);
    block[32..64].copy_from_slice(right);
    block[64..].copy_from_slice(divider);
    block
}

/// The index root over an encoded [`IndexRoot`](crate::format::index::IndexRoot).
pub fn index_root(statement: &[u8]) -> Hash {
    keyed(&INDEX_ROOT, statement)
}

/// The hash of an indexed field's name.
pub fn index_field(name: &str) -> Hash {
    keyed(&INDEX_FIELD, name.as_bytes())
}

/// The hash of a term: over its type tag, its length (`u16`), its bytes, and zeros up to whole 64-byte blocks, so
/// that [`index_terms`] can hash many terms side by side. A term has at most 65,535 bytes.
pub fn index_term(tag: u8, term: &[u8]) -> Hash {
    let mut message = Vec::with_capacity((3 + term.len()).next_multiple_of(64));
    message.push(tag);
    message.extend_from_slice(&(term.len() as u16).to_le_bytes());
    message.extend_from_slice(term);
    message.resize(message.len().next_multiple_of(64), 0);
    keyed(&INDEX_TERM, &message)
}

/// What [`index_term`] hashes for a term that fits one block.
pub fn index_term_block(tag: u8, term: &[u8]) -> Option<[u8; 64]> {
    let mut block = [0; 64];
    block[0] = tag;
    block[1..3].copy_from_slice(&(term.len() as u16).to_le_bytes());
    block[3..].get_mut(..term.len())?.copy_from_slice(term);
    Some(block)
}

/// [`index_term`] of each block of [`index_term_block`], put in `hashes`.
pub fn index_terms(blocks: &[[u8; 64]], hashes: &mut Vec<u8>) {
    hashes.resize(blocks.len() * 32, 0);
    keyed_many(&INDEX_TERM, blocks, hashes);
}

/// [`index_leaf`] of each, put in `hashes`.
pub fn index_leaves(leaves: &[[u8; 128]], hashes: &mut Vec<u8>) {
    hashes.resize(leaves.len() * 32, 0);
    keyed_many(&INDEX_LEAF, leaves, hashes);
}

/// BLAKE3's domain flags: a keyed hash whose first block starts a chunk, and whose last ends it and is the root.
const KEYED: u8 = 1 << 4;
const START: u8 = 1;
const END_ROOT: u8 = 1 << 1 | 1 << 3;

fn words_of(key: &[u8; 32]) -> [u32; 8] {
    blake3::platform::words_from_le_bytes_32(key)
}

/// The keyed hash of each input, side by side, as many as the machine's vectors hold: several times as fast as
/// one after the other. The inputs are whole blocks of one chunk, as the crate's platform layer wants them.
fn keyed_many<const N: usize>(key: &[u8; 32], inputs: &[[u8; N]], out: &mut [u8]) {
    const LANES: usize = 64;
    const { assert!(N > 0 && N.is_multiple_of(64) && N <= 1024) };
    let platform = blake3::platform::Platform::detect();
    let key = words_of(key);
    let no = blake3::IncrementCounter::No;
    for (inputs, out) in inputs.chunks(LANES).zip(out.chunks_mut(LANES * 32)) {
        let mut lanes = [&[0; N]; LANES];
        for (lane, input) in lanes.iter_mut().zip(inputs) {
            *lane = input;
        }
        platform.hash_many(&lanes[..inputs.len()], &key, 0, no, KEYED, START, END_ROOT, out);
    }
}

/// A hasher for the offsets of a posting, each a little-endian `u32`, ascending.
pub fn index_seqs_hasher() -> blake3::Hasher {
    blake3::Hasher::new_keyed(&INDEX_SEQS)
}

/// [`index_seqs`] of postings of at most [`SHORT_SEQS_MAX`] offsets each, put in `hashes`: most terms have no more.
pub fn index_short_seqs<'o>(postings: impl Iterator<Item = &'o [u32]>, hashes: &mut Vec<Hash>) {
    hashes.clear();
    let mut postings = postings.peekable();
    while postings.peek().is_some() {
        let mut blocks = lanes::Blocks::keyed(&words_of(&INDEX_SEQS));
        let mut count = 0;
        for (lane, offsets) in postings.by_ref().take(lanes::LANES).enumerate() {
            let mut bytes = [0; lanes::BLOCK_LEN];
            for (bytes, offset) in bytes.as_chunks_mut().0.iter_mut().zip(offsets) {
                *bytes = offset.to_le_bytes();
            }
            blocks.put(lane, [&bytes[..offsets.len() * 4], &[]]);
            count += 1;
        }
        hashes.extend(blocks.hash(KEYED | START | END_ROOT).into_iter().take(count).map(Hash));
    }
}

/// How many offsets of a posting fit one block.
pub const SHORT_SEQS_MAX: usize = lanes::BLOCK_LEN / 4;

/// The hash of a posting that is short enough to lie in one buffer: what [`index_seqs_hasher`] gives for it.
pub fn index_seqs(offsets: &[u8]) -> Hash {
    keyed(&INDEX_SEQS, offsets)
}

/// One level of an index tree: the parents of `children`, 32 bytes each, are put in `parents`; `divider` gives the key
/// with which the child at a place begins. An odd last child has no parent and goes up as it is, which gives RFC
/// 6962's shape.
///
/// The nodes are hashed side by side: an index tree is computed while appenders wait.
pub fn index_level<'k>(children: &[u8], divider: impl Fn(usize) -> &'k IndexKey, parents: &mut Vec<u8>) {
    const BATCH: usize = 64;
    let (children, _) = children.as_chunks::<32>();
    let (pairs, odd) = children.as_chunks::<2>();
    parents.resize(pairs.len() * 32, 0);
    let mut blocks = [[0; 128]; BATCH];
    let batches = pairs.chunks(BATCH).zip(parents.chunks_mut(BATCH * 32));
    for (batch, (pairs, parents)) in batches.enumerate() {
        for (place, ([left, right], block)) in pairs.iter().zip(&mut blocks).enumerate() {
            *block = node_block(left, right, divider((batch * BATCH + place) * 2 + 1));
        }
        keyed_many(&INDEX_NODE, &blocks[..pairs.len()], parents);
    }
    parents.extend_from_slice(odd.as_flattened());
}

/// The first eight bytes of an event id's hash, as a little-endian integer: what sidecars look ids up by.
pub fn event_id_prefix(id: &[u8]) -> u64 {
    let hash = keyed(&EVENT_ID, id);
    u64::from_le_bytes(*hash.0.first_chunk().unwrap_or(&[0; 8]))
}

/// [`event_id_prefix`] of each id, in order.
pub fn event_id_prefixes(ids: &[&[u8]]) -> Vec<u64> {
    let mut prefixes = Vec::with_capacity(ids.len());
    for ids in ids.chunks(lanes::LANES) {
        if ids.iter().any(|id| id.len() > lanes::BLOCK_LEN) {
            prefixes.extend(ids.iter().map(|id| event_id_prefix(id)));
            continue;
        }
        let mut blocks = lanes::Blocks::keyed(&words_of(&EVENT_ID));
        for (lane, id) in ids.iter().enumerate() {
            blocks.put(lane, [id, &[]]);
        }
        let hashes = blocks.hash(KEYED | START | END_ROOT);
        let prefix = |hash: &[u8; 32]| u64::from_le_bytes(*hash.first_chunk().unwrap_or(&[0; 8]));
        prefixes.extend(hashes.iter().take(ids.len()).map(prefix));
    }
    prefixes
}

/// The digest of the rules by which a segment was indexed.
pub fn index_rules(rules: &[u8]) -> Hash {
    keyed(&INDEX_RULES, rules)
}

/// The digest of a source profile's text.
pub fn profile(text: &str) -> Hash {
    keyed(&PROFILE, text.as_bytes())
}

/// The digest of what operators approve, over its canonical JSON.
pub fn approved_matter(matter: &[u8]) -> Hash {
    keyed(&APPROVED_MATTER, matter)
}

/// What a bundle's challenge draws a record by: the drawing of this number, from these seqs, under a checkpoint's root.
pub fn challenge(root: &Hash, seqs: &std::ops::Range<u64>, number: u64, seed: &str) -> u128 {
    let mut hasher = blake3::Hasher::new_keyed(&CHALLENGE);
    hasher.update(&root.0);
    for word in [seqs.start, seqs.end, number] {
        hasher.update(&word.to_le_bytes());
    }
    hasher.update(seed.as_bytes());
    u128::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().unwrap_or(&[0; 16]))
}

/// A masked value's token under a store's masking key.
pub fn mask_token(key: &[u8; 32], value: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(&MASK_TOKEN);
    hasher.update(key);
    hasher.update(value);
    Hash(*hasher.finalize().as_bytes())
}

/// The secret of one segment from which its records' salts come. Forgotten when the segment is rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SegmentSalt(pub [u8; 32]);

impl fmt::Debug for SegmentSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentSalt(..)")
    }
}

/// The salt of one record: what a body hash needs beside the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordSalt(pub [u8; 32]);

impl fmt::Debug for RecordSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSalt(..)")
    }
}

impl SegmentSalt {
    /// The salt of the record at `seq`: `BLAKE3-keyed(derived key, segment salt || seq)`.
    pub fn record(&self, seq: u64) -> RecordSalt {
        let mut block = [0; 40];
        block[..32].copy_from_slice(&self.0);
        block[32..].copy_from_slice(&seq.to_le_bytes());
        RecordSalt(keyed(&RECORD_SALT, &block).0)
    }

    /// [`SegmentSalt::record`] of up to sixteen records.
    fn records(&self, seqs: impl Iterator<Item = u64>) -> [[u8; 32]; lanes::LANES] {
        let mut blocks = lanes::Blocks::keyed(&words_of(&RECORD_SALT));
        for (lane, seq) in seqs.take(lanes::LANES).enumerate() {
            blocks.put(lane, [&self.0, &seq.to_le_bytes()]);
        }
        blocks.hash(KEYED | START | END_ROOT)
    }
}

/// The first half of every salt block; the record's salt is the second.
pub const BODY_CONTEXT: [u8; 32] = *b"indelible 2026 record body\0\0\0\0\0\0";

/// The hash of a record's body: `BLAKE3(context || salt || body)`. The salt block is one whole BLAKE3 block.
pub fn body(salt: &RecordSalt, body: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&BODY_CONTEXT);
    hasher.update(&salt.0);
    hasher.update(body);
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_only_canonical_hex_is_read() {
        let hash = LogTree::leaf(b"x");
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::from_hex(&hash.to_string().to_uppercase()), None);
        assert_eq!(Hash::from_hex("00"), None);
    }

    #[test]
    fn a_leaf_is_the_sha_256_of_zero_and_its_data_whatever_its_length() {
        let data: Vec<u8> = (0..200).collect();
        for len in 0..data.len() {
            let plain = Sha256::digest([&[0], &data[..len]].concat());
            assert_eq!(LogTree::leaf(&data[..len]), Hash(plain.into()), "{len}");
        }
    }

    #[test]
    fn a_node_is_the_sha_256_of_one_and_its_children() {
        for n in 0..=255_u8 {
            let (left, right) = (keyed(&INDEX_LEAF, &[n]), keyed(&INDEX_NODE, &[n]));
            let plain = Sha256::digest([&[1], &left.0[..], &right.0].concat());
            assert_eq!(LogTree::node(&left, &right), Hash(plain.into()));
        }
    }

    #[test]
    fn leaves_and_nodes_side_by_side_are_those_hashed_alone() {
        let data: Vec<u8> = (0..200).collect();
        let mut lanes = LeafLanes::new();
        let mut taken = Vec::new();
        for len in 0..data.len() {
            let (first, second) = data[..len].split_at(len / 3);
            if lanes.put([first, second]) {
                taken.push(LogTree::leaf(&data[..len]));
            }
            if lanes.is_full() || len % 11 == 0 {
                assert_eq!(lanes.hash().collect::<Vec<_>>(), std::mem::take(&mut taken), "{len}");
            }
        }
        assert!(!lanes.put([&data[..54], &[]]) && !lanes.put([&data[..119], &[]]));
        assert!(lanes.put([&data[..55], &[]]) && lanes.put([&data[..118], &[]]));
        let pairs: Vec<[Hash; 2]> =
            (0..99).map(|n| [keyed(&INDEX_LEAF, &[n]), keyed(&INDEX_NODE, &[n])]).collect();
        for count in [0, 1, 4, 5, 16, 17, 99] {
            let mut parents = vec![Hash::ZERO; count];
            LogTree::nodes(&pairs[..count], &mut parents);
            assert!(pairs.iter().zip(&parents).all(|([a, b], parent)| *parent == LogTree::node(a, b)));
        }
    }

    #[test]
    fn a_level_hashed_side_by_side_is_the_one_hashed_node_by_node() {
        for count in [0_u8, 1, 2, 3, 16, 33, 130, 255] {
            let children: Vec<Hash> = (0..count).map(|i| keyed(&INDEX_LEAF, &[i])).collect();
            let keys: Vec<IndexKey> = (0..count).map(|i| [i; 64]).collect();
            let pairs = children.as_chunks::<2>().0.iter().zip(keys.as_chunks::<2>().0);
            let mut expected: Vec<Hash> = pairs.map(|([l, r], [_, key])| index_node(l, r, key)).collect();
            expected.extend(children.as_chunks::<2>().1);
            let bytes: Vec<u8> = children.iter().flat_map(|hash| hash.0).collect();
            let mut parents = vec![9];
            index_level(&bytes, |place| &keys[place], &mut parents);
            assert_eq!(parents, expected.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>(), "{count}");
        }
    }

    #[test]
    fn terms_and_leaves_hashed_side_by_side_are_those_hashed_alone() {
        let terms: Vec<Vec<u8>> = (0..150).map(|len| vec![len; usize::from(len) % 62]).collect();
        let blocks: Vec<[u8; 64]> = terms.iter().map(|term| index_term_block(9, term).unwrap()).collect();
        let mut hashes = vec![1; 7];
        index_terms(&blocks, &mut hashes);
        let alone: Vec<u8> = terms.iter().flat_map(|term| index_term(9, term).0).collect();
        assert_eq!(hashes, alone);
        assert_eq!(index_term_block(9, &[0; 62]), None);
        assert_ne!(index_term(9, &[0; 62]), index_term(9, &[0; 63]));
        let leaves: Vec<[u8; 128]> = (0..70).map(|i| [i; 128]).collect();
        index_leaves(&leaves, &mut hashes);
        assert_eq!(hashes, leaves.iter().flat_map(|leaf| index_leaf(leaf).0).collect::<Vec<u8>>());
    }

    #[test]
    fn ids_and_salts_hashed_side_by_side_are_those_hashed_alone() {
        let text: Vec<u8> = (0..200).collect();
        for lens in [0..33, 50..65, 60..71] {
            let ids: Vec<&[u8]> = lens.map(|len| &text[..len]).collect();
            let alone: Vec<u64> = ids.iter().map(|id| event_id_prefix(id)).collect();
            assert_eq!(event_id_prefixes(&ids), alone);
        }
        let segment = SegmentSalt([3; 32]);
        let salts = segment.records(70..76);
        assert!((0..6).all(|at| segment.record(70 + at as u64).0 == salts[at]));
    }

    #[test]
    fn short_postings_hashed_side_by_side_are_those_hashed_alone() {
        let offsets: Vec<u32> = (0..SHORT_SEQS_MAX as u32).map(|n| n * n * 977).collect();
        let postings = || (0..50).map(|n| &offsets[n % 3..n % 3 + 1 + n % (SHORT_SEQS_MAX - 2)]);
        let bytes = |offsets: &[u32]| offsets.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let alone: Vec<Hash> = postings().map(|offsets| index_seqs(&bytes(offsets))).collect();
        let mut hashes = vec![Hash::ZERO];
        index_short_seqs(postings(), &mut hashes);
        assert_eq!(hashes, alone);
        index_short_seqs([offsets.as_slice()].into_iter(), &mut hashes);
        assert_eq!(hashes, [index_seqs(&bytes(&offsets))]);
    }

    #[test]
    fn a_salt_changes_the_body_hash_and_comes_from_the_seq() {
        let segment = SegmentSalt([7; 32]);
        let (one, two) = (segment.record(1), segment.record(2));
        assert_ne!(body(&one, b"{}"), body(&two, b"{}"));
        let mut whole = BODY_CONTEXT.to_vec();
        whole.extend(one.0);
        whole.extend(b"{}");
        assert_eq!(body(&one, b"{}").0, *blake3::hash(&whole).as_bytes());
    }
}
