//! Who was entitled to what: operators, keys, holds, policies and approvals are folded over the log's own records anew,
//! and each change is checked against what was in force before it.

use super::report::Finding;
use crate::format::admin::Admin;
use crate::format::keys::{KeyRetirement, KeyRevocation, KeyRotation};
use crate::format::retention::{Action, Approved, Matter, OperatorSet, Policy, PolicyRule, Statement};
use crate::trust::{Algorithm, LogKeys, Revoked, VerifierKey, verify_approval};
use crate::{Seq, Timestamp};

/// One of the store's own records that asks for authority, or gives it.
pub(super) struct Administered {
    pub(super) seq: Seq,
    /// Where it stands in its segment's log.
    pub(super) at: u64,
    pub(super) received_at: Timestamp,
    pub(super) admin: Admin,
}

impl Administered {
    /// The finding that it says what nobody was entitled to.
    pub(super) fn without_authority(&self, (expected, found): Wrong, file: &str) -> Finding {
        let finding = Finding::forged(file, "authority", expected, found);
        finding.at(self.at).seqs(self.seq..self.seq + 1)
    }
}

/// What is in force, as far as the log was read.
pub(super) struct Authority {
    origin: String,
    store_id: String,
    /// The keys that sign the log's checkpoints.
    pub(super) keys: LogKeys,
    /// The seq of the record that names the operators; 0 for none.
    operators_seq: Seq,
    operators: Vec<VerifierKey>,
    threshold: usize,
    /// The holds that stand: seq and name.
    holds: Vec<(Seq, String)>,
    policy: Option<Policy>,
    /// What was signed of the plans that were begun.
    plans: Vec<Statement>,
}

/// How long after the last look at the clock a record may be committed.
pub(super) const LEEWAY_NS: i64 = 60_000_000_000;

/// How many operators it takes, unless the log says otherwise.
const THRESHOLD: usize = 2;

impl Authority {
    /// What is in force in a log that begins so.
    pub(super) fn new(origin: &str, store_id: &str, log_key: Option<&str>) -> Self {
        Authority {
            origin: origin.to_owned(),
            store_id: store_id.to_owned(),
            keys: LogKeys::new(log_key.and_then(|key| key.parse().ok())),
            operators_seq: 0,
            operators: Vec::new(),
            threshold: THRESHOLD,
            holds: Vec::new(),
            policy: None,
            plans: Vec::new(),
        }
    }

    /// Takes the next record into account; what is wrong with it.
    pub(super) fn fold(&mut self, record: &Administered, file: &str) -> Option<Finding> {
        let wrong = match &record.admin {
            Admin::Operators(approved) => self.change(approved, record).err(),
            Admin::Hold(hold) => {
                let known = self.holds.iter().any(|(_, name)| *name == hold.name);
                self.holds.push((record.seq, hold.name.clone()));
                known.then(|| ("a hold whose name no other has", format!("a second {:?}", hold.name)))
            }
            Admin::HoldReleased(approved) => {
                let wrong = self.approved(approved, record, self.threshold.max(1)).err();
                let (seq, name) = (approved.matter.hold, &approved.matter.name);
                let stood = self.holds.iter().any(|(hold, known)| *hold == seq && known == name);
                self.holds.retain(|(hold, _)| *hold != seq);
                let stray = || ("the release of a hold that stands", format!("{name:?} of record {seq}"));
                wrong.or_else(|| (!stood).then(stray))
            }
            Admin::Plan(approved) => {
                let wrong = self.approved(approved, record, self.threshold.max(1)).err();
                let again = self.plans.contains(&approved.statement);
                self.plans.push(approved.statement.clone());
                wrong.or_else(|| {
                    again.then(|| ("a plan that is carried out once", "the same again".to_owned()))
                })
            }
            Admin::Policy(policy) => {
                let before = self.policy.replace(policy.clone());
                shortened(before.as_ref(), policy)
                    .map(|rule| ("a policy that keeps the locked rules", format!("one without {rule:?}")))
            }
            Admin::Key(approved) => self.rotate(approved, record).err(),
            Admin::KeyRetired(approved) => self.retire(approved, record).err(),
            Admin::KeyRevoked(approved) => self.revoke(approved, record).err(),
            _ => None,
        };
        wrong.map(|wrong| record.without_authority(wrong, file))
    }

