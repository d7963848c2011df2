//! What a plan deletes is gone from every answer and every file, and all that stays is as it was.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::sim::SimClock;
use crate::disk::{Clock, World};
use crate::filter::{Field, Filter, Test, Value};
use crate::format::artifact::ARTIFACT_HEAD_LEN;
use crate::format::retention::{Approved, Hold, OperatorSet, Plan};
use crate::hash::{Hash, SegmentSalt};
use crate::retention::State;
use crate::trust::{Signer, SigningKey};
use crate::verify::{self, Depth, FindingClass, Report};
use crate::{Seq, Timestamp};

const DAY_NS: i64 = 86_400_000_000_000;

fn options(clock: &Arc<SimClock>) -> Options {
    let world = World { clock: Arc::clone(clock) as Arc<dyn Clock>, ..World::real().unwrap() };
    Options::new("test.example/apply")
        .world(world)
        .allocate_len(8 << 10)
        .segment_age_s(u64::MAX >> 1)
        .seal_in_background(false)
}

fn event(n: u64) -> Vec<u8> {
    format!(
        r#"{{"event_id":"e{n}","run_id":"run_{}","kind":"k{}","text":"needle {}","secret":"only-in-{n}-of-all","ts":"2026-04-01T09:30:00Z"}}"#,
        n % 17,
        n % 3,
        n % 40,
    )
    .into_bytes()
}

struct Site {
    dir: tempfile::TempDir,
    clock: Arc<SimClock>,
    store: Store,
    keys: [SigningKey; 2],
}

impl Site {
    /// A store of seventeen sealed segments, the second of them in the warm tier, and an active one, and two operators.
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimClock::new(Timestamp(1_790_000_000_000_000_000)));
        let store = Store::create(dir.path().join("store"), options(&clock)).unwrap();
        for segment in 0..17 {
            store.append_batch((segment * 100..segment * 100 + 60).map(event)).unwrap();
            for n in segment * 100 + 60..segment * 100 + 100 {
                store.append(&event(n)).unwrap();
            }
            store.seal().unwrap().unwrap();
        }
        store.append_batch((1700..1750).map(event)).unwrap();
        let keys = [1, 2].map(|n| SigningKey::from_seed(&format!("operator{n}"), [n; 32]).unwrap());
        let site = Site { dir, clock, store, keys };
        let mut names: Vec<String> = site.keys.iter().map(|key| key.verifier().to_string()).collect();
        names.sort();
        let set = OperatorSet { keys: names, replaces: 0, threshold: 2 };
        let snapshot = site.store.snapshot().unwrap();
        site.store.set_operators(&snapshot.propose(set, site.now(), site.later())).unwrap();
        let second = snapshot.segments().nth(1).unwrap();
        site.store.compact(second.id, &mut |_, _| true).unwrap().unwrap();
        site
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn later(&self) -> Timestamp {
        Timestamp(self.now().0 + DAY_NS)
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    fn redaction(&self, seqs: &[Seq]) -> Approved<Plan> {
        let snapshot = self.store.snapshot().unwrap();
        let mut plan = snapshot.plan_redaction(seqs, "asked to", self.now(), self.later()).unwrap();
        self.keys.iter().for_each(|key| plan.approve(key).unwrap());
        plan
    }

    fn apply(&self, plan: &Approved<Plan>) -> crate::Result<Applied> {
        self.store.apply_plan(plan, &mut |_, _| true)
    }

    fn state(&self) -> State {
        self.store.snapshot().unwrap().retention().unwrap()
    }

    fn verified(&self, depth: Depth) -> Report {
        let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
        verify::verify(&disk, &self.path(), &verify::Options { depth, ..Default::default() }).unwrap()
    }

    #[track_caller]
    fn assert_clean(&self) {
        for depth in [Depth::Quick, Depth::Full] {
            let report = self.verified(depth);
            assert!(report.is_clean(), "{depth:?}: {:#?}", report.findings);
        }
    }
}

/// The records of the events of these numbers.
fn seqs_of(snapshot: &Snapshot, numbers: impl IntoIterator<Item = u64>) -> Vec<Seq> {
    let found = |n: u64| snapshot.find_event(format!("e{n}").as_bytes()).unwrap();
    numbers.into_iter().flat_map(found).collect()
}

