//! Tampering with every file of a store: bytes, lengths, records, frames, segments. Evidence that was changed is
//! found, with its class; hints and caches that were changed do no harm.
//!
//! `INDELIBLE_TAMPER_ALL=1` tries every byte of every file with more values; unset, every byte of the small files
//! and a share of the bytes of the longer ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use indelible_engine::disk::Disk;
use indelible_engine::disk::sim::{Flavour, Persisted, Random, SimDisk};
use indelible_engine::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind};
use indelible_engine::format::log_header::LOG_HEADER_LEN;
use indelible_engine::hash::Hash;
use indelible_engine::trust::VerifierKey;
use indelible_engine::verify::{self, FindingClass, Report};
use indelible_engine::{CheckpointSigner, FileSigner, Options, Record, SegmentId, Store};

const STORE: &str = "/store";
const ORIGIN: &str = "tamper.example/store";

/// A store with a file of every type: sealed segments with sidecars, an active one, checkpoints, bytes in `lost/`.
struct Sample {
    disk: SimDisk,
    key: VerifierKey,
    records: Vec<Record>,
    root: Hash,
}

fn options(disk: &SimDisk) -> Options {
    Options::default().world(disk.world()).allocate_len(1).seal_in_background(false)
}

fn event(n: usize) -> String {
    format!(r#"{{"event_id":"e{n}","run_id":"r{}","kind":"tool.call","n":{n}}}"#, n % 3)
}

/// With `more` events in the first segment.
fn sample(more: usize) -> Sample {
    let disk = SimDisk::new(1);
    let signer = FileSigner::create(&disk.world(), Path::new("/keys/signer"), ORIGIN).expect("a new key");
    let key = signer.verifier().clone();
    let new = Options::new(ORIGIN).log_key(key.clone()).world(disk.world()).allocate_len(1);
    let store = Store::create(STORE, new.seal_in_background(false)).expect("a new store");
    store.append_batch((0..more).map(event)).expect("it takes events");
    for n in 0..4 {
        store.append(event(more + n).as_bytes()).expect("it takes events");
    }
    store.append_batch((4..9).map(|n| event(more + n))).expect("it takes events");
    store.seal().expect("it seals");
    store.checkpoint(&signer).expect("it signs");
    store.put_artifact(&mut &b"what the agent was told"[..]).expect("it keeps artifacts");
    store.append_batch((9..12).map(|n| event(more + n))).expect("it takes events");
    drop(store);
    // An unclean stop in the middle of a frame.
    let disk = disk.now().crash(Persisted { seed: 0, flavour: Flavour::Everything });
    let active = file_names(&disk, "log").into_iter().rfind(|name| name.ends_with(".log")).expect("a log");
    let mut bytes = read(&disk, &active);
    bytes.extend_from_slice(b"half a frame");
    put(&disk, &active, &bytes);
    let store = Store::open(STORE, options(&disk)).expect("it recovers");
    store.append_batch((12..15).map(|n| event(more + n))).expect("it takes events");
    store.seal().expect("it seals");
    for n in 15..18 {
        store.append(event(more + n).as_bytes()).expect("it takes events");
    }
    let signer = FileSigner::open(&disk.world(), Path::new("/keys/signer")).expect("the key");
    store.checkpoint(&signer).expect("it signs");
    store.close().expect("it closes");
    let (records, root) = see(&disk).expect("it can be read");
    Sample { disk, key, records, root }
}

fn path(name: &str) -> PathBuf {
    Path::new(STORE).join(name)
}

fn read(disk: &SimDisk, name: &str) -> Vec<u8> {
    (disk as &dyn Disk).read(&path(name), 1 << 30).expect("it can be read").expect("it is there")
}

fn put(disk: &SimDisk, name: &str, bytes: &[u8]) {
    disk.put(&path(name), bytes).expect("it can be put");
}

/// The names below a directory of the store, from the store's directory on.
fn file_names(disk: &SimDisk, below: &str) -> Vec<String> {
    let names = disk.files().into_iter().filter_map(|(path, _)| {
        let name = path.strip_prefix(STORE).ok()?;
        name.starts_with(below).then(|| name.display().to_string())
    });
    names.collect()
}

fn see(disk: &SimDisk) -> Result<(Vec<Record>, Hash), String> {
    let store = Store::open(STORE, options(disk)).map_err(|error| format!("open: {error}"))?;
    let snapshot = store.snapshot().map_err(|error| format!("snapshot: {error}"))?;
    let records: Result<Vec<Record>, _> = snapshot.records_with_integrity(..).collect();
    Ok((records.map_err(|error| format!("read: {error}"))?, snapshot.root()))
}

impl Sample {
    /// The same store, to be changed.
    fn copy(&self) -> SimDisk {
        self.disk.now().kill()
    }

    fn verify(&self, disk: &SimDisk) -> Report {
        let files: Arc<dyn Disk> = Arc::new(disk.clone());
        let options =
            verify::Options { key: Some(self.key.clone()), threads: 1, ..verify::Options::default() };
        verify::verify(&files, Path::new(STORE), &options).expect("a store to look at")
    }

    /// Verifies a changed copy and gives the report to `judge`; a panic is a failure too.
    fn tampered(
        &self,
        change: impl FnOnce(&SimDisk),
        judge: impl FnOnce(&Report) -> bool,
    ) -> Result<(), String> {
        let disk = self.copy();
        change(&disk);
        let report = catch_unwind(AssertUnwindSafe(|| self.verify(&disk))).map_err(|_| "it panicked")?;
        if judge(&report) {
            return Ok(());
        }
        let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let remarks: Vec<String> = report.remarks.iter().map(ToString::to_string).collect();
        Err(format!("{:?} {findings:?} {remarks:?}", report.verdict()))
    }
}

/// Whether a file is evidence: the rest are hints and caches.
fn is_evidence(name: &str) -> bool {
    ["log/", "packs/", "checkpoint", "artifacts/"].iter().any(|start| name.starts_with(start))
}

/// The weightiest class of what was found is one that tampering with the bytes of `name` may have.
fn is_found(name: &str, report: &Report) -> bool {
    use FindingClass::{Damaged, Forged, Incomplete, NotAuthenticated, RolledBack};
    match report.verdict() {
        // Every byte of a log or sidecar is under a checksum, or must be zero.
        Some(class) if name.starts_with("log/") || name.starts_with("packs/") => class == Damaged,
        // A note has none: its letters are a size, a root, a name, a signature.
        Some(class) => matches!(class, Damaged | Forged | Incomplete | NotAuthenticated | RolledBack),
        None => false,
    }
}

/// Does `work` for every item on all cores and tells what failed.
fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        failures.lock().expect("nothing panics in here").push(error);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nothing panics in here");
    let shown: Vec<&String> = failures.iter().take(20).collect();
    assert!(failures.is_empty(), "{} of {} failed: {shown:#?}", failures.len(), items.len());
}

