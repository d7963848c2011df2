//! The golden stores: small stores, good and bad, each with what a verification must say of it. All of them come
//! from a fixed key, clock and seed, so that making them again gives the same bytes.
//!
//! `cargo run -p indelible-tests --bin golden` writes them to `tests/golden/v1/`, and the hashes of
//! their files to `tests/golden/v1.sha256`. They are released: a change of theirs is one of the format, which takes a new
//! version and a directory of its own, or one of what a writer chooses to write, which takes the latter.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible_engine::disk::sim::SimDisk;
use indelible_engine::disk::{Disk, RealDisk};
use indelible_engine::filter::{Field, Filter, LabelRule, LabelRules, Test, Value};
use indelible_engine::format::admin::Admin;
use indelible_engine::format::frame::{self, Body, FRAME_HEADER_LEN, FrameHeader, FrameRecord};
use indelible_engine::format::log_header::LOG_HEADER_LEN;
use indelible_engine::format::retention::OperatorSet;
use indelible_engine::hash::Hash;
use indelible_engine::trust::{Algorithm, Checkpoint, Note, Signer, SigningKey, VerifierKey};
use indelible_engine::verify::{self, Report};
use indelible_engine::{
    CheckpointSigner, Document, FileSigner, Options, Result, SegmentId, Store, Timestamp,
};
use sha2::{Digest, Sha256};

/// The origin of every golden store, and the name of their key.
pub const ORIGIN: &str = "golden.example/v1";
/// Where the golden stores of this version of the format are, below the repository's root.
pub const DIR: &str = "tests/golden/v1";
/// The list of the SHA-256 of each of their files, as `sha256sum -c` reads it from their directory.
pub const LIST: &str = "tests/golden/v1.sha256";
/// The file that says what a verification must say.
pub const EXPECT: &str = "expect";

/// A golden store: its files by path, the `expect` file aside.
#[derive(Debug, Clone)]
pub struct Golden {
    /// The case's name, a directory.
    pub name: &'static str,
    /// What is stored in it, in one sentence.
    pub about: &'static str,
    /// The files below the store's directory.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The class that a verification must find; none where it is clean.
    pub class: Option<&'static str>,
}

/// The key that signs the golden checkpoints.
///
/// # Panics
/// Never: the name is a good one.
#[must_use]
pub fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [0x67; 32]).expect("a good name")
}

/// A signer without a memory: what it signs is the same each time.
struct Fixed(SigningKey);

impl CheckpointSigner for Fixed {
    fn verifier(&self) -> &VerifierKey {
        self.0.verifier()
    }

    fn sign(&self, next: &Checkpoint, _prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note> {
        next.sign(&self.0)
    }
}

/// A store on a simulated machine.
struct Making {
    disk: SimDisk,
    root: PathBuf,
    store: Store,
}

const ALLOCATE_LEN: u64 = 256;
/// What is no part of the evidence: locks, and hints that are of one boot of one machine.
const LEFT_OUT: [&str; 6] = ["lock", "gate", "open", "tiers", "head", "catalog"];

impl Making {
    fn new(seed: u64) -> Result<Self> {
        let disk = SimDisk::new(seed);
        let root = PathBuf::from("/golden");
        let options = Options::new(ORIGIN)
            .log_key(key().verifier().clone())
            .allocate_len(ALLOCATE_LEN)
            .seal_in_background(false)
            .world(disk.world());
        let store = Store::create(&root, options)?;
        Ok(Making { disk, root, store })
    }

    fn events(&self, from: u32, count: u32) -> Result<()> {
        let event = |n: u32| {
            format!(
                r#"{{"event_id":"evt_{n}","run_id":"run_{}","tenant":"acme","actor":{{"type":"agent","id":"ops-{}"}},"kind":"tool.call","policy":{{"decision":"{}"}},"ts":"2026-04-{:02}T09:30:00Z","latency_ms":{}}}"#,
                n / 5,
                n % 3,
                if n.is_multiple_of(4) { "DENY" } else { "ALLOW" },
                n % 28 + 1,
                n * 37 % 1000,
            )
            .into_bytes()
        };
        let events: Vec<Vec<u8>> = (from..from + count).map(event).collect();
        self.store.append_batch(events.iter().map(Vec::as_slice)).map(|_| ())
    }

