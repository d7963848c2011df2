//! A segment's log as the verifier reads it: the file itself, or in the warm tier what its pack unpacks to, stripe by
//! stripe. What comes out of a pack is checked like any log; the pack's own checksums only tell damage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::SegmentId;
use crate::disk::{Disk, File, Lock, Open};
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::pack::{Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, Tail};

/// Where a segment's records stand.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The file's name as reports show it.
    pub(super) file: String,
    is_pack: bool,
}

impl Source {
    pub(super) fn new(root: &Path, id: SegmentId, is_pack: bool) -> Self {
        let (dir, name) =
            if is_pack { ("packs", id.file_name("pack")) } else { ("log", id.file_name("log")) };
        Source { path: root.join(dir).join(&name), file: format!("{dir}/{name}"), is_pack }
    }

    /// Opens the log. A fault of a pack comes as an `io::Error` that holds it, here and from reading.
    pub(super) fn open(&self, disk: &Arc<dyn Disk>) -> io::Result<Arc<dyn File>> {
        let file = disk.open(&self.path, Open::Read)?;
        if !self.is_pack {
            return Ok(file);
        }
        let file_len = file.len()?;
        let tail_at = file_len.saturating_sub(PACK_TAIL_LEN as u64);
        let tail = Tail::decode(&read(&*file, tail_at, file_len)?, file_len).map_err(io::Error::other)?;
        let head = read(&*file, 0, (PACK_HEADER_LEN as u64).min(file_len))?;
        let end = read(&*file, tail.directory_at, file_len)?;
        let directory = Directory::decode(&head, &end, file_len).map_err(io::Error::other)?;
        Ok(Arc::new(Unpacking { file, directory, last: Mutex::default() }))
    }
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

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, _: Lock) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn try_lock(&self, _: Lock) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn unlock(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
