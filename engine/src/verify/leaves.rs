//! The leaves of a segment's records: hashed here, and summed up as a part of the log's tree.

use super::Depth;
use super::segment::{Check, Task};
use super::stated::Stated;
use crate::Seq;
use crate::format::entry::Entry;
use crate::format::frame::{self, FrameHeader, FrameRecord};
use crate::hash::{Hash, LEAF_LANES, LeafLanes};

/// Most leaves that wait to be summed up.
const UNSUMMED_MAX: usize = 1024;
/// Frames of fewer records gain nothing from leaves that are foretold.
const FORETOLD_MIN: usize = LEAF_LANES / 2;
/// How many leaves are read of a sidecar at once.
const WINDOW_COUNT: usize = 4096;

/// What a sidecar says of the leaves before they are known.
///
/// An entry names the leaf of the record before it: so leaves come one after another, unless somebody says what they will
/// be. Where a frame's leaves, each hashed with the foretold one before it, are the foretold ones, they are right from the
/// first on, whoever foretold them. Where one is not, nothing was lost but time.
pub(super) struct Foretold<'a> {
    sidecar: Stated<'a>,
    first_seq: Seq,
    /// Those of the records from `from` on, an offset.
    window: Vec<Hash>,
    from: usize,
}

impl<'a> Foretold<'a> {
    /// What the sidecar of a sealed segment says; nothing where it has no leaves, or is no sidecar.
    pub(super) fn of(task: &Task<'a>) -> Option<Self> {
        let path = task.root.join("log").join(task.id.file_name("idx"));
        let is_there = task.has_sidecar && !task.active;
        let sidecar = is_there.then(|| Stated::open(task.disk, &path, task.watch).ok()).flatten()?;
        let first_seq = sidecar.meta.first_seq;
        sidecar.has_leaves().then_some(Foretold { sidecar, first_seq, window: Vec::new(), from: 0 })
    }

    /// The leaves of so many records from `seq` on, as far as it has them all.
    fn from(&mut self, seq: Seq, count: usize) -> Option<&[Hash]> {
        let start = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        if start < self.from || self.from + self.window.len() < start + count {
            self.window.clear();
            self.from = start;
            self.sidecar.some_leaves(start, count.max(WINDOW_COUNT), &mut self.window).ok()?;
        }
        self.window.get(start - self.from..)?.get(..count)
    }
}

impl Check<'_> {
    /// Hashes the bodies of a frame's records, then their entries: side by side, where the leaves before them are foretold.
    pub(super) fn leaves(&mut self, header: &FrameHeader, records: &[(usize, FrameRecord<'_>)]) {
        let Some(salt) = self.out.header.as_ref().map(|header| header.salt) else { return };
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        frame::body_hashes(&salt, header.first_seq, records.iter().map(|(_, record)| record), &mut hashes);
        let entries = || {
            let records = (header.first_seq..).zip(records).zip(&hashes);
            records.map(|((seq, (_, record)), body_hash)| {
                Entry::of(header, seq, record, header.predecessor, *body_hash)
            })
        };
        let foretold = self.foretold.as_mut().filter(|_| records.len() >= FORETOLD_MIN);
        let foretold = foretold.and_then(|told| told.from(header.first_seq, records.len()));
        let leaves = foretold.and_then(|foretold| side_by_side(entries(), foretold, &mut self.scratch));
        let leaves = leaves.unwrap_or_else(|| one_by_one(entries(), &mut self.scratch));
        for (leaf, (place, record)) in leaves.into_iter().zip(records) {
            self.last_leaf = Some(leaf);
            self.leaf(leaf, *place as u32);
            let is_read = self.task.depth == Depth::Full && record.body.bytes().is_some();
            self.out.body_count += u64::from(is_read);
        }
        self.hashes = hashes;
    }

    fn leaf(&mut self, leaf: Hash, place: u32) {
        if self.broken {
            return;
        }
        self.unsummed.push(leaf);
        let end = self.range.end() + self.unsummed.len() as u64;
        let marked = self.task.marks.binary_search(&end).is_ok();
        if marked || self.unsummed.len() == UNSUMMED_MAX {
            self.sum_up();
        }
        if marked {
            self.out.marks.push(self.range.mark());
        }
        if self.index.is_some() {
            self.own_leaves.push(leaf);
            self.places.push(place);
        }
    }

    /// Adds to the trees the leaves that are in neither yet: many at once take less time.
    pub(super) fn sum_up(&mut self) {
        self.range.extend(&self.unsummed);
        self.own.extend(&self.unsummed);
        self.unsummed.clear();
    }
}

/// The leaves of entries of which the first names the leaf before it already, and each other one the leaf of the entry
/// before it.
fn one_by_one<'e>(entries: impl Iterator<Item = Entry<'e>>, scratch: &mut Vec<u8>) -> Vec<Hash> {
    let mut last = None;
    let leaf = |entry: Entry<'e>| {
        let predecessor = last.unwrap_or(entry.predecessor);
        *last.insert(Entry { predecessor, ..entry }.leaf(scratch))
    };
    entries.map(leaf).collect()
}

