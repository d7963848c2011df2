//! Evidence bundles, as they are exported and with a byte of a member changed: one verdict by both verifiers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::bundle::{
    Candidates, Challenge, Checked, Deleted, EVIDENCE_MEMBERS, Evidence, Scope, pack, unpack,
};
use indelible_engine::disk::{Disk, RealDisk};
use indelible_engine::filter::Filter;
use indelible_engine::trust::{Checkpoint, Note, Signer, SigningKey};
use indelible_engine::{Class, Error, Options, Snapshot, Store, verify};
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

/// What whoever checks a bundle knows beside the log's key; each is one more thing that can be changed.
const KEPT: usize = EVIDENCE_MEMBERS.len();
const AUDIT: usize = KEPT + 1;
/// The seed of all samples.
const SEED: &str = "dice 4 2 6";

/// The members of a bundle, and behind them a checkpoint that was kept and an index audit.
type Parts = [Vec<u8>; AUDIT + 1];

fn auditor() -> SigningKey {
    SigningKey::from_seed("auditor.example", [5; 32]).unwrap()
}

fn ours(archive: &[u8], parts: &Parts, seed: &str) -> Result<Checked, String> {
    let key = golden::key().verifier().clone();
    let checked = || {
        let members = unpack(archive, &EVIDENCE_MEMBERS)?;
        let mut checked = Evidence::from_members(members.try_into().expect("they are six"))?.check(&key)?;
        checked.audited_by(&Note::decode(&parts[AUDIT])?, auditor().verifier())?;
        if checked.scope().challenge.as_ref().is_none_or(|challenge| challenge.seed != seed) {
            return Err(Error::Incomplete { what: "challenge", reason: String::new() });
        }
        checked.continues(&Note::decode(&parts[KEPT])?, &key, None)?;
        Ok(checked)
    };
    checked().map_err(|error| match error {
        Error::Forged { .. } => "forged".to_owned(),
        Error::Incomplete { .. } => "incomplete".to_owned(),
        Error::NotAuthenticated { .. } => "not authenticated".to_owned(),
        Error::RolledBack { .. } => "rolled back".to_owned(),
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

/// The evidence for a question, with a sample of `sample` records and the proof that the log goes on from what was kept.
fn evidence(
    snapshot: &Snapshot,
    (note, kept): (&Note, &Note),
    (filter, start, end): (&str, u64, u64),
    candidates: Candidates,
    sample: u32,
) -> [Vec<u8>; KEPT] {
    let filters = vec![Filter::decode(filter.as_bytes()).unwrap()];
    let challenge = Some(Challenge { sample, seed: SEED.to_owned() });
    let scope = Scope { seqs: start..end, filters, candidates, challenge };
    let mut evidence = snapshot.export(&scope, note).unwrap();
    let kept = Checkpoint::decode(kept.text()).unwrap();
    evidence.extends = Some(snapshot.prove_extension(kept.size, note).unwrap());
    evidence.members()
}

fn archive(parts: &Parts) -> Vec<u8> {
    let named: Vec<(&str, &[u8])> =
        EVIDENCE_MEMBERS.into_iter().zip(parts.iter().map(Vec::as_slice)).collect();
    pack(&named).unwrap()
}

/// What the second verifier says of a bundle that was to be drawn by `seed`, and what is disputed in it.
fn compare(checker: &mut Checker, dir: &Path, parts: &Parts, seed: &str) -> (String, Option<String>) {
    let [path, kept, audit] = ["bundle.zip", "kept", "audit"].map(|name| dir.join(name));
    let archive = archive(parts);
    for (path, bytes) in [(&path, &archive), (&kept, &parts[KEPT]), (&audit, &parts[AUDIT])] {
        fs::write(path, bytes).unwrap();
    }
    let known = format!("{}\t{seed}\t{}\t{}", kept.display(), audit.display(), auditor().verifier());
    let key = golden::key().verifier().to_string();
    let theirs = checker.ask_expecting("bundle", &path, &key, Path::new(&known));
    let agrees = match ours(&archive, parts, seed) {
        Ok(checked) => {
            let withheld: u64 = checked.covers().iter().map(|cover| cover.withheld).sum();
            let grade = format!("{:?}", checked.grade()).to_lowercase();
            let drawn = checked.challenge().map_or(0, |drawn| drawn.records);
            let of_plan = |one: &Deleted| (one.plan.to_string(), one.records);
            let deleted: BTreeMap<String, u64> = checked.deleted().iter().map(of_plan).collect();
            let said = &theirs.said;
            let facts = said["records"] == checked.len()
                && said["grade"] == grade
                && said["withheld"] == withheld
                && said["drawn"] == drawn
                && said["deleted"] == serde_json::json!(deleted);
            if theirs.verdict == "clean" && facts {
                Ok(())
            } else {
                Err(format!("clean, {grade}, {withheld}, {drawn}"))
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
    agree_on("two-segments", 24);
}

#[test]
fn both_verifiers_give_one_verdict_on_bundles_of_a_log_from_which_records_were_deleted() {
    agree_on("deleted", 35);
}

/// Bundles of a golden store of so many records, as they are and changed.
fn agree_on(name: &str, size: u64) {
    let count = from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS);
    let mut draw = Draw(from_environment("INDELIBLE_CHECKER_SEED", 1));
    let golden = golden::all().unwrap().into_iter().find(|golden| golden.name == name).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write_store(&dir.path().join("store"), &golden.files);
    let store = Store::open(dir.path().join("store"), Options::default().read_only(true)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let note = Note::decode(&golden.files["checkpoint"]).unwrap();
    let origin = store.origin().clone();
    let kept = Checkpoint::new(&origin, 17, snapshot.root_at(17).unwrap()).sign(&golden::key()).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = verify::verify(&disk, &dir.path().join("store"), &verify::Options::default()).unwrap();
    let audit = report.index_audits().unwrap()[0].sign(&auditor()).unwrap().to_string().into_bytes();
    let mut checker = Checker::start();
    let (mut disputes, mut verdicts) = (Vec::new(), BTreeMap::<String, u64>::new());
    for (number, (filter, start, end)) in QUESTIONS.into_iter().enumerate() {
        // What is asked up to the end of the one store is asked up to the end of the other.
        let question = (filter, start, if end == 24 { size } else { end });
        for candidates in [Candidates::All, Candidates::Matches] {
            let sample = 1 + number as u32 % 4;
            let members = evidence(&snapshot, (&note, &kept), question, candidates, sample);
            let parts: Vec<Vec<u8>> =
                members.into_iter().chain([kept.to_string().into_bytes(), audit.clone()]).collect();
            let parts = Parts::try_from(parts).expect("they are eight");
            let what = format!("{question:?} {candidates:?}");
            assert_eq!(compare(&mut checker, dir.path(), &parts, SEED), ("clean".to_owned(), None), "{what}");
            assert_eq!(
                compare(&mut checker, dir.path(), &parts, "7"),
                ("incomplete".to_owned(), None),
                "{what}"
            );
            for _ in 0..count {
                let mut changed = parts.clone();
                let part = draw.below(changed.len());
                let bytes = &mut changed[part];
                if bytes.is_empty() {
                    continue;
                }
                let byte = draw.below(bytes.len());
                let name = EVIDENCE_MEMBERS.get(part).unwrap_or(&"what is known beside");
                let change = if draw.below(8) == 0 {
                    bytes.truncate(byte);
                    format!("{what}: {name} cut to {byte} bytes")
                } else {
                    bytes[byte] ^= 1 << draw.below(8);
                    format!("{what}: byte {byte} of {name} is {}", bytes[byte])
                };
                let (verdict, dispute) = compare(&mut checker, dir.path(), &changed, SEED);
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
