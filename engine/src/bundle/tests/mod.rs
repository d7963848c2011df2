//! Bundles of random questions to random stores: what is checked is what the store would have answered.

mod deleted;
mod tamper;

use super::*;
use crate::answer::tests::{random_filter, random_store};
use crate::filter::{Field, Filter, Matcher, Scratch, Subject, Test, Value};
use crate::index::tests::Random;
use crate::source::Fields;
use crate::trust::{Checkpoint, Note, Signer, SigningKey, VerifierKey};
use crate::{Seq, Snapshot};

const ORIGIN: &str = "test.example/answers";

/// The bytes of an example in the format's description.
pub(super) fn described(name: &str) -> Vec<u8> {
    let page = include_str!("../../../../docs/FORMAT-bundle.md");
    let (_, after) = page.split_once(&format!("```hex {name}\n")).unwrap();
    let (digits, _) = after.split_once("```").unwrap();
    digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [7; 32]).unwrap()
}

fn verifier() -> VerifierKey {
    key().verifier().clone()
}

fn checkpoint(snapshot: &Snapshot, size: u64) -> Note {
    let root = snapshot.root_at(size).unwrap();
    Checkpoint::new(&ORIGIN.parse().unwrap(), size, root).sign(&key()).unwrap()
}

/// The seqs of the checked records that match.
fn matching(checked: &Checked, filter: &Filter) -> Vec<Seq> {
    let (matcher, mut scratch, mut fields) =
        (Matcher::new(filter).unwrap(), Scratch::default(), Fields::default());
    let mut found = Vec::new();
    for Disclosed { seq, received_at, source, encoding, labels, body, profile } in checked.records() {
        profile.extract(body, &mut fields).unwrap();
        let subject = Subject { seq, received_at, source, encoding, labels, body, profile, fields: &fields };
        if matcher.matches(&subject, &mut scratch).unwrap() {
            found.push(seq);
        }
    }
    found
}

fn through_bytes(evidence: &Evidence) -> Evidence {
    let members = evidence.members();
    let named: Vec<(&str, &[u8])> =
        EVIDENCE_MEMBERS.into_iter().zip(members.iter().map(Vec::as_slice)).collect();
    let archive = pack(&named).unwrap();
    let read = unpack(&archive, &EVIDENCE_MEMBERS).unwrap();
    let read = Evidence::from_members(read.try_into().unwrap()).unwrap();
    assert_eq!(read.members(), members);
    read
}

#[test]
fn a_bundle_of_any_question_gives_what_the_store_would() {
    let mut grades = [0; 2];
    let (mut withheld, mut residual) = (0, 0);
    for seed in 0..60 {
        let mut random = Random(seed + 1);
        let dir = tempfile::tempdir().unwrap();
        let store = random_store(dir.path(), &mut random);
        let snapshot = store.snapshot().unwrap();
        for _ in 0..6 {
            let size = 1 + random.below(snapshot.tree_size());
            let start = random.below(2) * random.below(size);
            let seqs = start..start + random.below(size - start + 1);
            let filters: Vec<Filter> =
                (0..1 + random.below(3)).map(|_| random_filter(&mut random, 3, size)).collect();
            let candidates = if random.below(2) == 0 { Candidates::All } else { Candidates::Matches };
            let sample = random.below(4) as u32;
            let challenge =
                (sample > 0).then(|| Challenge { sample, seed: format!("seed {}", random.below(100)) });
            let scope = Scope { seqs: seqs.clone(), filters: filters.clone(), candidates, challenge };
            let evidence = snapshot.export(&scope, &checkpoint(&snapshot, size)).unwrap();
            assert_eq!(evidence, snapshot.export(&scope, &checkpoint(&snapshot, size)).unwrap());
            let checked = through_bytes(&evidence).check(&verifier()).unwrap();
            let drawn = checked.challenge().map(|drawn| drawn.records == drawn.of.min(u64::from(sample)));
            assert_eq!(drawn, (sample > 0).then_some(true));
            for (filter, cover) in filters.iter().zip(checked.covers()) {
                let hits = snapshot.search(filter).unwrap().within(seqs.clone());
                let expected: Vec<Seq> = hits.map(|hit| hit.unwrap().seq).collect();
                let context = String::from_utf8(filter.encode()).unwrap();
                assert_eq!(matching(&checked, filter), expected, "seed {seed}: {context}");
                assert!(cover.candidates >= expected.len() as u64);
                assert!(cover.withheld == 0 || checked.scope().candidates == Candidates::Matches);
                assert!(cover.withheld == 0 || !cover.residual.is_empty(), "seed {seed}: {context}");
                withheld += cover.withheld;
                residual += cover.residual.len();
            }
            grades[usize::from(checked.grade() == Grade::Disclosed)] += 1;
        }
    }
    assert!(grades[0] > 50 && grades[1] > 20 && withheld > 100 && residual > 100, "{grades:?} {withheld}");
}

