//! One process's turn to commit: knows where the log stands, appends frames, makes them durable, publishes.
//!
//! What a process left that died during its turn is for `takeover`.

use std::sync::Arc;

use super::catalog::AdminPlace;
use super::commit::{Committed, FrameBuilder, NewRecord, admin_places, frame_count};
use super::files::LogFile;
use super::head_file::HeadFile;
use super::layout::Layout;
use super::{Log, Sync};
use crate::disk::{Open, World};
use crate::format::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::format::head::Head;
use crate::merkle::Frontier;
use crate::{Error, Result, Timestamp, limits};

/// What this process remembers between its commits.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) head: Head,
    pub(super) frontier: Frontier,
    pub(super) active: LogFile,
    /// Length of the active file, room to grow included.
    pub(super) allocated_len: u64,
    synced_since_boot_ns: u64,
    /// The frames of one commit; kept for its capacity.
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
        Ok(Writer { head, frontier, active, allocated_len, synced_since_boot_ns, buffer, scratch })
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
        let head = self.head_file.read().ok_or_else(|| closed("its head file is gone or damaged"))?;
        if head.store_id != self.log.store_id || head.boot_id != self.log.world.boot_id {
            return Err(closed("its head file is of another store or another boot"));
        }
        if head.closed {
            return Err(closed("a sync failed"));
        }
        if head.turn == self.writer.head.turn {
            return Ok(());
        }
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
        self.head_file.publish(&self.writer.head)
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
        let mut committed = self.build_frames(records, now, &mut frontier)?;
        let start = self.writer.head.written_len;
        let end = start + self.writer.buffer.len() as u64;
        self.write_out(start, end)?;
        committed.durable = self.sync_if_due(since_boot_ns)?;

        let admin: Vec<AdminPlace> = admin_places(records, &committed);
        let listed = if admin.is_empty() { None } else { Some(self.log.catalog(&self.writer.head)?) };
        let head = &mut self.writer.head;
        if let Some(last) = committed.leaves.last() {
            head.last_leaf = *last;
        }
        head.next_seq = frontier.size();
        head.frontier = frontier.hashes().to_vec();
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

    /// Lays the records out as frames in the buffer, and hashes them into `frontier`.
    fn build_frames(
        &mut self,
        records: &[NewRecord<'_>],
        now: Timestamp,
        frontier: &mut Frontier,
    ) -> Result<Committed> {
        let writer = &mut *self.writer;
        let first_seq = frontier.size();
        let room = u64::from(limits::SEGMENT_RECORDS_MAX) - (first_seq - writer.head.active.0);
        if records.len() as u64 > room {
            return Err(Error::OverLimit {
                what: "the number of records in the active segment",
                found: first_seq - writer.head.active.0 + records.len() as u64,
                limit: u64::from(limits::SEGMENT_RECORDS_MAX),
            });
        }
        let start = writer.head.written_len;
        let salt = writer.active.header.salt;
        let mut frames = FrameBuilder {
            buffer: &mut writer.buffer,
            scratch: &mut writer.scratch,
            synced_len: writer.head.durable_len,
            received_at: now,
            predecessor: writer.head.last_leaf,
        };
        frames.buffer.clear();
        let mut committed = Committed {
            segment: writer.head.active,
            first_seq,
            received_at: now,
            durable: false,
            tree_size: 0,
            frontier: Arc::default(),
            leaves: Vec::with_capacity(records.len()),
            frames: Vec::new(),
            end_at: 0,
        };
        let mut rest = records;
        while !rest.is_empty() {
            let (frame, others) = rest.split_at(frame_count(rest));
            frames.push(frame, start, &salt, frontier, &mut committed);
            rest = others;
        }
        committed.end_at = start + writer.buffer.len() as u64;
        committed.tree_size = frontier.size();
        committed.frontier = frontier.hashes().into();
        Ok(committed)
    }

    /// Writes the buffer at `start`, cutting back to there where the disk does not take it all.
    fn write_out(&mut self, start: u64, end: u64) -> Result<()> {
        let writer = &mut *self.writer;
        let (file, path) = (Arc::clone(&writer.active.file), &writer.active.path);
        if end > writer.allocated_len {
            let step = self.log.settings.allocate_len.max(1);
            let wanted = end.div_ceil(step) * step;
            // Room ahead of need is a matter of speed: a disk that has no more of it may still take the frame.
            writer.allocated_len = match file.allocate(wanted) {
                Ok(()) => wanted,
                Err(_) => file.len().map_err(Error::io("measure", path))?,
            };
        }
        let Err(error) = file.write_all_at(&writer.buffer, start) else {
            writer.allocated_len = writer.allocated_len.max(end);
            return Ok(());
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
        let end = start + FRAME_HEADER_LEN as u64;
        // The records first: a close frame says that all before it is durable.
        self.sync()?;
        self.write_out(start, end)?;
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
