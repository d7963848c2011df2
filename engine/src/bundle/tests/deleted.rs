//! Bundles of logs from which operators had records deleted: what stayed is proven as before, what went is counted, and
//! nothing else passes for deleted.

use super::tamper::*;
use super::*;
use crate::format::retention::{Approved, Deleting, OperatorSet, Plan};
use crate::retention::State;
use crate::{Error, Store, Timestamp};

const DAY_NS: i64 = 86_400_000_000_000;

fn operator(number: u8) -> SigningKey {
    SigningKey::from_seed(&format!("operator{number}"), [100 + number; 32]).unwrap()
}

/// Until when what is asked for now is good.
fn times(snapshot: &Snapshot) -> (Timestamp, Timestamp) {
    let now = snapshot.received_at();
    (now, Timestamp(now.0 + DAY_NS))
}

/// Names these operators, with the approval of those before.
fn appoint(store: &Store, numbers: &[u8], by: &[u8]) {
    let snapshot = store.snapshot().unwrap();
    let mut keys: Vec<String> = numbers.iter().map(|n| operator(*n).verifier().to_string()).collect();
    keys.sort();
    let replaces = snapshot.retention().unwrap().operators.seq;
    let (as_of, expires) = times(&snapshot);
    let mut change = snapshot.propose(OperatorSet { keys, replaces, threshold: 2 }, as_of, expires);
    by.iter().for_each(|n| change.approve(&operator(*n)).unwrap());
    store.set_operators(&change).unwrap();
}

fn plan(store: &Store, seqs: &[Seq], by: &[u8]) -> Approved<Plan> {
    let snapshot = store.snapshot().unwrap();
    let (as_of, expires) = times(&snapshot);
    let mut plan = snapshot.plan_redaction(seqs, "asked to", as_of, expires).unwrap();
    by.iter().for_each(|n| plan.approve(&operator(*n)).unwrap());
    plan
}

fn delete(store: &Store, seqs: &[Seq], by: &[u8]) -> Seq {
    store.apply_plan(&plan(store, seqs, by), &mut |_, _| true).unwrap().plan.unwrap()
}

/// Segments of seqs 0 to 9 and 10 to 19, as in the other tests. From record 24 on operators are named, and twice records
/// deleted of the first segment, once of the second.
struct Site {
    operator: Operator,
    state: State,
}

impl Site {
    /// All these records stand behind the last seal, or in a segment of their own.
    fn new(is_sealed: bool) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = store_of(dir.path(), |_, event| event);
        appoint(&store, &[1, 2], &[]);
        delete(&store, &[5, 6], &[1, 2]);
        delete(&store, &[13], &[1, 2]);
        appoint(&store, &[2, 3], &[1, 2]);
        delete(&store, &[8], &[3, 2]);
        if is_sealed {
            store.seal().unwrap();
            store.append(br#"{"run_id":"late"}"#).unwrap();
        }
        let honest = store.snapshot().unwrap();
        let state = honest.retention().unwrap();
        Site { operator: Operator::of(dir, honest), state }
    }

    fn scope(&self, filter: Filter) -> Scope {
        let seqs = 0..self.operator.honest.tree_size();
        Scope { seqs, filters: vec![filter], candidates: Candidates::All, challenge: None }
    }

    /// The seq of the n-th record that says what is deleted.
    fn deleting(&self, number: usize) -> Seq {
        self.state.deletions[number].seq
    }

    /// Changes what such a record says.
    fn say(&mut self, number: usize, change: impl FnOnce(&mut Deleting)) {
        let mut deleting = self.state.deletions[number].deleting.clone();
        change(&mut deleting);
        let seq = self.deleting(number) as usize;
        self.operator.records[seq].body = crate::format::admin::Admin::Deleting(deleting).encode();
    }
}

fn note_of(snapshot: &Snapshot) -> Note {
    checkpoint(snapshot, snapshot.tree_size())
}

