//! Stores in which something was changed: both verifiers give the same verdict on each.
//!
//! `INDELIBLE_CHECKER_MUTANTS=20000` tries more of them, `INDELIBLE_CHECKER_SEED=7` others.

use std::collections::BTreeMap;

use indelible_engine::format::frame;
use indelible_engine::format::head::Head;
use indelible_engine::format::log_header::{LOG_HEADER_LEN, LogHeader};
use indelible_engine::hash::Hash;
use indelible_engine::trust::Signer;
use indelible_engine::{SegmentId, Timestamp};
use indelible_tests::golden;

use super::{Checker, Draw, from_environment, write_store};

/// How many stores of each base are tried where nothing is said.
const MUTANTS: u64 = 150;
const BASES: [&str; 6] = ["two-segments", "labelled", "many", "torn-tail", "rotated", WARM];
/// The base in which a segment is packed.
const WARM: &str = "warm";

type Files = BTreeMap<String, Vec<u8>>;

/// Changes one thing in a store, and says what.
fn mutate(files: &mut Files, draw: &mut Draw) -> String {
    let names: Vec<String> = files.keys().filter(|name| is_evidence(name)).cloned().collect();
    let Some(name) = names.get(draw.below(names.len())).cloned() else { return "nothing".to_owned() };
    let Some(bytes) = files.get_mut(&name).filter(|bytes| !bytes.is_empty()) else {
        return "nothing".to_owned();
    };
    let what = match draw.below(10) {
        0..4 if name.ends_with(".log") => change_a_frame(bytes, draw),
        4 if name.ends_with(".log") && bytes.len() >= LOG_HEADER_LEN => {
            let (at, byte) = (draw.below(LOG_HEADER_LEN - 4), draw.below(256) as u8);
            golden::change_header(bytes, at, byte);
            format!("byte {at} of the header is {byte}, its checksum made good")
        }
        5 => {
            let len = draw.below(bytes.len());
            bytes.truncate(len);
            format!("cut to {len} bytes")
        }
        6 => {
            let (from, len) = (draw.below(bytes.len()), draw.below(200));
            let end = (from + len).min(bytes.len());
            bytes.drain(from..end);
            format!("bytes {from}..{end} are gone")
        }
        7 => {
            let (from, len) = (draw.below(bytes.len()), draw.below(200));
            let end = (from + len).min(bytes.len());
            bytes[from..end].fill(0);
            format!("bytes {from}..{end} are zeros")
        }
        8 if names.len() > 1 => {
            let other = names[draw.below(names.len())].clone();
            let (one, two) = (files[&name].clone(), files[&other].clone());
            files.insert(name.clone(), two);
            files.insert(other.clone(), one);
            format!("changes places with {other}")
        }
        9 if draw.below(3) == 0 => {
            files.remove(&name);
            "removed".to_owned()
        }
        _ => {
            let (at, bit) = (draw.below(bytes.len()), draw.below(8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
    };
    format!("{name}: {what}")
}

/// Changes bytes of a frame, or the order of frames, and makes the checksums good again.
fn change_a_frame(log: &mut Vec<u8>, draw: &mut Draw) -> String {
    let starts = golden::frames(log);
    let Some(&at) = starts.get(draw.below(starts.len())) else { return "nothing".to_owned() };
    let end = starts.iter().copied().find(|start| *start > at).unwrap_or(log.len());
    match draw.below(8) {
        0 => {
            log.drain(at..end);
            format!("the frame at {at} is gone")
        }
        1 => {
            let frame = log[at..end].to_vec();
            log.splice(end..end, frame);
            format!("the frame at {at} is there twice")
        }
        _ => {
            let place = at + 4 + draw.below(end - at - 4);
            log[place] = if draw.below(2) == 0 { draw.below(256) as u8 } else { log[place] ^ 1 };
            golden::reseal(log, at);
            format!("byte {place} is {}, the checksum of the frame at {at} made good", log[place])
        }
    }
}

/// A head that says of the active segment's log that some of its frames were durable.
fn head_of(files: &Files, draw: &mut Draw) -> Option<Head> {
    let (name, log) = files.iter().rfind(|(name, _)| name.ends_with(".log"))?;
    let starts = golden::frames(log);
    let (header, _) = LogHeader::decode(log.get(..LOG_HEADER_LEN)?).ok()?;
    let durable_len = *starts.get(draw.below(starts.len()))?;
    let (next, _) = frame::decode(log.get(durable_len..)?).ok()?;
    Some(Head {
        turn: 2,
        store_id: header.store_id,
        boot_id: [7; 16],
        generation: 0,
        active: SegmentId::from_file_name(name.strip_prefix("log/")?, "log")?,
        durable_len: durable_len as u64,
        written_len: log.len() as u64,
        next_seq: next.first_seq,
        last_leaf: Hash::ZERO,
        received_at: Timestamp(0),
        since_boot_ns: 0,
        admin_end: 0,
        closed: false,
        rolling: false,
        frontier: vec![Hash::ZERO; next.first_seq.count_ones() as usize],
    })
}

/// What is no cache: the logs, the packs and the checkpoints.
fn is_evidence(name: &str) -> bool {
    name.ends_with(".log") || name.ends_with(".pack") || name.starts_with("checkpoint")
}

#[test]
fn both_verifiers_give_one_verdict_on_changed_stores() {
    let count = from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS);
    let mut draw = Draw(from_environment("INDELIBLE_CHECKER_SEED", 1));
    let mut checker = Checker::start();
    let (mut disputes, mut verdicts) = (Vec::new(), BTreeMap::<String, u64>::new());
    let unpacks = checker.unpacks();
    let is_base = |name: &str| BASES.contains(&name) && (unpacks || name != WARM);
    for golden in golden::all().unwrap().into_iter().filter(|golden| is_base(golden.name)) {
        for _ in 0..count {
            let mut files = golden.files.clone();
            let head =
                Some(&files).filter(|_| draw.below(3) == 0).and_then(|files| head_of(files, &mut draw));
            let mut changes = vec![mutate(&mut files, &mut draw)];
            if draw.below(8) == 0 {
                changes.push(mutate(&mut files, &mut draw));
            }
            if let Some(head) = head {
                changes[0].push_str(&format!(", durable up to byte {}", head.durable_len));
                files.insert("head".to_owned(), head.encode().to_vec());
            }
            let dir = tempfile::tempdir().unwrap();
            write_store(dir.path(), &files);
            let key = golden.files.contains_key("checkpoint").then(|| golden::key().verifier().to_string());
            let theirs = checker.ask("store", dir.path(), key.as_deref().unwrap_or_default());
            let ours = golden::verify_with(dir.path(), key.is_some()).map(|report| {
                let verdict = report.verdict().map_or_else(|| "clean".to_owned(), |class| class.to_string());
                (verdict, report.findings)
            });
            let (ours, findings) = ours.unwrap_or_else(|error| (format!("no store: {error}"), Vec::new()));
            // Which of two faults is met depends on how far a verifier reads on behind the first.
            let agree = match changes.len() {
                1 => ours == theirs.verdict,
                _ => (ours == "clean") == (theirs.verdict == "clean"),
            };
            if !agree {
                let findings: Vec<String> = findings.iter().take(4).map(ToString::to_string).collect();
                disputes.push(format!(
                    "{}: {changes:?}\n  ours: {ours} {findings:#?}\n  theirs: {}",
                    golden.name, theirs.said
                ));
            }
            *verdicts.entry(theirs.verdict).or_default() += 1;
        }
    }
    assert!(disputes.is_empty(), "{} disputes ({verdicts:?}):\n{}", disputes.len(), disputes.join("\n"));
    for verdict in ["clean", "damaged", "forged", "not authenticated", "rolled back"] {
        assert!(verdicts.contains_key(verdict), "no changed store is {verdict}: {verdicts:?}");
    }
}
