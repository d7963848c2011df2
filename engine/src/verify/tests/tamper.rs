//! Logs that were changed, by accident and on purpose: what is found, and of which class.

use super::maker::{Maker, Store, event, key, reseal};
use super::{FindingClass, assert_clean, classes};
use crate::format::admin::Admin;
use crate::format::frame::FRAME_HEADER_LEN;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::trust::{Checkpoint, Note};

const FIRST: &str = "log/00000000000000000000.log";
const FIRST_SIDECAR: &str = "log/00000000000000000000.idx";

/// A sealed segment of several frames, an active one, a checkpoint over all, closed in order.
fn sample() -> (Maker, Store) {
    let mut maker = Maker::new();
    for _ in 0..4 {
        maker.events(6);
    }
    maker.seal();
    for _ in 0..4 {
        maker.events(5);
    }
    maker.sign();
    maker.close();
    let store = maker.finish(300);
    assert_clean(&store.verify());
    (maker, store)
}

#[track_caller]
fn assert_class(store: &Store, class: FindingClass) {
    let report = store.verify();
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(report.verdict(), Some(class), "{findings:#?}");
}

#[test]
fn every_bit_flip_in_a_log_a_sidecar_or_a_note_is_damage() {
    let (maker, store) = sample();
    let used = maker.log.len();
    for (name, bytes) in &store.files {
        if name == "indelible.toml" {
            continue;
        }
        let active = name == "log/00000000000000000026.log";
        let step = if bytes.len() > 5000 { 13 } else { 3 };
        for at in (0..bytes.len()).step_by(step) {
            if active && at >= used {
                continue;
            }
            let mut changed = store.clone();
            changed.file(name)[at] ^= 1 << (at % 8);
            let report = changed.verify();
            let closing = active && at >= used - FRAME_HEADER_LEN;
            if closing {
                // All records are there: only the word that the writer left in order is gone.
                assert!(report.remarks.iter().any(|remark| remark.text.contains("torn tail")), "{name} {at}");
                continue;
            }
            let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            let allowed = if name.starts_with("log/") {
                matches!(report.verdict(), Some(FindingClass::Damaged))
            } else {
                // A note's letters have no checksum: they are another size, root, name or signature.
                matches!(
                    report.verdict(),
                    Some(
                        FindingClass::Damaged
                            | FindingClass::Forged
                            | FindingClass::RolledBack
                            | FindingClass::NotAuthenticated
                    )
                )
            };
            assert!(allowed, "{name} {at}: {:?} {found:#?}", report.verdict());
        }
    }
}

#[test]
fn every_cut_is_found() {
    let (maker, store) = sample();
    for name in [FIRST, FIRST_SIDECAR] {
        let len = store.clone().file(name).len();
        for cut in (0..len).step_by(41).chain(maker.frame_starts.iter().copied().filter(|at| *at < len)) {
            let mut changed = store.clone();
            changed.file(name).truncate(cut);
            assert_class(&changed, FindingClass::Damaged);
        }
    }
    // Of the active log, the checkpoint tells what is gone.
    for cut in (LOG_HEADER_LEN..maker.log.len() - FRAME_HEADER_LEN).step_by(17) {
        let mut changed = store.clone();
        changed.log(maker.first_seq).truncate(cut);
        let report = changed.verify();
        assert!(
            matches!(report.verdict(), Some(FindingClass::RolledBack | FindingClass::Damaged)),
            "{cut}: {:?}",
            report.findings
        );
    }
}

#[test]
fn a_torn_tail_is_told_and_is_no_fault() {
    let mut maker = Maker::new();
    maker.events(5);
    let kept = maker.next_seq;
    let whole = maker.log.len();
    maker.synced_len = whole as u64;
    maker.events(5);
    let mut log = maker.log.clone();
    log.truncate(whole + 100);
    log.resize(whole + 4000, 0);
    maker.log = log;
    let report = maker.finish(0).verify();
    assert_clean(&report);
    assert_eq!(report.tree_size, kept);
    assert_eq!(report.remarks.len(), 1);
    assert!(report.remarks[0].text.starts_with("torn tail: 100 bytes"), "{}", report.remarks[0]);
}

