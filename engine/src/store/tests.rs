//! The store as a library user sees it, on the real disk.

use std::path::Path;

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::Hash;
use crate::source::rfc3339;
use crate::trust::{Checkpoint, Note, Signer, SigningKey, VerifierKey};
use crate::{Sync, Timestamp, verify};

fn options() -> Options {
    Options::new("test.example/store").allocate_len(64 << 10)
}

fn event(n: usize) -> Vec<u8> {
    format!(r#"{{"event_id":"e{n}","run_id":"run_{}","ts":"2026-04-01T09:30:00Z","n":{n}}}"#, n / 10)
        .into_bytes()
}

fn bodies(store: &Store) -> Vec<Vec<u8>> {
    let records = store.snapshot().unwrap().records(..).collect::<Result<Vec<_>>>().unwrap();
    records.into_iter().filter(|record| !record.is_store_record()).map(|record| record.body).collect()
}

/// The log's leaves by the chain of entries, checked on the way against what each record names.
fn leaves(store: &Store) -> Vec<crate::hash::Hash> {
    let mut last = crate::hash::Hash::ZERO;
    let records = store.snapshot().unwrap().records_with_integrity(..);
    records
        .map(|record| {
            let tied = record.unwrap().integrity.unwrap();
            assert_eq!(tied.predecessor, last);
            last = tied.leaf;
            last
        })
        .collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_appended_comes_back_byte_for_byte_across_segments_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<Vec<u8>> = (0..500).map(event).collect();
    let store = Store::create(dir.path(), options()).unwrap();
    let mut receipts = Vec::new();
    for chunk in events.chunks(100) {
        receipts.extend(store.append_batch(&chunk[..50]).unwrap());
        for event in &chunk[50..] {
            receipts.push(store.append(event).unwrap());
        }
        assert!(store.seal().unwrap().is_some());
    }
    assert!(store.seal().unwrap().is_none(), "a segment with only a seal is not sealed again");
    assert_eq!(bodies(&store), events);
    let leaves = leaves(&store);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.segments().count(), 6);
    assert_eq!(crate::merkle::root::<crate::hash::LogTree>(&leaves), snapshot.root());
    for receipt in &receipts {
        assert_eq!(leaves[receipt.seq as usize], receipt.leaf);
        assert!(receipt.durable);
        assert_eq!(
            crate::merkle::root::<crate::hash::LogTree>(&leaves[..receipt.tree_size as usize]),
            receipt.root()
        );
    }
    assert_eq!(snapshot.record(receipts[7].seq).unwrap().body, events[7]);
    store.close().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    assert_eq!(store.recovery(), &Recovery::default());
    assert_eq!(bodies(&store), events);
    assert_eq!(store.snapshot().unwrap().root(), crate::merkle::root::<crate::hash::LogTree>(&leaves));
}

#[test]
fn a_store_without_its_hints_is_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    store.append(&event(1)).unwrap();
    store.seal().unwrap();
    store.append(&event(2)).unwrap();
    let (root, size) = (store.snapshot().unwrap().root(), store.snapshot().unwrap().tree_size());
    store.close().unwrap();
    for name in ["head", "catalog", "indelible.toml", "lock", "gate", "open"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let _ = std::fs::remove_dir_all(dir.path().join("tree"));
    for name in files(&dir.path().join("log")).iter().filter(|name| name.ends_with(".idx")) {
        std::fs::remove_file(dir.path().join("log").join(name)).unwrap();
    }
    let store = Store::open(dir.path(), Options::default()).unwrap();
    assert!(!store.recovery().unclean, "a closed log needs no recovery");
    assert_eq!((store.snapshot().unwrap().root(), store.snapshot().unwrap().tree_size()), (root, size));
    assert_eq!(bodies(&store), [event(1), event(2)]);
}

