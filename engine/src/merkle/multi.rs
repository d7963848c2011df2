//! One proof for many leaves: shared nodes once, and nothing that can be derived.
//!
//! The tree is walked from its root, left before right. A subtree without a wanted leaf is one hash of the proof; one
//! with wanted leaves is entered. So for given positions and size there is one proof, and it is the smallest.

use super::NodeReader;
use super::proof::split;
use super::reader::subtree_root;
use crate::hash::{Hash, TreeHash};

/// The proof that the leaves at `positions` are in the tree of the first `size` leaves. Without positions, it is the
/// root alone, or nothing for the empty tree.
///
/// The caller sees to it that the positions ascend, each once, and are below `size`; otherwise there is no such proof,
/// and the one that is returned verifies nowhere.
///
/// # Errors
/// What the reader could not read.
pub fn multi_proof<H: TreeHash, R: NodeReader>(
    reader: &R,
    positions: &[u64],
    size: u64,
) -> Result<Vec<Hash>, R::Error> {
    let mut proof = Vec::new();
    if size > 0 {
        prove::<H, R>(reader, positions, 0, size, &mut proof)?;
    }
    Ok(proof)
}

fn prove<H: TreeHash, R: NodeReader>(
    reader: &R,
    positions: &[u64],
    start: u64,
    end: u64,
    proof: &mut Vec<Hash>,
) -> Result<(), R::Error> {
    if positions.is_empty() {
        proof.push(subtree_root::<H, R>(reader, start, end)?);
        return Ok(());
    }
    if end - start == 1 {
        return Ok(());
    }
    let middle = start + split(end - start);
    let (left, right) = positions.split_at(positions.partition_point(|position| *position < middle));
    prove::<H, R>(reader, left, start, middle, proof)?;
    prove::<H, R>(reader, right, middle, end, proof)
}

/// Whether `proof` proves that each of `leaves`, given with its position, is in the tree of `size` leaves with this
/// `root`. Positions that do not ascend, or lie outside the tree, are not proven by anything.
pub fn verify_multi<H: TreeHash>(leaves: &[(u64, Hash)], size: u64, proof: &[Hash], root: &Hash) -> bool {
    let ascending = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !ascending || leaves.last().is_some_and(|(position, _)| *position >= size) {
        return false;
    }
    if size == 0 {
        return proof.is_empty() && *root == H::empty();
    }
    let mut rest = proof.iter();
    let computed = recompute::<H>(leaves, 0, size, &mut rest);
    rest.next().is_none() && computed.as_ref() == Some(root)
}

fn recompute<'p, H: TreeHash>(
    leaves: &[(u64, Hash)],
    start: u64,
    end: u64,
    proof: &mut impl Iterator<Item = &'p Hash>,
) -> Option<Hash> {
    match leaves {
        [] => return proof.next().copied(),
        [(_, leaf)] if end - start == 1 => return Some(*leaf),
        _ => {}
    }
    let middle = start + split(end - start);
    let (left, right) = leaves.split_at(leaves.partition_point(|(position, _)| *position < middle));
    let left = recompute::<H>(left, start, middle, proof)?;
    let right = recompute::<H>(right, middle, end, proof)?;
    Some(H::node(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::LogTree;
    use crate::merkle::{Leaves, inclusion_proof, root};

    fn leaves<H: TreeHash>(count: u64) -> Vec<Hash> {
        (0..count).map(|n| H::leaf(&n.to_le_bytes())).collect()
    }

    fn check<H: TreeHash>(size: u64, positions: &[u64]) {
        let leaves = leaves::<H>(size);
        let root = root::<H>(&leaves);
        let proof = multi_proof::<H, _>(&Leaves::<H>::new(&leaves), positions, size).unwrap();
        let wanted: Vec<(u64, Hash)> = positions.iter().map(|at| (*at, leaves[*at as usize])).collect();
        assert!(verify_multi::<H>(&wanted, size, &proof, &root), "{size} {positions:?}");
        for at in 0..proof.len() {
            let mut spoiled = proof.clone();
            spoiled[at].0[at % 32] ^= 1;
            assert!(!verify_multi::<H>(&wanted, size, &spoiled, &root));
            spoiled.remove(at);
            assert!(!verify_multi::<H>(&wanted, size, &spoiled, &root));
            let doubled = [&proof[..=at], &proof[at..]].concat();
            assert!(!verify_multi::<H>(&wanted, size, &doubled, &root));
        }
        for at in 0..wanted.len() {
            let mut other = wanted.clone();
            other[at].1.0[0] ^= 1;
            assert!(!verify_multi::<H>(&other, size, &proof, &root));
            let mut moved = wanted.clone();
            moved[at].0 += 1;
            assert!(!verify_multi::<H>(&moved, size, &proof, &root), "{size} {positions:?} {at}");
            let mut fewer = wanted.clone();
            fewer.remove(at);
            assert!(!verify_multi::<H>(&fewer, size, &proof, &root));
        }
    }

    #[test]
    fn every_set_of_leaves_of_every_small_tree_is_proven_and_no_other() {
        for size in 1_u64..=9 {
            for set in 0_u64..1 << size {
                let positions: Vec<u64> = (0..size).filter(|at| set >> at & 1 == 1).collect();
                check::<LogTree>(size, &positions);
            }
        }
    }

    #[test]
    fn one_leaf_takes_as_many_hashes_as_its_inclusion_proof() {
        let leaves = leaves::<LogTree>(100);
        let reader = Leaves::<LogTree>::new(&leaves);
        for at in 0..100 {
            let mut one = inclusion_proof::<LogTree, _>(&reader, at, 100).unwrap();
            let mut multi = multi_proof::<LogTree, _>(&reader, &[at], 100).unwrap();
            one.sort_unstable();
            multi.sort_unstable();
            assert_eq!(one, multi);
        }
    }

    #[test]
    fn the_empty_tree_and_disorder() {
        let empty = LogTree::empty();
        assert!(verify_multi::<LogTree>(&[], 0, &[], &empty));
        assert!(!verify_multi::<LogTree>(&[(0, empty)], 0, &[], &empty));
        let leaves = leaves::<LogTree>(2);
        let root = root::<LogTree>(&leaves);
        assert!(!verify_multi::<LogTree>(&[(1, leaves[1]), (0, leaves[0])], 2, &[], &root));
        assert!(!verify_multi::<LogTree>(&[(0, leaves[0]), (0, leaves[0])], 2, &[leaves[1]], &root));
    }
}
