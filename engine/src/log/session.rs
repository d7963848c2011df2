//! One process's turn to commit: knows where the log stands, appends frames, makes them durable, publishes.
//!
//! What a process left that died during its turn is for `takeover`.

use std::sync::Arc;

use super::catalog::AdminPlace;
use super::commit::{Committed, FrameBuilder, NewRecord, admin_places, frame_count};
use super::files::LogFile;
use super::head_file::{HeadFile, Slots};
use super::layout::Layout;
use super::{Log, Sync};
use crate::disk::{Open, World};
use crate::format::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::format::head::Head;
use crate::merkle::Frontier;
use crate::{Error, Result, Timestamp, limits};

/// Most bytes of the room for later commits that are written at once, as zeros.
///
/// Room that is only reserved is room of which the file system has to note, when it is first written to, that it is used:
/// before a sync returns, and in a place of its own. One write of many zeros spares the commits after it that.
const AHEAD_LEN_MAX: u64 = 128 << 10;

/// How much is written at once, in bytes, give or take a frame.
const WRITE_LEN: usize = 256 << 10;

/// How many zeros go behind a commit that is written from `start` to `end`: what is left of the stretch of `ahead_len`
/// bytes that it is the first to reach. So whoever commits, in whatever process, knows without asking what was written
/// ahead. To a commit that is long itself the one note more is nothing.
fn zeros_behind(start: u64, end: u64, ahead_len: u64) -> u64 {
    let is_long = end - start > ahead_len / 2;
    match (start.checked_div(ahead_len), end.checked_div(ahead_len)) {
        (Some(before), Some(reached)) if before != reached && !is_long => (reached + 1) * ahead_len - end,
        _ => 0,
    }
}

/// What this process remembers between its commits.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) head: Head,
    /// What the head file held when it was last looked at, or after it was written: as long as it does, no other process
    /// has committed.
    slots: Slots,
    pub(super) frontier: Frontier,
    pub(super) active: LogFile,
    /// Length of the active file, room to grow included.
    pub(super) allocated_len: u64,
    synced_since_boot_ns: u64,
    /// The frames that are written next; kept for its capacity.
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl Writer {
    pub(super) fn new(world: &World, layout: &Layout, head: Head) -> Result<Self> {
        let active = LogFile::open(world, layout, head.active, Open::Write)?;
        let allocated_len = active.file.len().map_err(Error::io("measure", &active.path))?;
        let frontier = frontier_of(&head)?;
        let synced_since_boot_ns = head.since_boot_ns;
        let (buffer, scratch) = (Vec::new(), Vec::new());
        let slots = Slots::unknown();
        Ok(Writer { head, slots, frontier, active, allocated_len, synced_since_boot_ns, buffer, scratch })
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }
}

fn frontier_of(head: &Head) -> Result<Frontier> {
    // Decoding has counted the hashes already.
    Frontier::from_parts(head.next_seq, head.frontier.clone())
        .ok_or_else(|| Error::ClosedToWriting { reason: "the head's tree does not fit its size".to_owned() })
}

/// The right to commit, held.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(super) log: &'a Log,
    head_file: &'a HeadFile,
    pub(super) writer: &'a mut Writer,
}

impl<'a> Session<'a> {
    /// Reads where the log stands, and deals with what a process left that died while it committed.
    pub(super) fn begin(log: &'a Log, head_file: &'a HeadFile, writer: &'a mut Writer) -> Result<Self> {
        let mut session = Session { log, head_file, writer };
        session.refresh()?;
        session.finish_roll()?;
        session.absorb()?;
        session.note_clock_step()?;
        Ok(session)
    }

    /// Where the log stands.
    pub(crate) fn head(&self) -> &Head {
        &self.writer.head
    }

    fn refresh(&mut self) -> Result<()> {
        let closed = |reason: &str| Error::ClosedToWriting { reason: reason.to_owned() };
        let gone = || closed("its head file is gone or damaged");
        let slots = self.head_file.slots().ok_or_else(gone)?;
        if slots.are(&self.writer.slots) {
            return if self.writer.head.closed { Err(closed("a sync failed")) } else { Ok(()) };
        }
        let head = slots.latest().ok_or_else(gone)?;
        if head.store_id != self.log.store_id || head.boot_id != self.log.world.boot_id {
            return Err(closed("its head file is of another store or another boot"));
        }
        if head.closed {
            return Err(closed("a sync failed"));
        }
        if head.turn != self.writer.head.turn {
            self.take_up(head)?;
        }
        self.writer.slots = slots;
        Ok(())
    }

