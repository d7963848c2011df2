//! The real disk: `std::fs`, plus the few calls that it lacks.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, StatVfs};

use super::{Disk, File, Lock, Mapped, Open, Place};

/// The machine's own filesystems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(fs::File);

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read).mode(0o600);
        match how {
            Open::Read | Open::Write => {}
            Open::Create => {
                options.create(true).truncate(false);
            }
            Open::CreateNew => {
                options.create_new(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        Mapped::file(&fs::File::open(path)?)
    }

    fn place(&self, path: &Path) -> io::Result<Place> {
        let StatVfs { f_bavail, f_frsize, .. } = rustix::fs::statvfs(path)?;
        let kind = rustix::fs::statfs(path)?.f_type;
        Ok(Place { free_len: f_bavail.saturating_mul(f_frsize), network: is_network(kind as u64) })
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        Ok(fs::metadata(path)?.mode() & 0o7777)
    }
}

/// Whether a filesystem magic number of statfs(2) is one whose locks or syncs another machine may not honour.
fn is_network(magic: u64) -> bool {
    const NFS: u64 = 0x6969;
    const SMB: u64 = 0x517B;
    const SMB2: u64 = 0xFE53_4D42;
    const CIFS: u64 = 0xFF53_4D42;
    const V9FS: u64 = 0x0102_1997;
    const FUSE: u64 = 0x6573_5546;
    const CEPH: u64 = 0x00C3_6400;
    const AFS: u64 = 0x5346_414F;
    [NFS, SMB, SMB2, CIFS, V9FS, FUSE, CEPH, AFS].contains(&(magic & 0xFFFF_FFFF))
}

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let old = self.0.metadata()?.len();
        if len <= old {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), old, len - old) {
            // Not every filesystem can reserve: a sparse tail costs speed and nothing else.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.0.set_len(len),
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn lock(&self, how: Lock) -> io::Result<()> {
        match how {
            Lock::Shared => self.0.lock_shared(),
            Lock::Exclusive => self.0.lock(),
        }
    }

    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        let taken = match how {
            Lock::Shared => self.0.try_lock_shared(),
            Lock::Exclusive => self.0.try_lock(),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}