/// [`one_by_one`], if it gives what is foretold.
fn side_by_side<'e>(
    entries: impl Iterator<Item = Entry<'e>>,
    foretold: &[Hash],
    scratch: &mut Vec<u8>,
) -> Option<Vec<Hash>> {
    let mut leaves = Vec::with_capacity(foretold.len());
    let mut lanes = LeafLanes::new();
    // Whose leaves the lanes will give.
    let mut places = Vec::with_capacity(foretold.len().min(LEAF_LANES));
    let mut last = None;
    for (entry, leaf) in entries.zip(foretold) {
        let entry = Entry { predecessor: last.unwrap_or(entry.predecessor), ..entry };
        last = Some(*leaf);
        if lanes.put([&entry.fixed(), entry.labels.as_bytes()]) {
            places.push(leaves.len());
            leaves.push(Hash::ZERO);
        } else {
            leaves.push(entry.leaf(scratch));
        }
        if lanes.is_full() {
            places.drain(..).zip(lanes.hash()).for_each(|(place, leaf)| leaves[place] = leaf);
        }
    }
    places.drain(..).zip(lanes.hash()).for_each(|(place, leaf)| leaves[place] = leaf);
    // The last one is right if the one before it is.
    let sure = leaves.len().saturating_sub(1);
    (leaves.get(..sure) == foretold.get(..sure)).then_some(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::format::frame::LabelBuf;

    #[test]
    fn leaves_that_are_foretold_are_those_hashed_one_by_one_and_others_are_not_taken() {
        let labels: Vec<LabelBuf> = (0..50)
            .map(|n| {
                let mut labels = LabelBuf::default();
                // Some entries are too long to lie beside others.
                (0..n % 4).for_each(|label| labels.push(&format!("SOC2:CC6.{label}")).unwrap());
                labels
            })
            .collect();
        let entries = |count: usize| {
            labels.iter().take(count).zip(7..).map(|(labels, seq)| Entry {
                encoding: 0,
                source: 1,
                seq,
                received_at: Timestamp(99),
                body_len: 20,
                labels: labels.as_labels(),
                predecessor: Hash([3; 32]),
                body_hash: Hash([seq as u8; 32]),
            })
        };
        let scratch = &mut Vec::new();
        for count in 0..=labels.len() {
            let leaves = one_by_one(entries(count), scratch);
            assert_eq!(leaves.len(), count);
            assert_eq!(side_by_side(entries(count), &leaves, scratch).as_ref(), Some(&leaves));
            for wrong in 0..count {
                let mut foretold = leaves.clone();
                foretold[wrong].0[9] ^= 1;
                let found = side_by_side(entries(count), &foretold, scratch);
                // Nothing is hashed from what is foretold of the last one.
                assert_eq!(found.as_ref(), (wrong + 1 == count).then_some(&leaves), "{wrong} of {count}");
            }
        }
    }
}
