//! Proofs that a leaf is in a tree and that one tree continues another; making them and checking them.
//!
//! The checks trust nothing that they are given: a proof of another length than the sizes call for, an index out
//! of the tree or an older tree that is larger is simply not a proof.

use super::NodeReader;
use super::reader::subtree_root;
use crate::hash::{Hash, TreeHash};

/// The largest power of two below `count`, where RFC 6962 splits a tree. `count` is at least 2.
pub(super) fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The proof that leaf `index` is in the tree of the first `size` leaves: RFC 6962 section 2.1.1, leaf to root.
///
/// The caller sees to it that `index < size`; otherwise there is no such proof, and the one that is returned is
/// empty and verifies nowhere.
///
/// # Errors
/// What the reader could not read.
pub fn inclusion_proof<H: TreeHash, R: NodeReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, R::Error> {
    let mut proof = Vec::new();
    if index >= size {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(subtree_root::<H, R>(reader, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree_root::<H, R>(reader, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of the first `new` leaves continues that of the first `old`: RFC 6962 section 2.1.2.
///
/// It is empty where nothing is to be proven: `old` is zero or equals `new`. The caller sees to it that `old` is
/// not more than `new`; otherwise there is no such proof, and the empty one verifies nowhere.
///
/// # Errors
/// What the reader could not read.
pub fn consistency_proof<H: TreeHash, R: NodeReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, R::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(subtree_root::<H, R>(reader, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree_root::<H, R>(reader, start, middle)?);
            start = middle;
        }
    }
    // The subtree that both trees end with is known to the checker only if it is the whole old tree.
    if start != 0 {
        proof.push(subtree_root::<H, R>(reader, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` proves that `leaf` is at `index` in the tree of `size` leaves with this `root`: RFC 9162
/// section 2.1.3.2.
pub fn verify_inclusion<H: TreeHash>(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> bool {
    if index >= size {
        return false;
    }
    let mut path = Path { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        match path.step() {
            Step::Left => hash = H::node(sibling, &hash),
            Step::Right => hash = H::node(&hash, sibling),
            Step::Over => return false,
        }
    }
    path.last == 0 && hash == *root
}

/// Whether `proof` proves that the tree of `new` leaves with `new_root` continues that of `old` leaves with
/// `old_root`: RFC 9162 section 2.1.4.2.
///
/// The RFC leaves trees without leaves aside. Here every tree continues the empty one, with an empty proof, and
/// the root of an empty tree must be the one that it has.
pub fn verify_consistency<H: TreeHash>(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old == 0 {
        let empty = H::empty();
        return proof.is_empty() && *old_root == empty && (new > 0 || *new_root == empty);
    }
    if old >= new {
        return old == new && proof.is_empty() && old_root == new_root;
    }
    let mut path = Path { node: old - 1, last: new - 1 };
    path.climb(path.node.trailing_ones());
    // An old tree that is perfect is itself the subtree to start from; else the proof begins with that subtree.
    let (start, proof) = match proof.split_first() {
        _ if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return false,
    };
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in proof {
        match path.step() {
            Step::Left => {
                old_hash = H::node(sibling, &old_hash);
                new_hash = H::node(sibling, &new_hash);
            }
            Step::Right => new_hash = H::node(&new_hash, sibling),
            Step::Over => return false,
        }
    }
    path.last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The way from a node to the root: its position at a level, and that of the level's last node. (`fn` and `sn` in
/// RFC 9162.)
struct Path {
    node: u64,
    last: u64,
}

/// Where the sibling of a step stands.
enum Step {
    Left,
    Right,
    /// There is none: the path is at the root already.
    Over,
}

impl Path {
    /// Goes up to the next level at which the node has a sibling, and past it.
    fn step(&mut self) -> Step {
        if self.last == 0 {
            return Step::Over;
        }
        if self.node & 1 == 0 && self.node != self.last {
            self.climb(1);
            return Step::Right;
        }
        // A last node without a sibling rises unhashed until it is a right child.
        let lone = if self.node == 0 { 0 } else { self.node.trailing_zeros() };
        self.climb(lone);
        self.climb(1);
        Step::Left
    }

    fn climb(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}
