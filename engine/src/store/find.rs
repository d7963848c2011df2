//! Finding records: a seq's frame in a log, an event by its id.

use std::sync::Arc;

use super::Inner;
use crate::format::frame;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::log::files::LogFile;
use crate::log::lock;
use crate::log::scan::FrameScan;
use crate::source::{Fields, Profile};
use crate::{Error, Result, SegmentId, Seq};

/// Where the frames of the active segment begin, as far as this process has had to know.
#[derive(Debug, Default)]
pub(super) struct Hops {
    segment: Option<SegmentId>,
    /// Each frame's first seq and offset.
    frames: Vec<(Seq, u64)>,
    next_at: u64,
}

impl Inner {
    /// A segment's log, the offset of the frame that holds `seq` or of one before it, and the end of its frames.
    pub(super) fn locate(&self, head: &Head, id: SegmentId, seq: Seq) -> Result<(Arc<LogFile>, u64, u64)> {
        let log = self.log.files.log(id)?;
        if id != head.active {
            let end = log.file.len().map_err(Error::io("measure", &log.path))?;
            // A sidecar that is damaged costs time: the log itself is read from its start.
            let at = self.log.files.sidecar(id).and_then(|sidecar| {
                let located = sidecar.locate(sidecar.offset_of(seq)?).ok()??;
                Some(located.frame.position)
            });
            return Ok((log, at.unwrap_or(LOG_HEADER_LEN as u64), end));
        }
        let at = self.hop(&log, head, seq)?;
        Ok((log, at, head.written_len))
    }

    fn hop(&self, log: &LogFile, head: &Head, seq: Seq) -> Result<u64> {
        let mut hops = lock(&self.hops);
        if hops.segment != Some(log.id) {
            *hops = Hops { segment: Some(log.id), frames: Vec::new(), next_at: LOG_HEADER_LEN as u64 };
        }
        let known = hops.frames.last().is_some_and(|&(first, _)| first > seq);
        if !known {
            let mut scan = FrameScan::new(&log.file, &log.path, hops.next_at, head.written_len);
            while let Some((at, header, _)) = scan.next()? {
                hops.frames.push((header.first_seq, at));
                hops.next_at = at + header.frame_len();
                if header.first_seq > seq {
                    break;
                }
            }
        }
        let index = hops.frames.partition_point(|&(first, _)| first <= seq);
        Ok(index
            .checked_sub(1)
            .and_then(|index| hops.frames.get(index))
            .map_or(LOG_HEADER_LEN as u64, |f| f.1))
    }

    /// The first record, as of `head`, whose event has this id.
    pub(super) fn find_as_of(&self, head: &Head, id: &[u8]) -> Result<Option<Seq>> {
        let catalog = self.log.catalog(head)?;
        let mut found = Vec::new();
        for place in &catalog.sealed {
            self.find_in(head, SegmentId(place.first_seq), id, &mut found)?;
            if let Some(first) = found.first() {
                return Ok(Some(*first));
            }
        }
        self.find_in(head, head.active, id, &mut found)?;
        Ok(found.first().copied())
    }

    /// Appends the seqs of a segment's events with this id to `found`.
    pub(super) fn find_in(
        &self,
        head: &Head,
        id: SegmentId,
        event_id: &[u8],
        found: &mut Vec<Seq>,
    ) -> Result<()> {
        let candidates: Vec<Seq> = if id == head.active {
            let mut indexer = lock(&self.log.indexer);
            indexer.catch_up(&self.log, head)?;
            if indexer.segment() == id {
                indexer.candidates(event_id).iter().map(|offset| id.0 + u64::from(*offset)).collect()
            } else {
                return self.find_by_reading(head, id, event_id, None, found);
            }
        } else if let Some(Ok(seqs)) = self.log.files.sidecar(id).map(|sidecar| sidecar.find_event(event_id))
        {
            seqs
        } else {
            return self.find_by_reading(head, id, event_id, None, found);
        };
        for seq in candidates {
            self.find_by_reading(head, id, event_id, Some(seq), found)?;
        }
        Ok(())
    }

    /// Reads the record at `seq`, and keeps it if its event has this id.
    pub(super) fn confirm(
        &self,
        head: &Head,
        id: SegmentId,
        event_id: &[u8],
        seq: Seq,
        found: &mut Vec<Seq>,
    ) -> Result<()> {
        self.find_by_reading(head, id, event_id, Some(seq), found)
    }

    /// Reads the record at `only`, or all of the segment's, and keeps those whose event has this id.
    fn find_by_reading(
        &self,
        head: &Head,
        id: SegmentId,
        event_id: &[u8],
        only: Option<Seq>,
        found: &mut Vec<Seq>,
    ) -> Result<()> {
        let catalog = self.log.catalog(head)?;
        let (log, at, end) = self.locate(head, id, only.unwrap_or(id.0))?;
        let mut scan = FrameScan::new(&log.file, &log.path, at, end);
        if only.is_some() {
            scan = scan.with_window(8 << 10);
        }
        let mut fields = Fields::default();
        while let Some((at, header, payload)) = scan.next()? {
            if only.is_some_and(|seq| header.first_seq > seq) {
                break;
            }
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&log.path))?;
            for (seq, record) in (header.first_seq..).zip(&records) {
                if record.source == 0 || only.is_some_and(|only| only != seq) {
                    continue;
                }
                fields.clear();
                let version = self.log.source(&catalog, record.source)?;
                let profile: &Profile = &version.profile;
                profile.extract(record.body, &mut fields)?;
                if fields.event_id() == Some(event_id) {
                    found.push(seq);
                }
            }
            // The frame after the one that holds the record need not be read.
            if only.is_some_and(|seq| seq < header.first_seq + u64::from(header.count)) {
                break;
            }
        }
        Ok(())
    }
}
