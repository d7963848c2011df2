//! Files that commands make for their users: that never take the place of another, or that do so in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::exit::{Failure, Outcome};

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whom the user's umask lets.
    Usual,
    /// The user alone.
    Owner,
}

/// Makes a file that is not there yet, to write to it.
///
/// # Errors
/// [`Failure::Usage`] where there is one already.
pub(crate) fn create(path: &Path, readers: Readers) -> Outcome<File> {
    let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| {
        let shown = path.display();
        if error.kind() == ErrorKind::AlreadyExists {
            Failure::Usage(format!("{shown} is there already; name another or remove it"))
        } else {
            Failure::Io(format!("make {shown}"), error)
        }
    })
}

/// Writes a file in one step: whoever reads it meanwhile sees the old one or the new one, and where it cannot be written the
/// old one stays, with nothing beside it.
///
/// # Errors
/// What the system says.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