    fn sign(&self) -> Result<()> {
        self.store.checkpoint(&Fixed(key())).map(|_| ())
    }

    /// The files as they stand, while the store is open: a machine that stopped here would leave these.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let name = |path: PathBuf| path.strip_prefix(&self.root).ok()?.to_str().map(str::to_owned);
        let files = self.disk.files().into_iter().filter_map(|(path, bytes)| Some((name(path)?, bytes)));
        files.filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect()
    }

    fn close(self) -> Result<BTreeMap<String, Vec<u8>>> {
        let Making { disk, root, store } = self;
        store.close()?;
        let name = |path: PathBuf| path.strip_prefix(&root).ok()?.to_str().map(str::to_owned);
        let files = disk.files().into_iter().filter_map(|(path, bytes)| Some((name(path)?, bytes)));
        Ok(files.filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect())
    }
}

fn log(first_seq: u64) -> String {
    format!("log/{first_seq:020}.log")
}

/// Where the frames of a log begin.
pub fn frames(log: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = LOG_HEADER_LEN;
    while let Some(Ok((header, _))) = log.get(at..).map(frame::decode) {
        starts.push(at);
        at += header.frame_len() as usize;
    }
    starts
}

/// Computes a frame's checksum anew over what stands there, where that is a frame by its lengths.
pub fn reseal(log: &mut [u8], at: usize) {
    if let Ok(header) = FrameHeader::decode(&log[at..]) {
        let end = at + header.frame_len() as usize;
        if let Some(frame) = log.get_mut(at..end) {
            header.seal(frame);
        }
    }
}

/// Changes a byte of a log's header, and computes its checksum anew.
pub fn change_header(log: &mut [u8], at: usize, byte: u8) {
    log[at] = byte;
    let crc = crc32fast::hash(&log[..LOG_HEADER_LEN - 4]);
    log[LOG_HEADER_LEN - 4..LOG_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
}

fn two_segments() -> Result<BTreeMap<String, Vec<u8>>> {
    let making = Making::new(4)?;
    making.events(0, 12)?;
    making.events(12, 3)?;
    making.sign()?;
    making.store.seal()?;
    making.events(15, 6)?;
    making.sign()?;
    making.close()
}

fn warm() -> Result<BTreeMap<String, Vec<u8>>> {
    let making = Making::new(9)?;
    making.events(0, 12)?;
    making.events(12, 3)?;
    making.store.seal()?;
    making.events(15, 6)?;
    making.store.seal()?;
    making.store.compact(SegmentId(0), &mut |_, _| true)?;
    making.events(21, 2)?;
    making.sign()?;
    making.close()
}

/// The key to which [`key`] hands over.
fn later_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [0x68; 32]).expect("a good name")
}

/// A log whose key handed over to another, and signs no more.
fn rotated() -> Result<BTreeMap<String, Vec<u8>>> {
    let making = Making::new(10)?;
    let signer = |name: &str, key| FileSigner::over(&making.disk.world(), Path::new(name), key);
    making.events(0, 4)?;
    making.sign()?;
    making.store.rotate_key(signer("/keys/1.key", key()), signer("/keys/2.key", later_key()))?;
    let later = signer("/keys/2.key", later_key());
    making.store.checkpoint(&signer("/keys/1.key", key()).and(signer("/keys/2.key", later_key())))?;
    making.events(4, 2)?;
    making.store.retire_key(key().verifier(), &later)?;
    making.store.checkpoint(&later)?;
    making.close()
}

/// The key of ML-DSA-44 that signs beside [`key`].
fn second_key() -> SigningKey {
    SigningKey::of(Algorithm::MlDsa44, ORIGIN, [0x69; 32]).expect("a good name")
}

/// A log that a second key signs too.
fn signed_twice() -> Result<BTreeMap<String, Vec<u8>>> {
    let making = Making::new(12)?;
    let signer = |name: &str, key| FileSigner::over(&making.disk.world(), Path::new(name), key);
    making.events(0, 4)?;
    making.sign()?;
    let second = signer("/keys/2.key", second_key());
    let (_, both) = making.store.rotate_key(signer("/keys/1.key", key()), second)?;
    making.events(4, 2)?;
    making.store.checkpoint(&both)?;
    making.close()
}