    /// Goes on from where another process left the log.
    fn take_up(&mut self, head: Head) -> Result<()> {
        if head.active != self.writer.active.id {
            self.writer.active = LogFile::open(&self.log.world, &self.log.layout, head.active, Open::Write)?;
        }
        let active = &self.writer.active;
        self.writer.allocated_len = active.file.len().map_err(Error::io("measure", &active.path))?;
        self.writer.frontier = frontier_of(&head)?;
        self.writer.head = head;
        Ok(())
    }

    /// Says that the next segment is about to be put in place.
    pub(super) fn begin_roll(&mut self) -> Result<()> {
        self.writer.head.rolling = true;
        self.publish()
    }

    pub(super) fn publish(&mut self) -> Result<()> {
        self.writer.head.turn += 1;
        self.head_file.publish(&self.writer.head, &mut self.writer.slots)
    }

    /// Appends `records` as one or more frames, durable as the settings say, and publishes them.
    ///
    /// # Errors
    /// Where the disk takes no more, nothing of `records` is in the log. After a failed sync the store is closed
    /// to writing, and they may be found after recovery.
    pub(crate) fn write(&mut self, records: &[NewRecord<'_>]) -> Result<Committed> {
        let now = self.log.world.clock.now();
        let since_boot_ns = self.log.world.clock.since_boot_ns();
        let mut frontier = self.writer.frontier.clone();
        let mut committed = self.write_frames(records, now, &mut frontier)?;
        let end = committed.end_at;
        committed.durable = self.sync_if_due(since_boot_ns)?;

        let admin: Vec<AdminPlace> = admin_places(records, &committed);
        let listed = if admin.is_empty() { None } else { Some(self.log.catalog(&self.writer.head)?) };
        let head = &mut self.writer.head;
        if let Some(last) = committed.leaves.last() {
            head.last_leaf = *last;
        }
        head.next_seq = frontier.size();
        head.frontier.clear();
        head.frontier.extend_from_slice(frontier.hashes());
        head.received_at = now;
        head.since_boot_ns = since_boot_ns;
        head.written_len = end;
        if committed.durable {
            head.durable_len = end;
        }
        if let Some(last) = admin.last() {
            head.admin_end = last.seq + 1;
        }
        self.writer.frontier = frontier;
        self.publish()?;
        if let Some(listed) = listed {
            let mut catalog = (*listed).clone();
            catalog.extend(&admin, self.writer.head.admin_end);
            // The commit stands, whatever becomes of the cache.
            let _ = catalog.write(&self.log.world, &self.log.layout);
            self.log.set_catalog(catalog);
        }
        Ok(committed)
    }

    /// Writes the records as frames, and hashes them into `frontier`: of many, so much at a time that what is laid out is
    /// still in the processor's caches when it is written.
    fn write_frames(
        &mut self,
        records: &[NewRecord<'_>],
        now: Timestamp,
        frontier: &mut Frontier,
    ) -> Result<Committed> {
        let head = &self.writer.head;
        let first_seq = frontier.size();
        let room = u64::from(limits::SEGMENT_RECORDS_MAX) - (first_seq - head.active.0);
        if records.len() as u64 > room {
            return Err(Error::OverLimit {
                what: "the number of records in the active segment",
                found: first_seq - head.active.0 + records.len() as u64,
                limit: u64::from(limits::SEGMENT_RECORDS_MAX),
            });
        }
        let mut committed = Committed {
            segment: head.active,
            first_seq,
            received_at: now,
            durable: false,
            tree_size: 0,
            frontier: Arc::default(),
            leaves: Vec::with_capacity(records.len()),
            frames: Vec::new(),
            end_at: head.written_len,
        };
        let start = head.written_len;
        let mut rest = records;
        while !rest.is_empty() {
            rest = self.lay_out(rest, frontier, &mut committed);
            committed.end_at = self.write_out(start, committed.end_at)?;
        }
        committed.tree_size = frontier.size();
        committed.frontier = frontier.hashes().into();
        Ok(committed)
    }

    /// Lays out as many of the records as are written at once, as frames in the buffer; those that are left.
    fn lay_out<'r>(
        &mut self,
        records: &'r [NewRecord<'r>],
        frontier: &mut Frontier,
        committed: &mut Committed,
    ) -> &'r [NewRecord<'r>] {
        let writer = &mut *self.writer;
        let start = committed.end_at;
        let salt = writer.active.header.salt;
        let mut frames = FrameBuilder {
            buffer: &mut writer.buffer,
            scratch: &mut writer.scratch,
            synced_len: writer.head.durable_len,
            received_at: committed.received_at,
            predecessor: committed.leaves.last().copied().unwrap_or(writer.head.last_leaf),
        };
        frames.buffer.clear();
        let mut rest = records;
        while !rest.is_empty() && frames.buffer.len() < WRITE_LEN {
            let (frame, others) = rest.split_at(frame_count(rest));
            frames.push(frame, start, &salt, frontier, committed);
            rest = others;
        }
        rest
    }

    /// Writes the buffer at `at`, behind what else was written of a commit that begins at `start`; where it ends. Where
    /// the disk does not take it all, the log is cut back to `start`.
    fn write_out(&mut self, start: u64, at: u64) -> Result<u64> {
        let ahead_len = self.ahead_len();
        let writer = &mut *self.writer;
        let (file, path) = (Arc::clone(&writer.active.file), &writer.active.path);
        let len = writer.buffer.len();
        let end = at + len as u64;
        if end > writer.allocated_len {
            let step = self.log.settings.allocate_len.max(1);
            let wanted = end.div_ceil(step) * step;
            // Room ahead of need is a matter of speed: a disk that has no more of it may still take the frame.
            writer.allocated_len = match file.allocate(wanted) {
                Ok(()) => wanted,
                Err(_) => file.len().unwrap_or(writer.allocated_len),
            };
        }
        let zeros = zeros_behind(start, end, ahead_len).min(writer.allocated_len.saturating_sub(end));
        writer.buffer.resize(len + zeros as usize, 0);
        let mut written = file.write_all_at(&writer.buffer, at);
        if written.is_err() && zeros > 0 {
            // Not every file system keeps what was reserved: the frames by themselves may still fit.
            writer.buffer.truncate(len);
            written = file.write_all_at(&writer.buffer, at);
        }
        let Err(error) = written else {
            writer.allocated_len = writer.allocated_len.max(end);
            return Ok(end);
        };
        let failed = Error::io("write", path)(error);
        match file.set_len(start) {
            Ok(()) => {
                writer.allocated_len = start;
                Err(failed)
            }
            Err(_) => Err(self.close_to_writing(&failed)),
        }
    }

    /// How much of the room is written ahead of need at once, in bytes: only syncs gain from it.
    fn ahead_len(&self) -> u64 {
        match self.log.settings.sync {
            Sync::Always => self.log.settings.allocate_len.min(AHEAD_LEN_MAX),
            Sync::Buffered | Sync::Interval(_) => 0,
        }
    }

    fn sync_if_due(&mut self, since_boot_ns: u64) -> Result<bool> {
        let due = match self.log.settings.sync {
            Sync::Always => true,
            Sync::Buffered => false,
            Sync::Interval(interval) => {
                let since = since_boot_ns.saturating_sub(self.writer.synced_since_boot_ns);
                u128::from(since) >= interval.as_nanos()
            }
        };
        if due {
            self.sync_file(since_boot_ns)?;
        }
        Ok(due)
    }

    fn sync_file(&mut self, since_boot_ns: u64) -> Result<()> {
        let active = &self.writer.active;
        if let Err(error) = active.file.sync() {
            let failed = Error::io("sync", &active.path)(error);
            return Err(self.close_to_writing(&failed));
        }
        self.writer.synced_since_boot_ns = since_boot_ns;
        Ok(())
    }

    /// Makes all that was written durable, whatever the settings.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.writer.head.durable_len == self.writer.head.written_len {
            return Ok(());
        }
        self.sync_file(self.log.world.clock.since_boot_ns())?;
        self.writer.head.durable_len = self.writer.head.written_len;
        self.publish()
    }

    /// After a failed sync nobody knows what is on the disk: no process may write until one has recovered.
    pub(super) fn close_to_writing(&mut self, failed: &Error) -> Error {
        self.writer.head.closed = true;
        // Should this fail too, the next commit finds bytes behind the published length and deals with them.
        let _ = self.publish();
        Error::ClosedToWriting { reason: failed.to_string() }
    }

    /// Ends the log in order: a close frame, no room behind it.
    pub(super) fn write_close_frame(&mut self) -> Result<()> {
        let writer = &mut *self.writer;
        let start = writer.head.written_len;
        let header = FrameHeader {
            kind: FrameKind::Close,
            payload_len: 0,
            count: 0,
            first_seq: writer.head.next_seq,
            received_at: self.log.world.clock.now(),
            synced_len: writer.head.durable_len,
            predecessor: writer.head.last_leaf,
        };
        writer.buffer.clear();
        writer.buffer.resize(FRAME_HEADER_LEN, 0);
        header.seal(&mut writer.buffer);
        // The records first: a close frame says that all before it is durable.
        self.sync()?;
        let end = self.write_out(start, start)?;
        let active = &self.writer.active;
        active.file.set_len(end).map_err(Error::io("cut", &active.path))?;
        self.writer.allocated_len = end;
        self.sync_file(self.log.world.clock.since_boot_ns())?;
        self.writer.head.written_len = end;
        self.writer.head.durable_len = end;
        self.publish()
    }

    /// Cuts the room to grow off the active log, durably: it is about to be sealed.
    pub(super) fn trim(&mut self) -> Result<()> {
        let len = self.writer.head.written_len;
        let active = &self.writer.active;
        active.file.set_len(len).map_err(Error::io("cut", &active.path))?;
        self.writer.allocated_len = len;
        self.sync_file(self.log.world.clock.since_boot_ns())?;
        self.writer.head.durable_len = len;
        Ok(())
    }

    /// Goes over to the segment that `committed` begins: its log is in place, `len` bytes long.
    pub(super) fn switch(&mut self, committed: &Committed, frontier: Frontier, len: u64) -> Result<()> {
        let id = committed.segment;
        self.writer.active = LogFile::open(&self.log.world, &self.log.layout, id, Open::Write)?;
        self.writer.allocated_len = len;
        let head = &mut self.writer.head;
        head.rolling = false;
        head.active = id;
        head.generation += 1;
        head.durable_len = len;
        head.written_len = len;
        head.next_seq = frontier.size();
        head.frontier = frontier.hashes().to_vec();
        head.received_at = committed.received_at;
        head.since_boot_ns = self.log.world.clock.since_boot_ns();
        head.admin_end = frontier.size();
        if let Some(leaf) = committed.leaves.last() {
            head.last_leaf = *leaf;
        }
        self.writer.frontier = frontier;
        self.publish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_commits_that_first_reach_a_stretch_of_room_write_all_of_it() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for ahead_len in [0, 1, 2, 100, 4096] {
            // Up to where something was written, and up to where it is enough for the stretch.
            let (mut at, mut written) = (random(1000), 0);
            for _ in 0..2000 {
                let end = at + 1 + random(ahead_len.max(8));
                let zeros = zeros_behind(at, end, ahead_len);
                if zeros > 0 {
                    assert!(zeros <= ahead_len && (end + zeros).is_multiple_of(ahead_len));
                    assert!(written <= end, "nothing is written ahead twice");
                    written = end + zeros;
                } else if ahead_len > 0 && end - at <= ahead_len / 2 && written > 0 {
                    let is_covered = end <= written || at / ahead_len == end / ahead_len;
                    assert!(is_covered, "{at} to {end} of {ahead_len}");
                }
                at = end;
            }
        }
        assert_eq!(zeros_behind(4000, 4200, 4096), 8192 - 4200);
        assert_eq!(zeros_behind(4000, 4096, 4096), 4096);
        assert_eq!((zeros_behind(0, 4000, 4096), zeros_behind(4000, 8000, 4096)), (0, 0));
    }
}
