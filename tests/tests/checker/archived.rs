//! A store of which segments are in an archive that nobody asks: both verifiers go on by what is kept of them, and say one
//! thing of what was changed there.
//!
//! `INDELIBLE_CHECKER_MUTANTS=20000` tries more of these stores, `INDELIBLE_CHECKER_SEED=7` others.

use std::collections::BTreeMap;

use indelible_tests::golden;

use super::{Checker, Draw, from_environment, write_store};
use crate::cli::Site;

/// How many changed stores are tried where nothing is said.
const MUTANTS: u64 = 80;

type Files = BTreeMap<String, Vec<u8>>;

/// A store of three sealed segments, the first two of which are in an archive; its own records are in each.
fn archived() -> Files {
    let site = Site::with_store();
    for segment in 0..3 {
        let events =
            (0..5).map(|n| format!("{{\"event_id\":\"ev_{segment}_{n}\",\"run_id\":\"run_{}\"}}\n", n % 3));
        site.feed(&["append", "--no-checkpoint"], events.collect::<String>().as_bytes()).ends(0);
        let name = format!("case-{segment}");
        site.run(&["hold", "place", &name, "--where", "run = run_1", "--reason", "case", "--by", "counsel"])
            .ends(0);
        site.run(&["seal"]).ends(0);
        site.run(&["checkpoint"]).ends(0);
        if segment == 1 {
            site.run(&["archive", "copy", "archive", "--drop"]).ends(0);
        }
    }
    let files = golden::files_below(&site.path("evidence")).unwrap();
    files.into_iter().filter(|(name, _)| is_evidence(name)).collect()
}

fn is_evidence(name: &str) -> bool {
    name.ends_with(".log") || name.ends_with(".kept") || name.starts_with("checkpoint")
}

/// Changes a byte of what is kept, a length of it, or another file; mostly the checksum is made good again.
fn change(files: &mut Files, draw: &mut Draw) -> String {
    let is_of_kept = draw.below(5) > 0;
    let names: Vec<String> =
        files.keys().filter(|name| name.ends_with(".kept") == is_of_kept).cloned().collect();
    let name = names[draw.below(names.len())].clone();
    let bytes = files.get_mut(&name).unwrap();
    if draw.below(16) == 0 {
        files.remove(&name);
        return format!("{name} is gone");
    }
    let at = draw.below(bytes.len());
    if draw.below(8) == 0 {
        bytes.truncate(at);
        return format!("{name} is cut to {at} bytes");
    }
    bytes[at] ^= 1 << draw.below(8);
    if is_of_kept && draw.below(6) > 0 {
        let end = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    }
    format!("byte {at} of {name} is {}", bytes[at])
}

#[test]
fn both_verifiers_go_on_by_what_is_kept_of_a_segment_in_an_archive() {
    let good = archived();
    assert_eq!(good.keys().filter(|name| name.ends_with(".kept")).count(), 2, "{:?}", good.keys());
    let mut checker = Checker::start();
    let mut verdicts = |files: &Files| {
        let dir = tempfile::tempdir().unwrap();
        write_store(dir.path(), files);
        let report = golden::verify_with(dir.path(), false).unwrap();
        let ours = report.verdict().map_or_else(|| "clean".to_owned(), |class| class.to_string());
        let theirs = checker.ask("store", dir.path(), "");
        (ours, theirs, report)
    };
    let (ours, theirs, report) = verdicts(&good);
    assert_eq!((ours.as_str(), theirs.verdict.as_str()), ("incomplete", "incomplete"), "{:#}", theirs.said);
    assert_eq!(theirs.said["tree_size"], report.tree_size);
    let mut draw = Draw(from_environment("INDELIBLE_CHECKER_SEED", 1));
    let (mut disputes, mut seen) = (Vec::new(), BTreeMap::<String, u64>::new());
    for _ in 0..from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS) {
        let mut files = good.clone();
        let what = change(&mut files, &mut draw);
        let (ours, theirs, report) = verdicts(&files);
        if ours != theirs.verdict {
            let findings: Vec<String> = report.findings.iter().take(4).map(ToString::to_string).collect();
            disputes.push(format!("{what}\n  ours: {ours} {findings:#?}\n  theirs: {}", theirs.said));
        }
        *seen.entry(ours).or_default() += 1;
    }
    assert!(disputes.is_empty(), "{} disputes ({seen:?}):\n{}", disputes.len(), disputes.join("\n"));
    for verdict in ["incomplete", "damaged", "forged"] {
        assert!(seen.contains_key(verdict), "no changed store is {verdict}: {seen:?}");
    }
}
