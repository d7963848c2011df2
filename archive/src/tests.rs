//! What is archived reads back, and what was altered shows.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use indelible_engine::filter::{Field, Filter, Test, Value};
use indelible_engine::{Class, Error, Options, SegmentInfo, Store};

use super::*;

fn options() -> Options {
    Options::new("test.example/archive").allocate_len(8 << 10).seal_in_background(false)
}

/// A store of three sealed segments and an active one.
fn store(dir: &Path) -> Store {
    let store = Store::create(dir, options()).unwrap();
    for segment in 0..4 {
        let event = |n: usize| {
            format!(
                r#"{{"event_id":"e{segment}-{n}","run_id":"run_{}","ts":"2026-04-01T09:30:00Z","controls":["SOC2:CC6.1","PCI-DSS:10.2.1"],"n":{n}}}"#,
                n % 7
            )
        };
        store.append_batch((0..50).map(|n| event(n).into_bytes())).unwrap();
        if segment < 3 {
            store.seal().unwrap().unwrap();
        }
    }
    store
}

fn sealed(store: &Store) -> Vec<SegmentInfo> {
    store.snapshot().unwrap().segments().filter(|segment| segment.sealed).collect()
}

fn target(folder: &Path) -> Target {
    Target::open(folder.to_str().unwrap(), []).unwrap()
}

fn archive_all(store: &Store, target: &Target) -> Vec<Archived> {
    let snapshot = store.snapshot().unwrap();
    let archive =
        |segment: &SegmentInfo| archive_segment(store, &snapshot, segment, target, &mut |_, _| true);
    sealed(store).iter().map(|segment| archive(segment).unwrap()).collect()
}

fn checked(path: &Path) -> Result<Checked, Error> {
    check(File::open(path).unwrap(), path)
}

fn class(checked: Result<Checked, Error>) -> Option<Class> {
    checked.err().and_then(|error| error.class())
}

#[test]
fn a_full_disk_is_told_as_such_and_bytes_that_make_no_sense_are_damage() {
    let path = Path::new("file");
    let told = |error: std::io::Error| unwritten(path)(error.into());
    let full = told(std::io::Error::from_raw_os_error(28));
    assert!(matches!(full, Error::Io { action: "write", .. }), "{full}");
    for misread in
        [std::io::ErrorKind::UnexpectedEof.into(), std::io::Error::other("unknown frame descriptor")]
    {
        assert_eq!(damaged(path)(misread.into()).class(), Some(Class::Damaged));
    }
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_another_writes_is_not() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(dir.path());
    let target = target(folder.path());
    let file = folder.path().join(&archive_all(&store, &target)[0].object.name);
    let beside = |extension: &str| file.with_extension(extension);
    let (left, written, foreign) = (beside("4000001.new"), beside("4000002.new"), beside("txt"));
    for path in [&left, &written, &foreign] {
        fs::write(path, "half of it").unwrap();
    }
    let writer = File::options().write(true).open(&written).unwrap();
    writer.lock().unwrap();
    archive_all(&store, &target);
    assert_eq!([&left, &written, &foreign].map(|path| path.exists()), [false, true, true]);
    drop(writer);
    archive_all(&store, &target);
    assert!(!written.exists() && foreign.exists());
}

#[test]
fn segments_are_written_read_back_and_follow_one_another() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(dir.path());
    // One from the warm tier, too.
    store.compact(sealed(&store)[1].id, &mut |_, _| true).unwrap().unwrap();
    let target = target(folder.path());
    let archived = archive_all(&store, &target);
    assert!(archived.iter().all(|file| !file.was_there));
    let report = verify_archive(&target, &mut |_, _| ()).unwrap();
    assert!(report.findings.is_empty() && report.gaps.is_empty(), "{report:?}");
    assert_eq!(report.files.len(), 3);
    let again = archive_all(&store, &target);
    assert!(again.iter().all(|file| file.was_there), "the same bytes: {again:?}");
    let names =
        fs::read_dir(folder.path()).unwrap().map(|day| fs::read_dir(day.unwrap().path()).unwrap().count());
    assert_eq!(names.sum::<usize>(), 3, "nothing is left beside the files");

    let first = folder.path().join(&archived[0].object.name);
    let second = folder.path().join(&archived[1].object.name);
    fs::remove_file(&second).unwrap();
    let report = verify_archive(&target, &mut |_, _| ()).unwrap();
    assert_eq!((report.files.len(), report.gaps.len()), (2, 1), "{report:?}");
    fs::write(&second, b"something else").unwrap();
    let snapshot = store.snapshot().unwrap();
    let taken = archive_segment(&store, &snapshot, &sealed(&store)[1], &target, &mut |_, _| true);
    assert!(matches!(taken, Err(Error::AlreadyExists { .. })), "{taken:?}");
    assert_eq!(fs::read(&second).unwrap(), b"something else");
    assert_eq!(class(checked(&second)), Some(Class::Damaged));

    let bytes = fs::read(&first).unwrap();
    for at in (4..bytes.len()).step_by(bytes.len() / 60) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&second, &altered).unwrap();
        // What is there for people can be altered without a record being another one: columns of fields, statistics,
        // the profiles' texts.
        let records = |checked: Checked| (checked.last_leaf, checked.about.seal.root, checked.before);
        let (found, whole) = (checked(&second).map(records), records(checked(&first).unwrap()));
        assert!(found.is_err() || found.unwrap() == whole, "byte {at}");
    }
}

