//! Who was entitled to what: operators, holds, policies and approvals are folded over the log's own records anew, and
//! each change is checked against what was in force before it.

use super::report::Finding;
use crate::format::admin::Admin;
use crate::format::retention::{Action, Approved, Matter, OperatorSet, Policy, PolicyRule};
use crate::hash::Hash;
use crate::trust::{VerifierKey, verify_approval};
use crate::{Seq, Timestamp};

/// One of the store's own records that asks for authority, or gives it.
pub(super) struct Administered {
    pub(super) seq: Seq,
    /// Where it stands in its segment's log.
    pub(super) at: u64,
    pub(super) received_at: Timestamp,
    pub(super) admin: Admin,
}

/// What is in force, as far as the log was read.
pub(super) struct Authority {
    origin: String,
    store_id: String,
    log_key: Option<String>,
    /// The seq of the record that names the operators; 0 for none.
    operators_seq: Seq,
    operators: Vec<VerifierKey>,
    threshold: usize,
    /// The holds that stand: seq and name.
    holds: Vec<(Seq, String)>,
    policy: Option<Policy>,
    /// The digests of the plans that were begun.
    plans: Vec<String>,
}

/// How long after the last look at the clock a record may be committed.
const LEEWAY_NS: i64 = 60_000_000_000;

/// How many operators it takes, unless the log says otherwise.
const THRESHOLD: usize = 2;

impl Authority {
    /// What is in force in a log that begins so.
    pub(super) fn new(origin: &str, store_id: &str, log_key: Option<&str>) -> Self {
        Authority {
            origin: origin.to_owned(),
            store_id: store_id.to_owned(),
            log_key: log_key.map(str::to_owned),
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
            Admin::Operators(approved) => {
                let wrong = self.change(approved, record).err();
                self.operators = keys(&approved.matter);
                self.operators_seq = record.seq;
                self.threshold = approved.matter.threshold as usize;
                wrong
            }
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
                let digest = &approved.statement.digest;
                let again = self.plans.contains(digest);
                self.plans.push(digest.clone());
                wrong.or_else(|| {
                    again.then(|| ("a plan that is carried out once", "the same again".to_owned()))
                })
            }
            Admin::Policy(policy) => {
                let before = self.policy.replace(policy.clone());
                shortened(before.as_ref(), policy)
                    .map(|rule| ("a policy that keeps the locked rules", format!("one without {rule:?}")))
            }
            _ => None,
        };
        let (expected, found) = wrong?;
        let finding = Finding::forged(file, "authority", expected, found);
        Some(finding.at(record.at).seqs(record.seq..record.seq + 1))
    }

    /// Whether those before agreed to new operators.
    fn change(&self, change: &Approved<OperatorSet>, record: &Administered) -> Result<(), Wrong> {
        self.approved(change, record, self.threshold.max(1).min(self.operators.len()))?;
        let (set, all) = (&change.matter, keys(&change.matter));
        if set.replaces != self.operators_seq {
            let expected = "operators in the place of those in force";
            return Err((expected, format!("in that of those of record {}", set.replaces)));
        }
        let log_key = self.log_key.as_ref().and_then(|key| key.parse::<VerifierKey>().ok());
        let is_log_key = |key: &VerifierKey| {
            log_key.as_ref().is_some_and(|log_key| log_key.public_key() == key.public_key())
        };
        let twice = |(at, key): (usize, &VerifierKey)| {
            all.iter().take(at).any(|other| other.public_key() == key.public_key())
        };
        let is_fit = all.len() == set.keys.len()
            && set.threshold > 0
            && !all.iter().any(is_log_key)
            && !all.iter().enumerate().any(twice);
        if is_fit { Ok(()) } else { Err(("keys that operators can have, each once", "others".to_owned())) }
    }

    /// Whether enough operators agreed to a matter, of this log and in time.
    fn approved<M: Matter>(
        &self,
        approved: &Approved<M>,
        record: &Administered,
        required: usize,
    ) -> Result<(), Wrong> {
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
        let mut agreed: Vec<[u8; 32]> = Vec::new();
        for approval in &approved.approvals {
            let key = approval.key.parse::<VerifierKey>().ok();
            let key = key.filter(|key| {
                signature(&approval.signature)
                    .is_some_and(|signature| verify_approval(key, &bytes, &signature))
            });
            let Some(key) = key else {
                return Err(("a signature over the statement", format!("none by {}", approval.key)));
            };
            let is_operator = self.operators.iter().any(|known| known.public_key() == key.public_key());
            if is_operator && !agreed.contains(key.public_key()) {
                agreed.push(*key.public_key());
            }
        }
        if agreed.len() < required {
            return Err(("the approval of enough operators", format!("{} of {required}", agreed.len())));
        }
        Ok(())
    }
}

/// What was expected, and what was found.
type Wrong = (&'static str, String);

fn action(admin: &Admin) -> Action {
    match admin {
        Admin::Operators(_) => Action::SetOperators,
        Admin::HoldReleased(_) => Action::ReleaseHold,
        _ => Action::Delete,
    }
}

fn keys(set: &OperatorSet) -> Vec<VerifierKey> {
    set.keys.iter().filter_map(|key| key.parse().ok()).collect()
}

fn signature(text: &str) -> Option<[u8; 64]> {
    let (first, second) = text.split_at_checked(64)?;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&Hash::from_hex(first)?.0);
    bytes[32..].copy_from_slice(&Hash::from_hex(second)?.0);
    Some(bytes)
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
