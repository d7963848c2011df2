//! Artifacts: what events point to and do not hold themselves, prompts, diffs, scan output, logs. Each is a file that is
//! named by the BLAKE3 of its content; one content is kept once.
//!
//! A file appears under its name whole, durable and checked, or not at all. Nothing here decides whether one may go:
//! `retention` does, by what the log says, and `names` says which an event names.

mod names;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::disk::{Disk, File, FileReader, Open};
use crate::error::Fault;
use crate::format::artifact::{
    ARTIFACT_HEAD_LEN, ArtifactHead, ArtifactReader, NAME_PREFIX, Packing, fault_of,
};
use crate::hash::Hash;
use crate::{Class, Error, Result, limits};

pub(crate) use names::names_in;

/// How much is read and written at once, in bytes.
const CHUNK_LEN: usize = 256 << 10;
/// Higher levels cost much and gain little on text.
const ZSTD_LEVEL: i32 = 3;

/// The name of an artifact: the BLAKE3 of its content, written `blake3:` and 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactId(pub Hash);

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME_PREFIX}{}", self.0)
    }
}

impl FromStr for ArtifactId {
    type Err = Error;

    /// Reads a name; the hex digits alone, as `b3sum` prints them, are one too.
    fn from_str(text: &str) -> Result<Self> {
        let hex = text.strip_prefix(NAME_PREFIX).unwrap_or(text);
        Hash::from_hex(hex).map(ArtifactId).ok_or_else(|| Error::NotFound {
            what: "artifact of the name (it is `blake3:` and 64 lower-case hex digits)",
            name: text.to_owned(),
        })
    }
}

/// What there is to know of a kept artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// Its name.
    pub id: ArtifactId,
    /// Length of its content in bytes.
    pub len: u64,
    /// Length of its file in bytes.
    pub stored_len: u64,
}

/// The content of an artifact. Its end comes only after length, checksum and hash were found right; until then what was
/// read is not vouched for.
pub struct Artifact {
    info: ArtifactInfo,
    path: PathBuf,
    reader: ArtifactReader<FileReader>,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("info", &self.info).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Artifact {
    /// What there is to know of it without reading it.
    pub fn info(&self) -> ArtifactInfo {
        self.info
    }

    /// Reads the content to its end into `to`.
    ///
    /// # Errors
    /// [`Error::Fault`] where the file is damaged or forged; [`Error::Io`], also of `to`.
    pub fn copy_to(&mut self, to: &mut dyn Write) -> Result<u64> {
        let mut chunk = vec![0; CHUNK_LEN];
        let mut len = 0;
        loop {
            let count = match self.reader.read(&mut chunk) {
                Ok(0) => return Ok(len),
                Ok(count) => count,
                Err(error) => {
                    return Err(match fault_of(error) {
                        Ok(fault) => fault.in_file(&self.path),
                        Err(error) => Error::io("read", &self.path)(error),
                    });
                }
            };
            let part = chunk.get(..count).unwrap_or_default();
            to.write_all(part).map_err(Error::io("write what was read from", &self.path))?;
            len += count as u64;
        }
    }
}

/// The artifacts of a store.
#[derive(Debug)]
pub(crate) struct Artifacts<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
}