fn tries_all() -> bool {
    std::env::var_os("INDELIBLE_TAMPER_ALL").is_some()
}

/// The last frame of the active log: it says that the writer left in order, and nothing else.
fn close_frame_at(sample: &Sample, name: &str) -> usize {
    match file_names(&sample.disk, "log").iter().rfind(|name| name.ends_with(".log")) {
        Some(active) if active == name => read(&sample.disk, name).len() - FRAME_HEADER_LEN,
        _ => usize::MAX,
    }
}

/// Whether an active log without its close frame is told of.
fn is_torn_tail(report: &Report) -> bool {
    report.is_clean() && report.remarks.iter().any(|remark| remark.text.contains("torn"))
}

#[test]
fn an_untouched_store_is_clean_and_has_every_type_of_file() {
    let sample = sample(300);
    let report = sample.verify(&sample.disk);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.root, report.tree_size), (Some(sample.root), sample.records.len() as u64));
    for part in
        [".log", ".idx", "checkpoint", "checkpoints/", "lost/", "artifacts/", "tree/", "head", "catalog"]
    {
        let names = file_names(&sample.disk, "");
        let full = |name: &&String| name.contains(part) && !read(&sample.disk, name).is_empty();
        assert!(names.iter().any(|name| full(&name)), "{part} of {names:?}");
    }
}

#[test]
fn every_changed_byte_of_evidence_is_found() {
    let sample = sample(0);
    let mut cases = Vec::new();
    for name in file_names(&sample.disk, "").into_iter().filter(|name| is_evidence(name)) {
        let bytes = read(&sample.disk, &name);
        // All of the short files, and of the long ones about 700 places, other ones in each part.
        let step = if tries_all() { 1 } else { (bytes.len() / 700).max(1) };
        let (values, mut random) = (if tries_all() { 5 } else { 2 }, Random::new(9));
        for start in (0..bytes.len()).step_by(step) {
            let at = (start + random.below(step as u64) as usize).min(bytes.len() - 1);
            let all = [bytes[at] ^ 1 << (at % 8), !bytes[at], bytes[at].wrapping_add(1), 0, 255];
            let changed = all.into_iter().take(values).filter(|value| *value != bytes[at]);
            cases.extend(changed.map(|value| (name.clone(), at, value)));
        }
    }
    assert!(cases.len() > 5_000, "{} cases", cases.len());
    for_each(&cases, |(name, at, value)| {
        let change = |disk: &SimDisk| {
            let mut bytes = read(disk, name);
            bytes[*at] = *value;
            put(disk, name, &bytes);
        };
        let closing = *at >= close_frame_at(&sample, name);
        sample
            .tampered(change, |report| is_found(name, report) || closing && is_torn_tail(report))
            .map_err(|error| format!("{name}: byte {at} set to {value}: {error}"))
    });
}

