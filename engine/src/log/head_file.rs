//! Reading and publishing `head`: where the log stands, for processes of the same boot.

use std::sync::Arc;

use super::layout::Layout;
use crate::disk::{File, Open, World};
use crate::format::failures::{FAILURES_AT, FAILURES_LEN, FailureClass, Failures};
use crate::format::head::{HEAD_SLOT_LEN, HEAD_SLOTS, Head};
use crate::{Error, Result, Timestamp};

#[derive(Debug)]
pub(crate) struct HeadFile {
    file: Arc<dyn File>,
    layout: Layout,
}

impl HeadFile {
    /// Opens the file, making it where it is missing.
    pub(crate) fn open(world: &World, layout: &Layout) -> Result<Self> {
        let path = layout.head();
        let file = world.disk.open(&path, Open::Create).map_err(Error::io("open", path))?;
        // The page that counts failures gets its place now: once the disk is full there is none to get. Where it cannot
        // have one, nothing is counted.
        if file.len().is_ok_and(|len| len < FAILURES_AT + FAILURES_LEN as u64) {
            let _ = file.write_all_at(&Failures::default().encode(), FAILURES_AT);
        }
        Ok(HeadFile { file, layout: layout.clone() })
    }

    /// Opens the file for reading, if it is there.
    pub(crate) fn open_read(world: &World, layout: &Layout) -> Option<Self> {
        let file = world.disk.open(&layout.head(), Open::Read).ok()?;
        Some(HeadFile { file, layout: layout.clone() })
    }

    /// The latest valid slot. A hint: none where there is none, of whatever kind.
    ///
    /// Slots are written in turn, so a reader that comes while one is being written still finds the other.
    pub(crate) fn read(&self) -> Option<Head> {
        let mut bytes = [0; HEAD_SLOT_LEN * HEAD_SLOTS as usize];
        let len = self.file.read_up_to(&mut bytes, 0).ok()?;
        bytes[..len]
            .chunks_exact(HEAD_SLOT_LEN)
            .filter_map(|slot| Head::decode(slot).ok())
            .max_by_key(|head| head.turn)
    }

    /// How many commits failed. A hint: none where the page is damaged or missing.
    pub(crate) fn failures(&self) -> Failures {
        let mut page = [0; FAILURES_LEN];
        let read = self.file.read_up_to(&mut page, FAILURES_AT).unwrap_or(0);
        Failures::decode(&page[..read]).unwrap_or_default()
    }

    /// Counts a commit that failed. Whoever calls has the lock. A count that cannot be written is lost.
    pub(crate) fn count_failure(&self, class: FailureClass, now: Timestamp) {
        let mut failures = self.failures();
        failures.add(class, now);
        // In place, where it needs no room: a disk that is full takes it.
        if self.file.len().is_ok_and(|len| len >= FAILURES_AT + FAILURES_LEN as u64) {
            let _ = self.file.write_all_at(&failures.encode(), FAILURES_AT);
        }
    }

    /// Publishes `head` in its slot. Never synced.
    pub(crate) fn publish(&self, head: &Head) -> Result<()> {
        let offset = (head.turn % HEAD_SLOTS) * HEAD_SLOT_LEN as u64;
        self.file.write_all_at(&head.encode(), offset).map_err(Error::io("write", self.layout.head()))
    }
}
