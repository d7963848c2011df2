//! Files that say nothing which the log does not: how they are put in place, so that nobody ever sees half of one, and
//! how files are removed so that they stay so.

use std::io::ErrorKind;
use std::path::Path;

use super::Log;
use crate::disk::{File, Open};
use crate::{Error, Result};

/// What is asked of a derived file that is put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// It is there, whole, after any crash that comes later.
    Yes,
    /// A crash may leave anything under its name; its checksums tell.
    No,
}

impl Log {
    /// Removes a file, which may be missing; no crash brings it back.
    pub(super) fn remove_for_good(&self, path: &Path) -> Result<()> {
        let disk = &self.world.disk;
        match disk.remove(path) {
            // Another process was first.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(Error::io("remove", path))?,
        }
        match path.parent() {
            Some(dir) => disk.sync_dir(dir).map_err(Error::io("sync directory", dir)),
            None => Ok(()),
        }
    }

    /// Writes a file under a name that no other process writes to, and gives it its own. Who has the old one open
    /// keeps it.
    pub(super) fn put_in_place(
        &self,
        path: &Path,
        durable: Durable,
        write: impl FnOnce(&dyn File, &Path) -> Result<()>,
    ) -> Result<()> {
        let unique = u64::from_le_bytes(self.world.random()?);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{unique:016x}.new"));
        let beside = Path::new(&name);
        let disk = &self.world.disk;
        let file = disk.open(beside, Open::CreateNew).map_err(Error::io("make", beside))?;
        let written = write(&*file, beside).and_then(|()| {
            if durable == Durable::Yes {
                file.sync().map_err(Error::io("sync", beside))?;
            }
            disk.rename(beside, path).map_err(Error::io("rename", beside))
        });
        if written.is_err() {
            // It would be removed by the next recovery; until then it takes room.
            let _ = disk.remove(beside);
            return written;
        }
        match path.parent() {
            Some(dir) if durable == Durable::Yes => {
                disk.sync_dir(dir).map_err(Error::io("sync directory", dir))
            }
            _ => Ok(()),
        }
    }
}
