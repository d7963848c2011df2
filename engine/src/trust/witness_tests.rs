//! Cosignatures to the byte, and what a witness agrees to: each refusal, and all small histories.

use super::tests::key;
use super::*;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{Leaves, consistency_proof, root};

const LOG: &str = "example.com/behind-the-sofa";
const TIME_S: u64 = 1_679_315_147;

fn witness() -> SigningKey {
    key("witness.example.com/w1", 7)
}

fn cosigner() -> CosignerKey {
    CosignerKey::of(witness().verifier())
}

/// The leaves of a history: from `fork` on they are those of another.
fn leaves(count: u64, fork: u64) -> Vec<Hash> {
    (0..count).map(|n| LogTree::leaf(&[u8::from(n >= fork), n as u8])).collect()
}

fn checkpoint(count: u64, fork: u64) -> Checkpoint {
    let root = root::<LogTree>(&leaves(count, fork));
    Checkpoint { origin: LOG.to_owned(), size: count, root, extensions: Vec::new() }
}

fn request(old_size: u64, count: u64, fork: u64) -> ExtensionProof {
    let leaves = leaves(count, fork);
    let hashes = consistency_proof::<LogTree, _>(&Leaves::<LogTree>::new(&leaves), old_size, count)
        .unwrap_or_default();
    ExtensionProof { old_size, hashes, checkpoint: checkpoint(count, fork).sign(&key(LOG, 1)).unwrap() }
}

fn rule() -> WitnessRule {
    WitnessRule::new([key(LOG, 1).verifier().clone()])
}

fn read(rule: &WitnessRule, request: &ExtensionProof) -> Result<(), Refusal> {
    rule.read(request.to_string().as_bytes()).map(|_| ())
}

/// A request that another implementation's witness is tested with: the log's key and its checkpoint are not ours.
#[test]
fn a_foreign_request_and_a_foreign_witness_key_are_read() {
    let origin = "sigsum.org/v1/tree/985ea163f5af026723561354f51f2ebcdcf2af809ce254ccfb64aa9aadd80f90";
    let public = "52c05edad1bf5feffa81354faae59a655d9a9a1a793ed2f62c39c26c0be2aecd";
    let public = std::array::from_fn(|at| u8::from_str_radix(&public[2 * at..2 * at + 2], 16).unwrap());
    let body = format!(
        "old 0\n\n{origin}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} {origin} \
         7BKT0gOfNZ1J0So9unY3BZtm2YkPIoNYM/dce0Z2avJDs8dxN6ts9bOSwwrVrbjm6P9K3ZxpK6jJngOG6YvGGzV/lwo=\n"
    );
    let rule = WitnessRule::new([VerifierKey::new(origin, public).unwrap()]);
    let (request, checkpoint) = rule.read(body.as_bytes()).unwrap();
    assert_eq!((request.old_size, checkpoint.size, request.to_string()), (0, 1, body));
    assert_eq!(WitnessRule::decide(&request, &checkpoint, None), Ok(SignerMemory::of(&checkpoint)));

    let text = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    let key: CosignerKey = text.parse().unwrap();
    assert_eq!((key.name(), key.key_id(), key.to_string().as_str()), ("remora.n621.de", 0xda77_ade7, text));
}

