//! The active segment's index as it grows in this process's memory.
//!
//! What this process commits is fed in as it goes; what other processes committed, or what was there before, is
//! read from the log when the index is needed: to seal the segment, or to answer a query. It begins with the
//! segment, or behind index parts that were found beside the log.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::files::LogFile;
use super::scan::{self, FrameScan};
use super::sources::STORE_RECORDS;
use super::unfed::ToIndex;
use super::views::Chunk;
use super::{Catalog, Committed, Log};
use crate::format::frame::{self, Body, FrameHeader, FrameRecord};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::{self, Hash, LogTree};
use crate::index::{IndexBuilder, IndexedRecord};
use crate::merkle::Frontier;
use crate::segment::Locator;
use crate::source::{Fields, Profile};
use crate::{Result, SegmentId, Seq};

/// How many bytes of frames a commit reads at most to keep this index up to the log.
const FOLLOW_LEN: u64 = 16 << 10;

/// The index of a segment's records, from its first or a later one up to some seq.
#[derive(Debug)]
pub(crate) struct Indexer {
    segment: SegmentId,
    pub(super) builder: IndexBuilder,
    /// The tree over the leaves.
    pub(super) own: Frontier<LogTree>,
    pub(super) leaves: Vec<Hash>,
    /// The leaf of the record before the first, where frames were read or it was known from the start.
    predecessor: Option<Hash>,
    /// Where the records and frames stand in the log.
    pub(super) locator: Locator,
    /// Where its first frame begins.
    start_at: u64,
    /// Every frame that begins from here on, up to `next_at`, is in it.
    has_from: u64,
    /// Where the next frame will begin.
    next_at: u64,
    ids: EventIds,
    fields: Fields,
}

/// Places in the builder's list of event ids, by prefix: matches are checked by whoever asks.
#[derive(Debug, Default)]
struct EventIds {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Indexer {
    /// The index of a whole segment, of which nothing is read yet.
    pub(crate) fn new(segment: SegmentId) -> Self {
        Indexer { has_from: 0, ..Indexer::from(segment, segment.0, LOG_HEADER_LEN as u64) }
    }

    /// The index of a segment's records behind a run of them.
    pub(super) fn behind(segment: SegmentId, run: &Chunk) -> Self {
        let last = run.sidecar.frames().ok().and_then(Iterator::last);
        Indexer {
            predecessor: Some(run.sidecar.meta().segment_root),
            has_from: last.map_or(run.frames.end, |frame| frame.position + 1),
            ..Indexer::from(segment, run.sidecar.end_seq(), run.frames.end)
        }
    }

    /// The index of a segment's records from `first_seq` on, whose frame begins at `at`.
    pub(super) fn from(segment: SegmentId, first_seq: Seq, at: u64) -> Self {
        Indexer {
            segment,
            builder: IndexBuilder::new(first_seq),
            own: Frontier::new(),
            leaves: Vec::new(),
            predecessor: None,
            locator: Locator::default(),
            start_at: at,
            has_from: at,
            next_at: at,
            ids: EventIds::default(),
            fields: Fields::default(),
        }
    }

    pub(crate) fn segment(&self) -> SegmentId {
        self.segment
    }

    /// The seq of the first record that is indexed, if there is one.
    pub(crate) fn first_seq(&self) -> Seq {
        self.builder.first_seq()
    }

    /// The seq of the first record that is not indexed.
    pub(crate) fn next_seq(&self) -> Seq {
        self.builder.next_seq()
    }

    /// Whether all of the segment's records up to [`Indexer::next_seq`] are indexed.
    pub(super) fn is_whole(&self) -> bool {
        self.first_seq() == self.segment.0
    }

    /// Where its first frame begins in the log.
    pub(super) fn start_at(&self) -> u64 {
        self.start_at
    }

    /// Whether it has every frame that begins in a stretch of the log.
    pub(super) fn has_stretch(&self, stretch: &Range<u64>) -> bool {
        self.has_from <= stretch.start && stretch.end <= self.next_at
    }

    /// Where the next frame will begin in the log.
    pub(super) fn next_at(&self) -> u64 {
        self.next_at
    }

    /// The leaf of the record before `seq`; nothing where this index does not know it.
    pub(super) fn leaf_before(&self, seq: Seq, file: &LogFile) -> Option<Hash> {
        match seq.checked_sub(self.first_seq())? {
            0 if self.is_whole() => Some(file.header.predecessor),
            0 => self.predecessor,
            count => self.leaves.get(usize::try_from(count).ok()?.checked_sub(1)?).copied(),
        }
    }

