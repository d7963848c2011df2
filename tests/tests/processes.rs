//! Real processes on a real disk: writers, readers, and processes that are killed.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use indelible_engine::disk::{Disk, RealDisk, World};
use indelible_engine::{Error, Options, Record, Store, verify};

/// A process that is killed when the test is done with it, however the test ends.
struct Worker {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Worker {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the worker starts");
        let out = BufReader::new(child.stdout.take().expect("it has a stdout"));
        Worker { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("its output can be read");
        line.trim_end().to_owned()
    }

    /// The rest of its output, and that it succeeded.
    fn end(mut self) -> String {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("its output can be read");
        assert!(self.child.wait().expect("it ends").success());
        rest
    }

    fn kill(mut self) -> String {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("its output can be read");
        rest
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; both calls then say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new store in a directory of its own.
fn new_store(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let store = Store::create(&dir, Options::new("processes.example/store")).expect("a new store");
    store.close().expect("it closes");
    dir
}

/// All records, checked to be a chain.
fn records(dir: &Path) -> Vec<Record> {
    let store = Store::open(dir, Options::default()).expect("the store opens");
    let snapshot = store.snapshot().expect("it can be read");
    let records: Vec<Record> =
        snapshot.records_with_integrity(..).collect::<Result<_, _>>().expect("every record can be read");
    assert_eq!(records.len() as u64, snapshot.tree_size());
    for pair in records.windows(2) {
        let leaf = pair[0].integrity.expect("asked for").leaf;
        assert_eq!(pair[1].integrity.expect("asked for").predecessor, leaf);
    }
    records
}

/// Checks that a full verification finds nothing.
fn verify_clean(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = verify::verify(&disk, dir, &verify::Options::default()).expect("a store to look at");
    assert_eq!(report.findings, []);
}

/// Checks that each receipt of `name` names the record that it is for; how many there were.
fn check_receipts(records: &[Record], name: &str, receipts: &str) -> usize {
    let mut last = 0;
    for line in receipts.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words a receipt");
        let (n, seq, leaf) = (word(), word(), word());
        let seq: u64 = seq.parse().expect("a seq");
        assert!(seq > last, "{name}'s receipts are in order");
        last = seq;
        let record = &records[usize::try_from(seq).expect("a small log")];
        let id = format!(r#"{{"event_id":"{name}-{n}","#);
        assert!(record.body.starts_with(id.as_bytes()), "{name} {line}");
        assert_eq!(record.integrity.expect("asked for").leaf.to_string(), leaf, "{name} {line}");
    }
    receipts.lines().count()
}

#[test]
fn four_writers_and_two_readers_share_a_store() {
    let dir = new_store("four-writers");
    let path = dir.to_str().expect("a plain path");
    let readers: Vec<Worker> = (0..2).map(|_| Worker::start(&["read", path, "20000"])).collect();
    let names = ["a", "b", "c", "d"];
    let writers: Vec<Worker> =
        names.iter().map(|name| Worker::start(&["append", path, name, "5000"])).collect();
    // All at once, or a full pipe of one would hold up the others.
    let receipts: HashMap<&str, String> = std::thread::scope(|scope| {
        let ends: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| writer.end())).collect();
        names.into_iter().zip(ends.into_iter().map(|end| end.join().expect("it succeeded"))).collect()
    });
    for reader in readers {
        reader.end();
    }
    let records = records(&dir);
    assert_eq!(records.iter().filter(|record| !record.is_store_record()).count(), 20_000);
    for (name, receipts) in &receipts {
        assert_eq!(check_receipts(&records, name, receipts), 5_000);
    }
    assert!(records.last().is_some_and(|record| record.segment.0 > 0), "segments were sealed meanwhile");
    verify_clean(&dir);
    fs::remove_dir_all(dir).expect("it can be removed");
}

#[test]
fn the_lock_of_a_killed_process_is_free() {
    let dir = new_store("killed-holder");
    let path = dir.to_str().expect("a plain path");
    let mut holder = Worker::start(&["hold", path]);
    assert_eq!(holder.line(), "held");
    let writer = Worker::start(&["append", path, "w", "100"]);
    holder.kill();
    let receipts = writer.end();
    assert_eq!(check_receipts(&records(&dir), "w", &receipts), 100);
    verify_clean(&dir);
    fs::remove_dir_all(dir).expect("it can be removed");
}

#[test]
fn writers_that_are_killed_harm_nobody() {
    let dir = new_store("killed-writers");
    let path = dir.to_str().expect("a plain path");
    let survivor = Worker::start(&["append", path, "s", "2000"]);
    let mut told = Vec::new();
    for round in 0..5 {
        let name = format!("k{round}");
        let mut victim = Worker::start(&["append", path, &name, "1000000"]);
        let mut receipts: String = (0..50 + 31 * round).map(|_| victim.line() + "\n").collect();
        let rest = victim.kill();
        // Its last line may be cut off.
        receipts.push_str(rest.rfind('\n').map_or("", |end| &rest[..=end]));
        told.push((name, receipts));
    }
    let receipts = survivor.end();
    let records = records(&dir);
    assert_eq!(check_receipts(&records, "s", &receipts), 2_000);
    for (name, receipts) in &told {
        assert!(check_receipts(&records, name, receipts) >= 50);
    }
    verify_clean(&dir);
    fs::remove_dir_all(dir).expect("it can be removed");
}

#[test]
fn a_forked_process_is_refused() {
    static PROCESS: AtomicU32 = AtomicU32::new(7);
    let dir = new_store("forked");
    let mut world = World::real().expect("a Linux machine");
    world.process_id = || PROCESS.load(Ordering::SeqCst);
    let store = Store::open(&dir, Options::default().world(world)).expect("the store opens");
    store.append(br#"{"event_id":"before"}"#).expect("the process that opened it may append");
    PROCESS.store(8, Ordering::SeqCst);
    let refused = store.append(br#"{"event_id":"after"}"#);
    assert!(matches!(refused, Err(Error::Forked { opened_by: 7, current: 8 })), "{refused:?}");
    assert!(matches!(store.seal(), Err(Error::Forked { .. })));
    assert!(matches!(store.snapshot().map(drop), Err(Error::Forked { .. })));
    PROCESS.store(7, Ordering::SeqCst);
    assert_eq!(store.append(br#"{"event_id":"again"}"#).expect("it goes on").seq, 3);
    verify_clean(&dir);
    fs::remove_dir_all(dir).expect("it can be removed");
}

#[test]
fn a_forked_process_is_refused_and_does_no_harm() {
    let dir = new_store("forked");
    let told = Worker::start(&["fork", dir.to_str().expect("a plain path")]).end();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines.iter().all(|line| line.contains("fork")), "{told}");
    let records = records(&dir);
    let events: Vec<&Record> = records.iter().filter(|record| !record.is_store_record()).collect();
    assert_eq!(events.len(), 2, "the parent's, before and after");
    assert!(events.iter().all(|record| record.body.starts_with(br#"{"event_id":"parent-"#)));
    verify_clean(&dir);
}

/// Most memory that appending or verifying takes, in KiB.
const MEMORY_MAX_KIB: u64 = 256 << 10;
/// By how much the memory for a log may exceed that for one a quarter as long, in KiB: less than what is longer is of.
const GROWTH_MAX_KIB: u64 = 16 << 10;

#[test]
fn memory_does_not_grow_with_the_log() {
    // Several segments each, so that all that is kept of one is there once at least.
    let [short, long] = [200_000, 800_000].map(|count: u64| {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{count}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let path = dir.to_str().expect("a plain path");
        let peaks = [&["fill", path, &count.to_string()][..], &["verify", path]]
            .map(|words| Worker::start(words).end().trim().parse::<u64>().expect("a number"));
        let logs = fs::read_dir(dir.join("log")).expect("it has a log");
        let segments =
            logs.flatten().filter(|file| file.path().extension().is_some_and(|end| end == "log")).count();
        fs::remove_dir_all(&dir).expect("it can be removed");
        (segments, peaks)
    });
    assert!(short.0 > 2 && long.0 > 2 * short.0, "{short:?} {long:?}");
    for (short, long) in short.1.into_iter().zip(long.1) {
        assert!(
            long < MEMORY_MAX_KIB && long < short + GROWTH_MAX_KIB,
            "{short} KiB, and {long} KiB for four times as much"
        );
    }
}

/// How much memory a query may take beside the files that it maps, in KiB.
const QUERY_MEMORY_MAX_KIB: u64 = 64 << 10;

/// The most memory of its own that a process has, in KiB, looked at until it ends.
fn watch_memory(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let own = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        peak = own.and_then(|own| own.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    peak
}

#[test]
fn a_query_takes_bounded_memory_and_is_refused_where_that_is_too_little() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("query-memory-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let path = dir.to_str().expect("a plain path");
    Worker::start(&["fill", path, "400000"]).end();
    let questions = [
        ("kind = nothing", true),
        ("| sort n desc | limit 5", true),
        ("| sort n", false),
        ("| tail 300000", false),
        ("| sample 300000 seed 1", false),
        ("| count by run", true),
        ("| count by n", false),
        ("| count by run, n", false),
        ("| distinct run", true),
        ("| last by n", false),
        ("| stats sum(n) by run", true),
        ("| stats sum(n) by n", false),
        ("| stats p95(n)", false),
        ("n > 200000 | unless preceded by (n < 10000) within run | count", true),
        ("n > 200000 | preceded by (n < 200000) within 90d | count", true),
    ];
    let mut most = 0;
    for (question, is_answered) in questions {
        let mut child = Command::new(crate::cli::binary())
            .args(["--store", path, "query", question])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let peak = watch_memory(&mut child);
        let ended = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(peak < QUERY_MEMORY_MAX_KIB, "{question}: {peak} KiB");
        assert_eq!(ended.status.code(), Some(if is_answered { 0 } else { 2 }), "{question}: {told}");
        assert!(is_answered || told.contains("ask for fewer"), "{question}: {told}");
        most = most.max(peak);
    }
    // Where no question comes near the bound, nothing was tried.
    assert!(most > QUERY_MEMORY_MAX_KIB / 2, "{most} KiB");
    fs::remove_dir_all(&dir).expect("it can be removed");
}
