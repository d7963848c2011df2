//! Where the records of a segment stand in its log file.

use std::ops::Range;

use crate::Timestamp;
use crate::format::frame::FRAME_HEADER_LEN;
use crate::format::sidecar::FramePlace;

/// Where the frames and records of a segment stand, noted down as they are written or scanned.
#[derive(Debug, Clone, Default)]
pub struct Locator {
    pub(super) frames: Vec<FramePlace>,
    /// By offset: where the record's header stands, counted from its frame's start.
    pub(super) records: Vec<u32>,
    next: u32,
}

impl Locator {
    /// A locator of no records.
    pub fn new() -> Self {
        Locator::default()
    }

    /// Begins a frame of records: its header stands at `position` in the file and says the rest. Close frames
    /// are left out.
    pub fn frame(&mut self, position: u64, payload_len: u32, received_at: Timestamp) {
        let first_offset = self.records.len() as u32;
        self.frames.push(FramePlace { first_offset, payload_len, position, received_at });
        self.next = FRAME_HEADER_LEN as u32;
    }

    /// The next record of that frame takes `encoded_len` bytes
    /// ([`FrameRecord::encoded_len`](crate::format::frame::FrameRecord::encoded_len)).
    pub fn record(&mut self, encoded_len: usize) {
        self.records.push(self.next);
        self.next = self.next.saturating_add(encoded_len as u32);
    }

    /// Where the records at `offsets`, which begin and end with whole frames, stand.
    pub(super) fn slice(&self, offsets: Range<u32>) -> Places<'_> {
        let before = |bound: u32| self.frames.partition_point(|frame| frame.first_offset < bound);
        let frames = &self.frames[before(offsets.start)..before(offsets.end)];
        let rebased =
            |frame: &FramePlace| FramePlace { first_offset: frame.first_offset - offsets.start, ..*frame };
        let frames = frames.iter().map(rebased).collect();
        Places { frames, records: &self.records[offsets.start as usize..offsets.end as usize] }
    }

    /// The offsets of the records whose frames begin in `stretch`, byte offsets in the log file.
    pub(crate) fn offsets_in(&self, stretch: &Range<u64>) -> Range<u32> {
        let before = |bound: u64| {
            let index = self.frames.partition_point(|frame| frame.position < bound);
            self.frames.get(index).map_or(self.record_count(), |frame| frame.first_offset)
        };
        before(stretch.start)..before(stretch.end)
    }

    /// Where the frame begins that holds the record at `offset`.
    pub(crate) fn frame_at(&self, offset: u32) -> Option<u64> {
        let index = self.frames.partition_point(|frame| frame.first_offset <= offset);
        let within = offset < self.record_count();
        within.then(|| self.frames.get(index.checked_sub(1)?)).flatten().map(|frame| frame.position)
    }

    /// Where the frames of the records below `end` end in the log file; 0 where there are none.
    pub(crate) fn end_of(&self, end: u32) -> u64 {
        let index = self.frames.partition_point(|frame| frame.first_offset < end);
        let last = index.checked_sub(1).and_then(|index| self.frames.get(index));
        last.map_or(0, |frame| frame.position + FRAME_HEADER_LEN as u64 + u64::from(frame.payload_len))
    }

    /// How many records are noted.
    pub fn record_count(&self) -> u32 {
        self.records.len() as u32
    }
}

/// A run of a locator.
pub(super) struct Places<'a> {
    /// By offsets counted from the run's first record.
    pub(super) frames: Vec<FramePlace>,
    pub(super) records: &'a [u32],
}

/// Where one record stands in its segment's log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The place of its frame among the segment's frames.
    pub frame_index: u32,
    /// The frame that holds it.
    pub frame: FramePlace,
    /// Where the record's header begins in the file, in bytes.
    pub record_at: u64,
    /// Length of the record in bytes, header and labels and body.
    pub record_len: u32,
}
