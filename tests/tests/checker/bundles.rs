//! Evidence bundles, as they are exported and with a byte of a member changed: one verdict by both verifiers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use indelible_engine::bundle::{Candidates, Checked, EVIDENCE_MEMBERS, Evidence, Scope, pack, unpack};
use indelible_engine::filter::Filter;
use indelible_engine::trust::{Note, Signer, VerifierKey};
use indelible_engine::{Class, Error, Options, Snapshot, Store};
use indelible_tests::golden;

use super::{Checker, Draw, from_environment, write_store};

/// How many changed bundles are tried of each question where nothing is said.
const MUTANTS: u64 = 20;

/// Questions, each with the seqs that it is about.
const QUESTIONS: [(&str, u64, u64); 12] = [
    (r#"{"field":[{"name":"decision"},{"equals":[{"text":"DENY"}]}]}"#, 0, 24),
    (r#"{"field":[{"name":"decision"},{"equals":[{"word":"D*"}]}]}"#, 0, 24),
    (r#"{"field":[{"name":"decision"},{"differs":{"word":"DENY"}}]}"#, 3, 20),
    (r#"{"all":[{"field":[{"name":"run"},{"equals":[{"word":"run_1"}]}]},{"text":"ops-1"}]}"#, 0, 17),
    (r#"{"any":[{"field":[{"name":"agent"},"exists"]},"store_record"]}"#, 5, 9),
    (r#"{"not":{"field":[{"name":"nothing"},"exists"]}}"#, 0, 24),
    (r#"{"time":["event",{"from":1775380000000000000,"until":1775900000000000000}]}"#, 0, 24),
    (r#"{"all":[{"seqs":{"end":9,"start":4}},{"field":[{"name":"kind"},{"matches":"^tool"}]}]}"#, 0, 24),
    (r#"{"field":[{"path":"latency_ms"},{"compare":["greater",{"number":"500"}]}]}"#, 0, 24),
    (r#"{"field":[{"name":"ts"},"unreadable"]}"#, 0, 24),
    (r#"{"ids":["evt_7"]}"#, 0, 24),
    (r#"{"all":[]}"#, 18, 24),
];

fn ours(archive: &[u8], key: &VerifierKey) -> Result<Checked, String> {
    let checked = || {
        let members = unpack(archive, &EVIDENCE_MEMBERS)?;
        Evidence::from_members(members.try_into().expect("they are five"))?.check(key)
    };
    checked().map_err(|error| match error {
        Error::Forged { .. } => "forged".to_owned(),
        Error::Incomplete { .. } => "incomplete".to_owned(),
        Error::NotAuthenticated { .. } => "not authenticated".to_owned(),
        Error::InvalidTrust { .. } | Error::InvalidFilter { .. } | Error::OverLimit { .. } => {
            "damaged".to_owned()
        }
        other => match other.class() {
            Some(Class::Unsupported) => "unsupported".to_owned(),
            Some(Class::Forged) => "forged".to_owned(),
            Some(Class::Damaged) => "damaged".to_owned(),
            None => other.to_string(),
        },
    })
}

fn evidence(
    snapshot: &Snapshot,
    note: &Note,
    question: (&str, u64, u64),
    candidates: Candidates,
) -> [Vec<u8>; 5] {
    let (filter, start, end) = question;
    let filters = vec![Filter::decode(filter.as_bytes()).unwrap()];
    let scope = Scope { seqs: start..end, filters, candidates };
    snapshot.export(&scope, note).unwrap().members()
}

fn archive(members: &[Vec<u8>; 5]) -> Vec<u8> {
    let named: Vec<(&str, &[u8])> =
        EVIDENCE_MEMBERS.into_iter().zip(members.iter().map(Vec::as_slice)).collect();
    pack(&named).unwrap()
}

/// What the second verifier says of an archive, and what is disputed in it.
fn compare(checker: &mut Checker, path: &Path, archive: &[u8]) -> (String, Option<String>) {
    let key = golden::key().verifier().clone();
    fs::write(path, archive).unwrap();
    let theirs = checker.ask("bundle", path, &key.to_string());
    let agrees = match ours(archive, &key) {
        Ok(checked) => {
            let withheld: u64 = checked.covers().iter().map(|cover| cover.withheld).sum();
            let grade = format!("{:?}", checked.grade()).to_lowercase();
            let said = &theirs.said;
            let facts =
                said["records"] == checked.len() && said["grade"] == grade && said["withheld"] == withheld;
            if theirs.verdict == "clean" && facts {
                Ok(())
            } else {
                Err(format!("clean, {grade}, {withheld}"))
            }
        }
        Err(verdict) if theirs.verdict == verdict => Ok(()),
        Err(verdict) => Err(verdict),
    };
    let dispute = agrees.err().map(|ours| format!("ours: {ours}, theirs: {}", theirs.said));
    (theirs.verdict, dispute)
}

#[test]
fn both_verifiers_give_one_verdict_on_bundles() {
    let count = from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS);
    let mut draw = Draw(from_environment("INDELIBLE_CHECKER_SEED", 1));
    let golden = golden::all().unwrap().into_iter().find(|golden| golden.name == "two-segments").unwrap();
    let dir = tempfile::tempdir().unwrap();
    write_store(&dir.path().join("store"), &golden.files);
    let store = Store::open(dir.path().join("store"), Options::default().read_only(true)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let note = Note::decode(&golden.files["checkpoint"]).unwrap();
    let (mut checker, path) = (Checker::start(), dir.path().join("bundle.zip"));
    let (mut disputes, mut verdicts) = (Vec::new(), BTreeMap::<String, u64>::new());
    for question in QUESTIONS {
        for candidates in [Candidates::All, Candidates::Matches] {
            let members = evidence(&snapshot, &note, question, candidates);
            let what = format!("{question:?} {candidates:?}");
            assert_eq!(
                compare(&mut checker, &path, &archive(&members)),
                ("clean".to_owned(), None),
                "{what}"
            );
            for _ in 0..count {
                let mut changed = members.clone();
                let member = draw.below(changed.len());
                let bytes = &mut changed[member];
                if bytes.is_empty() {
                    continue;
                }
                let byte = draw.below(bytes.len());
                let name = EVIDENCE_MEMBERS[member];
                let change = if draw.below(8) == 0 {
                    bytes.truncate(byte);
                    format!("{what}: {name} cut to {byte} bytes")
                } else {
                    bytes[byte] ^= 1 << draw.below(8);
                    format!("{what}: byte {byte} of {name} is {}", bytes[byte])
                };
                let (verdict, dispute) = compare(&mut checker, &path, &archive(&changed));
                disputes.extend(dispute.map(|dispute| format!("{change}\n  {dispute}")));
                *verdicts.entry(verdict).or_default() += 1;
            }
        }
    }
    assert!(disputes.is_empty(), "{} disputes ({verdicts:?}):\n{}", disputes.len(), disputes.join("\n"));
    for verdict in ["damaged", "forged", "not authenticated"] {
        assert!(verdicts.contains_key(verdict), "no changed bundle is {verdict}: {verdicts:?}");
    }
}
