//! What counts over all records came to, up to some seq: what is below it never changes, so it need not be asked twice.

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
    /// The seq of the `store.deleting` record by which records were deleted last: they no longer count.
    pub(super) rewritten_by: Seq,
}

/// The counts of all records below a seq.
#[derive(Debug)]
struct Known {
    end_seq: Seq,
    groups: Groups,
}

/// What is known of one question: as far as the sealed segments go, from where every later snapshot can go on, and as
/// far as the active segment's parts, from where those can for which a view begins there.
#[derive(Debug, Default, Clone)]
struct Ends {
    sealed: Option<Arc<Known>>,
    parts: Option<Arc<Known>>,
}

/// The counts that are remembered.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<HashMap<MemoKey, Ends>>);

impl Memo {
    /// The counts of all records below a seq at which one of the log's views ends.
    pub(super) fn get(&self, key: &MemoKey, as_of: &AsOf) -> Option<(Seq, Groups)> {
        let Ends { sealed, parts } = lock(&self.0).get(key).cloned()?;
        let is_end = |known: &Arc<Known>| {
            as_of.views.binary_search_by_key(&known.end_seq, |view| view.end_seq).is_ok()
        };
        let known = [sealed, parts].into_iter().flatten().filter(is_end).max_by_key(|known| known.end_seq)?;
        Some((known.end_seq, known.groups.clone()))
    }

    /// Remembers counts of all records below `end_seq`.
    pub(super) fn put(&self, key: &MemoKey, end_seq: Seq, is_sealed: bool, groups: &Groups) {
        let mut known = lock(&self.0);
        if groups.counts.len() > GROUPS_MAX {
            return;
        }
        if known.len() >= COUNTS_MAX && !known.contains_key(key) {
            // What is asked again comes again: the keys of before a deletion never do.
            known.clear();
        }
        let ends = known.entry(key.clone()).or_default();
        let end = if is_sealed { &mut ends.sealed } else { &mut ends.parts };
        if end.as_ref().is_none_or(|known| known.end_seq < end_seq) {
            *end = Some(Arc::new(Known { end_seq, groups: groups.clone() }));
        }
    }
}
