//! Retention through the facade: policies, operators, holds and plans, each written as a record of the store's own.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Snapshot, Store};
use crate::disk::Open;
use crate::format::admin::Admin;
use crate::format::retention::{Approved, Hold, HoldRelease, Matter, OperatorSet, Plan, Policy, Statement};
use crate::log::{NewRecord, Session};
use crate::retention::{
    self, HoldReach, LogIdentity, PlacedHold, State, Status, check, check_log, plan, policy, refused, survey,
};
use crate::trust::{Algorithm, VerifierKey};
use crate::{Error, Result, SegmentId, Seq, Timestamp, limits};

impl Store {
    /// Puts a policy in force, from here on and for all that is in the log; one that is in force already stays. The seq
    /// of its record.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where it makes no sense, or shortens a locked rule; as
    /// [`Store::append`].
    pub fn set_policy(&self, policy: &Policy) -> Result<Seq> {
        self.administer(|state| {
            if let Some((seq, known)) = state.policy()
                && known == policy
            {
                return Ok(Decided::Known(*seq));
            }
            policy::check(policy, state.policy().map(|(_, known)| known))?;
            Ok(Decided::Write(Box::new(Admin::Policy(policy.clone()))))
        })
    }

    /// Places a hold. The seq of its record.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where one of that name stands, or it says not who and why;
    /// [`Error::InvalidFilter`](crate::Error::InvalidFilter); as [`Store::append`].
    pub fn place_hold(&self, hold: &Hold) -> Result<Seq> {
        let words = [("a name", &hold.name), ("a reason", &hold.reason), ("who places it", &hold.by)];
        for (what, word) in words {
            if word.trim().is_empty() {
                return Err(refused("hold", format!("it needs {what}")));
            }
        }
        let all = [&hold.name, &hold.reason, &hold.by, &hold.ticket, &hold.conditions];
        if all.iter().any(|word| word.len() > limits::HOLD_WORD_LEN_MAX) {
            return Err(refused(
                "hold",
                format!("its words may have {} bytes each", limits::HOLD_WORD_LEN_MAX),
            ));
        }
        PlacedHold { seq: 0, hold: hold.clone(), released_at: None }.filter()?.check()?;
        self.administer(|state| {
            if let Some(placed) = state.hold(&hold.name) {
                let reason =
                    format!("one called {:?} stands already, since record {}", hold.name, placed.seq);
                return Err(refused("hold", reason));
            }
            Ok(Decided::Write(Box::new(Admin::Hold(hold.clone()))))
        })
    }

    /// Ends a hold that operators agreed to end. The seq of the record that says so.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`](crate::Error::NotAuthenticated) for too few approvals,
    /// [`Error::Forged`](crate::Error::Forged) and [`Error::Refused`](crate::Error::Refused) for what is wrong with them;
    /// as [`Store::append`].
    pub fn release_hold(&self, release: &Approved<HoldRelease>) -> Result<Seq> {
        self.check_root(release)?;
        self.administer(|state| {
            self.check(release, state, state.operators.required_to_delete())?;
            let HoldRelease { hold, name, .. } = &release.matter;
            if state.hold(name).is_none_or(|placed| placed.seq != *hold) {
                return Err(refused("release", format!("no hold {name:?} of record {hold} stands")));
            }
            Ok(Decided::Write(Box::new(Admin::HoldReleased(release.clone()))))
        })
    }

    /// Changes who the operators are, or how many it takes. The seq of the record that says so.
    ///
    /// The first are named by whoever may write to the store. From then on it takes those that there are.
    ///
    /// # Errors
    /// As [`Store::release_hold`].
    pub fn set_operators(&self, change: &Approved<OperatorSet>) -> Result<Seq> {
        self.check_operators(&change.matter)?;
        self.check_root(change)?;
        self.administer(|state| {
            self.check(change, state, state.operators.required_to_change())?;
            if change.matter.replaces != state.operators.seq {
                let reason = format!(
                    "it replaces the operators of record {}, and those of record {} are in force",
                    change.matter.replaces, state.operators.seq
                );
                return Err(refused("change of operators", reason));
            }
            Ok(Decided::Write(Box::new(Admin::Operators(change.clone()))))
        })
    }

