//! A build that cannot check ML-DSA-44: it keeps its keys and lines, folds the log to the same keys, and says what it did
//! not check.

use super::assert_clean;
use super::maker::{Maker, ORIGIN, key};
use crate::format::admin::Admin;
use crate::format::keys::KeyRotation;
use crate::format::retention::{Approval, Approved, Matter};
use crate::trust::{Algorithm, Checkpoint, Note, Signer, SigningKey, VerifierKey};
use crate::verify::Options;

const CHECKPOINT: &str = include_str!("../../../testdata/ml-dsa-44/checkpoint");
const LOG: &str = include_str!("../../../testdata/ml-dsa-44/log.vkey");

#[test]
fn a_line_of_ml_dsa_44_is_one_of_an_unknown_key() {
    let key: VerifierKey = LOG.trim_end().parse().unwrap();
    let note: Note = CHECKPOINT.parse().unwrap();
    assert_eq!((key.to_string(), note.to_string()), (LOG.trim_end().to_owned(), CHECKPOINT.to_owned()));
    let error = Checkpoint::open(&note, &key).unwrap_err().to_string();
    assert!(error.contains("made without the feature `ml-dsa`"), "{error}");
    assert!(SigningKey::of(Algorithm::MlDsa44, ORIGIN, [1; 32]).unwrap_err().to_string().contains("feature"));
    // Beside a line that it can check it does no harm.
    let first = SigningKey::from_seed("acme.example/agents-prod", [1; 32]).unwrap();
    let mut both = note.clone();
    both.add_signature(&first).unwrap();
    assert_eq!(both.verify(&[key, first.verifier().clone()]).unwrap(), [first.verifier()]);
}

#[test]
fn a_log_with_such_a_key_verifies_and_what_was_not_checked_is_told() {
    let second = VerifierKey::ml_dsa_44(ORIGIN, [7; 1312]).unwrap();
    let mut maker = Maker::new();
    let matter = KeyRotation { from: key().verifier().to_string(), to: second.to_string() };
    let statement = super::authority::statement(&matter);
    assert_eq!(matter.digest().to_string(), statement.digest);
    let mut rotation = Approved { approvals: Vec::new(), matter, statement };
    rotation.approve(&key()).unwrap();
    rotation.approvals.push(Approval::new(second.to_string(), &[0; 2420]));
    maker.frame(&[(0, Admin::Key(rotation).encode())]);
    maker.events(3);
    maker.sign();
    let options = Options { key: Some(key().verifier().clone()), ..Options::default() };
    let report = maker.finish(0).verify_with(&options);
    assert_clean(&report);
    let told = |text: &String| text.contains("signatures by ML-DSA-44") && text.contains("feature `ml-dsa`");
    assert!(report.not_covered.iter().any(told), "{:#?}", report.not_covered);
}
