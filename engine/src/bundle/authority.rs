//! Who approved a deletion: the operators that records of a bundle name one after the other, and the plans that these agreed
//! to. What is not in the bundle is nobody's leave.
//!
//! That no record is hidden which names other operators is for whoever checks completeness to see to: [`owed`] says which
//! records he must have.

use std::collections::BTreeMap;

use crate::filter::{Field, Filter, Test, Value};
use crate::format::retention::{Approved, Matter, OperatorSet, Plan};
use crate::trust::{Algorithm, VerifierKey};
use crate::{Error, Result, Seq, Timestamp};

/// How long after the last look at the clock a record may be committed.
pub(super) const LEEWAY_NS: i64 = 60_000_000_000;

/// How many operators it takes, unless the log says otherwise.
const THRESHOLD: usize = 2;

/// What of the log a bundle owes beside what its filters ask for, where records were deleted: who named operators, and what
/// else was deleted.
pub(crate) fn owed() -> Filter {
    let kinds = ["store.deleting", "store.operators"].map(|kind| Value::Text(kind.to_owned()));
    Filter::StoreRecord.and(Filter::Field(Field::Name("kind".to_owned()), Test::Equals(kinds.into())))
}

/// What records say of operators and plans. Nothing of it is checked before somebody asks.
#[derive(Debug, Default)]
pub(super) struct Authority {
    origin: String,
    store_id: String,
    /// Keys of the log, which no operator can have.
    log_keys: Vec<VerifierKey>,
    operators: BTreeMap<Seq, (Timestamp, Approved<OperatorSet>)>,
    plans: BTreeMap<Seq, (Timestamp, Approved<Plan>)>,
}

/// Operators in force.
#[derive(Debug, Default)]
struct InForce {
    seq: Seq,
    keys: Vec<VerifierKey>,
    threshold: usize,
}

impl Authority {
    /// Takes whose log it is.
    pub(super) fn log(&mut self, origin: &str, store_id: &str, keys: Vec<VerifierKey>) {
        (self.origin, self.store_id, self.log_keys) = (origin.to_owned(), store_id.to_owned(), keys);
    }

    /// Takes a record that names operators.
    pub(super) fn name(&mut self, seq: Seq, received_at: Timestamp, set: Approved<OperatorSet>) {
        self.operators.insert(seq, (received_at, set));
    }

    /// Takes a record that begins a plan.
    pub(super) fn plan(&mut self, seq: Seq, received_at: Timestamp, plan: Approved<Plan>) {
        self.plans.insert(seq, (received_at, plan));
    }

    /// The plan of record `seq`, and the operators who approved it, as many as it takes.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where the plan or those who name operators are not here; [`Error::Forged`] where too few
    /// approved it, or something else.
    pub(super) fn approved(&self, seq: Seq) -> Result<(&Approved<Plan>, Vec<VerifierKey>)> {
        let Some((received_at, plan)) = self.plans.get(&seq) else {
            let reason = format!("the plan of record {seq}, by which records were deleted, is not here");
            return Err(Error::Incomplete { what: "plan", reason });
        };
        let operators = self.in_force(seq)?;
        if operators.seq == 0 {
            let reason = format!(
                "no record is here that names the operators who could approve the plan of record {seq}"
            );
            return Err(Error::Incomplete { what: "operators", reason });
        }
        let signers = self.signers(seq, *received_at, plan)?;
        let by = operators.among(&signers);
        let required = operators.threshold.max(1);
        if by.len() < required {
            let reason = format!(
                "{} of the operators of record {} approved the plan of record {seq}, and it takes {required}",
                by.len(),
                operators.seq
            );
            return Err(Error::Forged { what: "approval", reason });
        }
        Ok((plan, by))
    }

    /// The operators before record `seq`, each set of them named by enough of those before it.
    fn in_force(&self, seq: Seq) -> Result<InForce> {
        let mut now = InForce { threshold: THRESHOLD, ..InForce::default() };
        for (&at, (received_at, set)) in self.operators.range(..seq) {
            let replaces = set.matter.replaces;
            if replaces != now.seq {
                let words = format!("record {at} names operators in the place of those of record {replaces}");
                return Err(if replaces > now.seq && replaces < at {
                    let reason = format!("{words}, which is not here");
                    Error::Incomplete { what: "operators", reason }
                } else {
                    let reason = format!("{words}, and those of record {} were in force", now.seq);
                    Error::Forged { what: "operators", reason }
                });
            }
            let required = now.threshold.max(1).min(now.keys.len());
            let agreed = now.among(&self.signers(at, *received_at, set)?).len();
            now = self.named(at, set).filter(|_| agreed >= required).ok_or_else(|| {
                let reason =
                    format!("record {at} names operators whom those before did not agree to, or cannot be");
                Error::Forged { what: "operators", reason }
            })?;
        }
        Ok(now)
    }

    /// The operators that a record names; nothing where these cannot be.
    fn named(&self, seq: Seq, set: &Approved<OperatorSet>) -> Option<InForce> {
        let OperatorSet { keys, threshold, .. } = &set.matter;
        let mut all: Vec<VerifierKey> = Vec::with_capacity(keys.len());
        for key in keys {
            let key: VerifierKey = key.parse().ok()?;
            let is_known = |known: &VerifierKey| known.public_key() == key.public_key();
            if key.algorithm() != Algorithm::Ed25519 || all.iter().chain(&self.log_keys).any(is_known) {
                return None;
            }
            all.push(key);
        }
        (*threshold > 0).then_some(InForce { seq, keys: all, threshold: *threshold as usize })
    }

    /// Who signed a matter, of this log and in time; each signature must be good.
    fn signers<M: Matter>(
        &self,
        seq: Seq,
        received_at: Timestamp,
        approved: &Approved<M>,
    ) -> Result<Vec<VerifierKey>> {
        let forged = |reason: &str| Error::Forged {
            what: "approval",
            reason: format!("that of record {seq} {reason}"),
        };
        approved.check_digest()?;
        let statement = &approved.statement;
        if statement.origin != self.origin || statement.store_id != self.store_id {
            return Err(forged("is of another log"));
        }
        let late = received_at.0.saturating_sub(statement.expires.0);
        if statement.as_of > received_at || late >= LEEWAY_NS || statement.tree_size > seq {
            return Err(forged("was not good at the time"));
        }
        approved.signers().map_err(|error| forged(&format!("does not hold: {error}")))
    }
}

impl InForce {
    /// Those of the keys that are operators', each once.
    fn among(&self, signers: &[VerifierKey]) -> Vec<VerifierKey> {
        let is_operators =
            |key: &&VerifierKey| self.keys.iter().any(|known| known.public_key() == key.public_key());
        signers.iter().filter(is_operators).cloned().collect()
    }
}
