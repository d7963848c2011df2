//! How a segment's log was cut into frames: with the rows of a file, all that it takes to write the log again, byte for byte.
//! A group of rows has whole frames, and stands for a piece of the log that can be written by itself.

use std::io::{self, Read, Write};

use indelible_engine::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord};
use indelible_engine::format::log_header::{LOG_HEADER_LEN, LogHeader};
use indelible_engine::hash::Hash;
use indelible_engine::{Fault, Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// How long the piece of a log gets that a group of rows stands for, in bytes: whoever wants one record fetches its group.
pub(crate) const PIECE_LEN: u64 = 8 << 20;

/// The log's header, and its pieces in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    /// The log's first bytes, in hex.
    header: String,
    /// One for each group of rows.
    pub(crate) pieces: Vec<Piece>,
}

/// A run of frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    /// Where in the log it begins.
    pub(crate) at: u64,
    /// The seq of its first record.
    pub(crate) first_seq: Seq,
    /// The leaf of the record before, 64 hex digits.
    pub(crate) predecessor: String,
    frames: Vec<Frames>,
}

impl Piece {
    /// The leaf of the record before.
    pub(crate) fn predecessor(&self) -> Result<Hash, Fault> {
        let found = &self.predecessor;
        Hash::from_hex(found)
            .ok_or_else(|| Fault::damaged(0, "predecessor of a piece", "64 hex digits", found))
    }
}

/// Frames that follow one another and are alike. Written as an array, for there may be many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u64, i64)", into = "(u32, u32, u64, i64)")]
struct Frames {
    times: u32,
    /// How many records each has; none is a close frame.
    count: u32,
    /// How many bytes before it were not known durable when it was written.
    unsynced_len: u64,
    /// When it was written, for a close frame: of others the records say so.
    closed_at_ns: i64,
}

impl From<(u32, u32, u64, i64)> for Frames {
    fn from((times, count, unsynced_len, closed_at_ns): (u32, u32, u64, i64)) -> Self {
        Frames { times, count, unsynced_len, closed_at_ns }
    }
}

impl From<Frames> for (u32, u32, u64, i64) {
    fn from(frames: Frames) -> Self {
        (frames.times, frames.count, frames.unsynced_len, frames.closed_at_ns)
    }
}

impl Shape {
    /// Reads a whole log.
    pub(crate) fn of(mut log: impl Read) -> io::Result<Shape> {
        let mut header = [0; LOG_HEADER_LEN];
        log.read_exact(&mut header)?;
        let header = header.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut shape = Shape { header, pieces: Vec::new() };
        let (mut at, mut bytes) = (LOG_HEADER_LEN as u64, Vec::new());
        loop {
            bytes.clear();
            (&mut log).take(FRAME_HEADER_LEN as u64).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(shape);
            }
            let payload_len = FrameHeader::decode(&bytes).map_err(invalid)?.payload_len;
            (&mut log).take(payload_len.into()).read_to_end(&mut bytes)?;
            let (frame, _) = frame::decode(&bytes).map_err(|fault| invalid(fault.shifted(at)))?;
            shape.push(&frame, at);
            at += frame.frame_len();
        }
    }

    fn push(&mut self, frame: &FrameHeader, at: u64) {
        let frames = Frames {
            times: 1,
            count: frame.count,
            unsynced_len: at.saturating_sub(frame.synced_len),
            closed_at_ns: if frame.kind == FrameKind::Close { frame.received_at.0 } else { 0 },
        };
        let goes_on = |piece: &&mut Piece| frame.count == 0 || at - piece.at < PIECE_LEN;
        let Some(piece) = self.pieces.last_mut().filter(goes_on) else {
            self.pieces.push(Piece {
                at,
                first_seq: frame.first_seq,
                predecessor: frame.predecessor.to_string(),
                frames: vec![frames],
            });
            return;
        };
        match piece.frames.last_mut() {
            Some(last) if (Frames { times: 1, ..*last }) == frames => last.times += 1,
            _ => piece.frames.push(frames),
        }
    }

    /// The log's header, as bytes and read.
    pub(crate) fn header(&self) -> Result<(Vec<u8>, LogHeader), Fault> {
        let digits = |at| self.header.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let bytes: Option<Vec<u8>> = (0..self.header.len()).step_by(2).map(digits).collect();
        let bytes = bytes.ok_or_else(|| Fault::damaged(0, "archived log header", "hex", "something else"))?;
        let (header, _) = LogHeader::decode(&bytes)?;
        if bytes.len() != LOG_HEADER_LEN {
            return Err(Fault::damaged(0, "archived log header", LOG_HEADER_LEN, bytes.len()));
        }
        Ok((bytes, header))
    }
}

