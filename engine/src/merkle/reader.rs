//! The window on a tree's nodes, and the roots that are read through it.

use std::marker::PhantomData;

use super::Frontier;
use crate::hash::{Hash, LogTree, TreeHash};

/// Gives the roots of a tree's perfect subtrees, wherever they are kept.
pub trait NodeReader {
    /// Why a node could not be read.
    type Error;

    /// The root of the `index`-th perfect subtree of 2^`level` leaves, counted from the tree's left: level 0 are
    /// the leaf hashes. Only subtrees that lie whole within the tree are ever asked for.
    ///
    /// # Errors
    /// Whatever keeps the node from being read, or that the tree has none such.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// A tree with all its leaf hashes in memory. Inner nodes are hashed anew each time they are asked for.
#[derive(Debug)]
pub struct Leaves<'a, H: TreeHash = LogTree> {
    leaves: &'a [Hash],
    hash: PhantomData<fn() -> H>,
}

impl<'a, H: TreeHash> Leaves<'a, H> {
    /// The tree over these leaf hashes.
    pub fn new(leaves: &'a [Hash]) -> Self {
        Leaves { leaves, hash: PhantomData }
    }
}

/// A node was asked for that the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no node {index} at level {level}")]
pub struct NoSuchNode {
    /// The logarithm of the subtree's leaf count.
    pub level: u8,
    /// The subtree's position among those of its level.
    pub index: u64,
}

impl<H: TreeHash> NodeReader for Leaves<'_, H> {
    type Error = NoSuchNode;

    fn node(&self, level: u8, index: u64) -> Result<Hash, NoSuchNode> {
        let leaves = || {
            let count = 1_u64.checked_shl(level.into())?;
            let start = index.checked_mul(count)?;
            let end = start.checked_add(count)?;
            self.leaves.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        };
        leaves().map(super::root::<H>).ok_or(NoSuchNode { level, index })
    }
}

/// The frontier of the tree's first `size` leaves; `None` if `size` is over
/// [`TREE_SIZE_MAX`](crate::limits::TREE_SIZE_MAX).
///
/// # Errors
/// What the reader could not read.
pub fn frontier_at<H: TreeHash, R: NodeReader>(
    reader: &R,
    size: u64,
) -> Result<Option<Frontier<H>>, R::Error> {
    let nodes = perfect_subtrees(0, size).map(|(level, index)| reader.node(level, index));
    Ok(Frontier::from_parts(size, nodes.collect::<Result<Vec<_>, _>>()?))
}

/// The root of the tree's first `size` leaves.
///
/// # Errors
/// What the reader could not read.
pub fn root_at<H: TreeHash, R: NodeReader>(reader: &R, size: u64) -> Result<Hash, R::Error> {
    subtree_root::<H, R>(reader, 0, size)
}

/// The root of the leaves `start..end`, which must be a subtree as RFC 6962 splits trees: `start` is a multiple of
/// the power of two that is at least the count.
pub(super) fn subtree_root<H: TreeHash, R: NodeReader>(
    reader: &R,
    start: u64,
    end: u64,
) -> Result<Hash, R::Error> {
    // From the right: the small subtrees hang together first.
    let mut nodes = [(0, 0); 64];
    let mut count = 0;
    for (slot, node) in nodes.iter_mut().zip(perfect_subtrees(start, end)) {
        *slot = node;
        count += 1;
    }
    let mut root = None;
    for (level, index) in nodes[..count].iter().rev() {
        let left = reader.node(*level, *index)?;
        root = Some(match root {
            Some(right) => H::node(&left, &right),
            None => left,
        });
    }
    Ok(root.unwrap_or_else(H::empty))
}

/// The (level, index) of the perfect subtrees that the leaves `start..end` fall into, largest first.
fn perfect_subtrees(start: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let level = end.saturating_sub(at).checked_ilog2()?;
        let index = at >> level;
        at += 1 << level;
        Some((level as u8, index))
    })
}
