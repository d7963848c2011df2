//! The window on the outside world: files, clocks and randomness.
//!
//! All that the engine reads or writes goes through [`Disk`] and [`File`], so that the simulated disk of the
//! crash tests can lose, tear and reorder what was not synced and fail any call. Nothing above this room names
//! `std::fs`, reads a clock or draws a random number in another way.

mod map;
mod real;
mod retrieve;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod world;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use map::Mapped;
pub use real::RealDisk;
pub use retrieve::{ArchivedSegment, Retrieve, Retrieved};
pub use world::{Clock, Entropy, SystemClock, SystemEntropy, World};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Must be there; read only.
    Read,
    /// Must be there; read and write.
    Write,
    /// Made if missing (mode 0600), kept as it is if there; read and write.
    Create,
    /// Must not be there (mode 0600); read and write.
    CreateNew,
}

/// What is known of the place where a store lives.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Free bytes for this user.
    pub free_len: u64,
    /// A filesystem whose locks and syncs cannot be relied on: NFS, SMB, 9P, FUSE and the like.
    pub network: bool,
}

/// A filesystem. Paths are used as given.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Renames a file, replacing what is at `to`. Durable after [`Disk::sync_dir`] of the directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`] of the directory.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory (mode 0700) and the missing ones above it; one that is there is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted, without `.` and `..`.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Maps a file that nothing will ever change or cut: sealed segments' logs and sidecars alone.
    fn map(&self, path: &Path) -> io::Result<Mapped>;
    /// What is known of the filesystem that holds `path`.
    fn place(&self, path: &Path) -> io::Result<Place>;
    /// The permission bits of a file or directory.
    fn mode(&self, path: &Path) -> io::Result<u32>;
}

/// An open file. Reads and writes may be short, and may fail with `Interrupted`: see the helpers below.
///
/// What is read and never written to, as a log that is unpacked, has reads and a length alone, and refuses the rest.
pub trait File: Send + Sync + Debug {
    /// Reads at `offset`; 0 at or past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
    /// Writes at `offset`, making the file longer where needed.
    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(read_only())
    }
    /// Cuts or lengthens the file; what is added reads as zeros.
    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }
    /// Reserves space so that the file is at least `len` bytes long; what is added reads as zeros.
    fn allocate(&self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }
    /// Makes all that was written, and the length, durable.
    fn sync(&self) -> io::Result<()> {
        Err(read_only())
    }
    /// Takes the file's advisory lock for this handle, waiting for it.
    fn lock(&self, _how: Lock) -> io::Result<()> {
        Err(read_only())
    }
    /// Takes the lock if it is free; whether it did.
    fn try_lock(&self, _how: Lock) -> io::Result<bool> {
        Err(read_only())
    }
    /// Gives the lock back. Closing the handle does the same.
    fn unlock(&self) -> io::Result<()> {
        Err(read_only())
    }
}

fn read_only() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "what is unpacked or brought back is read and never written to",
    )
}

/// How an advisory lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// With others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

impl dyn File + '_ {
    /// Reads until `buffer` is full or the file ends; how many bytes were read.
    pub fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Fills `buffer`; `UnexpectedEof` if the file ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_up_to(buffer, offset)? == buffer.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Writes all of `bytes`; `WriteZero` where the disk takes nothing more.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_at(&bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The directory that a file's name is in: that of a name alone is the present one.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Reads a file from its start to its end.
#[derive(Debug)]
pub struct FileReader {
    file: Arc<dyn File>,
    at: u64,
}

impl FileReader {
    /// From its first byte on.
    pub fn new(file: Arc<dyn File>) -> Self {
        FileReader { file, at: 0 }
    }
}

impl io::Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl dyn Disk + '_ {
    /// Whether there is something at `path` that can be opened for reading.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.open(path, Open::Read) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory and the missing ones above it, and all their names durable.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn create_dir_durably(&self, path: &Path) -> io::Result<()> {
        // One that is there already may be what a crash left of an earlier try: its name is made durable again.
        let missing = |dir: &&Path| !dir.as_os_str().is_empty() && self.mode(dir).is_err();
        let above: Vec<_> = path.ancestors().skip(1).take_while(missing).collect();
        self.create_dir(path)?;
        let mut named = above.iter().copied().chain([path]);
        named.try_for_each(|name| self.sync_dir(directory_of(name)))
    }

    /// A whole file of at most `len_max` bytes, or nothing where there is none.
    ///
    /// # Errors
    /// `InvalidData` for a longer file; whatever the system says.
    pub fn read(&self, path: &Path, len_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(path, Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = file.len()?;
        if len > len_max {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{len} bytes long, over the limit of {len_max}"),
            ));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let read = file.read_up_to(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Replaces a file by `bytes` in one step: written beside it, synced, renamed, the directory synced.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = path.with_extension("new");
        let written = self.open(&beside, Open::Create).and_then(|file| {
            file.set_len(0)?;
            file.write_all_at(bytes, 0)?;
            file.sync()?;
            self.rename(&beside, path)
        });
        if written.is_err() {
            // No later file may be of its name: it would stay.
            let _ = self.remove(&beside);
        }
        written?;
        self.sync_dir(directory_of(path))
    }
}
