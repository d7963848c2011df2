//! Approvals: what operators sign, and whether enough of them did.

use super::refused;
use super::state::OperatorsInForce;
use crate::format::admin::canonical;
use crate::format::retention::{Approval, Approved, Matter, Statement};
use crate::hash::Hash;
use crate::trust::{self, Signer, VerifierKey};
use crate::{Error, Origin, Result, StoreId, Timestamp};

/// The log that is spoken of.
#[derive(Debug, Clone)]
pub(crate) struct LogIdentity {
    pub(crate) origin: Origin,
    pub(crate) store_id: StoreId,
}

/// What operators would sign of a matter.
pub(crate) fn statement<M: Matter>(
    log: &LogIdentity,
    matter: &M,
    (tree_size, root): (u64, Hash),
    as_of: Timestamp,
    expires: Timestamp,
) -> Statement {
    Statement {
        action: M::ACTION,
        as_of,
        digest: matter.digest().to_string(),
        expires,
        origin: log.origin.to_string(),
        root: root.to_string(),
        store_id: log.store_id.to_string(),
        tree_size,
    }
}

impl Statement {
    /// The bytes that are signed, behind the domain.
    pub fn encode(&self) -> Vec<u8> {
        canonical(self)
    }
}

impl<M: Matter> Approved<M> {
    /// A matter that nobody has approved yet.
    pub(crate) fn unapproved(matter: M, statement: Statement) -> Self {
        Approved { approvals: Vec::new(), matter, statement }
    }

    /// Whether the statement speaks of this matter.
    ///
    /// # Errors
    /// [`Error::Forged`] where one of them was altered.
    pub fn check_digest(&self) -> Result<()> {
        let digest = self.matter.digest().to_string();
        if self.statement.action != M::ACTION || self.statement.digest != digest {
            let reason = format!(
                "its statement names the digest {}, and that of what it holds is {digest}: it was altered",
                self.statement.digest
            );
            return Err(Error::Forged { what: "approved matter", reason });
        }
        Ok(())
    }

    /// Adds the approval of `signer`.
    ///
    /// # Errors
    /// [`Error::Forged`] where the matter was altered; [`Error::Refused`] where this key approved it already.
    pub fn approve(&mut self, signer: &dyn Signer) -> Result<()> {
        self.check_digest()?;
        let key = signer.verifier();
        if self.signers()?.iter().any(|known| known.public_key() == key.public_key()) {
            return Err(refused(
                "approval",
                format!("{} approved this already, and counts once", key.name()),
            ));
        }
        let signature = trust::approve(signer, &self.statement.encode())?;
        self.approvals.push(Approval::new(key.to_string(), &signature));
        Ok(())
    }

    /// The keys that approved, each once.
    ///
    /// # Errors
    /// [`Error::Forged`] where a signature does not verify; [`Error::InvalidTrust`] where a key is none.
    pub fn signers(&self) -> Result<Vec<VerifierKey>> {
        let statement = self.statement.encode();
        let mut keys: Vec<VerifierKey> = Vec::with_capacity(self.approvals.len());
        for approval in &self.approvals {
            let key: VerifierKey = approval.key.parse()?;
            let good = approval
                .signature()
                .is_some_and(|signature| trust::verify_approval(&key, &statement, &signature));
            if !good {
                let reason = format!("the signature of {} is not one over its statement", key.name());
                return Err(Error::Forged { what: "approval", reason });
            }
            if keys.iter().all(|known| known.public_key() != key.public_key()) {
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

/// Whether a statement is of this log.
///
/// # Errors
/// [`Error::Refused`] where it is of another.
pub(crate) fn check_log(statement: &Statement, log: &LogIdentity) -> Result<()> {
    let Statement { origin, store_id, .. } = statement;
    if *origin != log.origin.as_str() || *store_id != log.store_id.to_string() {
        let own = format!("{} ({})", log.origin, log.store_id);
        return Err(refused(
            "approval",
            format!("it is of the log {origin} ({store_id}), and this is {own}"),
        ));
    }
    Ok(())
}

/// Whether what was approved may be done on this log, now, by these operators, `required` of whom it takes.
///
/// # Errors
/// As [`signers`]; [`Error::NotAuthenticated`] for too few approvals.
pub(crate) fn check<M: Matter>(
    approved: &Approved<M>,
    log: &LogIdentity,
    operators: &OperatorsInForce,
    required: usize,
    now: Timestamp,
) -> Result<()> {
    enough(&signers(approved, log, now)?, operators, required)
}

/// Who signed what may be done on this log now, whoever they are, each once.
///
/// # Errors
/// [`Error::Forged`] for what was altered, [`Error::Refused`] for what is of another log, too early or too late.
pub(crate) fn signers<M: Matter>(
    approved: &Approved<M>,
    log: &LogIdentity,
    now: Timestamp,
) -> Result<Vec<VerifierKey>> {
    approved.check_digest()?;
    check_log(&approved.statement, log)?;
    let Statement { as_of, expires, .. } = &approved.statement;
    if *as_of > now {
        return Err(refused("approval", format!("it is as of {as_of}, and it is {now} only")));
    }
    if *expires <= now {
        return Err(refused(
            "approval",
            format!("it was good until {expires}, and it is {now}; make another"),
        ));
    }
    approved.signers()
}

/// Whether `required` of the operators are among those who signed.
///
/// # Errors
/// [`Error::NotAuthenticated`] where they are not.
pub(crate) fn enough(signers: &[VerifierKey], operators: &OperatorsInForce, required: usize) -> Result<()> {
    let count = signers.iter().filter(|key| operators.has(key)).count();
    if count < required {
        let strangers: Vec<&str> =
            signers.iter().filter(|key| !operators.has(key)).map(VerifierKey::name).collect();
        let mut reason = format!(
            "it takes the approval of {required} of the {} operators, and {count} approved",
            operators.keys.len()
        );
        if !strangers.is_empty() {
            reason += &format!(" ({} are no operators)", strangers.join(", "));
        }
        if operators.keys.len() < required {
            reason += "; name operators with `indelible operators add`";
        }
        return Err(Error::NotAuthenticated { reason });
    }
    Ok(())
}
