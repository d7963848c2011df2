//! A small log writer of its own, for logs that the real one would never write: it seals what it is told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::format::READ_VERSION;
use crate::format::admin::{Admin, Seal};
use crate::format::entry::Entry;
use crate::format::frame::{Body, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, LabelBuf, Labels};
use crate::format::log_header::LogHeader;
use crate::hash::{self, Hash, SegmentSalt};
use crate::index::{IndexBuilder, IndexedRecord, SourceRules};
use crate::merkle::Frontier;
use crate::segment::{Locator, SegmentFacts, encode_sidecar};
use crate::source::{Fields, Profile};
use crate::trust::{Checkpoint, SigningKey};
use crate::verify::{Options, Report, verify};
use crate::{SegmentId, Seq, StoreId, Timestamp};

pub(super) const ORIGIN: &str = "test.example/log";
pub(super) const STORE_ID: StoreId = StoreId([7; 16]);

/// The store's files in the making.
pub(super) struct Maker {
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The active log.
    pub(super) log: Vec<u8>,
    pub(super) first_seq: Seq,
    pub(super) next_seq: Seq,
    pub(super) last_leaf: Hash,
    pub(super) tree: Frontier,
    pub(super) synced_len: u64,
    pub(super) frame_starts: Vec<usize>,
    /// The labels of the users' records that follow.
    pub(super) labels: Vec<&'static str>,
    sources: Vec<(Seq, SourceRules)>,
    salt: SegmentSalt,
    own: Frontier,
    leaves: Vec<Hash>,
    locator: Locator,
    index: IndexBuilder,
}

/// A record to write: its source and body.
pub(super) type NewRecord = (Seq, Vec<u8>);

pub(super) fn event(n: u64) -> Vec<u8> {
    format!(
        r#"{{"event_id":"e{n}","run_id":"run-{}","ts":"2026-04-{:02}T09:30:00Z","kind":"tool.call","latency_ms":{},"note":"{}"}}"#,
        n / 3,
        n % 28 + 1,
        n * 7 % 50,
        "x".repeat(n as usize % 90),
    )
    .into_bytes()
}

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [9; 32]).unwrap()
}

impl Maker {
    /// A log with its first record and the default profile, whose source is 1.
    pub(super) fn new() -> Self {
        Maker::of_format(READ_VERSION)
    }

    /// The same, of a log whose first record states this format.
    pub(super) fn of_format(format: u16) -> Self {
        let mut maker = Maker {
            files: Vec::new(),
            log: Vec::new(),
            first_seq: 0,
            next_seq: 0,
            last_leaf: Hash::ZERO,
            tree: Frontier::new(),
            synced_len: 0,
            frame_starts: Vec::new(),
            labels: Vec::new(),
            sources: vec![(0, Profile::store_records().rules())],
            salt: SegmentSalt([1; 32]),
            own: Frontier::new(),
            leaves: Vec::new(),
            locator: Locator::new(),
            index: IndexBuilder::new(0),
        };
        maker.begin();
        let created = Admin::Created {
            forked_from: None,
            format,
            log_key: Some(crate::trust::Signer::verifier(&key()).to_string()),
            origin: ORIGIN.to_owned(),
            retention: "forever".to_owned(),
            store_id: STORE_ID.to_string(),
        };
        maker.frame(&[(0, created.encode())]);
        let profile = Profile::evidence();
        let source = Admin::Source { name: profile.name().to_owned(), profile: profile.text().to_owned() };
        maker.frame(&[(0, source.encode())]);
        maker.sources.push((1, profile.rules()));
        maker
    }

    fn header(&self) -> LogHeader {
        LogHeader {
            store_id: STORE_ID,
            first_seq: self.next_seq,
            created_at: Timestamp(1),
            predecessor: self.last_leaf,
            salt: self.salt,
            rewritten_by: 0,
            frontier: self.tree.hashes().to_vec(),
        }
    }

    fn begin(&mut self) {
        self.salt = SegmentSalt([self.next_seq as u8 + 1; 32]);
        self.log = self.header().encode().to_vec();
        self.first_seq = self.next_seq;
        self.frame_starts = Vec::new();
        self.synced_len = 0;
        self.own = Frontier::new();
        self.leaves = Vec::new();
        self.locator = Locator::new();
        self.index = IndexBuilder::new(self.next_seq);
    }

    /// Appends a frame of these records, synced.
    pub(super) fn frame(&mut self, records: &[NewRecord]) {
        let at = self.log.len();
        let mut frame = vec![0; FRAME_HEADER_LEN];
        let received_at = Timestamp(1_000 + self.next_seq as i64);
        let header = FrameHeader {
            kind: if records.is_empty() { FrameKind::Close } else { FrameKind::Records },
            payload_len: 0,
            count: records.len() as u32,
            first_seq: self.next_seq,
            received_at,
            synced_len: self.synced_len,
            predecessor: self.last_leaf,
        };
        let mut lens = Vec::new();
        for (source, body) in records {
            let labels = self.labels(*source);
            let labels = labels.as_labels();
            let record = FrameRecord { encoding: 0, source: *source, labels, body: Body::Whole(body) };
            record.encode_into(&mut frame);
            lens.push(record.encoded_len());
            let entry = Entry {
                encoding: 0,
                source: *source,
                seq: self.next_seq,
                received_at,
                body_len: body.len() as u32,
                labels,
                predecessor: self.last_leaf,
                body_hash: hash::body(&self.salt.record(self.next_seq), body),
            };
            self.last_leaf = entry.leaf(&mut Vec::new());
            self.tree.push(self.last_leaf);
            self.own.push(self.last_leaf);
            self.leaves.push(self.last_leaf);
            self.add_to_index(*source, labels, body);
            self.next_seq += 1;
        }
        if !records.is_empty() {
            self.locator.frame(at as u64, (frame.len() - FRAME_HEADER_LEN) as u32, received_at);
            lens.into_iter().for_each(|len| self.locator.record(len));
        }
        header.seal(&mut frame);
        self.frame_starts.push(at);
        self.log.extend(frame);
        self.synced_len = self.log.len() as u64;
    }

