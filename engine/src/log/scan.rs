//! Walking the frames of one log file, in order, each with its checksum, through a bounded window.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::File;
use crate::error::Fault;
use crate::format::entry::Entry;
use crate::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameRecord};
use crate::hash::{Hash, SegmentSalt};
use crate::{Error, Result};

/// How much is read at once.
const WINDOW_LEN: usize = 1 << 20;

/// Reads a file's frames one after another.
#[derive(Debug)]
pub(crate) struct FrameScan {
    file: Arc<dyn File>,
    path: PathBuf,
    /// The next frame's offset.
    at: u64,
    /// Where the frames end: nothing is read beyond.
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
}

impl FrameScan {
    /// The frames from `at` to `end`, both byte offsets in `file`. `window_len` bounds what is read at once.
    pub(crate) fn new(file: &Arc<dyn File>, path: &Path, at: u64, end: u64) -> Self {
        let (file, path) = (Arc::clone(file), path.to_path_buf());
        FrameScan { file, path, at, end, window: Vec::new(), window_at: at, window_len: WINDOW_LEN }
    }

    /// Reads less at once: for callers that want one frame.
    pub(crate) fn with_window(mut self, len: usize) -> Self {
        self.window_len = len.clamp(FRAME_HEADER_LEN, WINDOW_LEN);
        self
    }

    /// Makes sure that the window holds `len` bytes from the next frame on, or all up to the end.
    fn fill(&mut self, len: usize) -> Result<&[u8]> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = len.min(left);
        let start = (self.at - self.window_at) as usize;
        if self.window.len().saturating_sub(start) < wanted {
            let len = self.window_len.max(wanted).min(left);
            self.window.resize(len, 0);
            self.window_at = self.at;
            let read =
                self.file.read_up_to(&mut self.window, self.at).map_err(Error::io("read", &self.path))?;
            self.window.truncate(read);
        }
        let start = (self.at - self.window_at) as usize;
        let end = self.window.len().min(start.saturating_add(left));
        Ok(&self.window[start.min(end)..end])
    }

    /// The next frame: its offset, header and payload. Nothing at the end.
    ///
    /// # Errors
    /// A fault, with the offset in the file, where there is something else; the scan stays where it is.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, FrameHeader, &[u8])>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let at = self.at;
        let header = FrameHeader::decode(self.fill(FRAME_HEADER_LEN)?);
        let header = header.map_err(|fault| self.in_file(fault))?;
        let len = usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        self.fill(len)?;
        let start = (at - self.window_at) as usize;
        self.at += header.frame_len();
        match frame::decode(&self.window[start..]) {
            Ok((header, payload)) => Ok(Some((at, header, payload))),
            Err(fault) => {
                self.at = at;
                Err(fault.shifted(at).in_file(&self.path))
            }
        }
    }

    fn in_file(&self, fault: Fault) -> Error {
        fault.shifted(self.at).in_file(&self.path)
    }
}

/// Appends the leaves of a frame's records to `leaves`. The chain starts from the frame's own predecessor.
pub(crate) fn leaves(
    header: &FrameHeader,
    records: &[FrameRecord<'_>],
    salt: &SegmentSalt,
    leaves: &mut Vec<Hash>,
) {
    let mut hashes = Vec::with_capacity(records.len());
    frame::body_hashes(salt, header.first_seq, records.iter(), &mut hashes);
    let mut predecessor = header.predecessor;
    let mut scratch = Vec::new();
    for ((seq, record), body_hash) in (header.first_seq..).zip(records).zip(hashes) {
        predecessor = Entry::of(header, seq, record, predecessor, body_hash).leaf(&mut scratch);
        leaves.push(predecessor);
    }
}
