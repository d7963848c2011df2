//! The log under a sidecar: its frames, each checked against its checksum before the first use of a byte in it.
//!
//! The log of a sealed segment is mapped; that of the active one grows and is read into memory, as is one that comes from
//! the archive: a frame at a time, or of a frame of the active one that was checked before, a record. A pack has no frames
//! as they lie: its blocks are unpacked, each with its own checksum.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Trouble;
use crate::Seq;
use crate::disk::{File, Mapped};
use crate::error::{Error, Fault};
use crate::format::frame;
use crate::format::sidecar::FramePlace;
use crate::log::files::LogFile;
use crate::log::lock;
use crate::log::pack::Pack;
use crate::segment::Located;

/// How many records of a frame in a row are read by themselves.
const SINGLY_MAX: u64 = 6;
/// How many frames of a log that is read are kept in memory.
const FRAMES_KEPT: usize = 8;

/// A segment's log.
#[derive(Debug)]
pub(super) enum LogText {
    Sealed {
        bytes: Mapped,
        checked: Checked,
    },
    Packed(Arc<Pack>),
    /// Of the active segment, or brought back from the archive.
    Read {
        log: Arc<LogFile>,
        sealed: bool,
        checked: Checked,
        /// The frames read last, by their positions.
        kept: Mutex<VecDeque<(u64, Mapped)>>,
        singly: Singly,
    },
}

/// The frame of which records were read by themselves last, and how many in a row.
#[derive(Debug, Default)]
pub(super) struct Singly(AtomicU64);

impl Singly {
    /// Whether one more record of the frame had better be read by itself: to read all of the frame takes as long as to
    /// read a few records.
    fn add(&self, index: u32) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let count = if last >> 32 == u64::from(index) { (last & u64::from(u32::MAX)) + 1 } else { 1 };
        self.0.store(u64::from(index) << 32 | count, Ordering::Relaxed);
        count <= SINGLY_MAX
    }
}

/// A bit for each frame whose checksum was found right.
#[derive(Debug)]
pub(super) struct Checked(Vec<AtomicU64>);

