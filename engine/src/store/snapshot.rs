//! A snapshot: the log up to one size, the same for every read that is made through it. Readers take no lock.

use std::collections::VecDeque;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, OnceLock};

use super::find::POINT_WINDOW_LEN;
use super::{Inner, Integrity, Record, Source};
use crate::answer::AsOf;
use crate::format::entry::Entry;
use crate::format::frame::{self, Body, FrameHeader, FrameRecord};
use crate::format::head::Head;
use crate::hash::{Hash, LogTree, SegmentSalt};
use crate::log::scan::FrameScan;
use crate::log::tree::{KnownNodes, LogNodes};
use crate::log::views::View;
use crate::log::{Catalog, SealedPlace};
use crate::merkle::{self, Frontier};
use crate::{Error, Result, SegmentId, Seq, Timestamp};

/// The log up to one size.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) inner: Arc<Inner>,
    pub(super) head: Arc<Head>,
    pub(super) catalog: Arc<Catalog>,
    views: Arc<OnceLock<Arc<[View]>>>,
    as_of: Arc<OnceLock<Arc<AsOf>>>,
    known: Arc<KnownNodes>,
}

/// A segment as a snapshot sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id: the seq of its first record.
    pub id: SegmentId,
    /// The seq after its last record.
    pub end_seq: Seq,
    /// Length of its log in bytes.
    pub log_len: u64,
    /// Whether it is sealed, or still being written.
    pub sealed: bool,
}

impl Snapshot {
    pub(super) fn new(inner: &Arc<Inner>) -> Result<Self> {
        // A seal between the two reads makes the catalog newer than the head: then read both again.
        let mut attempts = 0;
        loop {
            let head = inner.log.head()?;
            match inner.log.catalog(&head) {
                Ok(catalog) => {
                    let (inner, head) = (Arc::clone(inner), Arc::new(head));
                    return Ok(Snapshot {
                        inner,
                        head,
                        catalog,
                        views: Arc::default(),
                        as_of: Arc::default(),
                        known: Arc::default(),
                    });
                }
                Err(_) if attempts < 3 && inner.log.head()?.generation != head.generation => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// How many records the log has: the next one's seq.
    pub fn tree_size(&self) -> u64 {
        self.head.next_seq
    }

    /// The root of the log's tree at that size.
    pub fn root(&self) -> Hash {
        Frontier::from_parts(self.head.next_seq, self.head.frontier.clone())
            .map_or(Hash::ZERO, |frontier: Frontier| frontier.root())
    }

    /// When the last record was committed.
    pub fn received_at(&self) -> Timestamp {
        self.head.received_at
    }

    /// All segments, in order; the last is the active one.
    pub fn segments(&self) -> impl Iterator<Item = SegmentInfo> + '_ {
        let sealed = self.catalog.sealed.iter().map(|place: &SealedPlace| SegmentInfo {
            id: SegmentId(place.first_seq),
            end_seq: place.end_seq,
            log_len: place.log_len,
            sealed: true,
        });
        sealed.chain(std::iter::once(SegmentInfo {
            id: self.head.active,
            end_seq: self.head.next_seq,
            log_len: self.head.written_len,
            sealed: false,
        }))
    }

    /// The seqs of the store's own records, in order. Those that say that an artifact was put are left out: there may be as
    /// many of them as events.
    pub fn store_records(&self) -> impl Iterator<Item = Seq> + '_ {
        self.catalog.admin.iter().map(|place| place.seq).filter(|seq| *seq < self.head.next_seq)
    }

    /// The profile version that entries call `seq`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no such version is registered.
    pub fn source(&self, seq: Seq) -> Result<Source> {
        self.inner.log.source(&self.catalog, seq).map(Source)
    }

    /// All registered profile versions, in the order in which they were registered.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn sources(&self) -> Result<Vec<Source>> {
        Ok(self.inner.log.all_sources(&self.catalog)?.into_iter().map(Source).collect())
    }

    /// The records of a range of seqs, in order; what is past the end is left out.
    pub fn records(&self, seqs: impl RangeBounds<Seq>) -> Records {
        Records::new(self, self.clamp(seqs), false)
    }

    /// The same, each with what ties it into the log. This hashes every event that it passes.
    pub fn records_with_integrity(&self, seqs: impl RangeBounds<Seq>) -> Records {
        Records::new(self, self.clamp(seqs), true)
    }