#[test]
fn what_was_committed_stands_though_its_catalog_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    // Nothing can take this name.
    std::fs::create_dir_all(dir.path().join("catalog/in the way")).unwrap();
    // This registers a source, which the catalog lists, and the seal is one more of the store's own records.
    store.append(&event(1)).unwrap();
    assert!(store.seal().unwrap().is_some());
    store.append(&event(2)).unwrap();
    assert_eq!(bodies(&store), [event(1), event(2)]);
    let names = files(dir.path());
    assert!(!names.iter().any(|name| name.ends_with(".new")), "nothing is left behind: {names:?}");
    store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join("catalog")).unwrap();
    assert_eq!(bodies(&Store::open(dir.path(), options()).unwrap()), [event(1), event(2)]);
}

#[test]
fn threads_share_commits_and_each_gets_its_own_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options().segment_len(16 << 10)).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..50 {
                    let event = event(worker * 1000 + n);
                    let receipt = store.append(&event).unwrap();
                    assert_eq!(store.snapshot().unwrap().record(receipt.seq).unwrap().body, event);
                }
            });
        }
    });
    assert_eq!(bodies(&store).len(), 400);
    assert!(store.snapshot().unwrap().segments().count() > 2, "segments are sealed on the way");
    leaves(&store);
    store.close().unwrap();
}

#[test]
fn two_handles_take_turns_as_two_processes_do() {
    let dir = tempfile::tempdir().unwrap();
    let one = Store::create(dir.path(), options()).unwrap();
    let two = Store::open(dir.path(), options()).unwrap();
    let mut expected = Vec::new();
    for n in 0..40 {
        let store = if n % 3 == 0 { &one } else { &two };
        store.append(&event(n)).unwrap();
        expected.push(event(n));
        if n % 10 == 9 {
            assert!(store.seal().unwrap().is_some());
        }
    }
    assert_eq!(bodies(&one), expected);
    assert_eq!(bodies(&two), expected);
    leaves(&one);
    one.close().unwrap();
    assert!(Store::open(dir.path(), options()).unwrap().is_writable());
    two.append(&event(99)).unwrap();
}

#[test]
fn retries_by_event_id_do_not_double() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    let source = store.source(Profile::evidence()).unwrap();
    let prepare = |n| store.prepare(&source, event(n), &Masking::default()).unwrap();
    let first = store.commit(vec![prepare(1), prepare(2)], OnDuplicate::Keep).unwrap();
    store.seal().unwrap();
    let again = store.commit(vec![prepare(2), prepare(3), prepare(3)], OnDuplicate::Skip).unwrap();
    assert_eq!(again[0], Outcome::Duplicate { seq: first[1].seq() });
    assert!(matches!(again[1], Outcome::Appended(_)));
    assert_eq!(again[2], Outcome::Duplicate { seq: again[1].seq() });
    let refused = store.commit(vec![prepare(4), prepare(1)], OnDuplicate::Error);
    assert!(matches!(refused, Err(Error::DuplicateEvent { seq, .. }) if seq == first[0].seq()));
    assert_eq!(bodies(&store), [event(1), event(2), event(3)]);
    assert_eq!(store.snapshot().unwrap().find_event(b"e2").unwrap(), [first[1].seq()]);
    assert_eq!(store.snapshot().unwrap().find_event(b"e3").unwrap(), [again[1].seq()]);
    assert!(store.snapshot().unwrap().find_event(b"e4").unwrap().is_empty());
}

#[test]
fn a_forked_process_is_refused() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PROCESS: AtomicU32 = AtomicU32::new(1);
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::real().unwrap();
    world.process_id = || PROCESS.load(Ordering::Relaxed);
    let store = Store::create(dir.path(), options().world(world)).unwrap();
    store.append(&event(1)).unwrap();
    PROCESS.store(2, Ordering::Relaxed);
    assert!(matches!(store.append(&event(2)), Err(Error::Forked { opened_by: 1, current: 2 })));
    PROCESS.store(1, Ordering::Relaxed);
    assert_eq!(bodies(&store), [event(1)]);
}

