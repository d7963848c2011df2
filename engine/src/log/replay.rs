//! Following the frames of an active segment from a known point: what recovery, and a commit that finds a dead
//! process's bytes, both need. It reads; it changes nothing.

use std::path::Path;
use std::sync::Arc;

use super::catalog::AdminPlace;
use super::scan::{self, FrameScan};
use crate::disk::File;
use crate::error::Fault;
use crate::format::admin::Admin;
use crate::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::hash::{Hash, SegmentSalt};
use crate::merkle::Frontier;
use crate::{Error, Result, SegmentId, Seq, Timestamp};

/// Where a log stands after its frames up to a point.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// Byte offset in the log file: the end of the last frame.
    pub(crate) at: u64,
    /// The tree over all records so far; its size is the next seq.
    pub(crate) frontier: Frontier,
    /// The last record's leaf.
    pub(crate) last_leaf: Hash,
    /// The last frame's time.
    pub(crate) received_at: Timestamp,
}

impl Position {
    pub(crate) fn next_seq(&self) -> Seq {
        self.frontier.size()
    }
}

/// What was found behind a known position.
#[derive(Debug)]
pub(crate) struct Replay {
    /// After the last good frame.
    pub(crate) end: Position,
    /// The greatest length that a good frame says was durable.
    pub(crate) synced_len: u64,
    /// Next seq as of the frame that is first above `synced_len`: records from here on were never known durable.
    pub(crate) unsynced_seq: Seq,
    /// The last frame is a close frame: all is durable.
    pub(crate) closed: bool,
    /// The store's own records that were met.
    pub(crate) admin: Vec<AdminPlace>,
    /// Bytes behind the last good frame up to the last that is not zero.
    pub(crate) tail_len: u64,
}

/// Follows the frames of `file` from `start`, as far as they are good.
///
/// # Errors
/// Damage, where what is bad was known durable: below the greatest synced length that any frame states, on
/// either side of the bad bytes, or before a close frame.
pub(crate) fn replay(
    file: &Arc<dyn File>,
    path: &Path,
    segment: SegmentId,
    salt: &SegmentSalt,
    start: Position,
) -> Result<Replay> {
    let file_len = file.len().map_err(Error::io("measure", path))?;
    let mut replay = Replay {
        unsynced_seq: start.next_seq(),
        end: start,
        synced_len: 0,
        closed: false,
        admin: Vec::new(),
        tail_len: 0,
    };
    let mut frames = Vec::new();
    let mut scan = FrameScan::new(file, path, replay.end.at, file_len);
    let stopped = loop {
        match scan.next() {
            Ok(None) => break None,
            Ok(Some((at, header, payload))) => {
                check_place(&header, at, &replay).map_err(|fault| fault.shifted(at).in_file(path))?;
                apply(&header, at, payload, segment, salt, &mut replay)
                    .map_err(|fault| fault.shifted(at).in_file(path))?;
                frames.push((at, replay.end.next_seq()));
            }
            Err(error @ Error::Fault { .. }) => break Some(error),
            Err(other) => return Err(other),
        }
    };
    replay.unsynced_seq = frames
        .iter()
        .take_while(|(at, _)| *at < replay.synced_len)
        .last()
        .map_or(replay.unsynced_seq, |f| f.1);
    if let Some(bad) = stopped {
        inspect_tail(file, path, file_len, &mut replay, bad)?;
    }
    if replay.synced_len > replay.end.at {
        return Err(
            Fault::damaged(replay.end.at, "log length", replay.synced_len, replay.end.at).in_file(path)
        );
    }
    Ok(replay)
}

/// A frame with a good checksum must also stand where it says.
fn check_place(header: &FrameHeader, at: u64, replay: &Replay) -> Result<(), Fault> {
    if header.first_seq != replay.end.next_seq() {
        return Err(Fault::damaged(16, "frame first seq", replay.end.next_seq(), header.first_seq));
    }
    if header.predecessor != replay.end.last_leaf {
        return Err(Fault::forged(40, "frame predecessor", replay.end.last_leaf, header.predecessor));
    }
    if header.synced_len > at {
        return Err(Fault::damaged(
            32,
            "frame synced length",
            format_args!("at most {at}"),
            header.synced_len,
        ));
    }
    Ok(())
}

fn apply(
    header: &FrameHeader,
    at: u64,
    payload: &[u8],
    segment: SegmentId,
    salt: &SegmentSalt,
    replay: &mut Replay,
) -> Result<(), Fault> {
    let records =
        frame::records(payload, header.count).map_err(|fault| fault.shifted(FRAME_HEADER_LEN as u64))?;
    let mut leaves = Vec::with_capacity(records.len());
    scan::leaves(header, &records, salt, &mut leaves);
    for (seq, record) in (header.first_seq..).zip(&records) {
        if record.source == 0 && record.body.bytes().is_some_and(Admin::is_state) {
            replay.admin.push(AdminPlace { seq, segment: segment.0, frame_at: at });
        }
    }
    for leaf in &leaves {
        replay.end.frontier.push(*leaf);
    }
    if let Some(last) = leaves.last() {
        replay.end.last_leaf = *last;
    }
    replay.end.at = at + header.frame_len();
    replay.end.received_at = header.received_at;
    replay.synced_len = replay.synced_len.max(header.synced_len);
    replay.closed = header.kind == FrameKind::Close;
    if replay.closed {
        replay.synced_len = replay.end.at;
    }
    Ok(())
}

/// Looks at what stands behind the last good frame: zeros are room to grow; anything else is a torn tail, unless
/// a frame behind it shows that it was durable once.
fn inspect_tail(
    file: &Arc<dyn File>,
    path: &Path,
    file_len: u64,
    replay: &mut Replay,
    bad: Error,
) -> Result<()> {
    const CHUNK_LEN: usize = 1 << 20;
    let mut chunk = vec![0; CHUNK_LEN];
    let mut at = replay.end.at;
    while at < file_len {
        let read = file.read_up_to(&mut chunk, at).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        if let Some(last) = chunk[..read].iter().rposition(|&byte| byte != 0) {
            replay.tail_len = at + last as u64 + 1 - replay.end.at;
        }
        for found in memchr_all(&chunk[..read]) {
            let candidate = at + found as u64;
            let mut scan = FrameScan::new(file, path, candidate, file_len).with_window(FRAME_HEADER_LEN);
            if let Ok(Some((_, header, _))) = scan.next() {
                let was_durable = header.synced_len > replay.end.at || header.kind == FrameKind::Close;
                if was_durable && header.first_seq >= replay.end.next_seq() {
                    return Err(bad);
                }
            }
        }
        at += read as u64;
    }
    if replay.synced_len > replay.end.at && replay.tail_len > 0 {
        return Err(bad);
    }
    Ok(())
}

/// Where a frame could begin. The magic's first byte is not ASCII and no valid event has a NUL, so that an event
/// cannot hold a frame; a frame that straddles two chunks is found by its header's first byte alone.
fn memchr_all(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.iter().enumerate().filter(|&(_, &byte)| byte == frame::MAGIC_FIRST_BYTE).map(|(index, _)| index)
}
