//! Questions that composite indexes answer, against a scan: over whole directories, damaged ones, and logs that go on.

use std::collections::BTreeSet;
use std::path::{Path as FsPath, PathBuf};

use super::tests::{check, is, random_filter, write};
use super::*;
use crate::disk::sim::SimClock;
use crate::disk::{Clock as WorldClock, World};
use crate::filter::{Clock, Field, Filter, Matcher, Test, Value};
use crate::format::directory::Directory;
use crate::format::retention::OperatorSet;
use crate::index::tests::Random;
use crate::trust::{Signer, SigningKey};
use crate::{Options, Snapshot, Store, Timestamp};

/// 2026-04-01T00:00:00Z.
const START_S: u64 = 1_775_001_600;

fn event(random: &mut Random) -> String {
    let time = Timestamp((START_S + random.below(5 * 86_400)) as i64 * 1_000_000_000);
    let kind = ["\"deploy\"", "\"tool.call\"", "7", "null", "{}"][random.below(5) as usize];
    let controls: Vec<&str> = (0..random.below(4))
        .map(|_| ["\"SOC2:CC6.1\"", "\"SOC2:CC8.1\"", "\"PCI-DSS:6.5.1\""][random.below(3) as usize])
        .collect();
    let run = if random.below(4) == 0 { "null".to_owned() } else { format!("\"run_{}\"", random.below(6)) };
    let (agent, padding) = (random.below(70), "x".repeat(300));
    format!(
        r#"{{"agent_id":"agent_{agent}","kind":{kind},"controls":[{}],"run_id":{run},"ts":"{time}","note":"{padding}"}}"#,
        controls.join(",")
    )
}

fn go_on(store: &Store, random: &mut Random, segments: u64) {
    for _ in 0..segments {
        store.append_batch((0..30 + random.below(30)).map(|_| event(random))).unwrap();
        // Some of another source, of which some fields are ids and times.
        write(store, random, 3);
        store.seal().unwrap();
    }
}

fn options() -> Options {
    Options::new("test.example/agents").allocate_len(64 << 10).seal_in_background(false)
}

/// Sealed segments of the events of seventy agents, over which directories have composite indexes.
fn store_of_agents(dir: &FsPath, random: &mut Random, segments: u64) -> Store {
    let store = Store::create(dir, options()).unwrap();
    go_on(&store, random, segments);
    store
}

/// What a question asks that begins with an agent.
fn filter(random: &mut Random, end: Seq) -> Filter {
    let mut all = vec![is("agent", &format!("agent_{}", random.below(72)))];
    for _ in 0..random.below(4) {
        let equals = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| Value::Word((*value).to_owned())).collect();
            Filter::Field(Field::Name(name.to_owned()), Test::Equals(values))
        };
        all.push(match random.below(8) {
            0 => equals("kind", &["deploy", "7"]),
            1 => equals("kind", &["tool.call"]),
            2 => equals("control", &["SOC2:CC6.1"]),
            3 => equals("run", &["run_1", "no such run", "run_4"]),
            4 => Filter::Not(Box::new(Filter::StoreRecord)),
            5 => equals("no_such_field", &["x"]),
            6 => {
                let from = Timestamp((START_S + random.below(5 * 86_400)) as i64 * 1_000_000_000);
                let window = crate::filter::Window { from: Some(from), until: None };
                Filter::Time(if random.below(4) == 0 { Clock::Received } else { Clock::Event }, window)
            }
            _ => random_filter(random, 1, end),
        });
    }
    let place = random.below(all.len() as u64) as usize;
    all.swap(0, place);
    Filter::All(all)
}

/// Of how many pieces the records are known before these are asked.
fn narrowed(snapshot: &Snapshot, filter: &Filter) -> usize {
    let mut search = snapshot.search(filter).unwrap();
    let pieces = search.take_pieces().unwrap();
    pieces.filter(|piece| search.narrowed.speaks_of(*piece)).count()
}

fn directories(dir: &FsPath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("dir")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.collect();
    found.sort();
    found
}