#[test]
fn what_stayed_is_proven_and_what_went_is_counted_by_plan() {
    for is_sealed in [false, true] {
        let site = Site::new(is_sealed);
        for (filter, expected) in [(run("r1"), &[9, 17, 21][..]), (run("r0"), &[4, 12, 16])] {
            let (evidence, seqs) = site.operator.export(&site.scope(filter.clone()));
            let checked = through_bytes(&evidence).check(&verifier()).unwrap();
            assert_eq!(matching(&checked, &filter), expected);
            let told: Vec<_> =
                checked.deleted().iter().map(|one| (one.plan, one.records, &*one.reason)).collect();
            let plans: Vec<Seq> = site.state.plans.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(
                told,
                [(plans[0], 2, "asked to"), (plans[1], 1, "asked to"), (plans[2], 1, "asked to")]
            );
            let by: Vec<&str> = checked.deleted()[2].approved_by.iter().map(VerifierKey::name).collect();
            assert_eq!(by, ["operator3", "operator2"]);
            assert_eq!(checked.segments()[0].deleted, 3);
            // The forger makes the same of it.
            let scope = evidence.scope.clone();
            site.operator.bundle(&seqs, evidence.index.clone(), &scope).check(&verifier()).unwrap();
        }
        let everything =
            site.operator.export(&site.scope(Filter::All(Vec::new()))).0.check(&verifier()).unwrap();
        assert_eq!(everything.grade(), Grade::Disclosed, "all that was not deleted is here");
        assert_eq!(everything.len() as u64, site.operator.honest.tree_size() - 4);
    }
}

