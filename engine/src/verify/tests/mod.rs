//! Verification of small logs, good ones and ones that were changed in every way that has a name.

mod authority;
mod keys;
mod labels;
mod maker;
mod quick;
mod scopes;
#[cfg(feature = "ml-dsa")]
mod second;
mod store;
mod tamper;
#[cfg(not(feature = "ml-dsa"))]
mod without_ml_dsa;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::format::READ_VERSION;
use crate::trust::{Signer, SigningKey};
use maker::{Maker, key};

fn classes(report: &Report) -> Vec<(FindingClass, String)> {
    report.findings.iter().map(|finding| (finding.class, finding.what.clone())).collect()
}

#[track_caller]
fn assert_clean(report: &Report) {
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(report.is_clean(), "{findings:#?}");
}

#[test]
fn a_good_log_of_three_segments_is_clean_and_all_of_it_is_covered() {
    let mut maker = Maker::new();
    maker.events(40);
    maker.sign();
    maker.seal();
    for _ in 0..10 {
        maker.events(7);
    }
    maker.close();
    maker.events(400);
    maker.seal();
    maker.events(30);
    maker.sign();
    maker.close();
    let report = maker.finish(5000).verify();
    assert_clean(&report);
    assert_eq!(report.tree_size, maker.next_seq);
    assert_eq!(report.root, Some(maker.tree.root()));
    assert_eq!(report.covered.body_count, maker.next_seq);
    assert_eq!((report.covered.seal_count, report.covered.index_count), (2, 2));
    assert_eq!(report.covered.checkpoint_count, 3);
    assert_eq!(report.checkpoint_size, Some(maker.next_seq));
    let looked: Vec<Looked> = report.segments.iter().map(|segment| segment.sidecar).collect();
    assert_eq!(looked, [Looked::Rebuilt, Looked::Rebuilt, Looked::Absent]);
    assert!(report.segments[0].sealed && !report.segments[2].sealed);
    assert_eq!(report.remarks, []);
    assert!(report.not_covered.iter().any(|text| text.contains("integrity only")));
}

#[test]
fn threads_change_nothing_in_what_is_found() {
    let mut maker = Maker::new();
    for n in 0..12 {
        maker.events(5 + n);
        maker.seal();
    }
    let mut store = maker.finish(0);
    store.log(0)[3000] ^= 1;
    let one = store.verify_with(&Options { threads: 1, ..Options::default() });
    for threads in 2..6 {
        let many = store.verify_with(&Options { threads, ..Options::default() });
        assert_eq!(many.findings, one.findings);
        assert_eq!(many.segments, one.segments);
    }
    assert!(!one.is_clean());
}

#[test]
fn help_with_one_long_segment_changes_nothing_in_what_is_found() {
    let mut maker = Maker::new();
    for n in 0..40 {
        maker.events(100);
        maker.frame(&[(1, b"{\"kind\":".to_vec())]);
        if n == 20 {
            // Longer than what is handed over at a time.
            maker.frame(&[(1, format!("{{\"text\":\"{}\"}}", "x".repeat(400 << 10)).into_bytes())]);
        }
    }
    let mut store = maker.finish(0);
    let len = store.log(0).len();
    store.log(0)[len * 3 / 4] ^= 1;
    let one = store.verify_with(&Options { threads: 1, ..Options::default() });
    for threads in [2, 4, 2, 4] {
        let many = store.verify_with(&Options { threads, ..Options::default() });
        assert_eq!(many.findings, one.findings);
        assert_eq!((many.segments, many.covered), (one.segments.clone(), one.covered));
    }
    assert!(one.findings.len() >= 40, "{}", one.findings.len());
}

#[test]
fn a_first_record_that_states_another_format_than_its_file_is_unsupported() {
    for format in [0, READ_VERSION + 1, u16::MAX] {
        let mut maker = Maker::of_format(format);
        maker.events(5);
        maker.seal();
        maker.events(2);
        for depth in [Depth::Quick, Depth::Checksums, Depth::Full] {
            let report = maker.finish(0).verify_with(&Options { depth, ..Options::default() });
            assert_eq!(classes(&report), [(FindingClass::Unsupported, "format of store.created".to_owned())]);
            let Finding { expected, found, seqs, .. } = &report.findings[0];
            assert_eq!((expected.as_str(), found, seqs), ("1", &format.to_string(), &Some(0..1)));
        }
    }
}

#[test]
fn a_key_that_was_asked_for_must_have_signed() {
    let mut maker = Maker::new();
    maker.events(4);
    let with_key = |key: &SigningKey| Options { key: Some(key.verifier().clone()), ..Options::default() };
    let unsigned = maker.finish(0).verify_with(&with_key(&key()));
    assert_eq!(unsigned.verdict(), Some(FindingClass::NotAuthenticated));
    maker.sign();
    let signed = maker.finish(0).verify_with(&with_key(&key()));
    assert_clean(&signed);
    assert_eq!(signed.covered.signature_count, 2);
    let other = SigningKey::from_seed("test.example/other", [3; 32]).unwrap();
    let foreign = maker.finish(0).verify_with(&with_key(&other));
    assert_eq!(foreign.verdict(), Some(FindingClass::NotAuthenticated));
}