fn word(field: &str, word: &str) -> Filter {
    Filter::Field(Field::Name(field.to_owned()), Test::Equals(vec![Value::Word(word.to_owned())]))
}

/// What questions of all kinds find below `size`.
fn found(snapshot: &Snapshot, size: u64) -> Vec<Vec<Seq>> {
    let filters = [
        Filter::All(Vec::new()),
        word("run", "run_3"),
        word("kind", "k*"),
        Filter::Not(Box::new(word("kind", "k1"))),
        Filter::Not(Box::new(Filter::Field(Field::Name("agent".to_owned()), Test::Exists))),
        Filter::Text("needle 7".to_owned()),
        Filter::Seqs(150..420),
        word("label", "x"),
    ];
    let search = |filter: &Filter| {
        let hits = snapshot.search(filter).unwrap().within(..size);
        hits.map(|hit| hit.unwrap().seq).collect::<Vec<Seq>>()
    };
    filters.iter().map(search).collect()
}

/// What counting says, which must be what looking finds.
#[track_caller]
fn assert_counts_agree(snapshot: &Snapshot) {
    for filter in [Filter::All(Vec::new()), word("kind", "k1"), Filter::Not(Box::new(word("run", "run_3")))] {
        let listed = snapshot.search(&filter).unwrap().count() as u64;
        assert_eq!(snapshot.search(&filter).unwrap().total().unwrap(), listed, "{filter:?}");
        for field in ["kind", "agent", "day", "source"] {
            let groups = snapshot.search(&filter).unwrap().group_by(&[field]).unwrap();
            assert_eq!(groups.records, listed, "{filter:?} by {field}");
            assert_eq!(groups.counts.values().sum::<u64>(), listed, "{filter:?} by {field}");
        }
    }
}

/// Whether a text is in any file below `dir`, packs unpacked.
fn is_anywhere(dir: &Path, text: &str) -> bool {
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return is_anywhere(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        let is_artifact = path.iter().any(|part| part == "artifacts");
        let unpacked = match path.extension() {
            Some(kind) if kind == "pack" => Some(unpack(&bytes)),
            None if is_artifact => zstd::decode_all(&bytes[ARTIFACT_HEAD_LEN..]).ok(),
            _ => None,
        };
        has(&bytes) || unpacked.is_some_and(|log| has(&log))
    })
}

fn unpack(bytes: &[u8]) -> Vec<u8> {
    use crate::format::pack::{Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, Tail};
    let len = bytes.len() as u64;
    let tail = Tail::decode(&bytes[bytes.len() - PACK_TAIL_LEN..], len).unwrap();
    let end = &bytes[tail.directory_at as usize..];
    let directory = Directory::decode(&bytes[..PACK_HEADER_LEN], end, len).unwrap();
    let mut log = directory.log_header.to_vec();
    for (index, stripe) in directory.stripes.iter().enumerate() {
        let range = stripe.file_range();
        let stripe = &bytes[range.start as usize..range.end as usize];
        log.extend(directory.unpack(index, stripe, &mut Vec::new()).unwrap());
    }
    log
}