    /// Has new operators take over, if those before agreed. Others have no say: what they approve is forged as well.
    fn change(&mut self, change: &Approved<OperatorSet>, record: &Administered) -> Result<(), Wrong> {
        self.approved(change, record, self.threshold.max(1).min(self.operators.len()))?;
        let (set, all) = (&change.matter, keys(&change.matter));
        if set.replaces != self.operators_seq {
            let expected = "operators in the place of those in force";
            return Err((expected, format!("in that of those of record {}", set.replaces)));
        }
        let is_log_key = |key: &VerifierKey| self.keys.find(key).is_some();
        let twice = |(at, key): (usize, &VerifierKey)| {
            all.iter().take(at).any(|other| other.public_key() == key.public_key())
        };
        let is_fit = all.len() == set.keys.len()
            && set.threshold > 0
            && !all.iter().any(is_log_key)
            && all.iter().all(|key| key.algorithm() == Algorithm::Ed25519)
            && !all.iter().enumerate().any(twice);
        if !is_fit {
            return Err(("keys that operators can have, each once", "others".to_owned()));
        }
        (self.operators, self.operators_seq, self.threshold) = (all, record.seq, set.threshold as usize);
        Ok(())
    }

    /// Whether enough operators agreed to a matter, of this log and in time.
    fn approved<M: Matter>(
        &self,
        approved: &Approved<M>,
        record: &Administered,
        required: usize,
    ) -> Result<(), Wrong> {
        self.enough(&self.signers(approved, record)?, required)
    }

    /// Whether `required` of the operators are among those who signed, each counted once.
    fn enough(&self, signers: &[VerifierKey], required: usize) -> Result<(), Wrong> {
        let mut agreed: Vec<&[u8]> = Vec::new();
        for key in signers {
            let is_operator = self.operators.iter().any(|known| known.public_key() == key.public_key());
            if is_operator && !agreed.contains(&key.public_key()) {
                agreed.push(key.public_key());
            }
        }
        if agreed.len() < required {
            return Err(("the approval of enough operators", format!("{} of {required}", agreed.len())));
        }
        Ok(())
    }

    /// Whose signatures stand by a matter, of this log and in time; each of them must be good.
    fn signers<M: Matter>(
        &self,
        approved: &Approved<M>,
        record: &Administered,
    ) -> Result<Vec<VerifierKey>, Wrong> {
        let statement = &approved.statement;
        if statement.action != action(&record.admin)
            || statement.digest != approved.matter.digest().to_string()
        {
            return Err(("a statement of what it stands by", "one of another matter".to_owned()));
        }
        if statement.origin != self.origin || statement.store_id != self.store_id {
            return Err(("an approval of this log", format!("one of {}", statement.origin)));
        }
        let late = record.received_at.0.saturating_sub(statement.expires.0);
        let in_time = statement.as_of <= record.received_at && late < LEEWAY_NS;
        if statement.tree_size > record.seq || !in_time {
            let found = format!("as of {} until {}", statement.as_of, statement.expires);
            return Err(("an approval that was good at the time", found));
        }
        let bytes = statement.encode();
        let mut signers = Vec::with_capacity(approved.approvals.len());
        for approval in &approved.approvals {
            let key = approval.key.parse::<VerifierKey>().ok();
            let key = key.filter(|key| {
                let good = |signature: Vec<u8>| verify_approval(key, &bytes, &signature);
                // What this build cannot check it says of the key, and nobody but Ed25519's keys has a say.
                !key.algorithm().is_supported() || approval.signature().is_some_and(good)
            });
            let Some(key) = key else {
                return Err(("a signature over the statement", format!("none by {}", approval.key)));
            };
            signers.push(key);
        }
        Ok(signers)
    }