#[test]
fn every_changed_byte_of_a_pack_is_found() {
    let mut sample = sample(60);
    let store = Store::open(STORE, options(&sample.disk)).expect("it opens");
    store.compact(SegmentId(0), &mut |_, _| true).expect("it packs").expect("it was hot");
    store.close().expect("it closes");
    (sample.records, sample.root) = see(&sample.disk).expect("it can be read");
    let name = file_names(&sample.disk, "packs").pop().expect("a pack");
    let bytes = read(&sample.disk, &name);
    let step = if tries_all() { 1 } else { (bytes.len() / 700).max(1) };
    let places: Vec<usize> = (0..bytes.len()).step_by(step).chain(bytes.len() - 64..bytes.len()).collect();
    for_each(&places, |&at| {
        for value in [bytes[at] ^ 1 << (at % 8), !bytes[at]] {
            let change = |disk: &SimDisk| {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                put(disk, &name, &bytes);
            };
            sample
                .tampered(change, |report| is_found(&name, report))
                .map_err(|error| format!("{name}: byte {at} set to {value}: {error}"))?;
        }
        Ok(())
    });
    for len in (0..bytes.len()).step_by(bytes.len() / 50) {
        let cut = sample.tampered(|disk| put(disk, &name, &bytes[..len]), |report| is_found(&name, report));
        assert_eq!(cut, Ok(()), "cut to {len} bytes");
    }
    let gone = |report: &Report| report.verdict() == Some(FindingClass::Incomplete);
    let taken = sample.tampered(|disk| disk.take(&path(&name)).expect("it is there"), gone);
    assert_eq!(taken, Ok(()), "without the pack");
}

#[test]
fn every_truncation_and_extension_of_evidence_is_found() {
    let sample = sample(0);
    let mut cases = Vec::new();
    for name in file_names(&sample.disk, "").into_iter().filter(|name| is_evidence(name)) {
        let len = read(&sample.disk, &name).len();
        let step = if tries_all() { 1 } else { (len / 400).max(1) };
        cases.extend((0..len).step_by(step).map(|cut| (name.clone(), cut)));
        cases.push((name, len + 5));
    }
    for_each(&cases, |(name, len)| {
        let change = |disk: &SimDisk| {
            let mut bytes = read(disk, name);
            bytes.resize(*len, 0x5A);
            put(disk, name, &bytes);
        };
        // What is behind the last record of the active log is a crash's to tear; a checkpoint covers all before.
        let closing = *len >= close_frame_at(&sample, name);
        let cut_off = |report: &Report| {
            name.ends_with(".log") && matches!(report.verdict(), Some(FindingClass::RolledBack))
        };
        sample
            .tampered(change, |report| {
                is_found(name, report)
                    || cut_off(report)
                    || closing && (is_torn_tail(report) || report.is_clean())
            })
            .map_err(|error| format!("{name}: length set to {len}: {error}"))
    });
}

/// A log taken apart into its header and its frames.
struct Log {
    header: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Log {
    fn read(disk: &SimDisk, name: &str) -> Self {
        let bytes = read(disk, name);
        let (header, mut rest) = bytes.split_at(LOG_HEADER_LEN);
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (header, _) = frame::decode(rest).expect("a whole frame");
            let (frame, others) = rest.split_at(header.frame_len() as usize);
            frames.push(frame.to_vec());
            rest = others;
        }
        Log { header: header.to_vec(), frames }
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.frames.concat()].concat()
    }

    /// Frames with records, by index.
    fn with_records(&self) -> Vec<usize> {
        let kind = |frame: &[u8]| FrameHeader::decode(frame).expect("a frame").kind;
        (0..self.frames.len()).filter(|index| kind(&self.frames[*index]) == FrameKind::Records).collect()
    }

    /// Rewrites one frame's records by someone who knows the format: checksum, length and count are right.
    fn rewrite(&mut self, index: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let (header, payload) = frame::decode(&self.frames[index]).expect("a frame");
        let mut records: Vec<Vec<u8>> = frame::records(payload, header.count)
            .expect("its records")
            .iter()
            .map(|record| {
                let mut bytes = Vec::new();
                record.encode_into(&mut bytes);
                bytes
            })
            .collect();
        change(&mut records);
        let mut frame = vec![0; FRAME_HEADER_LEN];
        frame.extend(records.concat());
        FrameHeader { count: records.len() as u32, ..header }.seal(&mut frame);
        self.frames[index] = frame;
    }
}

