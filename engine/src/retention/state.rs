//! What the store's own records come to: the policies, the operators, the holds, the plans. A fold over the records in
//! the order of the log.

use std::collections::{BTreeMap, BTreeSet};

use super::hold::PlacedHold;
use super::moves;
use crate::format::admin::{Admin, Tiered};
use crate::format::keys::{KeyRevocation, KeyRotation};
use crate::format::retention::{Approved, Collecting, Deleting, Locked, Plan, Policy, Tally, Terms};
use crate::log::{Catalog, Log};
use crate::trust::{LogKeys, Revoked, VerifierKey};
use crate::{Error, Result, SegmentId, Seq, Timestamp};

/// How many operators it takes, unless a log says otherwise.
pub(crate) const THRESHOLD_DEFAULT: u32 = 2;

/// What a log's own records say of retention, as of one size of the log.
#[derive(Debug, Clone)]
pub struct State {
    /// All policies ever in force, ascending, by the seqs of their records.
    pub policies: Vec<(Seq, Policy)>,
    /// The operators.
    pub operators: OperatorsInForce,
    /// All holds ever placed.
    pub holds: Vec<PlacedHold>,
    /// The keys that sign the log's checkpoints.
    pub keys: LogKeys,
    /// All plans that were begun, ascending, by the seqs of their records.
    pub plans: Vec<(Seq, Approved<Plan>)>,
    /// All deletions that were begun, ascending, by the seqs of their records.
    pub deletions: Vec<Deletion>,
    /// What artifacts were collected, ascending, by the seqs of the records that say so before they go.
    pub collections: Vec<(Seq, Collecting)>,
    /// The locks on files of the archive, by the first seqs of their segments; segments that are here have none.
    locks: BTreeMap<Seq, Locked>,
}

/// What was deleted of one segment, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The seq of the `store.deleting` record.
    pub seq: Seq,
    /// What that says.
    pub deleting: Deleting,
    /// Whether it is said to be done.
    pub done: bool,
}

/// Who may approve what.
#[derive(Debug, Clone)]
pub struct OperatorsInForce {
    /// The seq of the record that names them.
    pub seq: Seq,
    /// Their keys, ascending by their texts.
    pub keys: Vec<VerifierKey>,
    /// How many of them it takes to delete, and to release a hold.
    pub threshold: u32,
}

impl OperatorsInForce {
    /// Whether a key is an operator's, whatever name it goes by.
    pub fn has(&self, key: &VerifierKey) -> bool {
        self.keys.iter().any(|known| known.public_key() == key.public_key())
    }

    /// How many of them it takes to delete, and to release a hold: never none.
    pub fn required_to_delete(&self) -> usize {
        self.threshold.max(1) as usize
    }

    /// How many of them it takes to change the operators: no more than there are, so that the first is named freely.
    pub fn required_to_change(&self) -> usize {
        self.required_to_delete().min(self.keys.len())
    }
}

impl State {
    /// How long the hot tier must have an event at least, in seconds, whatever rule applies to it.
    pub fn hot_s(&self) -> u64 {
        self.longest(|terms| terms.hot_s)
    }

    /// How long an event must stay out of the archive at least, in seconds, whatever rule applies to it.
    pub fn local_s(&self) -> u64 {
        self.longest(|terms| terms.hot_s.max(terms.warm_s))
    }

    fn longest(&self, of: impl Fn(&Terms) -> Option<u64>) -> u64 {
        let terms = self
            .policies
            .iter()
            .flat_map(|(_, policy)| policy.rules.iter().map(|rule| &rule.terms).chain([&policy.default]));
        terms.filter_map(of).max().unwrap_or(0)
    }

    /// The state as of `catalog`.
    pub(crate) fn read(log: &Log, catalog: &Catalog) -> Result<State> {
        let operators = OperatorsInForce { seq: 0, keys: Vec::new(), threshold: THRESHOLD_DEFAULT };
        let mut state = State {
            policies: Vec::new(),
            operators,
            holds: Vec::new(),
            keys: LogKeys::default(),
            plans: Vec::new(),
            deletions: Vec::new(),
            collections: Vec::new(),
            locks: BTreeMap::new(),
        };
        for place in &catalog.admin {
            state.fold(place.seq, log.admin(place)?)?;
        }
        Ok(state)
    }