#[test]
fn the_active_segment_is_refused_and_a_file_that_is_given_up_leaves_nothing() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(dir.path());
    let snapshot = store.snapshot().unwrap();
    let active = snapshot.segments().last().unwrap();
    let refused = archive_segment(&store, &snapshot, &active, &target(folder.path()), &mut |_, _| true);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let given_up =
        archive_segment(&store, &snapshot, &sealed(&store)[0], &target(folder.path()), &mut |_, _| false);
    assert!(matches!(given_up, Err(Error::Cancelled)), "{given_up:?}");
    let days: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|day| day.unwrap().path()).collect();
    assert!(days.iter().all(|day| fs::read_dir(day).unwrap().count() == 0), "{days:?}");
}

#[test]
fn the_log_comes_back_byte_for_byte_and_of_what_was_altered_nothing_else_does() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || Options::new("test.example/archive").allocate_len(8 << 10).seal_in_background(false);
    // Frames of one record and of many, and close frames between them.
    for round in 0..3 {
        let store = Store::open_or_create(dir.path(), options()).unwrap();
        store.append(format!(r#"{{"event_id":"one-{round}"}}"#).as_bytes()).unwrap();
        store.append_batch((0..9).map(|n| format!(r#"{{"n":{n}}}"#).into_bytes())).unwrap();
        store.close().unwrap();
    }
    let store = Store::open_or_create(dir.path(), options()).unwrap();
    store.seal().unwrap().unwrap();
    let (segment, mut log) = (sealed(&store)[0], Vec::new());
    store.snapshot().unwrap().segment_log(segment.id).unwrap().read_to_end(&mut log).unwrap();
    assert_eq!(log, fs::read(dir.path().join(format!("log/{:020}.log", segment.id.0))).unwrap());
    let object = &archive_all(&store, &target(folder.path()))[0].object;
    let path = folder.path().join(&object.name);
    let rebuilt = || {
        let mut log = Vec::new();
        rebuild(File::open(&path).unwrap(), &path, &mut log).map(|_| log)
    };
    assert_eq!(rebuilt().unwrap(), log);
    let bytes = fs::read(&path).unwrap();
    for at in (4..bytes.len()).step_by(bytes.len() / 100) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        if let Ok(rebuilt) = rebuilt() {
            // How long before it was known durable is no evidence, and in no hash.
            assert_eq!(rebuilt.len(), log.len(), "byte {at}");
        }
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    for place in ["", "gs://bucket/prefix", "file://relative", "s3://", "http://127.0.0.1/"] {
        let refused = Target::open(place, []);
        assert!(matches!(refused, Err(Error::Refused { .. })), "{place}: {refused:?}");
    }
    let mut folder = Target::open("file:///archive", []).unwrap();
    assert_eq!(folder.to_string(), "/archive");
    assert!(matches!(folder.lock_until(indelible_engine::Timestamp(0)), Err(Error::Refused { .. })));
}

/// What was fetched.
type Fetched = Arc<Mutex<Vec<(usize, u64, bool)>>>;

/// A way back from the archive that a segment says it went to, and what it fetches.
fn cache(dir: &Path, len_max: u64) -> (Arc<Cache>, Fetched) {
    let fetched = Fetched::default();
    let noted = Arc::clone(&fetched);
    let told = move |fetch: &Fetch<'_>| {
        noted.lock().unwrap().push((fetch.row_group, fetch.len, fetch.done));
    };
    (Arc::new(Cache::new(dir.to_owned(), len_max, Vec::new(), Box::new(told))), fetched)
}

/// A store with one sealed segment of three row groups, which went to the archive in `folder`.
fn archived(dir: &Path, folder: &Path) {
    let noise = |n: u64| {
        let mut state = n + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", state)
        };
        (0..4096).map(|_| next()).collect::<String>()
    };
    let event = |n: u64| {
        format!(r#"{{"event_id":"e{n}","run_id":"run_{}","noise":"{}"}}"#, n / 100, noise(n)).into_bytes()
    };
    let (cache_dir, options) = (tempfile::tempdir().unwrap(), options());
    let (cache, _) = cache(cache_dir.path(), 0);
    let store = Store::create(dir, options.retrieve(cache)).unwrap();
    (0..300).for_each(|n| drop(store.append(&event(n)).unwrap()));
    store.seal().unwrap().unwrap();
    let target = target(folder);
    archive_all(&store, &target);
    store
        .move_to_archive(sealed(&store)[0].id, &target.to_string(), None, &mut |_, _| true)
        .unwrap()
        .unwrap();
    store.close().unwrap();
}

#[test]
fn no_more_is_fetched_than_the_row_groups_that_hold_what_is_asked() {
    let [dir, folder, kept] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    archived(dir.path(), folder.path());
    let (cache, fetched) = cache(kept.path(), 1 << 30);
    let store = Store::open(dir.path(), options().read_only(true).retrieve(cache)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let of_run = |run: &str| {
        let word = vec![Value::Word(run.to_owned())];
        Filter::Field(Field::Name("run".to_owned()), Test::Equals(word))
    };
    let needed = snapshot.search(&of_run("run_0")).unwrap().to_fetch(true).unwrap();
    assert_eq!((needed.files(), needed.row_groups(), needed.here()), (1, 1, 0));
    let counted = snapshot.search(&of_run("run_0")).unwrap().to_fetch(false).unwrap();
    assert!(counted.is_empty() && fetched.lock().unwrap().is_empty(), "the index says how many");
    let found = snapshot.search(&of_run("run_0")).unwrap().filter(|hit| hit.is_ok()).count();
    assert_eq!(found, 100);
    assert_eq!(*fetched.lock().unwrap(), [(0, needed.len(), false), (0, needed.len(), true)]);
    let len = fs::metadata(folder.path().join(&target(folder.path()).list().unwrap()[0].name)).unwrap().len();
    assert!(needed.len() < len / 2, "{} of {len}", needed.len());
    let again = snapshot.search(&of_run("run_0")).unwrap().to_fetch(true).unwrap();
    assert_eq!((again.row_groups(), again.here()), (0, 1));
    assert_eq!(snapshot.records(..).map(Result::unwrap).count() as u64, snapshot.tree_size());
    assert_eq!(fetched.lock().unwrap().len(), 6, "the two others, once");
}

#[test]
fn what_is_kept_of_an_archive_is_bounded_and_asked_for_again() {
    let [dir, folder, kept] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    archived(dir.path(), folder.path());
    let (cache, fetched) = cache(kept.path(), 1);
    for times in 1..=2 {
        let store = Store::open(dir.path(), options().read_only(true).retrieve(cache.clone())).unwrap();
        let records = store.snapshot().unwrap();
        assert!(records.records(..).all(|record| record.is_ok()));
        assert_eq!(fetched.lock().unwrap().len(), times * 6);
    }
    let of_store = fs::read_dir(kept.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_dir(of_store).unwrap().count(), 1, "the last one alone");
}

#[test]
fn a_row_group_that_lies_is_no_answer() {
    let [dir, folder, kept] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    archived(dir.path(), folder.path());
    let path = folder.path().join(&target(folder.path()).list().unwrap()[0].name);
    let bytes = fs::read(&path).unwrap();
    let (cache, _) = cache(kept.path(), 0);
    let store = Store::open(dir.path(), options().read_only(true).retrieve(cache)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let whole = snapshot.record(5).unwrap();
    for at in (4..bytes.len() / 3).step_by(bytes.len() / 40) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        // Another store, which has nothing in memory.
        let (cache, _) = self::cache(&kept.path().join(at.to_string()), 0);
        let store = Store::open(dir.path(), options().read_only(true).retrieve(cache)).unwrap();
        match store.snapshot().unwrap().record(5) {
            Ok(record) => assert_eq!(record, whole, "byte {at}"),
            Err(error) => assert!(matches!(error.class(), Some(Class::Damaged | Class::Forged)), "{error}"),
        }
    }
}
