//! The log under a sidecar: its frames, each checked against its checksum before the first use of a byte in it.
//!
//! The log of a sealed segment is mapped; that of the active one grows and is read into memory, a frame at a time, as
//! is one that comes from the archive. A pack has no frames as they lie: its blocks are unpacked, each with its own checksum.

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

/// How many frames of a growing log are kept in memory.
const FRAMES_KEPT: usize = 8;

/// A segment's log.
#[derive(Debug)]
pub(super) enum LogText {
    Sealed {
        bytes: Mapped,
        /// A bit for each frame whose checksum was found right.
        checked: Vec<AtomicU64>,
    },
    Packed(Arc<Pack>),
    /// Of the active segment, or brought back from the archive.
    Read {
        log: Arc<LogFile>,
        sealed: bool,
        /// The frames read last, by their positions.
        kept: Mutex<VecDeque<(u64, Mapped)>>,
    },
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
        let checked = (0..frame_count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        LogText::Sealed { bytes, checked }
    }

    pub(super) fn read(log: Arc<LogFile>, sealed: bool) -> LogText {
        LogText::Read { log, sealed, kept: Mutex::default() }
    }

    /// Whether the log is a sealed segment's.
    pub(super) fn is_sealed(&self) -> bool {
        !matches!(self, LogText::Read { sealed: false, .. })
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
    #[inline]
    pub(super) fn record(
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
        let (bytes, start) = self.frame(FrameAt { index, first_seq, place })?;
        let start = start + (record_at - place.position) as usize;
        Ok((bytes, start..start + record_len as usize))
    }

    /// Where a frame begins: in the mapped log, or in the bytes that it was read into.
    pub(super) fn frame(&self, at: FrameAt) -> Result<(Option<Mapped>, usize), Trouble> {
        let len = frame::FRAME_HEADER_LEN + at.place.payload_len as usize;
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
                let bit = 1 << (at.index % 64);
                let word = checked.get(at.index as usize / 64);
                if word.is_none_or(|word| word.load(Ordering::Relaxed) & bit == 0) {
                    at.check(bytes.get(start..start.saturating_add(len)).unwrap_or_default())?;
                    if let Some(word) = word {
                        word.fetch_or(bit, Ordering::Relaxed);
                    }
                }
                Ok((None, start))
            }
            LogText::Read { log, kept, .. } => {
                let position = at.place.position;
                if let Some((_, bytes)) = lock(kept).iter().find(|(known, _)| *known == position) {
                    return Ok((Some(bytes.clone()), 0));
                }
                let mut bytes = vec![0; len];
                let read = log.file.read_up_to(&mut bytes, position).map_err(Error::io("read", &log.path))?;
                bytes.truncate(read);
                at.check(&bytes)?;
                let bytes = Mapped::heap(bytes);
                let mut kept = lock(kept);
                kept.truncate(FRAMES_KEPT - 1);
                kept.push_front((position, bytes.clone()));
                Ok((Some(bytes), 0))
            }
        }
    }
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