fn invalid(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// Writes a piece of a log from its shape and its records.
pub(crate) struct Rebuild<'s, W> {
    out: W,
    frames: std::slice::Iter<'s, Frames>,
    /// The frames that are being written, and how many of them are left.
    alike: (Frames, u32),
    /// The frame that is gathered, its header's place left free.
    frame: Vec<u8>,
    header: FrameHeader,
    /// How many records the frame lacks.
    left: u32,
    at: u64,
}

impl<'s, W: Write> Rebuild<'s, W> {
    pub(crate) fn new(piece: &'s Piece, out: W) -> Self {
        let header = FrameHeader {
            kind: FrameKind::Records,
            payload_len: 0,
            count: 0,
            first_seq: piece.first_seq,
            received_at: Timestamp(0),
            synced_len: 0,
            predecessor: Hash::ZERO,
        };
        let (frames, alike) = (piece.frames.iter(), (Frames::from((0, 0, 0, 0)), 0));
        Rebuild { out, frames, alike, frame: Vec::new(), header, left: 0, at: piece.at }
    }

    /// Adds the next record, of which `predecessor` is the leaf before.
    pub(crate) fn push(
        &mut self,
        seq: Seq,
        received_at: Timestamp,
        predecessor: Hash,
        record: &FrameRecord<'_>,
    ) -> io::Result<()> {
        while self.left == 0 {
            let frames = self.next_frame().ok_or_else(not_this_shape)?;
            self.begin(frames, seq, received_at, predecessor);
            if frames.count == 0 {
                self.end()?;
            }
        }
        if received_at != self.header.received_at {
            return Err(not_this_shape());
        }
        record.encode_into(&mut self.frame);
        self.left -= 1;
        if self.left == 0 { self.end() } else { Ok(()) }
    }

    fn next_frame(&mut self) -> Option<Frames> {
        while self.alike.1 == 0 {
            let frames = *self.frames.next()?;
            self.alike = (frames, frames.times);
        }
        self.alike.1 -= 1;
        Some(self.alike.0)
    }

    fn begin(&mut self, frames: Frames, seq: Seq, received_at: Timestamp, predecessor: Hash) {
        let is_close = frames.count == 0;
        self.header = FrameHeader {
            kind: if is_close { FrameKind::Close } else { FrameKind::Records },
            payload_len: 0,
            count: frames.count,
            first_seq: seq,
            received_at: if is_close { Timestamp(frames.closed_at_ns) } else { received_at },
            synced_len: self.at.saturating_sub(frames.unsynced_len),
            predecessor,
        };
        self.frame.clear();
        self.frame.resize(FRAME_HEADER_LEN, 0);
        self.left = frames.count;
    }

    fn end(&mut self) -> io::Result<()> {
        self.header.seal(&mut self.frame);
        self.at += self.frame.len() as u64;
        self.out.write_all(&self.frame)
    }

    /// Writes what stands behind the last record, and gives back what was written to.
    pub(crate) fn finish(mut self, next_seq: Seq, last_leaf: Hash) -> io::Result<W> {
        while let Some(frames) = self.next_frame() {
            if frames.count > 0 || self.left > 0 {
                return Err(not_this_shape());
            }
            self.begin(frames, next_seq, Timestamp(0), last_leaf);
            self.end()?;
        }
        if self.left > 0 { Err(not_this_shape()) } else { Ok(self.out) }
    }
}

fn not_this_shape() -> io::Error {
    invalid(Fault::damaged(0, "archived frames", "those of the records", "others"))
}

/// Takes bytes that are to be those of a log that is there.
pub(crate) struct Compare<R> {
    log: R,
    scratch: Vec<u8>,
}

impl<R: Read> Compare<R> {
    pub(crate) fn with(log: R) -> Self {
        Compare { log, scratch: Vec::new() }
    }

    /// Whether the log ends here too.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.log.read(&mut [0])? == 0 { Ok(()) } else { Err(another_log()) }
    }
}

impl<R: Read> Write for Compare<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scratch.resize(bytes.len(), 0);
        self.log.read_exact(&mut self.scratch)?;
        if self.scratch == bytes { Ok(bytes.len()) } else { Err(another_log()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn another_log() -> io::Error {
    invalid(Fault::damaged(0, "log written from the archive file", "the bytes of the log", "others"))
}
