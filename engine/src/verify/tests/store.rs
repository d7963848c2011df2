//! What the store writes is what the verification makes of its records: two implementations, one result.

use std::path::Path;
use std::sync::Arc;

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
