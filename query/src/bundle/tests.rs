//! Bundles of a small log: made, checked, and tampered with.

use indelible_engine::bundle::{self, Candidates};
use indelible_engine::disk::World;
use indelible_engine::format::retention::OperatorSet;
use indelible_engine::trust::{Checkpoint, CosignerKey, Note, Signer, SigningKey, VerifierKey, cosign};
use indelible_engine::{Error as StoreError, FileSigner, Options as StoreOptions, Snapshot, Store};

use super::*;
use crate::tests::{QUESTIONS, now};
use crate::{Options, Query, Vocabulary};

const SAMPLE: &str = include_str!("../../testdata/sample.jsonl");
const ORIGIN: &str = "acme.example/bundles";

/// A log of three segments, the last one open, under a checkpoint.
struct Log {
    dir: tempfile::TempDir,
    store: Store,
    signer: FileSigner,
    checkpoint: Note,
}

impl Log {
    fn new() -> Log {
        let dir = tempfile::tempdir().unwrap();
        let signer = FileSigner::create(&World::real().unwrap(), &dir.path().join("key"), ORIGIN).unwrap();
        let store = Store::create(dir.path().join("store"), StoreOptions::new(ORIGIN)).unwrap();
        let events: Vec<&str> = SAMPLE.lines().collect();
        for (index, batch) in events.chunks(7).enumerate() {
            if index > 0 {
                store.seal().unwrap();
            }
            store.append_batch(batch.to_vec()).unwrap();
        }
        let checkpoint = store.checkpoint(&signer).unwrap();
        Log { dir, store, signer, checkpoint }
    }

    fn key(&self) -> &VerifierKey {
        indelible_engine::CheckpointSigner::verifier(&self.signer)
    }

    fn snapshot(&self) -> Snapshot {
        self.store.snapshot().unwrap()
    }

    fn export(&self, text: &str) -> Result<(Vec<u8>, Bundle)> {
        export(&self.snapshot(), &question(text), &all(), &self.checkpoint, self.key())
    }

    /// The answer of the store itself.
    fn answer(&self, text: &str) -> Vec<u8> {
        let snapshot = self.snapshot();
        let mut registered = Registered::default();
        for seq in snapshot.store_records() {
            registered.add(seq, &snapshot.record(seq).unwrap().body).unwrap();
        }
        let known = registered.controls().unwrap();
        let options = Options { controls: Some(&known.controls), ..Options::at(now()) };
        let query = Query::parse(text, &Vocabulary::of(&snapshot).unwrap()).unwrap();
        let mut answer = query.run(&snapshot, &options).unwrap();
        let columns = answer.columns().to_vec();
        let mut lines = Vec::new();
        for row in answer.by_ref() {
            lines.extend(row.unwrap().to_json(&columns, None));
            lines.push(b'\n');
        }
        lines
    }
}

fn all() -> ExportOptions {
    ExportOptions { candidates: Candidates::All, ..ExportOptions::default() }
}

fn question(text: &str) -> Question {
    Question { text: text.to_owned(), parameters: Default::default(), now: now(), all: false }
}

/// A bundle with one member made anew.
fn with(bytes: &[u8], name: &str, make: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let names = names();
    let mut members: Vec<Vec<u8>> =
        bundle::unpack(bytes, &names).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    make(&mut members[names.iter().position(|known| *known == name).unwrap()]);
    let pairs: Vec<_> = names.into_iter().zip(members.iter().map(Vec::as_slice)).collect();
    bundle::pack(&pairs).unwrap()
}

