//! The roots of the perfect subtrees over a run of leaves, wherever in the log's tree it stands.
//!
//! So segments can be hashed side by side: a run that begins in the middle of the tree is summed up by a few
//! nodes, and the runs are joined in order afterwards, without a word from any file about what came before.

use crate::Seq;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::Subtrees;

/// The level of the tree of which `tree/level-08` keeps the nodes.
const GROUP_LEVEL: u8 = 8;

/// The perfect subtrees that the leaves `start..end` fall into, from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct TreeRange {
    end: Seq,
    /// Level and root; levels rise up to the greatest, then fall.
    nodes: Vec<(u8, Hash)>,
    /// The nodes of [`GROUP_LEVEL`] that were completed within this range: index and root.
    pub(super) groups: Vec<(u64, Hash)>,
}

/// The perfect subtrees of a range at some point, to take its root later.
#[derive(Debug, Clone)]
pub(super) struct RangeMark {
    pub(super) size: u64,
    nodes: Vec<(u8, Hash)>,
}

impl TreeRange {
    pub(super) fn new(start: Seq) -> Self {
        TreeRange { end: start, nodes: Vec::with_capacity(64), groups: Vec::new() }
    }

    /// The tree over `0..end` that has this frontier: the roots of its perfect subtrees, largest first.
    pub(super) fn from_frontier(end: Seq, frontier: &[Hash]) -> Self {
        let levels = (0..u64::BITS as u8).rev().filter(|level| end >> level & 1 == 1);
        TreeRange { end, nodes: levels.zip(frontier.iter().copied()).collect(), groups: Vec::new() }
    }

    /// The seq after the last leaf.
    pub(super) fn end(&self) -> Seq {
        self.end
    }

    /// Takes the next leaves.
    pub(super) fn extend(&mut self, leaves: &[Hash]) {
        for (level, root) in Subtrees::<LogTree>::new(self.end, leaves) {
            self.push_node(level, root);
        }
    }

    /// Takes the root of the perfect subtree of `2^level` leaves that begins at the end of this range.
    pub(super) fn push_node(&mut self, level: u8, root: Hash) {
        let (mut level, mut root) = (level, root);
        let mut index = self.end >> level;
        self.end += 1 << level;
        loop {
            if level == GROUP_LEVEL {
                self.groups.push((index, root));
            }
            match self.nodes.last() {
                // A right child whose sibling stands before it: the two become one.
                Some(&(left_level, left)) if index & 1 == 1 && left_level == level => {
                    root = LogTree::node(&left, &root);
                    self.nodes.pop();
                    level += 1;
                    index >>= 1;
                }
                _ => break,
            }
        }
        self.nodes.push((level, root));
    }

    pub(super) fn mark(&self) -> RangeMark {
        RangeMark { size: self.end, nodes: self.nodes.clone() }
    }

    /// Appends a range that begins where this one ends.
    pub(super) fn join(&mut self, next: &RangeMark, groups: &[(u64, Hash)]) {
        let own = self.groups.len();
        for (level, root) in &next.nodes {
            self.push_node(*level, *root);
        }
        // Subtrees of the group level that `next` holds as they are were noted by it too.
        self.groups.extend_from_slice(groups);
        self.groups[own..].sort_unstable_by_key(|(index, _)| *index);
        self.groups.dedup_by_key(|(index, _)| *index);
    }

    /// The root of the tree, where this range begins at 0.
    pub(super) fn root(&self) -> Hash {
        let mut from_right = self.nodes.iter().rev().map(|(_, root)| *root);
        match from_right.next() {
            Some(last) => from_right.fold(last, |right, left| LogTree::node(&left, &right)),
            None => LogTree::empty(),
        }
    }

    /// The roots of the perfect subtrees, largest first, where this range begins at 0.
    pub(super) fn frontier(&self) -> Vec<Hash> {
        self.nodes.iter().map(|(_, root)| *root).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle;

    #[test]
    fn ranges_joined_anywhere_give_the_tree_of_all_leaves() {
        let leaves: Vec<Hash> = (0_u32..70).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
        for first in 0..=70 {
            for second in first..=70 {
                let mut whole = TreeRange::new(0);
                for part in [0..first, first..second, second..70] {
                    let mut range = TreeRange::new(part.start as u64);
                    range.extend(&leaves[part]);
                    whole.join(&range.mark(), &range.groups);
                }
                assert_eq!(whole.root(), merkle::root::<LogTree>(&leaves), "{first} {second}");
                assert_eq!(whole.end(), 70);
                let mut frontier = merkle::Frontier::<LogTree>::new();
                frontier.extend(&leaves);
                assert_eq!(whole.frontier(), frontier.hashes());
            }
        }
    }

    #[test]
    fn every_group_is_noted_once_wherever_the_ranges_meet() {
        let leaves: Vec<Hash> = (0_u32..1100).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
        let expected: Vec<(u64, Hash)> =
            (0..4).map(|i| (i, merkle::root::<LogTree>(&leaves[i as usize * 256..][..256]))).collect();
        for cut in [0, 1, 255, 256, 257, 300, 511, 512, 1000, 1100] {
            let mut whole = TreeRange::new(0);
            for part in [0..cut, cut..1100] {
                let mut range = TreeRange::new(part.start as u64);
                range.extend(&leaves[part]);
                whole.join(&range.mark(), &range.groups);
            }
            assert_eq!(whole.groups, expected, "{cut}");
        }
    }
}
