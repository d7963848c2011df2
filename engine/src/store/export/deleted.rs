//! What a bundle has to show where records were deleted: the records that say so, with the plans and the operators behind
//! them. Refuses where what is left of a segment is not what the log had said of it at the checkpoint.

use std::collections::BTreeMap;

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::format::admin::Admin;
use crate::log::views::View;
use crate::retention::Deletion;
use crate::store::Snapshot;
use crate::{Error, Result, SegmentId, Seq};

/// The deletions from the sealed segments that a bundle is about.
#[derive(Debug, Default)]
pub(super) struct DeletedRecords {
    /// By segment, the offsets of its deleted records.
    gone: BTreeMap<SegmentId, RoaringBitmap>,
    /// The records that say so, and those by which they may.
    pub(super) grounds: RoaringTreemap,
}

impl DeletedRecords {
    /// What was deleted of these segments, sealed or not under a checkpoint of `size` records.
    ///
    /// # Errors
    /// [`Error::Refused`] where a record says that records are deleted, and the checkpoint has not that record, or it is not
    /// carried out yet; whatever reading the log says.
    pub(super) fn of(snapshot: &Snapshot, views: &[&View], size: u64) -> Result<DeletedRecords> {
        let log = &snapshot.inner.log;
        let mut deleted = DeletedRecords::default();
        let deletions = snapshot.retention()?.deletions;
        if deletions.is_empty() && snapshot.catalog.sealed.iter().all(|place| place.rewritten_by == 0) {
            return Ok(deleted);
        }
        for view in views {
            let by = log.open_view(view, &snapshot.catalog)?.meta().rewritten_by;
            let of = format!("records {} to {}", view.first_seq, view.end_seq - 1);
            let refused = |reason: String| Err(Error::Refused { what: "evidence", reason });
            if by >= size {
                return refused(format!(
                    "events of {of} were deleted since, as record {by} says, which the checkpoint of {size} records has not; \
                     answer under a newer checkpoint"
                ));
            }
            let own = || deletions.iter().filter(|deletion| deletion.deleting.first_seq == view.first_seq);
            if let Some(Deletion { seq, .. }) = own().find(|deletion| (by + 1..size).contains(&deletion.seq))
            {
                return refused(format!(
                    "the deletion from {of} that record {seq} speaks of is not carried out: `indelible retention apply` goes \
                     on with it"
                ));
            }
            for Deletion { seq, deleting, .. } in own().filter(|deletion| deletion.seq <= by) {
                let offset = |seq: Seq| seq.saturating_sub(view.first_seq) as u32;
                let gone = deleted.gone.entry(view.segment).or_default();
                for (start, end) in &deleting.seqs {
                    gone.insert_range(offset(*start)..offset(*end));
                }
                deleted.grounds.extend([*seq, deleting.plan]);
            }
        }
        deleted.add_operators(snapshot)?;
        Ok(deleted)
    }

    /// Every record that names operators before the last of the plans.
    fn add_operators(&mut self, snapshot: &Snapshot) -> Result<()> {
        let last = self.grounds.max().unwrap_or(0);
        for place in snapshot.catalog.admin.iter().filter(|place| place.seq < last) {
            if matches!(snapshot.inner.log.admin(place)?, Admin::Operators(_)) {
                self.grounds.insert(place.seq);
            }
        }
        Ok(())
    }

    /// The offsets of a segment's deleted records.
    pub(super) fn of_segment(&self, segment: SegmentId) -> RoaringBitmap {
        self.gone.get(&segment).cloned().unwrap_or_default()
    }

    /// The deleted ones of these seqs.
    pub(super) fn within(&self, seqs: &std::ops::Range<Seq>) -> RoaringTreemap {
        let of_segment = |(segment, gone): (&SegmentId, &RoaringBitmap)| {
            gone.iter().map(|offset| segment.0 + u64::from(offset)).collect::<Vec<Seq>>()
        };
        let mut all: RoaringTreemap = self.gone.iter().flat_map(of_segment).collect();
        all.remove_range(..seqs.start);
        all.remove_range(seqs.end..);
        all
    }
}
