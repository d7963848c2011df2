//! What was deleted, and by whose leave: every stub must be named by a `store.deleting` record of an approved plan, and
//! what such a record names must be gone once another says so. What stayed is held against the index root that was
//! stated for it before anything went. Artifacts go by the same leave.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use roaring::RoaringTreemap;

use super::authority::{Administered, LEEWAY_NS, Wrong};
use super::chain::Sealable;
use super::report::{Finding, FindingClass, Remark, Report};
use super::segment::Outcome;
use crate::format::admin::Admin;
use crate::format::artifact::hash_of;
use crate::format::retention::{Deleting, PlannedSegment};
use crate::hash::Hash;
use crate::{Seq, Timestamp};

/// What a record that deletes something must be of.
const PLANNED: &str = "what an approved plan names, in its time";

/// The records of a segment that were deleted, by the plans that their stubs name.
#[derive(Debug, Default)]
pub(super) struct Stubs(BTreeMap<Seq, RoaringTreemap>);

impl Stubs {
    pub(super) fn push(&mut self, seq: Seq, plan: Seq) {
        self.0.entry(plan).or_default().insert(seq);
    }

    fn count(&self) -> u64 {
        self.0.values().map(RoaringTreemap::len).sum()
    }
}

/// A plan that was begun.
struct Begun {
    expires: Timestamp,
    segments: Vec<PlannedSegment>,
    artifacts: HashSet<String>,
}

/// A segment from which records were deleted.
struct Rewritten {
    this: Sealable,
    /// The record that its log names.
    by: Seq,
    stubs: Stubs,
    /// No record of it is missing.
    whole: bool,
}

/// What the log says of deletions, and what its segments are.
#[derive(Default)]
pub(super) struct Deletions {
    plans: HashMap<Seq, Begun>,
    deletings: BTreeMap<Seq, Deleting>,
    /// The deletions that are said to be done.
    done: HashSet<Seq>,
    /// The artifacts that went by a plan, with the records that say so last.
    collected: HashMap<Hash, Seq>,
    rewritten: BTreeMap<Seq, Rewritten>,
    /// The first seqs of all segments that were looked at.
    seen: HashSet<Seq>,
}

impl Deletions {
    /// Takes one of the store's own records into account; what is wrong with it.
    pub(super) fn fold(&mut self, record: &Administered) -> Option<Wrong> {
        match &record.admin {
            Admin::Plan(plan) => {
                let segments = plan.matter.segments.clone();
                let artifacts =
                    plan.matter.artifacts.iter().map(|planned| planned.artifact.clone()).collect();
                let expires = plan.statement.expires;
                self.plans.insert(record.seq, Begun { expires, segments, artifacts });
                None
            }
            Admin::Deleting(deleting) => {
                let wrong = self.unplanned(deleting, record);
                self.deletings.insert(record.seq, deleting.clone());
                wrong
            }
            Admin::Deleted(deleted) => {
                self.done.insert(deleted.deleting);
                let begun = self.deletings.get(&deleted.deleting);
                begun.is_none_or(|begun| begun.first_seq != deleted.first_seq).then(|| {
                    let found = format!("none at {} of segment {}", deleted.deleting, deleted.first_seq);
                    ("a deletion that was begun", found)
                })
            }
            Admin::Collecting(collecting) => {
                let wrong = self.begun(collecting.plan, record).and_then(|plan| {
                    let stray = collecting.artifacts.iter().find(|name| !plan.artifacts.contains(*name));
                    stray.map_or(Ok(()), |name| Err((PLANNED, format!("{name}, which it does not name"))))
                });
                if wrong.is_ok() {
                    let hashes = collecting.artifacts.iter().filter_map(|name| hash_of(name));
                    self.collected.extend(hashes.map(|hash| (hash, record.seq)));
                }
                wrong.err()
            }
            _ => None,
        }
    }

    /// The record by which an artifact went last, where a plan allowed it.
    pub(super) fn collected(&self, hash: &Hash) -> Option<Seq> {
        self.collected.get(hash).copied()
    }

    /// The plan that a record carries out, in its time.
    fn begun(&self, plan: Seq, record: &Administered) -> Result<&Begun, Wrong> {
        let begun = self.plans.get(&plan).ok_or_else(|| (PLANNED, format!("no plan at record {plan}")))?;
        if record.received_at.0.saturating_sub(begun.expires.0) >= LEEWAY_NS {
            return Err((PLANNED, format!("a plan that expired at {}", begun.expires)));
        }
        Ok(begun)
    }

    /// Why a deletion is none that its plan allows.
    fn unplanned(&self, deleting: &Deleting, record: &Administered) -> Option<Wrong> {
        let plan = match self.begun(deleting.plan, record) {
            Ok(plan) => plan,
            Err(wrong) => return Some(wrong),
        };
        let planned = plan.segments.iter().find(|segment| segment.first_seq == deleting.first_seq);
        let planned = planned.map(|segment| segment.seqs.as_slice()).unwrap_or_default();
        // Both may be as long as the segment has records. A plan's ranges ascend.
        let stray = deleting.seqs.iter().find(|(start, end)| {
            let before = planned.partition_point(|(from, _)| from <= start);
            let at = before.checked_sub(1).and_then(|at| planned.get(at));
            start >= end || at.is_none_or(|(_, to)| end > to)
        });
        stray.map(|(start, end)| (PLANNED, format!("records {start} to {end}, which it does not name")))
    }

