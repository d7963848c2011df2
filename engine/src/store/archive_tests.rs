//! A segment in an archive answers, proves and verifies as it did here, and where the archive is out of reach that is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::disk::{ArchivedSegment, Disk, RealDisk, Retrieve, Retrieved};
use crate::filter::{Field, Filter, Test, Value};
use crate::format::admin::Admin;
use crate::format::frame::FrameHeader;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::retention::{Policy, PolicyRule, Terms};
use crate::verify::{self, FindingClass, Report};
use crate::{Class, SegmentId, Timestamp};

/// How long the pieces are that the shelf gives, in bytes.
const PIECE_LEN: u64 = 20_000;

/// An archive that has logs as they are.
#[derive(Debug)]
struct Shelf {
    dir: PathBuf,
    fetched: AtomicU32,
}

impl Retrieve for Shelf {
    fn retrieve(&self, segment: &ArchivedSegment, at: u64, _: bool) -> Result<Retrieved> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let Ok(mut bytes) = std::fs::read(self.dir.join(segment.id.file_name("log"))) else {
            let reason = "it burnt down".to_owned();
            return Err(Error::Archived { segment: segment.id, archive: segment.archive.clone(), reason });
        };
        // Whole frames, as an archive gives them.
        let mut end = at as usize;
        while end < bytes.len() && end as u64 - at < PIECE_LEN {
            let payload_len = bytes.get(end..).and_then(|bytes| FrameHeader::decode(bytes).ok());
            end += payload_len.map_or(bytes.len(), |frame| frame.frame_len() as usize);
        }
        bytes.truncate(end);
        bytes.drain(..(at as usize).min(bytes.len()));
        Ok(Retrieved { fetched_len: bytes.len() as u64 / 4, bytes })
    }

    fn is_here(&self, _: &ArchivedSegment, _: u64) -> bool {
        false
    }
}

/// A store of three sealed segments and an active one, and a shelf with copies of the sealed logs.
struct Site {
    dir: tempfile::TempDir,
    shelf: Arc<Shelf>,
    _books: tempfile::TempDir,
}