#[test]
fn one_condition_of_several_is_shown_where_that_is_shorter() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::Store::create(dir.path(), crate::Options::new(ORIGIN)).unwrap();
    for n in 0..400 {
        let event = format!(r#"{{"run_id":"run_{}","kind":"k{}","pad":"{:0>300}"}}"#, n % 200, n % 3, n);
        store.append(event.as_bytes()).unwrap();
    }
    store.seal().unwrap();
    let snapshot = store.snapshot().unwrap();
    let size = snapshot.tree_size();
    let equals = |name: &str, value: &str| {
        Filter::Field(Field::Name(name.into()), Test::Equals(vec![Value::Text(value.into())]))
    };
    let both = Filter::All(vec![equals("kind", "k1"), equals("run", "run_7")]);
    let scope = Scope { seqs: 0..size, filters: vec![both], candidates: Candidates::All, challenge: None };
    let checked = snapshot.export(&scope, &checkpoint(&snapshot, size)).unwrap().check(&verifier()).unwrap();
    let cover = &checked.covers()[0];
    // Two records are of the run; the other field's posting would cost more than reading one of them.
    assert_eq!((cover.candidates, cover.grade), (2 + 1, Grade::Committed), "and the seal behind the segment");
    assert_eq!(cover.residual.len(), 1);
    assert_eq!(cover.residual[0].why, Why::NotShown);
    let counts = checked.fields().iter().find(|counts| counts.field == "run").unwrap();
    assert_eq!((counts.records, counts.unreadable), (size - 1, 0));
    assert_eq!(counts.absent, 2, "the store's own records");
}

/// Four runs that take turns. Where a run's records have even seqs, each one's predecessor is in another pair of leaves, so
/// that its leaf takes the place of no hash of the proof: no two runs take the same, and it is their mean that is held to a bound.
#[test]
fn runs_that_take_turns_with_three_others_are_proven_in_less_than_120_bytes_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::Store::create(dir.path(), crate::Options::new(ORIGIN)).unwrap();
    for batch in 0..40 {
        let event =
            |n: u64| format!(r#"{{"run_id":"run_{}","kind":"k{}","n":{n}}}"#, n % 4, n % 7).into_bytes();
        store.append_batch((batch * 100..batch * 100 + 100).map(event)).unwrap();
    }
    store.seal().unwrap();
    let snapshot = store.snapshot().unwrap();
    let size = snapshot.tree_size();
    let overhead = |run: u64| {
        let value = Value::Text(format!("run_{run}"));
        let filter = Filter::Field(Field::Name("run".into()), Test::Equals(vec![value]));
        let scope =
            Scope { seqs: 0..size, filters: vec![filter], candidates: Candidates::All, challenge: None };
        let evidence = snapshot.export(&scope, &checkpoint(&snapshot, size)).unwrap();
        let len: usize = evidence.members().iter().map(Vec::len).sum();
        let checked = evidence.check(&verifier()).unwrap();
        assert!((1000..1010).contains(&checked.len()));
        len - checked.records().map(|record| record.body.len()).sum::<usize>()
    };
    let each = (0..4).map(overhead).sum::<usize>() as f64 / 4000.0;
    assert!(each < 120.0, "{each}");
}
