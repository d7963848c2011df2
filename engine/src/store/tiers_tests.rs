//! A segment in the warm tier answers as it did in the hot one, and what is altered in its pack shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::Compacted;
use crate::filter::{Field, Filter, Test, Value};
use crate::format::frame;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::Hash;
use crate::segment::PackWriter;
use crate::verify::{self, FindingClass, Report};

fn options() -> Options {
    Options::new("test.example/tiers").allocate_len(8 << 10).seal_in_background(false)
}

fn event(n: usize) -> Vec<u8> {
    format!(
        r#"{{"event_id":"e{n}","run_id":"run_{}","kind":"k{}","text":"needle {}","n":{n},"ts":"2026-04-01T09:30:00Z"}}"#,
        n % 17,
        n % 3,
        n % 40,
    )
    .into_bytes()
}

/// A store of three sealed segments and an active one, with frames of one record and of many, and close frames.
fn store_of(dir: &Path) -> Store {
    let mut store = Store::create(dir, options()).unwrap();
    for segment in 0..3 {
        let from = segment * 300;
        store.append_batch((from..from + 200).map(event)).unwrap();
        store.close().unwrap();
        store = Store::open(dir, options()).unwrap();
        for n in from + 200..from + 300 {
            store.append(&event(n)).unwrap();
        }
        store.seal().unwrap().unwrap();
    }
    store.append_batch((900..950).map(event)).unwrap();
    store
}

fn compact_all(store: &Store) -> Vec<Compacted> {
    let sealed: Vec<_> = store.snapshot().unwrap().segments().filter(|segment| segment.sealed).collect();
    sealed.iter().filter_map(|segment| store.compact(segment.id, &mut |_, _| true).unwrap()).collect()
}

fn verified(dir: &Path) -> Report {
    let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
    verify::verify(&disk, dir, &verify::Options::default()).unwrap()
}

fn packs(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(dir.join("packs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// What a snapshot's first `size` records say, in every way in which they can be asked.
#[derive(Debug, PartialEq)]
struct Answers {
    records: Vec<Record>,
    proofs: Vec<Vec<Hash>>,
    runs: Vec<Vec<u64>>,
    texts: Vec<Vec<u64>>,
    ids: Vec<Vec<u64>>,
}

fn answers(snapshot: &Snapshot, size: u64) -> Answers {
    let search = |filter: Filter| -> Vec<u64> {
        let found = snapshot.search(&filter).unwrap();
        found.map(|hit| hit.unwrap()).filter(|hit| hit.seq < size).map(|hit| hit.seq).collect()
    };
    Answers {
        records: snapshot.records_with_integrity(..size).collect::<Result<_>>().unwrap(),
        proofs: (0..size).step_by(41).map(|seq| snapshot.inclusion_proof(seq, size).unwrap()).collect(),
        runs: (0..17).map(|run| search(of_run(run))).collect(),
        texts: (0..4).map(|n| search(Filter::Text(format!("needle {n}\"")))).collect(),
        ids: (0..900).step_by(71).map(|n| snapshot.find_event(format!("e{n}").as_bytes()).unwrap()).collect(),
    }
}

fn of_run(run: usize) -> Filter {
    Filter::Field(Field::Name("run".to_owned()), Test::Equals(vec![Value::Word(format!("run_{run}"))]))
}

#[test]
fn what_is_packed_answers_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let before = store.snapshot().unwrap();
    let (size, root) = (before.tree_size(), before.root());
    let expected = answers(&before, size);
    let moved = compact_all(&store);
    assert_eq!(moved.len(), 3);
    assert!(moved.iter().all(|moved| moved.pack_len * 3 < moved.log_len), "{moved:?}");
    assert_eq!(packs(dir.path()).len(), 3);
    let logs = std::fs::read_dir(dir.path().join("log")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(logs.filter(|name| name.to_string_lossy().ends_with(".log")).count(), 1, "the active one");
    assert_eq!(compact_all(&store), [], "they are there already");

    let after = store.snapshot().unwrap();
    assert_eq!(after.tree_size(), size + 3, "a record says of each that it was moved");
    assert_eq!(after.root_at(size).unwrap(), root);
    for (snapshot, what) in [(&before, "a snapshot from before"), (&after, "a snapshot from after")] {
        assert!(answers(snapshot, size) == expected, "{what}");
    }
    store.close().unwrap();
    // Nothing but logs and packs: all that is derived is made anew.
    for name in ["catalog", "head", "tree/level-08"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let reopened = Store::open(dir.path(), options()).unwrap();
    assert!(answers(&reopened.snapshot().unwrap(), size) == expected, "reopened");
    let report = verified(dir.path());
    assert_eq!(report.findings, [], "{:?}", report.findings);
    assert_eq!(report.covered.body_count, report.tree_size);
    for entry in std::fs::read_dir(dir.path().join("log")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|end| end == "idx") {
            std::fs::remove_file(entry).unwrap();
        }
    }
    let bare = Store::open(dir.path(), options().read_only(true)).unwrap();
    assert!(answers(&bare.snapshot().unwrap(), size) == expected, "without sidecars");
}

#[test]
fn a_move_that_is_given_up_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let before = store.snapshot().unwrap();
    let first = before.segments().next().unwrap().id;
    assert!(matches!(store.compact(first, &mut |_, _| false), Err(Error::Cancelled)));
    assert_eq!(packs(dir.path()), [] as [PathBuf; 0]);
    assert_eq!(store.snapshot().unwrap().tree_size(), before.tree_size());
    assert_eq!(store.snapshot().unwrap().tier(first).unwrap(), Tier::Hot);
    let active = before.segments().last().unwrap().id;
    assert!(matches!(store.compact(active, &mut |_, _| true), Err(Error::NotFound { .. })));
}

#[test]
fn a_log_that_is_not_what_its_seal_states_is_not_packed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let first = store.snapshot().unwrap().segments().next().unwrap().id;
    store.close().unwrap();
    let path = dir.path().join("log").join(first.file_name("log"));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let refused = store.compact(first, &mut |_, _| true);
    assert!(matches!(refused, Err(Error::Fault { .. })), "{refused:?}");
    assert!(path.exists());
    assert_eq!(packs(dir.path()), [] as [PathBuf; 0]);
}

#[test]
fn every_altered_byte_of_a_pack_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    compact_all(&store);
    store.close().unwrap();
    let path = packs(dir.path()).remove(1);
    let bytes = std::fs::read(&path).unwrap();
    // Header, blocks, slots, frames, directory and tail.
    for at in (0..bytes.len()).step_by(61).chain(bytes.len() - 64..bytes.len()) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x10;
        std::fs::write(&path, &altered).unwrap();
        let report = verified(dir.path());
        let found = report.findings.iter().find(|finding| finding.file.starts_with("packs/"));
        let class = found.map(|found| found.class);
        let expected = [FindingClass::Damaged, FindingClass::Unsupported];
        assert!(class.is_some_and(|class| expected.contains(&class)), "byte {at}: {:?}", report.findings);
        let reader = Store::open(dir.path(), options().read_only(true)).unwrap();
        let read: Result<Vec<Record>> = reader.snapshot().unwrap().records(..).collect();
        assert!(matches!(read, Err(Error::Fault { .. })), "byte {at}: {read:?}");
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!verified(dir.path()).findings.is_empty());
    std::fs::remove_file(&path).unwrap();
    assert!(!verified(dir.path()).findings.is_empty());
}

