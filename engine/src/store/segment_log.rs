//! A sealed segment's log as the bytes that it is, for whoever copies it elsewhere.

use std::io;
use std::sync::Arc;

use super::Snapshot;
use crate::log::files::LogFile;
use crate::{Error, Result, SegmentId};

/// A sealed segment's log: frames as `docs/FORMAT.md` has them, whichever tier they lie in. Reads from the start.
#[derive(Debug)]
pub struct SegmentLog {
    log: Arc<LogFile>,
    at: u64,
    len: u64,
}

impl SegmentLog {
    /// Its length in bytes.
    pub fn log_len(&self) -> u64 {
        self.len
    }
}

impl io::Read for SegmentLog {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.log.file.read_at(&mut buffer[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Snapshot {
    /// The log of a sealed segment.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no sealed segment begins with `id`; whatever opening its file says.
    pub fn segment_log(&self, id: SegmentId) -> Result<SegmentLog> {
        let place = self.catalog.sealed_at(id.0).filter(|place| place.first_seq == id.0);
        let place = place.ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })?;
        let log = self.inner.log.files.log(SegmentId(place.first_seq))?;
        let len = log.len()?;
        Ok(SegmentLog { log, at: 0, len })
    }
}
