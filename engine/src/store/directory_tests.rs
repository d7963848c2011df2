//! Directories over runs of sealed segments: missing, stale, damaged or another's, they change no answer.

use std::path::{Path, PathBuf};

use super::*;
use crate::disk::sim::{Failure, SimDisk, SyncLoss, What};

fn options() -> Options {
    Options::new("test.example/directories").allocate_len(8 << 10).seal_in_background(false)
}

fn event(n: usize) -> Vec<u8> {
    // Some ids are there twice, in segments far from one another.
    format!(r#"{{"event_id":"e{}","run_id":"run_{}","kind":"k{}","n":{n}}}"#, n % 250, n / 20, n % 3)
        .into_bytes()
}

/// A store of `segments` sealed segments of ten events each.
fn store_of(dir: &Path, segments: usize, from: usize) -> Store {
    let store = Store::create(dir, options()).unwrap();
    go_on(&store, segments, from);
    store
}

fn go_on(store: &Store, segments: usize, from: usize) {
    for segment in 0..segments {
        store.append_batch((0..10).map(|n| event(from + segment * 10 + n))).unwrap();
        store.seal().unwrap().unwrap();
    }
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("dir")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.collect();
    found.sort();
    found
}

fn check(store: &Store) {
    let snapshot = store.snapshot().unwrap();
    let records = snapshot.records(..).collect::<Result<Vec<_>>>().unwrap();
    for n in (0..260).step_by(7) {
        let start = format!(r#"{{"event_id":"e{n}","#);
        let has = |record: &&Record| record.body.starts_with(start.as_bytes());
        let expected: Vec<u64> = records.iter().filter(has).map(|record| record.seq).collect();
        assert_eq!(snapshot.find_event(format!("e{n}").as_bytes()).unwrap(), expected, "e{n}");
    }
}

/// What verification remarks on directories; it must find nothing wrong with the store.
fn remarks(dir: &Path) -> Vec<String> {
    remarks_on(Arc::new(crate::disk::RealDisk), dir)
}

fn remarks_on(disk: Arc<dyn crate::disk::Disk>, dir: &Path) -> Vec<String> {
    let report = crate::verify::verify(&disk, dir, &crate::verify::Options::default()).unwrap();
    assert_eq!(report.findings.len(), 0, "{:?}", report.findings);
    report.remarks.iter().map(ToString::to_string).filter(|text| text.contains("dir/")).collect()
}

#[test]
fn a_lookup_asks_the_segments_that_the_directories_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), 40, 0);
    assert_eq!(directories(dir.path()).len(), 2, "two whole runs of sixteen");
    check(&store);
    let log = &store.inner.log;
    let catalog = log.catalog(&log.head().unwrap()).unwrap();
    let runs = log.directories(&catalog);
    assert_eq!(runs.iter().map(|run| run.segments.clone()).collect::<Vec<_>>(), [0..16, 16..32]);
    for n in 0..250 {
        let may = log.may_hold_event(&catalog, format!("e{n}").as_bytes());
        assert!(may[..32].iter().filter(|may| **may).count() <= 3, "e{n}: {may:?}");
        assert!(may[32..].iter().all(|may| *may), "no directory is over the last");
    }
    let directory = &runs[0].directory;
    let kind = directory.field("kind").unwrap().unwrap();
    assert!(kind.is_complete());
    let counts: u32 =
        (0..kind.term_count()).flat_map(|i| kind.places(i).unwrap()).map(|place| place.count).sum();
    // Every event has one; so have the store's own records: the first two, and the seals.
    assert_eq!(counts, 160 + 2 + 15);
}

/// A store of 40 sealed segments, each of one day and one kind.
fn store_of_days(dir: &Path) -> Store {
    let store = Store::create(dir, options()).unwrap();
    for day in 0..40_u64 {
        let events = (0..5).map(|n| {
            let (month, day_of_month) = (1 + day / 28, 1 + day % 28);
            let time = format!("2026-0{month}-{day_of_month:02}T00:00:0{n}Z");
            format!(
                r#"{{"event_id":"d{day}-{n}","kind":"kind_{day}","run_id":"run_{}","ts":"{time}"}}"#,
                n % 2
            )
        });
        store.append_batch(events).unwrap();
        store.seal().unwrap().unwrap();
    }
    store
}

