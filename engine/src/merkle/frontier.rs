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
        let mut right = leaf;
        // Each one bit at the low end is a perfect subtree as large as what is carried: the two become one.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.hashes.pop() else { break };
            right = H::node(&left, &right);
        }
        self.hashes.push(right);
        self.size += 1;
    }

    /// Appends leaves in order, given their hashes.
    pub fn extend(&mut self, leaves: &[Hash]) {
        for leaf in leaves {
            self.push(*leaf);
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
        fold_right::<H>(&self.hashes)
    }
}

/// The root over the roots of perfect subtrees, which hang together from the right.
fn fold_right<H: TreeHash>(hashes: &[Hash]) -> Hash {
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
