//! Questions: what the second verifier answers to them, from the records of a store or of a bundle alone, is what a query
//! answers; and of bundles of which the question or the answer was changed both say one thing.
//!
//! `INDELIBLE_CHECKER_QUESTIONS=20000` asks more of them, `INDELIBLE_CHECKER_SEED=7` others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use indelible::query::bundle::{self, ExportOptions, Question};
use indelible::query::controls::MappedControls;
use indelible::query::{Error as QueryError, Options, Query, Vocabulary};
use indelible_engine::bundle::{Candidates, EVIDENCE_MEMBERS, pack, unpack};
use indelible_engine::source::Profile;
use indelible_engine::trust::{Checkpoint, Note, Signer};
use indelible_engine::{Error, Masking, OnDuplicate, Options as StoreOptions, Snapshot, Store, Timestamp};
use indelible_tests::golden;
use indelible_tests::scenario::Scenario;
use serde_json::{Value, json};

use super::asking::{PROFILE, event, query};
use super::{Checker, Draw, from_environment};
use crate::questions::samples;

/// How many questions are put to each store, where nothing is said.
const QUESTIONS: u64 = 120;
const STORES: u64 = 3;
/// How many questions are put to bundles, and how many of each bundle are changed.
const BUNDLES: u64 = 60;
const MUTANTS: u64 = 6;
/// The members of a bundle that are for people, and those that have the question and the answer.
const MEMBERS: [&str; 4] = ["README.txt", "report.html", "query.json", "answer.jsonl"];
/// 2026-04-10T00:00:00Z.
const NOW: Timestamp = Timestamp(1_775_779_200_000_000_000);

/// The controls that ship, as a question brings them along.
fn controls() -> Value {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../query/packs");
    let read = |name: &str| fs::read_to_string(packs.join(name).with_extension("toml")).unwrap();
    let names = ["soc2", "pci-dss", "hipaa", "iso27001", "nist-ai-rmf", "eu-ai-act"];
    json!({ "mapping": read("default-mapping"), "packs": names.map(read) })
}

/// The answer of the store itself; nothing where the question makes no sense.
fn ours(snapshot: &Snapshot, question: &Value) -> Option<String> {
    let mut query = Query::parse(question["query"].as_str()?, &Vocabulary::of(snapshot).unwrap()).ok()?;
    for (name, value) in question["parameters"].as_object()? {
        query = query.bind(name, value.as_str()?).ok()?;
    }
    let known = MappedControls::of(snapshot).unwrap();
    let options = Options { controls: Some(&known), all: question["all"].as_bool()?, ..Options::at(NOW) };
    let mut answer = query.run(snapshot, &options).ok()?;
    let columns = answer.columns().to_vec();
    let mut lines = String::new();
    for row in answer.by_ref() {
        lines += std::str::from_utf8(&row.unwrap().to_json(&columns, None)).unwrap();
        lines += "\n";
    }
    Some(lines)
}

/// What both verifiers say to these questions, where it is not the same; and how many of them made sense.
fn compare(checker: &mut Checker, dir: &Path, store: &Store, questions: &[Value]) -> (Vec<String>, usize) {
    let asked = dir.join("questions");
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    fs::write(&asked, lines.join("\n")).unwrap();
    let opinion = checker.ask_expecting("query", &dir.join("store"), "", &asked);
    assert_eq!(opinion.verdict, "clean", "{:#}", opinion.said);
    let snapshot = store.snapshot().unwrap();
    let answers = opinion.said["answers"].as_array().unwrap();
    assert_eq!(answers.len(), questions.len());
    let (mut disputes, mut answered) = (Vec::new(), 0);
    for (question, theirs) in questions.iter().zip(answers) {
        let ours = ours(&snapshot, question);
        answered += usize::from(ours.is_some());
        if ours.as_deref() != theirs["rows"].as_str() {
            let ours = ours.unwrap_or_else(|| "it makes no sense".to_owned());
            let theirs = theirs["rows"].as_str().map_or_else(|| theirs.to_string(), str::to_owned);
            disputes.push(format!("{}\nours:\n{ours}\ntheirs:\n{theirs}", question["query"]));
        }
    }
    (disputes, answered)
}

fn question(text: String, parameters: BTreeMap<&str, &str>, all: bool, controls: &Value) -> Value {
    json!({ "all": all, "controls": controls, "now": NOW.to_string(), "parameters": parameters, "query": text })
}