#[test]
fn a_search_passes_by_segments_that_the_directories_rule_out() {
    use crate::filter::{Clock, Field, Filter, Test, Value, Window};
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store_of_days(dir.path()).snapshot().unwrap();
    let is = |name: &str, value: &str| {
        Filter::Field(Field::Name(name.to_owned()), Test::Equals(vec![Value::Word(value.to_owned())]))
    };
    let events = Filter::Not(Box::new(Filter::StoreRecord));
    let until = |text: &str| Window { from: None, until: crate::source::rfc3339(text.as_bytes()) };
    // Nine segments, the active one among them, have no directory over them, and say of ids alone that they have none.
    // Times of receipt are all of today.
    for (filter, matches, passed_by) in [
        (is("kind", "kind_3"), 5, 31),
        (is("kind", "kind_2?"), 50, 22),
        (Filter::Any(vec![is("kind", "kind_3"), is("kind", "kind_17")]), 10, 30),
        (is("kind", "no_such_kind"), 0, 32),
        (is("run", "run_0"), 120, 0),
        (is("no_such_field", "x"), 0, 32),
        (Filter::Ids(vec!["d7-1".to_owned(), "d30-2".to_owned()]), 2, 39),
        (is("event_id", "d7-1"), 1, 0),
        (Filter::Time(Clock::Received, until("2026-01-01T00:00:00Z")), 0, 32),
        (Filter::All(vec![events.clone(), Filter::Seqs(0..20)]), 15, 0),
        (Filter::Field(Field::Name("run".to_owned()), Test::Unreadable), 0, 32),
    ] {
        let explanation = snapshot.explain(&filter).unwrap();
        assert_eq!((explanation.matches, explanation.passed_by), (matches, passed_by), "{filter:?}");
        assert_eq!(snapshot.count(&filter).unwrap(), matches, "{filter:?}");
        assert_eq!(snapshot.search(&filter).unwrap().count() as u64, matches, "{filter:?}");
    }
    // Counts that the directories state; the segment at the window's end is asked itself.
    let by_event = |end| Filter::Time(Clock::Event, until(end));
    let of_run = |end| Filter::All(vec![is("run", "run_0"), events.clone(), by_event(end)]);
    assert_eq!(snapshot.count(&of_run("2026-02-03T00:00:01Z")).unwrap(), 30 * 3 + 1);
    let explanation = snapshot.explain(&of_run("2026-01-03T00:00:00Z")).unwrap();
    assert_eq!((explanation.matches, explanation.passed_by), (6, 30));
}

#[test]
fn a_directory_that_is_missing_or_wrong_is_made_anew() {
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(store_of(dir.path(), 33, 0));
    drop(store_of(other_dir.path(), 17, 0));
    let all = directories(dir.path());
    let whole = std::fs::read(&all[0]).unwrap();
    let foreign = std::fs::read(&directories(other_dir.path())[0]).unwrap();
    let next = std::fs::read(&all[1]).unwrap();
    let wrongs = [None, Some(Vec::new()), Some(whole[..whole.len() - 8].to_vec()), Some(foreign), Some(next)];
    for (which, wrong) in wrongs.into_iter().enumerate() {
        std::fs::remove_file(&all[0]).unwrap();
        if let Some(wrong) = wrong {
            std::fs::write(&all[0], wrong).unwrap();
        }
        let before = std::fs::read(&all[0]).ok();
        check(&Store::open(dir.path(), options().read_only(true)).unwrap());
        assert_eq!(std::fs::read(&all[0]).ok(), before, "{which}: a reader changes nothing");
        let told = remarks(dir.path());
        assert_eq!(told.len(), usize::from(before.is_some()), "{which}: {told:?}");
        let writer = Store::open(dir.path(), options()).unwrap();
        check(&writer);
        drop(writer);
        assert_eq!(remarks(dir.path()), Vec::<String>::new());
        assert_eq!(std::fs::read(&all[0]).unwrap(), whole, "{which}: it is the same bytes again");
    }
    for at in (0..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::remove_file(&all[0]).unwrap();
        std::fs::write(&all[0], bytes).unwrap();
        let writer = Store::open(dir.path(), options()).unwrap();
        check(&writer);
        drop(writer);
        // What is behind a checksum is looked at when it is first used.
        std::fs::write(&all[0], &whole).unwrap();
    }
}