    /// Takes a segment into account; what its seal says of its index no longer holds where records were deleted.
    pub(super) fn segment(&mut self, outcome: &mut Outcome, this: &mut Sealable) {
        self.seen.insert(this.seqs.start);
        let by = outcome.header.as_ref().map_or(0, |header| header.rewritten_by);
        if by != 0 {
            // Which records are stubs the archive alone says of what is there.
            let whole = outcome.whole && !outcome.left_out;
            let stubs = std::mem::take(&mut outcome.stubs);
            self.rewritten.insert(this.seqs.start, Rewritten { this: this.clone(), by, stubs, whole });
            (this.index_root, this.rules) = (None, None);
        }
    }

    /// Holds the segments against the records, once all were seen; `whole` where no record of the log is missing.
    pub(super) fn settle(&self, whole: bool, report: &mut Report) {
        for rewritten in self.rewritten.values() {
            report.covered.deleted_count += rewritten.stubs.count();
            self.authorised(rewritten, whole, report);
            self.restated(rewritten, report);
        }
        for (seq, deleting) in &self.deletings {
            if !self.seen.contains(&deleting.first_seq) {
                continue;
            }
            let rewritten = self.rewritten.get(&deleting.first_seq);
            if rewritten.is_some_and(|rewritten| rewritten.by >= *seq) {
                continue;
            }
            let file = rewritten.map_or_else(
                || format!("log/{}", crate::SegmentId(deleting.first_seq).file_name("log")),
                |rewritten| rewritten.this.file.clone(),
            );
            if self.done.contains(seq) {
                let expected = format!("stubs, as record {seq} and the one that says it is done have it");
                let finding = Finding::damaged(&file, "deleted events", expected, "the events");
                report.push(finding.seqs(deleting.span()));
            } else {
                let text = format!(
                    "the deletion that record {seq} speaks of is not done: `indelible retention apply` goes on with it"
                );
                report.remarks.push(Remark::new(&file, text));
            }
        }
    }

    /// Whether a segment's stubs are just what the records up to the one that its log names say.
    fn authorised(&self, rewritten: &Rewritten, whole: bool, report: &mut Report) {
        let Rewritten { this, by, stubs, .. } = rewritten;
        let first_seq = this.seqs.start;
        let until = self.deletings.range(..=*by).filter(|(_, deleting)| deleting.first_seq == first_seq);
        let mut allowed: BTreeMap<Seq, RoaringTreemap> = BTreeMap::new();
        for (_, deleting) in until {
            let of_plan = allowed.entry(deleting.plan).or_default();
            for (start, end) in &deleting.seqs {
                // A forged range may be of any length.
                of_plan.insert_range((*start).max(first_seq)..(*end).min(this.seqs.end));
            }
        }
        if self.deletings.get(by).is_none_or(|deleting| deleting.first_seq != first_seq) {
            if stubs.0.is_empty() {
                report.push(unauthorised(this, this.seqs.clone(), whole));
            }
            allowed.clear();
        }
        let none = RoaringTreemap::new();
        for (plan, of_plan) in &stubs.0 {
            for seqs in ranges(of_plan - allowed.get(plan).unwrap_or(&none)) {
                report.push(unauthorised(this, seqs, whole));
            }
        }
        if rewritten.whole {
            let stubs = stubs.0.values().fold(RoaringTreemap::new(), |all, of_plan| all | of_plan);
            for seqs in allowed.values().flat_map(|of_plan| ranges(of_plan - &stubs)) {
                let finding = Finding::damaged(&this.file, "deleted event", "a stub", "the event");
                report.push(finding.seqs(seqs));
            }
        }
    }

    /// Compares the index of what stayed with what was stated of it.
    fn restated(&self, rewritten: &Rewritten, report: &mut Report) {
        let this = &rewritten.this;
        let (Some(deleting), Some(root), Some(rules)) =
            (self.deletings.get(&rewritten.by), this.index_root, this.rules)
        else {
            return;
        };
        for (what, stated, computed) in
            [("index rules", &deleting.rules, rules), ("index root", &deleting.index_root, root)]
        {
            if *stated != computed.to_string() {
                let what = format!("store.deleting of {}: {what}", this.file);
                report.push(Finding::forged(&this.file, what, computed, stated).seqs(this.seqs.clone()));
                mark(this, FindingClass::Forged, report);
            }
        }
        report.covered.index_count += 1;
    }
}

/// The seqs of a set, as ranges.
fn ranges(seqs: RoaringTreemap) -> Vec<Range<Seq>> {
    let mut ranges: Vec<Range<Seq>> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some(last) if last.end == seq => last.end += 1,
            _ => ranges.push(seq..seq + 1),
        }
    }
    ranges
}

fn unauthorised(this: &Sealable, seqs: Range<Seq>, whole: bool) -> Finding {
    let (expected, found) = ("an approved plan that names it", "removed without authority");
    let finding = if whole {
        Finding::forged(&this.file, "deleted event", expected, found)
    } else {
        let found = "a log of which records are missing that may name it";
        Finding::new(FindingClass::Incomplete, &this.file, "deleted event", expected, found)
    };
    finding.seqs(seqs)
}

fn mark(this: &Sealable, class: FindingClass, report: &mut Report) {
    if let Some(verdict) = report.segments.get_mut(this.verdict) {
        verdict.finding_count += 1;
        verdict.class = verdict.class.max(Some(class));
    }
}
