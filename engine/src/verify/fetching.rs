//! A log that is in the archive, as the verifier reads it: piece by piece, each fetched anew, for what was fetched before says
//! nothing of what the archive has now. A piece that is not what was kept of it is a finding; the rest is checked like any
//! log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{ArchivedSegment, File, Retrieve};
use crate::format::kept::Kept;
use crate::format::log_header::LogHeader;
use crate::{Error, Fault, SegmentId};

/// An archived log.
#[derive(Debug)]
pub(super) struct Fetching {
    segment: ArchivedSegment,
    kept: Kept,
    retrieve: Arc<dyn Retrieve>,
    /// The piece that was fetched last, and where it begins.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl Fetching {
    pub(super) fn new(kept: Kept, header: &LogHeader, retrieve: Arc<dyn Retrieve>) -> Self {
        let segment = ArchivedSegment {
            store_id: header.store_id,
            id: SegmentId(header.first_seq),
            end_seq: kept.end_seq,
            log_len: kept.log_len,
            rewritten_by: header.rewritten_by,
            archive: kept.archive.clone(),
        };
        Fetching { segment, kept, retrieve, last: Mutex::default() }
    }

    fn fetch(&self, at: u64) -> io::Result<Vec<u8>> {
        let back = self.retrieve.retrieve(&self.segment, at, true).map_err(|error| match error {
            // What is wrong with the archive's file is wrong with the segment.
            Error::Fault { fault, .. } => io::Error::other(fault),
            other => io::Error::other(other),
        })?;
        let piece = self.kept.piece_at(at).map(|(_, piece)| piece).ok_or(io::ErrorKind::UnexpectedEof)?;
        piece.check(at, &back.bytes).map_err(io::Error::other)?;
        // What is kept here of it is read without asking the archive: it must be the same.
        for (frame_at, frame) in &self.kept.frames {
            let start = frame_at.checked_sub(at).and_then(|start| usize::try_from(start).ok());
            let of_piece = start.and_then(|start| back.bytes.get(start..)).filter(|rest| !rest.is_empty());
            if of_piece.is_some_and(|rest| !rest.starts_with(frame)) {
                let fault = Fault::forged(*frame_at, "kept frame", "that of the log", "another");
                return Err(io::Error::other(fault));
            }
        }
        Ok(back.bytes)
    }
}

fn copy(from: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let from = usize::try_from(offset).ok().and_then(|at| from.get(at..)).unwrap_or_default();
    let count = from.len().min(buffer.len());
    buffer[..count].copy_from_slice(&from[..count]);
    count
}

impl File for Fetching {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some((at, _)) = self.kept.piece_at(offset) else {
            return Ok(copy(&self.kept.header, offset, buffer));
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match last.take().filter(|(known, _)| *known == at) {
            Some((_, bytes)) => bytes,
            None => self.fetch(at)?,
        };
        let count = copy(&bytes, offset - at, buffer);
        *last = Some((at, bytes));
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.kept.log_len)
    }
}