/// Something was found, and no weaker than `least`.
fn at_least(least: FindingClass) -> impl Fn(&Report) -> bool {
    move |report| report.verdict() >= Some(least)
}

#[test]
fn swapped_dropped_and_doubled_frames_are_found() {
    let sample = sample(0);
    for name in file_names(&sample.disk, "log").iter().filter(|name| name.ends_with(".log")) {
        let frames = Log::read(&sample.disk, name).with_records();
        for (nth, &index) in frames.iter().enumerate() {
            let edit = |what: &str, edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
                let change = |disk: &SimDisk| {
                    let mut log = Log::read(disk, name);
                    edit(&mut log.frames);
                    put(disk, name, &log.bytes());
                };
                let found =
                    sample.tampered(change, |report| report.verdict() >= Some(FindingClass::RolledBack));
                found.unwrap_or_else(|error| panic!("{name}: {what} frame {nth}: {error}"));
            };
            edit("dropped", &|frames| drop(frames.remove(index)));
            edit("doubled", &|frames| frames.insert(index, frames[index].clone()));
            if let Some(&other) = frames.get(nth + 1) {
                edit("swapped", &|frames| frames.swap(index, other));
            }
        }
    }
}

#[test]
fn swapped_dropped_doubled_and_rewritten_records_are_forged() {
    let sample = sample(0);
    for name in file_names(&sample.disk, "log").iter().filter(|name| name.ends_with(".log")) {
        let log = Log::read(&sample.disk, name);
        for index in log.with_records() {
            let count = FrameHeader::decode(&log.frames[index]).expect("a frame").count as usize;
            for nth in 0..count {
                let edit = |what: &str, least: FindingClass, edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
                    let change = |disk: &SimDisk| {
                        let mut log = Log::read(disk, name);
                        log.rewrite(index, edit);
                        put(disk, name, &log.bytes());
                    };
                    let found = sample.tampered(change, at_least(least));
                    found.unwrap_or_else(|error| {
                        panic!("{name}: {what} record {nth} of frame {index}: {error}")
                    });
                };
                let last = |record: &mut Vec<u8>| {
                    if let Some(byte) = record.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
                        *byte ^= 1;
                    }
                };
                edit("rewritten", FindingClass::Forged, &|records| last(&mut records[nth]));
                // The seqs behind it no longer fit: that shows before any hash does.
                edit("doubled", FindingClass::Damaged, &|records| {
                    records.insert(nth, records[nth].clone());
                });
                if count > 1 {
                    edit("dropped", FindingClass::RolledBack, &|records| drop(records.remove(nth)));
                }
                if nth + 1 < count {
                    edit("swapped", FindingClass::Forged, &|records| records.swap(nth, nth + 1));
                }
            }
        }
    }
}

#[test]
fn swapped_dropped_and_doubled_segments_are_found() {
    let sample = sample(0);
    let names = file_names(&sample.disk, "log");
    let logs: Vec<&String> = names.iter().filter(|name| name.ends_with(".log")).collect();
    assert_eq!(logs.len(), 3);
    let found = |what: String, change: &dyn Fn(&SimDisk)| {
        let found = sample.tampered(change, |report| !report.is_clean());
        found.unwrap_or_else(|error| panic!("{what}: {error}"));
    };
    for (nth, name) in logs.iter().enumerate() {
        found(format!("{name} dropped"), &|disk| disk.take(&path(name)).expect("it is there"));
        for other in &logs[nth + 1..] {
            found(format!("{name} and {other} swapped"), &|disk| {
                let (one, two) = (read(disk, name), read(disk, other));
                put(disk, name, &two);
                put(disk, other, &one);
            });
        }
        found(format!("{name} doubled"), &|disk| {
            put(disk, "log/00000000000000000777.log", &read(disk, name));
        });
    }
    let sidecars: Vec<&String> = names.iter().filter(|name| name.ends_with(".idx")).collect();
    found("sidecars swapped".to_owned(), &|disk| {
        let (one, two) = (read(disk, sidecars[0]), read(disk, sidecars[1]));
        put(disk, sidecars[0], &two);
        put(disk, sidecars[1], &one);
    });
}

