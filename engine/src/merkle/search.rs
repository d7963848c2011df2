//! Search trees: RFC 6962's shape over leaves in the order of their keys, where each node also hashes the key that
//! divides its two subtrees.
//!
//! Whoever looks for a key goes left below the divider and right from it on. So for one root there is one way to any
//! key, whoever made the tree and however badly: a tree can't hold two leaves for one key and show now this one and
//! now that one. That is what makes an answer from a committed index binding, and absence provable by a single way.

use crate::hash::{self, Hash, IndexKey};

use super::proof::split;

/// The root of the search tree over these leaf hashes, 32 bytes each, whose keys are `keys`.
pub fn search_root(mut level: Vec<u8>, keys: &[IndexKey]) -> Hash {
    let mut above = Vec::new();
    let mut height = 0;
    while level.len() > 32 {
        hash::index_level(&level, |place| &keys[place << height], &mut above);
        std::mem::swap(&mut level, &mut above);
        height += 1;
    }
    level.first_chunk().map_or_else(hash::index_empty, |root| Hash(*root))
}

/// What a proof says of one subtree, from left to right; of a node that is entered, before its subtrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchStep {
    /// A node that is entered: its divider.
    Enter(IndexKey),
    /// A subtree that is not shown: its root.
    Skip(Hash),
    /// A leaf that is shown. It comes along by itself.
    Leaf,
}

/// What a search proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// The spans of keys of which nothing is shown, ascending; each from its first key up to and without its second,
    /// or up to the end.
    pub skipped: Vec<(IndexKey, Option<IndexKey>)>,
}

impl Searched {
    /// Whether all leaves with keys in this span, both ends included, are among those shown.
    pub fn shows_all(&self, first: &IndexKey, last: &IndexKey) -> bool {
        !self.skipped.iter().any(|(from, until)| from <= last && until.is_none_or(|until| *first < until))
    }
}

/// The proof that shows all leaves whose keys lie in one of `spans`, each both ends included: the steps, and the places
/// of the leaves that are shown. Beside the wanted leaves it shows those between which a missing one would stand.
pub fn search_proof(
    hashes: &[Hash],
    keys: &[IndexKey],
    spans: &[(IndexKey, IndexKey)],
) -> (Vec<SearchStep>, Vec<usize>) {
    let mut proof = Making { hashes, keys, steps: Vec::new(), shown: Vec::new() };
    if !hashes.is_empty() {
        let all: Vec<_> = spans.iter().filter(|(first, last)| first <= last).collect();
        proof.walk(0, hashes.len(), &all);
    }
    (proof.steps, proof.shown)
}

struct Making<'t> {
    hashes: &'t [Hash],
    keys: &'t [IndexKey],
    steps: Vec<SearchStep>,
    shown: Vec<usize>,
}

impl Making<'_> {
    fn walk(&mut self, start: usize, end: usize, spans: &[&(IndexKey, IndexKey)]) {
        if spans.is_empty() {
            return self.steps.push(SearchStep::Skip(subtree(self.hashes, self.keys, start, end)));
        }
        if end - start == 1 {
            self.shown.push(start);
            return self.steps.push(SearchStep::Leaf);
        }
        let middle = start + split((end - start) as u64) as usize;
        let divider = self.keys[middle];
        self.steps.push(SearchStep::Enter(divider));
        let left: Vec<_> = spans.iter().copied().filter(|(first, _)| *first < divider).collect();
        let right: Vec<_> = spans.iter().copied().filter(|(_, last)| *last >= divider).collect();
        self.walk(start, middle, &left);
        self.walk(middle, end, &right);
    }
}

fn subtree(hashes: &[Hash], keys: &[IndexKey], start: usize, end: usize) -> Hash {
    let level = hashes[start..end].iter().flat_map(|hash| hash.0).collect();
    search_root(level, &keys[start..end])
}

/// Checks a search proof: that the tree of `leaf_count` leaves with this `root` has these leaves, each given with its
/// key and hash; and what it leaves out.
pub fn verify_search(
    root: &Hash,
    leaf_count: u64,
    steps: &[SearchStep],
    leaves: &[(IndexKey, Hash)],
) -> Option<Searched> {
    let mut check = Checking { steps: steps.iter(), leaves: leaves.iter(), skipped: Vec::new() };
    let found = match leaf_count {
        0 => Some(hash::index_empty()),
        _ => check.walk(leaf_count, &[0; 64], None),
    };
    let whole = check.steps.next().is_none() && check.leaves.next().is_none();
    (whole && found.as_ref() == Some(root)).then_some(Searched { skipped: check.skipped })
}

struct Checking<'p> {
    steps: std::slice::Iter<'p, SearchStep>,
    leaves: std::slice::Iter<'p, (IndexKey, Hash)>,
    skipped: Vec<(IndexKey, Option<IndexKey>)>,
}