#[test]
fn buffered_appends_say_so_and_a_seal_makes_them_durable() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options().sync(Sync::Buffered)).unwrap();
    assert!(!store.append(&event(1)).unwrap().durable);
    assert_eq!(bodies(&store), [event(1)]);
    store.seal().unwrap();
    store.append(&event(2)).unwrap();
    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert!(store.append(&event(3)).unwrap().durable);
    assert_eq!(bodies(&store), [event(1), event(2), event(3)]);
}

#[test]
fn a_second_store_in_one_directory_and_a_wrong_origin_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open(dir.path(), Options::default()), Err(Error::NotAStore { .. })));
    Store::create(dir.path(), options()).unwrap();
    assert!(matches!(Store::create(dir.path(), options()), Err(Error::AlreadyExists { .. })));
    let other = Store::open(dir.path(), Options::new("other.example/log"));
    assert!(matches!(other, Err(Error::AlreadyExists { .. })));
}

#[test]
fn a_backup_is_the_same_log_and_opens_clean() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    store.append(&event(1)).unwrap();
    store.seal().unwrap();
    store.append(&event(2)).unwrap();
    store.backup(copy.path(), &mut |_, _| true).unwrap();
    let copied = Store::open(copy.path(), Options::default()).unwrap();
    assert!(!copied.recovery().unclean);
    assert_eq!(copied.snapshot().unwrap().root(), store.snapshot().unwrap().root());
    assert_eq!(bodies(&copied), [event(1), event(2)]);
    assert!(matches!(store.backup(copy.path(), &mut |_, _| true), Err(Error::AlreadyExists { .. })));
}

#[test]
fn a_backup_that_is_given_up_is_no_store_and_says_what_it_is() {
    let (dir, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = parent.path().join("copy");
    let store = Store::create(dir.path(), options()).unwrap();
    store.append(&event(1)).unwrap();
    assert!(matches!(store.backup(&copy, &mut |_, _| false), Err(Error::Cancelled)));
    assert!(matches!(Store::open(&copy, Options::default()), Err(Error::NotAStore { .. })));
    let Err(Error::AlreadyExists { reason, .. }) = store.backup(&copy, &mut |_, _| true) else {
        panic!("a copy was made over another")
    };
    assert!(reason.contains("not finished"), "{reason}");
    std::fs::remove_dir_all(&copy).unwrap();
    store.backup(&copy, &mut |_, _| true).unwrap();
}

#[test]
fn a_torn_tail_is_kept_and_told_and_a_frame_that_was_durable_is_never_cut() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    for n in 0..3 {
        store.append(&event(n)).unwrap();
    }
    let len = store.inner.log.head().unwrap().written_len;
    drop(store);
    let log = dir.path().join("log").join("00000000000000000000.log");
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(b"\x89IDF torn", len).unwrap();
    std::fs::remove_file(dir.path().join("head")).unwrap();
    std::fs::write(dir.path().join("checkpoints").join("half.new"), "a checkpoint that was being wr")
        .unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.recovery().cut_len, 9);
    assert_eq!(files(&dir.path().join("checkpoints")), [""; 0], "what was being made is removed");
    assert_eq!(bodies(&store), [event(0), event(1), event(2)]);
    let lost = files(&dir.path().join("lost"));
    assert_eq!(lost.len(), 1);
    assert_eq!(std::fs::read(dir.path().join("lost").join(&lost[0])).unwrap(), b"\x89IDF torn");
    leaves(&store);
    drop(store);
    // The first event's frame is below what later frames say was durable.
    let bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(4).position(|window| window == br#""e0""#).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(b"X", at as u64 + 1).unwrap();
    std::fs::remove_file(dir.path().join("head")).unwrap();
    let refused = Store::open(dir.path(), options()).unwrap_err();
    assert_eq!(refused.class(), Some(crate::Class::Damaged), "{refused}");
}

