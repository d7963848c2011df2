//! Commits that fail are counted, also on a full disk; a count that is wrong or gone changes nothing else.

use super::*;
use crate::disk::sim::{Failure, SimDisk, SyncLoss, What};
use crate::format::failures::{FAILURES_AT, FailureClass, Failures};

const ROOT: &str = "/store";

fn options(disk: &SimDisk) -> Options {
    // Room ahead of need would take what the disk has left.
    Options::new("acme.example/test").world(disk.world()).allocate_len(1).seal_in_background(false)
}

fn store() -> (SimDisk, Store) {
    let disk = SimDisk::new(7);
    let store = Store::create(ROOT, options(&disk)).unwrap();
    store.append(br#"{"kind":"x"}"#).unwrap();
    (disk, store)
}

/// Has no file grow from now on, and appends.
fn fill(disk: &SimDisk, store: &Store) -> Error {
    // The disk is full from the first of these calls on that needs room.
    (0..64).for_each(|at| disk.fail(Failure::new(disk.calls() + at, What::NoSpace, false)));
    store.append(br#"{"kind":"x","n":1}"#).unwrap_err()
}

fn counts(failures: &Failures) -> [u64; 4] {
    FailureClass::ALL.map(|class| failures.count(class))
}

#[test]
fn a_full_disk_is_counted_on_the_full_disk() {
    let (disk, store) = store();
    assert_eq!(store.failures(), Failures::default());
    for count in 1..=3 {
        fill(&disk, &store);
        assert_eq!(counts(&store.failures()), [count, 0, 0, 0]);
        assert!(store.failures().last_at.is_some());
    }
    disk.heal();
    store.append(br#"{"kind":"x"}"#).unwrap();
    // Another process sees it, and goes on counting.
    let other = Store::open(ROOT, options(&disk).read_only(true)).unwrap();
    assert_eq!(counts(&other.failures()), [3, 0, 0, 0]);
    store.close().unwrap();
    let again = Store::open(ROOT, options(&disk)).unwrap();
    fill(&disk, &again);
    assert_eq!(counts(&other.failures()), [4, 0, 0, 0]);
}

#[test]
fn each_failed_append_is_counted_once_and_by_its_class() {
    let mut seen = [0; 4];
    for call in 0..40 {
        let (disk, store) = store();
        disk.fail(Failure::new(disk.calls() + call, What::Io(SyncLoss::Ghost), true));
        let appended = store.append(br#"{"kind":"x"}"#);
        disk.heal();
        let counted = counts(&store.failures());
        // A lock that cannot be had leaves nobody who may count.
        let is_counted = !matches!(&appended, Err(Error::Io { action: "lock" | "unlock", .. }) | Ok(_));
        assert_eq!(store.failures().total(), u64::from(is_counted), "call {call}: {appended:?}, {counted:?}");
        seen = std::array::from_fn(|class| seen[class] + counted[class]);
    }
    assert!(seen[1] > 0 && seen[2] > 0, "neither a write nor a sync failed: {seen:?}");
    assert_eq!(seen[0], 0, "no disk was full");
}

#[test]
fn what_is_refused_after_a_failed_sync_is_told_apart_from_it() {
    let failed = |call| {
        let (disk, store) = store();
        disk.fail(Failure::new(disk.calls() + call, What::Io(SyncLoss::Ghost), true));
        let _ = store.append(br#"{"kind":"x"}"#);
        disk.heal();
        (store.failures().closing == 1).then_some((disk, store))
    };
    let (disk, store) = (0..40).find_map(failed).unwrap();
    for _ in 0..2 {
        assert!(matches!(store.append(b"{}"), Err(Error::ClosedToWriting { .. })));
    }
    assert_eq!(counts(&store.failures()), [0, 0, 1, 2]);
    drop(store);
    // A recovering open opens it to writing again, and what was counted is kept.
    let again = Store::open(ROOT, options(&disk)).unwrap();
    again.append(br#"{"kind":"x"}"#).unwrap();
    assert_eq!(counts(&again.failures()), [0, 0, 1, 2]);
}

#[test]
fn what_is_refused_for_what_it_is_is_no_failure() {
    let (_, store) = store();
    store.append(b"no JSON").unwrap_err();
    store.append(br#"{"kind":"store.created"}"#).unwrap_err();
    assert_eq!(store.failures(), Failures::default());
}

#[test]
fn a_page_that_is_damaged_or_gone_costs_a_count_and_nothing_else() {
    let (disk, store) = store();
    fill(&disk, &store);
    disk.heal();
    drop(store);
    let path = Path::new(ROOT).join("head");
    let whole = disk.files().into_iter().find(|(name, _)| *name == path).unwrap().1;
    for damage in [&[0_u8; 512][..], &[0xff; 512], &whole[FAILURES_AT as usize + 1..]] {
        let mut bytes = whole.clone();
        bytes[FAILURES_AT as usize..][..damage.len()].copy_from_slice(damage);
        disk.put(&path, &bytes).unwrap();
        let store = Store::open(ROOT, options(&disk)).unwrap();
        assert_eq!(store.failures(), Failures::default());
        store.append(br#"{"kind":"x"}"#).unwrap();
        fill(&disk, &store);
        disk.heal();
        assert_eq!(counts(&store.failures()), [1, 0, 0, 0]);
    }
    // Of an older file without the page, and of none.
    for bytes in [Some(&whole[..FAILURES_AT as usize]), None] {
        match bytes {
            Some(bytes) => disk.put(&path, bytes).unwrap(),
            None => disk.take(&path).unwrap(),
        }
        let store = Store::open(ROOT, options(&disk)).unwrap();
        assert_eq!(store.failures(), Failures::default());
        fill(&disk, &store);
        disk.heal();
        assert_eq!(counts(&store.failures()), [1, 0, 0, 0]);
    }
}

#[test]
fn nothing_stays_of_a_long_commit_of_which_the_disk_takes_a_part() {
    let event = |n: usize| format!(r#"{{"kind":"x","n":{n},"text":"{}"}}"#, "x".repeat(100_000)).into_bytes();
    let events: Vec<Vec<u8>> = (0..12).map(event).collect();
    let (mut taken, mut cut_back) = (0, 0);
    for call in 0..16 {
        let (disk, store) = store();
        let before = store.snapshot().unwrap().tree_size();
        let first = disk.calls() + call;
        (0..64).for_each(|at| disk.fail(Failure::new(first + at, What::NoSpace, false)));
        let changes = disk.changes();
        let appended = store.append_batch(&events);
        disk.heal();
        let Err(error) = appended else {
            taken += 1;
            continue;
        };
        // Room, a write that fails, the cut, and the count of it: where there was more, something had been written.
        cut_back += u32::from(disk.changes() - changes > 4);
        assert!(matches!(error, Error::Io { .. }), "call {call}: {error}");
        assert_eq!(store.snapshot().unwrap().tree_size(), before, "call {call}");
        assert_eq!(store.append_batch(&events).unwrap()[0].seq, before, "call {call}");
        let snapshot = store.snapshot().unwrap();
        let bodies: Vec<Vec<u8>> = snapshot.records(before..).map(|record| record.unwrap().body).collect();
        assert_eq!(bodies, events, "call {call}");
    }
    assert!(taken > 0 && cut_back > 1, "{taken} {cut_back}");
}

/// What the files of a machine are called.
fn names(disk: &SimDisk) -> Vec<String> {
    disk.files().into_iter().map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn a_seal_that_a_full_disk_stops_leaves_nothing_lying_about_and_is_ended_by_the_next() {
    let (mut unsealed, mut without_index) = (0, 0);
    for call in 0.. {
        let (disk, store) = store();
        let first = disk.calls() + call;
        (0..64).for_each(|at| disk.fail(Failure::new(first + at, What::NoSpace, false)));
        let sealed = store.seal();
        if disk.calls() <= first {
            break;
        }
        let half_made: Vec<String> = names(&disk).into_iter().filter(|name| name.contains(".new")).collect();
        assert_eq!(half_made, Vec::<String>::new(), "call {call}");
        disk.heal();
        let sealed_count = store.snapshot().unwrap().segments().filter(|segment| segment.sealed).count();
        if sealed.is_err() {
            unsealed += usize::from(sealed_count == 0);
            without_index += usize::from(sealed_count == 1);
        }
        // Whether there is anything to seal now or not: what is missing is made.
        store.seal().unwrap();
        assert!(
            names(&disk).contains(&format!("{ROOT}/log/{:020}.idx", 0)),
            "call {call}: {:?}",
            names(&disk)
        );
        let disk: Arc<dyn crate::disk::Disk> = Arc::new(disk);
        let report =
            crate::verify::verify(&disk, Path::new(ROOT), &crate::verify::Options::default()).unwrap();
        assert_eq!(report.findings, [], "call {call}");
    }
    assert!(unsealed > 1 && without_index > 1, "{unsealed} {without_index}");
}
