//! Answers of stores that are not whole: the same, or an error that says where.

use super::tests::{check, is, random_filter, random_store, write};
use super::*;
use crate::filter::Filter;
use crate::index::tests::Random;
use crate::{Options, Result, Store};

#[test]
fn a_damaged_or_missing_sidecar_costs_time_and_changes_no_answer() {
    let mut random = Random(5);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    write(&store, &mut random, 50);
    store.seal().unwrap();
    store.close().unwrap();
    let log = dir.path().join("log");
    let sidecars: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "idx"))
        .collect();
    let sidecar = sidecars.last().unwrap();
    let whole = std::fs::read(sidecar).unwrap();
    let mut told = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(sidecar, &bytes).unwrap();
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        for _ in 0..4 {
            check(&snapshot, &random_filter(&mut random, 2, snapshot.tree_size()), &mut random);
        }
        let mut search = snapshot.search(&Filter::everything()).unwrap();
        assert!(search.by_ref().all(|hit| hit.is_ok()));
        told += search.warnings().len();
    }
    assert!(told > 20, "{told} warnings");
    std::fs::remove_file(sidecar).unwrap();
    let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
    for _ in 0..10 {
        check(&store.snapshot().unwrap(), &random_filter(&mut random, 2, 100), &mut random);
    }
}

#[test]
fn a_damaged_or_missing_part_changes_no_answer() {
    let mut random = Random(15);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    write(&store, &mut random, 400);
    store.close().unwrap();
    let is_part = |path: &std::path::PathBuf| path.to_string_lossy().contains(".part-");
    let names = std::fs::read_dir(dir.path().join("log")).unwrap();
    let parts: Vec<_> = names.map(|entry| entry.unwrap().path()).filter(is_part).collect();
    assert!(parts.len() > 2, "{} parts", parts.len());
    let mut ask = |times: usize| {
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        for _ in 0..times {
            check(&snapshot, &random_filter(&mut random, 2, snapshot.tree_size()), &mut random);
        }
    };
    ask(20);
    let part = &parts[parts.len() / 2];
    let whole = std::fs::read(part).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 12) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(part, &bytes).unwrap();
        ask(3);
    }
    parts.iter().for_each(|part| std::fs::remove_file(part).unwrap());
    ask(10);
}

#[test]
fn a_damaged_log_is_an_error_and_no_shorter_answer() {
    let mut random = Random(6);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), Options::new("test.example/answers")).unwrap();
    write(&store, &mut random, 60);
    store.seal().unwrap();
    store.close().unwrap();
    let log = dir.path().join("log").join("00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
    let snapshot = store.snapshot().unwrap();
    for filter in [Filter::everything(), Filter::Text("needle".to_owned())] {
        let found: Result<Vec<Hit>> = snapshot.search(&filter).unwrap().collect();
        assert_eq!(found.unwrap_err().class(), Some(crate::Class::Damaged));
    }
}

#[test]
fn damage_in_one_of_several_segments_costs_no_record_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), Options::new("test.example/answers")).unwrap();
    for segment in 0..5 {
        let event = |n: u64| format!(r#"{{"event_id":"{segment}-{n}","kind":"k{}"}}"#, n % 20);
        store.append_batch((0..60).map(event)).unwrap();
        store.seal().unwrap();
    }
    store.close().unwrap();
    let filter = is("kind", "k7");
    let ask = |backwards: bool| {
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        // All segments are open then, and can be asked together.
        assert_eq!(snapshot.count(&filter).unwrap(), 15);
        let search = snapshot.search(&filter).unwrap();
        let mut search = if backwards { search.newest_first() } else { search };
        let found: Vec<_> = search.by_ref().map(|hit| hit.map(|hit| hit.seq)).collect();
        (found, search.warnings().len())
    };
    let flip = |path: &std::path::Path, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let seqs = |found: Vec<Result<Seq>>| -> Vec<Seq> { found.into_iter().map(Result::unwrap).collect() };
    let whole = seqs(ask(false).0);
    let names = std::fs::read_dir(dir.path().join("log")).unwrap();
    let mut logs: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let (log, sidecar) = (&logs[2], &logs[2].with_extension("idx"));
    let mut told = 0;
    for at in (0..std::fs::metadata(sidecar).unwrap().len() as usize).step_by(97) {
        flip(sidecar, at);
        let (found, warnings) = ask(false);
        assert_eq!(seqs(found), whole);
        let (found, backwards_warnings) = ask(true);
        assert!(seqs(found).iter().rev().eq(&whole));
        assert_eq!(warnings, backwards_warnings);
        told += warnings;
        flip(sidecar, at);
    }
    assert!(told > 20, "{told} warnings");
    flip(log, std::fs::metadata(log).unwrap().len() as usize / 2);
    for backwards in [false, true] {
        let (mut found, _) = ask(backwards);
        assert_eq!(found.pop().unwrap().unwrap_err().class(), Some(crate::Class::Damaged));
        let mut expected = if backwards { whole[9..].to_vec() } else { whole[..6].to_vec() };
        if backwards {
            expected.reverse();
        }
        assert_eq!(seqs(found), expected);
    }
}
