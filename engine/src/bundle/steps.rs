//! The steps of an index proof, as a bundle writes them: docs/FORMAT-bundle.md, section 4.
//!
//! A divider is the key of the first leaf of a right subtree. Where that leaf is shown, the divider follows from it and is
//! left out: of a vocabulary's proof that is all of them, and half of its length.

use super::read::Cursor;
use crate::Result;
use crate::format::bytes::array;
use crate::hash::IndexKey;
use crate::merkle::SearchStep;

const LEAF: u8 = 0;
const SKIP: u8 = 1;
const ENTER: u8 = 2;
const ENTER_BY_LEAF: u8 = 3;

/// Reads the steps; `keys` are those of the shown leaves, in order.
pub(super) fn decode(cursor: &mut Cursor<'_>, keys: &[IndexKey]) -> Result<Vec<SearchStep>> {
    let mut steps = Vec::new();
    // The places of the nodes whose dividers are left out.
    let mut left_out = Vec::new();
    for place in 0..cursor.u32("count of steps")? as usize {
        steps.push(match cursor.u8("step")? {
            LEAF => SearchStep::Leaf,
            SKIP => SearchStep::Skip(cursor.hash("step")?),
            ENTER => SearchStep::Enter(array(cursor.take("step", 64)?, 0)),
            ENTER_BY_LEAF => {
                left_out.push(place);
                SearchStep::Enter([0; 64])
            }
            other => return Err(cursor.fault("step", "0 to 3", other)),
        });
    }
    let dividers = dividers(&steps, keys);
    let mut left_out = left_out.into_iter().peekable();
    for (place, (step, divider)) in steps.iter_mut().zip(dividers).enumerate() {
        let SearchStep::Enter(key) = step else { continue };
        match (left_out.next_if_eq(&place), divider) {
            (Some(_), Some(divider)) => *key = divider,
            (Some(_), None) => {
                return Err(cursor.fault("step", "a leaf that the right subtree begins with", "none"));
            }
            (None, Some(divider)) if *key == divider => {
                return Err(cursor.fault("step", "no divider that follows from a leaf", "one"));
            }
            (None, _) => {}
        }
    }
    Ok(steps)
}

/// Appends the steps; `keys` are those of the shown leaves, in order.
pub(super) fn push(out: &mut Vec<u8>, steps: &[SearchStep], keys: &[IndexKey]) {
    out.extend_from_slice(&(steps.len() as u32).to_le_bytes());
    for (step, divider) in steps.iter().zip(dividers(steps, keys)) {
        match step {
            SearchStep::Leaf => out.push(LEAF),
            SearchStep::Skip(hash) => {
                out.push(SKIP);
                out.extend_from_slice(&hash.0);
            }
            SearchStep::Enter(key) if divider.as_ref() == Some(key) => out.push(ENTER_BY_LEAF),
            SearchStep::Enter(key) => {
                out.push(ENTER);
                out.extend_from_slice(key);
            }
        }
    }
}

/// For each step that enters a node, the key of the leaf that its right subtree begins with, where that is shown.
fn dividers(steps: &[SearchStep], keys: &[IndexKey]) -> Vec<Option<IndexKey>> {
    let mut found = vec![None; steps.len()];
    let mut leaf = steps.iter().filter(|step| **step == SearchStep::Leaf).count();
    // From the end, so that what a node is entered for is known before it: of each subtree, what it begins with.
    let mut subtrees: Vec<Option<IndexKey>> = Vec::new();
    for (place, step) in steps.iter().enumerate().rev() {
        match step {
            SearchStep::Leaf => {
                leaf -= 1;
                subtrees.push(keys.get(leaf).copied());
            }
            SearchStep::Skip(_) => subtrees.push(None),
            SearchStep::Enter(_) => {
                let left = subtrees.pop().flatten();
                found[place] = subtrees.pop().flatten();
                subtrees.push(left);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    fn key(byte: u8) -> IndexKey {
        [byte; 64]
    }

    fn read(bytes: &[u8], keys: &[IndexKey]) -> Result<Vec<SearchStep>> {
        let mut cursor = Cursor::new("m", bytes);
        let steps = decode(&mut cursor, keys)?;
        assert!(cursor.is_at_end());
        Ok(steps)
    }

    #[test]
    fn dividers_that_follow_from_leaves_are_left_out() {
        // The root's right subtree begins with leaf 5; that of its left child is not shown, nor the left of its right one.
        let steps = [
            SearchStep::Enter(key(5)),
            SearchStep::Enter(key(3)),
            SearchStep::Leaf,
            SearchStep::Skip(Hash([9; 32])),
            SearchStep::Enter(key(6)),
            SearchStep::Leaf,
            SearchStep::Leaf,
        ];
        let keys = [key(1), key(5), key(6)];
        let mut bytes = Vec::new();
        push(&mut bytes, &steps, &keys);
        assert_eq!(bytes.len(), 4 + 1 + 65 + 1 + 33 + 1 + 1 + 1);
        assert_eq!(read(&bytes, &keys).unwrap(), steps);
        // One that is written though it follows is refused, and one that does not follow must be written.
        let needless = [&bytes[..4], &[ENTER][..], &key(5), &bytes[5..]].concat();
        assert!(read(&needless, &keys).is_err());
        let mut missing = bytes.clone();
        missing.splice(5..70, [ENTER_BY_LEAF]);
        assert!(read(&missing, &keys).is_err());
        for at in 0..bytes.len() {
            assert!(
                Cursor::new("m", &bytes[..at]).u8("x").is_err()
                    || decode(&mut Cursor::new("m", &bytes[..at]), &keys).is_err()
            );
        }
    }

    #[test]
    fn steps_that_make_no_tree_do_no_harm() {
        for kinds in
            [&[ENTER_BY_LEAF][..], &[ENTER_BY_LEAF, LEAF], &[LEAF, LEAF, LEAF], &[LEAF, ENTER_BY_LEAF]]
        {
            let bytes = [&(kinds.len() as u32).to_le_bytes()[..], kinds].concat();
            let read = decode(&mut Cursor::new("m", &bytes), &[key(1)]);
            assert_eq!(read.is_ok(), !kinds.contains(&ENTER_BY_LEAF));
        }
        let deep = [&1_000_000_u32.to_le_bytes()[..], &vec![ENTER_BY_LEAF; 1_000_000]].concat();
        assert!(decode(&mut Cursor::new("m", &deep), &[]).is_err());
    }
}