#[test]
fn a_log_that_was_cut_below_what_was_durable_is_damaged_wherever_it_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    for n in 0..3 {
        store.append(&event(n)).unwrap();
    }
    let len = store.inner.log.head().unwrap().durable_len;
    let log = dir.path().join("log").join("00000000000000000000.log");
    let bytes = std::fs::read(&log).unwrap();
    let head = std::fs::read(dir.path().join("head")).unwrap();
    drop(store);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let put = |bytes: &[u8]| {
        std::fs::write(&log, bytes).unwrap();
        std::fs::write(dir.path().join("head"), &head).unwrap();
    };
    for cut in (LOG_HEADER_LEN as u64..len).rev().step_by(7).chain([len - 1]) {
        let is_told = |how: &str| {
            let report = verify::verify(&disk, dir.path(), &verify::Options::default()).unwrap();
            assert!(!report.is_clean(), "{how} from byte {cut} of {len} on: {:?}", report.remarks);
        };
        let cut_off = &bytes[..cut as usize];
        put(cut_off);
        is_told("cut off");
        let refused = Store::open(dir.path(), options()).unwrap_err();
        assert_eq!(refused.class(), Some(crate::Class::Damaged), "cut off from byte {cut} on: {refused}");
        // Whoever reads has what is left, and is told that it is not all.
        let reader = Store::open(dir.path(), options().read_only(true));
        let read = reader.and_then(|reader| reader.snapshot()?.records(..).collect::<Result<Vec<_>>>());
        let told = read.map(|records| records.len()).unwrap_err();
        assert_eq!(told.class(), Some(crate::Class::Damaged), "cut off from byte {cut} on: {told}");
        assert_eq!(std::fs::read(&log).unwrap(), cut_off);
        // A file that kept its length is believed for what it was, as long as the machine runs; it is no less looked at.
        let mut zeroed = cut_off.to_vec();
        zeroed.resize(bytes.len(), 0);
        put(&zeroed);
        is_told("zeroed");
    }
    put(&bytes);
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(bodies(&store), [event(0), event(1), event(2)]);
}