#[test]
fn a_bundle_of_before_the_deletion_holds_and_none_can_be_made_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), |_, event| event);
    appoint(&store, &[1, 2], &[]);
    let (before, scope) = (store.snapshot().unwrap(), |size| Scope {
        seqs: 0..size,
        filters: vec![run("r1")],
        candidates: Candidates::All,
        challenge: None,
    });
    let note = note_of(&before);
    let old = before.export(&scope(25), &note).unwrap();
    delete(&store, &[5, 6], &[1, 2]);
    let checked = through_bytes(&old).check(&verifier()).unwrap();
    assert_eq!(matching(&checked, &run("r1")), [5, 9, 13, 17, 21]);
    assert!(checked.deleted().is_empty());
    let after = store.snapshot().unwrap();
    let refusal = |snapshot: &Snapshot| match snapshot.export(&scope(25), &note) {
        Err(Error::Refused { what: "evidence", reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refusal(&after).contains("answer under a newer checkpoint"), "{}", refusal(&after));
    let answered = after.export(&scope(after.tree_size()), &note_of(&after)).unwrap();
    let checked = answered.check(&verifier()).unwrap();
    assert_eq!(matching(&checked, &run("r1")), [9, 13, 17, 21]);
    // Of a range that does not meet the segment nothing has changed.
    let second = Scope { seqs: 10..25, ..scope(25) };
    let checked = after.export(&second, &note).unwrap().check(&verifier()).unwrap();
    assert_eq!(matching(&checked, &run("r1")), [13, 17, 21]);
}

/// Every change of records, and of which of them are shown, that is refused with these words.
fn refuses(words: &str, change: &dyn Fn(&mut Site, &mut Vec<Seq>)) {
    for is_sealed in [false, true] {
        let mut site = Site::new(is_sealed);
        let (evidence, mut seqs) = site.operator.export(&site.scope(run("r1")));
        change(&mut site, &mut seqs);
        refused(site.operator.bundle(&seqs, evidence.index.clone(), &evidence.scope), words);
    }
}

#[test]
fn a_deletion_is_worth_what_its_plan_says() {
    use crate::hash::Hash;
    let says = |words: &str, number: usize, change: &dyn Fn(&mut Deleting)| {
        refuses(words, &|site, _| site.say(number, change));
    };
    says("forged: deletion: record 26 names seqs 4 to 7", 0, &|it| it.seqs = vec![(4, 7)]);
    says("forged: deletion: record 26 names seqs 5 to 7", 0, &|it| it.first_seq = 10);
    says("forged: deletion: record 29 names seqs 5 to 7", 1, &|it| it.seqs = vec![(5, 7)]);
    says("forged: deletion: record 33 names what was deleted before", 2, &|it| {
        (it.seqs, it.plan) = (vec![(5, 7)], 25);
    });
    says("forged: deletion: of records 0 to 9, the index says others", 0, &|it| it.seqs = vec![(5, 6)]);
    says("incomplete: plan: the plan of record 3", 0, &|it| it.plan = 3);
    says("forged: index rules: ", 2, &|it| it.rules = Hash::ZERO.to_string());
    says("forged: index: segment 00000000000000000000: ", 2, &|it| it.index_root = Hash::ZERO.to_string());
    says("forged: deletion: record 33 has a hash that is none", 2, &|it| it.index_root.clear());
    refuses("forged: index: segment 00000000000000000000: ", &|site, _| {
        let other = site.state.deletions[1].deleting.index_root.clone();
        site.say(2, |it| it.index_root = other);
    });
    refuses("forged: deletion: record 26 comes", &|site, _| {
        site.operator.records[26].received_at.0 += 2 * DAY_NS
    });
    refuses(
        "forged: deletion: segment 00000000000000000000: record 5 was deleted, and is here",
        &|_, seqs| {
            seqs.push(5);
            seqs.sort_unstable();
        },
    );
}

#[test]
fn a_plan_is_worth_who_approved_it() {
    use crate::format::admin::Admin;
    fn approve(site: &mut Site, change: impl FnOnce(&mut Approved<Plan>)) {
        let mut plan = site.state.plans[2].1.clone();
        change(&mut plan);
        site.operator.records[32].body = Admin::Plan(plan).encode();
    }
    fn by_those_before(plan: &mut Approved<Plan>) {
        plan.approvals.clear();
        [1, 2].iter().for_each(|n| plan.approve(&operator(*n)).unwrap());
    }
    let hide = |hidden: Seq| move |_: &mut Site, seqs: &mut Vec<Seq>| seqs.retain(|seq| *seq != hidden);
    refuses("incomplete: plan: the plan of record 25", &hide(25));
    refuses("incomplete: operators: no record is here", &hide(24));
    refuses("forged: approval: 1 of the operators of record 24 approved the plan of record 32", &hide(31));
    refuses("forged: approval: 1 of the operators of record 31", &|site, _| approve(site, by_those_before));
    refuses("forged: approval: 1 of the operators of record 31", &|site, _| {
        approve(site, |plan| plan.approvals.truncate(1));
    });
    refuses("forged: approval: that of record 32 does not hold", &|site, _| {
        approve(site, |plan| plan.statement.expires.0 += 1);
    });
    refuses("forged: approval: that of record 32 is of another log", &|site, _| {
        approve(site, |plan| plan.statement.origin.push('x'));
    });
    refuses("forged: approved matter: ", &|site, _| approve(site, |plan| plan.matter.delete.events += 1));
    // With those before, and the record hidden that names others in their place.
    for (is_sealed, words) in [
        (false, "incomplete: tail: record 31 is not here"),
        (true, "incomplete: candidate: records were deleted, so"),
    ] {
        let mut site = Site::new(is_sealed);
        let (evidence, seqs) = site.operator.export(&site.scope(run("r1")));
        approve(&mut site, by_those_before);
        let seqs = without(&seqs, |seq| seq == 31);
        refused(site.operator.bundle(&seqs, evidence.index, &evidence.scope), words);
    }
    refuses("forged: operators: record 24 names operators whom", &|site, _| {
        let Admin::Operators(mut set) = Admin::decode(&site.operator.records[24].body).unwrap() else {
            panic!("record 24 names operators");
        };
        set.matter.keys.push(verifier().to_string());
        set.statement.digest = crate::format::retention::Matter::digest(&set.matter).to_string();
        site.operator.records[24].body = Admin::Operators(set).encode();
    });
}

#[test]
fn to_hide_a_deletion_is_to_owe_what_it_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), |_, event| event);
    appoint(&store, &[1, 2], &[]);
    let scope =
        |end| Scope { seqs: 0..end, filters: vec![run("r0")], candidates: Candidates::All, challenge: None };
    let first = store.snapshot().unwrap();
    let bodies: Vec<Vec<u8>> = first.records(..).map(|record| record.unwrap().body).collect();
    let index_0 = first.export(&scope(24), &note_of(&first)).unwrap().index;
    delete(&store, &[4], &[1, 2]);
    let second = store.snapshot().unwrap();
    let index_1 = second.export(&scope(28), &note_of(&second)).unwrap().index;
    delete(&store, &[8], &[1, 2]);
    let mut operator = Operator::of(dir, store.snapshot().unwrap());
    let seqs = operator.export(&scope(31)).1;
    assert!(!seqs.contains(&4) && !seqs.contains(&8));
    // The second deletion hidden, whose record stands where all must be here.
    let hidden = without(&seqs, |seq| seq == 29);
    refused(
        operator.bundle(&hidden, index_1.clone(), &scope(31)),
        "incomplete: event: by the index, record 8 ",
    );
    operator.records[8].body.clone_from(&bodies[8]);
    let with_8: Vec<Seq> =
        hidden.iter().copied().chain([8]).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    refused(operator.bundle(&with_8, index_1, &scope(31)), "incomplete: tail: record 29 is not here");
    // Both hidden, where the question is about what was before: then by the seal, with all that it names.
    let before = without(&with_8, |seq| seq > 24);
    refused(
        operator.bundle(&before, index_0.clone(), &scope(24)),
        "incomplete: event: by the index, record 4 ",
    );
    operator.records[4].body.clone_from(&bodies[4]);
    let with_4: Vec<Seq> =
        before.iter().copied().chain([4]).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let checked = operator.bundle(&with_4, index_0, &scope(24)).check(&verifier()).unwrap();
    assert_eq!(matching(&checked, &run("r0")), [4, 8, 12, 16]);
    assert!(checked.deleted().is_empty());
}

