//! A segment in the archive: what is kept of it here, and the rest brought back when somebody reads it.
//!
//! Whoever walks frames reads the log as though it were there. What was brought back is believed only once all of it was
//! hashed again and found to be what the seal states; so a cache that someone altered costs another fetch.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::layout::Layout;
use super::lock;
use super::scan;
use crate::disk::{ArchivedSegment, File, Lock, Mapped, Retrieve, World};
use crate::format::frame;
use crate::format::kept::{KEPT_LEN_MAX, Kept};
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::hash::LogTree;
use crate::merkle::Frontier;
use crate::{Error, Fault, Result, SegmentId};

/// How many logs that were brought back are kept mapped at a time.
const FETCHED_MAX: usize = 4;

/// Logs that were brought back last.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    logs: Mutex<VecDeque<(SegmentId, Mapped)>>,
}

/// A segment of which only some is here.
#[derive(Debug)]
pub(crate) struct Archived {
    pub(crate) segment: ArchivedSegment,
    pub(crate) kept: Kept,
    pub(crate) header: LogHeader,
    pub(crate) path: PathBuf,
    /// Length of the file with what is kept, in bytes.
    pub(crate) file_len: u64,
    world: World,
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
        bytes.map(|bytes| Archived::decode(world, path, &bytes, id, retrieve, fetched)).transpose()
    }

    /// The same, of the bytes that are or will be in the file at `path`.
    pub(crate) fn decode(
        world: &World,
        path: PathBuf,
        bytes: &[u8],
        id: SegmentId,
        retrieve: &Option<Arc<dyn Retrieve>>,
        fetched: &Arc<Fetched>,
    ) -> Result<Archived> {
        let (kept, header) = Kept::decode(bytes, id).map_err(|fault| fault.in_file(&path))?;
        let segment = ArchivedSegment {
            store_id: header.store_id,
            id,
            end_seq: kept.end_seq,
            log_len: kept.log_len,
            archive: kept.archive.clone(),
        };
        let (world, retrieve, fetched) = (world.clone(), retrieve.clone(), Arc::clone(fetched));
        Ok(Archived { segment, kept, header, path, file_len: bytes.len() as u64, world, retrieve, fetched })
    }

    /// The frame at an offset of the log, where it is kept: those with the store's own records are.
    pub(crate) fn frame(&self, at: u64) -> Option<&[u8]> {
        let index = self.kept.frames.binary_search_by_key(&at, |(frame_at, _)| *frame_at).ok()?;
        self.kept.frames.get(index).map(|(_, bytes)| &**bytes)
    }

    /// The whole log, brought back if it must be.
    pub(crate) fn whole(&self) -> Result<Mapped> {
        let mut logs = lock(&self.fetched.logs);
        if let Some((_, log)) = logs.iter().find(|(id, _)| *id == self.segment.id) {
            return Ok(log.clone());
        }
        let log = self.fetch(false).or_else(|error| match error {
            // Another copy may be whole.
            Error::Fault { .. } => self.fetch(true),
            other => Err(other),
        })?;
        logs.truncate(FETCHED_MAX - 1);
        logs.push_front((self.segment.id, log.clone()));
        Ok(log)
    }

    /// Brings the log back and hashes it again.
    pub(crate) fn fetch(&self, anew: bool) -> Result<Mapped> {
        let retrieve = self.retrieve.as_ref().ok_or_else(|| Error::Archived {
            segment: self.segment.id,
            archive: self.segment.archive.clone(),
            reason: "this program was given no way to archives".to_owned(),
        })?;
        let path = retrieve.retrieve(&self.segment, anew)?;
        let log = self.world.disk.map(&path).map_err(Error::io("map", &path))?;
        self.check(&log, &path)?;
        Ok(log)
    }

    /// Whether these bytes are the log: every frame, record and leaf by the hashes that were taken when it was sealed.
    fn check(&self, log: &[u8], path: &Path) -> Result<()> {
        if log.len() as u64 != self.kept.log_len || log.get(..LOG_HEADER_LEN) != Some(&self.kept.header) {
            return Err(
                Fault::damaged(0, "log from the archive", "that of the segment", "another").in_file(path)
            );
        }
        let (mut own, mut leaves) = (Frontier::<LogTree>::new(), Vec::new());
        let (mut at, mut next, mut last_leaf) =
            (LOG_HEADER_LEN, self.header.first_seq, self.header.predecessor);
        while at < log.len() {
            let in_file = |fault: Fault| fault.shifted(at as u64).in_file(path);
            let (header, payload) = frame::decode(log.get(at..).unwrap_or_default()).map_err(in_file)?;
            if header.first_seq != next || header.predecessor != last_leaf {
                return Err(in_file(Fault::forged(16, "frame first seq", next, header.first_seq)));
            }
            let records = frame::records(payload, header.count).map_err(in_file)?;
            scan::leaves(&header, &records, &self.header.salt, &mut leaves);
            last_leaf = leaves.last().copied().unwrap_or(last_leaf);
            leaves.drain(..).for_each(|leaf| own.push(leaf));
            next += u64::from(header.count);
            at += usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        }
        if next != self.kept.end_seq || own.root().0 != self.kept.root {
            let fault = Fault::forged(0, "segment root", crate::hash::Hash(self.kept.root), own.root());
            return Err(fault.in_file(path));
        }
        Ok(())
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
                let log = self.whole().map_err(io::Error::other)?;
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(copy(log.get(at..).unwrap_or_default(), buffer))
            }
            kept => Ok(copy(kept, buffer)),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.kept.log_len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(archived())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(archived())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(archived())
    }

    fn sync(&self) -> io::Result<()> {
        Err(archived())
    }

    fn lock(&self, _: Lock) -> io::Result<()> {
        Err(archived())
    }

    fn try_lock(&self, _: Lock) -> io::Result<bool> {
        Err(archived())
    }

    fn unlock(&self) -> io::Result<()> {
        Err(archived())
    }
}

fn archived() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a segment in the archive is read and never written to")
}
