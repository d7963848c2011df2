//! Going on where another process stopped: a roll that it did not finish, frames that it did not publish, a clock that
//! stepped meanwhile.

use super::commit::NewRecord;
use super::recover;
use super::replay::{self, Position};
use super::session::{Session, Writer};
use crate::format::admin::Admin;
use crate::format::head::Head;
use crate::{Error, Result, SegmentId, Timestamp};

/// A wall clock that goes back by this much against the clock since boot is noted in the log.
const CLOCK_BACK_NS: i64 = 1_000_000_000;
/// A wall clock that goes ahead by this much is noted too.
const CLOCK_AHEAD_NS: i64 = 60_000_000_000;

impl Session<'_> {
    /// Notes a wall clock that stepped since the last commit. Times are kept as they are read: the order of the
    /// log is that of the seqs.
    pub(super) fn note_clock_step(&mut self) -> Result<()> {
        let clock = &self.log.world.clock;
        let Some(step_ns) = clock_step(&self.writer.head, clock.now(), clock.since_boot_ns()) else {
            return Ok(());
        };
        let body = Admin::Clock { step_ns }.encode();
        self.write(&[NewRecord::admin(&body)]).map(|_| ())
    }

    /// Goes on where a process died that was putting the next segment in place.
    pub(super) fn finish_roll(&mut self) -> Result<()> {
        if !self.writer.head.rolling {
            return Ok(());
        }
        let (world, layout) = (&self.log.world, &self.log.layout);
        let next = SegmentId(self.writer.head.next_seq);
        if world.disk.exists(&layout.log(next)).map_err(Error::io("open", layout.log(next)))? {
            let dir = layout.log_dir();
            world.disk.sync_dir(&dir).map_err(Error::io("sync directory", dir))?;
            let (turn, generation) = (self.writer.head.turn, self.writer.head.generation + 1);
            *self.writer = Writer::new(world, layout, recover::head_at(world, layout, next)?)?;
            self.writer.head.turn = turn;
            self.writer.head.generation = generation;
        }
        self.writer.head.rolling = false;
        self.publish()
    }

    /// Takes over the whole frames that a dead process wrote and did not publish; cuts what is less than a frame.
    ///
    /// Whole frames are kept although nobody was told of them: cutting them would lose an acknowledged event
    /// whenever `head` had been wound back. They are written once more, since a sync of theirs may have failed.
    pub(super) fn absorb(&mut self) -> Result<()> {
        let writer = &mut *self.writer;
        let (file, path) = (&writer.active.file, &writer.active.path);
        let at = writer.head.written_len;
        if !recover::is_written_behind(&writer.active, at)? {
            return Ok(());
        }
        let start = Position {
            at,
            frontier: writer.frontier.clone(),
            last_leaf: writer.head.last_leaf,
            received_at: writer.head.received_at,
        };
        let found = replay::replay(file, path, writer.active.id, &writer.active.header.salt, start)?;
        recover::rewrite_in_place(&**file, path, at, found.end.at)?;
        let lost = recover::keep_tail(
            &self.log.world,
            &self.log.layout,
            writer.active.id,
            &**file,
            path,
            found.end.at,
            found.tail_len,
        )?;
        file.set_len(found.end.at).map_err(Error::io("cut", path))?;
        file.sync().map_err(Error::io("sync", path))?;
        writer.allocated_len = found.end.at;
        let kept_records = found.end.next_seq() - writer.head.next_seq;
        let cut_at = found.end.at;
        let admin_end = found.admin.last().map_or(writer.head.admin_end, |place| place.seq + 1);
        writer.head.last_leaf = found.end.last_leaf;
        writer.head.next_seq = found.end.next_seq();
        writer.head.frontier = found.end.frontier.hashes().to_vec();
        writer.head.received_at = found.end.received_at;
        writer.head.admin_end = admin_end;
        writer.head.durable_len = cut_at;
        writer.head.written_len = cut_at;
        writer.frontier = found.end.frontier;
        self.publish()?;
        let body = Admin::Recovered {
            cut_at,
            cut_len: found.tail_len,
            file: self.writer.active.id.file_name("log"),
            kept_records,
            lost,
        }
        .encode();
        self.write(&[NewRecord::admin(&body)]).map(|_| ())
    }
}

/// How far the wall clock stepped since the last commit, where that is worth a record.
fn clock_step(head: &Head, now: Timestamp, since_boot_ns: u64) -> Option<i64> {
    if head.next_seq == 0 || head.since_boot_ns == 0 {
        return None;
    }
    let wall = now.0.saturating_sub(head.received_at.0);
    let passed = i64::try_from(since_boot_ns.saturating_sub(head.since_boot_ns)).unwrap_or(i64::MAX);
    let step = wall.saturating_sub(passed);
    (step <= -CLOCK_BACK_NS || step >= CLOCK_AHEAD_NS).then_some(step)
}