/// Two sealed segments, the second in the warm tier, from which some events were deleted, by a plan that two operators approved.
fn deleted() -> Result<BTreeMap<String, Vec<u8>>> {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let making = Making::new(11)?;
    making.events(0, 12)?;
    making.events(12, 3)?;
    making.store.seal()?;
    making.events(17, 6)?;
    making.store.seal()?;
    making.store.compact(SegmentId(17), &mut |_, _| true)?;
    let operators = [1, 2].map(|n| SigningKey::from_seed(&format!("operator{n}"), [n; 32]));
    let operators = operators.into_iter().collect::<Result<Vec<_>>>()?;
    let mut keys: Vec<String> = operators.iter().map(|key| key.verifier().to_string()).collect();
    keys.sort();
    let snapshot = making.store.snapshot()?;
    let now = snapshot.received_at();
    let later = Timestamp(now.0 + HOUR_NS);
    let set = OperatorSet { keys, replaces: 0, threshold: 2 };
    making.store.set_operators(&snapshot.propose(set, now, later))?;
    let snapshot = making.store.snapshot()?;
    let mut plan = snapshot.plan_redaction(&[3, 4, 9, 16, 20], "asked to", now, later)?;
    operators.iter().try_for_each(|key| plan.approve(key))?;
    making.store.apply_plan(&plan, &mut |_, _| true)?;
    making.events(15, 2)?;
    making.sign()?;
    making.close()
}

/// Lets the stub of one event name another plan.
fn forge_stub(bytes: &mut [u8]) {
    let deleted = |payload: &[u8], count: u32| {
        let mut at = 0;
        (0..count).find_map(|_| {
            let record = FrameRecord::decode(&payload[at..]).ok()?;
            at += record.encoded_len();
            matches!(record.body, Body::Deleted(_)).then_some(at)
        })
    };
    for start in frames(bytes) {
        let Ok((header, payload)) = frame::decode(&bytes[start..]) else { continue };
        if let Some(end) = deleted(payload, header.count) {
            // The plan is the last word of a stub.
            bytes[start + FRAME_HEADER_LEN + end - 8] ^= 1;
            return reseal(bytes, start);
        }
    }
}

/// A log without a checkpoint, so that a forged label is all that is wrong with it.
fn labelled() -> Result<BTreeMap<String, Vec<u8>>> {
    let making = Making::new(8)?;
    making.events(0, 2)?;
    let denied = Test::Equals(vec![Value::Word("DENY".to_owned())]);
    let when = Filter::Field(Field::Name("decision".to_owned()), denied);
    let rules = LabelRules::new(vec![LabelRule { when, labels: vec!["SOC2:CC6.1".to_owned()] }])?;
    let about = Document { name: "golden".to_owned(), text: String::new(), version: "1".to_owned() };
    making.store.set_rules(&about, &rules)?;
    making.events(2, 4)?;
    making.close()
}

/// Changes a label of the last frame that has one.
fn forge_label(bytes: &mut [u8]) {
    const LABEL: &[u8] = b"\x0aSOC2:CC6.1";
    let Some(label) = bytes.windows(LABEL.len()).rposition(|window| window == LABEL) else { return };
    let Some(frame) = frames(bytes).into_iter().rfind(|start| *start < label) else { return };
    bytes[label + LABEL.len() - 1] = b'2';
    reseal(bytes, frame);
}

/// The name of the active log of [`two_segments`].
fn last_log(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.keys().rfind(|name| name.ends_with(".log")).cloned().unwrap_or_default()
}

