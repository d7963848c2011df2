//! What was deleted of a sealed segment, as the records of a bundle say it: each `store.deleting` record of the segment, held
//! against the plan that operators approved; and the index of what stayed, which the last of them commits to.
//!
//! A bundle without such a record is checked against the seal, which binds its operator to more: to hide a deletion is to owe
//! the events that were deleted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::authority::{Authority, LEEWAY_NS};
use super::shown::ShownIndex;
use crate::format::index::TermKind;
use crate::format::retention::{Approved, Deleting, Plan};
use crate::hash::Hash;
use crate::trust::VerifierKey;
use crate::{Error, Result, Seq, Timestamp};

/// The field that says of each deleted record by which plan.
pub(crate) const DELETED: &str = "deleted";

/// The `store.deleting` records of a bundle.
#[derive(Debug, Default)]
pub(super) struct Deletings(BTreeMap<Seq, (Timestamp, Deleting)>);

/// Plans that were found to be approved, and by whom: many segments are deleted from by one.
pub(super) type ApprovedPlans<'a> = BTreeMap<Seq, (&'a Approved<Plan>, Vec<VerifierKey>)>;

/// What was deleted of a segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Restated {
    /// The commitments to the index and to its rules, by one deletion after the other.
    stated: Vec<(Hash, Hash)>,
    /// The deleted records' offsets, by plan.
    by_plan: BTreeMap<Seq, ByPlan>,
}

/// What was deleted by one plan.
#[derive(Debug, Clone)]
pub(super) struct ByPlan {
    pub(super) offsets: RoaringBitmap,
    /// Why, as the plan says.
    pub(super) reason: String,
    /// The operators who approved it.
    pub(super) approved_by: Vec<VerifierKey>,
}

fn forged(reason: String) -> Error {
    Error::Forged { what: "deletion", reason }
}

impl Deletings {
    pub(super) fn push(&mut self, seq: Seq, received_at: Timestamp, deleting: Deleting) {
        self.0.insert(seq, (received_at, deleting));
    }

    /// What was deleted of the sealed segment of these seqs; nothing where no record here says so. `plans` are those that
    /// were found to be approved before.
    ///
    /// # Errors
    /// [`Error::Forged`] where a record says what no plan allows; as [`Authority::approved`].
    pub(super) fn of_segment<'a>(
        &self,
        segment: &Range<Seq>,
        authority: &'a Authority,
        plans: &mut ApprovedPlans<'a>,
    ) -> Result<Option<Restated>> {
        let mut restated: Option<Restated> = None;
        let own = self.0.iter().filter(|(_, (_, deleting))| deleting.first_seq == segment.start);
        for (&seq, (received_at, deleting)) in own {
            let (plan, approved_by) = match plans.entry(deleting.plan) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(authority.approved(deleting.plan)?),
            };
            let matter = &plan.matter;
            let late = received_at.0.saturating_sub(plan.statement.expires.0);
            if deleting.plan > seq || seq <= segment.end || late >= LEEWAY_NS {
                return Err(forged(format!(
                    "record {seq} comes before its segment's seal or its plan, or too late"
                )));
            }
            let planned = matter.segments.iter().filter(|planned| planned.first_seq == segment.start);
            let planned: Vec<&(Seq, Seq)> = planned.flat_map(|planned| &planned.seqs).collect();
            let mut offsets = RoaringBitmap::new();
            for (start, end) in &deleting.seqs {
                // They ascend; a plan in which they do not allows less.
                let before = planned.partition_point(|(from, _)| from <= start);
                let last = before.checked_sub(1).and_then(|at| planned.get(at));
                let is_planned = last.is_some_and(|(_, to)| end <= to);
                if start >= end || *start < segment.start || *end > segment.end || !is_planned {
                    return Err(forged(format!(
                        "record {seq} names seqs {start} to {end}, which its plan does not have in this segment"
                    )));
                }
                let offset = |seq: &Seq| (seq - segment.start) as u32;
                offsets.insert_range(offset(start)..offset(end));
            }
            let hash = |text: &str| {
                Hash::from_hex(text).ok_or_else(|| forged(format!("record {seq} has a hash that is none")))
            };
            let restated = restated.get_or_insert_default();
            if restated.gone().intersection_len(&offsets) > 0 {
                return Err(forged(format!("record {seq} names what was deleted before")));
            }
            restated.stated.push((hash(&deleting.index_root)?, hash(&deleting.rules)?));
            let why = || {
                let rules: Vec<&str> = matter.rules.iter().map(|rule| rule.name.as_str()).collect();
                if matter.reason.is_empty() {
                    format!("by policy: {}", rules.join(", "))
                } else {
                    matter.reason.clone()
                }
            };
            let by_plan = restated.by_plan.entry(deleting.plan).or_insert_with(|| ByPlan {
                offsets: RoaringBitmap::new(),
                reason: why(),
                approved_by: approved_by.clone(),
            });
            by_plan.offsets |= offsets;
        }
        Ok(restated)
    }
}

impl Restated {
    /// The commitment to the index of what stayed, and to its rules: that of the last deletion.
    pub(super) fn standing(&self) -> (Hash, Hash) {
        self.stated.last().copied().unwrap_or((Hash::ZERO, Hash::ZERO))
    }

    /// The index roots that earlier deletions stated.
    pub(super) fn before(&self) -> impl Iterator<Item = Hash> {
        self.stated.iter().rev().skip(1).map(|(root, _)| *root)
    }

    /// The offsets of all records that were deleted.
    pub(super) fn gone(&self) -> RoaringBitmap {
        self.by_plan.values().fold(RoaringBitmap::new(), |gone, by_plan| gone | &by_plan.offsets)
    }

    pub(super) fn by_plan(&self) -> impl Iterator<Item = (Seq, &ByPlan)> {
        self.by_plan.iter().map(|(plan, by_plan)| (*plan, by_plan))
    }

    /// Whether the index that is shown says that just these records were deleted, each by its plan, and names none of them
    /// elsewhere.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where it is not shown, [`Error::Forged`] where it says something else.
    pub(super) fn agrees(&self, segment: &Range<Seq>, shown: &ShownIndex) -> Result<()> {
        let of = format!("of records {} to {}", segment.start, segment.end - 1);
        let Some(vocabulary) = shown.vocabulary(DELETED) else {
            let reason = format!("it is not shown which {of} the index says to be deleted");
            return Err(Error::Incomplete { what: "deletion", reason });
        };
        let mut stated = BTreeMap::new();
        for (term, posting) in vocabulary {
            let Some(posting) = posting else {
                let reason = format!("it is not shown which {of} the index says to be deleted by a plan");
                return Err(Error::Incomplete { what: "deletion", reason });
            };
            stated.insert((term.kind, term.bytes.to_vec()), posting);
        }
        let by_plan = self.by_plan.iter();
        let expected: BTreeMap<_, _> = by_plan
            .map(|(plan, by_plan)| ((TermKind::Number, plan.to_string().into_bytes()), &by_plan.offsets))
            .collect();
        if stated != expected {
            return Err(forged(format!(
                "{of}, the index says others to be deleted than the records that delete them"
            )));
        }
        let gone = self.gone();
        let mut others = shown.iter().filter(|(field, ..)| *field != DELETED);
        match others.find(|(.., posting)| posting.is_some_and(|posting| !posting.is_disjoint(&gone))) {
            Some((field, ..)) => {
                Err(forged(format!("{of}, the index names for {field} one that was deleted")))
            }
            None => Ok(()),
        }
    }
}