#[test]
fn what_goes_is_gone_from_every_answer_and_every_file_and_what_stays_is_as_it_was() {
    let site = Site::new();
    let before = site.store.snapshot().unwrap();
    let size = before.tree_size();
    // In the hot tier, in the warm one, in a row, and all of a segment.
    let numbers: Vec<u64> = [3, 4, 5, 99, 131, 150].into_iter().chain(1200..1300).collect();
    let gone = seqs_of(&before, numbers.iter().copied());
    assert_eq!(gone.len(), numbers.len());
    let (old_records, old_found) = (all(&before), found(&before, size));
    assert_counts_agree(&before);
    assert!(is_anywhere(&site.path(), "only-in-131-of-all"));
    let other = Store::open(site.path(), options(&site.clock)).unwrap();
    assert_counts_agree(&other.snapshot().unwrap());

    let applied = site.apply(&site.redaction(&gone)).unwrap();
    assert_eq!((applied.deleted.events, applied.left), (numbers.len() as u64, 0));
    site.assert_clean();
    for store in [&site.store, &other, &Store::open(site.path(), options(&site.clock)).unwrap()] {
        let after = store.snapshot().unwrap();
        assert_counts_agree(&after);
        let deleted: BTreeSet<Seq> = gone.iter().copied().collect();
        for (old, new) in old_records.iter().zip(all(&after)) {
            assert_eq!(old.integrity, new.integrity, "record {}", old.seq);
            assert_eq!(new.deleted.is_some(), deleted.contains(&old.seq), "record {}", old.seq);
            if new.deleted.is_none() {
                assert_eq!(old.body, new.body);
            }
        }
        let expected: Vec<Vec<Seq>> = old_found
            .iter()
            .map(|seqs| seqs.iter().copied().filter(|seq| !deleted.contains(seq)).collect())
            .collect();
        assert_eq!(found(&after, size), expected);
        assert_eq!(seqs_of(&after, numbers.iter().copied()), [] as [Seq; 0]);
        for seq in (0..size).step_by(13) {
            assert_eq!(before.inclusion_proof(seq, size).unwrap(), after.inclusion_proof(seq, size).unwrap());
        }
        let prove = |seq| after.salt(seq);
        assert!(matches!(prove(gone[0]), Err(Error::Deleted { .. })));
        assert!(prove(gone[0] - 1).is_ok());
    }
    for n in numbers {
        for text in [format!("only-in-{n}-of-all"), format!("\"e{n}\"")] {
            assert!(!is_anywhere(&site.path(), &text), "{text}");
        }
    }
    let again = site.apply(&site.redaction(&seqs_of(&before_of(&site), [7])));
    assert_eq!(again.unwrap().deleted.events, 1, "a segment can lose records more than once");
    site.assert_clean();
}