    /// One record.
    ///
    /// # Errors
    /// [`Error::NotFound`] past the end.
    pub fn record(&self, seq: Seq) -> Result<Record> {
        let missing = || Error::NotFound { what: "record", name: seq.to_string() };
        let mut records = Records::new(self, self.clamp(seq..=seq), false);
        records.window_len = POINT_WINDOW_LEN;
        records.next().ok_or_else(missing)?
    }

    /// The seqs of the events with this id, in order.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn find_event(&self, id: &[u8]) -> Result<Vec<Seq>> {
        self.inner.find_event(&self.head, id, usize::MAX)
    }

    /// The snapshot's records as runs, each with its index: see [`View`].
    pub(super) fn views(&self) -> Result<Arc<[View]>> {
        if let Some(views) = self.views.get() {
            return Ok(Arc::clone(views));
        }
        let views = self.inner.log.views(&self.head, &self.catalog)?;
        self.inner.write_caches_if_due();
        Ok(Arc::clone(self.views.get_or_init(|| views)))
    }

    /// The root of the tree when it had `size` records.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it has fewer.
    pub fn root_at(&self, size: u64) -> Result<Hash> {
        if size > self.head.next_seq {
            return Err(Error::NotFound { what: "tree size", name: size.to_string() });
        }
        if size == self.head.next_seq {
            return Ok(self.root());
        }
        merkle::root_at::<LogTree, _>(&self.nodes()?, size)
    }

    /// A proof that the record at `seq` is in the tree of the first `size` records: RFC 6962, section 2.1.1.
    ///
    /// # Errors
    /// [`Error::NotFound`] where `seq` is not below `size`, or `size` is past the end.
    pub fn inclusion_proof(&self, seq: Seq, size: u64) -> Result<Vec<Hash>> {
        if size > self.head.next_seq || seq >= size {
            let name = format!("{seq} in the tree of {size}");
            return Err(Error::NotFound { what: "record", name });
        }
        merkle::inclusion_proof::<LogTree, _>(&self.nodes()?, seq, size)
    }

    /// A proof that the tree of `old` records is a prefix of this snapshot's: RFC 6962, section 2.1.2.
    ///
    /// # Errors
    /// [`Error::NotFound`] where `old` is past the end.
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>> {
        if old > self.head.next_seq {
            return Err(Error::NotFound { what: "tree size", name: old.to_string() });
        }
        merkle::consistency_proof::<LogTree, _>(&self.nodes()?, old, self.head.next_seq)
    }

    /// The nodes of the log's tree.
    pub(super) fn nodes(&self) -> Result<LogNodes<'_>> {
        LogNodes::new(&self.inner.log, &self.head, Arc::clone(&self.known))
    }

    /// A record of a sealed segment, read where its sidecar has it, without its frame's checksum: for who sees by its leaf
    /// whether it is that record. Nothing where that cannot be; then its frame is to be read.
    pub(super) fn record_in_place(&self, seq: Seq) -> Option<Record> {
        let id = SegmentId(self.catalog.sealed_at(seq)?.first_seq);
        let files = &self.inner.log.files;
        let log = files.log(id).ok()?;
        let sidecar = files.sidecar_of(&log)?;
        let located = sidecar.locate(sidecar.offset_of(seq)?).ok()??;
        let mut bytes = vec![0; usize::try_from(located.record_len).ok()?];
        log.file.read_exact_at(&mut bytes, located.record_at).ok()?;
        let record = FrameRecord::decode(&bytes).ok()?;
        (record.encoded_len() == bytes.len())
            .then(|| record_of(seq, located.frame.received_at, &record, id, None))
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// What a question is put to, made once.
    pub(super) fn as_of(&self) -> Result<Arc<AsOf>> {
        if let Some(as_of) = self.as_of.get() {
            return Ok(Arc::clone(as_of));
        }
        let Inner { log, opened, .. } = &*self.inner;
        let (head, catalog) = (Arc::clone(&self.head), Arc::clone(&self.catalog));
        let as_of = AsOf::new(Arc::clone(log), head, catalog, self.views()?, Arc::clone(opened));
        Ok(Arc::clone(self.as_of.get_or_init(|| Arc::new(as_of))))
    }

    fn clamp(&self, seqs: impl RangeBounds<Seq>) -> Range<Seq> {
        let start = match seqs.start_bound() {
            Bound::Included(&seq) => seq,
            Bound::Excluded(&seq) => seq.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match seqs.end_bound() {
            Bound::Included(&seq) => seq.saturating_add(1),
            Bound::Excluded(&seq) => seq,
            Bound::Unbounded => Seq::MAX,
        };
        start..end.min(self.head.next_seq).max(start)
    }
}

/// Reads records in order, a frame at a time.
#[derive(Debug)]
pub struct Records {
    snapshot: Snapshot,
    seqs: Range<Seq>,
    integrity: bool,
    window_len: usize,
    open: Option<OpenSegment>,
    ready: VecDeque<Record>,
    failed: bool,
}

#[derive(Debug)]
struct OpenSegment {
    id: SegmentId,
    end_seq: Seq,
    salt: SegmentSalt,
    scan: FrameScan,
}

impl Records {
    fn new(snapshot: &Snapshot, seqs: Range<Seq>, integrity: bool) -> Self {
        Records {
            snapshot: snapshot.clone(),
            seqs,
            integrity,
            window_len: usize::MAX,
            open: None,
            ready: VecDeque::new(),
            failed: false,
        }
    }

    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && self.seqs.start < self.seqs.end {
            if self.open.as_ref().is_none_or(|open| open.end_seq <= self.seqs.start) {
                self.open = Some(self.open_segment(self.seqs.start)?);
            }
            let Some(open) = &mut self.open else { return Ok(()) };
            let (id, salt) = (open.id, open.salt);
            let Some((at, header, payload)) = open.scan.next()? else {
                let missing = self.seqs.start.to_string();
                return Err(Error::NotFound { what: "record", name: missing });
            };
            if header.first_seq + u64::from(header.count) <= self.seqs.start {
                continue;
            }
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&self.snapshot.inner.log.layout.log(id)))?;
            push_frame(&header, &records, id, &salt, &self.seqs, self.integrity, &mut self.ready);
            self.seqs.start = (header.first_seq + u64::from(header.count)).min(self.seqs.end);
        }
        Ok(())
    }

    fn open_segment(&self, seq: Seq) -> Result<OpenSegment> {
        let Snapshot { inner, head, catalog, .. } = &self.snapshot;
        let (id, end_seq) = match catalog.sealed_at(seq) {
            Some(place) => (SegmentId(place.first_seq), place.end_seq),
            None => (head.active, head.next_seq),
        };
        let (log, at, end) = inner.locate(head, id, seq)?;
        // Of a segment in an archive the frames with the store's own records are here: then no more is read.
        let kept = log.archived.as_ref().and_then(|archived| archived.frame(at)).filter(|bytes| {
            let header = FrameHeader::decode(bytes);
            header.is_ok_and(|header| self.seqs.end <= header.first_seq + u64::from(header.count))
        });
        let end = kept.map_or(end, |bytes| at + bytes.len() as u64);
        let scan = FrameScan::new(&log.file, &log.path, at, end).with_window(self.window_len);
        Ok(OpenSegment { id, end_seq, salt: log.header.salt, scan })
    }
}