#[test]
fn a_log_must_go_on_from_the_checkpoint_that_is_expected() {
    let mut maker = Maker::new();
    maker.events(4);
    let early = maker.checkpoint().sign(&key()).unwrap();
    maker.events(9);
    let late = maker.checkpoint().sign(&key()).unwrap();
    let mut forged = maker.checkpoint();
    forged.root.0[0] ^= 1;
    let forged = forged.sign(&key()).unwrap();
    let expecting = |note: &Note| Options { expect: Some(note.clone()), ..Options::default() };
    let store = maker.finish(0);
    assert_clean(&store.verify_with(&expecting(&early)));
    assert_clean(&store.verify_with(&expecting(&late)));
    let other = store.verify_with(&expecting(&forged));
    assert_eq!(classes(&other), [(FindingClass::Forged, "expected checkpoint root".to_owned())]);
    let mut shorter = Maker::new();
    shorter.events(4);
    let behind = shorter.finish(0).verify_with(&expecting(&late));
    assert_eq!(classes(&behind), [(FindingClass::RolledBack, "expected checkpoint size".to_owned())]);
}

#[test]
fn a_log_must_go_on_from_all_that_is_anchored_of_it() {
    let mut maker = Maker::new();
    maker.events(4);
    let early = maker.checkpoint();
    maker.events(9);
    let late = maker.checkpoint();
    let mut of_another = late.clone();
    (of_another.origin, of_another.size) = ("acme.example/other".to_owned(), 1 << 40);
    let mut fork = early.clone();
    fork.root.0[0] ^= 1;
    let anchored = |checkpoints: &[&Checkpoint]| {
        let place = |checkpoint: &&Checkpoint| {
            let note = checkpoint.sign(&key()).unwrap();
            Anchored { file: format!("usb/{}", checkpoint.size), note }
        };
        Options { anchored: checkpoints.iter().map(place).collect(), ..Options::default() }
    };
    let told = |report: &Report, words: &str| report.not_covered.iter().any(|text| text.contains(words));
    let store = maker.finish(0);
    let report = store.verify_with(&anchored(&[&early, &of_another, &late]));
    assert_clean(&report);
    assert!(!told(&report, "an older copy"), "{:?}", report.not_covered);
    let report = store.verify_with(&anchored(&[&early]));
    assert!(told(&report, &format!("an older copy with at least {} records", early.size)));
    assert!(told(&store.verify_with(&anchored(&[&of_another])), "no anchor has one"));
    let report = store.verify_with(&anchored(&[&late, &fork]));
    assert_eq!(classes(&report), [(FindingClass::Forged, "anchored checkpoint root".to_owned())]);
    assert_eq!(report.findings[0].file, format!("usb/{}", fork.size));
    let mut shorter = Maker::new();
    shorter.events(4);
    let behind = shorter.finish(0).verify_with(&anchored(&[&early, &late]));
    assert_eq!(classes(&behind), [(FindingClass::RolledBack, "anchored checkpoint size".to_owned())]);
}

#[test]
fn what_cannot_be_read_is_a_finding_and_the_rest_is_checked() {
    let mut maker = Maker::new();
    maker.events(40);
    maker.seal();
    maker.events(3);
    let store = maker.finish(0);
    let (disk, root) = store.disk();
    let mut incomplete = 0;
    for call in 0..60 {
        let disk = disk.process();
        let how = crate::disk::sim::What::Io(crate::disk::sim::SyncLoss::Dropped);
        disk.fail(crate::disk::sim::Failure::new(disk.calls() + call, how, true));
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        match verify(&shared, &root, &Options { threads: 1, ..Options::default() }) {
            Ok(report) if report.is_clean() => {}
            Ok(report) => {
                incomplete += 1;
                assert!(
                    report.findings.iter().all(|finding| finding.class == FindingClass::Incomplete),
                    "{:?}",
                    report.findings
                );
            }
            Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
        }
        disk.heal();
    }
    assert!(incomplete > 5, "{incomplete}");
}

#[test]
fn progress_is_told_and_a_cancelled_verification_says_so() {
    let mut maker = Maker::new();
    maker.events(40);
    let store = maker.finish(0);
    let (disk, root) = store.disk();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    let options = Options {
        progress: Some(Arc::new(move |progress: Progress| {
            assert!(progress.done_len <= progress.total_len);
            seen.fetch_max(progress.done_len, Ordering::Relaxed);
        })),
        ..Options::default()
    };
    let report = verify(&disk, &root, &options).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), report.covered.read_len);
    let cancel = Options { cancel: Some(Arc::new(AtomicBool::new(true))), ..Options::default() };
    assert!(matches!(verify(&disk, &root, &cancel), Err(Error::Cancelled)));
}

#[test]
fn a_directory_that_is_no_store_is_an_error_and_an_emptied_one_a_finding() {
    let mut maker = Maker::new();
    let mut store = maker.finish(0);
    let (disk, _) = store.disk();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let nowhere = verify(&disk, Path::new("/nowhere"), &Options::default());
    assert!(matches!(nowhere, Err(Error::NotAStore { .. })));
    store.remove("log/00000000000000000000.log");
    assert_eq!(store.verify().verdict(), Some(FindingClass::Incomplete));
}
