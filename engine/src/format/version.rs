//! The format's versions: who may read a file, and who may go on writing to it.

use crate::Class;
use crate::error::Fault;

/// A file is read by releases that know its read version.
pub const READ_VERSION: u16 = 1;
/// A file is written to by releases that know its write version; others open it read-only.
pub const WRITE_VERSION: u16 = 1;

/// Whether this release may append to a file of a version that it can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// It may.
    Yes,
    /// The file's write version is another one.
    No {
        /// The file's write version.
        found: u16,
    },
}

/// Compares a file's versions, found at byte `offset`, with this release's.
pub(super) fn check(read: u16, write: u16, offset: u64) -> Result<Writable, Fault> {
    if read != READ_VERSION {
        let found = match read {
            0 => "0: a draft of the format; append its events to a new store".to_owned(),
            newer => format!("{newer}: use a newer release"),
        };
        return Err(Fault::new(Class::Unsupported, offset, "format read version", READ_VERSION, found));
    }
    Ok(if write == WRITE_VERSION { Writable::Yes } else { Writable::No { found: write } })
}