#[test]
fn what_composite_indexes_answer_is_what_a_scan_finds() {
    let mut random = Random(61);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of_agents(dir.path(), &mut random, 35);
    assert_eq!(directories(dir.path()).len(), 2);
    let snapshot = store.snapshot().unwrap();
    let mut pieces = 0;
    for _ in 0..250 {
        let filter = filter(&mut random, snapshot.tree_size());
        pieces += narrowed(&snapshot, &filter);
        check(&snapshot, &filter, &mut random);
    }
    assert!(pieces > 500, "of {pieces} pieces the records were known");
    // What is decided is not asked of the segments: all that is looked at there is rows and columns.
    let question = Filter::All(vec![is("agent", "agent_3"), is("kind", "deploy")]);
    let explanation = snapshot.explain(&question).unwrap();
    let agent = explanation.postings.iter().find(|posting| posting.field == "agent").unwrap();
    let events = snapshot.count(&is("agent", "agent_3")).unwrap();
    assert_eq!(agent.records, events);
    // The snapshot is as it was when it was taken.
    let before = snapshot.count(&question).unwrap();
    go_on(&store, &mut random, 14);
    assert_eq!(directories(dir.path()).len(), 3);
    assert_eq!(snapshot.count(&question).unwrap(), before);
    let snapshot = store.snapshot().unwrap();
    for _ in 0..60 {
        check(&snapshot, &filter(&mut random, snapshot.tree_size()), &mut random);
    }
}

#[test]
fn a_damaged_composite_index_changes_no_answer() {
    let mut random = Random(62);
    let dir = tempfile::tempdir().unwrap();
    store_of_agents(dir.path(), &mut random, 17).close().unwrap();
    let [path] = directories(dir.path()).try_into().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (mut with, mut without) = (0, 0);
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        for _ in 0..4 {
            let filter = filter(&mut random, snapshot.tree_size());
            if narrowed(&snapshot, &filter) > 0 {
                with += 1
            } else {
                without += 1
            }
            check(&snapshot, &filter, &mut random);
        }
    }
    assert!(with > 20 && without > 20, "{with} with and {without} without");
}

