//! Which terms the last records carry: so that a slice of them need not look at all terms of the segment.

use std::ops::Range;

use super::terms::TermId;

/// From this many records on the older half is forgotten.
const RECORDS_MAX: usize = 1 << 14;

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The offset of the first record that is remembered.
    first: u32,
    ids: Vec<TermId>,
    /// Where each record's terms end in `ids`.
    ends: Vec<u32>,
}

impl Recent {
    /// The record that is being added carries this term.
    pub(super) fn push(&mut self, id: TermId) {
        self.ids.push(id);
    }

    /// The record is whole.
    pub(super) fn end_record(&mut self) {
        self.ends.push(self.ids.len() as u32);
        if self.ends.len() >= RECORDS_MAX {
            let half = RECORDS_MAX / 2;
            let cut = self.ends[half - 1];
            self.ids.drain(..cut as usize);
            self.ends.drain(..half);
            self.ends.iter_mut().for_each(|end| *end -= cut);
            self.first += half as u32;
        }
    }

    /// The terms of the records at `offsets`, each once; nothing where some of these are forgotten.
    pub(super) fn ids(&self, offsets: Range<u32>) -> Option<Vec<TermId>> {
        let end_of = |offset: u32| match offset.checked_sub(self.first)? {
            0 => Some(0),
            count => self.ends.get(count as usize - 1).map(|end| *end as usize),
        };
        let mut ids = self.ids.get(end_of(offsets.start)?..end_of(offsets.end)?)?.to_vec();
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }
}
