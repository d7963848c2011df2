//! Open log files, packs and sidecars, each opened once and kept in a bounded cache.
//!
//! Where a segment's log is not there, its pack stands for it, or what can be brought back from the archive: whoever reads
//! frames need not know which it is.

use std::collections::HashMap;
use std::io;
use std::ops::RangeBounds;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::archived::{Archived, Fetched};
use super::layout::Layout;
use super::lock;
use super::pack::{Pack, PackCache};
use crate::disk::{File, Mapped, Open, Retrieve, World};
use crate::format::Writable;
use crate::format::kept::Kept;
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::segment::Sidecar;
use crate::{Class, Error, Fault, Result, SegmentId, Seq};

/// How many files are kept open for reading.
const OPEN_MAX: usize = 256;

/// A segment's log, open for reading.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: LogHeader,
    /// What it is unpacked from, in the warm tier.
    pub(crate) pack: Option<Arc<Pack>>,
    /// What is here of it, where it is in the archive.
    pub(crate) archived: Option<Arc<Archived>>,
    writable: Writable,
}

impl LogFile {
    pub(crate) fn open(world: &World, layout: &Layout, id: SegmentId, how: Open) -> Result<Self> {
        LogFile::open_at(world, layout.log(id), id, how)
    }

    /// A segment's log under another name than its own.
    pub(crate) fn open_at(world: &World, path: PathBuf, id: SegmentId, how: Open) -> Result<Self> {
        let file = world.disk.open(&path, how).map_err(Error::io("open", &path))?;
        let mut bytes = [0; LOG_HEADER_LEN];
        let len = file.read_up_to(&mut bytes, 0).map_err(Error::io("read", &path))?;
        let (header, writable) = LogHeader::decode(&bytes[..len]).map_err(|fault| fault.in_file(&path))?;
        if header.first_seq != id.0 {
            let fault = crate::Fault::forged(16, "log first seq", id.0, header.first_seq);
            return Err(fault.in_file(&path));
        }
        Ok(LogFile { id, path, file, header, pack: None, archived: None, writable })
    }

    /// A log that is read out of its pack.
    fn of_pack(id: SegmentId, pack: Arc<Pack>) -> Self {
        let (path, header) = (pack.path().to_path_buf(), pack.directory().header.clone());
        let file = pack.clone();
        LogFile { id, path, file, header, pack: Some(pack), archived: None, writable: Writable::Yes }
    }

    /// A log that is brought back from the archive when it is read.
    fn of_archive(archived: Arc<Archived>) -> Self {
        let (id, path, header) = (archived.segment.id, archived.path.clone(), archived.header.clone());
        let file = archived.clone();
        LogFile { id, path, file, header, pack: None, archived: Some(archived), writable: Writable::Yes }
    }

    /// Length in bytes: of a sealed log its frames end there.
    pub(crate) fn len(&self) -> Result<u64> {
        self.file.len().map_err(Error::io("measure", &self.path))
    }

    /// Whether a sidecar is that of this log as it is now.
    pub(crate) fn is_of(&self, sidecar: &Sidecar) -> Result<bool> {
        let meta = sidecar.meta();
        Ok(meta.rewritten_by == self.header.rewritten_by && meta.log_len == self.len()?)
    }

    /// # Errors
    /// [`Error::Fault`], unsupported, where another release must do the writing.
    pub(crate) fn require_writable(&self) -> Result<()> {
        match self.writable {
            Writable::Yes => Ok(()),
            Writable::No { found } => {
                let expected = crate::format::WRITE_VERSION;
                let found = format!("{found}: this release can read it and not write to it");
                let fault = Fault::new(Class::Unsupported, 10, "format write version", expected, found);
                Err(fault.in_file(&self.path))
            }
        }
    }
}

/// A sealed segment's records, as they lie.
#[derive(Debug)]
pub(crate) enum Sealed {
    Log(Mapped),
    Pack(Arc<Pack>),
    Archived(Arc<LogFile>),
}

impl Sealed {
    /// Length of the log in bytes, and the seq of the `store.deleting` record that its header names.
    pub(crate) fn version(&self) -> (u64, Seq) {
        match self {
            Sealed::Log(log) => (log.len() as u64, LogHeader::rewritten_by(log)),
            Sealed::Pack(pack) => (pack.directory().log_len, pack.directory().header.rewritten_by),
            Sealed::Archived(log) => (log.len().unwrap_or(0), log.header.rewritten_by),
        }
    }
}

/// Whether there is no such file.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// The open files of one store.
#[derive(Debug)]
pub(crate) struct LogFiles {
    world: World,
    layout: Layout,
    logs: Mutex<HashMap<SegmentId, Arc<LogFile>>>,
    sidecars: Mutex<HashMap<SegmentId, Arc<Sidecar>>>,
    unpacked: Arc<PackCache>,
    retrieve: Option<Arc<dyn Retrieve>>,
    fetched: Arc<Fetched>,
}

