//! What keeps a signer from ever signing two histories: the last checkpoint that it signed for an origin.
//!
//! This is the rule alone. Whoever signs keeps the memory's text durably, outside of the store, and updates it
//! *before* the signature is made: a crash in between costs nothing, for the same checkpoint may be signed again.

use super::{Checkpoint, Note, VerifierKey};
use crate::hash::{Hash, LogTree};
use crate::merkle::verify_consistency;
use crate::{Error, Result};

/// The last size and root that a signer signed for an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerMemory {
    /// The log's identity.
    pub origin: String,
    /// How many leaves the tree had.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
}

impl SignerMemory {
    /// The memory of having signed `checkpoint`.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { origin, size, root, .. } = checkpoint;
        SignerMemory { origin: origin.clone(), size: *size, root: *root }
    }

    /// The memory that a checkpoint signed by `key` stands for.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_note(note: &Note, key: &VerifierKey) -> Result<Self> {
        Checkpoint::open(note, key).map(|checkpoint| SignerMemory::of(&checkpoint))
    }

    /// The memory as text: that of a checkpoint, without signature, so that it can be kept before one is made.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the origin can't stand in a checkpoint.
    pub fn encode(&self) -> Result<String> {
        let SignerMemory { origin, size, root } = self;
        Checkpoint { origin: origin.clone(), size: *size, root: *root, extensions: Vec::new() }.encode()
    }

    /// Reads what [`SignerMemory::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if it is not that.
    pub fn decode(text: &str) -> Result<Self> {
        let checkpoint = Checkpoint::decode(text)?;
        if !checkpoint.extensions.is_empty() {
            return Err(Error::InvalidTrust {
                what: "signer's memory",
                reason: "it has more than three lines".to_owned(),
            });
        }
        Ok(SignerMemory::of(&checkpoint))
    }

    /// Whether the signer of this may sign `next`: only what `consistency` (RFC 6962 section 2.1.2, from this size
    /// to the next) proves to continue what it signed last. The same checkpoint again needs no proof.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if `next` is of another log; [`Error::RolledBack`] if it is smaller, has another root
    /// at the same size, or is not proven to be a continuation.
    pub fn may_sign(&self, next: &Checkpoint, consistency: &[Hash]) -> Result<()> {
        let SignerMemory { origin, size, root } = self;
        if next.origin != *origin {
            return Err(Error::InvalidTrust {
                what: "checkpoint",
                reason: format!("it is of the log {}, and the signer's memory of {origin}", next.origin),
            });
        }
        let problem = if next.size < *size {
            "is smaller than what the signer signed last"
        } else if next.size == *size && next.root != *root {
            "has another root than what the signer signed at this size"
        } else if !verify_consistency::<LogTree>(*size, next.size, root, &next.root, consistency) {
            "is not proven to continue what the signer signed last"
        } else {
            return Ok(());
        };
        Err(Error::RolledBack {
            reason: format!(
                "{origin} at size {} with root {} {problem}: size {size} with root {root}",
                next.size, next.root
            ),
        })
    }
}
