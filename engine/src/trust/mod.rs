//! Who said what: keys, signed notes, checkpoints, and the rule that keeps a signer from two histories.
//!
//! C2SP signed-note and tlog-checkpoint to the letter, with Ed25519 alone (signature type 0x01) and strict
//! verification. Pure: this room reads no file, no clock and no randomness; a seed or a key's text is handed in.

mod approval;
mod checkpoint;
mod key;
mod memory;
mod note;
#[cfg(test)]
mod peers;
mod proof;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod tests;

pub use approval::{approve, verify_approval};
pub use checkpoint::Checkpoint;
pub use key::{Signer, SigningKey, VerifierKey};
pub use memory::SignerMemory;
pub use note::{Note, NoteSignature};
pub use proof::{ExtensionProof, LogProof};
