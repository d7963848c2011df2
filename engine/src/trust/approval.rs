//! Approvals, by operators and the log's keys: signatures in a domain of their own, so that no signature over a checkpoint, or of a witness,
//! is ever one over an approval.
//!
//! Knows nothing of what is approved: a statement is bytes here.

use super::{Signer, VerifierKey};
use crate::Result;

/// Stands before every statement that is signed. No note can begin so: a note's text has no NUL.
const DOMAIN: &[u8] = b"indelible 2026 approval\0";

/// The signature of `signer` over a statement.
///
/// # Errors
/// Whatever keeps the key from signing.
pub fn approve(signer: &dyn Signer, statement: &[u8]) -> Result<Vec<u8>> {
    signer.sign(&[DOMAIN, statement].concat())
}

/// Whether this is the signature of `key` over a statement.
#[must_use]
pub fn verify_approval(key: &VerifierKey, statement: &[u8], signature: &[u8]) -> bool {
    key.verify(&[DOMAIN, statement].concat(), signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;

    #[test]
    fn an_approval_is_of_one_key_one_statement_and_one_domain() {
        let key = SigningKey::from_seed("alice", [7; 32]).unwrap();
        let other = SigningKey::from_seed("alice", [8; 32]).unwrap();
        let signature = approve(&key, b"{}").unwrap();
        assert!(verify_approval(key.verifier(), b"{}", &signature));
        assert!(!verify_approval(other.verifier(), b"{}", &signature));
        assert!(!verify_approval(key.verifier(), b"{ }", &signature));
        assert!(!key.verifier().verify(b"{}", &signature), "a bare signature is no approval");
        let bare = key.sign(b"{}").unwrap();
        assert!(!verify_approval(key.verifier(), b"{}", &bare), "nor the other way round");
    }
}
