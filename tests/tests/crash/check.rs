//! What must hold after every crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible_engine::disk::Disk;
use indelible_engine::disk::sim::SimDisk;
use indelible_engine::filter::{Field, Filter, Test, Value};
use indelible_engine::hash::{Hash, LogTree};
use indelible_engine::merkle::Frontier;
use indelible_engine::{Error, Record, Snapshot, Store, verify};

use super::ledger::Known;
use super::workload::{COPY, STORE, options};

/// What one open of a store showed.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) records: Vec<Record>,
    pub(crate) root: Hash,
}

/// Opens the store, checks it against what is known, and leaves it without closing it. Nothing where there is no
/// store and need be none.
pub(crate) fn open_and_check(disk: &SimDisk, known: &Known<'_>) -> Result<Option<Seen>, String> {
    let store = match Store::open(STORE, options(disk)) {
        Ok(store) => store,
        Err(Error::NotAStore { .. }) if known.acked.is_empty() && known.signed == 0 => return Ok(None),
        Err(error) => return Err(format!("open: {error}")),
    };
    if !store.is_writable() {
        return Err("opened read-only".to_owned());
    }
    let seen = see(&store)?;
    judge(&seen, known)?;
    let snapshot = store.snapshot().map_err(|error| format!("snapshot: {error}"))?;
    if let Some(acked) = known.acked.iter().max_by_key(|acked| acked.tree_size) {
        let root = snapshot.root_at(acked.tree_size).map_err(|error| format!("root_at: {error}"))?;
        if root != acked.root {
            return Err(format!("the root at {} is not the receipt's", acked.tree_size));
        }
    }
    answers(&snapshot, &seen)?;
    Ok(Some(seen))
}

/// Whether what the store answers by its indexes, parts and directories is what its records say.
fn answers(snapshot: &Snapshot, seen: &Seen) -> Result<(), String> {
    let events: Vec<&Record> = seen.records.iter().filter(|record| !record.is_store_record()).collect();
    let id_of = |record: &Record| {
        let text = String::from_utf8_lossy(&record.body);
        text.split('"').nth(3).map(str::to_owned).unwrap_or_default()
    };
    for record in events.iter().step_by(events.len() / 3 + 1).chain(events.last()) {
        let id = id_of(record);
        let found = snapshot.find_event(id.as_bytes()).map_err(|error| format!("find: {error}"))?;
        if found != [record.seq] {
            return Err(format!("event {id} is at {} and was found at {found:?}", record.seq));
        }
    }
    let of_run = Test::Equals(vec![Value::Text("run_1".to_owned())]);
    let filter = Filter::Field(Field::Name("run".to_owned()), of_run);
    let counted = snapshot.count(&filter).map_err(|error| format!("count: {error}"))?;
    let needle = br#""run_id":"run_1""#;
    let holds = |record: &&&Record| record.body.windows(needle.len()).any(|window| window == needle);
    let expected = events.iter().filter(holds).count() as u64;
    if counted != expected {
        return Err(format!("{expected} events of run_1, and {counted} were counted"));
    }
    Ok(())
}

/// Everything that a store shows.
fn see(store: &Store) -> Result<Seen, String> {
    let snapshot = store.snapshot().map_err(|error| format!("snapshot: {error}"))?;
    let records: Result<Vec<Record>, Error> = snapshot.records_with_integrity(..).collect();
    let records = records.map_err(|error| format!("read: {error}"))?;
    if records.len() as u64 != snapshot.tree_size() {
        return Err(format!("{} records in a tree of {}", records.len(), snapshot.tree_size()));
    }
    Ok(Seen { records, root: snapshot.root() })
}

/// Whether what a store shows fits what is known.
fn judge(seen: &Seen, known: &Known<'_>) -> Result<(), String> {
    let mut frontier = Frontier::<LogTree>::new();
    let mut previous = Hash::ZERO;
    for (seq, record) in seen.records.iter().enumerate() {
        let integrity = record.integrity.ok_or_else(|| format!("record {seq} has no integrity"))?;
        if record.seq != seq as u64 || integrity.predecessor != previous {
            return Err(format!("record {seq} is out of line"));
        }
        previous = integrity.leaf;
        frontier.push(integrity.leaf);
    }
    if frontier.root() != seen.root {
        return Err("the root is not that of the leaves".to_owned());
    }
    for acked in &known.acked {
        let body = known.tried[acked.event];
        let record = seen.records.get(acked.seq as usize);
        let Some(record) = record else {
            return Err(format!("seq {} was acknowledged and is gone", acked.seq));
        };
        if record.body != body || record.integrity.map(|integrity| integrity.leaf) != Some(acked.leaf) {
            return Err(format!("seq {} was acknowledged with another content", acked.seq));
        }
    }
    if known.signed > seen.records.len() as u64 {
        return Err(format!("{} records were signed, {} are here", known.signed, seen.records.len()));
    }
    let mut bodies: Vec<&[u8]> = seen.records.iter().map(|record| &record.body[..]).collect();
    bodies.sort_unstable();
    if bodies.windows(2).any(|pair| pair[0] == pair[1] && pair[0].starts_with(b"{\"event_id\"")) {
        return Err("an event is there twice".to_owned());
    }
    // The rest is what was tried, each at most once, in order.
    let mut next = 0;
    for record in seen.records.iter().filter(|record| !record.is_store_record()) {
        let from = if known.threads { 0 } else { next };
        match known.tried[from..].iter().position(|tried| *tried == record.body) {
            Some(skipped) => next = from + skipped + 1,
            None => return Err(format!("seq {} is an event that nobody appended there", record.seq)),
        }
    }
    Ok(())
}