impl Checked {
    fn new(frame_count: u32) -> Checked {
        Checked((0..frame_count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    fn has(&self, index: u32) -> bool {
        let word = self.0.get(index as usize / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (index % 64) & 1 == 1)
    }

    fn add(&self, index: u32) {
        if let Some(word) = self.0.get(index as usize / 64) {
            word.fetch_or(1 << (index % 64), Ordering::Relaxed);
        }
    }
}

/// A frame as a sidecar names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameAt {
    pub(super) index: u32,
    pub(super) first_seq: Seq,
    pub(super) place: FramePlace,
}

impl LogText {
    pub(super) fn sealed(bytes: Mapped, frame_count: u32) -> LogText {
        LogText::Sealed { bytes, checked: Checked::new(frame_count) }
    }

    pub(super) fn read(log: Arc<LogFile>, sealed: bool, frame_count: u32) -> LogText {
        let checked = Checked::new(frame_count);
        LogText::Read { log, sealed, checked, kept: Mutex::default(), singly: Singly::default() }
    }

    /// Whether the log is a sealed segment's.
    pub(super) fn is_sealed(&self) -> bool {
        !matches!(self, LogText::Read { sealed: false, .. })
    }

    /// Whether it has no frames as they lie.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self, LogText::Packed(_))
    }

    /// Whether it must be brought back from an archive.
    pub(super) fn is_archived(&self) -> bool {
        matches!(self, LogText::Read { log, .. } if log.archived.is_some())
    }

    /// Whether the whole log lies in memory, to be searched as it lies.
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self, LogText::Sealed { .. })
    }

    /// The whole log, where it is mapped.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            LogText::Sealed { bytes, .. } => bytes,
            LogText::Packed(_) | LogText::Read { .. } => &[],
        }
    }

    /// Where a record lies that a sidecar locates in a frame: in the mapped log, or in the bytes that it was read into.
    #[inline(always)]
    pub(super) fn record(
        &self,
        offset: u32,
        first_seq: Seq,
        located: &Located,
    ) -> Result<(Option<Mapped>, Range<usize>), Trouble> {
        // Nearly always it is so.
        if let LogText::Sealed { checked, .. } = self
            && checked.has(located.frame_index)
        {
            let start = usize::try_from(located.record_at).unwrap_or(usize::MAX);
            return Ok((None, start..start.saturating_add(located.record_len as usize)));
        }
        self.record_read(offset, first_seq, located)
    }

    fn record_read(
        &self,
        offset: u32,
        first_seq: Seq,
        located: &Located,
    ) -> Result<(Option<Mapped>, Range<usize>), Trouble> {
        if let LogText::Packed(pack) = self {
            let (bytes, at) = pack.record(offset)?;
            return Ok((Some(bytes), at));
        }
        let Located { frame_index: index, frame: place, record_at, record_len } = *located;
        if let LogText::Read { log, checked, kept, singly, .. } = self
            && checked.has(index)
            && log.archived.is_none()
            && kept_frame(kept, place.position).is_none()
            && singly.add(index)
        {
            let mut bytes = vec![0; record_len as usize];
            log.file.read_exact_at(&mut bytes, record_at).map_err(Error::io("read", &log.path))?;
            return Ok((Some(Mapped::heap(bytes)), 0..record_len as usize));
        }
        let (bytes, start) = self.frame(FrameAt { index, first_seq, place })?;
        let start = start + (record_at - place.position) as usize;
        Ok((bytes, start..start + record_len as usize))
    }

    /// Gives back the frames that an archive gave: of many segments they would be many.
    pub(super) fn let_go(&self) {
        if let LogText::Read { log, kept, .. } = self
            && log.archived.is_some()
        {
            lock(kept).clear();
        }
    }

    /// Where a frame begins: in the mapped log, or in the bytes that it was read into.
    pub(super) fn frame(&self, at: FrameAt) -> Result<(Option<Mapped>, usize), Trouble> {
        let len = frame::FRAME_HEADER_LEN + at.place.payload_len as usize;
        if len > frame::FRAME_HEADER_LEN + frame::PAYLOAD_LEN_MAX {
            let (max, found) = (format_args!("at most {}", frame::PAYLOAD_LEN_MAX), at.place.payload_len);
            return Err(Fault::damaged(at.place.position, "frame payload length", max, found).into());
        }
        match self {
            LogText::Packed(pack) => {
                let mut bytes = vec![0; len];
                let file: &dyn File = &**pack;
                let read =
                    file.read_up_to(&mut bytes, at.place.position).map_err(Error::io("read", pack.path()))?;
                bytes.truncate(read);
                at.check(&bytes)?;
                Ok((Some(Mapped::heap(bytes)), 0))
            }
            LogText::Sealed { bytes, checked, .. } => {
                let start = usize::try_from(at.place.position).unwrap_or(usize::MAX);
                if !checked.has(at.index) {
                    at.check(bytes.get(start..start.saturating_add(len)).unwrap_or_default())?;
                    checked.add(at.index);
                }
                Ok((None, start))
            }
            LogText::Read { log, checked, kept, .. } => {
                let position = at.place.position;
                if let Some(bytes) = kept_frame(kept, position) {
                    return Ok((Some(bytes), 0));
                }
                let mut bytes = vec![0; len];
                let read = log.file.read_up_to(&mut bytes, position).map_err(Error::io("read", &log.path))?;
                bytes.truncate(read);
                // What an archive gives may be another file each time.
                if bytes.len() < len || log.archived.is_some() || !checked.has(at.index) {
                    at.check(&bytes)?;
                    checked.add(at.index);
                }
                let bytes = Mapped::heap(bytes);
                let mut kept = lock(kept);
                kept.truncate(FRAMES_KEPT - 1);
                kept.push_front((position, bytes.clone()));
                Ok((Some(bytes), 0))
            }
        }
    }
}

fn kept_frame(kept: &Mutex<VecDeque<(u64, Mapped)>>, position: u64) -> Option<Mapped> {
    lock(kept).iter().find(|(known, _)| *known == position).map(|(_, bytes)| bytes.clone())
}

impl FrameAt {
    /// Checks the frame's checksum, and that it is the one that the sidecar speaks of.
    fn check(&self, bytes: &[u8]) -> Result<(), Fault> {
        let (header, _) = frame::decode(bytes).map_err(|fault| fault.shifted(self.place.position))?;
        let found = (header.first_seq, header.payload_len, header.received_at);
        let expected = (self.first_seq, self.place.payload_len, self.place.received_at);
        if found == expected {
            Ok(())
        } else {
            let (expected, found) = (format_args!("{expected:?}"), format_args!("{found:?}"));
            Err(Fault::damaged(self.place.position, "frame of the sidecar", expected, found))
        }
    }
}
