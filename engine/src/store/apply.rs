//! Carrying out a plan: what operators approved goes, segment by segment, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::collect::Collected;
use super::moves::Moved;
use super::retention::{Decided, carried_out};
use super::{Snapshot, Store};
use crate::format::admin::Admin;
use crate::format::retention::{Approved, Deleting, Plan, Tally};
use crate::log::compact;
use crate::log::files::Sealed;
use crate::log::locks::TiersGuard;
use crate::log::rewrite::{self, Gone};
use crate::log::{NewRecord, Session};
use crate::retention::plan::{self, Due};
use crate::retention::refused;
use crate::{Error, Result, SegmentId, Seq};

/// What came of carrying out a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The seq of its `store.plan` record; none for a plan that only moves.
    pub plan: Option<Seq>,
    /// What was deleted this time.
    pub deleted: Tally,
    /// How many segments that was in.
    pub segments: u64,
    /// What it names and a hold or a policy keeps that came after it was made.
    pub spared: Tally,
    /// How many of its records are still there, of those that are not spared: it was told to stop.
    pub left: u64,
    /// What became of its artifacts.
    pub artifacts: Collected,
    /// What became of its moves to the warm tier.
    pub moved: Moved,
}

/// How far the carrying out of a plan is: events deleted, of how many. Where it says false, it stops behind the segment
/// that it is at.
pub type ApplyProgress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

impl Store {
    /// Carries out a plan that operators approved. One that was begun is gone on with; so is, first of all, whatever
    /// deletion another process did not come to the end of.
    ///
    /// Of each segment it is said in the log what will go, after all holds and policies up to then were looked at; then
    /// it goes; then that is said too. Of a record that went there is left what its entry says. What the log has of it
    /// elsewhere goes as well: index, directories, packs, what was remembered of counts. Then go the plan's artifacts that
    /// nothing names; then its segments move to the warm tier, which takes no approval where it is all that a plan does.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], [`Error::Forged`] and [`Error::Refused`] for a plan that is altered, of another log,
    /// approved by too few, expired or carried out already; [`Error::Locked`] where another process is at it, or moves
    /// segments; [`Error::Fault`] where a segment is damaged or not what its seal states: it stays as it is; as
    /// [`Store::append`].
    pub fn apply_plan(&self, plan: &Approved<Plan>, progress: ApplyProgress<'_>) -> Result<Applied> {
        let guard = self.inner.log.own_tiers()?;
        // What a process that was killed left behind the head is taken over: it may say what goes.
        self.inner.log.transact(|_| Ok(()))?;
        let finished = self.finish_deletions(&guard)?;
        let finished_artifacts = self.finish_collections()?;
        let state = self.snapshot()?.retention()?;
        let mut applied = Applied::default();
        let mut is_carried_out = false;
        if let Some((seq, begun)) = state.begun(plan) {
            let own = || finished.iter().filter(|deleting| deleting.plan == seq);
            applied.plan = Some(seq);
            applied.deleted = sum(own().map(|deleting| deleting.delete));
            applied.segments = own().count() as u64;
            (applied.artifacts.artifacts, applied.artifacts.bytes) =
                finished_artifacts.get(&seq).copied().unwrap_or_default();
            is_carried_out = state.left_of(seq, &begun.matter) == 0;
        }
        if !is_carried_out || (applied.segments == 0 && applied.artifacts.artifacts == 0) {
            self.check_plan(plan)?;
        }
        let mut is_wanted = true;
        if plan.matter.deletes() && !is_carried_out {
            self.check_all_here(plan)?;
            let seq = self.begin(plan)?;
            applied.plan = Some(seq);
            is_wanted = self.carry_out_deletions(plan, seq, &mut applied, progress, &guard)?;
        }
        let (done, total) = (applied.deleted.events, applied.deleted.events + applied.left);
        let mut go_on = || is_wanted && progress(done, total);
        applied.moved = self.carry_out_moves(&plan.matter, &mut go_on, &guard)?;
        drop(guard);
        // Caches: what cannot be made now is made by whoever misses it.
        let _ = self.inner.log.head().and_then(|head| self.inner.log.write_directories(&head));
        Ok(applied)
    }

    /// Deletes the records of a plan and then its artifacts; whether to go on with it.
    fn carry_out_deletions(
        &self,
        plan: &Approved<Plan>,
        seq: Seq,
        applied: &mut Applied,
        progress: ApplyProgress<'_>,
        guard: &TiersGuard,
    ) -> Result<bool> {
        let mut is_wanted = true;
        while is_wanted {
            let snapshot = self.snapshot()?;
            let due = self.still_due(&snapshot, plan)?;
            applied.spared = sum(due.values().map(|due| due.spared));
            applied.left = sum(due.values().map(|due| due.delete)).events;
            let total = applied.deleted.events + applied.left;
            is_wanted = progress(applied.deleted.events, total);
            let mut due = due.into_iter().filter(|(_, due)| !due.seqs.is_empty());
            let mut outdated = false;
            while let Some((id, due)) = due.next().filter(|_| is_wanted && !outdated) {
                let delete = due.delete;
                outdated = !self.delete(&snapshot, id, (seq, plan), due, guard)?;
                if !outdated {
                    applied.deleted = sum([applied.deleted, delete].into_iter());
                    applied.left -= delete.events;
                    applied.segments += 1;
                    is_wanted = progress(applied.deleted.events, total);
                }
            }
            if !outdated {
                break;
            }
        }
        let (before, done) = (applied.artifacts, applied.deleted.events);
        let total = done + applied.left;
        let collected = self.collect(plan, seq, &mut || {
            is_wanted = is_wanted && progress(done, total);
            is_wanted
        })?;
        let (artifacts, bytes) = (collected.artifacts + before.artifacts, collected.bytes + before.bytes);
        applied.artifacts = Collected { artifacts, bytes, ..collected };
        Ok(is_wanted)
    }

