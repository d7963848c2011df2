//! Proofs as files: read as they are written, and every byte of them counts.

use super::tests::{ORIGIN, key};
use super::*;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{Leaves, consistency_proof, inclusion_proof, root};
use crate::{Error, Origin};

const COUNT: u64 = 11;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn leaves() -> Vec<Hash> {
    (0..COUNT).map(|index| LogTree::leaf(&entry(index))).collect()
}

fn note(size: u64) -> Note {
    let root = root::<LogTree>(&leaves()[..size as usize]);
    Checkpoint::new(&ORIGIN.parse::<Origin>().unwrap(), size, root).sign(&key(ORIGIN, 1)).unwrap()
}

fn log_proof(index: u64, size: u64) -> LogProof {
    let leaves = leaves();
    let hashes = inclusion_proof::<LogTree, _>(&Leaves::<LogTree>::new(&leaves), index, size).unwrap();
    LogProof { extra: Some(entry(index)), index, hashes, checkpoint: note(size) }
}

fn extension_proof(old_size: u64, size: u64) -> ExtensionProof {
    let leaves = leaves();
    let hashes = consistency_proof::<LogTree, _>(&Leaves::<LogTree>::new(&leaves), old_size, size).unwrap();
    ExtensionProof { old_size, hashes, checkpoint: note(size) }
}

#[test]
fn every_entry_is_proven_under_every_checkpoint_and_no_other_is() {
    let key = key(ORIGIN, 1).verifier().clone();
    for size in 1..=COUNT {
        for index in 0..size {
            let proof = log_proof(index, size);
            let read = LogProof::decode(proof.to_string().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.verify(&entry(index), &key).unwrap().size, size);
            for other in (0..COUNT).filter(|other| *other != index) {
                assert!(matches!(read.verify(&entry(other), &key), Err(Error::Forged { .. })));
            }
        }
    }
}

#[test]
fn every_growth_is_proven_and_no_other_history() {
    let key = key(ORIGIN, 1).verifier().clone();
    for size in 1..=COUNT {
        for old_size in 1..=size {
            let proof = extension_proof(old_size, size);
            assert_eq!(ExtensionProof::decode(proof.to_string().as_bytes()).unwrap(), proof);
            let old = Checkpoint::open(&note(old_size), &key).unwrap();
            assert_eq!(proof.verify(&old, &key).unwrap().size, size);
            let forked = Checkpoint { root: LogTree::leaf(b"fork"), ..old.clone() };
            let elsewhere = Checkpoint { origin: "acme.example/other".to_owned(), ..old.clone() };
            let resized = Checkpoint { size: old.size + 1, ..old };
            for other in [forked, elsewhere, resized] {
                assert!(matches!(proof.verify(&other, &key), Err(Error::Forged { .. })));
            }
        }
    }
}

#[test]
fn every_altered_byte_is_refused_or_is_in_what_is_not_vouched_for() {
    let key = key(ORIGIN, 1).verifier().clone();
    let proof = log_proof(6, COUNT);
    let text = proof.to_string().into_bytes();
    let extra_at = text.windows(6).position(|part| part == b"extra ").unwrap();
    let extra_end = extra_at + text[extra_at..].iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..text.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut altered = text.clone();
            altered[at] ^= flip;
            let Ok(read) = LogProof::decode(&altered) else { continue };
            assert_eq!(read.to_string().into_bytes(), altered, "one form each");
            if read.verify(&entry(6), &key).is_ok() {
                assert!((extra_at..extra_end).contains(&at), "byte {at} changed and was believed");
            }
            let entry = read.extra.clone().unwrap_or_default();
            assert!(read.verify(&entry, &key).is_err(), "byte {at}");
        }
        for cut in [&text[..at], &text[at + 1..]] {
            assert!(LogProof::decode(cut).is_err() || at == 0);
        }
    }
}

#[test]
fn a_proof_under_another_key_is_not_authenticated() {
    let other = key(ORIGIN, 2).verifier().clone();
    assert!(matches!(log_proof(3, 7).verify(&entry(3), &other), Err(Error::NotAuthenticated { .. })));
    let old = Checkpoint::decode(note(3).text()).unwrap();
    assert!(matches!(extension_proof(3, 7).verify(&old, &other), Err(Error::NotAuthenticated { .. })));
}

#[test]
fn what_is_no_proof_is_refused() {
    let good = log_proof(6, COUNT).to_string();
    let without_extra: String = good
        .lines()
        .filter(|line| !line.starts_with("extra"))
        .fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(LogProof::decode(without_extra.as_bytes()).unwrap().extra, None);
    let many = format!("{}\n", "A".repeat(43) + "=").repeat(200);
    for bad in [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("index 6", "index 06"),
        good.replace("index 6", "index -6"),
        good.replace("index 6", "index 99999999999999999999"),
        good.replace("extra ", "extra  "),
        good.replace("index 6\n", &format!("index 6\n{many}")),
        good.replacen("\n\n", "\n", 1),
        good.replace('\n', "\r\n"),
        good.clone() + "\n",
        "old 3\n\n".to_owned(),
    ] {
        assert!(LogProof::decode(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(matches!(LogProof::decode(&vec![b'x'; 200 << 10]), Err(Error::OverLimit { .. })));
}