impl<'a> Artifacts<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, dir: PathBuf) -> Self {
        Artifacts { disk, dir }
    }

    pub(crate) fn dir_of(&self, id: ArtifactId) -> PathBuf {
        self.dir.join(id.0.to_string().get(..2).unwrap_or_default())
    }

    pub(crate) fn path(&self, id: ArtifactId) -> PathBuf {
        self.dir_of(id).join(id.0.to_string())
    }

    /// Writes `content` as an artifact's file, and syncs it: to `beside`, which nobody else uses. It is to be
    /// [placed](Artifacts::place) or [dropped](Artifacts::drop_beside).
    pub(crate) fn write_beside(&self, content: &mut dyn Read, beside: &Path) -> Result<ArtifactInfo> {
        let file = self.disk.open(beside, Open::CreateNew).map_err(Error::io("make", beside))?;
        self.write(content, &file, beside).inspect_err(|_| self.drop_beside(beside))
    }

    /// Removes a file that was written beside and is not needed.
    pub(crate) fn drop_beside(&self, beside: &Path) {
        // Nobody knows it by this name; a recovering open removes what stays.
        let _ = self.disk.remove(beside);
    }

    /// Whether an artifact is there, and is what its name says: all of it is read.
    pub(crate) fn is_whole(&self, id: ArtifactId) -> bool {
        self.open(id).is_ok_and(|mut known| known.copy_to(&mut io::sink()).is_ok())
    }

    /// Whether an artifact's file is there, whatever is in it.
    pub(crate) fn is_there(&self, id: ArtifactId) -> Result<bool> {
        let path = self.path(id);
        self.disk.exists(&path).map_err(Error::io("look for", path))
    }

    /// Length of an artifact's file in bytes; nothing where it is not there.
    pub(crate) fn stored_len(&self, id: ArtifactId) -> Result<Option<u64>> {
        let path = self.path(id);
        match self.disk.open(&path, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => {
                let len = file.map_err(Error::io("open", &path))?.len();
                len.map(Some).map_err(Error::io("measure", path))
            }
        }
    }

    fn write(&self, content: &mut dyn Read, file: &Arc<dyn File>, path: &Path) -> Result<ArtifactInfo> {
        let summed =
            SummedFile { file: &**file, at: ARTIFACT_HEAD_LEN as u64, crc: crc32fast::Hasher::new() };
        let summed = BufWriter::with_capacity(CHUNK_LEN, summed);
        let mut encoder = zstd::Encoder::new(summed, ZSTD_LEVEL).map_err(Error::io("compress", path))?;
        let (mut hasher, mut len, mut chunk) = (blake3::Hasher::new(), 0, vec![0; CHUNK_LEN]);
        loop {
            let count = match content.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read what is to go to", path)(error)),
            };
            len += count as u64;
            if len > limits::ARTIFACT_LEN_MAX {
                let limit = limits::ARTIFACT_LEN_MAX;
                return Err(Error::OverLimit { what: "the length of an artifact", found: len, limit });
            }
            let part = chunk.get(..count).unwrap_or_default();
            hasher.update(part);
            encoder.write_all(part).map_err(Error::io("write", path))?;
        }
        let buffered = encoder.finish().map_err(Error::io("write", path))?;
        let summed = buffered.into_inner().map_err(|error| Error::io("write", path)(error.into_error()))?;
        let SummedFile { at: stored_len, crc, .. } = summed;
        let hash = Hash(*hasher.finalize().as_bytes());
        let stored_crc = crc.finalize();
        let head = ArtifactHead { hash, content_len: len, packing: Packing::Zstd, stored_crc };
        file.write_all_at(&head.encode(), 0).map_err(Error::io("write", path))?;
        file.sync().map_err(Error::io("sync", path))?;
        Ok(ArtifactInfo { id: ArtifactId(hash), len, stored_len })
    }

    /// Gives a written file its name, durable when this returns.
    pub(crate) fn place(&self, id: ArtifactId, beside: &Path) -> Result<()> {
        let (dir, path) = (self.dir_of(id), self.path(id));
        self.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
        self.disk.rename(beside, &path).map_err(Error::io("rename", beside))?;
        let above = self.dir.parent().unwrap_or(&self.dir);
        for dir in [&dir, &self.dir, above] {
            self.disk.sync_dir(dir).map_err(Error::io("sync directory", dir))?;
        }
        Ok(())
    }

    /// Removes artifacts for good; those that are not there are fine.
    pub(crate) fn remove(&self, ids: &[ArtifactId]) -> Result<()> {
        let mut dirs = BTreeSet::new();
        for id in ids {
            let path = self.path(*id);
            match self.disk.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(Error::io("remove", path))?,
            }
            dirs.insert(self.dir_of(*id));
        }
        // Another process may have removed one, and not have come to this.
        dirs.iter()
            .filter(|dir| self.disk.exists(dir).unwrap_or(true))
            .try_for_each(|dir| self.disk.sync_dir(dir).map_err(Error::io("sync directory", dir)))
    }

    /// Opens an artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Fault`] where its head is damaged, or its file stands under another's name.
    pub(crate) fn open(&self, id: ArtifactId) -> Result<Artifact> {
        let path = self.path(id);
        let file = match self.disk.open(&path, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound { what: "artifact", name: id.to_string() });
            }
            file => file.map_err(Error::io("open", &path))?,
        };
        let stored_len = file.len().map_err(Error::io("measure", &path))?;
        let reader = ArtifactReader::new(FileReader::new(file)).map_err(|error| match fault_of(error) {
            Ok(fault) => fault.in_file(&path),
            Err(error) => Error::io("read", &path)(error),
        })?;
        let ArtifactHead { hash, content_len, .. } = *reader.head();
        if hash != id.0 {
            return Err(Fault::new(Class::Forged, 24, "artifact hash", id.0, hash).in_file(&path));
        }
        Ok(Artifact { info: ArtifactInfo { id, len: content_len, stored_len }, path, reader })
    }

    /// All artifacts, in the order of their names. What is no artifact is left out.
    pub(crate) fn list(&self) -> Result<Vec<ArtifactId>> {
        let mut ids = Vec::new();
        for dir in self.names(&self.dir)? {
            let below = self.dir.join(&dir);
            for name in self.names(&below)? {
                let id = Hash::from_hex(&name).map(ArtifactId);
                ids.extend(id.filter(|_| name.starts_with(&dir)));
            }
        }
        Ok(ids)
    }

    fn names(&self, dir: &Path) -> Result<Vec<String>> {
        match self.disk.list(dir) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            names => names.map_err(Error::io("list", dir)),
        }
    }
}

/// Writes on from a place, and takes the checksum of what it writes.
struct SummedFile<'f> {
    file: &'f dyn File,
    at: u64,
    crc: crc32fast::Hasher,
}

impl Write for SummedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.at)?;
        self.crc.update(bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
