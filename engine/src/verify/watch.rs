//! How far a verification is, and whether it is still wanted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Options;

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub done_len: u64,
    /// Bytes to read, as known when it began. A log that is written to meanwhile may have more.
    pub total_len: u64,
}

/// What all threads of one verification share.
pub(super) struct Watch<'a> {
    options: &'a Options,
    total_len: u64,
    done_len: AtomicU64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(options: &'a Options, total_len: u64) -> Self {
        Watch { options, total_len, done_len: AtomicU64::new(0) }
    }

    /// Notes that `len` more bytes were read.
    pub(super) fn read(&self, len: u64) {
        let done_len = self.done_len.fetch_add(len, Ordering::Relaxed) + len;
        if let Some(progress) = &self.options.progress {
            progress(Progress { done_len, total_len: self.total_len.max(done_len) });
        }
    }

    /// How many bytes were read.
    pub(super) fn done(&self) -> u64 {
        self.done_len.load(Ordering::Relaxed)
    }

    pub(super) fn cancelled(&self) -> bool {
        self.options.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }

    /// Whether no other segment is to be begun.
    pub(super) fn is_time_over(&self) -> bool {
        self.options.time_is_over.as_ref().is_some_and(|is_over| is_over())
    }

    /// # Errors
    /// Where nobody wants to know any more.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.cancelled() { Err(io::Error::other("stopped on request")) } else { Ok(()) }
    }
}