#[test]
fn a_directory_of_another_history_is_not_used() {
    let (dir, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store_of(dir.path(), 2, 0);
    store.backup(&older.path().join("store"), &mut |_, _| true).unwrap();
    go_on(&store, 15, 20);
    drop(store);
    // The same store id and the same seqs, and other events.
    let forked = Store::open(older.path().join("store"), options()).unwrap();
    go_on(&forked, 15, 1000);
    drop(forked);
    let stale = directories(dir.path());
    let path = &directories(&older.path().join("store"))[0];
    assert_eq!(stale[0].file_name(), path.file_name());
    assert_ne!(std::fs::read(&stale[0]).unwrap(), std::fs::read(path).unwrap());
    std::fs::remove_file(path).unwrap();
    std::fs::copy(&stale[0], path).unwrap();
    let told = remarks(&older.path().join("store"));
    assert!(told.len() == 1 && told[0].contains("not what its segments give"), "{told:?}");
    check(&Store::open(older.path().join("store"), options()).unwrap());
}

const ROOT: &str = "/store";

/// What lies in `dir/` of a simulated machine.
fn directories_on(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(ROOT).join("dir");
    disk.files().into_iter().filter(|(path, _)| path.starts_with(&dir)).collect()
}

#[test]
fn a_directory_that_cannot_be_written_costs_nothing_else_and_is_made_later() {
    let open = |disk: &SimDisk| Store::open(ROOT, options().world(disk.world())).unwrap();
    let machine = SimDisk::new(16);
    let store = Store::create(ROOT, options().world(machine.world())).unwrap();
    go_on(&store, 15, 0);
    store.append_batch((150..160).map(event)).unwrap();
    drop(store);
    let before = machine.now();
    let undisturbed = before.kill();
    open(&undisturbed).seal().unwrap().unwrap();
    let made = directories_on(&undisturbed);
    assert_eq!(made.len(), 1);

    let eio = What::Io(SyncLoss::Dropped);
    for (what, once) in [(What::NoSpace, true), (What::NoSpace, false), (eio, true), (eio, false)] {
        let mut failed = 0;
        for call in 0.. {
            let disk = before.kill();
            let store = open(&disk);
            let first = disk.calls() + call;
            disk.fail(Failure::new(first, what, once));
            let sealed = store.seal();
            if disk.calls() <= first {
                break;
            }
            // What fails before the directory is what the crash tests are about.
            if sealed.is_err() || directories_on(&disk) == made {
                continue;
            }
            failed += 1;
            let case = format!("{what:?}, once: {once}, at call {call} of the seal");
            assert_eq!(directories_on(&disk), [], "{case}: nothing is left of it");
            check(&store);
            disk.heal();
            assert_eq!(remarks_on(Arc::new(disk.clone()), Path::new(ROOT)), Vec::<String>::new(), "{case}");
            // Whoever opens the store later and looks for an event makes it, and so does the next seal.
            let later = disk.now().kill();
            let other = open(&later);
            check(&other);
            drop(other);
            assert_eq!(directories_on(&later), made, "{case}: by another process");
            store.append_batch((160..170).map(event)).unwrap();
            store.seal().unwrap().unwrap();
            assert_eq!(directories_on(&disk), made, "{case}: by the next seal");
            check(&store);
        }
        assert!(failed > 1, "{what:?}, once: {once}: {failed} calls kept the directory from being made");
    }
}
