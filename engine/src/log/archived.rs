//! A segment in the archive: what is kept of it here, and the rest brought back when somebody reads it.
//!
//! Whoever walks frames reads the log as though it were there. It comes in pieces, and no byte of a piece is used before it
//! was hashed and found to be what was kept of it; so a cache that someone altered costs another fetch.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::layout::Layout;
use super::lock;
use crate::disk::{ArchivedSegment, File, Mapped, Retrieve, Retrieved, World};
use crate::format::kept::{KEPT_LEN_MAX, Kept, Piece};
use crate::format::log_header::LogHeader;
use crate::{Error, Result, SegmentId, Seq};

/// How many pieces that were brought back are kept in memory: a few times 8 MiB.
const FETCHED_MAX: usize = 4;

/// The pieces that were brought back last, of all archived logs of a store together.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pieces: Mutex<VecDeque<(Key, Mapped)>>,
}

/// A segment, the record by which it was rewritten last, and where in its log the piece begins.
type Key = (SegmentId, Seq, u64);

/// A segment of which only some is here.
#[derive(Debug)]
pub(crate) struct Archived {
    pub(crate) segment: ArchivedSegment,
    pub(crate) kept: Kept,
    pub(crate) header: LogHeader,
    pub(crate) path: PathBuf,
    /// Length of the file with what is kept, in bytes.
    pub(crate) file_len: u64,
    retrieve: Option<Arc<dyn Retrieve>>,
    fetched: Arc<Fetched>,
}

impl Archived {
    /// Opens what is kept of a segment; nothing where it is not in the archive.
    pub(crate) fn open(
        world: &World,
        layout: &Layout,
        id: SegmentId,
        retrieve: &Option<Arc<dyn Retrieve>>,
        fetched: &Arc<Fetched>,
    ) -> Result<Option<Archived>> {
        let path = layout.kept(id);
        let bytes = world.disk.read(&path, KEPT_LEN_MAX).map_err(Error::io("read", &path))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let kept = Kept::decode(&bytes, id).map_err(|fault| fault.in_file(&path))?;
        Ok(Some(Archived::new(path, kept, bytes.len() as u64, retrieve, fetched)))
    }

    /// A segment of which this is or will be kept in the file at `path`.
    pub(crate) fn new(
        path: PathBuf,
        (kept, header): (Kept, LogHeader),
        file_len: u64,
        retrieve: &Option<Arc<dyn Retrieve>>,
        fetched: &Arc<Fetched>,
    ) -> Archived {
        let segment = ArchivedSegment {
            store_id: header.store_id,
            id: SegmentId(header.first_seq),
            end_seq: kept.end_seq,
            log_len: kept.log_len,
            rewritten_by: header.rewritten_by,
            archive: kept.archive.clone(),
        };
        Archived {
            segment,
            kept,
            header,
            path,
            file_len,
            retrieve: retrieve.clone(),
            fetched: Arc::clone(fetched),
        }
    }

    /// The frame at an offset of the log, where it is kept: those with the store's own records are.
    pub(crate) fn frame(&self, at: u64) -> Option<&[u8]> {
        let index = self.kept.frames.binary_search_by_key(&at, |(frame_at, _)| *frame_at).ok()?;
        self.kept.frames.get(index).map(|(_, bytes)| &**bytes)
    }

    /// The piece of the log that holds an offset, brought back if it must be, and where it begins.
    fn piece(&self, offset: u64) -> Result<(u64, Mapped)> {
        let beyond = || Error::NotFound { what: "piece of an archived log", name: offset.to_string() };
        let (at, piece) = self.kept.piece_at(offset).ok_or_else(beyond)?;
        let key = (self.segment.id, self.segment.rewritten_by, at);
        let mut pieces = lock(&self.fetched.pieces);
        if let Some((_, bytes)) = pieces.iter().find(|(known, _)| *known == key) {
            return Ok((at, bytes.clone()));
        }
        let bytes = self.fetch(at, piece, false).or_else(|error| match error {
            // Another copy may be whole.
            Error::Fault { .. } => self.fetch(at, piece, true),
            other => Err(other),
        })?;
        let bytes = Mapped::heap(bytes);
        pieces.truncate(FETCHED_MAX - 1);
        pieces.push_front((key, bytes.clone()));
        Ok((at, bytes))
    }

    /// Brings a piece back and hashes it.
    fn fetch(&self, at: u64, piece: &Piece, anew: bool) -> Result<Vec<u8>> {
        let bytes = self.retrieve(at, anew)?.bytes;
        piece.check(at, &bytes).map_err(|fault| fault.in_file(&self.path))?;
        Ok(bytes)
    }

    /// Brings back the piece that begins at an offset, whatever it may be.
    pub(super) fn retrieve(&self, at: u64, anew: bool) -> Result<Retrieved> {
        let retrieve = self.retrieve.as_ref().ok_or_else(|| Error::Archived {
            segment: self.segment.id,
            archive: self.segment.archive.clone(),
            reason: "this program was given no way to archives".to_owned(),
        })?;
        retrieve.retrieve(&self.segment, at, anew)
    }

    /// The piece that holds an offset of the log, unless the frame there is kept: where it begins, how much must be
    /// fetched for it, and whether it is here since it was fetched before.
    pub(crate) fn to_fetch(&self, offset: u64) -> Option<(u64, u64, bool)> {
        if !self.kept_at(offset).is_empty() {
            return None;
        }
        let (at, piece) = self.kept.piece_at(offset)?;
        let is_here = self.retrieve.as_ref().is_some_and(|retrieve| retrieve.is_here(&self.segment, at));
        Some((at, piece.fetched_len, is_here))
    }

    /// What is kept that begins at or holds this offset.
    fn kept_at(&self, offset: u64) -> &[u8] {
        if let Some(header) = usize::try_from(offset).ok().and_then(|at| self.kept.header.get(at..))
            && !header.is_empty()
        {
            return header;
        }
        let before = self.kept.frames.partition_point(|(at, _)| *at <= offset);
        let frame = before.checked_sub(1).and_then(|index| self.kept.frames.get(index));
        frame.and_then(|(at, bytes)| bytes.get((offset - at) as usize..)).unwrap_or_default()
    }
}

fn copy(from: &[u8], buffer: &mut [u8]) -> usize {
    let count = from.len().min(buffer.len());
    buffer[..count].copy_from_slice(&from[..count]);
    count
}

impl File for Archived {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if buffer.is_empty() || offset >= self.kept.log_len {
            return Ok(0);
        }
        match self.kept_at(offset) {
            [] => {
                let (at, piece) = self.piece(offset).map_err(io::Error::other)?;
                let within = usize::try_from(offset - at).unwrap_or(usize::MAX);
                Ok(copy(piece.get(within..).unwrap_or_default(), buffer))
            }
            kept => Ok(copy(kept, buffer)),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.kept.log_len)
    }
}