    /// Takes in what was just committed, where it follows on what is there; otherwise it is read later.
    pub(super) fn feed(&mut self, committed: &Committed, events: &[ToIndex]) {
        if committed.segment != self.segment || committed.first_seq != self.next_seq() {
            return;
        }
        let ids: Vec<&[u8]> = events.iter().filter_map(|event| event.fields.event_id()).collect();
        let mut prefixes = hash::event_id_prefixes(&ids).into_iter();
        let mut rest = events.iter();
        for frame in &committed.frames {
            self.locator.frame(frame.at, frame.payload_len, committed.received_at);
            for event in rest.by_ref().take(frame.count as usize) {
                self.locator.record(event.encoded_len);
                self.builder.add(IndexedRecord {
                    source: event.source.seq,
                    rules: &event.source.rules,
                    encoding: 0,
                    labels: event.labels.as_labels(),
                    fields: &event.fields,
                    event_id: event.fields.event_id().and_then(|_| prefixes.next()),
                });
            }
        }
        self.take_leaves(&committed.leaves);
        self.next_at = committed.end_at;
    }

    fn take_leaves(&mut self, leaves: &[Hash]) {
        self.own.extend(leaves);
        self.leaves.extend_from_slice(leaves);
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
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&file.path))?;
            self.frame(log, catalog, file, (at, &header, &records))?;
        }
        Ok(())
    }

    /// Takes in the next frame of this segment's log: where it stands, its header and its records.
    pub(super) fn frame(
        &mut self,
        log: &Log,
        catalog: &Catalog,
        file: &LogFile,
        frame: (u64, &FrameHeader, &[FrameRecord<'_>]),
    ) -> Result<()> {
        let taken = self.take_frame(log, catalog, file, frame);
        if taken.is_err() {
            // A part of a frame would put all that comes behind it in the wrong place.
            *self = Indexer::new(self.segment);
        }
        taken
    }

    fn take_frame(
        &mut self,
        log: &Log,
        catalog: &Catalog,
        file: &LogFile,
        (at, header, records): (u64, &FrameHeader, &[FrameRecord<'_>]),
    ) -> Result<()> {
        self.next_at = at + header.frame_len();
        if header.count == 0 {
            return Ok(());
        }
        let mut leaves = Vec::with_capacity(records.len());
        scan::leaves(header, records, &file.header.salt, &mut leaves);
        self.predecessor.get_or_insert(header.predecessor);
        self.locator.frame(at, header.payload_len, header.received_at);
        for record in records {
            self.locator.record(record.encoded_len());
            self.read(log, catalog, record)?;
        }
        self.take_leaves(&leaves);
        Ok(())
    }

    fn read(&mut self, log: &Log, catalog: &Catalog, record: &FrameRecord<'_>) -> Result<()> {
        let body = match record.body {
            Body::Whole(body) | Body::Salted(_, body) => body,
            Body::Deleted(stub) => {
                self.builder.add_deleted(stub.plan);
                return Ok(());
            }
        };
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let version;
        let (profile, rules) = if record.source == 0 {
            (Profile::store_records(), &*STORE_RECORDS)
        } else {
            version = log.source(catalog, record.source)?;
            (&*version.profile, &version.rules)
        };
        profile.extract(body, &mut fields)?;
        let FrameRecord { source, encoding, labels, .. } = *record;
        let event_id = fields.event_id().map(hash::event_id_prefix);
        self.builder.add(IndexedRecord { source, rules, encoding, labels, fields: &fields, event_id });
        self.fields = fields;
        Ok(())
    }

    /// The seqs below `end` of records that may have this event id, ascending.
    pub(super) fn candidates(&mut self, id: &[u8], end: Seq) -> Vec<Seq> {
        let EventIds { table, hasher } = &mut self.ids;
        let all = &self.builder.event_ids;
        for index in table.len()..all.len() {
            let place = |index: &u32| hasher.hash_one(all[*index as usize].0);
            table.insert_unique(place(&(index as u32)), index as u32, place);
        }
        let prefix = hash::event_id_prefix(id);
        let same = table.iter_hash(hasher.hash_one(prefix)).map(|index| all[*index as usize]);
        let first_seq = self.builder.first_seq();
        let seqs = same.filter(|id| id.0 == prefix).map(|id| first_seq + u64::from(id.1));
        let mut seqs: Vec<Seq> = seqs.filter(|seq| *seq < end).collect();
        seqs.sort_unstable();
        seqs
    }
}
