//! Verification in parts: each part finds what is in it, all parts together find all, and none says that it saw more.

use std::sync::Arc;

use super::maker::{Maker, Store};
use super::*;
use crate::format::frame::FrameHeader;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::Hash;

const SEGMENTS: u64 = 9;

/// A log of so many sealed segments and an active one, signed at its end; `bad` has an event that is none.
fn maker(bad: Option<u64>) -> Maker {
    let mut maker = Maker::new();
    for n in 0..SEGMENTS {
        maker.events(5 + n);
        if bad == Some(n) {
            maker.frame(&[(1, b"{\"kind\":".to_vec())]);
        }
        maker.seal();
    }
    maker.events(4);
    maker.sign();
    maker
}

fn store(bad: Option<u64>) -> Store {
    maker(bad).finish(0)
}

fn scoped(scope: Scope) -> Options {
    Options { scope, ..Options::default() }
}

/// A run of a round that checks one segment that no run before it did.
fn run(round: Round) -> Options {
    Options { time_is_over: Some(Arc::new(|| true)), threads: 1, ..scoped(Scope::Round(round)) }
}

fn reaches(report: &Report, reach: Reach) -> usize {
    report.segments.iter().filter(|segment| segment.reach == reach).count()
}

#[test]
fn all_parts_together_look_at_every_segment_once() {
    let store = store(None);
    for of in [1, 2, 3, 7, 20] {
        let mut times = vec![0; SEGMENTS as usize + 1];
        for part in 1..=of {
            let report = store.verify_with(&scoped(Scope::Subset { part, of }));
            assert_clean(&report);
            assert_eq!(report.scope, format!("subset {part}/{of}"));
            assert!(report.is_complete);
            assert_eq!(report.root.is_some(), of == 1, "a root that was not computed is not stated");
            for (count, segment) in times.iter_mut().zip(&report.segments) {
                *count += u32::from(segment.reach == Reach::Full);
            }
            assert!(of == 1 || report.not_covered.iter().any(|text| text.contains("looked at quickly")));
        }
        assert!(times.iter().all(|count| *count == 1), "{times:?}");
    }
}

#[test]
fn what_is_wrong_in_a_segment_is_found_by_the_part_that_has_it() {
    for bad in 0..SEGMENTS {
        let store = store(Some(bad));
        for part in 1..=4 {
            let report = store.verify_with(&scoped(Scope::Subset { part, of: 4 }));
            assert_eq!(report.is_clean(), bad % 4 + 1 != u64::from(part), "{bad} {part}");
        }
    }
}

#[test]
fn a_change_of_history_shows_where_the_log_behind_it_is_compared() {
    // The body of one record is another, and its frame is sealed anew: only hashes tell.
    let mut store = store(None);
    let first = store.verify().segments[3].first_seq;
    let log = store.log(first);
    let seal = FrameHeader::decode(&log[LOG_HEADER_LEN..]).unwrap();
    let events = LOG_HEADER_LEN + seal.frame_len() as usize;
    let note = log.windows(4).rposition(|bytes| bytes == b"xxxx").unwrap();
    assert!(note > events);
    log[note] = b'y';
    super::maker::reseal(log, events);
    for part in 1..=4 {
        let report = store.verify_with(&scoped(Scope::Subset { part, of: 4 }));
        assert_eq!(report.verdict(), (part == 4).then_some(FindingClass::Forged), "{part}");
    }
}

#[test]
fn a_round_goes_on_where_it_stopped_and_comes_to_its_end() {
    let mut maker = maker(None);
    let store = maker.finish(0);
    let mut round = Round::new(Timestamp(5));
    for n in 1..=SEGMENTS as usize + 1 {
        let report = store.verify_with(&Options { began_at: Timestamp(n as i64), ..run(round) });
        assert_clean(&report);
        assert_eq!((reaches(&report, Reach::Full), reaches(&report, Reach::Earlier)), (1, n - 1));
        assert_eq!(report.is_complete, n == SEGMENTS as usize + 1);
        assert_eq!(report.tree_size, maker.next_seq, "how long the log is, is always known");
        assert_eq!(report.root, report.is_complete.then(|| maker.tree.root()));
        assert_eq!(report.covered.checkpoint_count, if report.is_complete { 2 } else { 0 });
        round = report.round.unwrap();
        assert_eq!(round.segment_count(), n.min(SEGMENTS as usize));
        assert_eq!(round.began_at, Timestamp(1));
        let text = serde_json::to_string(&round).unwrap();
        assert_eq!(serde_json::from_str::<Round>(&text).unwrap(), round);
    }
    // What was appended meanwhile is what the next run has left.
    maker.seal();
    maker.events(3);
    let report = maker.finish(0).verify_with(&scoped(Scope::Round(round)));
    assert_clean(&report);
    assert_eq!((reaches(&report, Reach::Full), reaches(&report, Reach::Earlier)), (2, SEGMENTS as usize));
    assert_eq!(report.root, Some(maker.tree.root()));
}