fn event(n: usize) -> Vec<u8> {
    format!(r#"{{"event_id":"e{n}","run_id":"run_{}","kind":"k{}","n":{n}}}"#, n % 17, n % 3).into_bytes()
}

impl Site {
    fn new() -> Site {
        let (dir, books) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let shelf = Arc::new(Shelf { dir: books.path().to_owned(), fetched: AtomicU32::new(0) });
        let store = Store::create(dir.path(), options()).unwrap();
        for segment in 0..3 {
            store.append_batch((0..300).map(|n| event(segment * 300 + n))).unwrap();
            store.append(&event(segment + 10_000)).unwrap();
            store.seal().unwrap().unwrap();
        }
        store.append_batch((900..950).map(event)).unwrap();
        store.close().unwrap();
        for log in std::fs::read_dir(dir.path().join("log")).unwrap().map(|log| log.unwrap()) {
            std::fs::copy(log.path(), books.path().join(log.file_name())).unwrap();
        }
        Site { dir, shelf, _books: books }
    }

    fn store(&self) -> Store {
        Store::open(self.dir.path(), options().retrieve(self.shelf.clone())).unwrap()
    }

    /// Hands all sealed segments over, one of them from the warm tier.
    fn archive(&self) -> Store {
        let store = self.store();
        let sealed: Vec<_> = store.snapshot().unwrap().segments().filter(|segment| segment.sealed).collect();
        store.compact(sealed[1].id, &mut |_, _| true).unwrap().unwrap();
        for segment in &sealed {
            let moved = store.move_to_archive(segment.id, "/shelf", None, &mut |_, _| true).unwrap().unwrap();
            assert_eq!((moved.id, moved.end_seq), (segment.id, segment.end_seq));
            assert_eq!(store.move_to_archive(segment.id, "/shelf", None, &mut |_, _| true).unwrap(), None);
        }
        store
    }

    /// The sealed segments.
    fn ids(&self) -> Vec<SegmentId> {
        let snapshot = self.store().snapshot().unwrap();
        snapshot.segments().filter(|segment| segment.sealed).map(|segment| segment.id).collect()
    }

    fn log(&self, id: SegmentId) -> PathBuf {
        self.dir.path().join("log").join(id.file_name("log"))
    }

    fn verified(&self, with_archive: bool) -> Report {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let retrieve = with_archive.then(|| self.shelf.clone() as Arc<dyn Retrieve>);
        verify::verify(&disk, self.dir.path(), &verify::Options { retrieve, ..Default::default() }).unwrap()
    }
}

fn options() -> Options {
    Options::new("test.example/archived").allocate_len(8 << 10).seal_in_background(false)
}

fn equals(field: &str, word: &str) -> Filter {
    Filter::Field(Field::Name(field.to_owned()), Test::Equals(vec![Value::Word(word.to_owned())]))
}

/// What a store says that a reader could ask.
fn said(store: &Store) -> (Vec<Record>, Vec<Vec<u8>>, Vec<crate::hash::Hash>, usize) {
    let snapshot = store.snapshot().unwrap();
    let records = snapshot.records(0..900).map(Result::unwrap).collect();
    let hits =
        snapshot.search(&equals("run", "run_7")).unwrap().map(|hit| hit.unwrap().body().to_vec()).collect();
    let proof = snapshot.inclusion_proof(5, 900).unwrap();
    (records, hits, proof, snapshot.find_event(b"e301").unwrap().len())
}

#[test]
fn archived_segments_answer_prove_verify_and_come_back() {
    let site = Site::new();
    let before = said(&site.store());
    let ids = site.ids();
    let store = site.archive();
    assert!(ids.iter().all(|id| !site.log(*id).exists()), "the logs are gone");
    assert_eq!(said(&store), before);
    let snapshot = store.snapshot().unwrap();
    assert!(matches!(snapshot.tier(SegmentId(0)).unwrap(), super::Tier::Archive { .. }));
    assert_eq!(snapshot.archived(SegmentId(0)).unwrap().unwrap().archive, "/shelf");
    let moved = snapshot.store_records().filter(|seq| {
        let body = snapshot.record(*seq).unwrap().body;
        matches!(Admin::decode(&body), Ok(Admin::Tier(tiered)) if tiered.tier == "archive" && tiered.archive == "/shelf")
    });
    assert_eq!(moved.count(), 3);
    store.close().unwrap();

    let report = site.verified(true);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let report = site.verified(false);
    assert_eq!(report.findings.len(), 3, "{:#?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.class == FindingClass::Incomplete));
    assert_eq!(report.tree_size, site.store().snapshot().unwrap().tree_size());

    let store = site.store();
    assert!(store.restore(ids[1]).unwrap().is_some());
    assert_eq!(store.restore(ids[1]).unwrap(), None);
    let book = std::fs::read(site.shelf.dir.join(ids[1].file_name("log"))).unwrap();
    assert_eq!(std::fs::read(site.log(ids[1])).unwrap(), book);
    assert_eq!(said(&store), before);
    store.close().unwrap();
    assert_eq!(site.verified(false).findings.len(), 2);
}

#[test]
fn what_the_index_alone_answers_fetches_nothing_and_hints_are_made_anew_without_the_archive() {
    let site = Site::new();
    site.archive().close().unwrap();
    let fetched = site.shelf.fetched.load(Ordering::Relaxed);
    std::fs::remove_file(site.dir.path().join("catalog")).unwrap();
    std::fs::remove_file(site.dir.path().join("head")).unwrap();
    let store = site.store();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.count(&equals("kind", "k1")).unwrap(), 318);
    assert_eq!(snapshot.segments().count(), 4);
    assert!(snapshot.retention().unwrap().policies.is_empty());
    assert_eq!(site.shelf.fetched.load(Ordering::Relaxed), fetched);
}

#[test]
fn an_archive_out_of_reach_is_named_and_never_a_smaller_answer() {
    let site = Site::new();
    let second = site.ids()[1];
    site.archive().close().unwrap();
    let book = site.shelf.dir.join(second.file_name("log"));
    let bytes = std::fs::read(&book).unwrap();
    std::fs::remove_file(&book).unwrap();
    let store = site.store();
    let snapshot = store.snapshot().unwrap();
    let failed = snapshot.records(..).find_map(Result::err).unwrap();
    let told = |error: &Error| matches!(error, Error::Archived { segment, archive, .. } if *segment == second && archive == "/shelf");
    assert!(told(&failed), "{failed}");
    let failed = snapshot.search(&Filter::All(Vec::new())).unwrap().find_map(Result::err).unwrap();
    assert!(told(&failed), "{failed}");
    let without = Store::open(site.dir.path(), options().read_only(true)).unwrap();
    let failed = without.snapshot().unwrap().record(5).unwrap_err();
    assert!(
        failed.to_string().contains("segment 00000000000000000000 is in the archive at /shelf"),
        "{failed}"
    );

    // What comes back altered is not believed, wherever it was altered. The log's header never comes back.
    for at in (LOG_HEADER_LEN..bytes.len()).step_by(bytes.len() / 40) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        std::fs::write(&book, &altered).unwrap();
        let failed = snapshot.records(second.0..).find_map(Result::err).unwrap();
        assert!(matches!(failed.class(), Some(Class::Damaged | Class::Forged)), "byte {at}: {failed}");
    }
    std::fs::write(&book, &bytes).unwrap();
    assert_eq!(snapshot.record(400).unwrap().seq, 400);
}

#[test]
fn nothing_goes_that_the_archive_does_not_have_byte_for_byte() {
    let site = Site::new();
    let store = site.store();
    let book = site.shelf.dir.join(SegmentId(0).file_name("log"));
    let bytes = std::fs::read(&book).unwrap();
    let log = |path: &Path| std::fs::read(path).unwrap();
    let mut altered = bytes.clone();
    altered[5_000] ^= 1;
    for content in [&altered[..], &bytes[..bytes.len() - 80], &[]] {
        std::fs::write(&book, content).unwrap();
        let kept = store.move_to_archive(SegmentId(0), "/shelf", None, &mut |_, _| true);
        assert!(kept.is_err(), "{kept:?}");
    }
    std::fs::write(&book, &bytes).unwrap();
    let stopped = store.move_to_archive(SegmentId(0), "/shelf", None, &mut |_, _| false);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert_eq!(log(&site.log(SegmentId(0))), bytes);
    assert!(!site.dir.path().join("archived").exists());
    store.close().unwrap();
    assert!(site.verified(false).findings.is_empty());
}

