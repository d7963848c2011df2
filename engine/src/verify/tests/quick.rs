//! A look that reads no events: what it must see all the same, and that it says what it did not look at.

use super::maker::{Maker, Store, event, key, reseal};
use super::*;
use crate::format::admin::Admin;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::sidecar::{Footer, SIDECAR_FOOTER_LEN, Section};

const FIRST: &str = "log/00000000000000000000.log";
const FIRST_SIDECAR: &str = "log/00000000000000000000.idx";

/// Three segments with sidecars and an active one, own records among the events, signed at the end.
fn maker() -> Maker {
    let mut maker = Maker::new();
    for n in 0..3 {
        maker.events(9);
        maker.frame(&[(0, super::authority::hold(&format!("case-{n}")).encode()), (1, event(70 + n))]);
        maker.events(7 + n);
        maker.seal();
    }
    maker.events(4);
    maker.sign();
    maker
}

fn quickly(store: &Store) -> Report {
    store.verify_with(&Options { depth: Depth::Quick, ..Options::default() })
}

/// Changes bytes of a section of a sidecar, and computes its checksum anew.
fn restate(sidecar: &mut [u8], section: Section, change: impl FnOnce(&mut [u8])) {
    let mut footer = Footer::decode(sidecar).unwrap();
    let entry = &mut footer.sections[section as usize];
    let bytes = &mut sidecar[entry.offset as usize..][..entry.len as usize];
    change(bytes);
    entry.crc = crc32fast::hash(bytes);
    let at = sidecar.len() - SIDECAR_FOOTER_LEN;
    sidecar[at..].copy_from_slice(&footer.encode());
}

#[track_caller]
fn assert_found(store: &Store, class: FindingClass, what: &str) {
    let report = quickly(store);
    let found = classes(&report);
    assert!(found.iter().any(|(_, found)| found == what), "{what}: {found:?}");
    assert_eq!(report.verdict(), Some(class), "{found:?}");
}

#[test]
fn it_says_what_it_did_not_read_and_compares_the_root_of_what_it_did() {
    let mut maker = maker();
    let report = quickly(&maker.finish(0));
    assert_clean(&report);
    let covered = report.covered;
    // Of each sealed segment two records are the store's own, and of the first one three.
    let sealed: u64 = report.segments[..3].iter().map(|segment| segment.end_seq - segment.first_seq).sum();
    assert_eq!(covered.unread_count, sealed - 7);
    assert_eq!(covered.record_count + covered.unread_count, maker.next_seq);
    assert_eq!((covered.body_count, covered.checkpoint_count, covered.seal_count), (0, 1, 3));
    assert!(report.segments.iter().all(|segment| segment.reach == Reach::Quick));
    assert!(report.segments[..3].iter().all(|segment| segment.sidecar == Looked::Checksums));
    assert_eq!((report.scope.as_str(), report.root), ("quick", None));
    let said = format!("the bytes of the {} records", covered.unread_count);
    assert!(report.not_covered[0].contains(&said), "{:?}", report.not_covered);
    assert!(report.not_covered[0].contains("were not read"));
    let key = Options {
        depth: Depth::Quick,
        key: Some(key().verifier().clone()),
        expect: Some(maker.checkpoint().sign(&super::key()).unwrap()),
        ..Options::default()
    };
    let report = maker.finish(0).verify_with(&key);
    assert_clean(&report);
    assert_eq!((report.covered.signature_count, report.covered.checkpoint_count), (2, 2));
}

#[test]
fn checkpoints_anywhere_in_what_was_not_read_are_compared() {
    let mut maker = Maker::new();
    let mut anchored = Vec::new();
    for _ in 0..3 {
        for _ in 0..3 {
            maker.events(3);
            let note = maker.checkpoint().sign(&key()).unwrap();
            // More than one place may hold the same.
            anchored.extend(["a", "b"].map(|file| Anchored { file: file.to_owned(), note: note.clone() }));
        }
        maker.seal();
    }
    let look = |anchored: &[Anchored], maker: &mut Maker| {
        let options = Options { depth: Depth::Quick, anchored: anchored.to_vec(), ..Options::default() };
        maker.finish(0).verify_with(&options)
    };
    let report = look(&anchored, &mut maker);
    assert_clean(&report);
    assert_eq!(report.covered.checkpoint_count, 18);
    let other = Checkpoint { size: 8, root: crate::hash::Hash([1; 32]), ..maker.checkpoint() };
    anchored.push(Anchored { file: "c".to_owned(), note: other.sign(&key()).unwrap() });
    let report = look(&anchored, &mut maker);
    assert_eq!(classes(&report), [(FindingClass::Forged, "anchored checkpoint root".to_owned())]);
}

#[test]
fn a_changed_event_is_for_the_depths_that_read_it() {
    let mut store = maker().finish(0);
    let log = store.log(0);
    let note = log.windows(4).position(|bytes| bytes == b"xxxx").unwrap();
    log[note] = b'y';
    assert_clean(&quickly(&store));
    let checksums = store.verify_with(&Options { depth: Depth::Checksums, ..Options::default() });
    assert_eq!(checksums.verdict(), Some(FindingClass::Damaged));
    assert_eq!((checksums.scope.as_str(), checksums.covered.unread_count), ("checksums", 0));
}

