//! Bundles that someone meddled with: by a stranger who has no key, and by the operator who signs whatever he likes.
//! Each way of leaving something out is refused with its own words.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::super::index::{NamedTerm, ShownSegment, push_segment};
use super::super::read::Cursor;
use super::super::records::{Head, RecordWriter};
use super::*;
use crate::filter::{Clock, Window};
use crate::format::admin::Admin;
use crate::format::disclosure::Disclosure;
use crate::format::entry::Entry;
use crate::format::frame::LabelBuf;
use crate::format::index::{IndexLeaf, IndexRoot};
use crate::hash::{self, Hash, LogTree, RecordSalt};
use crate::merkle::{self, SearchStep};
use crate::source::Profile;
use crate::{Error, Masking, OnDuplicate, Options, Record, Result, Store};

const PROFILE: &str = r#"
name = "small"
version = "1"
[[field]]
name = "ts"
kind = "time"
paths = ["ts"]
[[field]]
name = "run"
paths = ["run"]
[[field]]
name = "note"
paths = ["note"]
private = true
"#;

/// Seqs 0 to 9 are one segment, 10 to 19 another, and the rest is not sealed.
const SIZE: u64 = 24;

/// A store in which record 9 says this.
fn store(dir: &std::path::Path, record_9: &str) -> Store {
    store_of(dir, |n, event| if n == 9 { record_9.to_owned() } else { event })
}