/// All golden stores, made anew.
///
/// # Errors
/// What the store says; it never does.
pub fn all() -> Result<Vec<Golden>> {
    let case = |name, about, class, files| Golden { name, about, files, class };
    let mut all = Vec::new();

    all.push(case("empty", "a store without events", None, Making::new(1)?.close()?));

    let one = Making::new(2)?;
    one.events(0, 1)?;
    all.push(case("one", "a store with one event", None, one.close()?));

    let many = Making::new(3)?;
    (0..8).try_for_each(|n| many.events(n * 10, n + 1))?;
    many.sign()?;
    all.push(case("many", "one segment, eight frames, a checkpoint", None, many.close()?));

    let good = two_segments()?;
    all.push(case(
        "two-segments",
        "a sealed segment with its sidecar, and an active one",
        None,
        good.clone(),
    ));

    let warm = warm()?;
    all.push(case("warm", "two sealed segments, of which the first is a pack", None, warm.clone()));
    let mut files = warm;
    let bytes = files.entry(format!("packs/{:020}.pack", 0)).or_default();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    all.push(case("damaged-pack", "one bit of a pack", Some("damaged"), files));

    let deleted = deleted()?;
    all.push(case(
        "deleted",
        "two segments, one of them a pack, from which five events were deleted",
        None,
        deleted.clone(),
    ));
    let mut files = deleted;
    forge_stub(files.entry(log(0)).or_default());
    let about = "a stub that names another plan, its checksum made good";
    all.push(case("forged-stub", about, Some("forged"), files));

    let labelled = labelled()?;
    let about = "label rules, and events from before them and from after";
    all.push(case("labelled", about, None, labelled.clone()));
    let mut files = labelled;
    forge_label(files.entry(log(0)).or_default());
    all.push(case(
        "forged-label",
        "a label that no rule gives, its checksum made good",
        Some("forged"),
        files,
    ));

    let rotated = rotated()?;
    let about = "a key that handed over to another, both for a while, and was retired";
    all.push(case("rotated", about, None, rotated.clone()));
    let mut files = rotated;
    let latest = files.entry("checkpoint".to_owned()).or_default();
    if let Ok(note) = Note::decode(latest) {
        *latest = Note::sign(note.text(), &key())?.to_string().into_bytes();
    }
    all.push(case("retired-key", "the latest checkpoint by a key that was retired", Some("forged"), files));

    let about = "checkpoints that a key of ML-DSA-44 signs beside that of Ed25519";
    all.push(case("signed-twice", about, None, signed_twice()?));

    let torn = Making::new(5)?;
    torn.events(0, 4)?;
    torn.sign()?;
    torn.events(4, 4)?;
    let mut files = torn.files();
    let bytes = files.entry(log(0)).or_default();
    if let Some(last) = frames(bytes).last() {
        bytes[last + 200..].fill(0);
    }
    all.push(case(
        "torn-tail",
        "the last frame was written in part, and nobody was told that it is there",
        None,
        files,
    ));

    let synced = Making::new(6)?;
    synced.events(0, 4)?;
    synced.events(4, 4)?;
    synced.events(8, 4)?;
    let mut files = synced.files();
    let bytes = files.entry(log(0)).or_default();
    let starts = frames(bytes);
    bytes[starts[starts.len() - 2] + 120] ^= 0x10;
    let about = "a bad frame below the length that the next one says was synced";
    all.push(case("damaged-before-synced", about, Some("damaged"), files));

    let mut files = good.clone();
    let bytes = files.entry(log(0)).or_default();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    all.push(case("bit-flip", "one bit of a sealed segment's log", Some("damaged"), files));

    let mut files = good.clone();
    let bytes = files.entry(last_log(&good)).or_default();
    let seal = LOG_HEADER_LEN + FRAME_HEADER_LEN;
    if let Some(at) = bytes[seal..].windows(8).position(|window| window == b"\"root\":\"") {
        let digit = &mut bytes[seal + at + 8];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    reseal(bytes, LOG_HEADER_LEN);
    all.push(case(
        "forged-seal",
        "a seal that states another root, its checksum made good",
        Some("forged"),
        files,
    ));

    let stray = Making::new(7)?;
    stray.events(0, 3)?;
    let mut files = stray.close()?;
    add_stray_seal(files.entry(log(0)).or_default(), &good);
    all.push(case(
        "seal-at-wrong-seq",
        "a seal that is not its segment's first record",
        Some("forged"),
        files,
    ));

    let mut files = good.clone();
    for (_, bytes) in files.iter_mut().filter(|(name, _)| name.starts_with("checkpoint")) {
        change_signature(bytes);
    }
    all.push(case(
        "bad-signature",
        "checkpoints that the key did not sign",
        Some("not authenticated"),
        files,
    ));

    let mut files = good.clone();
    change_header(files.entry(log(0)).or_default(), 8, 9);
    all.push(case("unknown-read-version", "a log that this release cannot read", Some("unsupported"), files));

    let mut files = good.clone();
    change_header(files.entry(last_log(&good)).or_default(), 10, 9);
    all.push(case("unknown-write-version", "a log that this release can only read", None, files));

    let mut files = good.clone();
    change_header(files.entry(log(0)).or_default(), 1000, 1);
    all.push(case("non-zero-padding", "a reserved byte of a log's header", Some("damaged"), files));
    Ok(all)
}

/// Appends, behind the last record, a seal taken from another log.
fn add_stray_seal(bytes: &mut Vec<u8>, good: &BTreeMap<String, Vec<u8>>) {
    let other = &good[&last_log(good)];
    let seal = frame::decode(&other[LOG_HEADER_LEN..])
        .ok()
        .and_then(|(_, payload)| FrameRecord::decode(payload).ok())
        .map(|record| record.body.bytes().unwrap_or_default().to_vec())
        .filter(|body| matches!(Admin::decode(body), Ok(Admin::Sealed(_))))
        .unwrap_or_default();
    // In the place of the close frame, whose header says what comes next.
    let Some(&close) = frames(bytes).last() else { return };
    let Ok(header) = FrameHeader::decode(&bytes[close..]) else { return };
    bytes.truncate(close);
    let mut frame = vec![0; FRAME_HEADER_LEN];
    let labels = frame::Labels::default();
    FrameRecord { encoding: 0, source: 0, labels, body: Body::Whole(&seal) }.encode_into(&mut frame);
    FrameHeader { kind: frame::FrameKind::Records, count: 1, ..header }.seal(&mut frame);
    bytes.extend(frame);
}

/// Changes the last letters of a note's signature that carry all their bits.
fn change_signature(note: &mut [u8]) {
    let at = note.len() - 20;
    note[at] = if note[at] == b'A' { b'B' } else { b'A' };
}

/// What a verification of a golden store is asked for: everything, and the key.
#[must_use]
pub fn options() -> verify::Options {
    verify::Options { key: Some(key().verifier().clone()), ..verify::Options::default() }
}

/// The `expect` file's text.
#[must_use]
pub fn expect(golden: &Golden, report: &Report) -> String {
    let class = report.verdict().map_or_else(|| "clean".to_owned(), |class| class.to_string());
    let root = report.root.map_or_else(|| "none".to_owned(), |root| root.to_string());
    let checkpoint = report.checkpoint_size.map_or_else(|| "none".to_owned(), |size| size.to_string());
    format!(
        "about = \"{}\"\nclass = \"{class}\"\ntree_size = {}\nroot = \"{root}\"\nsegments = {}\ncheckpoint = \"{checkpoint}\"\n\
         key = \"{}\"\n",
        golden.about,
        report.tree_size,
        report.segments.len(),
        key().verifier(),
    )
}

/// Writes a golden store below `dir`, and has it verified there.
///
/// # Errors
/// What the disk says.
pub fn write(golden: &Golden, dir: &Path) -> std::io::Result<Report> {
    let root = dir.join(golden.name);
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    for (name, bytes) in &golden.files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&root))?;
        std::fs::write(path, bytes)?;
    }
    let report = verify_at(&root)?;
    std::fs::write(root.join(EXPECT), expect(golden, &report))?;
    Ok(report)
}

/// Verifies the golden store in a directory.
///
/// # Errors
/// Where there is no store.
pub fn verify_at(root: &Path) -> std::io::Result<Report> {
    // Stores without a checkpoint are for integrity alone.
    verify_with(root, root.join("checkpoint").exists())
}

/// Verifies the store in a directory, its checkpoints too where that is asked.
///
/// # Errors
/// Where there is no store.
pub fn verify_with(root: &Path, checkpoints: bool) -> std::io::Result<Report> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let key = checkpoints.then(|| key().verifier().clone());
    verify::verify(&disk, root, &verify::Options { key, ..options() }).map_err(std::io::Error::other)
}

/// The files below `dir` by their paths there, of all stores.
///
/// # Errors
/// Whatever reading them says.
pub fn files_below(dir: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// What [`LIST`] says of these files.
#[must_use]
pub fn list(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.iter().fold(String::new(), |mut list, (name, bytes)| {
        let hash = Hash(Sha256::digest(bytes).into());
        let _ = writeln!(list, "{hash}  {name}");
        list
    })
}