    fn fold(&mut self, seq: Seq, admin: Admin) -> Result<()> {
        State::fold_keys(&mut self.keys, seq, &admin)?;
        match admin {
            Admin::Policy(policy) => self.policies.push((seq, policy)),
            Admin::Operators(approved) => {
                let keys: Result<Vec<VerifierKey>> =
                    approved.matter.keys.iter().map(|key| key.parse()).collect();
                let threshold = approved.matter.threshold;
                self.operators = OperatorsInForce { seq, keys: keys?, threshold };
            }
            Admin::Hold(hold) => self.holds.push(PlacedHold { seq, hold, released_at: None }),
            Admin::HoldReleased(approved) => {
                for placed in self.holds.iter_mut().filter(|placed| placed.seq == approved.matter.hold) {
                    placed.released_at = Some(seq);
                }
            }
            Admin::Plan(plan) => self.plans.push((seq, plan)),
            Admin::Deleting(deleting) => self.deletions.push(Deletion { seq, deleting, done: false }),
            Admin::Deleted(deleted) => {
                let of = |deletion: &&mut Deletion| deletion.seq == deleted.deleting;
                self.deletions.iter_mut().filter(of).for_each(|deletion| deletion.done = true);
            }
            Admin::Tier(Tiered { archive, first_seq, locked_until, tier, .. }) => {
                self.locks.remove(&first_seq);
                if let Some(until) = locked_until.filter(|_| tier == moves::TO_ARCHIVE) {
                    self.locks
                        .insert(first_seq, Locked { archive, first_seq, tally: Tally::default(), until });
                }
            }
            Admin::Collecting(collecting) => self.collections.push((seq, collecting)),
            _ => {}
        }
        Ok(())
    }

    /// The log's keys behind one more of its own records.
    pub(crate) fn fold_keys(keys: &mut LogKeys, seq: Seq, admin: &Admin) -> Result<()> {
        // No writer of ours makes a record that changes them as they cannot be changed: `verify` says more of it.
        let forged = |reason| Error::Forged { what: "record of the log's keys", reason };
        match admin {
            Admin::Created { log_key: Some(key), .. } => *keys = LogKeys::new(Some(key.parse()?)),
            Admin::Key(approved) => {
                let KeyRotation { from, to } = &approved.matter;
                keys.rotate(seq, &from.parse()?, &to.parse()?).map_err(forged)?;
            }
            Admin::KeyRetired(approved) => {
                keys.retire(seq, &approved.matter.key.parse()?).map_err(forged)?;
            }
            Admin::KeyRevoked(approved) => {
                let KeyRevocation { key, reason, size } = &approved.matter;
                let by = approved.approvals.iter().filter_map(|it| it.key.parse::<VerifierKey>().ok());
                let by = by.map(|key| key.short()).collect();
                let revoked = Revoked { seq, size: *size, reason: reason.clone(), by };
                keys.revoke(&key.parse()?, revoked).map_err(forged)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The record by which a plan was begun, and the plan as it stands there. One that names the same, as of another time,
    /// is another plan: an artifact that went can have been put again.
    pub(crate) fn begun(&self, plan: &Approved<Plan>) -> Option<(Seq, &Approved<Plan>)> {
        let found = self.plans.iter().find(|(_, known)| known.statement == plan.statement);
        found.map(|(seq, known)| (*seq, known))
    }

    /// How many of a plan's records no deletion names yet, and how many of its artifacts nothing says are collected.
    pub(crate) fn left_of(&self, seq: Seq, plan: &Plan) -> u64 {
        let deleted = self.deletions.iter().filter(|deletion| deletion.deleting.plan == seq);
        let deleted: u64 = deleted.map(|deletion| deletion.deleting.delete.events).sum();
        let collected = self.collections.iter().filter(|(_, collecting)| collecting.plan == seq);
        let collected: BTreeSet<&String> =
            collected.flat_map(|(_, collecting)| &collecting.artifacts).collect();
        let left = plan.artifacts.iter().filter(|planned| !collected.contains(&planned.artifact)).count();
        plan.delete.events.saturating_sub(deleted) + left as u64
    }

    /// The lock on a segment's file in the archive.
    pub(crate) fn lock(&self, segment: SegmentId) -> Option<&Locked> {
        self.locks.get(&segment.0)
    }

    /// The policy in force.
    pub fn policy(&self) -> Option<&(Seq, Policy)> {
        self.policies.last()
    }

    /// The hold of that name that stands.
    pub fn hold(&self, name: &str) -> Option<&PlacedHold> {
        self.standing_holds().find(|placed| placed.hold.name == name)
    }

    /// The holds that stand.
    pub fn standing_holds(&self) -> impl Iterator<Item = &PlacedHold> {
        self.holds.iter().filter(|placed| placed.released_at.is_none())
    }

    /// The times that operators vouched for, by the seqs of their plans.
    pub(crate) fn vouched(&self) -> impl Iterator<Item = (Seq, Timestamp)> {
        self.plans.iter().map(|(seq, plan)| (*seq, plan.statement.as_of))
    }
}