#[test]
fn sidecars_that_are_missing_are_built_again_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    let log = dir.path().join("log");
    let sidecars = || {
        let names = files(&log).into_iter().filter(|name| name.ends_with(".idx"));
        names.map(|name| (std::fs::read(log.join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    for n in 0..30 {
        store.append(&event(n)).unwrap();
        if n % 10 == 9 {
            store.seal().unwrap();
        }
    }
    let before = sidecars();
    assert_eq!(before.len(), 3);
    for (_, name) in &before[..2] {
        std::fs::remove_file(log.join(name)).unwrap();
    }
    store.append(&event(40)).unwrap();
    store.seal().unwrap();
    assert_eq!(sidecars()[..3], before);
}

#[test]
fn the_tree_cache_may_be_missing_or_unfilled_and_proofs_still_hold() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    for round in 0..3 {
        store.append_batch((0..400).map(|n| event(round * 1000 + n))).unwrap();
        store.seal().unwrap();
    }
    let cache = dir.path().join("tree").join("level-08");
    let filled = std::fs::read(&cache).unwrap();
    assert_eq!(filled.len(), 4 * 32, "1,205 records have four whole groups");
    let leaves = leaves(&store);
    let check = || {
        let snapshot = store.snapshot().unwrap();
        for seq in [0, 255, 256, 700, 1204] {
            let proof = snapshot.inclusion_proof(seq, 1205).unwrap();
            let (leaf, root) = (&leaves[seq as usize], snapshot.root_at(1205).unwrap());
            assert!(crate::merkle::verify_inclusion::<crate::hash::LogTree>(leaf, seq, 1205, &proof, &root));
        }
        for old in [1, 255, 256, 300, 700, 1024, 1205] {
            let root = crate::merkle::root::<crate::hash::LogTree>(&leaves[..old as usize]);
            assert_eq!(snapshot.root_at(old).unwrap(), root);
            let proof = snapshot.consistency_proof(old).unwrap();
            let (size, now) = (snapshot.tree_size(), snapshot.root());
            assert!(crate::merkle::verify_consistency::<crate::hash::LogTree>(
                old, size, &root, &now, &proof
            ));
        }
    };
    check();
    let mut holed = filled.clone();
    holed[32..96].fill(0);
    std::fs::write(&cache, &holed).unwrap();
    check();
    std::fs::remove_file(&cache).unwrap();
    check();
    std::fs::write(&cache, &holed).unwrap();
    store.append_batch((0..3).map(event)).unwrap();
    store.seal().unwrap();
    assert_eq!(std::fs::read(&cache).unwrap(), filled, "the next seal fills it again");
}

#[test]
fn any_record_is_proven_under_a_checkpoint_to_who_has_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("store"), options()).unwrap();
    let world = crate::disk::World::real().unwrap();
    let signer = FileSigner::create(&world, &dir.path().join("log.key"), "test.example/store").unwrap();
    let key = CheckpointSigner::verifier(&signer).clone();
    store.append_batch((0..300).map(event)).unwrap();
    let early = store.checkpoint(&signer).unwrap();
    store.seal().unwrap();
    store.append_batch((300..600).map(event)).unwrap();
    let late = store.checkpoint(&signer).unwrap();
    store.append(&event(600)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let check = || {
        for seq in [0, 1, 2, 150, 301, 302, 303, 420, 603] {
            for note in [&early, &late] {
                let size = crate::trust::Checkpoint::decode(note.text()).unwrap().size;
                let proven = snapshot.prove(seq, note);
                if seq >= size {
                    assert!(matches!(proven, Err(Error::NotFound { .. })), "{seq} under {size}");
                    continue;
                }
                let crate::ProvenRecord { proof, body, salt } = proven.unwrap();
                let entry = crate::verify::verify_proof(&proof, &body, &salt, &key).unwrap();
                assert_eq!((entry.seq, entry.checkpoint.size), (seq, size));
                assert_eq!(body, snapshot.record(seq).unwrap().body);
                let other = crate::hash::RecordSalt([7; 32]);
                for (body, salt) in [(&body[1..], &salt), (b"{}", &salt), (&body[..], &other)] {
                    let refused = crate::verify::verify_proof(&proof, body, salt, &key);
                    assert!(matches!(refused, Err(Error::Forged { .. })));
                }
            }
        }
        let old = crate::trust::Checkpoint::decode(early.text()).unwrap();
        snapshot.prove_extension(old.size, &late).unwrap().verify(&old, &key).unwrap();
        snapshot.continues(&old).unwrap();
        let ahead = crate::trust::Checkpoint { size: snapshot.tree_size() + 1, ..old.clone() };
        assert!(matches!(snapshot.continues(&ahead), Err(Error::RolledBack { .. })));
        let fork = crate::trust::Checkpoint { size: old.size - 1, ..old };
        assert!(matches!(snapshot.continues(&fork), Err(Error::Forged { .. })));
    };
    check();
    // A cache that lies costs time and makes no wrong proof.
    let cache = dir.path().join("store/tree/level-08");
    let lies = vec![0x55; std::fs::metadata(&cache).unwrap().len() as usize];
    std::fs::write(&cache, lies).unwrap();
    check();
    let foreign = crate::trust::SigningKey::from_seed("other.example/log", [3; 32]).unwrap();
    let origin = "other.example/log".parse::<Origin>().unwrap();
    let note =
        crate::trust::Checkpoint::new(&origin, 5, snapshot.root_at(5).unwrap()).sign(&foreign).unwrap();
    assert!(matches!(snapshot.prove(1, &note), Err(Error::RolledBack { .. })));
    let stated = crate::trust::Checkpoint::decode(note.text()).unwrap();
    assert!(matches!(snapshot.continues(&stated), Err(Error::Forged { .. })));
}

/// What [`Snapshot::totals`] should say, by reading every event.
fn totals_by_reading(snapshot: &Snapshot) -> Totals<2> {
    let records: Vec<Record> = snapshot.records(..).map(Result::unwrap).collect();
    let span = |times: Vec<Timestamp>| Some((*times.iter().min()?, *times.iter().max()?));
    let (mut event_count, mut times) = (0, Vec::new());
    let mut values = [std::collections::BTreeSet::new(), std::collections::BTreeSet::new()];
    for record in records.iter().filter(|record| !record.is_store_record()) {
        event_count += 1;
        for field in snapshot.source(record.source).unwrap().profile().inspect(&record.body).unwrap() {
            match field.field.name.as_str() {
                "run" => values[0].extend(field.values),
                "decision" => values[1].extend(field.values),
                "ts" => times.extend(field.values.iter().map(|time| rfc3339(time.as_bytes()).unwrap())),
                _ => {}
            }
        }
    }
    Totals {
        event_count,
        received: span(records.iter().map(|record| record.received_at).collect()),
        without_time_count: event_count - times.len() as u64,
        event_time: span(times),
        value_counts: values.map(|values| values.len() as u64),
    }
}

#[test]
fn totals_are_what_reading_all_events_gives() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    let totals = || {
        let snapshot = store.snapshot().unwrap();
        let totals = snapshot.totals(["run", "decision"]).unwrap();
        assert_eq!(totals, totals_by_reading(&snapshot));
        totals
    };
    assert_eq!((totals().event_count, totals().event_time), (0, None));
    for round in 0..3 {
        store.append_batch((round * 20..round * 20 + 30).map(event)).unwrap();
        store.append(br#"{"decision":"DENY","ts":"yesterday"}"#).unwrap();
        store.append(br#"{"decision":"DENY","run_id":null,"ts":"1999-12-31T23:59:59Z"}"#).unwrap();
        totals();
        store.seal().unwrap();
        totals();
    }
    store.append(br#"{"decision":1}"#).unwrap();
    let whole = totals();
    assert_eq!((whole.event_count, whole.without_time_count), (97, 4));
    drop(store);
    // A sidecar that is damaged changes nothing.
    let name = files(&dir.path().join("log")).into_iter().find(|name| name.ends_with(".idx")).unwrap();
    let path = dir.path().join("log").join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len();
    bytes[len / 2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.snapshot().unwrap().totals(["run", "decision"]).unwrap(), whole);
}

#[test]
fn a_reader_is_not_misled_by_a_head_that_was_wound_back() {
    let dir = tempfile::tempdir().unwrap();
    let head = dir.path().join("head");
    let store = Store::create(dir.path(), options()).unwrap();
    let mut heads = Vec::new();
    for part in 0..6 {
        store.append_batch((part * 10..part * 10 + 10).map(event)).unwrap();
        heads.push(std::fs::read(&head).unwrap());
        if part == 2 {
            store.seal().unwrap();
        }
    }
    let expected = bodies(&store);
    assert_eq!(expected.len(), 60);
    let root = store.snapshot().unwrap().root();
    for earlier in heads.iter().chain([&Vec::new(), &vec![0xff; 4096]]) {
        std::fs::write(&head, earlier).unwrap();
        let reader = Store::open(dir.path(), options().read_only(true)).unwrap();
        assert_eq!(bodies(&reader), expected);
        assert_eq!(reader.snapshot().unwrap().root(), root);
    }
}

/// A signer that does not sign before somebody else has appended.
struct Patient<'a> {
    store: &'a Store,
    key: SigningKey,
}

impl CheckpointSigner for Patient<'_> {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn sign(&self, next: &Checkpoint, _prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note> {
        std::thread::scope(|scope| scope.spawn(|| self.store.append(b"{\"n\":2}")).join()).unwrap()?;
        next.sign(&self.key)
    }
}

#[test]
fn an_append_does_not_wait_for_whoever_signs() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), Options::new("acme.example/test")).unwrap();
    store.append(b"{\"n\":1}").unwrap();
    let key = SigningKey::from_seed("acme.example/test", [1; 32]).unwrap();
    let note = store.checkpoint(&Patient { store: &store, key }).unwrap();
    let signed = Checkpoint::decode(note.text()).unwrap().size;
    assert_eq!(store.snapshot().unwrap().tree_size(), signed + 1, "it came while the checkpoint was signed");
}
