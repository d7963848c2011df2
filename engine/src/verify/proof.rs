//! Checking one record without the store that holds it: its proof, its body, its salt.

use crate::format::entry::Entry;
use crate::hash::{self, RecordSalt};
use crate::trust::{Checkpoint, LogProof, VerifierKey};
use crate::{Error, Result, Seq, Timestamp};

/// What a proof shows of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// The checkpoint that the record is under.
    pub checkpoint: Checkpoint,
    /// The record's position in the log.
    pub seq: Seq,
    /// The store's clock at its commit.
    pub received_at: Timestamp,
    /// The seq of its source.
    pub source: Seq,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Checks that `body` is the event that the log has at the proof's index.
///
/// # Errors
/// [`Error::NotAuthenticated`] where `key` did not sign the checkpoint; [`Error::Forged`] where the proof has no
/// entry or another record's, does not lead to the checkpoint, or the body is another.
pub fn verify_proof(
    proof: &LogProof,
    body: &[u8],
    salt: &RecordSalt,
    key: &VerifierKey,
) -> Result<ProvenEntry> {
    let forged = |what, reason: String| Error::Forged { what, reason };
    let bytes = proof.extra.as_deref().ok_or_else(|| forged("proof", "its entry is missing".to_owned()))?;
    let checkpoint = proof.verify(bytes, key)?;
    let entry = Entry::decode(bytes).map_err(|fault| forged("entry", fault.to_string()))?;
    if entry.seq != proof.index {
        return Err(forged("entry", format!("it says that it is at {}, not at {}", entry.seq, proof.index)));
    }
    if entry.body_len as usize != body.len() {
        return Err(forged("body", format!("{} bytes, not the {} of the entry", body.len(), entry.body_len)));
    }
    if hash::body(salt, body) != entry.body_hash {
        return Err(forged("body", "with this salt its hash is not the entry's".to_owned()));
    }
    Ok(ProvenEntry {
        checkpoint,
        seq: entry.seq,
        received_at: entry.received_at,
        source: entry.source,
        labels: entry.labels.iter().map(str::to_owned).collect(),
    })
}