/// Checks that a full verification, which shares no code with the writer, finds nothing. In the boot of a killed
/// process it may see more than a reader does: whole frames that the next commit will take over.
pub(crate) fn verify_clean(disk: &SimDisk, seen: Option<&Seen>) -> Result<(), String> {
    seen.map_or(Ok(()), |seen| verify_at(disk, STORE, seen))
}

fn verify_at(disk: &SimDisk, path: &str, seen: &Seen) -> Result<(), String> {
    let files: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = verify::Options { threads: 1, ..verify::Options::default() };
    let report =
        verify::verify(&files, Path::new(path), &options).map_err(|error| format!("verify: {error}"))?;
    if let Some(finding) = report.findings.first() {
        return Err(format!("verify: {finding}"));
    }
    let len = seen.records.len() as u64;
    let (same, more) = (report.root == Some(seen.root), disk.boot() == 0 && report.tree_size > len);
    if !(more || same && report.tree_size == len) {
        return Err(format!("verify sees {} records, a reader {len}", report.tree_size));
    }
    Ok(())
}

/// Checks that a backup is the whole store, or where it was not `finished`, none that opens.
pub(crate) fn check_copy(disk: &SimDisk, known: &Known<'_>, finished: bool) -> Result<(), String> {
    let store = match Store::open(COPY, options(disk)) {
        Ok(store) => store,
        Err(_) if !finished => return Ok(()),
        Err(error) => return Err(format!("the copy: {error}")),
    };
    let seen = see(&store)?;
    judge(&seen, known).map_err(|error| format!("the copy: {error}"))?;
    verify_at(disk, COPY, &seen).map_err(|error| format!("the copy: {error}"))
}

/// The store's files that are more than hints.
fn evidence(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let hints = ["head", "lock", "open", "gate"];
    let mut files = disk.files();
    files.retain(|(path, _)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Whoever asks writes the caches that it missed.
        let cache = name.contains(".part-") || path.starts_with(Path::new(STORE).join("dir"));
        path.starts_with(Path::new(STORE)) && !hints.contains(&&*name) && !cache
    });
    files
}

/// Checks that opening the store once more, in the same boot and in the next, changes nothing.
pub(crate) fn open_again(disk: &SimDisk, known: &Known<'_>, seen: Option<&Seen>) -> Result<(), String> {
    let before = evidence(disk);
    let again = open_and_check(disk, known).map_err(|error| format!("second open: {error}"))?;
    if again.as_ref() != seen {
        return Err("the second open shows another store".to_owned());
    }
    let after = evidence(disk);
    if before != after {
        let names = |files: &[(PathBuf, Vec<u8>)]| {
            files
                .iter()
                .map(|(path, bytes)| format!("{}={}", path.display(), bytes.len()))
                .collect::<Vec<_>>()
        };
        return Err(format!("the second open changed {:?} to {:?}", names(&before), names(&after)));
    }
    Ok(())
}

/// Appends to a recovered store, closes it, and finds everything again.
pub(crate) fn go_on(disk: &SimDisk, seen: Option<&Seen>) -> Result<(), String> {
    let Some(seen) = seen else { return Ok(()) };
    let error = |what: &'static str| move |error: Error| format!("after recovery: {what}: {error}");
    let store = Store::open(STORE, options(disk)).map_err(error("open"))?;
    let receipt = store.append(br#"{"event_id":"after"}"#).map_err(error("append"))?;
    store.seal().map_err(error("seal"))?;
    store.close().map_err(error("close"))?;
    let store = Store::open(STORE, options(disk)).map_err(error("open again"))?;
    let now = see(&store)?;
    if now.records.get(..seen.records.len()) != Some(&seen.records[..]) {
        return Err("after recovery: appending changed what was there".to_owned());
    }
    match now.records.get(receipt.seq as usize) {
        Some(record) if record.body == br#"{"event_id":"after"}"# => Ok(()),
        _ => Err("after recovery: the new event is not there".to_owned()),
    }
}