#[test]
fn wrong_hints_and_caches_do_no_harm() {
    let sample = sample(300);
    let mut cases: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for name in file_names(&sample.disk, "").into_iter().filter(|name| !is_evidence(name)) {
        // Lost bytes are nobody's input, and the name of the store is compared with its log.
        let bytes = read(&sample.disk, &name);
        cases.push((name.clone(), None));
        cases.push((name.clone(), Some(Vec::new())));
        cases.push((name.clone(), Some(vec![0; bytes.len()])));
        cases.push((name.clone(), Some(vec![0xA5; bytes.len() + 100])));
        let step = if tries_all() { 1 } else { (bytes.len() / 300).max(1) };
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            cases.push((name.clone(), Some(changed)));
            cases.push((name.clone(), Some(bytes[..at].to_vec())));
        }
    }
    // Sidecars are rebuilt where they are missing.
    cases.extend(
        file_names(&sample.disk, "log").into_iter().filter(|n| n.ends_with(".idx")).map(|n| (n, None)),
    );
    assert!(cases.len() > 1_000, "{} cases", cases.len());
    for_each(&cases, |(name, bytes)| {
        let disk = sample.copy();
        match bytes {
            Some(bytes) => put(&disk, name, bytes),
            None => disk.take(&path(name)).map_err(|error| error.to_string())?,
        }
        let label = |error: String| match bytes {
            Some(bytes) => format!("{name} with {} other bytes: {error}", bytes.len()),
            None => format!("{name} gone: {error}"),
        };
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let (records, root) = see(&disk)?;
            if records.get(..sample.records.len()) != Some(&sample.records[..]) {
                return Err("other records".to_owned());
            }
            if records.len() == sample.records.len() && root != sample.root {
                return Err("another root".to_owned());
            }
            let store = Store::open(STORE, options(&disk)).map_err(|error| format!("open: {error}"))?;
            let receipt = store.append(event(1000).as_bytes()).map_err(|error| format!("append: {error}"))?;
            store.seal().map_err(|error| format!("seal: {error}"))?;
            let found = store.snapshot().and_then(|snapshot| snapshot.find_event(b"e1000"));
            if found.map_err(|error| format!("find: {error}"))? != [receipt.seq] {
                return Err("the new event is not found".to_owned());
            }
            store.close().map_err(|error| format!("close: {error}"))?;
            match sample.verify(&disk).findings.iter().find(|finding| !is_hint(&finding.file)) {
                Some(finding) => Err(format!("verify: {finding}")),
                None => Ok(()),
            }
        }));
        opened.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(label)
    });
}

#[test]
fn a_head_or_catalog_of_an_earlier_moment_does_no_harm() {
    let disk = SimDisk::new(2);
    let new = Options::new(ORIGIN).world(disk.world()).allocate_len(4096).seal_in_background(false);
    let store = Store::create(STORE, new).expect("a new store");
    let mut earlier: Vec<(&str, Vec<u8>)> = Vec::new();
    for n in 0..12 {
        if n % 5 == 4 {
            store.seal().expect("it seals");
        }
        store.append(event(n).as_bytes()).expect("it takes events");
        earlier.extend(["head", "catalog"].map(|name| (name, read(&disk, name))));
    }
    drop(store);
    let (records, _) = see(&disk).expect("it can be read");
    for (name, bytes) in earlier {
        let disk = disk.now().kill();
        put(&disk, name, &bytes);
        // A reader may be shown an earlier log, as the hint says; whoever appends finds out.
        let store = Store::open(STORE, options(&disk)).expect("it opens");
        store.append(event(100).as_bytes()).expect("it takes events");
        store.seal().expect("it seals");
        store.close().expect("it closes");
        let (now, _) = see(&disk).expect("it can be read");
        assert_eq!(now.get(..records.len()), Some(&records[..]), "{name}");
        let report =
            verify::verify(&(Arc::new(disk) as Arc<dyn Disk>), Path::new(STORE), &verify::Options::default());
        assert_eq!(report.expect("a store to look at").findings, []);
    }
}

/// Whether a finding is about a hint: that one may well be told of.
fn is_hint(file: &str) -> bool {
    !file.is_empty() && !is_evidence(file)
}