/// A store in which each record says what `say` makes of it.
pub(super) fn store_of(dir: &std::path::Path, say: impl Fn(u64, String) -> String) -> Store {
    let store = Store::create(dir, Options::new(ORIGIN)).unwrap();
    let source = store.source(&Profile::parse(PROFILE).unwrap()).unwrap();
    for n in 2..SIZE {
        // The seal is a record too.
        if n == 10 || n == 20 {
            store.seal().unwrap();
            continue;
        }
        let ts =
            if n % 7 == 0 { "\"noon\"".to_owned() } else { format!("\"2026-04-0{}T00:00:00Z\"", 1 + n % 3) };
        let event = format!(r#"{{"run":"r{}","ts":{ts},"note":"n{n}"}}"#, n % 4);
        let event = say(n, event);
        let prepared = store.prepare(&source, event.into_bytes(), &Masking::default()).unwrap();
        store.commit(vec![prepared], OnDuplicate::Keep).unwrap();
    }
    assert_eq!(store.snapshot().unwrap().tree_size(), SIZE);
    store
}

pub(super) fn run(value: &str) -> Filter {
    let value = Value::Word(value.to_owned());
    Filter::Field(Field::Name("run".to_owned()), Test::Equals(vec![value]))
}

pub(super) fn challenge(sample: u32) -> Option<Challenge> {
    Some(Challenge { sample, seed: "thrown dice".to_owned() })
}

fn scope(filter: Filter, candidates: Candidates) -> Scope {
    Scope { seqs: 0..SIZE, filters: vec![filter], candidates, challenge: None }
}

/// A log as its operator has it, to be altered at will before he signs it.
pub(super) struct Operator {
    pub(super) records: Vec<Record>,
    pub(super) honest: Snapshot,
    dir: tempfile::TempDir,
}

impl Operator {
    fn new() -> Operator {
        Operator::saying(r#"{"run":"r1","ts":"2026-04-01T00:00:00Z","note":"n9"}"#)
    }

    fn saying(record_9: &str) -> Operator {
        let dir = tempfile::tempdir().unwrap();
        let honest = store(dir.path(), record_9).snapshot().unwrap();
        Operator::of(dir, honest)
    }

    pub(super) fn of(dir: tempfile::TempDir, honest: Snapshot) -> Operator {
        let records = honest.records(..).map(|record| record.unwrap()).collect();
        Operator { records, honest, dir }
    }

    /// The bundle that an honest operator would make, and which records are in it.
    pub(super) fn export(&self, scope: &Scope) -> (Evidence, Vec<Seq>) {
        let note = checkpoint(&self.honest, self.honest.tree_size());
        let evidence = self.honest.export(scope, &note).unwrap();
        let records = super::super::records::Records::decode(evidence.records.clone()).unwrap();
        (evidence, records.spans.iter().map(|span| span.seq).collect())
    }

    /// A bundle of these records of the log as it is now, rightly proven and signed.
    pub(super) fn bundle(&self, seqs: &[Seq], index: Vec<u8>, scope: &Scope) -> Evidence {
        let (mut leaves, mut scratch) = (Vec::new(), Vec::new());
        let here = seqs.iter().map(|seq| &self.records[*seq as usize]);
        let heads =
            here.map(|record| Head::new(record.source, record.encoding, LabelBuf::default().as_labels()));
        let mut writer = RecordWriter::new(heads.collect());
        for record in &self.records {
            let salt = RecordSalt([record.seq as u8; 32]);
            let labels = LabelBuf::default();
            let entry = Entry {
                encoding: record.encoding,
                source: record.source,
                seq: record.seq,
                received_at: record.received_at,
                body_len: record.body.len() as u32,
                labels: labels.as_labels(),
                predecessor: leaves.last().copied().unwrap_or(Hash::ZERO),
                body_hash: hash::body(&salt, &record.body),
            };
            leaves.push(entry.leaf(&mut scratch));
            if seqs.contains(&record.seq) {
                writer.push(&entry, &salt, &record.body);
            }
        }
        let mut positions: Vec<u64> = seqs.iter().flat_map(|seq| [seq.saturating_sub(1), *seq]).collect();
        positions.dedup();
        positions.sort_unstable();
        positions.dedup();
        let tree = merkle::Leaves::<LogTree>::new(&leaves);
        let size = leaves.len() as u64;
        let proof = merkle::multi_proof::<LogTree, _>(&tree, &positions, size).unwrap();
        let root = merkle::root::<LogTree>(&leaves);
        let checkpoint = Checkpoint::new(&ORIGIN.parse().unwrap(), size, root).sign(&key()).unwrap();
        Evidence { checkpoint, extends: None, scope: scope.clone(), records: writer.finish(), index, proof }
    }
}

/// What is shown of a segment, to be altered and written again.
pub(super) struct Altered {
    sources: Vec<Seq>,
    pub(super) vocabularies: Vec<String>,
    pub(super) leaves: Vec<(IndexLeaf, Words)>,
    disclosure: Disclosure,
}

/// A leaf's words, and its posting where that is shown.
pub(super) type Words = Option<(NamedTerm, Option<RoaringBitmap>)>;

pub(super) fn read_index(index: &[u8]) -> Vec<Altered> {
    let mut cursor = Cursor::new("index", index);
    let mut segments = Vec::new();
    while !cursor.is_at_end() {
        let shown = ShownSegment::decode(&mut cursor).unwrap();
        let leaves = shown
            .leaves
            .iter()
            .map(|leaf| {
                let named = leaf.named.clone().map(|named| (named, leaf.posting().unwrap()));
                (leaf.leaf, named)
            })
            .collect();
        let statement = IndexRoot {
            leaf_count: shown.leaf_count,
            tree_root: shown.tree_root,
            first_seq: 0,
            record_count: 0,
            rules: Hash::ZERO,
        };
        let disclosure = Disclosure { statement, leaves: Vec::new(), steps: shown.steps };
        segments.push(Altered {
            sources: shown.sources,
            vocabularies: shown.vocabularies,
            leaves,
            disclosure,
        });
    }
    segments
}

pub(super) fn write_index(segments: Vec<Altered>) -> Vec<u8> {
    let mut out = Vec::new();
    for Altered { sources, vocabularies, leaves, mut disclosure } in segments {
        disclosure.leaves = leaves.iter().map(|(leaf, _)| *leaf).collect();
        push_segment(&mut out, &sources, &vocabularies, &disclosure, |leaf| {
            leaves.iter().find(|(other, _)| other == leaf).and_then(|(_, named)| named.clone())
        });
    }
    out
}

/// Which check refuses it, and as what.
fn refusal(evidence: Evidence) -> String {
    match evidence.check(&verifier()) {
        Err(Error::Incomplete { what, reason }) => format!("incomplete: {what}: {reason}"),
        Err(Error::Forged { what, reason }) => format!("forged: {what}: {reason}"),
        Err(Error::NotAuthenticated { .. }) => "not authenticated".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn refused(evidence: Evidence, words: &str) {
    let found = refusal(evidence);
    assert!(found.starts_with(words), "{found}");
}

pub(super) fn without(seqs: &[Seq], gone: impl Fn(Seq) -> bool) -> Vec<Seq> {
    seqs.iter().copied().filter(|seq| !gone(*seq)).collect()
}

#[test]
fn the_forger_can_make_an_honest_bundle_too() {
    let operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let checked = operator.bundle(&seqs, evidence.index.clone(), &scope).check(&verifier()).unwrap();
    assert_eq!(matching(&checked, &scope.filters[0]), [5, 9, 13, 17, 21]);
    assert_eq!(write_index(read_index(&evidence.index)), evidence.index);
    assert!(seqs.len() < SIZE as usize, "{seqs:?}");
}

#[test]
fn a_withheld_event_is_missed() {
    let operator = Operator::new();
    for candidates in [Candidates::All, Candidates::Matches] {
        let scope = scope(run("r1"), candidates);
        let (evidence, seqs) = operator.export(&scope);
        for gone in [5, 9, 13, 17] {
            let bundle = operator.bundle(&without(&seqs, |seq| seq == gone), evidence.index.clone(), &scope);
            refused(bundle, &format!("incomplete: event: by the index, record {gone} "));
        }
    }
}

#[test]
fn a_withheld_segment_is_missed() {
    let operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let second = || write_index(read_index(&evidence.index).into_iter().skip(1).collect());
    let bundle = operator.bundle(&without(&seqs, |seq| (1..=10).contains(&seq)), second(), &scope);
    refused(bundle, "incomplete: segment: no seal is here for the segment of seqs 0 to 9");
    // Without the last seal, what it sealed counts as never sealed, of which everything must be here.
    let first = write_index(read_index(&evidence.index).into_iter().take(1).collect());
    let bundle = operator.bundle(&without(&seqs, |seq| seq == 20 || seq == 13), first, &scope);
    refused(bundle, "incomplete: tail: record 11 ");
    // What is shown of a segment that no seal speaks of is not passed over.
    let bundle = operator.bundle(&without(&seqs, |seq| seq == 20), evidence.index.clone(), &scope);
    assert!(matches!(bundle.check(&verifier()), Err(Error::Fault { .. })));
}

#[test]
fn a_truncated_tail_is_missed() {
    let operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    for gone in 21..SIZE {
        let bundle = operator.bundle(&without(&seqs, |seq| seq >= gone), evidence.index.clone(), &scope);
        refused(bundle, &format!("incomplete: tail: record {gone} is not here"));
        let bundle = operator.bundle(&without(&seqs, |seq| seq == gone), evidence.index.clone(), &scope);
        refused(bundle, &format!("incomplete: tail: record {gone} is not here"));
    }
}

#[test]
fn a_posting_with_one_seq_removed_is_forged() {
    let operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let less = |with_leaf: bool| {
        let mut segments = read_index(&evidence.index);
        let (leaf, named) = segments[0]
            .leaves
            .iter_mut()
            .find(|(_, named)| named.as_ref().is_some_and(|(named, _)| named.term == b"r1"))
            .unwrap();
        let offsets = named.as_mut().unwrap().1.as_mut().unwrap();
        assert_eq!(offsets.iter().collect::<Vec<_>>(), [5, 9]);
        offsets.remove(9);
        if with_leaf {
            (leaf.count, leaf.seqs) = (1, hash::index_seqs(&5_u32.to_le_bytes()));
        } else {
            offsets.insert(8);
        }
        write_index(segments)
    };
    let seqs = without(&seqs, |seq| seq == 9);
    refused(operator.bundle(&seqs, less(false), &scope), "forged: posting: the records shown for run = r1");
    refused(
        operator.bundle(&seqs, less(true), &scope),
        "forged: index: segment 00000000000000000000: the leaves",
    );
}

#[test]
fn a_vocabulary_with_one_term_removed_is_forged() {
    let operator = Operator::new();
    let scope = scope(run("*1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let mut named = read_index(&evidence.index);
    assert_eq!(named[0].vocabularies, ["run"]);
    let of_run =
        |(_, named): &(IndexLeaf, Words)| named.as_ref().is_some_and(|(named, _)| named.term == b"r1");
    let place = named[0].leaves.iter().position(of_run).unwrap();
    named[0].leaves[place].1 = None;
    let seqs = without(&seqs, |seq| seq == 5 || seq == 9);
    let bundle = operator.bundle(&seqs, write_index(named), &scope);
    refused(
        bundle,
        "forged: vocabulary: segment 00000000000000000000: a term of run is shown without its words",
    );
    let mut skipped = read_index(&evidence.index);
    let (leaf, _) = skipped[0].leaves.remove(place);
    let mut leaves = skipped[0].disclosure.steps.iter_mut().filter(|step| **step == SearchStep::Leaf);
    *leaves.nth(place).unwrap() = SearchStep::Skip(leaf.hash());
    let bundle = operator.bundle(&seqs, write_index(skipped), &scope);
    refused(bundle, "forged: vocabulary: segment 00000000000000000000: not all leaves of run are shown");
    let mut removed = read_index(&evidence.index);
    removed[0].leaves.remove(place);
    refused(operator.bundle(&seqs, write_index(removed), &scope), "forged: index: ");
}

#[test]
fn a_second_seal_for_a_range_is_forged() {
    let scope = scope(run("r1"), Candidates::All);
    for (at, first_seq, end_seq, words) in [
        (
            15,
            0,
            10,
            "forged: seal: the seal at seq 15 speaks of seqs 0 to 10; a segment's seal stands at its end",
        ),
        (15, 0, 15, "forged: seal: two seals speak of seq 0"),
        (15, 12, 15, "forged: seal: two seals speak of seq 12"),
        (22, 18, 22, "forged: seal: two seals speak of seq 18"),
    ] {
        let mut operator = Operator::new();
        let (evidence, mut seqs) = operator.export(&scope);
        let Admin::Sealed(mut seal) = Admin::decode(&operator.records[20].body).unwrap() else { panic!() };
        (seal.first_seq, seal.end_seq) = (first_seq, end_seq);
        operator.records[at].body = Admin::Sealed(seal).encode();
        operator.records[at].source = 0;
        seqs.push(at as Seq);
        seqs.sort_unstable();
        seqs.dedup();
        let found = refusal(operator.bundle(&seqs, evidence.index.clone(), &scope));
        assert!(found.starts_with(words), "{found}");
    }
}

#[test]
fn a_proof_for_another_entry_is_forged() {
    let mut operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let other = operator.export(&Scope { filters: vec![run("r2")], ..scope.clone() }).0;
    refused(Evidence { proof: other.proof, ..evidence.clone() }, "forged: inclusion proof: ");
    let proof = operator.bundle(&seqs, evidence.index.clone(), &scope).proof;
    operator.records[5].body = operator.records[9].body.clone();
    let altered = operator.bundle(&seqs, evidence.index.clone(), &scope);
    let records = altered.records;
    refused(Evidence { records, proof, ..evidence }, "forged: inclusion proof: ");
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let evidence = operator.export(&scope).0;
    let root = operator.honest.root();
    let other = SigningKey::from_seed(ORIGIN, [8; 32]).unwrap();
    let by_other = Checkpoint::new(&ORIGIN.parse().unwrap(), SIZE, root).sign(&other).unwrap();
    refused(Evidence { checkpoint: by_other, ..evidence.clone() }, "not authenticated");
    let of_other = Checkpoint::new(&"other.example/log".parse().unwrap(), SIZE, root).sign(&key()).unwrap();
    let words =
        "forged: checkpoint: it is of other.example/log, and the log says that it is test.example/answers";
    refused(Evidence { checkpoint: of_other, ..evidence.clone() }, words);
    let root = operator.honest.root_at(SIZE - 1).unwrap();
    let other_tree = Checkpoint::new(&ORIGIN.parse().unwrap(), SIZE, root).sign(&key()).unwrap();
    refused(Evidence { checkpoint: other_tree, ..evidence.clone() }, "forged: inclusion proof: ");
    // An older checkpoint of the same log does not reach the scope's end.
    let older = checkpoint(&operator.honest, SIZE - 1);
    refused(Evidence { checkpoint: older, ..evidence }, "forged: scope: ");
    // Without the first record nothing says whose log it is.
    let (evidence, seqs) = operator.export(&Scope { seqs: 21..SIZE, ..scope.clone() });
    let bundle = operator.bundle(&without(&seqs, |seq| seq == 0), evidence.index, &evidence.scope);
    refused(bundle, "incomplete: first record: ");
}

#[test]
fn a_residual_condition_passed_off_as_proven_is_missed() {
    let operator = Operator::new();
    let path: Filter =
        Filter::Field(Field::Path("note".parse().unwrap()), Test::Equals(vec![Value::Text("n13".into())]));
    let private = Filter::Field(Field::Name("note".into()), Test::Equals(vec![Value::Text("n13".into())]));
    for (condition, why) in [(path, Why::NotIndexed), (private, Why::Private)] {
        let filter = Filter::All(vec![run("r1"), condition.clone()]);
        let (evidence, _) = operator.export(&scope(filter.clone(), Candidates::Matches));
        assert_eq!(evidence.scope.candidates, Candidates::Matches);
        let checked = evidence.clone().check(&verifier()).unwrap();
        let cover = &checked.covers()[0];
        assert_eq!((cover.withheld, cover.grade), (3, Grade::Committed), "5, 9 and 17");
        assert_eq!(cover.residual, [Residual { condition, why }]);
        assert_eq!(matching(&checked, &filter), [13]);
        let passed_off = Evidence { scope: scope(filter.clone(), Candidates::All), ..evidence };
        refused(passed_off, "incomplete: candidate: the bundle says that it has all candidates");
        let (whole, _) = operator.export(&scope(filter, Candidates::All));
        assert_eq!(whole.check(&verifier()).unwrap().covers()[0].withheld, 0);
    }
}

#[test]
fn a_profile_must_be_here_and_be_the_one_that_the_seal_names() {
    let mut operator = Operator::new();
    let scope = scope(run("r1"), Candidates::All);
    let (evidence, seqs) = operator.export(&scope);
    let bundle = operator.bundle(&without(&seqs, |seq| seq == 1), evidence.index.clone(), &scope);
    refused(bundle, "incomplete: source: the profile of seq 1");
    // Under a profile without the field, no record would have a run.
    let profile = PROFILE.replace("name = \"run\"", "name = \"walk\"");
    operator.records[1].body = Admin::Source { name: "small".into(), profile }.encode();
    let bundle = operator.bundle(&seqs, evidence.index.clone(), &scope);
    refused(bundle, "forged: index rules: segment 00000000000000000000: its seal names other rules");
}

#[test]
fn an_index_that_lies_about_a_record_is_found_out_beside_the_record() {
    let mut operator = Operator::new();
    let liar = Operator::saying(r#"{"run":"r2","ts":"2026-04-01T00:00:00Z","note":"n9"}"#);
    for filter in [run("r1"), run("*1"), run("r2")] {
        let scope = scope(filter, Candidates::All);
        let (evidence, seqs) = liar.export(&scope);
        operator.records[10].body = liar.records[10].body.clone();
        let mut with = seqs.clone();
        with.push(9);
        with.sort_unstable();
        with.dedup();
        let found = refusal(operator.bundle(&with, evidence.index.clone(), &scope));
        assert!(found.starts_with("forged: index: segment 00000000000000000000: it "), "{found}");
        assert!(found.contains("record 9 for run = "), "{found}");
        if !seqs.contains(&9) {
            // Alone, the index is what the operator committed to, and no more.
            let checked = operator.bundle(&seqs, evidence.index, &scope).check(&verifier()).unwrap();
            assert_eq!(checked.grade(), Grade::Committed);
            assert!(!matching(&checked, &scope.filters[0]).contains(&9));
        }
    }
    // A term that the index knows nothing of.
    let mut operator = Operator::new();
    let scope = scope(run("*1"), Candidates::All);
    let (evidence, mut seqs) = operator.export(&scope);
    operator.records[9].body = br#"{"run":"r77"}"#.to_vec();
    seqs.sort_unstable();
    let words =
        "forged: index: segment 00000000000000000000: record 9 has run = r77, which is not in the vocabulary";
    refused(operator.bundle(&seqs, evidence.index.clone(), &scope), words);
    // A source that the segment has no records of.
    operator.records[9].source = 0;
    operator.records[9].body = br#"{"kind":"store.clock","step_ns":1}"#.to_vec();
    refused(
        operator.bundle(&seqs, evidence.index, &scope),
        "forged: index: segment 00000000000000000000: it ",
    );
}

#[test]
fn an_audit_of_all_segments_raises_the_grade_and_one_of_another_index_is_refused() {
    let operator = Operator::new();
    let auditor = SigningKey::from_seed("auditor.example", [5; 32]).unwrap();
    let world = crate::disk::World::real().unwrap();
    let verified = |depth| {
        let options = crate::verify::Options { depth, ..Default::default() };
        crate::verify::verify(&world.disk, operator.dir.path(), &options).unwrap()
    };
    let audits = verified(crate::verify::Depth::Full).index_audits().unwrap();
    assert_eq!(audits.len(), 1);
    assert_eq!(audits[0].segments.len(), 2);
    assert!(verified(crate::verify::Depth::Quick).index_audits().is_err());
    let note = audits[0].sign(&auditor).unwrap();
    let scope = scope(run("r1"), Candidates::All);
    let checked = || operator.export(&scope).0.check(&verifier()).unwrap();
    let mut audited = checked();
    assert_eq!(audited.grade(), Grade::Committed);
    audited.audited_by(&note, auditor.verifier()).unwrap();
    assert_eq!(audited.grade(), Grade::Audited);
    // Each half alone is not enough; both together are.
    let halves: Vec<Note> = audits[0]
        .segments
        .iter()
        .map(|segment| {
            let half = crate::trust::IndexAudit { segments: vec![*segment], ..audits[0].clone() };
            half.sign(&auditor).unwrap()
        })
        .collect();
    let mut audited = checked();
    audited.audited_by(&halves[1], auditor.verifier()).unwrap();
    assert_eq!(audited.grade(), Grade::Committed);
    audited.audited_by(&halves[0], auditor.verifier()).unwrap();
    assert_eq!(audited.grade(), Grade::Audited);
    let refuses = |alter: &dyn Fn(&mut crate::trust::IndexAudit), words: &str| {
        let mut audit = audits[0].clone();
        alter(&mut audit);
        let error = checked().audited_by(&audit.sign(&auditor).unwrap(), auditor.verifier()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refuses(&|audit| audit.origin = "other.example/log".into(), "it is of other.example/log");
    refuses(&|audit| audit.segments[1].index_root = Hash::ZERO, "found another index in segment");
    refuses(&|audit| audit.segments[0].end_seq = 9, "found another index in segment");
    assert!(checked().audited_by(&note, &verifier()).is_err(), "the log's own key is not the auditor's");
}

/// All that a verdict vouches for.
fn vouched(checked: &Checked) -> String {
    let records: Vec<_> = checked
        .records()
        .map(|Disclosed { seq, received_at, source, encoding, labels, body, profile }| {
            (seq, received_at, source, encoding, labels.as_bytes().to_vec(), body.to_vec(), profile.digest())
        })
        .collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {records:?}",
        checked.checkpoint(),
        checked.challenge(),
        checked.deleted(),
        checked.scope(),
        checked.segments(),
        checked.covers(),
        checked.fields()
    )
}

fn check_members(members: &[Vec<u8>; 6]) -> Result<Checked> {
    let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
    Evidence::from_members(members.try_into().unwrap())?.check(&verifier())
}

/// A bundle whose scope was altered is about another question, and says so; what it says must be true all the same.
fn is_true(checked: &Checked, honest: &Snapshot) {
    let scope = checked.scope();
    for (filter, cover) in scope.filters.iter().zip(checked.covers()) {
        let hits = honest.search(filter).unwrap().within(scope.seqs.clone());
        let expected: Vec<Seq> = hits.map(|hit| hit.unwrap().seq).collect();
        let found = matching(checked, filter);
        if cover.withheld == 0 {
            assert_eq!(found, expected, "{filter:?}");
        }
        assert!(expected.len() - found.len() <= cover.withheld as usize, "{filter:?}");
    }
}

#[test]
fn every_other_byte_is_refused_or_makes_no_difference() {
    let operator = Operator::new();
    let day = |day: u64| crate::Timestamp((1_775_001_600 + day as i64 * 86_400) * 1_000_000_000);
    let window = Window { from: Some(day(1)), until: Some(day(2)) };
    let filters = vec![
        Filter::All(vec![run("r1"), Filter::Text("n1".into())]),
        Filter::All(vec![run("*3"), Filter::Time(Clock::Event, window)]),
    ];
    let scope = Scope { seqs: 0..SIZE, filters, candidates: Candidates::Matches, challenge: challenge(2) };
    let (mut evidence, _) = operator.export(&scope);
    evidence.extends = Some(operator.honest.prove_extension(9, &evidence.checkpoint).unwrap());
    evidence.checkpoint.add_signature(&SigningKey::from_seed("witness.example", [9; 32]).unwrap()).unwrap();
    every_other_byte_of(&evidence, &operator.honest);
}

/// Changes each byte of the evidence to a few others: it is refused then, or what is vouched for is the same, or true.
pub(super) fn every_other_byte_of(evidence: &Evidence, honest: &Snapshot) {
    let mut members = evidence.members();
    let expected = vouched(&check_members(&members).unwrap());
    let (mut refused, mut same) = (0, 0);
    for member in 0..members.len() {
        for at in 0..members[member].len() {
            let byte = members[member][at];
            for other in [byte ^ 1, byte ^ 0x80, byte.wrapping_add(1), 0, 0xFF] {
                if other == byte {
                    continue;
                }
                members[member][at] = other;
                match check_members(&members) {
                    Err(_) => refused += 1,
                    Ok(checked) => {
                        same += 1;
                        match EVIDENCE_MEMBERS[member] {
                            // Nobody vouches for what a stranger signed.
                            // The proof from an earlier size is checked against the checkpoint that somebody kept.
                            "checkpoint" | "extends" => assert!(vouched(&checked) == expected, "at {at}"),
                            "scope.json" => is_true(&checked, honest),
                            other => panic!("{other} at {at}"),
                        }
                    }
                }
            }
            members[member][at] = byte;
        }
        let mut longer = members.clone();
        longer[member].push(0);
        assert!(check_members(&longer).is_err(), "{}", EVIDENCE_MEMBERS[member]);
        longer[member].truncate(members[member].len() - 1);
        assert!(check_members(&longer).is_err(), "{}", EVIDENCE_MEMBERS[member]);
    }
    assert!(refused > 10_000 && same > 100, "{refused} {same}");
}

#[test]
fn a_drawn_record_must_be_here_with_the_postings_of_all_its_terms() {
    let operator = Operator::new();
    let asked = Scope { challenge: challenge(4), ..scope(run("r0"), Candidates::All) };
    let root = Checkpoint::decode(operator.bundle(&[0], Vec::new(), &asked).checkpoint.text()).unwrap().root;
    let drawn = asked.challenge.as_ref().unwrap().draw(&root, &(0..20), &RoaringTreemap::new());
    assert_eq!(drawn.len(), 4);
    let gathered = operator.honest.gather(&asked, SIZE, &root).unwrap();
    let (index, mut seqs): (Vec<u8>, Vec<Seq>) = (gathered.index.clone(), gathered.wanted.iter().collect());
    seqs.push(1);
    seqs.sort_unstable();
    seqs.dedup();
    let checked = operator.bundle(&seqs, index.clone(), &asked).check(&verifier()).unwrap();
    assert_eq!(checked.challenge(), Some(Drawn { records: 4, of: 20 }));
    let gone = *drawn.iter().find(|seq| **seq > 1 && !matches!(**seq, 4 | 8 | 10 | 12 | 16)).unwrap();
    let words = format!("incomplete: challenge: it draws record {gone}, and that is not here");
    refused(operator.bundle(&without(&seqs, |seq| seq == gone), index.clone(), &asked), &words);
    // Whose sample is larger has other records to bring, whose seed is another's too.
    let larger = Scope { challenge: challenge(9), ..asked.clone() };
    refused(operator.bundle(&seqs, index.clone(), &larger), "incomplete: challenge: it draws record ");
    // A posting that is not shown does not count as one that names the record.
    let mut hidden = read_index(&index);
    let (segment, offset) = if gone < 10 { (0, gone) } else { (1, gone - 10) };
    let posting = hidden[segment]
        .leaves
        .iter_mut()
        .filter_map(|(_, named)| named.as_mut())
        .find(|(named, offsets)| {
            named.field == "ts" && offsets.as_ref().is_some_and(|offsets| offsets.contains(offset as u32))
        })
        .unwrap();
    posting.1 = None;
    let found = refusal(operator.bundle(&seqs, write_index(hidden), &asked));
    assert!(found.contains("and the posting of its ts = ") && found.ends_with(" is not shown"), "{found}");
}

#[test]
fn a_dishonest_index_is_caught_as_often_as_the_sample_says() {
    // Of the 18 records of the first two segments that have a run, the index is made as though five had another.
    let lied_about = [2, 6, 11, 14, 18];
    let dir = tempfile::tempdir().unwrap();
    let liar = store_of(dir.path(), |n, honest| {
        if lied_about.contains(&n) { honest.replace("\"run\":\"r", "\"run\":\"x") } else { honest }
    });
    let liar = liar.snapshot().unwrap();
    let mut operator = Operator::new();
    for seal in [10, 20] {
        operator.records[seal].body = liar.record(seal as Seq).unwrap().body;
    }
    let ask = |seed: u64, sample| Scope {
        challenge: Some(Challenge { sample, seed: format!("seed {seed}") }),
        ..scope(run("r3"), Candidates::All)
    };
    let root = |scope: &Scope| {
        Checkpoint::decode(operator.bundle(&[0], Vec::new(), scope).checkpoint.text()).unwrap().root
    };
    let root = root(&ask(0, 1));
    for sample in [1, 3, 6] {
        let (mut caught, mut expected) = (0, 0.0);
        let trials = 400;
        for seed in 0..trials {
            let scope = ask(seed, sample);
            let gathered = liar.gather(&scope, SIZE, &root).unwrap();
            let mut seqs: Vec<Seq> = gathered.wanted.iter().chain([1]).collect();
            seqs.sort_unstable();
            seqs.dedup();
            let is_drawn = |seq: &Seq| {
                scope.challenge.as_ref().unwrap().draw(&root, &(0..20), &RoaringTreemap::new()).contains(seq)
            };
            match operator.bundle(&seqs, gathered.index.clone(), &scope).check(&verifier()) {
                Ok(_) => assert!(!lied_about.iter().any(is_drawn), "seed {seed}"),
                Err(Error::Forged { what: "index", .. } | Error::Incomplete { what: "challenge", .. }) => {
                    assert!(lied_about.iter().any(is_drawn), "seed {seed}");
                    caught += 1;
                }
                Err(other) => panic!("{other}"),
            }
            expected += 1.0 - (1.0 - lied_about.len() as f64 / 20.0).powi(sample as i32);
        }
        let rate = f64::from(caught) / trials as f64;
        let stated = expected / trials as f64;
        // At least as often as is stated, but for four standard deviations; and not always.
        let deviation = (stated * (1.0 - stated) / trials as f64).sqrt();
        assert!(rate > stated - 4.0 * deviation && rate < 1.0, "sample {sample}: {rate} of {stated}");
        assert!(rate < stated + 4.0 * deviation + 0.1, "sample {sample}: {rate} of {stated}");
    }
}

#[test]
fn a_bundle_shows_that_the_log_goes_on_from_the_checkpoint_that_somebody_kept() {
    let operator = Operator::new();
    let (evidence, _) = operator.export(&scope(run("r1"), Candidates::All));
    let at = |size| checkpoint(&operator.honest, size);
    let proof = |from, to| operator.honest.prove_extension(from, &at(to)).unwrap();
    let checked = |extends| Evidence { extends, ..evidence.clone() }.check(&verifier()).unwrap();
    let bare = checked(None);
    assert_eq!(bare.continues(&at(SIZE), &verifier(), None).unwrap(), SIZE);
    let told = |result: Result<u64>| result.unwrap_err().to_string();
    assert!(told(bare.continues(&at(9), &verifier(), None)).contains("--extends"));
    assert_eq!(bare.continues(&at(9), &verifier(), Some(&proof(9, SIZE))).unwrap(), 9);
    assert!(
        told(bare.continues(&at(9), &verifier(), Some(&proof(9, 15)))).contains("leads to the log of 15")
    );
    assert!(
        told(bare.continues(&at(9), &verifier(), Some(&proof(8, SIZE)))).contains("from size 8, not from 9")
    );
    let with = checked(Some(proof(9, SIZE)));
    assert_eq!(with.continues(&at(9), &verifier(), None).unwrap(), 9);
    assert!(told(with.continues(&at(8), &verifier(), None)).contains("incomplete"));
    let other = Checkpoint::new(&ORIGIN.parse().unwrap(), 9, operator.honest.root_at(8).unwrap());
    assert!(
        told(with.continues(&other.sign(&key()).unwrap(), &verifier(), None))
            .contains("not shown to continue")
    );
    let fork = Checkpoint { size: SIZE, ..other.clone() }.sign(&key()).unwrap();
    assert!(told(with.continues(&fork, &verifier(), None)).contains("two histories"));
    let ahead = Checkpoint { size: SIZE + 1, ..other.clone() }.sign(&key()).unwrap();
    assert!(matches!(with.continues(&ahead, &verifier(), None), Err(Error::RolledBack { .. })));
    let stranger = Checkpoint { origin: "other.example/log".into(), ..other }.sign(&key()).unwrap();
    assert!(told(with.continues(&stranger, &verifier(), None)).contains("other.example/log"));
    let by_other = at(9).text().to_owned();
    let forger = SigningKey::from_seed(ORIGIN, [8; 32]).unwrap();
    let by_other = Checkpoint::decode(&by_other).unwrap().sign(&forger).unwrap();
    assert!(matches!(with.continues(&by_other, &verifier(), None), Err(Error::NotAuthenticated { .. })));
}