#[test]
fn what_a_later_frame_says_was_durable_is_damage_and_not_a_torn_tail() {
    let mut maker = Maker::new();
    maker.events(5);
    let at = *maker.frame_starts.last().unwrap();
    maker.events(5);
    let mut store = maker.finish(0);
    store.log(0)[at + 90] ^= 4;
    let report = store.verify();
    assert_eq!(classes(&report), [(FindingClass::Damaged, "frame checksum".to_owned())]);
    assert_eq!(report.findings[0].offset, Some(at as u64 + 76));
    assert_eq!(report.findings[0].seqs, Some(2..7));
    assert_eq!((report.tree_size, report.root), (maker.next_seq, None));
    // The same place in a frame that nothing says was durable, with a whole frame behind it, is torn.
    let mut maker = Maker::new();
    let synced = maker.synced_len;
    maker.events(5);
    maker.synced_len = synced;
    let at = *maker.frame_starts.last().unwrap();
    maker.events(5);
    let mut store = maker.finish(0);
    store.log(0)[at + 90] ^= 4;
    let report = store.verify();
    assert_clean(&report);
    assert_eq!(report.tree_size, 2);
}

#[test]
fn frames_that_are_dropped_doubled_or_swapped_are_forged() {
    let (_, store) = sample();
    let starts = {
        let mut maker = Maker::new();
        for _ in 0..4 {
            maker.events(6);
        }
        let mut starts = maker.frame_starts.clone();
        starts.push(maker.log.len());
        starts
    };
    for pair in starts.windows(2) {
        let mut dropped = store.clone();
        dropped.log(0).drain(pair[0]..pair[1]);
        let report = dropped.verify();
        let last = pair[1] == *starts.last().unwrap();
        let class = if last { FindingClass::Damaged } else { FindingClass::Forged };
        assert_eq!(report.verdict(), Some(class), "{:?}", report.findings);
        let mut doubled = store.clone();
        let frame = doubled.log(0)[pair[0]..pair[1]].to_vec();
        doubled.log(0).splice(pair[1]..pair[1], frame);
        assert_class(&doubled, FindingClass::Forged);
    }
    for three in starts.windows(3) {
        let mut swapped = store.clone();
        swapped.log(0)[three[0]..three[2]].rotate_left(three[1] - three[0]);
        assert_class(&swapped, FindingClass::Forged);
    }
}

#[test]
fn a_changed_body_with_a_good_checksum_is_forged() {
    let (maker, store) = sample();
    let mut changed = store.clone();
    let log = changed.log(0);
    let at = Maker::new().log.len();
    let body = log[at..].windows(9).position(|window| window == b"tool.call").unwrap() + at;
    log[body] = b'f';
    reseal(log, at);
    let report = changed.verify();
    let found: Vec<String> = report.findings.iter().map(|finding| finding.what.clone()).collect();
    assert_eq!(report.verdict(), Some(FindingClass::Forged));
    assert!(found.contains(&"frame predecessor".to_owned()), "{found:?}");
    assert!(found.iter().any(|what| what.ends_with("segment root")), "{found:?}");
    assert!(found.iter().any(|what| what.ends_with("index root")), "{found:?}");
    assert!(found.contains(&"checkpoint root".to_owned()), "{found:?}");
    // In the last record of the log only the checkpoint can tell.
    let mut changed = store.clone();
    let at = maker.frame_starts[maker.frame_starts.len() - 2];
    let log = changed.log(maker.first_seq);
    let body = log[at..].windows(9).rposition(|window| window == b"tool.call").unwrap() + at;
    log[body] = b'f';
    reseal(log, at);
    assert_class(&changed, FindingClass::Forged);
}