impl Checking<'_> {
    /// The root of the next subtree, of `count` leaves, whose keys must lie from `from` on and below `until`.
    fn walk(&mut self, count: u64, from: &IndexKey, until: Option<&IndexKey>) -> Option<Hash> {
        match self.steps.next()? {
            SearchStep::Skip(hash) => {
                self.skipped.push((*from, until.copied()));
                Some(*hash)
            }
            SearchStep::Leaf => {
                let (key, hash) = self.leaves.next()?;
                let within = from <= key && until.is_none_or(|until| key < until);
                (count == 1 && within).then_some(*hash)
            }
            SearchStep::Enter(divider) => {
                let within = from <= divider && until.is_none_or(|until| divider < until);
                if count < 2 || !within {
                    return None;
                }
                let middle = split(count);
                let left = self.walk(middle, from, Some(divider))?;
                let right = self.walk(count - middle, divider, until)?;
                Some(hash::index_node(&left, &right, divider))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> IndexKey {
        let mut key = [0; 64];
        key[7] = n;
        key
    }

    /// Leaves at the odd keys 1, 3, 5 and so on.
    fn tree(count: u8) -> (Vec<IndexKey>, Vec<Hash>, Hash) {
        let keys: Vec<IndexKey> = (0..count).map(|n| key(2 * n + 1)).collect();
        let hashes: Vec<Hash> = keys.iter().map(|key| hash::index_leaf(&[key[7]; 128])).collect();
        let root = search_root(hashes.iter().flat_map(|hash| hash.0).collect(), &keys);
        (keys, hashes, root)
    }

    fn shown(keys: &[IndexKey], hashes: &[Hash], places: &[usize]) -> Vec<(IndexKey, Hash)> {
        places.iter().map(|place| (keys[*place], hashes[*place])).collect()
    }

    #[test]
    fn every_key_of_every_small_tree_is_found_or_shown_to_be_missing() {
        for count in 0..=17 {
            let (keys, hashes, root) = tree(count);
            for wanted in 0..=2 * count + 1 {
                let wanted = key(wanted);
                let (steps, places) = search_proof(&hashes, &keys, &[(wanted, wanted)]);
                let leaves = shown(&keys, &hashes, &places);
                let searched = verify_search(&root, u64::from(count), &steps, &leaves).unwrap();
                assert!(searched.shows_all(&wanted, &wanted));
                assert!(leaves.len() <= 1, "one way to each key");
                assert_eq!(leaves.iter().any(|(key, _)| *key == wanted), keys.contains(&wanted));
                for other in keys.iter().filter(|other| !leaves.iter().any(|(key, _)| key == *other)) {
                    assert!(!searched.shows_all(other, other), "what is not shown is not decided");
                }
            }
        }
    }

    #[test]
    fn every_span_is_shown_whole() {
        for count in [1, 2, 5, 8, 13] {
            let (keys, hashes, root) = tree(count);
            for first in 0..=2 * count + 1 {
                for last in first..=2 * count + 1 {
                    let span = (key(first), key(last));
                    let (steps, places) = search_proof(&hashes, &keys, &[span]);
                    let leaves = shown(&keys, &hashes, &places);
                    let searched = verify_search(&root, u64::from(count), &steps, &leaves).unwrap();
                    assert!(searched.shows_all(&span.0, &span.1));
                    let within = |key: &IndexKey| span.0 <= *key && *key <= span.1;
                    let found = leaves.iter().filter(|(key, _)| within(key)).count();
                    assert_eq!(found, keys.iter().filter(|key| within(key)).count());
                }
            }
        }
    }

    #[test]
    fn every_altered_proof_is_refused() {
        let (keys, hashes, root) = tree(11);
        let (steps, places) = search_proof(&hashes, &keys, &[(key(5), key(9)), (key(20), key(20))]);
        let leaves = shown(&keys, &hashes, &places);
        assert!(verify_search(&root, 11, &steps, &leaves).is_some());
        let refused = |steps: &[SearchStep], leaves: &[(IndexKey, Hash)]| {
            assert!(verify_search(&root, 11, steps, leaves).is_none());
        };
        for at in 0..steps.len() {
            let mut altered = steps.clone();
            match &mut altered[at] {
                SearchStep::Enter(key) => key[63] ^= 1,
                SearchStep::Skip(hash) => hash.0[31] ^= 1,
                step => *step = SearchStep::Skip(hashes[0]),
            }
            refused(&altered, &leaves);
            altered.remove(at);
            refused(&altered, &leaves);
            refused(&[&steps[..=at], &steps[at..]].concat(), &leaves);
        }
        for at in 0..leaves.len() {
            let mut altered = leaves.clone();
            altered[at].1.0[0] ^= 1;
            refused(&steps, &altered);
            altered.remove(at);
            refused(&steps, &altered);
        }
    }

    #[test]
    fn a_tree_made_out_of_order_has_one_answer_for_each_key_all_the_same() {
        // Two leaves for key 3, one of them where no search for it comes to.
        let keys = [key(3), key(5), key(3), key(9)];
        let hashes: Vec<Hash> = (0..4).map(|n| hash::index_leaf(&[n; 128])).collect();
        let low = hash::index_node(&hashes[0], &hashes[1], &key(5));
        let high = hash::index_node(&hashes[2], &hashes[3], &key(9));
        let root = hash::index_node(&low, &high, &key(7));
        let way = |place: usize| {
            let steps = match place {
                0 => [
                    SearchStep::Enter(key(7)),
                    SearchStep::Enter(key(5)),
                    SearchStep::Leaf,
                    SearchStep::Skip(hashes[1]),
                    SearchStep::Skip(high),
                ],
                _ => [
                    SearchStep::Enter(key(7)),
                    SearchStep::Skip(low),
                    SearchStep::Enter(key(9)),
                    SearchStep::Leaf,
                    SearchStep::Skip(hashes[3]),
                ],
            };
            verify_search(&root, 4, &steps, &[(keys[place], hashes[place])])
        };
        assert!(way(0).is_some_and(|searched| searched.shows_all(&key(3), &key(3))));
        assert!(way(2).is_none(), "the hidden leaf's key lies outside of what leads to it");
    }
}
