//! ML-DSA-44 against an independent implementation: keys, checkpoints and cosignatures that it made, and what is altered.

use super::*;
use crate::hash::{Hash, LogTree, TreeHash};

const ORIGIN: &str = "acme.example/agents-prod";
/// The log's line has the time 0, the witness's a time.
const CHECKPOINT: &str = include_str!("../../testdata/ml-dsa-44/checkpoint");
const LOG: &str = include_str!("../../testdata/ml-dsa-44/log.vkey");
const WITNESS: &str = include_str!("../../testdata/ml-dsa-44/witness.vkey");
const PRIVATE: &str = include_str!("../../testdata/ml-dsa-44/private.pem");
const PUBLIC: &str = include_str!("../../testdata/ml-dsa-44/public.pem");

fn signer() -> SigningKey {
    SigningKey::of(Algorithm::MlDsa44, ORIGIN, std::array::from_fn(|at| at as u8)).unwrap()
}

fn note() -> Note {
    CHECKPOINT.parse().unwrap()
}

fn foreign() -> (VerifierKey, CosignerKey) {
    (LOG.trim_end().parse().unwrap(), WITNESS.trim_end().parse().unwrap())
}

#[test]
fn what_another_implementation_signed_verifies() {
    let (log, witness) = foreign();
    let checkpoint = Checkpoint::open(&note(), &log).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), (ORIGIN, 12_345));
    assert_eq!(checkpoint.root, LogTree::leaf(b"root"));
    assert_eq!(witness.cosigned(&note()).unwrap(), Some(1_679_315_147));
    assert_eq!(CosignerKey::of(&log).cosigned(&note()).unwrap(), Some(0), "a log's own is a cosignature too");
}

#[test]
fn keys_are_those_of_the_other_implementation_and_keep_their_forms() {
    let (log, witness) = foreign();
    assert_eq!(signer().verifier(), &log);
    assert_eq!((log.to_string(), witness.to_string()), (LOG.trim_end().into(), WITNESS.trim_end().into()));
    assert_eq!(SigningKey::from_pem(ORIGIN, PRIVATE).unwrap().verifier(), &log);
    assert_eq!(VerifierKey::from_pem(ORIGIN, PUBLIC).unwrap(), log);
    assert_eq!((signer().to_pem().as_str(), log.to_pem().as_str()), (PRIVATE, PUBLIC));
    let text = signer().to_text();
    assert_eq!(text.parse::<SigningKey>().unwrap().verifier(), &log);
    assert!(!format!("{:?}", signer()).contains(&text["PRIVATE+KEY+".len()..]));
    assert_eq!((log.algorithm(), log.public_key().len()), (Algorithm::MlDsa44, 1312));
}

#[test]
fn a_checkpoint_has_one_line_by_a_key_beside_that_of_ed25519() {
    let ed25519 = SigningKey::from_seed(ORIGIN, [3; 32]).unwrap();
    let checkpoint = Checkpoint::new(&ORIGIN.parse().unwrap(), 7, Hash([9; 32]));
    let mut note = checkpoint.sign(&ed25519).unwrap();
    note.add_signature(&signer()).unwrap();
    let once = note.clone();
    note.add_signature(&signer()).unwrap();
    assert_eq!(note, once, "signed again it is the same");
    assert_eq!(note.to_string().parse::<Note>().unwrap(), note);
    let keys = [signer().verifier().clone(), ed25519.verifier().clone()];
    assert_eq!(note.verify(&keys).unwrap(), [&keys[1], &keys[0]]);
    assert!(note.to_string().len() < 4 << 10);
}

#[test]
fn nothing_else_verifies() {
    let (log, _) = foreign();
    let refused = |text: String| {
        let error = text.parse::<Note>().and_then(|note| Checkpoint::open(&note, &log)).unwrap_err();
        assert!(matches!(error, crate::Error::NotAuthenticated { .. }), "{error}");
    };
    refused(CHECKPOINT.replace("12345", "12346"));
    refused(CHECKPOINT.replacen(ORIGIN, "acme.example/agents-test", 1));
    // A bit in every hundredth byte of the time and the signature.
    let own = note().signatures()[0].clone();
    for at in (0..own.bytes().len()).step_by(100) {
        let mut bytes = own.bytes().to_vec();
        bytes[at] ^= 1;
        let line = NoteSignature::new(own.name(), own.key_id(), bytes);
        let mut changed = note();
        changed.put(line).unwrap();
        refused(changed.to_string());
    }
    for len in [8, 9, 2427, 2429] {
        let mut bytes = own.bytes().to_vec();
        bytes.resize(len, 0);
        let mut changed = note();
        changed.put(NoteSignature::new(own.name(), own.key_id(), bytes)).unwrap();
        refused(changed.to_string());
    }
}

#[test]
fn it_signs_checkpoints_alone_and_under_its_own_name() {
    assert!(Note::sign("no checkpoint\n", &signer()).unwrap_err().to_string().contains("no checkpoint"));
    let checkpoint = Checkpoint::new(&ORIGIN.parse().unwrap(), 7, Hash([9; 32]));
    let text = checkpoint.encode().unwrap();
    assert!(cosign(&signer(), &text, 1 << 63).is_err(), "a time that no cosignature can have");
    // Another name, with the same key: the message says who signs.
    let renamed =
        VerifierKey::of("other.example", Algorithm::MlDsa44, signer().verifier().public_key()).unwrap();
    let line = cosign(&signer(), &text, 5).unwrap();
    let stolen = NoteSignature::new(renamed.name(), renamed.key_id(), line.bytes().to_vec());
    assert!(CosignerKey::of(signer().verifier()).time_of(&text, &line).is_some());
    assert!(CosignerKey::of(&renamed).time_of(&text, &stolen).is_none());
    // Nor is an approval a signature over a checkpoint, whatever is approved.
    let approval = approve(&signer(), text.as_bytes()).unwrap();
    assert!(verify_approval(signer().verifier(), text.as_bytes(), &approval));
    assert!(!signer().verifier().verify(text.as_bytes(), &approval));
}