    fn check_operators(&self, set: &OperatorSet) -> Result<()> {
        let refuse = |reason: String| Err(refused("change of operators", reason));
        if set.keys.len() > limits::OPERATORS_MAX {
            return refuse(format!("a log has at most {} operators", limits::OPERATORS_MAX));
        }
        if set.threshold == 0 || !set.keys.is_sorted() {
            return refuse("it takes one operator at least, and their keys stand in order".to_owned());
        }
        let keys = set.keys.iter().map(|key| key.parse()).collect::<Result<Vec<VerifierKey>>>()?;
        let log_keys = self.snapshot()?.log_keys()?;
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|other| other.public_key() == key.public_key()) {
                return refuse(format!("the key of {} stands in it twice", key.name()));
            }
            if key.algorithm() != Algorithm::Ed25519 {
                return refuse(format!(
                    "{} is of {}; operators sign with Ed25519",
                    key.name(),
                    key.algorithm().name()
                ));
            }
            if log_keys.find(key).is_some() {
                return refuse(
                    "the log's own key cannot be an operator's: it is where the log is".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Whether a plan could be carried out here and now: whole, of this log, approved by enough operators, in time, and
    /// not carried out before. Reads; writes nothing.
    ///
    /// # Errors
    /// As [`Store::release_hold`].
    pub fn check_plan(&self, plan: &Approved<Plan>) -> Result<()> {
        let snapshot = self.snapshot()?;
        let state = snapshot.retention()?;
        self.check_root(plan)?;
        let required = if plan.matter.deletes() { state.operators.required_to_delete() } else { 0 };
        self.check(plan, &state, required)?;
        match state.begun(plan) {
            Some((seq, _))
                if state.left_of(seq, &plan.matter) == 0
                    && snapshot.still_to_move(&plan.matter)?.is_empty() =>
            {
                Err(carried_out(seq))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check<M: Matter>(
        &self,
        approved: &Approved<M>,
        state: &State,
        required: usize,
    ) -> Result<()> {
        let now = self.inner.log.world.clock.now();
        check(approved, &self.inner.identity(), &state.operators, required, now)
    }

    /// Whether approvals are good still: what is carried out goes on for long.
    pub(super) fn check_time(&self, statement: &Statement) -> Result<()> {
        let now = self.inner.log.world.clock.now();
        if statement.expires <= now {
            let reason = format!("it was good until {}, and it is {now}; make another", statement.expires);
            return Err(refused("approval", reason));
        }
        Ok(())
    }

    /// Whether what was approved is of this log's history; that never changes, and takes no lock to tell.
    pub(super) fn check_root<M: Matter>(&self, approved: &Approved<M>) -> Result<()> {
        check_log(&approved.statement, &self.inner.identity())?;
        let (snapshot, Statement { tree_size, root, .. }) = (self.snapshot()?, &approved.statement);
        let own = if *tree_size > snapshot.tree_size() {
            format!("none, for it has {} records", snapshot.tree_size())
        } else {
            snapshot.root_at(*tree_size)?.to_string()
        };
        if own != *root {
            let reason =
                format!("it is of a log whose root at size {tree_size} is {root}; this one's is {own}");
            return Err(refused("approval", reason));
        }
        Ok(())
    }

    /// Decides under the lock, on what the log says then, and writes the record that came of it.
    pub(super) fn administer(&self, decide: impl FnOnce(&State) -> Result<Decided>) -> Result<Seq> {
        let log = &self.inner.log;
        log.transact(|session: &mut Session<'_>| {
            let catalog = log.catalog(session.head())?;
            match decide(&State::read(log, &catalog)?)? {
                Decided::Known(seq) => Ok(seq),
                Decided::Write(admin) => {
                    let body = admin.encode();
                    let committed = session.write(&[NewRecord::admin(&body)])?;
                    session.sync()?;
                    Ok(committed.first_seq)
                }
            }
        })
    }
}

pub(super) fn carried_out(plan: Seq) -> Error {
    refused("plan", format!("it was carried out already, by record {plan}"))
}

/// What came of a decision.
pub(super) enum Decided {
    /// It is so already, by this record.
    Known(Seq),
    Write(Box<Admin>),
}

impl super::Inner {
    pub(super) fn identity(&self) -> LogIdentity {
        LogIdentity { origin: self.origin.clone(), store_id: self.log.store_id }
    }
}

impl Snapshot {
    /// The policies, operators, holds and plans, as the log's own records say.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn retention(&self) -> Result<State> {
        State::read(&self.inner.log, &self.catalog)
    }

    /// Which of a range of seqs were deleted, by the `store.plan` records that have their plans: how many each.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn deleted(&self, seqs: Range<Seq>) -> Result<BTreeMap<Seq, u64>> {
        let mut counts = BTreeMap::new();
        if self.catalog.sealed.iter().all(|place| place.rewritten_by == 0) {
            return Ok(counts);
        }
        for deletion in self.retention()?.deletions.iter().filter(|deletion| deletion.done) {
            for (start, end) in &deletion.deleting.seqs {
                let count = (*end).min(seqs.end).saturating_sub((*start).max(seqs.start));
                if count > 0 {
                    *counts.entry(deletion.deleting.plan).or_default() += count;
                }
            }
        }
        Ok(counts)
    }

    /// How many bytes lie in `lost/`: what recovery cut off, which no command looks into.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn lost_len(&self) -> Result<u64> {
        let (disk, dir) = (&self.inner.log.world.disk, self.inner.log.layout.lost_dir());
        let mut len = 0;
        for name in disk.list(&dir).map_err(Error::io("list", &dir))? {
            let path = dir.join(name);
            let file = disk.open(&path, Open::Read).map_err(Error::io("open", &path))?;
            len += file.len().map_err(Error::io("measure", &path))?;
        }
        Ok(len)
    }

    /// How the log stands against its policies as of a time. Reads all events.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn retention_status(&self, as_of: Timestamp) -> Result<Status> {
        survey::status(&self.inner.log, &self.head, &self.catalog, &self.retention()?, as_of)
    }

