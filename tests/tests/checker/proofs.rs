//! Proofs, and every one that differs from them in a byte: refused by both verifiers with
//! one verdict, or proving the same.

use std::fs;
use std::path::{Path, PathBuf};

use indelible_engine::hash::{Hash, RecordSalt};
use indelible_engine::trust::{Checkpoint, ExtensionProof, LogProof, Note, Signer, VerifierKey};
use indelible_engine::{Error, Options, Store, verify};
use indelible_tests::golden;
use tempfile::TempDir;

use super::{Checker, write_store};

/// The files of a proof for record 9 and of one that the log grew, in the form in which `indelible prove` writes them, made
/// from a golden store with a sealed segment; and the log's key.
fn proofs() -> (TempDir, String) {
    let golden = golden::all().unwrap().into_iter().find(|golden| golden.name == "two-segments").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (root, write) =
        (dir.path().join("store"), |name, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap());
    write_store(&root, &golden.files);
    let store = Store::open(&root, Options::default().read_only(true)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let note = Note::decode(&golden.files["checkpoint"]).unwrap();
    let proven = snapshot.prove(9, &note).unwrap();
    write("p.tlog-proof", proven.proof.to_string().as_bytes());
    write("p.json", &proven.body);
    write("p.salt", format!("{}\n", Hash(proven.salt.0)).as_bytes());
    write("first.checkpoint", &golden.files["checkpoints/00000000000000000017"]);
    write("grown.proof", snapshot.prove_extension(17, &note).unwrap().to_string().as_bytes());
    (dir, golden::key().verifier().to_string())
}

/// What our own verifier says, in the words of a verdict, and what it vouches for.
fn in_words<T>(result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| match error {
        Error::Forged { .. } => "forged".to_owned(),
        Error::NotAuthenticated { .. } => "not authenticated".to_owned(),
        // What is no proof, no note, no salt.
        Error::InvalidTrust { .. } | Error::OverLimit { .. } => "damaged".to_owned(),
        other => other.to_string(),
    })
}

fn event(site: &Path, key: &str) -> Result<String, String> {
    let read = |extension: &str| fs::read(site.join("p").with_extension(extension)).unwrap();
    let proven = || {
        let proof = LogProof::decode(&read("tlog-proof"))?;
        let salt = String::from_utf8(read("salt")).ok().and_then(|text| Hash::from_hex(text.trim_end()));
        let salt = salt.ok_or(Error::InvalidTrust { what: "salt", reason: String::new() })?;
        verify::verify_proof(&proof, &read("json"), &RecordSalt(salt.0), &key.parse::<VerifierKey>()?)
    };
    in_words(proven()).map(|proven| format!("{proven:?}"))
}

fn growth(site: &Path, key: &str) -> Result<String, String> {
    let read = |name: &str| fs::read(site.join(name)).unwrap();
    let proven = || {
        let key = key.parse::<VerifierKey>()?;
        let proof = ExtensionProof::decode(&read("grown.proof"))?;
        let old = Checkpoint::open(&Note::decode(&read("first.checkpoint"))?, &key)?;
        proof.verify(&old, &key)
    };
    in_words(proven()).map(|proven| format!("{proven:?}"))
}

/// Changes each byte of `file` to several values, and cuts it at each place; how many of these were refused.
fn change_each_byte(
    site: &Path,
    file: &str,
    key: &str,
    ours: impl Fn(&Path, &str) -> Result<String, String>,
    mut theirs: impl FnMut() -> String,
) -> usize {
    let path: PathBuf = site.join(file);
    let good = fs::read(&path).unwrap();
    let proven = ours(site, key).unwrap();
    assert_eq!(theirs(), "clean");
    let mut refused = 0;
    let mut compare = |bytes: &[u8], what: &str, ask_both: bool| {
        fs::write(&path, bytes).unwrap();
        let verdict = match ours(site, key) {
            Ok(other) => {
                assert_eq!(other, proven, "{file}: {what} proves something else");
                "clean".to_owned()
            }
            Err(verdict) => {
                refused += 1;
                verdict
            }
        };
        if ask_both {
            assert_eq!(theirs(), verdict, "{file}: {what}");
        }
    };
    for (at, byte) in good.iter().enumerate() {
        for value in [byte ^ 1, byte ^ 0x20, byte ^ 0x80, b'\n', b' ', b'0', b'A', 0] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if value != *byte {
                compare(&bytes, &format!("byte {at} is {value}"), value == byte ^ 1);
            }
        }
        compare(&good[..at], &format!("cut to {at} bytes"), at % 16 == 0);
    }
    fs::write(&path, &good).unwrap();
    refused
}

#[test]
fn an_event_s_proof_with_a_byte_changed_proves_nothing_else() {
    let (site, key) = proofs();
    let mut checker = Checker::start();
    for file in ["p.tlog-proof", "p.json", "p.salt"] {
        let len = fs::metadata(site.path().join(file)).unwrap().len() as usize;
        let refused = change_each_byte(site.path(), file, &key, event, || {
            checker.ask("proof", &site.path().join("p.tlog-proof"), &key).verdict
        });
        // A salt's newline is white space at the end, whatever it is.
        assert!(refused >= 8 * (len - 1), "{file}: {refused} of {len} bytes");
    }
}

#[test]
fn a_consistency_proof_with_a_byte_changed_proves_nothing_else() {
    let (site, key) = proofs();
    let mut checker = Checker::start();
    for file in ["grown.proof", "first.checkpoint"] {
        let len = fs::metadata(site.path().join(file)).unwrap().len() as usize;
        let refused = change_each_byte(site.path(), file, &key, growth, || {
            let old = site.path().join("first.checkpoint");
            checker.ask_expecting("consistency", &site.path().join("grown.proof"), &key, &old).verdict
        });
        assert!(refused >= 8 * (len - 1), "{file}: {refused} of {len} bytes");
    }
}