/// A store of events drawn at random, some of them read by a profile of their own, in several segments.
fn store(draw: &mut Draw, dir: &Path, count: usize) -> Store {
    let store = Store::create(dir.join("store"), StoreOptions::new(golden::key().verifier().name())).unwrap();
    let jobs = store.source(&Profile::parse(PROFILE).unwrap()).unwrap();
    let events: Vec<String> = (0..count).map(|index| event(draw, index)).collect();
    for (number, batch) in events.chunks(1 + draw.below(count / 2)).enumerate() {
        if number > 0 {
            store.seal().unwrap();
        }
        let (of_jobs, others) = batch.split_at(draw.below(batch.len()));
        let of_jobs = of_jobs
            .iter()
            .map(|event| store.prepare(&jobs, event.clone().into_bytes(), &Masking::default()).unwrap());
        store.commit(of_jobs.collect(), OnDuplicate::Keep).unwrap();
        store.append_batch(others.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    store
}

/// Demands one answer to each of these questions, all of which make sense; `now` is their present.
fn agree(dir: &Path, store: &Store, questions: Vec<Value>) {
    let count = questions.len();
    let (disputes, answered) = compare(&mut Checker::start(), dir, store, &questions);
    assert!(disputes.is_empty(), "{} disputes:\n{}", disputes.len(), disputes.join("\n\n"));
    assert_eq!(answered, count, "not all of them make sense");
}

#[test]
fn the_examples_of_the_page_have_one_answer() {
    let page = include_str!("../../../docs/QUERY.md");
    let sample = include_str!("../../../query/testdata/sample.jsonl");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("store"), StoreOptions::new("page.example/log")).unwrap();
    let events: Vec<&str> = sample.lines().collect();
    for (number, batch) in events.chunks(7).enumerate() {
        if number > 0 {
            store.seal().unwrap();
        }
        store.append_batch(batch.to_vec()).unwrap();
    }
    let controls = controls();
    let examples = page.split("```query\n> ").skip(1).filter_map(|block| block.lines().next());
    // Some of them show what is told of mistakes.
    let mistakes = ["control soc2 cc8.1", "controls framework PCI DSS"];
    let is_right = |text: &&str| !text.contains("cuont") && !mistakes.contains(text);
    let questions: Vec<Value> = examples
        .filter(is_right)
        .map(|text| question(text.to_owned(), BTreeMap::new(), false, &controls))
        .collect();
    assert!(questions.len() > 30, "{}", questions.len());
    agree(dir.path(), &store, questions);
}

#[test]
fn what_auditors_ask_has_one_answer() {
    let page = include_str!("../../../docs/QUERY.md");
    let scenario = Scenario::new(20_260_501, 40);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("store"), StoreOptions::new("asked.example/log")).unwrap();
    for events in scenario.events.chunks(scenario.events.len() / 3 + 1) {
        store.append_batch(events.to_vec()).unwrap();
        store.seal().unwrap();
    }
    let ((agent, resource), _) = scenario.truth.access.iter().next().unwrap();
    let (denied, _) = scenario.truth.denials.iter().next().unwrap();
    let run = scenario.truth.approvals.keys().next().unwrap().split('-').next().unwrap();
    let known = [("agent", agent.as_str()), ("resource", resource), ("id", denied), ("run", run)];
    let (_, asked) = page.split_once("\n## Questions\n").unwrap();
    let controls = controls();
    let questions: Vec<Value> = asked
        .split("```text\n")
        .skip(1)
        .map(|block| {
            let text = block.split_once("\n```").unwrap().0.to_owned();
            let parameters =
                known.into_iter().filter(|(name, _)| text.contains(&format!("${name}"))).collect();
            question(text, parameters, false, &controls)
        })
        .collect();
    assert!(questions.len() > 18, "{}", questions.len());
    agree(dir.path(), &store, questions);
}

#[test]
fn questions_over_real_evidence_have_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let store = samples::store(dir.path());
    let controls = controls();
    let questions = samples::QUESTIONS
        .map(|(_, text)| question(text.to_owned(), BTreeMap::new(), false, &controls))
        .into_iter()
        .chain([question("controls | where events > 0".to_owned(), BTreeMap::new(), false, &controls)])
        .collect();
    agree(dir.path(), &store, questions);
}

