//! Index parts: sidecars of stretches of the active segment, beside its log, so that a process that comes to a long
//! segment need not read it all to answer a query.
//!
//! Part K is of the frames that begin in the K-th stretch of [`Log::part_len`] bytes of the log. So whoever writes it
//! writes the same bytes, and two who do so at once do no harm. A part proves that it belongs: it names the store
//! and the leaves before and at its end, which the frame behind it names too, and every leaf pins all before it.
//! What does not belong is left alone and removed; the log is read instead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::derived::Durable;
use super::files::LogFile;
use super::indexer::Indexer;
use super::sources::STORE_RECORDS;
use super::views::Chunk;
use super::{Catalog, Log};
use crate::disk::Mapped;
use crate::format::frame::{FRAME_HEADER_LEN, FrameHeader};
use crate::format::head::Head;
use crate::format::index::rules_digest;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::Hash;
use crate::segment::{self, PartFacts, Sidecar};
use crate::source::EXTRACTOR;
use crate::{Error, Result, SegmentId, Seq};

/// How many bytes of a log one part is of. Reading and indexing as much takes some 7 ms, which is what the first
/// query of a process may have to do beside opening the parts.
const PART_LEN_MAX: u64 = 2 << 20;
/// Segments that are short have as many parts as long ones, down to parts of this length.
const PART_LEN_MIN: u64 = 2 << 10;
/// How many parts a segment has at most.
const PART_COUNT_MAX: u64 = 32;

/// A process that only appends leaves a segment alone of which more parts than these are missing.
const CATCH_UP_COUNT: u64 = 4;

/// Where a part must begin: what the log says up to there.
struct Start {
    seq: Seq,
    at: u64,
    leaf: Hash,
}

impl Log {
    /// How many bytes of the log one part is of.
    pub(super) fn part_len(&self) -> u64 {
        (self.settings.segment_len / PART_COUNT_MAX).clamp(PART_LEN_MIN, PART_LEN_MAX)
    }

    /// Notes where a commit that made the log grow from one length to another ended a stretch.
    pub(crate) fn note_growth(&self, from: u64, to: u64) {
        if from / self.part_len() != to / self.part_len() {
            self.parts_due.store(true, Ordering::Relaxed);
        }
    }

    /// The active segment's parts that are there and belong, from its first record on without a gap.
    pub(super) fn open_parts(&self, head: &Head, catalog: &Catalog) -> Result<Vec<Chunk>> {
        let file = self.active(head)?;
        let mut start =
            Start { seq: head.active.0, at: LOG_HEADER_LEN as u64, leaf: file.header.predecessor };
        let mut parts = Vec::new();
        let part_len = self.part_len();
        for number in 0..head.written_len / part_len {
            // A stretch in which no frame begins has no part.
            if start.at >= (number + 1) * part_len {
                continue;
            }
            let Some(sidecar) = self.open_part(head, catalog, &file, number, &start) else { break };
            let meta = sidecar.meta();
            let next = Start { seq: sidecar.end_seq(), at: meta.log_len, leaf: meta.segment_root };
            parts.push(Chunk { frames: start.at..next.at, sidecar: Arc::new(sidecar), part: Some(number) });
            start = next;
        }
        Ok(parts)
    }

    fn open_part(
        &self,
        head: &Head,
        catalog: &Catalog,
        file: &LogFile,
        number: u64,
        start: &Start,
    ) -> Option<Sidecar> {
        let path = self.layout.part(head.active, number);
        let bytes = self.world.disk.map(&path).ok()?;
        let sidecar = Sidecar::open(bytes).ok().filter(|part| {
            let meta = part.meta();
            meta.is_part()
                && meta.store_id == self.store_id
                && (meta.first_seq, meta.index_root) == (start.seq, start.leaf)
                && part
                    .frames()
                    .ok()
                    .and_then(|mut frames| frames.next())
                    .is_some_and(|f| f.position >= start.at)
                && self.rules_are_ours(catalog, &meta.sources, &meta.rules)
                && ends_in_log(file, head, meta.log_len, part.end_seq(), &meta.segment_root)
        });
        if sidecar.is_none() && self.is_writable() {
            // Nobody can use it: of another store, of bytes that were cut, or damaged.
            let _ = self.world.disk.remove(&path);
        }
        sidecar
    }

    /// Whether an index was made by the rules by which this process would make it.
    fn rules_are_ours(&self, catalog: &Catalog, sources: &[(Seq, Hash)], rules: &Hash) -> bool {
        let known = sources.iter().all(|(seq, digest)| match seq {
            0 => STORE_RECORDS.digest == *digest,
            seq => self.source(catalog, *seq).is_ok_and(|version| version.rules.digest == *digest),
        });
        known && rules_digest(EXTRACTOR, sources) == *rules
    }