#[test]
fn an_artifact_that_only_a_deleted_event_named_is_in_no_file() {
    let site = Site::new();
    let text = "what only this artifact says ".repeat(40);
    let (info, _) = site.store.put_artifact(&mut text.as_bytes()).unwrap();
    let seq = site.store.append(format!(r#"{{"see":"{}"}}"#, info.id).as_bytes()).unwrap().seq;
    site.store.seal().unwrap();
    site.clock.advance_ns(2 * DAY_NS as u64);
    assert!(is_anywhere(&site.path(), &text));
    assert_eq!(site.apply(&site.redaction(&[seq])).unwrap().artifacts.artifacts, 1);
    assert!(!is_anywhere(&site.path(), "only this artifact"));
    site.assert_clean();
}

fn before_of(site: &Site) -> Snapshot {
    site.store.snapshot().unwrap()
}

fn all(snapshot: &Snapshot) -> Vec<Record> {
    snapshot.records_with_integrity(..).collect::<crate::Result<_>>().unwrap()
}

#[test]
fn a_plan_is_carried_out_once_whole_and_with_its_approvals_alone() {
    let site = Site::new();
    let gone = seqs_of(&before_of(&site), [3, 203, 403]);
    let snapshot = site.store.snapshot().unwrap();
    let mut plan = snapshot.plan_redaction(&gone, "asked to", site.now(), site.later()).unwrap();
    assert!(matches!(site.apply(&plan), Err(Error::NotAuthenticated { .. })));
    plan.approve(&site.keys[0]).unwrap();
    assert!(matches!(site.apply(&plan), Err(Error::NotAuthenticated { .. })), "one of two");
    plan.approve(&site.keys[1]).unwrap();
    let mut altered = plan.clone();
    altered.matter.segments[0].seqs[0].1 += 1;
    assert!(site.apply(&altered).is_err());
    // Stopped behind the first segment, and gone on with.
    let first = site.store.apply_plan(&plan, &mut |done, _| done < 1).unwrap();
    assert_eq!((first.deleted.events, first.left), (1, 2));
    site.assert_clean();
    let rest = site.apply(&plan).unwrap();
    assert_eq!((rest.deleted.events, rest.left, rest.plan), (2, 0, first.plan));
    assert!(matches!(site.apply(&plan), Err(Error::Refused { .. })), "carried out already");
    site.assert_clean();

    let late = site.redaction(&seqs_of(&before_of(&site), [11]));
    site.clock.advance_ns(2 * DAY_NS as u64);
    assert!(site.apply(&late).is_err(), "expired");
}

#[test]
fn what_is_held_since_the_plan_was_made_stays() {
    let site = Site::new();
    let gone = seqs_of(&before_of(&site), 0..60);
    let plan = site.redaction(&gone);
    let when = serde_json::from_slice(&word("kind", "k2").encode()).unwrap();
    let hold = Hold {
        by: "counsel".into(),
        conditions: "kind = k2".into(),
        name: "case".into(),
        reason: "a case".into(),
        ticket: String::new(),
        when,
    };
    site.store.place_hold(&hold).unwrap();
    let applied = site.apply(&plan).unwrap();
    assert_eq!((applied.deleted.events, applied.spared.events, applied.left), (40, 20, 0));
    let kept = site
        .store
        .snapshot()
        .unwrap()
        .search(&word("kind", "k2"))
        .unwrap()
        .within(..=*gone.last().unwrap())
        .count();
    assert_eq!(kept, 20);
    assert_eq!(site.state().deletions.len(), 1);
    site.assert_clean();
}

#[test]
fn a_stub_that_no_plan_names_was_removed_without_authority() {
    use crate::format::frame::{self, Body, FrameRecord, Stub};
    use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
    let site = Site::new();
    let plan = site.apply(&site.redaction(&seqs_of(&before_of(&site), [3]))).unwrap().plan.unwrap();
    let path = site.path().join("log").join(crate::SegmentId(0).file_name("log"));
    let whole = std::fs::read(&path).unwrap();
    // One more record than the plan names.
    let (header, _) = LogHeader::decode(&whole).unwrap();
    let mut log = header.encode().to_vec();
    let mut at = LOG_HEADER_LEN;
    while at < whole.len() {
        let (header, payload) = frame::decode(&whole[at..]).unwrap();
        let start = log.len();
        log.resize(start + frame::FRAME_HEADER_LEN, 0);
        for (seq, record) in (header.first_seq..).zip(frame::records(payload, header.count).unwrap()) {
            let body = if seq == 9 {
                let body_hash = record.body.hash(&SegmentSalt([0; 32]), seq);
                Body::Deleted(Stub { body_len: record.body.event_len(), body_hash, plan })
            } else {
                record.body
            };
            FrameRecord { body, ..record }.encode_into(&mut log);
        }
        let header = frame::FrameHeader { synced_len: start as u64, ..header.clone() };
        header.seal(&mut log[start..]);
        at += frame::decode(&whole[at..]).unwrap().0.frame_len() as usize;
    }
    std::fs::write(&path, log).unwrap();
    let report = site.verified(Depth::Full);
    let class = |what: &str| report.findings.iter().find(|f| f.what.contains(what)).map(|f| f.class);
    assert_eq!(class("deleted event"), Some(FindingClass::Forged), "{:#?}", report.findings);
    let report = site.verified(Depth::Quick);
    assert!(
        report.findings.iter().any(|found| found.class == FindingClass::Forged && found.seqs == Some(9..10))
    );
}

#[test]
fn an_event_that_is_there_although_it_was_deleted_is_a_finding() {
    let site = Site::new();
    let path = site.path().join("log").join(crate::SegmentId(0).file_name("log"));
    let whole = std::fs::read(&path).unwrap();
    site.apply(&site.redaction(&seqs_of(&before_of(&site), [3]))).unwrap();
    std::fs::write(&path, whole).unwrap();
    let report = site.verified(Depth::Quick);
    assert!(
        report
            .findings
            .iter()
            .any(|found| found.what == "deleted events" && found.class == FindingClass::Damaged),
        "{:#?}",
        report.findings
    );
}

#[test]
fn a_short_event_cannot_be_guessed_from_its_stub() {
    let site = Site::new();
    let seq = site.store.append(br#"{"pin":4711}"#).unwrap().seq;
    site.store.seal().unwrap();
    let id = site.store.snapshot().unwrap().record(seq).unwrap().segment;
    let path = site.path().join("log").join(id.file_name("log"));
    let guess = |log: &[u8], hash: &Hash| {
        let (header, _) = crate::format::log_header::LogHeader::decode(log).unwrap();
        crate::hash::body(&header.salt.record(seq), br#"{"pin":4711}"#) == *hash
    };
    let tied = site.store.snapshot().unwrap().records_with_integrity(seq..=seq).next().unwrap().unwrap();
    let hash = tied.integrity.unwrap().body_hash;
    assert!(guess(&std::fs::read(&path).unwrap(), &hash), "with its salt it can");
    site.apply(&site.redaction(&[seq])).unwrap();
    let log = std::fs::read(&path).unwrap();
    assert!(!guess(&log, &hash));
    let (header, _) = crate::format::log_header::LogHeader::decode(&log).unwrap();
    assert_eq!(header.salt, SegmentSalt([0; 32]));
    let stub = site.store.snapshot().unwrap().record(seq).unwrap().deleted.unwrap();
    assert_eq!(stub.body_hash, hash, "what its entry says of it is left");
}

#[test]
fn evidence_waits_for_a_deletion_that_is_under_way() {
    use crate::bundle::{Candidates, Scope};
    use crate::format::admin::Admin;
    use crate::trust::Checkpoint;
    let site = Site::new();
    let snapshot = before_of(&site);
    let gone = seqs_of(&snapshot, [3, 203]);
    // Stopped behind its first segment.
    site.store.apply_plan(&site.redaction(&gone), &mut |done, _| done < 1).unwrap();
    let export = |seqs: std::ops::Range<Seq>| {
        let snapshot = before_of(&site);
        let (size, root) = (snapshot.tree_size(), snapshot.root());
        let origin = "test.example/apply".parse().unwrap();
        let key = SigningKey::from_seed("test.example/apply", [7; 32]).unwrap();
        let note = Checkpoint::new(&origin, size, root).sign(&key).unwrap();
        let (filters, candidates) = (vec![word("run", "run_3")], Candidates::All);
        let scope = Scope { seqs: seqs.start..seqs.end.min(size), filters, candidates, challenge: None };
        snapshot.export(&scope, &note)?.check(key.verifier())
    };
    assert_eq!(export(0..Seq::MAX).unwrap().deleted()[0].records, 1);
    // It was said what goes next, and then nothing came.
    let mut deleting = site.state().deletions[0].deleting.clone();
    let id = snapshot.record(gone[1]).unwrap().segment;
    (deleting.first_seq, deleting.seqs) = (id.0, vec![(gone[1], gone[1] + 1)]);
    let body = Admin::Deleting(deleting).encode();
    site.store.inner.log.transact(|session| session.write(&[crate::log::NewRecord::admin(&body)])).unwrap();
    let Err(Error::Refused { reason, .. }) = export(0..Seq::MAX) else { panic!("it was not waited for") };
    assert!(reason.contains("`indelible retention apply` goes on with it"), "{reason}");
    export(0..gone[1] / 2).unwrap();
}

#[test]
fn what_stayed_is_proven_under_its_own_salt_and_what_went_is_not() {
    use crate::trust::Checkpoint;
    let site = Site::new();
    let gone = seqs_of(&before_of(&site), [3, 131]);
    site.apply(&site.redaction(&gone)).unwrap();
    let snapshot = before_of(&site);
    let key = SigningKey::from_seed("test.example/apply", [7; 32]).unwrap();
    let origin = "test.example/apply".parse().unwrap();
    let note = Checkpoint::new(&origin, snapshot.tree_size(), snapshot.root()).sign(&key).unwrap();
    for seq in gone {
        for stayed in [seq - 1, seq + 1] {
            let proven = snapshot.prove(stayed, &note).unwrap();
            verify::verify_proof(&proven.proof, &proven.body, &proven.salt, key.verifier()).unwrap();
        }
        assert!(matches!(snapshot.prove(seq, &note), Err(Error::Deleted { .. })));
    }
}
