//! The physical floors: what the machine needs for the same bytes when nothing else is done with them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::group::Sink;
use indelible_benches::Result;

/// How much room is made ahead of need: what Indelible does by default.
const ROOM_LEN: u64 = 8 << 20;
/// How much of the room is written as zeros at once, where it is: as Indelible does.
const AHEAD_LEN: u64 = 128 << 10;

/// A file that is written at its end and synced.
pub(crate) struct RawLog {
    file: File,
    end: u64,
    /// Length of the file, room included; none where it just grows.
    allocated: Option<u64>,
    /// Whether the room is written ahead of need, and not reserved alone.
    ahead: bool,
    buffer: Vec<u8>,
}

impl RawLog {
    pub(crate) fn growing(path: &Path) -> Result<Self> {
        Ok(RawLog { file: File::create(path)?, end: 0, allocated: None, ahead: false, buffer: Vec::new() })
    }

    pub(crate) fn preallocated(path: &Path) -> Result<Self> {
        Ok(RawLog { allocated: Some(0), ..RawLog::growing(path)? })
    }

    /// Preallocated, and written ahead of need.
    pub(crate) fn written_ahead(path: &Path) -> Result<Self> {
        Ok(RawLog { ahead: true, ..RawLog::preallocated(path)? })
    }

    /// Writes `bytes` durably.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result {
        let end = self.end + bytes.len() as u64;
        if let Some(allocated) = &mut self.allocated
            && end > *allocated
        {
            let wanted = end.div_ceil(ROOM_LEN) * ROOM_LEN;
            rustix::fs::fallocate(&self.file, FallocateFlags::empty(), *allocated, wanted - *allocated)?;
            *allocated = wanted;
        }
        if self.ahead && self.end / AHEAD_LEN != end / AHEAD_LEN {
            let mut buffer = bytes.to_vec();
            buffer.resize(bytes.len() + (AHEAD_LEN - end % AHEAD_LEN) as usize, 0);
            self.file.write_all_at(&buffer, self.end)?;
        } else {
            self.file.write_all_at(bytes, self.end)?;
        }
        self.file.sync_data()?;
        self.end = end;
        Ok(())
    }
}

impl Sink for RawLog {
    fn commit(&mut self, events: &[&[u8]]) -> Result {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        events.iter().for_each(|event| buffer.extend_from_slice(event));
        self.append(&buffer)?;
        self.buffer = buffer;
        Ok(())
    }
}
