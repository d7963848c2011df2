//! Files that commands make for their users, and that never take the place of another.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
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