impl LogFiles {
    pub(crate) fn new(world: World, layout: Layout, retrieve: Option<Arc<dyn Retrieve>>) -> Self {
        LogFiles {
            world,
            layout,
            logs: Mutex::default(),
            sidecars: Mutex::default(),
            unpacked: Arc::default(),
            retrieve,
            fetched: Arc::default(),
        }
    }

    /// A segment's log, for reading: the file itself, or what its pack unpacks to.
    pub(crate) fn log(&self, id: SegmentId) -> Result<Arc<LogFile>> {
        if let Some(file) = lock(&self.logs).get(&id) {
            return Ok(Arc::clone(file));
        }
        let file = match LogFile::open(&self.world, &self.layout, id, Open::Read) {
            Err(missing) if is_missing(&missing) => {
                match Pack::open(&self.world, &self.layout, id, &self.unpacked) {
                    Err(no_pack) if is_missing(&no_pack) => {
                        let archived =
                            Archived::open(&self.world, &self.layout, id, &self.retrieve, &self.fetched)?;
                        LogFile::of_archive(Arc::new(archived.ok_or(missing)?))
                    }
                    pack => LogFile::of_pack(id, Arc::new(pack?)),
                }
            }
            log => log?,
        };
        let file = Arc::new(file);
        let mut logs = lock(&self.logs);
        make_room(&mut logs);
        logs.insert(id, Arc::clone(&file));
        Ok(file)
    }

    /// A sealed segment's log, mapped; its pack, where that stands for it.
    pub(crate) fn sealed(&self, id: SegmentId) -> Result<Sealed> {
        let path = self.layout.log(id);
        match self.world.disk.map(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It may have been open since before it was packed.
                let mut log = self.log(id)?;
                if log.pack.is_none() && log.archived.is_none() {
                    self.forget(id);
                    log = self.log(id)?;
                }
                match (&log.pack, &log.archived) {
                    (Some(pack), _) => Ok(Sealed::Pack(Arc::clone(pack))),
                    (None, Some(_)) => Ok(Sealed::Archived(log)),
                    (None, None) => Err(Error::io("map", path)(error)),
                }
            }
            mapped => mapped.map(Sealed::Log).map_err(Error::io("map", path)),
        }
    }

    /// A segment of which this is to be kept when the rest is in the archive.
    pub(crate) fn archived_of(&self, kept: Kept, header: LogHeader) -> Archived {
        let path = self.layout.kept(SegmentId(header.first_seq));
        Archived::new(path, (kept, header), 0, &self.retrieve, &self.fetched)
    }

    /// Closes what is open of a segment: its files are others now.
    pub(crate) fn forget(&self, id: SegmentId) {
        lock(&self.logs).remove(&id);
        lock(&self.sidecars).remove(&id);
        self.unpacked.forget(id);
    }

    /// Puts a sidecar that was made anew in the place of what was open.
    pub(crate) fn put_sidecar(&self, id: SegmentId, sidecar: Arc<Sidecar>) {
        let mut sidecars = lock(&self.sidecars);
        make_room(&mut sidecars);
        sidecars.insert(id, sidecar);
    }

    /// A sealed segment's sidecar, if it is there and whole enough to be opened.
    pub(crate) fn sidecar(&self, id: SegmentId) -> Option<Arc<Sidecar>> {
        if let Some(sidecar) = lock(&self.sidecars).get(&id) {
            return Some(Arc::clone(sidecar));
        }
        let mapped = self.world.disk.map(&self.layout.sidecar(id)).ok()?;
        let sidecar = Arc::new(Sidecar::open(mapped).ok()?);
        self.put_sidecar(id, Arc::clone(&sidecar));
        Some(sidecar)
    }
}

impl LogFiles {
    /// The sidecar of a log that is open, unless it is one of what the log was before some of its records were deleted.
    pub(crate) fn sidecar_of(&self, log: &LogFile) -> Option<Arc<Sidecar>> {
        let is_of = |sidecar: &Arc<Sidecar>| log.is_of(sidecar).unwrap_or(false);
        self.sidecar(log.id).filter(is_of).or_else(|| {
            lock(&self.sidecars).remove(&log.id);
            self.sidecar(log.id).filter(is_of)
        })
    }

    /// Closes the sidecars of the segments that begin in `ids`, giving back the pages that were read of them; they
    /// are opened again at need.
    pub(crate) fn close_sidecars(&self, ids: impl RangeBounds<SegmentId>) {
        lock(&self.sidecars).retain(|id, _| !ids.contains(id));
    }
}

/// Drops some file when there are too many: any will do, for a dropped one is opened again at need.
fn make_room<T>(open: &mut HashMap<SegmentId, T>) {
    if open.len() >= OPEN_MAX
        && let Some(id) = open.keys().next().copied()
    {
        open.remove(&id);
    }
}
