//! Reading and publishing `head`: where the log stands, for processes of the same boot.

use std::fmt;
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
        self.slots()?.latest()
    }

    /// Both slots as they stand.
    pub(crate) fn slots(&self) -> Option<Slots> {
        let mut slots = Slots::unknown();
        slots.len = self.file.read_up_to(&mut slots.bytes, 0).ok()?;
        Some(slots)
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

    /// Publishes `head` in its slot. Never synced. `slots` is what the file holds, as far as that is known before and after.
    pub(crate) fn publish(&self, head: &Head, slots: &mut Slots) -> Result<()> {
        let at = (head.turn % HEAD_SLOTS) as usize * HEAD_SLOT_LEN;
        let slot = head.encode();
        // Nobody knows what a write that fails leaves.
        let len = std::mem::take(&mut slots.len);
        self.file.write_all_at(&slot, at as u64).map_err(Error::io("write", self.layout.head()))?;
        slots.bytes[at..][..HEAD_SLOT_LEN].copy_from_slice(&slot);
        slots.len = len;
        Ok(())
    }
}

/// Both slots of the file. To find that they are what they were takes a fraction of the time that reading them does.
pub(crate) struct Slots {
    bytes: [u8; HEAD_SLOT_LEN * HEAD_SLOTS as usize],
    /// How much of it there is; 0 where nothing is known.
    len: usize,
}

impl Slots {
    pub(crate) fn unknown() -> Slots {
        Slots { bytes: [0; _], len: 0 }
    }

    /// The latest valid one.
    pub(crate) fn latest(&self) -> Option<Head> {
        let slots = self.bytes[..self.len].chunks_exact(HEAD_SLOT_LEN);
        slots.filter_map(|slot| Head::decode(slot).ok()).max_by_key(|head| head.turn)
    }

    /// Whether all of these are known to be what all of `other` are known to be.
    pub(crate) fn are(&self, other: &Slots) -> bool {
        self.len == self.bytes.len() && other.len == self.len && self.bytes == other.bytes
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("latest", &self.latest()).finish()
    }
}
