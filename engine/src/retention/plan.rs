//! Plans: what is due as of a time, written down before anything is done. The same log and time give the same plan.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::age::Ages;
use super::judge::Judge;
use super::moves;
use super::refused;
use super::state::State;
use super::uses::Uses;
use super::walk::{Visited, walk};
use crate::artifact::{ArtifactId, Artifacts};
use crate::format::artifact::hash_of;
use crate::format::head::Head;
use crate::format::retention::{Locked, Plan, PlannedArtifact, PlannedSegment, Reasoned, Tally};
use crate::log::{Catalog, Log};
use crate::{Error, Result, SegmentId, Seq, Timestamp, limits};

/// The name under which a plan lists events that were chosen one by one.
pub(crate) const CHOSEN: &str = "chosen";

/// A plan as it grows.
#[derive(Debug, Default)]
struct Draft {
    plan: Plan,
    range_count: usize,
    rules: BTreeMap<(Seq, String), Tally>,
    locked: BTreeMap<Seq, Locked>,
    held: BTreeMap<(Seq, String), Tally>,
}

impl Tally {
    pub(crate) fn add(&mut self, body_len: usize) {
        self.events += 1;
        self.bytes += body_len as u64;
    }
}

impl Draft {
    /// Adds a record that is to be deleted, unless the plan has no room for another range.
    fn delete(
        &mut self,
        segment: SegmentId,
        seq: Seq,
        body_len: usize,
        reason: (Seq, &str),
    ) -> ControlFlow<()> {
        let segments = &mut self.plan.segments;
        if segments.last().is_none_or(|last| last.first_seq != segment.0) {
            segments.push(PlannedSegment { first_seq: segment.0, seqs: Vec::new() });
        }
        let ranges = segments.last_mut().map(|last| &mut last.seqs);
        if let Some(ranges) = ranges {
            match ranges.last_mut() {
                Some((_, end)) if *end == seq => *end = seq + 1,
                _ if self.range_count == limits::PLAN_RANGES_MAX => {
                    self.plan.more = true;
                    return ControlFlow::Break(());
                }
                _ => {
                    ranges.push((seq, seq + 1));
                    self.range_count += 1;
                }
            }
        }
        self.plan.delete.add(body_len);
        self.rules.entry((reason.0, reason.1.to_owned())).or_default().add(body_len);
        ControlFlow::Continue(())
    }

    fn finish(mut self) -> Plan {
        let listed = |tallies: BTreeMap<(Seq, String), Tally>| {
            tallies.into_iter().map(|((seq, name), tally)| Reasoned { name, seq, tally }).collect()
        };
        self.plan.segments.retain(|segment| !segment.seqs.is_empty());
        self.plan.rules = listed(self.rules);
        self.plan.held = listed(self.held);
        self.plan.locked = self.locked.into_values().collect();
        self.plan
    }
}

/// What the policies let go as of a time: the sealed records whose periods are over and that no hold keeps.
pub(crate) fn by_policy(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    as_of: Timestamp,
) -> Result<Plan> {
    if state.policy().is_none() {
        let reason =
            "there is no policy, and without one all is kept; set one with `indelible retention set`";
        return Err(refused("plan", reason));
    }
    let mut judge = Judge::new(log, catalog, state)?;
    let mut draft = Draft::default();
    // Where all is kept for ever, nothing is old enough.
    let shortest_s = judge.policies.shortest_s().unwrap_or(u64::MAX);
    let youngest =
        as_of.0.saturating_sub(i64::try_from(shortest_s).unwrap_or(i64::MAX).saturating_mul(1_000_000_000));
    walk(log, head, catalog, Ages::new(state.vouched()), |visited| {
        let Visited { subject, stored_at, segment, sealed, .. } = visited;
        if !sealed || stored_at.0 > youngest {
            return Ok(ControlFlow::Break(()));
        }
        let Some(kept) = judge.kept(subject) else { return Ok(ControlFlow::Continue(())) };
        if kept.due(*stored_at).is_none_or(|due| due > as_of) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut held = false;
        for placed in judge.held_by(subject) {
            held = true;
            let tally = draft.held.entry((placed.seq, placed.hold.name.clone())).or_default();
            tally.add(subject.body.len());
        }
        if held {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(lock) = state.lock(*segment).filter(|lock| lock.until > as_of) {
            let locked = draft.locked.entry(segment.0).or_insert_with(|| lock.clone());
            locked.tally.add(subject.body.len());
            return Ok(ControlFlow::Continue(()));
        }
        Ok(draft.delete(*segment, subject.seq, subject.body.len(), (kept.policy, kept.rule)))
    })?;
    let mut plan = draft.finish();
    add_artifacts(log, head, catalog, state, &mut plan, as_of)?;
    let (moves, more) = moves::due(log, catalog, state, as_of)?;
    (plan.moves, plan.more) = (moves, plan.more || more);
    Ok(plan)
}

/// Adds the artifacts that no event names but those that the plan deletes. Where these were chosen one by one, only the
/// artifacts that they name.
fn add_artifacts(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    plan: &mut Plan,
    as_of: Timestamp,
) -> Result<()> {
    let room = Artifacts::new(&*log.world.disk, log.layout.artifacts_dir());
    let mut uses = Uses::new(room.list()?, state);
    uses.read(log, head, catalog, &planned(plan))?;
    for (id, used) in uses.into_inner() {
        let is_asked_for = plan.reason.is_empty() || used.leaving > 0;
        if !is_asked_for || !used.is_collectable(head.next_seq, as_of) {
            continue;
        }
        if plan.artifacts.len() == limits::PLAN_ARTIFACTS_MAX {
            plan.more = true;
            break;
        }
        if let Some(bytes) = room.stored_len(id)? {
            plan.artifacts.push(PlannedArtifact { artifact: id.to_string(), bytes });
        }
    }
    Ok(())
}

/// The records that a plan deletes: ranges of seqs, ascending.
fn planned(plan: &Plan) -> Vec<(Seq, Seq)> {
    plan.segments.iter().flat_map(|segment| segment.seqs.iter().copied()).collect()
}

/// The artifacts that a plan names.
pub(crate) fn artifacts(plan: &Plan) -> Result<Vec<ArtifactId>> {
    let id = |planned: &PlannedArtifact| {
        let name = &planned.artifact;
        hash_of(name)
            .map(ArtifactId)
            .ok_or_else(|| refused("plan", format!("{name:?} is no artifact's name")))
    };
    plan.artifacts.iter().map(id).collect()
}

/// What is deleted of one segment now.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Ranges of seqs, ascending, with gaps between them.
    pub(crate) seqs: Vec<(Seq, Seq)>,
    pub(crate) delete: Tally,
    /// What was planned and stays.
    pub(crate) spared: Tally,
}