#[test]
fn seals_that_say_something_else_are_forged() {
    for change in 0..6 {
        let mut maker = Maker::new();
        maker.events(9);
        let mut seal = maker.true_seal();
        let other = "0".repeat(64);
        match change {
            0 => seal.root = other,
            1 => seal.index_root = other,
            2 => seal.rules = other,
            3 => seal.first_seq += 1,
            4 => seal.end_seq += 1,
            _ => seal.end_seq -= 1,
        }
        maker.seal_with(seal);
        maker.events(2);
        assert_class(&maker.finish(0), FindingClass::Forged);
    }
}

#[test]
fn store_records_out_of_place_are_forged() {
    let out_of_place: [&dyn Fn(&mut Maker); 8] = [
        // A seal that seals nothing, in the middle.
        &|maker| {
            let seal = maker.true_seal();
            maker.frame(&[(0, Admin::Sealed(seal).encode())]);
        },
        // A second beginning.
        &|maker| {
            let first = br#"{"forked_from":null,"format":1,"kind":"store.created","log_key":null,"origin":"a","retention":"forever","store_id":"00000000000000000000000000000000"}"#;
            maker.frame(&[(0, first.to_vec())]);
        },
        // An event under the store's own source, and one that speaks in the store's name.
        &|maker| maker.frame(&[(0, event(1))]),
        &|maker| maker.frame(&[(1, br#"{"kind":"store.key"}"#.to_vec())]),
        // A source that no record registers, one that is no store.source record, and the record's own seq.
        &|maker| maker.frame(&[(40, event(1))]),
        &|maker| maker.frame(&[(2, event(1))]),
        &|maker| maker.frame(&[(maker.next_seq, event(1))]),
        // Not what can be appended.
        &|maker| maker.frame(&[(1, b"{\"a\":1,\"a\":2}".to_vec())]),
    ];
    for (number, change) in out_of_place.iter().enumerate() {
        let mut maker = Maker::new();
        maker.events(3);
        change(&mut maker);
        maker.events(3);
        let report = maker.finish(0).verify();
        assert_eq!(report.verdict(), Some(FindingClass::Forged), "{number}: {:?}", report.findings);
        assert_eq!(report.findings.len(), 1, "{number}: {:?}", report.findings);
    }
}

#[test]
fn a_source_may_come_from_an_earlier_segment() {
    let mut maker = Maker::new();
    for _ in 0..8 {
        maker.events(3);
        maker.seal();
    }
    assert_clean(&maker.finish(0).verify());
}

#[test]
fn segments_that_are_missing_swapped_or_of_another_store_are_found() {
    let mut maker = Maker::new();
    for _ in 0..3 {
        maker.events(5);
        maker.seal();
    }
    maker.sign();
    let store = maker.finish(0);
    let logs: Vec<String> =
        store.files.iter().map(|(name, _)| name.clone()).filter(|n| n.ends_with(".log")).collect();
    for (at, log) in logs.iter().enumerate() {
        let mut changed = store.clone();
        changed.remove(log);
        let last = at + 1 == logs.len();
        assert_class(&changed, if last { FindingClass::RolledBack } else { FindingClass::Incomplete });
    }
    let mut swapped = store.clone();
    let (one, two) = (swapped.file(&logs[1]).clone(), swapped.file(&logs[2]).clone());
    *swapped.file(&logs[1]) = two;
    *swapped.file(&logs[2]) = one;
    assert_class(&swapped, FindingClass::Forged);
    let mut sidecars = store.clone();
    let name = |log: &str| log.replace(".log", ".idx");
    let other = sidecars.file(&name(&logs[1])).clone();
    *sidecars.file(&name(&logs[0])) = other;
    assert_class(&sidecars, FindingClass::Forged);
    let mut without = store.clone();
    without.remove(&name(&logs[0]));
    assert_clean(&without.verify());
}

#[test]
fn versions_of_other_releases_are_told_from_damage() {
    let (_, store) = sample();
    let with_version = |at: usize| {
        let mut changed = store.clone();
        let log = changed.log(0);
        log[at] = 9;
        let crc = crc32fast::hash(&log[..LOG_HEADER_LEN - 4]);
        log[LOG_HEADER_LEN - 4..LOG_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        changed.verify()
    };
    let read = with_version(8);
    assert!(read.findings.iter().any(|finding| finding.class == FindingClass::Unsupported));
    assert_eq!(read.verdict(), Some(FindingClass::Unsupported), "{:?}", read.findings);
    let write = with_version(10);
    assert_clean(&write);
    assert!(write.remarks[0].text.contains("write version 9"), "{}", write.remarks[0]);
}

#[test]
fn checkpoints_that_lie_or_that_the_log_is_behind_are_found() {
    let (maker, store) = sample();
    let sign = |checkpoint: &Checkpoint| checkpoint.sign(&key()).unwrap().to_string().into_bytes();
    let with = |bytes: Vec<u8>| {
        let mut changed = store.clone();
        *changed.file("checkpoint") = bytes;
        changed.verify()
    };
    let good = maker.checkpoint();
    let other_root = Checkpoint { root: crate::hash::Hash::ZERO, ..good.clone() };
    assert_eq!(with(sign(&other_root)).verdict(), Some(FindingClass::Forged));
    let ahead = Checkpoint { size: good.size + 1, ..good.clone() };
    assert_eq!(with(sign(&ahead)).verdict(), Some(FindingClass::RolledBack));
    let foreign = Checkpoint { origin: "other.example/log".to_owned(), ..good.clone() };
    assert_eq!(with(sign(&foreign)).verdict(), Some(FindingClass::Forged));
    assert_eq!(with(b"no note".to_vec()).verdict(), Some(FindingClass::Damaged));
    // A signature that was changed, in the name of the key that the log names.
    let note = String::from_utf8(sign(&good)).unwrap();
    let parsed: Note = note.parse().unwrap();
    let mut signature = parsed.signatures()[0].bytes().to_vec();
    signature[40] ^= 1;
    let text = note.replace(&encoded(&parsed, parsed.signatures()[0].bytes()), &encoded(&parsed, &signature));
    assert_ne!(text, note);
    let report = with(text.into_bytes());
    assert_eq!(classes(&report), [(FindingClass::Forged, "signature".to_owned())]);
}

fn encoded(note: &Note, signature: &[u8]) -> String {
    use base64::Engine as _;
    let mut bytes = note.signatures()[0].key_id().to_be_bytes().to_vec();
    bytes.extend(signature);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn hints_and_caches_do_no_harm_and_hints_of_another_store_are_told() {
    let (_, store) = sample();
    let mut changed = store.clone();
    for name in
        ["head", "catalog", "lock", "open", "gate", "tree/level-08", "log/00000000000000000000.part-1"]
    {
        changed.files.push((name.to_owned(), vec![0xA5; 100]));
    }
    assert_clean(&changed.verify());
    *changed.file("indelible.toml") = b"origin = \"other.example/log\"\n".to_vec();
    assert_class(&changed, FindingClass::Damaged);
}

#[test]
fn a_file_full_of_heads_of_frames_does_not_keep_the_search_busy() {
    let mut maker = Maker::new();
    let at = maker.log.len();
    maker.events(200);
    let mut head = maker.log[at..at + FRAME_HEADER_LEN].to_vec();
    // Each claims to be as long as the file: to check one is to read all.
    maker.log.truncate(at);
    let count = 4000;
    head[8..12].copy_from_slice(&((count / 2 * FRAME_HEADER_LEN) as u32).to_le_bytes());
    for _ in 0..count {
        maker.log.extend_from_slice(&head);
    }
    let report = maker.finish(0).verify();
    assert_eq!(report.verdict(), Some(FindingClass::Incomplete));
    assert!(report.covered.read_len < 40 * maker.log.len() as u64, "{}", report.covered.read_len);
}
