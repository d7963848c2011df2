//! The active segment's index as it grows in this process's memory.
//!
//! What this process commits is fed in as it goes; what other processes committed, or what was there before, is
//! read from the log when the index is needed: to seal the segment, or to find an event by its id.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::files::LogFile;
use super::scan::{self, FrameScan};
use super::sources::STORE_RECORDS;
use super::{Catalog, Committed, Log};
use crate::format::frame::{self, FrameRecord};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::{Hash, LogTree};
use crate::index::{IndexBuilder, IndexedRecord};
use crate::merkle::Frontier;
use crate::segment::Locator;
use crate::source::{Fields, Profile};
use crate::store::Prepared;
use crate::{Result, SegmentId, Seq};

/// How many bytes of frames a commit reads at most to keep this index up to the log.
const FOLLOW_LEN: u64 = 16 << 10;

/// The index of one segment, up to some seq.
#[derive(Debug)]
pub(crate) struct Indexer {
    segment: SegmentId,
    pub(super) builder: IndexBuilder,
    /// The tree over the segment's own leaves.
    pub(super) own: Frontier<LogTree>,
    pub(super) leaves: Vec<Hash>,
    /// Where the records and frames stand in the log.
    pub(super) locator: Locator,
    /// Where the next frame will begin.
    next_at: u64,
    /// Event ids in the order of the log, as hashes: matches are checked by whoever asks.
    ids: Vec<(u64, u32)>,
    by_id: HashMap<u64, Vec<u32>>,
    by_id_count: usize,
    hasher: RandomState,
    fields: Fields,
}

impl Indexer {
    pub(crate) fn new(segment: SegmentId) -> Self {
        Indexer {
            segment,
            builder: IndexBuilder::new(segment.0),
            own: Frontier::new(),
            leaves: Vec::new(),
            locator: Locator::default(),
            next_at: LOG_HEADER_LEN as u64,
            ids: Vec::new(),
            by_id: HashMap::new(),
            by_id_count: 0,
            hasher: RandomState::new(),
            fields: Fields::default(),
        }
    }

    pub(crate) fn segment(&self) -> SegmentId {
        self.segment
    }

    /// The seq of the first record that is not indexed.
    pub(crate) fn next_seq(&self) -> Seq {
        self.segment.0 + self.leaves.len() as u64
    }

    /// Takes in what was just committed, where it follows on what is there; otherwise it is read later.
    pub(crate) fn feed(&mut self, committed: &Committed, events: &[&Prepared]) {
        if committed.segment != self.segment || committed.first_seq != self.next_seq() {
            return;
        }
        let mut rest = events.iter().zip(&committed.leaves);
        for frame in &committed.frames {
            self.locator.frame(frame.at, frame.payload_len, committed.received_at);
            for (event, leaf) in rest.by_ref().take(frame.count as usize) {
                self.locator.record(event.encoded_len());
                let record = IndexedRecord {
                    source: event.source.seq,
                    rules: &event.source.rules,
                    encoding: 0,
                    labels: event.labels.as_labels(),
                    fields: &event.fields,
                };
                self.push(record, *leaf);
            }
        }
        self.next_at = committed.end_at;
    }

    fn push(&mut self, record: IndexedRecord<'_>, leaf: Hash) {
        if let Some(id) = record.fields.event_id() {
            self.ids.push((self.hasher.hash_one(id), self.leaves.len() as u32));
        }
        self.own.push(leaf);
        self.leaves.push(leaf);
        self.builder.add(record);
    }

    /// Reads from the log what is not indexed yet, up to `head`. Starts anew where a later segment is active; for a
    /// `head` of an earlier one nothing is done.
    pub(crate) fn catch_up(&mut self, log: &Log, head: &Head) -> Result<()> {
        if self.segment < head.active {
            *self = Indexer::new(head.active);
        }
        if self.segment > head.active || self.next_seq() >= head.next_seq {
            return Ok(());
        }
        let catalog = log.catalog(head)?;
        let file = log.active(head)?;
        self.read_frames(log, &catalog, &file, head.written_len)
    }

    /// Catches up where little is missing: the store's own records, or a few of another process. A process that
    /// comes to a long segment leaves it to the next seal.
    pub(crate) fn follow(&mut self, log: &Log, head: &Head) -> Result<()> {
        let missing = head.written_len.saturating_sub(self.next_at);
        if self.segment == head.active && missing > 0 && missing <= FOLLOW_LEN {
            self.catch_up(log, head)?;
        }
        Ok(())
    }

    /// Reads the frames of this segment's log up to `end`, from where the last reading ended.
    pub(super) fn read_frames(
        &mut self,
        log: &Log,
        catalog: &Catalog,
        file: &LogFile,
        end: u64,
    ) -> Result<()> {
        let mut scan = FrameScan::new(&file.file, &file.path, self.next_at, end);
        while let Some((at, header, payload)) = scan.next()? {
            if header.count == 0 {
                self.next_at = at + header.frame_len();
                continue;
            }
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&file.path))?;
            let mut leaves = Vec::with_capacity(records.len());
            scan::leaves(&header, &records, &file.header.salt, &mut leaves);
            self.locator.frame(at, header.payload_len, header.received_at);
            for (record, leaf) in records.iter().zip(leaves) {
                self.locator.record(record.encoded_len());
                self.read(log, catalog, record, leaf)?;
            }
            self.next_at = at + header.frame_len();
        }
        Ok(())
    }

    fn read(&mut self, log: &Log, catalog: &Catalog, record: &FrameRecord<'_>, leaf: Hash) -> Result<()> {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let version;
        let (profile, rules) = if record.source == 0 {
            (Profile::store_records(), &*STORE_RECORDS)
        } else {
            version = log.source(catalog, record.source)?;
            (&*version.profile, &version.rules)
        };
        profile.extract(record.body, &mut fields)?;
        let FrameRecord { source, encoding, labels, .. } = *record;
        self.push(IndexedRecord { source, rules, encoding, labels, fields: &fields }, leaf);
        self.fields = fields;
        Ok(())
    }

    /// The offsets, from the segment's first seq, of records that may have this event id.
    pub(crate) fn candidates(&mut self, id: &[u8]) -> &[u32] {
        for (hash, offset) in &self.ids[self.by_id_count..] {
            self.by_id.entry(*hash).or_default().push(*offset);
        }
        self.by_id_count = self.ids.len();
        self.by_id.get(&self.hasher.hash_one(id)).map_or(&[], Vec::as_slice)
    }
}
