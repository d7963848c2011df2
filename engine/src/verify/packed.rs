//! A segment's log as the verifier reads it: the file itself, in the warm tier what its pack unpacks to, stripe by stripe, and
//! in the archive what is brought back from there. What comes out of a pack or an archive is checked like any log; their
//! own checksums only tell damage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetching::Fetching;
use super::hints::Files;
use crate::disk::{Disk, File, Open, Retrieve};
use crate::format::kept::{KEPT_LEN_MAX, Kept};
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::pack::{Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, Tail};
use crate::{SegmentId, Seq};

/// Where a segment's records stand.
#[derive(Debug, Clone)]
pub(super) struct Source {
    id: SegmentId,
    path: PathBuf,
    /// The file's name as reports show it.
    pub(super) file: String,
    tier: Tier,
}

#[derive(Debug, Clone)]
enum Tier {
    Log,
    Pack,
    /// And the way to it, where there is one.
    Archive(Option<Arc<dyn Retrieve>>),
}

impl Source {
    pub(super) fn new(
        root: &Path,
        id: SegmentId,
        files: &Files,
        retrieve: &Option<Arc<dyn Retrieve>>,
    ) -> Self {
        let (dir, extension, tier) = if files.packed.contains(&id) {
            ("packs", "pack", Tier::Pack)
        } else if files.archived.contains(&id) {
            ("archived", "kept", Tier::Archive(retrieve.clone()))
        } else {
            ("log", "log", Tier::Log)
        };
        let name = id.file_name(extension);
        Source { id, path: root.join(dir).join(&name), file: format!("{dir}/{name}"), tier }
    }

    /// What is kept here of a log that is in an archive which cannot be asked.
    pub(super) fn left_out(&self, disk: &Arc<dyn Disk>) -> io::Result<Option<Kept>> {
        if matches!(self.tier, Tier::Archive(None)) { self.kept(disk).map(Some) } else { Ok(None) }
    }

    fn kept(&self, disk: &Arc<dyn Disk>) -> io::Result<Kept> {
        let bytes = disk.read(&self.path, KEPT_LEN_MAX)?.ok_or(io::ErrorKind::NotFound)?;
        Kept::decode(&bytes, self.id).map(|(kept, _)| kept).map_err(io::Error::other)
    }

    /// The segment's first seq, as its file's name has it.
    pub(super) fn first_seq(&self) -> Seq {
        self.id.0
    }

    /// Whether its records are in the store's own directory.
    pub(super) fn is_here(&self) -> bool {
        !matches!(self.tier, Tier::Archive(_))
    }

    /// Length of the log in bytes.
    pub(super) fn log_len(&self, disk: &Arc<dyn Disk>) -> io::Result<u64> {
        match &self.tier {
            Tier::Archive(_) => self.kept(disk).map(|kept| kept.log_len),
            Tier::Log | Tier::Pack => self.open(disk)?.len(),
        }
    }

    /// The log's first bytes, its header and first frame among them; of what is in an archive, no more than is kept.
    pub(super) fn first_bytes(&self, disk: &Arc<dyn Disk>, len: usize) -> io::Result<Vec<u8>> {
        if matches!(self.tier, Tier::Archive(_)) {
            let mut kept = self.kept(disk)?;
            kept.frames.truncate(1);
            return Ok(kept
                .frames
                .into_iter()
                .fold(kept.header, |first, (_, frame)| [first, frame].concat()));
        }
        let mut bytes = vec![0; len];
        let read = self.open(disk)?.read_up_to(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Opens the log. A fault of a pack comes as an `io::Error` that holds it, here and from reading.
    pub(super) fn open(&self, disk: &Arc<dyn Disk>) -> io::Result<Arc<dyn File>> {
        match &self.tier {
            Tier::Log => disk.open(&self.path, Open::Read),
            Tier::Pack => unpack(disk.open(&self.path, Open::Read)?),
            Tier::Archive(retrieve) => {
                let retrieve = retrieve.as_ref().ok_or(io::ErrorKind::NotFound)?;
                let bytes = disk.read(&self.path, KEPT_LEN_MAX)?.ok_or(io::ErrorKind::NotFound)?;
                let (kept, header) = Kept::decode(&bytes, self.id).map_err(io::Error::other)?;
                Ok(Arc::new(Fetching::new(kept, &header, Arc::clone(retrieve))))
            }
        }
    }
}

fn unpack(file: Arc<dyn File>) -> io::Result<Arc<dyn File>> {
    let file_len = file.len()?;
    let tail_at = file_len.saturating_sub(PACK_TAIL_LEN as u64);
    let tail = Tail::decode(&read(&*file, tail_at, file_len)?, file_len).map_err(io::Error::other)?;
    let head = read(&*file, 0, (PACK_HEADER_LEN as u64).min(file_len))?;
    let end = read(&*file, tail.directory_at, file_len)?;
    let directory = Directory::decode(&head, &end, file_len).map_err(io::Error::other)?;
    Ok(Arc::new(Unpacking { file, directory, last: Mutex::default() }))
}

fn read(file: &dyn File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

/// A pack, read as the log that it stands for.
#[derive(Debug)]
struct Unpacking {
    file: Arc<dyn File>,
    directory: Directory,
    /// The stripe that was unpacked last, and its bytes of the log.
    last: Mutex<Option<(usize, Vec<u8>)>>,
}

impl File for Unpacking {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let header = &self.directory.log_header[..];
        let (bytes, start) = match self.directory.stripe_at(offset) {
            None if offset < LOG_HEADER_LEN as u64 => (header, 0),
            None => return Ok(0),
            Some(index) => {
                let Some(stripe) = self.directory.stripes.get(index) else { return Ok(0) };
                if last.as_ref().is_none_or(|(known, _)| *known != index) {
                    let range = stripe.file_range();
                    let packed = read(&*self.file, range.start, range.end)?;
                    let unpacked = self.directory.unpack(index, &packed, &mut Vec::new());
                    *last = Some((index, unpacked.map_err(io::Error::other)?));
                }
                (last.as_ref().map_or(&[][..], |(_, bytes)| bytes), stripe.log.start)
            }
        };
        let from = bytes.get((offset - start) as usize..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.directory.log_len)
    }
}