#[test]
fn a_deletion_that_is_not_shown_in_the_index_is_missed() {
    let site = Site::new(false);
    let (evidence, seqs) = site.operator.export(&site.scope(run("r1")));
    let bundle = |change: &dyn Fn(&mut Altered)| {
        let mut segments = read_index(&evidence.index);
        change(&mut segments[0]);
        site.operator.bundle(&seqs, write_index(segments), &evidence.scope)
    };
    let of = "incomplete: deletion: it is not shown which of records 0 to 9";
    refused(bundle(&|segment| segment.vocabularies.retain(|field| field != "deleted")), of);
    let hide_posting = |segment: &mut Altered| {
        let of_plan =
            |(_, words): &&mut (_, Words)| words.as_ref().is_some_and(|(named, _)| named.term == b"25");
        segment.leaves.iter_mut().find(of_plan).unwrap().1.as_mut().unwrap().1 = None;
    };
    refused(bundle(&hide_posting), of);
}

#[test]
fn every_other_byte_of_a_bundle_with_deletions_is_refused_or_makes_no_difference() {
    let site = Site::new(true);
    let filters = vec![Filter::All(vec![run("r1"), Filter::Text("n1".into())])];
    let scope =
        Scope { filters, candidates: Candidates::Matches, challenge: challenge(2), ..site.scope(run("r1")) };
    let (mut evidence, _) = site.operator.export(&scope);
    evidence.extends = Some(site.operator.honest.prove_extension(9, &evidence.checkpoint).unwrap());
    every_other_byte_of(&evidence, &site.operator.honest);
}