/// What of a plan's records may go, by segment: those that are still there, and that no hold and no longer policy keeps
/// that came after the plan was made.
pub(crate) fn still_due(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    plan: &Plan,
    as_of: Timestamp,
) -> Result<BTreeMap<SegmentId, Due>> {
    let mut judge = Judge::new(log, catalog, state)?;
    let mut due: BTreeMap<SegmentId, Due> = BTreeMap::new();
    let planned = planned(plan);
    let mut rest = planned.as_slice();
    walk(log, head, catalog, Ages::new(state.vouched()), |visited| {
        let Visited { subject, stored_at, segment, sealed, .. } = visited;
        while rest.first().is_some_and(|(_, end)| *end <= subject.seq) {
            rest = &rest[1..];
        }
        let Some((start, _)) = rest.first().filter(|_| *sealed) else { return Ok(ControlFlow::Break(())) };
        if subject.seq < *start {
            return Ok(ControlFlow::Continue(()));
        }
        // What was chosen for a reason goes before its time, unless a locked rule keeps it.
        let kept = judge.kept(subject).filter(|kept| plan.reason.is_empty() || kept.locked);
        let keeps = kept.is_some_and(|kept| kept.due(*stored_at).is_none_or(|due| due > as_of));
        let due = due.entry(*segment).or_default();
        if keeps || judge.held_by(subject).next().is_some() {
            due.spared.add(subject.body.len());
            return Ok(ControlFlow::Continue(()));
        }
        due.delete.add(subject.body.len());
        match due.seqs.last_mut() {
            Some((_, end)) if *end == subject.seq => *end += 1,
            _ => due.seqs.push((subject.seq, subject.seq + 1)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(due)
}

/// A plan for records that were chosen one by one, whatever the policies say of them: what is held, or kept by a locked
/// rule, cannot be chosen.
pub(crate) fn chosen(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    (seqs, reason): (&[Seq], &str),
    as_of: Timestamp,
) -> Result<Plan> {
    let mut wanted: Vec<Seq> = seqs.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    if reason.trim().is_empty() {
        return Err(refused("redaction", "it needs a reason"));
    }
    let mut judge = Judge::new(log, catalog, state)?;
    let mut draft = Draft { plan: Plan { reason: reason.to_owned(), ..Plan::default() }, ..Draft::default() };
    let mut rest = wanted.as_slice();
    walk(log, head, catalog, Ages::new(state.vouched()), |visited| {
        let Visited { subject, stored_at, segment, sealed, .. } = visited;
        let Some((&next, behind)) = rest.split_first() else { return Ok(ControlFlow::Break(())) };
        if next < subject.seq {
            return Ok(ControlFlow::Break(()));
        }
        if next > subject.seq {
            return Ok(ControlFlow::Continue(()));
        }
        rest = behind;
        if !sealed {
            let reason = format!("record {next} is in the active segment; seal it first: `indelible seal`");
            return Err(refused("redaction", reason));
        }
        if let Some(placed) = judge.held_by(subject).next() {
            return Err(refused("redaction", format!("record {next} is held by {:?}", placed.hold.name)));
        }
        if let Some(lock) = state.lock(*segment).filter(|lock| lock.until > as_of) {
            let reason =
                format!("record {next} is in {}, which is locked until {}", lock.archive, lock.until);
            return Err(refused("redaction", reason));
        }
        let kept = judge.kept(subject).filter(|kept| kept.locked);
        if let Some(kept) = kept.filter(|kept| kept.due(*stored_at).is_none_or(|due| due > as_of)) {
            let until =
                kept.due(*stored_at).map_or_else(|| "for ever".to_owned(), |due| format!("until {due}"));
            let reason = format!("record {next} is kept {until} by the locked rule {:?}", kept.rule);
            return Err(refused("redaction", reason));
        }
        Ok(match draft.delete(*segment, next, subject.body.len(), (0, CHOSEN)) {
            ControlFlow::Break(()) => {
                let limit = limits::PLAN_RANGES_MAX as u64;
                return Err(Error::OverLimit {
                    what: "the number of records",
                    found: seqs.len() as u64,
                    limit,
                });
            }
            going_on => going_on,
        })
    })?;
    match rest.first() {
        Some(seq) => Err(refused("redaction", format!("record {seq} is no event of this log"))),
        None => {
            let mut plan = draft.finish();
            add_artifacts(log, head, catalog, state, &mut plan, as_of)?;
            Ok(plan)
        }
    }
}
