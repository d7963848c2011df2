//! Finding records: a seq's frame in a log, an event by its id.

use std::sync::Arc;

use super::Inner;
use crate::format::frame;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::log::files::LogFile;
use crate::log::scan::FrameScan;
use crate::log::views::View;
use crate::log::{Catalog, lock};
use crate::source::Fields;
use crate::{Result, SegmentId, Seq};

/// How much is read at once for one record, in bytes; a longer frame is read whole all the same.
pub(super) const POINT_WINDOW_LEN: usize = 8 << 10;

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
            let end = log.len()?;
            // A sidecar that is damaged costs time: the log itself is read from its start.
            let at = self.log.files.sidecar_of(&log).and_then(|sidecar| {
                let located = sidecar.locate(sidecar.offset_of(seq)?).ok()??;
                Some(located.frame.position)
            });
            return Ok((log, at.unwrap_or(LOG_HEADER_LEN as u64), end));
        }
        let at = match self.log.active_frame(id, seq) {
            Some(at) => at,
            None => self.hop(&log, head, seq)?,
        };
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

    /// The seqs of the records, as of `head`, whose event has this id, in order; at most `count_max` of them.
    pub(super) fn find_event(&self, head: &Head, event_id: &[u8], count_max: usize) -> Result<Vec<Seq>> {
        let catalog = self.log.catalog(head)?;
        let mut found = Vec::new();
        let may_hold = self.log.may_hold_event(&catalog, event_id);
        for (view, _) in View::of_sealed(&catalog).zip(may_hold).filter(|(_, may_hold)| *may_hold) {
            let candidates = self.log.read_view(&view, &catalog, |sidecar| sidecar.find_event(event_id))?;
            for seq in candidates {
                if self.has_id(head, &catalog, view.segment, seq, event_id)? {
                    found.push(seq);
                }
            }
            if found.len() >= count_max {
                break;
            }
        }
        if found.len() < count_max {
            for seq in self.log.find_in_active(head, &catalog, event_id)? {
                if self.has_id(head, &catalog, head.active, seq, event_id)? {
                    found.push(seq);
                }
            }
        }
        found.truncate(count_max);
        Ok(found)
    }

    /// Whether the event at `seq` has this id: lookups go by a part of its hash.
    fn has_id(
        &self,
        head: &Head,
        catalog: &Catalog,
        id: SegmentId,
        seq: Seq,
        event_id: &[u8],
    ) -> Result<bool> {
        let (log, at, end) = self.locate(head, id, seq)?;
        let mut scan = FrameScan::new(&log.file, &log.path, at, end).with_window(POINT_WINDOW_LEN);
        while let Some((at, header, payload)) = scan.next()? {
            let Some(index) = seq.checked_sub(header.first_seq) else { break };
            if index >= u64::from(header.count) {
                continue;
            }
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&log.path))?;
            let Some(record) = records.get(index as usize).filter(|record| record.source != 0) else { break };
            let Some(body) = record.body.bytes() else { break };
            let mut fields = Fields::default();
            self.log.source(catalog, record.source)?.profile.extract(body, &mut fields)?;
            return Ok(fields.event_id() == Some(event_id));
        }
        Ok(false)
    }
}
