//! Carrying out what a plan moves to the warm tier. What it moves to an archive is for whoever knows archives.

use super::{Snapshot, Store};
use crate::format::retention::Plan;
use crate::log::files::Sealed;
use crate::log::locks::TiersGuard;
use crate::log::{SealedPlace, compact};
use crate::retention::moves::TO_WARM;
use crate::{Result, SegmentId};

/// What became of a plan's moves to the warm tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// How many segments moved this time.
    pub segments: u64,
    /// Length of their logs in bytes.
    pub log_len: u64,
    /// Length of the packs in their place in bytes.
    pub pack_len: u64,
    /// How many stay, as a policy wants them hot that came since the plan was made.
    pub spared: u64,
    /// How many are still to move: it was told to stop.
    pub left: u64,
}

impl Store {
    /// Moves what a plan names and is in the hot tier still, as long as `go_on` says so.
    pub(super) fn carry_out_moves(
        &self,
        plan: &Plan,
        go_on: &mut dyn FnMut() -> bool,
        guard: &TiersGuard,
    ) -> Result<Moved> {
        let (log, now) = (&self.inner.log, self.inner.log.world.clock.now());
        let mut moved = Moved::default();
        for id in self.snapshot()?.still_to_move(plan)? {
            let snapshot = self.snapshot()?;
            if moved.left > 0 || !go_on() {
                moved.left += 1;
            } else if snapshot.movable_at(id)?.is_some_and(|at| at > now) {
                moved.spared += 1;
            } else if let Some(place) = snapshot.catalog.sealed_at(id.0)
                // What was begun is done whole: who stops it stops behind it.
                && let Some(done) = compact::compact(log, &snapshot.catalog, place, guard, &mut |_, _| true)?
            {
                moved.segments += 1;
                moved.log_len += done.log_len;
                moved.pack_len += done.pack_len;
            }
        }
        Ok(moved)
    }
}

impl Snapshot {
    /// What of a plan's moves to the warm tier is not done.
    pub(super) fn still_to_move(&self, plan: &Plan) -> Result<Vec<SegmentId>> {
        let mut left = Vec::new();
        for planned in plan.moves.iter().filter(|planned| planned.tier == TO_WARM) {
            let is_it = |place: &&SealedPlace| {
                (place.first_seq, place.end_seq) == (planned.first_seq, planned.end_seq)
            };
            let place = self.catalog.sealed_at(planned.first_seq).filter(is_it);
            if let Some(id) = place.map(|place| SegmentId(place.first_seq))
                && matches!(self.inner.log.files.sealed(id)?, Sealed::Log(_))
            {
                left.push(id);
            }
        }
        Ok(left)
    }
}
