//! What the store writes is what the verification makes of its records: two implementations, one result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Looked, Options, assert_clean, verify};
use crate::disk::{Disk, RealDisk};
use crate::source::Profile;
use crate::{Masking, OnDuplicate, Store};

fn open(dir: &Path) -> Store {
    Store::open_or_create(dir, crate::Options::new("test.example/log").allocate_len(64 << 10)).unwrap()
}

#[test]
fn a_store_with_many_kinds_of_events_and_sources_verifies_clean() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let numbers = Profile::parse(
        "name = \"numbers\"\nversion = \"1\"\n[[field]]\nname = \"n\"\nkind = \"number\"\npaths = [\"n\"]\nall = true\n\
         [[field]]\nname = \"secret\"\npaths = [\"s\"]\nprivate = true\n",
    )
    .unwrap();
    let source = store.source(&numbers).unwrap();
    for round in 0..3 {
        for n in 0..200 {
            let event = format!(
                r#"{{"event_id":"{round}-{n}","ts":"2026-04-0{}T00:00:{:02}Z","run_id":"r{}","kind":"k{}","x":null}}"#,
                n % 9 + 1,
                n % 60,
                n / 7,
                n % 5
            );
            store.append(event.as_bytes()).unwrap();
        }
        store
            .append_batch([br#"{"ts":"no time"}"#.as_slice(), br#"{"ts":17,"kind":["a","a"]}"#, b"{}"])
            .unwrap();
        let mut prepared = Vec::new();
        for n in -150..150 {
            let event = format!(r#"{{"n":{},"s":"s{n}"}}"#, f64::from(n) / 8.0);
            prepared.push(store.prepare(&source, event.into_bytes(), &Masking::default()).unwrap());
        }
        store.commit(prepared, OnDuplicate::Keep).unwrap();
        store.seal().unwrap().unwrap();
    }
    store.append(br#"{"last":1}"#).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let live = verify(&disk, dir.path(), &Options::default()).unwrap();
    assert_clean(&live);
    let (size, root) = (store.snapshot().unwrap().tree_size(), store.snapshot().unwrap().root());
    store.close().unwrap();
    let report = verify(&disk, dir.path(), &Options::default()).unwrap();
    assert_clean(&report);
    assert_eq!((report.tree_size, report.root), (size, Some(root)));
    assert_eq!(report.remarks, []);
    assert!(report.segments[..3].iter().all(|segment| segment.sealed && segment.sidecar == Looked::Rebuilt));
}

/// Verifies a store of `commits` to which something happens behind the verification's read `at`; whether there was that read.
fn verify_while(commits: usize, at: usize, happens: fn(&Store)) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Store::create(dir.path(), crate::Options::new("test.example/log").allocate_len(2 << 20)).unwrap();
    (0..commits).for_each(|_| append_long(&store));
    let reads = Arc::new(AtomicUsize::new(0));
    let (counted, writer) = (Arc::clone(&reads), Arc::new(store));
    let progress = move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) == at {
            happens(&writer);
        }
    };
    let options = Options { progress: Some(Arc::new(progress)), threads: 1, ..Options::default() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = verify(&disk, dir.path(), &options).unwrap();
    assert_eq!(report.findings, [], "{commits} commits, behind read {at}");
    assert!(report.tree_size > commits as u64);
    reads.load(Ordering::Relaxed) > at
}

fn append_long(store: &Store) {
    let event = |n: usize| format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(4000)).into_bytes();
    store.append_batch((0..40).map(event)).unwrap();
}

#[test]
fn a_writer_that_goes_on_or_seals_meanwhile_makes_no_finding() {
    let seals = |store: &Store| drop(store.seal().unwrap().unwrap());
    let goes_on = |store: &Store| (0..5).for_each(|_| append_long(store));
    for happens in [seals as fn(&Store), goes_on] {
        for commits in [1, 3, 5] {
            assert!((0..).take_while(|at| verify_while(commits, *at, happens)).count() > 2);
        }
    }
}