    /// Refuses a plan for segments that are in the archive: their files are not written to, so the segments come back first.
    fn check_all_here(&self, plan: &Approved<Plan>) -> Result<()> {
        let mut away = Vec::new();
        for segment in &plan.matter.segments {
            away.extend(
                self.inner.log.files.log(SegmentId(segment.first_seq))?.archived.as_ref().map(Arc::clone),
            );
        }
        let (Some(first), Some(last)) = (away.first(), away.last()) else { return Ok(()) };
        let (from, to, place) = (first.segment.id.0, last.segment.end_seq, &first.segment.archive);
        let are = if away.len() == 1 { "is" } else { "are" };
        let reason = format!(
            "{} of its segments {are} in the archive; bring them back, carry it out, archive them again and remove the files \
             that have what was deleted: `indelible archive restore --segments {from}..{to}`, this command, `indelible \
             archive copy {place} --drop`, `indelible archive prune {place}`",
            away.len()
        );
        Err(refused("plan", reason))
    }

    /// Begins a plan: from then on it is in the log, with its approvals.
    fn begin(&self, plan: &Approved<Plan>) -> Result<Seq> {
        self.administer(|state| {
            if let Some((seq, _)) = state.begun(plan) {
                return if state.left_of(seq, &plan.matter) == 0 {
                    Err(carried_out(seq))
                } else {
                    Ok(Decided::Known(seq))
                };
            }
            self.check(plan, state, state.operators.required_to_delete())?;
            Ok(Decided::Write(Box::new(Admin::Plan(plan.clone()))))
        })
    }

    fn still_due(&self, snapshot: &Snapshot, plan: &Approved<Plan>) -> Result<BTreeMap<SegmentId, Due>> {
        let (state, as_of) = (snapshot.retention()?, plan.statement.as_of);
        plan::still_due(&self.inner.log, &snapshot.head, &snapshot.catalog, &state, &plan.matter, as_of)
    }

    /// Deletes what is due of one segment; false where a hold or a policy came since `snapshot`, and nothing was done.
    fn delete(
        &self,
        snapshot: &Snapshot,
        id: SegmentId,
        (plan, approved): (Seq, &Approved<Plan>),
        due: Due,
        guard: &TiersGuard,
    ) -> Result<bool> {
        let (log, catalog) = (&self.inner.log, &snapshot.catalog);
        let gone = Gone { plan, seqs: &due.seqs };
        let commitment = rewrite::commitment(log, catalog, id, gone)?;
        let deleting = Deleting {
            delete: due.delete,
            first_seq: id.0,
            index_root: commitment.index_root.to_string(),
            plan,
            rules: commitment.rules.to_string(),
            seqs: due.seqs,
            spared: due.spared,
        };
        let begun = log.transact(|session: &mut Session<'_>| {
            self.check_time(&approved.statement)?;
            let now = log.catalog(session.head())?;
            for place in now.admin.iter().filter(|place| place.seq >= catalog.admin_end) {
                if matches!(log.admin(place)?, Admin::Hold(_) | Admin::Policy(_)) {
                    return Ok(None);
                }
            }
            let committed =
                session.write(&[NewRecord::admin(&Admin::Deleting(deleting.clone()).encode())])?;
            session.sync()?;
            Ok(Some(committed.first_seq))
        })?;
        let Some(seq) = begun else { return Ok(false) };
        self.carry_out(seq, &deleting, guard)?;
        Ok(true)
    }

    /// Comes to the end of what was begun and not said to be done; what that was.
    fn finish_deletions(&self, guard: &TiersGuard) -> Result<Vec<Deleting>> {
        let begun = self.snapshot()?.retention()?.deletions.into_iter().filter(|deletion| !deletion.done);
        begun
            .map(|deletion| {
                self.carry_out(deletion.seq, &deletion.deleting, guard)?;
                Ok(deletion.deleting)
            })
            .collect()
    }

    fn carry_out(&self, seq: Seq, deleting: &Deleting, guard: &TiersGuard) -> Result<()> {
        let (log, id) = (&self.inner.log, SegmentId(deleting.first_seq));
        let catalog = log.catalog(&log.head()?)?;
        let place = catalog.sealed_at(id.0).filter(|place| place.first_seq == id.0);
        let place = place.ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })?;
        let was_warm = matches!(log.files.sealed(id)?, Sealed::Pack(_));
        rewrite::rewrite(log, &catalog, place, (seq, deleting), guard)?;
        if was_warm {
            let catalog = log.catalog(&log.head()?)?;
            let place = catalog
                .sealed_at(id.0)
                .ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })?;
            // What was begun is done whole: who stops it stops behind it.
            compact::compact(log, &catalog, place, guard, &mut |_, _| true)?;
        }
        Ok(())
    }
}

fn sum(tallies: impl Iterator<Item = Tally>) -> Tally {
    tallies.fold(Tally::default(), |all, each| Tally {
        bytes: all.bytes + each.bytes,
        events: all.events + each.events,
    })
}
