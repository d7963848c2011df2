//! Index parts: missing, stale, damaged or another's, they cost time and change no answer.

use std::path::{Path, PathBuf};

use super::*;
use crate::segment::Sidecar;

fn options() -> Options {
    // Parts of 2 KiB: each is of a few frames.
    Options::new("test.example/caches").allocate_len(8 << 10).segment_len(64 << 10).seal_in_background(false)
}

/// Some ids come twice.
fn event(n: usize) -> Vec<u8> {
    let padding = "x".repeat(n * 37 % 200);
    format!(r#"{{"event_id":"e{}","run_id":"run_{}","padding":"{padding}","n":{n}}}"#, n - n % 7 / 6, n / 10)
        .into_bytes()
}

fn parts(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e.to_string_lossy().starts_with("part-")))
        .collect();
    parts.sort();
    parts
}

/// A store with an active segment of `count` events and its parts.
fn store_with_parts(dir: &Path, count: usize) -> Store {
    let store = Store::create(dir, options()).unwrap();
    (0..count).for_each(|n| drop(store.append(&event(n)).unwrap()));
    assert!(parts(dir).len() > 3, "{:?}", parts(dir));
    store
}

/// What verification remarks on parts; it must find nothing wrong with the store.
fn remarks(dir: &Path) -> Vec<String> {
    let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
    let report = crate::verify::verify(&disk, dir, &crate::verify::Options::default()).unwrap();
    assert_eq!(report.findings.len(), 0, "{:?}", report.findings);
    report.remarks.iter().map(ToString::to_string).filter(|text| text.contains("part-")).collect()
}

/// All that the snapshot says by its caches, against what its records say.
fn check(snapshot: &Snapshot) {
    let records = snapshot.records(..).collect::<Result<Vec<_>>>().unwrap();
    let catalog = snapshot.inner.log.catalog(snapshot.head()).unwrap();
    let mut next = 0;
    for view in &*snapshot.views().unwrap() {
        let sidecar: Arc<Sidecar> = snapshot.inner.log.open_view(view, &catalog).unwrap();
        assert_eq!((view.first_seq, view.end_seq), (next, sidecar.end_seq()));
        assert_eq!(view.first_seq, sidecar.first_seq());
        assert!(view.fits(&sidecar, snapshot.inner.log.store_id));
        sidecar.check_all().unwrap();
        for seq in view.first_seq..view.end_seq {
            let located = sidecar.locate(sidecar.offset_of(seq).unwrap()).unwrap().unwrap();
            let record = &records[seq as usize];
            let labels_len: usize = record.labels.iter().map(|label| label.len() + 1).sum();
            assert_eq!(located.record_len as usize, 16 + labels_len + record.body.len());
            assert_eq!(located.frame.received_at, record.received_at);
        }
        next = view.end_seq;
    }
    assert_eq!(next, snapshot.tree_size());
    let id_of = |body: &[u8]| {
        let text = std::str::from_utf8(body).unwrap();
        text.strip_prefix(r#"{"event_id":""#).map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    let ids: Vec<Option<String>> = records.iter().map(|record| id_of(&record.body)).collect();
    for id in ids.iter().flatten().chain([&"e999999".to_owned()]) {
        let expected: Vec<u64> =
            (0..).zip(&ids).filter(|(_, other)| other.as_ref() == Some(id)).map(|(seq, _)| seq).collect();
        assert_eq!(snapshot.find_event(id.as_bytes()).unwrap(), expected, "{id}");
    }
}

#[test]
fn a_process_that_comes_to_a_long_segment_begins_with_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let one = store_with_parts(dir.path(), 100);
    let two = Store::open(dir.path(), options()).unwrap();
    check(&two.snapshot().unwrap());
    let begins = two.inner.log.indexer().next_seq();
    assert_eq!(begins, two.snapshot().unwrap().tree_size());
    assert!(two.snapshot().unwrap().views().unwrap().len() > 3, "the parts are views of their own");
    check(&one.snapshot().unwrap());
    assert_eq!(remarks(dir.path()), Vec::<String>::new());
    let later = two.append(&event(200)).unwrap();
    assert_eq!(one.snapshot().unwrap().find_event(b"e200").unwrap(), [later.seq]);
    two.seal().unwrap();
    assert_eq!(parts(dir.path()), Vec::<PathBuf>::new(), "a sealed segment has a sidecar and no parts");
    check(&one.snapshot().unwrap());
    check(&two.snapshot().unwrap());
}

#[test]
fn views_end_where_their_snapshot_does_however_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let handles = [
        Store::create(dir.path(), options()).unwrap(),
        Store::open(dir.path(), options()).unwrap(),
        Store::open(dir.path(), options().read_only(true)).unwrap(),
    ];
    let mut random = crate::index::tests::Random(5);
    let mut older: Vec<Snapshot> = Vec::new();
    for n in 0..600 {
        handles[random.below(2) as usize].append(&event(n)).unwrap();
        match random.below(40) {
            0 => older.push(handles[random.below(3) as usize].snapshot().unwrap()),
            1 => check(&handles[random.below(3) as usize].snapshot().unwrap()),
            2 if !older.is_empty() => check(&older.swap_remove(random.below(older.len() as u64) as usize)),
            3 if random.below(3) == 0 => drop(handles[random.below(2) as usize].seal().unwrap()),
            _ => {}
        }
    }
    older.iter().for_each(check);
    handles.iter().for_each(|store| check(&store.snapshot().unwrap()));
}