    fn labels(&self, source: Seq) -> LabelBuf {
        let mut labels = LabelBuf::default();
        if source != 0 {
            self.labels.iter().for_each(|label| labels.push(label).unwrap());
        }
        labels
    }

    fn add_to_index(&mut self, source: Seq, labels: Labels<'_>, body: &[u8]) {
        let mut fields = Fields::default();
        let profile = if source == 0 { Profile::store_records() } else { Profile::evidence() };
        // What the profile refuses is for the verification to find.
        let _ = profile.extract(body, &mut fields);
        let rules =
            self.sources.iter().find(|(seq, _)| *seq == source).map_or(&self.sources[0].1, |(_, r)| r);
        let event_id = fields.event_id().map(hash::event_id_prefix);
        self.index.add(IndexedRecord { source, rules, encoding: 0, labels, fields: &fields, event_id });
    }

    pub(super) fn events(&mut self, count: u64) {
        let records: Vec<NewRecord> = (self.next_seq..self.next_seq + count).map(|n| (1, event(n))).collect();
        self.frame(&records);
    }

    pub(super) fn close(&mut self) {
        self.frame(&[]);
    }

    /// What a true seal over the active segment states.
    pub(super) fn true_seal(&mut self) -> Seal {
        let commitment = self.index.commitment();
        Seal {
            end_seq: self.next_seq,
            first_seq: self.first_seq,
            index_root: commitment.index_root.to_string(),
            root: self.own.root().to_string(),
            rules: commitment.rules.to_string(),
        }
    }

    /// Ends the active segment with its sidecar, and begins the next with `seal`.
    pub(super) fn seal_with(&mut self, seal: Seal) {
        let id = SegmentId(self.first_seq);
        let facts = SegmentFacts {
            store_id: STORE_ID,
            log_len: self.log.len() as u64,
            rewritten_by: 0,
            segment_root: self.own.root(),
            leaves: &self.leaves,
            locator: &self.locator,
        };
        let mut sidecar = Vec::new();
        encode_sidecar(&mut self.index, &facts, &mut sidecar).unwrap();
        self.files.push((format!("log/{}", id.file_name("log")), std::mem::take(&mut self.log)));
        self.files.push((format!("log/{}", id.file_name("idx")), sidecar));
        self.begin();
        self.frame(&[(0, Admin::Sealed(seal).encode())]);
    }

    pub(super) fn seal(&mut self) {
        let seal = self.true_seal();
        self.seal_with(seal);
    }

    /// The checkpoint over all so far, signed.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.next_seq,
            root: self.tree.root(),
            extensions: Vec::new(),
        }
    }

    pub(super) fn sign(&mut self) {
        let note = self.checkpoint().sign(&key()).unwrap().to_string().into_bytes();
        self.files.push((format!("checkpoints/{:020}", self.next_seq), note.clone()));
        self.put("checkpoint", note);
    }

    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.retain(|(other, _)| other != name);
        self.files.push((name.to_owned(), bytes));
    }

    /// All files; the active log with `room` zeros behind it.
    pub(super) fn finish(&mut self, room: usize) -> Store {
        let hints = format!("origin = \"{ORIGIN}\"\nstore_id = \"{STORE_ID}\"\n");
        self.put("indelible.toml", hints.into_bytes());
        let mut log = self.log.clone();
        log.resize(log.len() + room, 0);
        let name = format!("log/{}", SegmentId(self.first_seq).file_name("log"));
        self.put(&name, log);
        self.files.sort();
        Store { files: self.files.clone() }
    }
}

/// A store's files, to be changed and verified.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl Store {
    pub(super) fn file(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.files.iter_mut().find(|(other, _)| other == name);
        &mut found.unwrap_or_else(|| panic!("no file {name}")).1
    }

    pub(super) fn log(&mut self, first_seq: Seq) -> &mut Vec<u8> {
        let name = format!("log/{}", SegmentId(first_seq).file_name("log"));
        self.file(&name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        let before = self.files.len();
        self.files.retain(|(other, _)| other != name);
        assert_eq!(self.files.len() + 1, before, "no file {name}");
    }

    pub(super) fn disk(&self) -> (SimDisk, PathBuf) {
        let (disk, root) = (SimDisk::new(1), Path::new("/store").to_path_buf());
        for (name, bytes) in &self.files {
            disk.put(&root.join(name), bytes).unwrap();
        }
        (disk, root)
    }

    pub(super) fn verify_with(&self, options: &Options) -> Report {
        let (disk, root) = self.disk();
        let changes = disk.changes();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let report = verify(&shared, &root, options).unwrap();
        assert_eq!(disk.changes(), changes, "a verification changes nothing");
        report
    }

    pub(super) fn verify(&self) -> Report {
        self.verify_with(&Options::default())
    }
}

/// Computes a frame's checksum anew, as someone would who changed it.
pub(super) fn reseal(log: &mut [u8], at: usize) {
    let header = FrameHeader::decode(&log[at..]).unwrap();
    let end = at + header.frame_len() as usize;
    header.seal(&mut log[at..end]);
}