#[test]
fn random_questions_have_one_answer() {
    let count = from_environment("INDELIBLE_CHECKER_QUESTIONS", QUESTIONS);
    let seed = from_environment("INDELIBLE_CHECKER_SEED", 1);
    let (controls, mut checker) = (controls(), Checker::start());
    let (mut disputes, mut answered) = (Vec::new(), 0);
    for seed in seed..seed + STORES {
        let mut draw = Draw(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = store(&mut draw, dir.path(), 50);
        let questions: Vec<Value> = (0..count)
            .map(|number| {
                let text = query(&mut draw, number % 8 == 0);
                question(text, BTreeMap::new(), draw.below(10) == 0, &controls)
            })
            .collect();
        let (found, sensible) = compare(&mut checker, dir.path(), &store, &questions);
        disputes.extend(found);
        answered += sensible;
    }
    assert!(disputes.is_empty(), "{} disputes:\n{}", disputes.len(), disputes.join("\n\n"));
    assert!(answered as u64 > count * STORES / 2, "only {answered} questions make sense");
}

/// What our own verifier says of a bundle; nothing where all that it found wrong is what it says to people.
fn verdict(archive: &[u8]) -> Option<String> {
    let said = match bundle::verify(archive, golden::key().verifier()) {
        Ok(_) => return Some("clean".to_owned()),
        Err(QueryError::Store(said)) => said,
        Err(other) => return Some(other.to_string()),
    };
    Some(match said {
        Error::Forged { what: "README.txt" | "report.html", .. } => return None,
        Error::Forged { .. } => "forged".to_owned(),
        Error::Incomplete { .. } => "incomplete".to_owned(),
        Error::OverLimit { .. } => "damaged".to_owned(),
        other => other.class().map_or_else(|| other.to_string(), |class| class.to_string()),
    })
}

fn check(checker: &mut Checker, path: &Path, archive: &[u8]) -> (String, Value) {
    fs::write(path, archive).unwrap();
    let opinion = checker.ask("bundle", path, &golden::key().verifier().to_string());
    (opinion.verdict, opinion.said)
}

/// Changes a byte of the question or of the answer, or takes one out.
fn change(members: &mut [Vec<u8>], draw: &mut Draw) -> Option<String> {
    let place = 2 + draw.below(2);
    let bytes = members.get_mut(place).filter(|bytes| !bytes.is_empty())?;
    let at = draw.below(bytes.len());
    let what = match draw.below(6) {
        0 => {
            bytes.remove(at);
            "is gone".to_owned()
        }
        1 => {
            let end =
                bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |line| at + line + 1);
            bytes.truncate(end);
            "and its line are the last".to_owned()
        }
        2 => {
            bytes[at] = b" \"0,}1".get(draw.below(6)).copied()?;
            format!("is {}", bytes[at])
        }
        _ => {
            bytes[at] ^= 1 << draw.below(7);
            format!("is {}", bytes[at])
        }
    };
    Some(format!("byte {at} of {} {what}", MEMBERS[place]))
}

#[test]
fn a_bundle_s_question_and_answer_are_checked_by_both() {
    let seed = from_environment("INDELIBLE_CHECKER_SEED", 1);
    let (bundles, mutants) = (
        from_environment("INDELIBLE_CHECKER_BUNDLES", BUNDLES),
        from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS),
    );
    let names: Vec<&str> = MEMBERS.into_iter().chain(EVIDENCE_MEMBERS).collect();
    let packed = |members: &[Vec<u8>]| {
        let members: Vec<_> = names.iter().copied().zip(members.iter().map(Vec::as_slice)).collect();
        pack(&members).unwrap()
    };
    let (mut draw, mut checker) = (Draw(seed), Checker::start());
    let dir = tempfile::tempdir().unwrap();
    let store = store(&mut draw, dir.path(), 30);
    let snapshot = store.snapshot().unwrap();
    let size = snapshot.tree_size();
    let checkpoint = Checkpoint::new(store.origin(), size, snapshot.root_at(size).unwrap());
    let note: Note = checkpoint.sign(&golden::key()).unwrap();
    let path = dir.path().join("bundle.zip");
    let (mut disputes, mut verdicts, mut made) = (Vec::new(), BTreeMap::<String, u64>::new(), 0);
    while made < bundles {
        let text = query(&mut draw, made % 6 == 0);
        let question = Question { text, parameters: BTreeMap::new(), now: NOW, all: draw.below(10) == 0 };
        let candidates = [Candidates::All, Candidates::Matches][draw.below(2)];
        let options = ExportOptions { candidates, ..ExportOptions::default() };
        let Ok((archive, _)) =
            bundle::export(&snapshot, &question, &options, &note, golden::key().verifier())
        else {
            continue;
        };
        made += 1;
        let (theirs, said) = check(&mut checker, &path, &archive);
        if theirs != "clean" {
            disputes.push(format!("{question:?}: clean, and not {said}"));
        }
        assert_eq!(said["not_checked"], json!(["README.txt", "report.html"]), "{question:?}: {said}");
        for _ in 0..mutants {
            let mut members: Vec<Vec<u8>> =
                unpack(&archive, &names).unwrap().into_iter().map(<[u8]>::to_vec).collect();
            let Some(what) = change(&mut members, &mut draw) else { continue };
            let changed = packed(&members);
            let Some(ours) = verdict(&changed) else { continue };
            let (theirs, said) = check(&mut checker, &path, &changed);
            if theirs != ours {
                let question = String::from_utf8_lossy(&members[2]).chars().take(600).collect::<String>();
                disputes.push(format!("{what}: ours {ours}, theirs {said}\n{question}"));
            }
            *verdicts.entry(theirs).or_default() += 1;
        }
    }
    assert!(disputes.is_empty(), "{} disputes ({verdicts:?}):\n{}", disputes.len(), disputes.join("\n\n"));
    for verdict in ["damaged", "forged"] {
        assert!(verdicts.contains_key(verdict), "no changed bundle is {verdict}: {verdicts:?}");
    }
}