/// A pack of other bytes, all of its checksums right.
fn forge(log: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let header = *log.first_chunk::<LOG_HEADER_LEN>().unwrap();
    let runs = vec![0; 1000];
    let mut bytes = Vec::new();
    let mut pack = PackWriter::new(&mut bytes, header, &runs).unwrap();
    let mut at = LOG_HEADER_LEN;
    while at < log.len() {
        let (header, payload) = frame::decode(&log[at..]).unwrap();
        let mut payload = payload.to_vec();
        change(&mut payload);
        pack.push(at as u64, &header, &payload).unwrap();
        at += header.frame_len() as usize;
    }
    pack.finish(log.len() as u64).unwrap();
    bytes
}

#[test]
fn a_pack_of_other_records_is_forged() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let first = store.snapshot().unwrap().segments().next().unwrap().id;
    let log = std::fs::read(dir.path().join("log").join(first.file_name("log"))).unwrap();
    compact_all(&store);
    store.close().unwrap();
    let path = packs(dir.path()).remove(0);
    std::fs::write(&path, forge(&log, |_| ())).unwrap();
    assert_eq!(verified(dir.path()).findings, [], "the same records in another order of runs");
    let rewritten = forge(&log, |payload| {
        if let Some(at) = payload.windows(9).position(|window| window == b"needle 17") {
            payload[at + 7] = b'2';
        }
    });
    std::fs::write(&path, rewritten).unwrap();
    let found = verified(dir.path());
    assert_eq!(found.verdict(), Some(FindingClass::Forged), "{:?}", found.findings);
    // Another segment's pack under this one's name.
    std::fs::copy(packs(dir.path()).remove(1), &path).unwrap();
    let found = verified(dir.path());
    assert_eq!(found.verdict(), Some(FindingClass::Forged), "{:?}", found.findings);
}

#[test]
fn a_backup_takes_packs_along() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store_of(dir.path());
    let first = store.snapshot().unwrap().segments().next().unwrap().id;
    store.compact(first, &mut |_, _| true).unwrap();
    let size = store.snapshot().unwrap().tree_size();
    let expected = answers(&store.snapshot().unwrap(), size);
    store.backup(copy.path(), &mut |_, _| true).unwrap();
    let copied = Store::open(copy.path(), options()).unwrap();
    assert!(answers(&copied.snapshot().unwrap(), size) == expected);
    assert_eq!(
        copied.snapshot().unwrap().tier(first).unwrap(),
        store.snapshot().unwrap().tier(first).unwrap()
    );
    assert_eq!(verified(copy.path()).findings, []);
}