#[test]
fn the_status_of_retention_counts_what_is_in_the_archive_and_what_should_not_be_there_yet() {
    let site = Site::new();
    let store = site.archive();
    let status = |store: &Store| {
        let snapshot = store.snapshot().unwrap();
        snapshot.retention_status(snapshot.received_at()).unwrap().rules
    };
    let events = store.snapshot().unwrap().count(&Filter::Not(Box::new(Filter::StoreRecord))).unwrap();
    let of_default = status(&store).remove(0);
    assert_eq!(of_default.hot.events + of_default.archive.events, events);
    assert_eq!((of_default.warm.events, of_default.not_warm.events), (0, 0));
    let rule = PolicyRule {
        basis: String::new(),
        conditions: "run = run_7".to_owned(),
        locked: false,
        name: "near".to_owned(),
        terms: Terms { warm_s: Some(86_400), ..Terms::default() },
        when: serde_json::from_slice(&equals("run", "run_7").encode()).unwrap(),
    };
    let policy = Policy { default: Terms::default(), rules: vec![rule], text: String::new() };
    store.set_policy(&policy).unwrap();
    let near = status(&store).into_iter().find(|rule| rule.name == "near").unwrap();
    assert!(near.archive.events > 0);
    assert_eq!((near.not_warm.events, near.not_hot.events), (near.archive.events, 0));
}

#[test]
fn what_an_archive_s_own_lock_keeps_is_told_and_not_planned() {
    let site = Site::new();
    let store = site.store();
    let default = Terms { keep_s: Some(0), ..Terms::default() };
    store.set_policy(&Policy { default, rules: Vec::new(), text: String::new() }).unwrap();
    let now = store.snapshot().unwrap().received_at();
    let in_hours = |hours: i64| Timestamp(now.0 + hours * 3_600_000_000_000);
    let segments: Vec<_> = store.snapshot().unwrap().segments().filter(|segment| segment.sealed).collect();
    store.move_to_archive(segments[0].id, "/shelf", Some(in_hours(5)), &mut |_, _| true).unwrap().unwrap();
    let plan = |hours| store.snapshot().unwrap().plan(in_hours(hours), in_hours(hours + 1)).unwrap().matter;
    let locked = plan(1);
    let [lock] = &locked.locked[..] else { panic!("{:?}", locked.locked) };
    assert_eq!((lock.archive.as_str(), lock.first_seq, lock.until), ("/shelf", 0, in_hours(5)));
    assert_eq!((lock.tally.events, locked.delete.events), (301, 602));
    assert!(locked.segments.iter().all(|segment| segment.first_seq != 0));
    let refused = store.snapshot().unwrap().plan_redaction(&[5], "asked to", now, in_hours(1));
    assert!(refused.unwrap_err().to_string().contains("locked until"));
    assert_eq!((plan(5).locked.len(), plan(5).delete.events), (0, 903), "the lock is over");
    store.restore(segments[0].id).unwrap().unwrap();
    assert_eq!((plan(1).locked.len(), plan(1).delete.events), (0, 903), "what is here is not locked");
}

#[test]
fn what_the_index_knows_and_what_came_back_asks_no_archive() {
    let site = Site::new();
    drop(site.archive());
    let store = site.store();
    let fetched = || site.shelf.fetched.load(Ordering::Relaxed);
    let (before, text) = (fetched(), Filter::Text("e17".to_owned()));
    let snapshot = store.snapshot().unwrap();
    let explained = snapshot.explain(&text).unwrap();
    assert!(explained.left_open >= 900, "{}", explained.left_open);
    assert!(!snapshot.search(&text).unwrap().to_fetch(false).unwrap().is_empty());
    let groups = snapshot.count_by(&equals("run", "run_7"), &["kind", "run"]).unwrap();
    assert_eq!(groups.records, groups.counts.values().sum::<u64>());
    assert_eq!(fetched(), before, "nothing was fetched for it");
    let found = snapshot.count(&text).unwrap();
    assert!(found > 10 && fetched() > before);
    for id in site.ids() {
        store.restore(id).unwrap().unwrap();
        std::fs::remove_file(site.shelf.dir.join(id.file_name("log"))).unwrap();
    }
    // The store has the archived segments open, and what it fetched of them is another text's no more.
    let snapshot = store.snapshot().unwrap();
    let (before, other) = (fetched(), Filter::Text("run_8".to_owned()));
    assert_eq!(snapshot.count(&text).unwrap(), found);
    assert_eq!(snapshot.count(&other).unwrap(), snapshot.count(&equals("run", "run_8")).unwrap());
    assert_eq!(fetched(), before, "the logs are here");
}