#[test]
fn parts_that_are_wrong_are_not_used_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let other_dir = tempfile::tempdir().unwrap();
    let store = store_with_parts(dir.path(), 120);
    let other = store_with_parts(other_dir.path(), 120);
    let all = parts(dir.path());
    let whole = std::fs::read(&all[1]).unwrap();
    let foreign = std::fs::read(&parts(other_dir.path())[1]).unwrap();
    let next = std::fs::read(&all[2]).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let wrongs: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; whole.len()],
        whole[..whole.len() - 8].to_vec(),
        foreign,
        next,
        flipped(20),
        flipped(whole.len() - 1),
        flipped(whole.len() - 100),
    ];
    for (which, wrong) in wrongs.into_iter().enumerate() {
        std::fs::remove_file(&all[1]).unwrap();
        std::fs::write(&all[1], wrong).unwrap();
        let reader = Store::open(dir.path(), options().read_only(true)).unwrap();
        check(&reader.snapshot().unwrap());
        assert!(all[1].exists(), "{which}: a reader changes nothing");
        let told = remarks(dir.path());
        assert!(told.len() == 1 && told[0].contains("it is a cache"), "{which}: {told:?}");
        let writer = Store::open(dir.path(), options()).unwrap();
        check(&writer.snapshot().unwrap());
        assert_eq!(std::fs::read(&all[1]).unwrap(), whole, "{which}: it was written anew");
    }
    // A section is looked at when it is first used.
    for at in (0..whole.len()).step_by(97) {
        let _ = std::fs::remove_file(&all[1]);
        std::fs::write(&all[1], flipped(at)).unwrap();
        let reader = Store::open(dir.path(), options()).unwrap();
        let snapshot = reader.snapshot().unwrap();
        for id in ["e3", "e20", "e40", "e119"] {
            let expected = store.snapshot().unwrap().find_event(id.as_bytes()).unwrap();
            assert_eq!(snapshot.find_event(id.as_bytes()).unwrap(), expected, "byte {at}");
        }
        drop(reader);
    }
    drop(other);
}

#[test]
fn parts_of_bytes_that_recovery_cut_are_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options().sync(crate::Sync::Buffered)).unwrap();
    store.append(&event(0)).unwrap();
    drop(store);
    let log = dir.path().join("log").join(crate::SegmentId(0).file_name("log"));
    let before = std::fs::read(&log).unwrap();
    let store = Store::open(dir.path(), options().sync(crate::Sync::Buffered)).unwrap();
    (1..80).for_each(|n| drop(store.append(&event(n)).unwrap()));
    drop(store);
    let stale: Vec<(PathBuf, Vec<u8>)> =
        parts(dir.path()).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(stale.len() > 3);
    // As a power loss may leave it: the frames were never synced, the parts happened to be written.
    std::fs::write(&log, before).unwrap();
    std::fs::remove_file(dir.path().join("head")).unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    (0..90).rev().for_each(|n| drop(store.append(&event(n)).unwrap()));
    drop(store);
    for (path, bytes) in stale {
        let _ = std::fs::remove_file(&path);
        std::fs::write(path, bytes).unwrap();
    }
    check(&Store::open(dir.path(), options()).unwrap().snapshot().unwrap());
}

#[test]
fn retries_in_short_lived_processes_read_the_parts_and_not_the_segment() {
    let dir = tempfile::tempdir().unwrap();
    drop(store_with_parts(dir.path(), 120));
    for n in [0, 5, 60, 119, 130] {
        let store = Store::open(dir.path(), options()).unwrap();
        let source = store.source(Profile::evidence()).unwrap();
        let event = store.prepare(&source, event(n), &Masking::default()).unwrap();
        let outcome = store.commit(vec![event], OnDuplicate::Skip).unwrap();
        assert_eq!(matches!(outcome[..], [Outcome::Duplicate { .. }]), n < 120, "{n}");
        let read = store.inner.log.indexer();
        assert!(read.next_seq() - read.first_seq() < 40, "the parts were not read again");
    }
}