fn push_frame(
    header: &FrameHeader,
    records: &[FrameRecord<'_>],
    segment: SegmentId,
    salt: &SegmentSalt,
    seqs: &Range<Seq>,
    integrity: bool,
    ready: &mut VecDeque<Record>,
) {
    let (mut predecessor, mut scratch) = (header.predecessor, Vec::new());
    for (seq, record) in (header.first_seq..).zip(records) {
        let tied = integrity.then(|| {
            let body_hash = record.body.hash(salt, seq);
            let entry = Entry::of(header, seq, record, predecessor, body_hash);
            predecessor = entry.leaf(&mut scratch);
            Integrity::of(&entry, predecessor)
        });
        if seqs.contains(&seq) {
            ready.push_back(record_of(seq, header.received_at, record, segment, tied));
        }
    }
}

fn record_of(
    seq: Seq,
    received_at: Timestamp,
    record: &FrameRecord<'_>,
    segment: SegmentId,
    integrity: Option<Integrity>,
) -> Record {
    Record {
        seq,
        received_at,
        source: record.source,
        encoding: record.encoding,
        labels: record.labels.iter().map(str::to_owned).collect(),
        body: record.body.bytes().unwrap_or_default().to_vec(),
        deleted: match record.body {
            Body::Deleted(stub) => Some(stub),
            _ => None,
        },
        own_salt: match record.body {
            Body::Salted(salt, _) => Some(salt),
            _ => None,
        },
        segment,
        integrity,
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.ready.is_empty()
            && let Err(error) = self.fill()
        {
            self.failed = true;
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}
