//! What a witness agrees to, C2SP tlog-witness: the rule of `add-checkpoint`, without memory, network or clock.
//!
//! Whoever runs a witness reads its memory, asks [`WitnessRule::decide`], keeps the new memory durably, and only then
//! cosigns; from the first to the last of it no other request may be looked at.

use std::collections::BTreeMap;
use std::fmt;

use super::{Checkpoint, ExtensionProof, SignerMemory, VerifierKey};
use crate::hash::{LogTree, TreeHash};
use crate::limits;
use crate::merkle::verify_consistency;

/// The logs that a witness looks at, and the keys that it trusts for each.
#[derive(Debug, Clone, Default)]
pub struct WitnessRule {
    logs: BTreeMap<String, Vec<VerifierKey>>,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request is none.
    BadRequest(String),
    /// No trusted key signed the checkpoint.
    Forbidden,
    /// The log is not one of those that this witness looks at.
    UnknownLog,
    /// The request is not from the size that the witness cosigned last, which is this; or it is, and the checkpoint
    /// has another root at that size.
    Conflict {
        /// The size that was cosigned last; 0 where nothing was.
        size: u64,
    },
    /// The checkpoint is not proven to continue what was cosigned last.
    Unproven,
}

impl Refusal {
    /// The HTTP status by which the protocol says this.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::BadRequest(_) => 400,
            Refusal::Forbidden => 403,
            Refusal::UnknownLog => 404,
            Refusal::Conflict { .. } => 409,
            Refusal::Unproven => 422,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::BadRequest(reason) => write!(f, "this is no request to add a checkpoint: {reason}"),
            Refusal::Forbidden => f.write_str("no key that is trusted for this log signed the checkpoint"),
            Refusal::UnknownLog => f.write_str("this log is not known here"),
            Refusal::Conflict { size } => write!(f, "the size that was cosigned last is {size}"),
            Refusal::Unproven => {
                f.write_str("the checkpoint is not proven to continue what was cosigned last")
            }
        }
    }
}

impl WitnessRule {
    /// A witness of the logs whose keys these are: a log's origin is the name of its key. Several keys of one name
    /// are of one log, as while a log changes its key.
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        let mut logs: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in keys {
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        WitnessRule { logs }
    }

    /// The request in `body`, and the checkpoint in it, which a trusted key signed.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`], [`Refusal::UnknownLog`] or [`Refusal::Forbidden`].
    pub fn read(&self, body: &[u8]) -> Result<(ExtensionProof, Checkpoint), Refusal> {
        let bad = |reason: &dyn fmt::Display| Refusal::BadRequest(reason.to_string());
        if body.len() > limits::WITNESS_REQUEST_LEN_MAX {
            return Err(bad(&"it is too long"));
        }
        let request = ExtensionProof::decode(body).map_err(|error| bad(&error))?;
        if request.hashes.len() > limits::WITNESS_HASHES_MAX {
            return Err(bad(&"it has more than 63 lines of proof"));
        }
        let checkpoint = Checkpoint::decode(request.checkpoint.text()).map_err(|error| bad(&error))?;
        let keys = self.logs.get(&checkpoint.origin).ok_or(Refusal::UnknownLog)?;
        // Each key on its own: that of the one log name may have signed, and that of another be forged.
        let signed = |key: &VerifierKey| request.checkpoint.verify(std::slice::from_ref(key)).is_ok();
        if !keys.iter().any(signed) {
            return Err(Refusal::Forbidden);
        }
        if request.old_size > checkpoint.size {
            return Err(bad(&"its old size is greater than the checkpoint's"));
        }
        Ok((request, checkpoint))
    }

    /// What the witness has to remember, durably, before it cosigns the request; `memory` is what it cosigned last
    /// for this log.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] or [`Refusal::Unproven`].
    pub fn decide(
        request: &ExtensionProof,
        checkpoint: &Checkpoint,
        memory: Option<&SignerMemory>,
    ) -> Result<SignerMemory, Refusal> {
        let (size, root) = memory.map_or((0, LogTree::empty()), |memory| (memory.size, memory.root));
        let conflict = Err(Refusal::Conflict { size });
        if request.old_size != size || memory.is_some_and(|memory| memory.origin != checkpoint.origin) {
            return conflict;
        }
        if checkpoint.size == size && checkpoint.root != root {
            return conflict;
        }
        let proof = &request.hashes;
        if !verify_consistency::<LogTree>(size, checkpoint.size, &root, &checkpoint.root, proof) {
            return Err(Refusal::Unproven);
        }
        Ok(SignerMemory::of(checkpoint))
    }
}