/// A round that has come to its fifth segment.
fn half(store: &Store) -> Round {
    let mut round = Round::new(Timestamp(5));
    for _ in 0..5 {
        round = store.verify_with(&run(round)).round.unwrap();
    }
    round
}

#[test]
fn a_round_over_a_log_that_is_another_now_begins_anew() {
    let round = half(&store(None));
    let mut other = Maker::new();
    other.events(6);
    other.seal();
    let mut long = store(None);
    let first = long.verify().segments[1].first_seq;
    long.log(first).extend([0; 4096]);
    let mut missing = store(None);
    missing.remove(&format!("log/{first:020}.log"));
    for store in [other.finish(0), long, missing, store(Some(0))] {
        let report = store.verify_with(&run(round.clone()));
        assert_eq!(reaches(&report, Reach::Earlier), 0);
        assert!(report.remarks.iter().any(|remark| remark.text.contains("the round begins anew")));
    }
}

#[test]
fn what_was_found_is_found_again_by_every_run_of_the_round() {
    let store = store(Some(2));
    let mut round = Round::new(Timestamp(5));
    let mut verdicts = Vec::new();
    for _ in 0..4 {
        let report = store.verify_with(&run(round));
        verdicts.push(report.verdict());
        round = report.round.unwrap();
    }
    assert_eq!(verdicts, [None, None, Some(FindingClass::Forged), Some(FindingClass::Forged)]);
    assert_eq!(round.segment_count(), 2);
    let whole = store.verify_with(&scoped(Scope::Round(round)));
    assert_eq!((whole.verdict(), whole.is_complete), (Some(FindingClass::Forged), true));
}

#[test]
fn what_came_since_is_gone_through_and_must_go_on_from_what_was_vouched_for() {
    let mut maker = maker(None);
    let (size, root) = (maker.next_seq, maker.tree.root());
    maker.events(3);
    maker.seal();
    maker.events(3);
    let store = maker.finish(0);
    let good = store.verify_with(&scoped(Scope::Since { size, root: Some(root) }));
    assert_clean(&good);
    assert_eq!(good.root, Some(maker.tree.root()), "what was vouched for makes the rest known");
    assert_eq!((reaches(&good, Reach::Full), reaches(&good, Reach::Checksums)), (2, SEGMENTS as usize));
    assert_clean(&store.verify_with(&scoped(Scope::Since { size, root: None })));
    let other = store.verify_with(&scoped(Scope::Since { size, root: Some(Hash([1; 32])) }));
    assert_eq!(classes(&other), [(FindingClass::Forged, "verified root".to_owned())]);
    let behind = store.verify_with(&scoped(Scope::Since { size: 10_000, root: Some(root) }));
    assert_eq!(classes(&behind), [(FindingClass::RolledBack, "verified size".to_owned())]);
}

#[test]
fn nobody_can_put_his_name_to_a_part() {
    let report = store(None).verify_with(&run(Round::new(Timestamp(5))));
    assert_clean(&report);
    assert!(report.index_audits().is_err());
}

#[test]
fn what_an_earlier_run_read_of_the_log_is_known_to_the_later_ones() {
    for (second, verdict) in [("case-2", None), ("case-1", Some(FindingClass::Forged))] {
        let mut maker = Maker::new();
        maker.frame(&[(0, super::authority::hold("case-1").encode())]);
        for _ in 0..4 {
            maker.events(5);
            maker.seal();
        }
        maker.frame(&[(0, super::authority::hold(second).encode())]);
        let store = maker.finish(0);
        let mut round = Round::new(Timestamp(5));
        for n in 1..=4 {
            let report = store.verify_with(&run(round));
            assert!(!report.is_complete);
            // The fourth leaves out none but the last segment, whose own records a quick look reads.
            assert_eq!(report.verdict(), verdict.filter(|_| n == 4));
            round = report.round.unwrap();
        }
        let last = store.verify_with(&run(round));
        assert_eq!((reaches(&last, Reach::Earlier), last.is_complete), (4, true));
        assert_eq!(last.verdict(), verdict, "a hold's name is taken, and only segment 1 says so");
    }
}