    /// When the first event of a sealed segment is due by the policies, and no later; nothing where all are kept for good, or
    /// there is no policy. Reads its events.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn earliest_due(&self, id: SegmentId) -> Result<Option<Timestamp>> {
        survey::earliest_due(&self.inner.log, &self.head, &self.catalog, &self.retention()?, id)
    }

    /// What a hold reaches. Reads all events.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn hold_reach(&self, placed: &PlacedHold) -> Result<HoldReach> {
        survey::reach(&self.inner.log, &self.head, &self.catalog, placed)
    }

    /// What the policies let go as of a time, for operators to approve. The same log, time and expiry give the same
    /// plan, byte for byte.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where there is no policy; whatever reading the log says.
    pub fn plan(&self, as_of: Timestamp, expires: Timestamp) -> Result<Approved<Plan>> {
        let plan = plan::by_policy(&self.inner.log, &self.head, &self.catalog, &self.retention()?, as_of)?;
        Ok(self.propose(plan, as_of, expires))
    }

    /// A plan for events that are chosen one by one, for a reason.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) for what is held, kept by a locked rule, not sealed yet, or no event;
    /// whatever reading the log says.
    pub fn plan_redaction(
        &self,
        seqs: &[Seq],
        reason: &str,
        as_of: Timestamp,
        expires: Timestamp,
    ) -> Result<Approved<Plan>> {
        let (log, state) = (&self.inner.log, self.retention()?);
        let plan = plan::chosen(log, &self.head, &self.catalog, &state, (seqs, reason), as_of)?;
        Ok(self.propose(plan, as_of, expires))
    }

    /// A matter of this log, for operators to approve until it expires.
    pub fn propose<M: Matter>(&self, matter: M, as_of: Timestamp, expires: Timestamp) -> Approved<M> {
        let checkpoint = (self.tree_size(), self.root());
        let statement = retention::statement(&self.inner.identity(), &matter, checkpoint, as_of, expires);
        Approved::unapproved(matter, statement)
    }
}