#[test]
fn every_changed_byte_of_what_it_reads_is_found() {
    let mut maker = maker();
    let used = maker.log.len();
    let active = crate::SegmentId(maker.first_seq).file_name("log");
    let store = maker.finish(0);
    for (name, bytes) in &store.files {
        let end = match name.strip_prefix("log/") {
            Some(log) if *log == active => used,
            Some(log) if log.ends_with(".log") => LOG_HEADER_LEN,
            Some(_) => bytes.len(),
            None if name == "checkpoint" => bytes.len(),
            None => continue,
        };
        for at in (0..end).step_by(11) {
            let mut changed = store.clone();
            changed.file(name)[at] ^= 1 << (at % 8);
            assert!(!quickly(&changed).is_clean(), "{name} {at}");
        }
    }
}

#[test]
fn files_that_are_missing_or_of_another_length_are_found() {
    let store = maker().finish(0);
    let mut missing = store.clone();
    missing.remove(FIRST);
    assert!(!quickly(&missing).is_clean());
    let (mut short, mut long, mut swapped) = (store.clone(), store.clone(), store.clone());
    let len = short.log(0).len();
    short.log(0).truncate(len - 1);
    assert_eq!(quickly(&short).verdict(), Some(FindingClass::Damaged));
    long.log(0).extend([0; 8]);
    assert_eq!(quickly(&long).verdict(), Some(FindingClass::Damaged));
    let second = store.verify().segments[1].first_seq;
    let other = swapped.log(second).clone();
    *swapped.log(0) = other;
    assert_eq!(quickly(&swapped).verdict(), Some(FindingClass::Forged));
    let mut behind = store.clone();
    let active = store.verify().segments[3].first_seq;
    behind.remove(&format!("log/{active:020}.log"));
    assert_eq!(quickly(&behind).verdict(), Some(FindingClass::RolledBack));
}

#[test]
fn a_log_without_its_sidecar_is_read() {
    let mut store = maker().finish(0);
    store.remove(FIRST_SIDECAR);
    let report = quickly(&store);
    assert_clean(&report);
    assert_eq!((report.segments[0].unread_count, report.covered.checkpoint_count), (0, 1));
    assert!(report.remarks.iter().any(|remark| remark.text.contains("no sidecar")));
    let note = store.log(0).windows(4).position(|bytes| bytes == b"xxxx").unwrap();
    store.log(0)[note] ^= 1;
    assert_eq!(quickly(&store).verdict(), Some(FindingClass::Damaged));
}

#[test]
fn a_sidecar_with_good_checksums_that_says_something_else_is_forged() {
    let store = maker().finish(0);
    let forge = |section, what, change: fn(&mut [u8])| {
        let mut forged = store.clone();
        restate(forged.file(FIRST_SIDECAR), section, change);
        assert_found(&forged, FindingClass::Forged, what);
    };
    forge(Section::Leaves, "sidecar leaves", |leaves| leaves[5 * 32] ^= 1);
    forge(Section::Meta, "sidecar store id", |meta| meta[0] ^= 1);
    forge(Section::Meta, "sidecar log length", |meta| meta[24] ^= 1);
    forge(Section::Meta, "sidecar rules", |meta| meta[48] ^= 1);
    forge(Section::Meta, "sidecar index root", |meta| meta[80] ^= 1);
    forge(Section::Meta, "sidecar segment root", |meta| meta[112] ^= 1);
    let mut misplaced = store.clone();
    restate(misplaced.file(FIRST_SIDECAR), Section::Records, |places| places.rotate_left(4));
    assert_found(&misplaced, FindingClass::Damaged, "sidecar section frames");
    let mut other = store.clone();
    let second = store.verify().segments[1].first_seq;
    *other.file(FIRST_SIDECAR) = other.file(&format!("log/{second:020}.idx")).clone();
    assert_found(&other, FindingClass::Forged, "sidecar first seq");
}

#[test]
fn a_record_of_the_store_that_was_changed_is_found_with_its_checksum_made_anew() {
    let mut store = maker().finish(0);
    let log = store.log(0);
    let at = log.windows(6).position(|bytes| bytes == b"case-0").unwrap();
    let starts: Vec<usize> = (LOG_HEADER_LEN..at).filter(|at| log[*at..].starts_with(b"\x89IDF")).collect();
    log[at + 5] = b'9';
    assert_eq!(quickly(&store).verdict(), Some(FindingClass::Damaged));
    reseal(store.log(0), *starts.last().unwrap());
    assert_eq!(quickly(&store).verdict(), Some(FindingClass::Forged));
}

#[test]
fn a_seal_and_a_checkpoint_that_state_other_roots_are_forged() {
    let mut maker = Maker::new();
    maker.events(20);
    let mut seal = maker.true_seal();
    seal.root = "0".repeat(64);
    maker.seal_with(seal);
    maker.events(3);
    assert_found(&maker.finish(0), FindingClass::Forged, &format!("seal of {FIRST}: segment root"));
    let mut maker = self::maker();
    let mut checkpoint = maker.checkpoint();
    checkpoint.root = crate::hash::Hash([3; 32]);
    maker.put("checkpoint", checkpoint.sign(&key()).unwrap().to_string().into_bytes());
    assert_found(&maker.finish(0), FindingClass::Forged, "checkpoint root");
}

#[test]
fn a_second_seal_among_the_events_is_found() {
    let mut maker = Maker::new();
    maker.events(20);
    let seal = maker.true_seal();
    maker.frame(&[(0, Admin::Sealed(seal).encode())]);
    maker.events(3);
    maker.seal();
    assert_found(&maker.finish(0), FindingClass::Forged, "seal");
}
