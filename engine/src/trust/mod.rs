//! Who said what: keys, signed notes, checkpoints, and the rule that keeps a signer from two histories.
//!
//! C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy and tlog-witness to the letter, with Ed25519
//! (signature types 0x01 and, for witnesses, 0x04), strictly verified, and ML-DSA-44 (0x06). Pure: this room reads no file, no
//! clock and no randomness; a seed or a key's text is handed in.

mod approval;
mod audit;
mod checkpoint;
mod cosignature;
mod key;
mod log_keys;
mod memory;
mod ml_dsa;
#[cfg(test)]
#[cfg(feature = "ml-dsa")]
mod ml_dsa_tests;
mod note;
#[cfg(test)]
mod peers;
mod pem;
mod policy;
#[cfg(test)]
mod policy_tests;
mod proof;
#[cfg(test)]
mod proof_tests;
mod signing;
#[cfg(test)]
mod tests;
mod witness;
#[cfg(test)]
mod witness_tests;

pub use approval::{approve, verify_approval};
pub use audit::{AUDIT_SEGMENTS_MAX, AuditedSegment, IndexAudit};
pub use checkpoint::Checkpoint;
pub use cosignature::{CosignerKey, cosign};
pub use key::{Algorithm, VerifierKey};
pub use log_keys::{LogKey, LogKeys, Revoked};
pub use memory::SignerMemory;
pub use note::{Note, NoteSignature};
pub use policy::{Policy, PolicyWitness};
pub use proof::{ExtensionProof, LogProof};
pub use signing::{Signer, SigningKey};
pub use witness::{Refusal, WitnessRule};