    /// Writes the parts of the active segment that are missing, as far as its frames are known to `indexer`'s owner
    /// or little enough to read. A cache: whatever fails is left for another time.
    pub(crate) fn write_parts(&self) -> Result<()> {
        let head = self.head()?;
        let part_len = self.part_len();
        if !self.is_writable() || head.written_len < part_len {
            return Ok(());
        }
        let catalog = self.catalog(&head)?;
        if !self.bring_up(&head, &catalog, CATCH_UP_COUNT * part_len)? {
            return Ok(());
        }
        for number in 0..head.written_len / part_len {
            let path = self.layout.part(head.active, number);
            if self.world.disk.exists(&path).map_err(Error::io("open", &path))? {
                continue;
            }
            let mut indexer = self.indexer();
            if indexer.segment() != head.active {
                // Sealed since: nobody needs the rest.
                break;
            }
            let Some(bytes) = self.encode_stretch(&mut indexer, head.active, number)? else { continue };
            drop(indexer);
            self.put_in_place(&path, Durable::No, |file, path| {
                file.write_all_at(&bytes, 0).map_err(Error::io("write", path))
            })?;
        }
        Ok(())
    }

    /// The bytes of a part; nothing where the index has not all of its frames, or there are none.
    fn encode_stretch(
        &self,
        indexer: &mut Indexer,
        segment: SegmentId,
        number: u64,
    ) -> Result<Option<Vec<u8>>> {
        let part_len = self.part_len();
        let stretch = number * part_len..(number + 1) * part_len;
        if !indexer.has_stretch(&stretch) {
            return Ok(None);
        }
        let offsets = indexer.locator.offsets_in(&stretch);
        if offsets.is_empty() {
            return Ok(None);
        }
        let first_seq = indexer.first_seq();
        let seqs = first_seq + u64::from(offsets.start)..first_seq + u64::from(offsets.end);
        self.encode_run(indexer, &*self.files.log(segment)?, seqs).map(Some)
    }

    /// The bytes of a part of the records at `seqs`, which `indexer` has.
    pub(super) fn encode_run(
        &self,
        indexer: &Indexer,
        file: &LogFile,
        seqs: std::ops::Range<Seq>,
    ) -> Result<Vec<u8>> {
        let offset = |seq: Seq| (seq - indexer.first_seq()) as u32;
        let offsets = offset(seqs.start)..offset(seqs.end);
        let facts = PartFacts {
            store_id: self.store_id,
            log_len: indexer.locator.end_of(offsets.end),
            predecessor: indexer.leaf_before(seqs.start, file).unwrap_or_default(),
            last_leaf: indexer.leaf_before(seqs.end, file).unwrap_or_default(),
            locator: &indexer.locator,
        };
        let mut bytes = Vec::new();
        segment::encode_part(&indexer.builder, offsets, &facts, &mut bytes)
            .map_err(Error::io("index", &file.path))?;
        Ok(bytes)
    }

    /// The index of the records at `seqs` in memory; no frame of theirs begins before `start_at`.
    pub(super) fn heap_chunk(
        &self,
        indexer: &Indexer,
        file: &LogFile,
        seqs: std::ops::Range<Seq>,
        start_at: u64,
    ) -> Result<Chunk> {
        let bytes = self.encode_run(indexer, file, seqs)?;
        let sidecar = Sidecar::open(Mapped::heap(bytes)).map_err(|fault| fault.in_file(&file.path))?;
        let frames = start_at..sidecar.meta().log_len;
        Ok(Chunk { frames, sidecar: Arc::new(sidecar), part: None })
    }

    /// Removes the parts of segments that are sealed.
    pub(super) fn remove_parts(&self, names: &[String], active: SegmentId) {
        for name in names {
            let segment = name.split_once(".part-").and_then(|(id, _)| id.parse().ok()).map(SegmentId);
            if segment.is_some_and(|segment| segment < active) {
                // Whoever has it open keeps it; what stays costs room until the next seal.
                let _ = self.world.disk.remove(&self.layout.log_dir().join(name));
            }
        }
    }
}

/// Whether the log goes on behind `at` from the record before `seq`, whose leaf is `leaf`.
fn ends_in_log(file: &LogFile, head: &Head, at: u64, seq: Seq, leaf: &Hash) -> bool {
    if at == head.written_len {
        return (head.next_seq, head.last_leaf) == (seq, *leaf);
    }
    let mut bytes = [0; FRAME_HEADER_LEN];
    at < head.written_len
        && file.file.read_exact_at(&mut bytes, at).is_ok()
        && FrameHeader::decode(&bytes)
            .is_ok_and(|header| (header.first_seq, header.predecessor) == (seq, *leaf))
}
