//! Every proof of every small tree against RFC 6962's own recursive definitions, every way to spoil one, and
//! vectors of other implementations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::hash::{Hash, LogTree, TreeHash};

/// Another hash, so that nothing here depends on the log's.
#[derive(Debug, Clone, Copy)]
struct BlakeTree;

impl TreeHash for BlakeTree {
    fn empty() -> Hash {
        Hash(*blake3::hash(b"empty").as_bytes())
    }

    fn leaf(data: &[u8]) -> Hash {
        Hash(*blake3::hash(data).as_bytes())
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        Hash(*blake3::hash(&[left.0, right.0].concat()).as_bytes())
    }
}

/// Every tree up to this many leaves is tested whole.
const SIZE_MAX: usize = 100;

fn leaves<H: TreeHash>(count: usize) -> Vec<Hash> {
    (0..count).map(|i| H::leaf(format!("leaf {i}").as_bytes())).collect()
}

fn split(count: usize) -> usize {
    (0..).map(|bit| 1 << bit).take_while(|power| *power < count).last().unwrap()
}

/// MTH of RFC 6962 section 2.1, over leaf hashes.
fn mth<H: TreeHash>(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => H::empty(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            H::node(&mth::<H>(left), &mth::<H>(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
fn path<H: TreeHash>(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) =
        if m < k { (path::<H>(m, left), right) } else { (path::<H>(m - k, right), left) };
    proof.push(mth::<H>(other));
    proof
}

/// SUBPROOF of RFC 6962 section 2.1.2.
fn subproof<H: TreeHash>(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { vec![] } else { vec![mth::<H>(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if m <= k {
        (subproof::<H>(m, left, whole), right)
    } else {
        (subproof::<H>(m - k, right, false), left)
    };
    proof.push(mth::<H>(other));
    proof
}

/// Every way to spoil a proof a little: a bit of each hash, one dropped, doubled, added or swapped with its
/// neighbour.
fn spoiled(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![];
    let mut add = |change: &dyn Fn(&mut Vec<Hash>)| {
        let mut other = proof.to_vec();
        change(&mut other);
        all.push(other);
    };
    for i in 0..proof.len() {
        add(&|p| p[i].0[i % 32] ^= 1 << (i % 8));
        add(&|p| {
            p.remove(i);
        });
        add(&|p| p.insert(i, p[i]));
        if i > 0 {
            add(&|p| p.swap(i - 1, i));
        }
    }
    add(&|p| p.push(Hash::ZERO));
    add(&|p| p.insert(0, Hash::ZERO));
    all
}

#[test]
fn roots_and_frontiers_are_those_of_the_definition() {
    fn check<H: TreeHash>() {
        let leaves = leaves::<H>(SIZE_MAX);
        let reader = Leaves::<H>::new(&leaves);
        let mut frontier = Frontier::<H>::new();
        for size in 0..=SIZE_MAX {
            let expected = mth::<H>(&leaves[..size]);
            assert_eq!(root::<H>(&leaves[..size]), expected, "{size}");
            assert_eq!(root_at::<H, _>(&reader, size as u64), Ok(expected), "{size}");
            assert_eq!(frontier.root(), expected, "{size}");
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier_at::<H, _>(&reader, size as u64), Ok(Some(frontier.clone())));
            let mut again = Frontier::<H>::from_parts(size as u64, frontier.hashes().to_vec()).unwrap();
            assert_eq!(again, frontier);
            again.extend(&leaves[size..]);
            assert_eq!(again.root(), mth::<H>(&leaves), "continued from {size}");
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
    }
    check::<LogTree>();
    check::<BlakeTree>();
}

#[test]
fn a_frontier_has_a_hash_for_each_bit_of_its_size() {
    assert!(Frontier::<LogTree>::from_parts(0, vec![]).is_some());
    assert!(Frontier::<LogTree>::from_parts(5, vec![Hash::ZERO; 2]).is_some());
    for (size, count) in [(0, 1), (1, 0), (5, 1), (5, 3), (u64::MAX, 64), ((1 << 48) + 1, 2)] {
        assert!(Frontier::<LogTree>::from_parts(size, vec![Hash::ZERO; count]).is_none(), "{size} {count}");
    }
}

#[test]
fn nodes_out_of_the_tree_are_told() {
    let leaves = leaves::<LogTree>(5);
    let reader = Leaves::<LogTree>::new(&leaves);
    assert_eq!(reader.node(2, 0), Ok(mth::<LogTree>(&leaves[..4])));
    for (level, index) in [(0, 5), (1, 2), (2, 1), (3, 0), (63, 1), (64, 0), (255, u64::MAX), (0, u64::MAX)] {
        assert_eq!(reader.node(level, index), Err(NoSuchNode { level, index }));
    }
    assert!(root_at::<LogTree, _>(&reader, 6).is_err());
    assert!(root_at::<LogTree, _>(&reader, u64::MAX).is_err());
    assert!(inclusion_proof::<LogTree, _>(&reader, 3, u64::MAX).is_err());
    assert!(consistency_proof::<LogTree, _>(&reader, 3, u64::MAX).is_err());
}

#[test]
fn every_inclusion_proof_of_every_small_tree_holds_and_no_spoiled_one_does() {
    let leaves = leaves::<LogTree>(SIZE_MAX);
    let reader = Leaves::<LogTree>::new(&leaves);
    for size in 1..=SIZE_MAX {
        let root = mth::<LogTree>(&leaves[..size]);
        for index in 0..size {
            let (leaf, at, n) = (&leaves[index], index as u64, size as u64);
            let proof = inclusion_proof::<LogTree, _>(&reader, at, n).unwrap();
            assert_eq!(proof, path::<LogTree>(index, &leaves[..size]), "{index} in {size}");
            let holds = |leaf: &Hash, at, n, proof: &[Hash], root: &Hash| {
                verify_inclusion::<LogTree>(leaf, at, n, proof, root)
            };
            assert!(holds(leaf, at, n, &proof, &root), "{index} in {size}");
            for (i, bad) in spoiled(&proof).iter().enumerate() {
                assert!(!holds(leaf, at, n, bad, &root), "{index} in {size}, spoiled {i}");
            }
            let mut other = *leaf;
            other.0[31] ^= 0x80;
            assert!(!holds(&other, at, n, &proof, &root));
            let mut other = root;
            other.0[0] ^= 1;
            assert!(!holds(leaf, at, n, &proof, &other));
            for wrong in (0..=n + 1).chain([u64::MAX]).filter(|wrong| *wrong != at) {
                assert!(!holds(leaf, wrong, n, &proof, &root), "{index} as {wrong} in {size}");
            }
            for wrong in [0, at, u64::MAX] {
                if wrong != n {
                    assert!(!holds(leaf, at, wrong, &proof, &root), "{index} in {size} as {wrong}");
                }
            }
        }
        assert!(inclusion_proof::<LogTree, _>(&reader, size as u64, size as u64).unwrap().is_empty());
    }
}

#[test]
fn every_consistency_proof_of_every_small_tree_holds_and_no_spoiled_one_does() {
    let leaves = leaves::<LogTree>(SIZE_MAX);
    let reader = Leaves::<LogTree>::new(&leaves);
    let roots: Vec<_> = (0..=SIZE_MAX).map(|size| mth::<LogTree>(&leaves[..size])).collect();
    let holds = verify_consistency::<LogTree>;
    for new in 0..=SIZE_MAX {
        for old in 0..=new {
            let (m, n) = (old as u64, new as u64);
            let (old_root, new_root) = (&roots[old], &roots[new]);
            let proof = consistency_proof::<LogTree, _>(&reader, m, n).unwrap();
            if old > 0 {
                assert_eq!(proof, subproof::<LogTree>(old, &leaves[..new], true), "{old} to {new}");
            }
            assert!(holds(m, n, old_root, new_root, &proof), "{old} to {new}");
            for (i, bad) in spoiled(&proof).iter().enumerate() {
                assert!(!holds(m, n, old_root, new_root, bad), "{old} to {new}, spoiled {i}");
            }
            let mut other = *old_root;
            other.0[7] ^= 1;
            assert!(!holds(m, n, &other, new_root, &proof), "{old} to {new}");
            if old > 0 {
                let mut other = *new_root;
                other.0[7] ^= 1;
                assert!(!holds(m, n, old_root, &other, &proof), "{old} to {new}");
            }
            if old < new {
                assert!(!holds(n, m, new_root, old_root, &proof), "{new} back to {old}");
                assert!(consistency_proof::<LogTree, _>(&reader, n, m).unwrap().is_empty());
            }
            for wrong in (0..=n + 1).chain([u64::MAX]).filter(|wrong| *wrong != m) {
                assert!(!holds(wrong, n, old_root, new_root, &proof), "{old} as {wrong} to {new}");
            }
        }
    }
}

#[test]
fn a_history_that_was_rewritten_is_not_consistent() {
    let leaves = leaves::<LogTree>(SIZE_MAX);
    for old in 1..20 {
        for new in old..40 {
            let mut other = leaves[..new].to_vec();
            other[old - 1] = Hash::ZERO;
            let proof =
                consistency_proof::<LogTree, _>(&Leaves::<LogTree>::new(&other), old as u64, new as u64)
                    .unwrap();
            let (was, is) = (root::<LogTree>(&leaves[..old]), root::<LogTree>(&other));
            assert!(!verify_consistency::<LogTree>(old as u64, new as u64, &was, &is, &proof));
        }
    }
}

/// A vector's hash; one of a wrong length can't be said in our types, so that vector is refused already.
fn hash(value: &serde_json::Value) -> Option<Hash> {
    Some(Hash(STANDARD.decode(value.as_str()?).ok()?.try_into().ok()?))
}

fn hashes(value: &serde_json::Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(vec![]), |list| list.iter().map(hash).collect())
}

/// Runs the vectors of one file through `accepts`; returns how many there are, and how many must fail.
fn check_vectors(text: &str, accepts: impl Fn(&serde_json::Value) -> Option<bool>) -> (usize, usize) {
    let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let mut bad = 0;
    for one in &all {
        let must_fail = one["vector"]["wantErr"].as_bool().unwrap();
        bad += usize::from(must_fail);
        assert_eq!(accepts(&one["vector"]).unwrap_or(false), !must_fail, "{}", one["file"]);
    }
    (all.len(), bad)
}

#[test]
fn foreign_inclusion_vectors() {
    let counts = check_vectors(include_str!("../../testdata/merkle-rfc6962/inclusion.json"), |v| {
        Some(verify_inclusion::<LogTree>(
            &hash(&v["leafHash"])?,
            v["leafIdx"].as_u64()?,
            v["treeSize"].as_u64()?,
            &hashes(&v["proof"])?,
            &hash(&v["root"])?,
        ))
    });
    assert_eq!(counts, (56, 52));
}

#[test]
fn foreign_consistency_vectors() {
    let counts = check_vectors(include_str!("../../testdata/merkle-rfc6962/consistency.json"), |v| {
        Some(verify_consistency::<LogTree>(
            v["size1"].as_u64()?,
            v["size2"].as_u64()?,
            &hash(&v["root1"])?,
            &hash(&v["root2"])?,
            &hashes(&v["proof"])?,
        ))
    });
    assert_eq!(counts, (49, 46));
}