/// A directory's bytes in which all checksums are those of what is there.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    let section = |bytes: &[u8], index: usize| {
        let entry = 16 + index * 24;
        let at = u64::from_le_bytes(*bytes[entry..].first_chunk().unwrap()) as usize;
        at..at + u64::from_le_bytes(*bytes[entry + 8..].first_chunk().unwrap()) as usize
    };
    let directory = Directory::open(bytes.as_slice()).unwrap();
    let composite = directory.composite("agent").unwrap();
    let counts: Vec<usize> =
        (0..composite.lead().unwrap().unwrap().term_count()).map(|index| composite.count(index)).collect();
    let (blocks, heads) = (section(&bytes, 6), section(&bytes, 7));
    let row_len = blocks.len() / counts.iter().sum::<usize>();
    let (mut at, first) = (blocks.start, heads.end - counts.len() * 12);
    for (index, count) in counts.iter().enumerate() {
        let end = at + (count * row_len).next_multiple_of(8);
        let crc = crc32fast::hash(&bytes[at..end]);
        bytes[first + index * 12 + 8..][..4].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    assert_eq!(at, blocks.end);
    for index in 0..8 {
        let crc = crc32fast::hash(&bytes[section(&bytes, index)]);
        bytes[16 + index * 24 + 16..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[..208]);
    bytes[208..212].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What full verification remarks on; it must find nothing wrong with the store.
fn remarks(dir: &FsPath) -> Vec<String> {
    let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
    let report = crate::verify::verify(&disk, dir, &crate::verify::Options::default()).unwrap();
    assert_eq!(report.findings.len(), 0, "{:?}", report.findings);
    report.remarks.iter().map(ToString::to_string).collect()
}

#[test]
fn verification_compares_composite_indexes_with_the_records() {
    let mut random = Random(64);
    let dir = tempfile::tempdir().unwrap();
    store_of_agents(dir.path(), &mut random, 17).close().unwrap();
    let [path] = directories(dir.path()).try_into().unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(mended(whole.clone()) == whole);
    let remarks = || remarks(dir.path());
    assert_eq!(remarks(), Vec::<String>::new());
    let blocks = u64::from_le_bytes(*whole[16 + 6 * 24..].first_chunk().unwrap()) as usize;
    let directory = Directory::open(whole.as_slice()).unwrap();
    let count = directory.composite("agent").unwrap().count(0);
    // The first agent's first record; and what it, and the last, holds of the first column.
    for (at, step) in [(blocks, 1), (blocks + count * 4, 1), (blocks + count * 5 - 1, 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= step;
        std::fs::write(&path, mended(bytes)).unwrap();
        let told = remarks();
        assert!(
            matches!(told.as_slice(), [one] if one.contains("composite index of field agent")),
            "{told:?}"
        );
    }
}

/// Deletes events by a plan that two operators approve; the first plan names these.
fn delete(store: &Store, clock: &SimClock, gone: &[Seq]) {
    let keys = [1, 2].map(|n| SigningKey::from_seed(&format!("operator{n}"), [n; 32]).unwrap());
    let (now, later) = (clock.now(), Timestamp(clock.now().0 + 86_400_000_000_000));
    let snapshot = store.snapshot().unwrap();
    if snapshot.retention().unwrap().operators.keys.is_empty() {
        let mut names: Vec<String> = keys.iter().map(|key| key.verifier().to_string()).collect();
        names.sort();
        let set = OperatorSet { keys: names, replaces: 0, threshold: 2 };
        store.set_operators(&snapshot.propose(set, now, later)).unwrap();
    }
    let mut plan = store.snapshot().unwrap().plan_redaction(gone, "asked to", now, later).unwrap();
    keys.iter().for_each(|key| plan.approve(key).unwrap());
    assert_eq!(store.apply_plan(&plan, &mut |_, _| true).unwrap().deleted.events, gone.len() as u64);
}

fn found(snapshot: &Snapshot, filter: &Filter) -> Vec<Seq> {
    snapshot.search(filter).unwrap().map(|hit| hit.unwrap().seq).collect()
}

/// A store under a clock that goes as it is told: approvals hold for a time.
fn with_clock(dir: &FsPath) -> (Arc<SimClock>, Store) {
    let clock = Arc::new(SimClock::new(Timestamp(1_790_000_000_000_000_000)));
    let store = Store::create(dir, at(&clock)).unwrap();
    (clock, store)
}

fn at(clock: &Arc<SimClock>) -> Options {
    let clock = Arc::clone(clock) as Arc<dyn WorldClock>;
    options().world(World { clock, ..World::real().unwrap() })
}

#[test]
fn what_is_deleted_below_a_composite_index_is_in_no_answer() {
    let mut random = Random(65);
    let dir = tempfile::tempdir().unwrap();
    let (clock, store) = with_clock(dir.path());
    go_on(&store, &mut random, 18);
    let other = Store::open(dir.path(), at(&clock)).unwrap();
    // What was asked has the directory and some segments open as they were; what was not opens all as they are then.
    let (asked, unasked, of_other) =
        (store.snapshot().unwrap(), store.snapshot().unwrap(), other.snapshot().unwrap());
    let end = asked.tree_size();
    let questions: Vec<Filter> = (0..60).map(|_| filter(&mut random, end)).collect();
    let before: Vec<Vec<Seq>> = questions.iter().map(|filter| found(&asked, filter)).collect();
    for filter in questions.iter().take(5) {
        of_other.search(filter).unwrap().within(..end / 3).for_each(|hit| drop(hit.unwrap()));
    }
    let [path] = directories(dir.path()).try_into().unwrap();
    let (mut gone, whole) = (BTreeSet::new(), asked.segments().nth(9).unwrap());
    for round in 0..2 {
        // Some of half the segments, which lose some twice, and all events of one.
        let is_due = |record: &crate::Record, random: &mut Random| {
            record.source != 0
                && record.deleted.is_none()
                && (record.seq < end / 2 && random.below(9) == 0
                    || round == 0 && (whole.id.0..whole.end_seq).contains(&record.seq))
        };
        let records = store.snapshot().unwrap().records(..end).map(|record| record.unwrap());
        let due: Vec<Seq> =
            records.filter(|record| is_due(record, &mut random)).map(|record| record.seq).collect();
        assert!(due.len() > 30);
        let old = std::fs::read(&path).unwrap();
        delete(&store, &clock, &due);
        gone.extend(due);
        assert!(std::fs::read(&path).unwrap() != old, "the directory is made anew");
        assert_eq!(remarks(dir.path()), Vec::<String>::new());

        let left: Vec<Vec<Seq>> = before
            .iter()
            .map(|seqs| seqs.iter().copied().filter(|seq| !gone.contains(seq)).collect())
            .collect();
        let opened = Store::open(dir.path(), at(&clock)).unwrap();
        for snapshot in [&store, &other, &opened].map(|store| store.snapshot().unwrap()) {
            let mut pieces = 0;
            for (filter, left) in questions.iter().zip(&left) {
                let of_old: Vec<Seq> =
                    found(&snapshot, filter).into_iter().filter(|seq| *seq < end).collect();
                assert_eq!(of_old, *left, "{}", String::from_utf8(filter.encode()).unwrap());
                pieces += narrowed(&snapshot, filter);
                check(&snapshot, filter, &mut random);
            }
            assert!(pieces > 50, "of {pieces} pieces the records were known");
        }
        // An older snapshot may have a segment as it was or as it is: nothing that stays is missing, and nothing is new.
        for snapshot in [&asked, &unasked, &of_other] {
            for ((filter, before), left) in questions.iter().zip(&before).zip(&left) {
                let context = || String::from_utf8(filter.encode()).unwrap();
                let found = found(snapshot, filter);
                assert!(left.iter().all(|seq| found.binary_search(seq).is_ok()), "{}", context());
                assert!(found.iter().all(|seq| before.binary_search(seq).is_ok()), "{}", context());
                let mut hits = snapshot.search(filter).unwrap().map(Result::unwrap);
                assert!(hits.all(|hit| !hit.body().is_empty()), "a stub for {}", context());
            }
        }
    }
}

#[test]
fn segments_that_lost_events_are_passed_by_and_narrowed_like_others() {
    let mut random = Random(66);
    let dir = tempfile::tempdir().unwrap();
    let (clock, store) = with_clock(dir.path());
    go_on(&store, &mut random, 4);
    store.append(br#"{"agent_id":"rare","kind":"deploy"}"#).unwrap();
    go_on(&store, &mut random, 12);
    let before = store.snapshot().unwrap();
    let one_of = |segment: crate::SegmentInfo| {
        let mut records = before.records(segment.id.0..segment.end_seq).map(Result::unwrap);
        records.find(|record| record.source != 0 && !record.body.starts_with(br#"{"agent_id":"rare""#))
    };
    let due: Vec<Seq> = before.segments().filter_map(one_of).map(|record| record.seq).collect();
    assert_eq!(due.len(), 16);
    let rare = is("agent", "rare");
    assert_eq!(before.explain(&rare).unwrap().passed_by, 15);
    delete(&store, &clock, &due);
    let after = store.snapshot().unwrap();
    assert_eq!(after.explain(&rare).unwrap().passed_by, 15);
    assert_eq!(narrowed(&after, &rare), 1);
}

#[test]
fn terms_that_are_in_few_segments_do_not_make_those_of_agents_forgotten() {
    let mut random = Random(67);
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store_of_agents(dir.path(), &mut random, 17).snapshot().unwrap();
    let of_agent = || {
        let mut search = snapshot.search(&is("agent", "agent_3")).unwrap();
        search.take_pieces().unwrap();
        let matcher = Matcher::new(&is("agent", "agent_3")).unwrap();
        let [asked] =
            search.as_of.opened.recall.of(&matcher, 17, search.as_of.views.len()).try_into().unwrap();
        asked.recalled
    };
    let before = of_agent();
    for n in 0..12_000 {
        assert_eq!(snapshot.count(&is("run", &format!("only once {n}"))).unwrap(), 0);
    }
    assert!(Arc::ptr_eq(&before, &of_agent()));
}