#[test]
fn an_audit_of_before_the_deletion_says_nothing_and_one_of_after_it_raises_the_grade() {
    use crate::trust::IndexAudit;
    use crate::verify;
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), |_, event| event);
    appoint(&store, &[1, 2], &[]);
    let auditor = SigningKey::from_seed("auditor.example", [5; 32]).unwrap();
    let audit = || -> IndexAudit {
        let disk: std::sync::Arc<dyn crate::disk::Disk> = std::sync::Arc::new(crate::disk::RealDisk);
        let report = verify::verify(&disk, dir.path(), &verify::Options::default()).unwrap();
        report.index_audits().unwrap().remove(0)
    };
    let before = audit();
    delete(&store, &[5, 6], &[1, 2]);
    delete(&store, &[13], &[1, 2]);
    let after = audit();
    assert_ne!(before.segments, after.segments);
    let snapshot = store.snapshot().unwrap();
    let scope = Scope {
        seqs: 0..snapshot.tree_size(),
        filters: vec![run("r1")],
        candidates: Candidates::All,
        challenge: challenge(3),
    };
    let mut checked = snapshot.export(&scope, &note_of(&snapshot)).unwrap().check(&verifier()).unwrap();
    assert_eq!(checked.challenge(), Some(Drawn { records: 3, of: 17 }));
    checked.audited_by(&before.sign(&auditor).unwrap(), auditor.verifier()).unwrap();
    assert_eq!(checked.grade(), Grade::Committed);
    checked.audited_by(&after.sign(&auditor).unwrap(), auditor.verifier()).unwrap();
    assert_eq!(checked.grade(), Grade::Audited);
}

#[test]
fn bundles_of_random_stores_hold_before_a_plan_is_carried_out_and_after() {
    let (mut deleted, mut narrowed) = (0, 0);
    for seed in 0..30 {
        let mut random = Random(seed + 1);
        let dir = tempfile::tempdir().unwrap();
        let store = random_store(dir.path(), &mut random);
        appoint(&store, &[1, 2], &[]);
        let mut old: Vec<(Evidence, Vec<Seq>)> = Vec::new();
        for round in 0..3 {
            let snapshot = store.snapshot().unwrap();
            let size = snapshot.tree_size();
            for _ in 0..3 {
                let start = random.below(2) * random.below(size);
                let seqs = start..start + random.below(size - start + 1);
                let filter = random_filter(&mut random, 3, size);
                let candidates = if random.below(2) == 0 { Candidates::All } else { Candidates::Matches };
                let sample = random.below(4) as u32;
                let challenge = (sample > 0).then(|| Challenge { sample, seed: "dice".to_owned() });
                let scope =
                    Scope { seqs: seqs.clone(), filters: vec![filter.clone()], candidates, challenge };
                let evidence = snapshot.export(&scope, &note_of(&snapshot)).unwrap();
                let checked = through_bytes(&evidence).check(&verifier()).unwrap();
                let hits = snapshot.search(&filter).unwrap().within(seqs.clone());
                let expected: Vec<Seq> = hits.map(|hit| hit.unwrap().seq).collect();
                let context = String::from_utf8(filter.encode()).unwrap();
                assert_eq!(matching(&checked, &filter), expected, "seed {seed}, round {round}: {context}");
                let gone: u64 = checked.deleted().iter().map(|one| one.records).sum();
                assert_eq!(
                    gone,
                    snapshot.deleted(seqs).unwrap().values().sum::<u64>(),
                    "seed {seed}: {context}"
                );
                deleted += gone;
                old.push((evidence, expected));
            }
            let active = snapshot.segments().last().unwrap().id;
            let sealed: Vec<Seq> = snapshot
                .records(..)
                .map(|record| record.unwrap())
                .filter(|record| record.source != 0 && record.segment != active)
                .filter(|record| record.deleted.is_none())
                .map(|record| record.seq)
                .collect();
            let mut chosen: Vec<Seq> = sealed.into_iter().filter(|_| random.below(6) == 0).collect();
            chosen.truncate(200);
            if !chosen.is_empty() {
                delete(&store, &chosen, &[1, 2]);
                narrowed += 1;
            }
            if random.below(2) == 0 {
                store.seal().unwrap();
            }
        }
        for (evidence, expected) in old {
            let filter = evidence.scope.filters[0].clone();
            let checked = evidence.check(&verifier()).unwrap();
            assert_eq!(matching(&checked, &filter), expected, "of before a deletion, seed {seed}");
        }
    }
    assert!(deleted > 1000 && narrowed > 20, "{deleted} {narrowed}");
}
