//! What counts over all records came to in the sealed segments: they never change, so it need not be asked twice.

use std::sync::{Arc, Mutex};

use hashbrown::HashMap;

use super::AsOf;
use super::group::Groups;
use crate::Seq;
use crate::log::lock;

/// How many counts are remembered.
const COUNTS_MAX: usize = 64;
/// Counts of more groups are not.
const GROUPS_MAX: usize = 4096;

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MemoKey {
    pub(super) field: String,
    /// Whether the store's own records were counted too.
    pub(super) with_own: bool,
}

/// The counts of all records below a seq.
#[derive(Debug)]
struct Known {
    end_seq: Seq,
    groups: Groups,
}

/// The counts that are remembered.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<HashMap<MemoKey, Arc<Known>>>);

impl Memo {
    /// The counts of all records below a seq, which one of the log's sealed segments ends at.
    pub(super) fn get(&self, key: &MemoKey, as_of: &AsOf) -> Option<(Seq, Groups)> {
        let known = lock(&self.0).get(key).cloned()?;
        // An older snapshot may not go as far.
        let is_within = known.end_seq <= as_of.head.active.0;
        is_within.then(|| (known.end_seq, known.groups.clone()))
    }

    pub(super) fn put(&self, key: &MemoKey, end_seq: Seq, groups: &Groups) {
        let mut known = lock(&self.0);
        let is_newer = known.get(key).is_none_or(|known| known.end_seq < end_seq);
        let has_room = known.len() < COUNTS_MAX || known.contains_key(key);
        if is_newer && has_room && groups.counts.len() <= GROUPS_MAX {
            known.insert(key.clone(), Arc::new(Known { end_seq, groups: groups.clone() }));
        }
    }
}
