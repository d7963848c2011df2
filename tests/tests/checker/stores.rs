//! Whole stores: the golden ones, and stores of every shipped profile.

use std::path::Path;

use indelible_engine::trust::Signer;
use indelible_tests::golden::{self, DIR};

use super::{Checker, write_store};

#[test]
fn golden_stores_get_the_verdict_and_the_root_that_they_must() {
    let mut checker = Checker::start();
    let unpacks = checker.unpacks();
    let is_read =
        |golden: &golden::Golden| unpacks || !golden.files.keys().any(|name| name.starts_with("packs/"));
    for golden in golden::all().unwrap().into_iter().filter(is_read) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DIR).join(golden.name);
        let key = if root.join("checkpoint").exists() {
            golden::key().verifier().to_string()
        } else {
            String::new()
        };
        let opinion = checker.ask("store", &root, &key);
        assert_eq!(opinion.verdict, golden.class.unwrap_or("clean"), "{}: {:#}", golden.name, opinion.said);
        if golden.class.is_none() {
            let report = golden::verify_at(&root).unwrap();
            assert_eq!(opinion.said["tree_size"], report.tree_size, "{}", golden.name);
            assert_eq!(opinion.said["root"], report.root.unwrap().to_string(), "{}", golden.name);
        }
    }
}

/// What both verifiers say of a golden store of which one log was changed.
fn verdicts(name: &str, log: &str, change: impl FnOnce(&mut Vec<u8>)) -> (String, String) {
    let mut golden = golden::all().unwrap().into_iter().find(|golden| golden.name == name).unwrap();
    change(golden.files.get_mut(log).unwrap());
    let dir = tempfile::tempdir().unwrap();
    write_store(dir.path(), &golden.files);
    let signed = golden.files.contains_key("checkpoint");
    let report = golden::verify_with(dir.path(), signed).unwrap();
    let key = if signed { golden::key().verifier().to_string() } else { String::new() };
    let ours = report.verdict().map_or_else(|| "clean".to_owned(), |class| class.to_string());
    (ours, Checker::start().ask("store", dir.path(), &key).verdict)
}

#[test]
fn damage_to_label_rules_does_not_make_forgeries_of_the_labels_behind_them() {
    let flip_in_rules = |log: &mut Vec<u8>| {
        let at = log.windows(11).position(|window| window == b"store.rules").unwrap();
        log[at] ^= 1;
    };
    let both = ("damaged".to_owned(), "damaged".to_owned());
    assert_eq!(verdicts("labelled", "log/00000000000000000000.log", flip_in_rules), both);
}

#[test]
fn an_active_log_of_a_newer_version_is_unsupported_and_not_rolled_back() {
    let newer = |log: &mut Vec<u8>| golden::change_header(log, 8, 9);
    let both = ("unsupported".to_owned(), "unsupported".to_owned());
    assert_eq!(verdicts("two-segments", "log/00000000000000000017.log", newer), both);
}
