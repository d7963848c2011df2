//! The growing edge of a tree: what is needed to append to it and to know its root, and no more.

use std::fmt;
use std::marker::PhantomData;

use crate::hash::{Hash, LogTree, TreeHash};
use crate::limits;

/// The roots of a tree's perfect subtrees, largest first: one for each bit that is set in its size.
///
/// Pushing a leaf costs one node hash on average and never allocates (up to 2^48 leaves).
pub struct Frontier<H: TreeHash = LogTree> {
    size: u64,
    hashes: Vec<Hash>,
    hash: PhantomData<fn() -> H>,
}

/// Room for every frontier of a tree of at most [`limits::TREE_SIZE_MAX`] leaves.
const HASHES_MAX: usize = 49;

/// Fewer leaves than this are pushed one by one: room for their subtrees costs more than it saves.
const TOGETHER_MIN: usize = 8;

impl<H: TreeHash> Frontier<H> {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Frontier { size: 0, hashes: Vec::with_capacity(HASHES_MAX), hash: PhantomData }
    }

    /// A frontier from what [`Frontier::size`] and [`Frontier::hashes`] told of it; `None` if `hashes` are not as
    /// many as the bits set in `size`, or the tree is larger than [`limits::TREE_SIZE_MAX`].
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        let fits = size <= limits::TREE_SIZE_MAX && hashes.len() == size.count_ones() as usize;
        fits.then_some(Frontier { size, hashes, hash: PhantomData })
    }

    /// Appends a leaf, given its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Appends the root of a perfect subtree of `2^level` leaves, of which the tree has a whole number.
    fn push_subtree(&mut self, level: u8, root: Hash) {
        let mut right = root;
        // Each one bit at the low end is a perfect subtree as large as what is carried: the two become one.
        for _ in 0..(self.size >> level).trailing_ones() {
            let Some(left) = self.hashes.pop() else { break };
            right = H::node(&left, &right);
        }
        self.hashes.push(right);
        self.size += 1 << level;
    }

    /// Appends leaves in order, given their hashes; many at once take less time than one after the other.
    pub fn extend(&mut self, leaves: &[Hash]) {
        if leaves.len() < TOGETHER_MIN {
            return leaves.iter().for_each(|leaf| self.push(*leaf));
        }
        for (level, root) in Subtrees::<H>::new(self.size, leaves) {
            self.push_subtree(level, root);
        }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest (leftmost) first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The tree's root, RFC 6962 section 2.1.
    pub fn root(&self) -> Hash {
        frontier_root::<H>(&self.hashes)
    }
}

/// The perfect subtrees that a run of leaves falls into, from left to right, each with its level and root.
///
/// They are of at most `2^8` leaves, so that no more than some kilobytes are in hand at a time. The nodes of a level
/// are hashed together.
pub struct Subtrees<'a, H: TreeHash = LogTree> {
    start: u64,
    leaves: &'a [Hash],
    level: [Hash; 1 << (SUBTREE_LEVEL_MAX - 1)],
    hash: PhantomData<fn() -> H>,
}

const SUBTREE_LEVEL_MAX: u32 = 8;

impl<'a, H: TreeHash> Subtrees<'a, H> {
    /// Of leaves of which the first has the index `start`.
    pub fn new(start: u64, leaves: &'a [Hash]) -> Self {
        Subtrees { start, leaves, level: [Hash::ZERO; _], hash: PhantomData }
    }
}

impl<H: TreeHash> Iterator for Subtrees<'_, H> {
    type Item = (u8, Hash);

    fn next(&mut self) -> Option<(u8, Hash)> {
        let fits = self.leaves.len().checked_ilog2()?;
        let level = self.start.trailing_zeros().min(fits).min(SUBTREE_LEVEL_MAX);
        let (leaves, rest) = self.leaves.split_at(1 << level);
        (self.start, self.leaves) = (self.start + (1 << level), rest);
        let (pairs, _) = leaves.as_chunks::<2>();
        H::nodes(pairs, &mut self.level);
        let mut count = pairs.len();
        while count > 1 {
            // Parents take the places of children that were hashed already.
            let children = self.level;
            let (pairs, _) = children[..count].as_chunks::<2>();
            H::nodes(pairs, &mut self.level);
            count = pairs.len();
        }
        let root = if level == 0 { leaves.first() } else { self.level.first() };
        Some((level as u8, *root?))
    }
}

/// The root of the tree that has this frontier: its perfect subtrees hang together from the right.
pub fn frontier_root<H: TreeHash>(hashes: &[Hash]) -> Hash {
    let Some((last, rest)) = hashes.split_last() else { return H::empty() };
    rest.iter().rfold(*last, |right, left| H::node(left, &right))
}

/// The root of the tree with these leaf hashes, RFC 6962 section 2.1.
pub fn root<H: TreeHash>(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::<H>::new();
    frontier.extend(leaves);
    frontier.root()
}

// By hand, for a derive would ask the same of `H`, which is only a name.
impl<H: TreeHash> Default for Frontier<H> {
    fn default() -> Self {
        Frontier::new()
    }
}

impl<H: TreeHash> Clone for Frontier<H> {
    fn clone(&self) -> Self {
        // Not `Vec::clone`, which would give no room to push.
        let mut hashes = Vec::with_capacity(HASHES_MAX.max(self.hashes.len()));
        hashes.extend_from_slice(&self.hashes);
        Frontier { size: self.size, hashes, hash: PhantomData }
    }

    fn clone_from(&mut self, other: &Self) {
        self.size = other.size;
        self.hashes.clone_from(&other.hashes);
    }
}

impl<H: TreeHash> PartialEq for Frontier<H> {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.hashes == other.hashes
    }
}

impl<H: TreeHash> Eq for Frontier<H> {}

impl<H: TreeHash> fmt::Debug for Frontier<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frontier").field("size", &self.size).field("hashes", &self.hashes).finish()
    }
}
