//! The one error of the engine, and the one way to say what is wrong with stored bytes.
//!
//! Three things never blur: bytes are *damaged* (a checksum fails), *forged* (a hash, root, signature or
//! authority fails) or *unsupported* (a version that this release does not know). A decoder reports a
//! [`Fault`]; whoever knows the file turns it into an [`Error`] with [`Fault::in_file`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Seq;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of wrong a stored thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A version that this release does not know.
    Unsupported,
    /// A checksum, a length or a layout fails: the bytes are not what was written.
    Damaged,
    /// A hash, root, signature or authority fails: the bytes are consistent, and not what was committed to.
    Forged,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Unsupported => "unsupported",
            Class::Damaged => "damaged",
            Class::Forged => "forged",
        })
    }
}

/// One thing found wrong in stored bytes: what, where, what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Damaged, forged or unsupported.
    pub class: Class,
    /// Byte offset in the structure or file that was decoded.
    pub offset: u64,
    /// What was being checked, in a few words: `frame checksum`, `segment root`.
    pub what: &'static str,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Fault {
    /// A fault of `class` at `offset`.
    pub fn new(
        class: Class,
        offset: u64,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Fault { class, offset, what, expected: expected.to_string(), found: found.to_string() }
    }

    /// Bytes that are not what was written.
    pub fn damaged(
        offset: u64,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Fault::new(Class::Damaged, offset, what, expected, found)
    }

    /// Bytes that are not what was committed to.
    pub fn forged(
        offset: u64,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Fault::new(Class::Forged, offset, what, expected, found)
    }

    /// The same fault, `base` bytes further on.
    #[must_use]
    pub fn shifted(mut self, base: u64) -> Self {
        self.offset += base;
        self
    }

    /// The same fault, of a named file.
    pub fn in_file(self, file: &Path) -> Error {
        Error::Fault { file: file.to_path_buf(), fault: self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { class, offset, what, expected, found } = self;
        write!(f, "{class}: {what} at byte {offset}: expected {expected}, found {found}")
    }
}

impl std::error::Error for Fault {}

/// Everything that can go wrong in the engine: a variant for each thing that a caller would do differently.
///
/// It can be cloned, because one failed commit is told to every thread whose events were in it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `open`, `write`, `sync`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's own word.
        #[source]
        source: Arc<io::Error>,
    },
    /// Stored bytes are damaged, forged or of an unknown version.
    #[error("{}: {fault}", file.display())]
    Fault {
        /// The file that holds the bytes.
        file: PathBuf,
        /// What is wrong with them.
        fault: Fault,
    },
    /// What was handed over is not what it is said to be: a hash or a root does not come out.
    #[error("forged: {what}: {reason}")]
    Forged {
        /// What was being checked: `inclusion proof`, `body`.
        what: &'static str,
        /// How it fails.
        reason: String,
    },
    /// What is handed over as complete lacks something that it must have.
    #[error("incomplete: {what}: {reason}")]
    Incomplete {
        /// What is missing: `event`, `segment`, `tail`.
        what: &'static str,
        /// Which, and how that is known.
        reason: String,
    },
    /// An event that cannot be taken as it is.
    #[error("event refused at byte {offset}: {reason}")]
    InvalidEvent {
        /// Byte offset in the event.
        offset: u64,
        /// What is wrong, and where it helps, what to do.
        reason: String,
    },
    /// An event with this id is in the log already, and the caller asked for that to be an error.
    #[error("event id {id:?} is in the log already, at seq {seq}")]
    DuplicateEvent {
        /// The event id.
        id: String,
        /// The seq of the earlier record.
        seq: Seq,
    },
    /// A source profile that does not make sense.
    #[error("profile {name}: {reason}")]
    InvalidProfile {
        /// The profile's name, or the place where it was read.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A filter that is over a limit, or holds a path, a number or an expression that is none.
    #[error("invalid filter: {reason}")]
    InvalidFilter {
        /// What is wrong and what to do.
        reason: String,
    },
    /// A key, a note, a checkpoint or an origin that does not parse.
    #[error("invalid {what}: {reason}")]
    InvalidTrust {
        /// `verifier key`, `signed note`, `checkpoint`, `origin`, ...
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A signature that was asked for is not there or does not verify.
    #[error("not authenticated: {reason}")]
    NotAuthenticated {
        /// Which key, which note.
        reason: String,
    },
    /// The directory holds no store.
    #[error("{} is not an evidence store: {reason}", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// There is something where a new store was to be made.
    #[error("{} already exists: {reason}", path.display())]
    AlreadyExists {
        /// The directory or file.
        path: PathBuf,
        /// What is there, and what to do.
        reason: String,
    },
    /// Another process has what is needed.
    #[error("{} is in use: {reason}", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// Who has it, and what to do.
        reason: String,
    },
    /// The store can be read and not written, now or at all.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// Why, and what to do.
        reason: String,
    },
    /// A sync failed: nothing may be written until the store is opened anew.
    #[error("the store is closed to writing: {reason}; open it again to recover")]
    ClosedToWriting {
        /// What failed.
        reason: String,
    },
    /// This process was forked from the one that opened the store.
    #[error(
        "the store was opened by process {opened_by} and this is process {current}: open it again after a fork"
    )]
    Forked {
        /// The process that opened the store.
        opened_by: u32,
        /// The process that called.
        current: u32,
    },
    /// The store is behind its own checkpoint, an anchor or the signer.
    #[error("rolled back: {reason}")]
    RolledBack {
        /// What it is behind, with both sizes.
        reason: String,
    },
    /// Nothing here by that name.
    #[error("no {what} {name} in this store")]
    NotFound {
        /// `record`, `event`, `source`.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The event was deleted: what its entry says of it is left.
    #[error("the event of record {seq} was deleted by the plan that record {plan} has")]
    Deleted {
        /// The record.
        seq: Seq,
        /// The seq of the `store.plan` record.
        plan: Seq,
    },
    /// What was asked for goes against what the log's own records say.
    #[error("{what} refused: {reason}")]
    Refused {
        /// What it was: `policy`, `hold`, `plan`, `approval`.
        what: &'static str,
        /// What stands against it, and where it helps, what to do.
        reason: String,
    },
    /// A segment is in an archive that cannot be reached.
    #[error("segment {segment} is in the archive at {archive}, and cannot be had from there: {reason}")]
    Archived {
        /// The segment.
        segment: crate::SegmentId,
        /// The archive's place.
        archive: String,
        /// Why not.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
    /// A bound of the engine would be passed.
    #[error("{what} is {found}, over the limit of {limit}")]
    OverLimit {
        /// What is bounded.
        what: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        limit: u64,
    },
}

impl Error {
    /// An I/O error with what was tried and where: `map_err(Error::io("open", path))`. A fault or an error that
    /// came through a reader's `io::Error`, as that of a pack or an archive does, is itself again.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.downcast::<Fault>().map_err(io::Error::downcast::<Error>) {
            Ok(fault) => fault.in_file(&path),
            Err(Ok(error)) => error,
            Err(Err(source)) => Error::Io { action, path, source: Arc::new(source) },
        }
    }

    /// The class of a fault, where this is one.
    pub fn class(&self) -> Option<Class> {
        match self {
            Error::Fault { fault, .. } => Some(fault.class),
            Error::Forged { .. } => Some(Class::Forged),
            _ => None,
        }
    }
}