fn refused(bytes: &[u8], key: &VerifierKey) -> StoreError {
    match verify(bytes, key) {
        Err(Error::Store(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// Checks the bundle of a question; the verdict, and the answer.
fn says_what_the_log_says(log: &Log, text: &str) -> (Verdict, String) {
    let (bytes, made) = log.export(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let checked = verify(&bytes, log.key()).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let expected = String::from_utf8(log.answer(text)).unwrap();
    assert_eq!(String::from_utf8(checked.answer).unwrap(), expected, "{text}");
    assert_eq!(checked.verdict, made.verdict);
    (checked.verdict, expected)
}

#[test]
fn a_bundle_says_what_the_log_says() {
    let log = Log::new();
    for text in QUESTIONS {
        let (verdict, expected) = says_what_the_log_says(&log, text);
        assert_eq!(verdict.rows, expected.lines().count() as u64);
        assert_eq!(verdict.tree_size, log.snapshot().tree_size());
    }
}

#[test]
fn a_bundle_counts_what_operators_had_deleted_and_says_what_the_log_says_of_the_rest() {
    let mut log = Log::new();
    let old = log.export("kind = *").unwrap().0;
    let operator = SigningKey::from_seed("ops-anna", [4; 32]).unwrap();
    let snapshot = log.snapshot();
    let as_of = snapshot.received_at();
    let until = indelible_engine::Timestamp(as_of.0 + 3_600_000_000_000);
    let keys = vec![operator.verifier().to_string()];
    let set = OperatorSet { keys, replaces: 0, threshold: 1 };
    log.store.set_operators(&snapshot.propose(set, as_of, until)).unwrap();
    let gone = [2, 5, 11];
    let snapshot = log.snapshot();
    let mut plan = snapshot.plan_redaction(&gone, "erasure <request> 7", as_of, until).unwrap();
    plan.approve(&operator).unwrap();
    let applied = log.store.apply_plan(&plan, &mut |_, _| true).unwrap();
    log.checkpoint = log.store.checkpoint(&log.signer).unwrap();
    for text in QUESTIONS {
        let (verdict, _) = says_what_the_log_says(&log, text);
        let deleted = Deleted {
            plan: applied.plan.unwrap(),
            records: 3,
            reason: "erasure <request> 7".to_owned(),
            approved_by: vec![operator.verifier().to_string()],
        };
        assert_eq!(verdict.deleted, [deleted]);
    }
    let (bytes, bundle) = log.export("kind = *").unwrap();
    let plan = applied.plan.unwrap();
    let told = format!(
        "deleted    3 records in range, by the plan of record {plan} (erasure <request> 7), approved by"
    );
    assert!(bundle.verdict.to_string().contains(&told), "{}", bundle.verdict);
    assert!(
        bundle.verdict.unchecked.iter().any(|text| text.starts_with("what the deleted records said is gone"))
    );
    for name in ["README.txt", "report.html"] {
        let _ = with(&bytes, name, |member| {
            let text = String::from_utf8(member.clone()).unwrap();
            assert!(text.contains("3 records in range"), "{name}: {text}");
            assert!(name == "README.txt" || text.contains("erasure &lt;request&gt; 7"));
        });
    }
    assert!(
        verify(&old, log.key()).unwrap().verdict.deleted.is_empty(),
        "one of before it says what it said"
    );
}

#[test]
fn each_row_says_by_which_label_word_or_rule_it_is_evidence_of_a_control() {
    let log = Log::new();
    let (bytes, _) = log.export("control SOC2:CC8.1").unwrap();
    let answer = String::from_utf8(verify(&bytes, log.key()).unwrap().answer).unwrap();
    let ways = [
        r#""via":["event","mapping"],"mapped_by":"approvals"}"#,
        r#""via":"mapping","mapped_by":"deployments"}"#,
    ];
    for way in ways {
        assert!(answer.lines().any(|line| line.ends_with(way)), "{way} in\n{answer}");
    }
    let altered = with(&bytes, ANSWER, |answer| {
        let text = String::from_utf8(answer.clone()).unwrap();
        *answer = text.replace(r#""mapped_by":"deployments""#, r#""mapped_by":"approvals""#).into_bytes();
    });
    assert!(matches!(refused(&altered, log.key()), StoreError::Forged { what: ANSWER, .. }));
    let report = bundle::unpack(&bytes, &names()).unwrap();
    let report = String::from_utf8_lossy(member(&report, report::MEMBER)).into_owned();
    assert!(report.contains("<th>mapped_by</th>") && report.contains("<td>deployments</td>"), "{report}");
}

#[test]
fn the_same_question_under_the_same_checkpoint_gives_the_same_bytes() {
    let log = Log::new();
    let text = "kind = deployment | unless preceded by (kind = approval.granted) within run";
    let (first, _) = log.export(text).unwrap();
    // What comes later is not asked about, whatever it is.
    log.store.append(br#"{"event_id":"late","kind":"deployment","run_id":"run_9"}"#).unwrap();
    log.store
        .append(
            br#"{"event_id":"later","kind":"approval.granted","run_id":"run_8","ts":"2026-04-01T00:00:00Z"}"#,
        )
        .unwrap();
    log.store.seal().unwrap();
    assert!(log.export(text).unwrap().0 == first);
    log.store.close().unwrap();
    let store = Store::open(log.dir.path().join("store"), StoreOptions::default()).unwrap();
    let again = export(
        &store.snapshot().unwrap(),
        &question(text),
        &all(),
        &log.checkpoint,
        indelible_engine::CheckpointSigner::verifier(&log.signer),
    );
    assert!(again.unwrap().0 == first);
}

#[test]
fn parameters_times_and_options_are_part_of_the_question() {
    let log = Log::new();
    let asked = Question {
        parameters: [("run".to_owned(), "run_8".to_owned())].into(),
        all: true,
        ..question("run = $run since 30d")
    };
    let (bytes, _) = export(&log.snapshot(), &asked, &all(), &log.checkpoint, log.key()).unwrap();
    let verdict = verify(&bytes, log.key()).unwrap().verdict;
    assert_eq!(verdict.means, "run = \"run_8\" and since 2026-03-11T00:00:00Z");
    for (from, to) in [
        ("\"run_8\"", "\"run_9\""),
        ("\"all\":true", "\"all\":false"),
        ("2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z"),
        ("since 30d\"", "since 31d\""),
    ] {
        let altered = with(&bytes, question::MEMBER, |member| {
            let text = String::from_utf8(member.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *member = text.replace(from, to).into_bytes();
        });
        let error = refused(&altered, log.key());
        assert!(error.to_string().contains("another question was answered"), "{from}: {error}");
    }
}

#[test]
fn another_answer_is_refused() {
    let log = Log::new();
    let (bytes, _) = log.export("kind = deployment | limit 2").unwrap();
    for (name, make) in [
        (
            question::MEMBER,
            (|member| {
                *member =
                    String::from_utf8(member.clone()).unwrap().replace("limit 2", "limit 1").into_bytes()
            }) as fn(&mut Vec<u8>),
        ),
        (ANSWER, |member| member.truncate(member.iter().position(|byte| *byte == b'\n').unwrap() + 1)),
        (ANSWER, |member| member.extend_from_within(..)),
        (ANSWER, Vec::clear),
        (readme::MEMBER, |member| member.extend(b"All is well.\n")),
        (report::MEMBER, |member| member.extend(b"<p>All is well.</p>\n")),
    ] {
        let error = refused(&with(&bytes, name, make), log.key());
        assert!(matches!(error, StoreError::Forged { .. }), "{name}: {error}");
    }
    let other = FileSigner::create(&World::real().unwrap(), &log.dir.path().join("other"), ORIGIN).unwrap();
    let key = indelible_engine::CheckpointSigner::verifier(&other);
    assert!(matches!(refused(&bytes, key), StoreError::NotAuthenticated { .. }));
}

#[test]
fn every_byte_of_our_members_counts() {
    let log = Log::new();
    let (bytes, _) = log.export("timeline run run_8").unwrap();
    for name in MEMBERS {
        let len = member(&bundle::unpack(&bytes, &names()).unwrap()[..MEMBERS.len()], name).len();
        // Most of the report is the same in all of them.
        for at in (0..len).step_by(if name == report::MEMBER { 16 } else { 1 }) {
            let altered = with(&bytes, name, |member| member[at] ^= 1);
            refused(&altered, log.key());
        }
    }
}

#[test]
fn what_an_event_says_stays_text_in_the_report() {
    let log = Log::new();
    log.store
        .append(
            "{\"kind\":\"<script>alert(1)</script>\",\"agent_id\":\"\u{202e}x\",\"run_id\":\"r'\\\"&\"}"
                .as_bytes(),
        )
        .unwrap();
    let checkpoint = log.store.checkpoint(&log.signer).unwrap();
    let asked = question("kind = \"<script>alert(1)</script>\" | fields kind, agent, run");
    let (bytes, bundle) = export(&log.snapshot(), &asked, &all(), &checkpoint, log.key()).unwrap();
    assert_eq!(bundle.verdict.rows, 1);
    let members = bundle::unpack(&bytes, &names()).unwrap();
    let report = std::str::from_utf8(member(&members[..MEMBERS.len()], report::MEMBER)).unwrap();
    assert!(!report.contains("<script") && report.contains("&lt;script&gt;alert(1)"));
    assert!(!report.contains('\u{202e}') && report.contains("\\u{202e}x"));
}

#[test]
fn what_is_no_evidence_is_refused() {
    let log = Log::new();
    assert!(log.export("explain kind = deployment").unwrap_err().to_string().contains("leave `explain` out"));
    assert!(log.export("kind = $kind").unwrap_err().to_string().contains("no value"));
    assert!(log.export("kind = ").is_err());
}

#[test]
fn what_the_operator_filtered_is_told() {
    let log = Log::new();
    let asked = question("tool.args.path = \"/tmp/a b\"");
    let verdicts = [all(), ExportOptions::default()].map(|options| {
        let (bytes, made) = export(&log.snapshot(), &asked, &options, &log.checkpoint, log.key()).unwrap();
        let checked = verify(&bytes, log.key()).unwrap();
        assert_eq!(checked.answer, log.answer(&asked.text));
        assert_eq!(checked.verdict, made.verdict);
        checked.verdict
    });
    let told = verdicts
        .each_ref()
        .map(|verdict| verdict.to_string().contains("filtered by the operator, not checked"));
    assert_eq!(told, [false, true]);
    assert_eq!(verdicts[0].searches[0].withheld, 0);
    assert!(verdicts[1].searches[0].withheld > 0 && verdicts[1].records < verdicts[0].records);
    assert!(verdicts[1].unchecked.last().unwrap().contains("never appended"));
}

#[test]
fn a_sample_counts_for_whoever_chose_its_seed() {
    let log = Log::new();
    let options = ExportOptions { challenge: Some(Challenge { sample: 3, seed: "dice: 4".into() }), ..all() };
    let asked = question("run = run_8");
    let (bytes, made) = export(&log.snapshot(), &asked, &options, &log.checkpoint, log.key()).unwrap();
    let alone = verify(&bytes, log.key()).unwrap().verdict;
    assert_eq!(alone, made.verdict);
    let is_doubted =
        |verdict: &Verdict| verdict.unchecked.iter().any(|text| text.contains("bundle's own word"));
    assert!(is_doubted(&alone) && !alone.challenge.as_ref().unwrap().is_asked);
    let given = |seed: &str, sample| Given {
        challenge: Some(Challenge { sample, seed: seed.into() }),
        ..Given::default()
    };
    let told = verify_given(&bytes, log.key(), &given("dice: 4", 3)).unwrap().verdict;
    assert!(!is_doubted(&told) && told.challenge.as_ref().unwrap().is_asked);
    let text = told.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("sample 3 of 17 records in sealed segments"), "{text}");
    assert!(
        text.contains("1-(1-f)^3: 27.1 % for one in 10, 2.9 % for one in 100, 0.2 % for one in 1000"),
        "{text}"
    );
    let plain = log.export("run = run_8").unwrap().0;
    for (bytes, given, words) in [
        (&bytes, given("dice: 5", 3), "is drawn by the seed \"dice: 4\", and yours is \"dice: 5\""),
        (&bytes, given("dice: 4", 4), "is of 3 records, and you asked for 4"),
        (&plain, given("dice: 4", 1), "has no sample"),
    ] {
        let error = verify_given(bytes, log.key(), &given).unwrap_err();
        assert!(matches!(error, Error::Store(StoreError::Incomplete { what: "challenge", .. })), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_whoever_checks_kept_and_whom_he_knows_is_held_against_the_bundle() {
    let log = Log::new();
    let kept = log.checkpoint.clone();
    log.store.append(br#"{"event_id":"late","kind":"deployment"}"#).unwrap();
    let mut checkpoint = log.store.checkpoint(&log.signer).unwrap();
    let witness = SigningKey::from_seed("witness.example/w", [3; 32]).unwrap();
    let line = cosign(&witness, checkpoint.text(), 1_775_000_000).unwrap();
    let cosigner = CosignerKey::of(witness.verifier());
    cosigner.add_to(&mut checkpoint, &[line]).unwrap();
    let asked = question("kind = deployment");
    let extending = ExportOptions { extends: Some(kept.clone()), ..all() };
    let export =
        |options: &ExportOptions| export(&log.snapshot(), &asked, options, &checkpoint, log.key()).unwrap();
    let given = Given { kept: Some(kept), ..Given::default() };
    let told = verify_given(&export(&extending).0, log.key(), &given).unwrap().verdict;
    assert_eq!(told.continues, Some(told.tree_size - 1));
    let plain = export(&all()).0;
    let missing = verify_given(&plain, log.key(), &given).unwrap_err();
    assert!(missing.to_string().contains("--extends"), "{missing}");
    let size = Checkpoint::decode(given.kept.as_ref().unwrap().text()).unwrap().size;
    let proof = log.snapshot().prove_extension(size, &checkpoint).unwrap();
    let stranger = CosignerKey::of(SigningKey::from_seed("witness.example/v", [4; 32]).unwrap().verifier());
    let given = Given {
        extension: Some(proof),
        witnesses: vec![("audit".to_owned(), cosigner), ("other".to_owned(), stranger)],
        ..given
    };
    let told = verify_given(&plain, log.key(), &given).unwrap();
    assert_eq!(told.verdict.continues, Some(size));
    let [witnessed] = &told.verdict.witnessed[..] else { panic!("{:?}", told.verdict.witnessed) };
    assert_eq!((witnessed.by.as_str(), witnessed.at.as_str()), ("audit", "2026-03-31T23:33:20Z"));
    assert!(told.verdict.to_string().contains("by audit at 2026-03-31T23:33:20Z"));
    assert_eq!(told.checkpoint, checkpoint);
}