    // The log's own keys. A change that nobody was entitled to changes nothing.

    fn rotate(&mut self, approved: &Approved<KeyRotation>, record: &Administered) -> Result<(), Wrong> {
        let signers = self.signers(approved, record)?;
        let KeyRotation { from, to } = &approved.matter;
        let (from, to) = (log_key(from)?, log_key(to)?);
        if let Some(silent) = [&from, &to].into_iter().find(|key| !signers.contains(key)) {
            return Err(("the signatures of both keys", format!("none by {}", silent.short())));
        }
        let has_say =
            from.algorithm() == Algorithm::Ed25519 || self.keys.have_say(record.seq, &signers, None);
        if !has_say {
            return Err(("the signature of a key that has the say", format!("none but by {}", from.short())));
        }
        if self.operators.iter().any(|known| known.public_key() == to.public_key()) {
            return Err((CHANGE, format!("{}, which is an operator's", to.short())));
        }
        self.keys.rotate(record.seq, &from, &to).map_err(no_change)
    }

    fn retire(&mut self, approved: &Approved<KeyRetirement>, record: &Administered) -> Result<(), Wrong> {
        let signers = self.signers(approved, record)?;
        let key = log_key(&approved.matter.key)?;
        if !self.keys.have_say(record.seq, &signers, Some(&key)) {
            return Err(("the signature of another key in force", format!("none beside {}", key.short())));
        }
        self.keys.retire(record.seq, &key).map_err(no_change)
    }

    fn revoke(&mut self, approved: &Approved<KeyRevocation>, record: &Administered) -> Result<(), Wrong> {
        let signers = self.signers(approved, record)?;
        let KeyRevocation { key, reason, size } = &approved.matter;
        let key = log_key(key)?;
        if !self.keys.have_say(record.seq, &signers, Some(&key)) {
            self.enough(&signers, self.threshold.max(1))?;
        }
        let by = signers.iter().map(VerifierKey::short).collect();
        let revoked = Revoked { seq: record.seq, size: *size, reason: reason.clone(), by };
        self.keys.revoke(&key, revoked).map_err(no_change)
    }
}

const CHANGE: &str = "a change of keys that can be";

fn log_key(text: &str) -> Result<VerifierKey, Wrong> {
    text.parse().map_err(|error: crate::Error| (CHANGE, error.to_string()))
}

fn no_change(reason: String) -> Wrong {
    (CHANGE, reason)
}

/// What was expected, and what was found.
pub(super) type Wrong = (&'static str, String);

fn action(admin: &Admin) -> Action {
    match admin {
        Admin::Operators(_) => Action::SetOperators,
        Admin::HoldReleased(_) => Action::ReleaseHold,
        Admin::Key(_) => Action::RotateKey,
        Admin::KeyRetired(_) => Action::RetireKey,
        Admin::KeyRevoked(_) => Action::RevokeKey,
        _ => Action::Delete,
    }
}

fn keys(set: &OperatorSet) -> Vec<VerifierKey> {
    set.keys.iter().filter_map(|key| key.parse().ok()).collect()
}

/// A locked rule that a policy drops or shortens.
fn shortened<'b>(before: Option<&'b Policy>, policy: &Policy) -> Option<&'b str> {
    let stays = |old: &PolicyRule| {
        policy.rules.iter().any(|new| {
            let longer = match (new.terms.keep_s, old.terms.keep_s) {
                (None, _) => true,
                (Some(new), Some(old)) => new >= old,
                (Some(_), None) => false,
            };
            let in_tiers = new.terms.hot_s >= old.terms.hot_s && new.terms.warm_s >= old.terms.warm_s;
            new.name == old.name && new.when == old.when && new.locked && longer && in_tiers
        })
    };
    let locked = before.into_iter().flat_map(|policy| &policy.rules).filter(|rule| rule.locked);
    locked.filter(|rule| !stays(rule)).map(|rule| rule.name.as_str()).next()
}
