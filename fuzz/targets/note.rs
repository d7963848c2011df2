//! Signed notes, checkpoints, proof files, verifier keys and policies: what decodes, prints to the same bytes.
#![no_main]

use indelible_engine::trust::{Checkpoint, CosignerKey, ExtensionProof, LogProof, Note, Policy, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(note) = Note::decode(data) {
        assert_eq!(note.to_string().as_bytes(), data);
        checkpoint(note.text());
    }
    if let Ok(proof) = LogProof::decode(data) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
    if let Ok(proof) = ExtensionProof::decode(data) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
    // A policy is read and never written.
    let _ = Policy::decode(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    checkpoint(text);
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
        assert!(!key.verify(b"never signed", &[0; 64]));
        assert!(!key.verify(b"never signed", &[0; 2420]));
    }
    if let Ok(key) = text.parse::<CosignerKey>() {
        assert_eq!(key.to_string(), text);
    }
});

fn checkpoint(text: &str) {
    let Ok(checkpoint) = Checkpoint::decode(text) else { return };
    assert_eq!(checkpoint.encode().expect("what was read can be written"), text);
}