#[test]
fn the_signed_message_is_the_specifications() {
    let text = checkpoint(3, 9).encode().unwrap();
    let line = cosign(&witness(), &text, TIME_S).unwrap();
    assert_eq!(line.bytes()[..8], [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let signature = line.bytes()[8..].try_into().unwrap();
    assert!(witness().verifier().verify(message.as_bytes(), signature));
}

#[test]
fn a_witness_key_is_of_its_own_type() {
    let key = cosigner();
    let text = key.to_string();
    assert_eq!(text.parse::<CosignerKey>().unwrap(), key);
    assert_ne!(key.key_id(), witness().verifier().key_id());
    assert!(text.parse::<VerifierKey>().unwrap_err().to_string().contains("0x04"));
    let plain = witness().verifier().to_string();
    assert!(plain.parse::<CosignerKey>().unwrap_err().to_string().contains("0x01"));
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let parsed = String::from_utf8(changed).ok().and_then(|text| text.parse::<CosignerKey>().ok());
        assert_ne!(parsed.as_ref(), Some(&key));
    }
}

#[test]
fn every_changed_bit_of_a_cosignature_is_noticed() {
    let mut note = checkpoint(3, 9).sign(&key(LOG, 1)).unwrap();
    assert_eq!(cosigner().cosigned(&note).unwrap(), None);
    let line = cosign(&witness(), note.text(), TIME_S).unwrap();
    for at in 0..line.bytes().len() * 8 {
        let mut bytes = line.bytes().to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        let changed = NoteSignature::new(line.name(), line.key_id(), bytes);
        assert!(cosigner().add_to(&mut note, &[changed]).is_err(), "bit {at}");
    }
    for length in 1..line.bytes().len() {
        let cut = NoteSignature::new(line.name(), line.key_id(), line.bytes()[..length].to_vec());
        assert!(cosigner().add_to(&mut note, &[cut]).is_err(), "{length} bytes");
    }
    assert_eq!(note.signatures().len(), 1, "what does not verify is not kept");
    assert_eq!(cosigner().add_to(&mut note, std::slice::from_ref(&line)).unwrap(), TIME_S);
    assert_eq!(cosigner().cosigned(&note).unwrap(), Some(TIME_S));
    assert!(note.verify(&[key(LOG, 1).verifier().clone()]).is_ok(), "the log's own line is as it was");
    assert_eq!(note.to_string().parse::<Note>().unwrap(), note);
    let other = NoteSignature::new("somebody", 3, vec![1; 72]);
    assert!(cosigner().add_to(&mut note, &[other]).is_err(), "another's line is none of this witness");
}

#[test]
fn a_time_past_what_the_field_holds_is_refused() {
    assert!(cosign(&witness(), "x\n", 1 << 63).is_err());
    assert!(cosign(&witness(), "x\n", (1 << 63) - 1).is_ok());
}

#[test]
fn each_refusal_has_its_status() {
    let good = request(0, 5, 9);
    read(&rule(), &good).unwrap();
    let status = |rule: &WitnessRule, body: &[u8]| rule.read(body).map_err(|refusal| refusal.status()).err();
    assert_eq!(status(&rule(), b"old 1\n"), Some(400));
    assert_eq!(status(&rule(), &vec![b'x'; crate::limits::WITNESS_REQUEST_LEN_MAX + 1]), Some(400));
    assert_eq!(status(&rule(), good.to_string().replace("old 0", "old 00").as_bytes()), Some(400));
    assert_eq!(status(&rule(), request(6, 5, 9).to_string().as_bytes()), Some(400));
    let mut long = request(0, 5, 9);
    long.hashes = vec![LogTree::empty(); 64];
    assert_eq!(status(&rule(), long.to_string().as_bytes()), Some(400));
    assert_eq!(status(&WitnessRule::default(), good.to_string().as_bytes()), Some(404));
    let stranger = WitnessRule::new([key(LOG, 2).verifier().clone()]);
    assert_eq!(status(&stranger, good.to_string().as_bytes()), Some(403));
    // Either of two keys of a log is enough, and a stranger's line beside it changes nothing.
    let both = WitnessRule::new([key(LOG, 2).verifier().clone(), key(LOG, 1).verifier().clone()]);
    let mut more = good.clone();
    more.checkpoint.add_signature(&key("stranger", 9)).unwrap();
    assert_eq!(status(&both, more.to_string().as_bytes()), None);
}

/// All pairs of histories of up to 12 leaves that part at some leaf, from each old size: what is agreed to is
/// exactly what continues the memory, from the size that the memory has.
#[test]
fn a_decision_is_right_for_every_small_history() {
    for seen in 0..=12 {
        let memory = SignerMemory::of(&checkpoint(seen, 99));
        for next in 0..=12_u64 {
            for fork in 0..=next {
                for old in 0..=next {
                    let request = request(old, next, fork);
                    let decided = WitnessRule::decide(&request, &checkpoint(next, fork), Some(&memory));
                    let continues = next >= seen && fork >= seen;
                    match decided {
                        Ok(kept) => {
                            assert!(continues && old == seen, "seen {seen}, {old} to {next}, fork {fork}");
                            assert_eq!(kept, SignerMemory::of(&checkpoint(next, fork)));
                        }
                        Err(Refusal::Conflict { size }) => {
                            assert_eq!(size, seen);
                            assert!(old != seen || (next == seen && fork < seen));
                        }
                        Err(refusal) => {
                            assert_eq!(refusal, Refusal::Unproven);
                            assert!(old == seen && !continues, "seen {seen}, {old} to {next}, fork {fork}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_proof_is_empty_where_there_is_nothing_to_prove() {
    for (old, next) in [(0, 5), (5, 5)] {
        let memory = (old > 0).then(|| SignerMemory::of(&checkpoint(old, 99)));
        let mut request = request(old, next, 99);
        assert!(request.hashes.is_empty());
        assert!(WitnessRule::decide(&request, &checkpoint(next, 99), memory.as_ref()).is_ok());
        request.hashes.push(LogTree::empty());
        let refused = WitnessRule::decide(&request, &checkpoint(next, 99), memory.as_ref());
        assert_eq!(refused, Err(Refusal::Unproven));
    }
}
