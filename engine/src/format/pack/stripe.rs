//! A stripe of a pack: the frames' columns, the records' slots, and the way back to the log's bytes.
//!
//! A frame's header says little that its records and its neighbours do not: of each there is kept how many records it
//! has, when they were received, and how far back it knew the log to be durable. The leaf before a frame is hashed anew
//! from the stripe's first on, its checksum is summed anew, and so what was altered anywhere comes out as another log.

use super::{Directory, Stripe};
use crate::Timestamp;
use crate::error::Fault;
use crate::format::bytes::{i64_at, u16_at, u32_at, u64_at};
use crate::format::entry::Entry;
use crate::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, RecordParts};
use crate::hash::Hash;

/// Length in bytes of a frame's row in the columns, before they are compressed.
pub const FRAME_ROW_LEN: usize = 20;

/// The columns of a stripe's frames, as they are gathered.
#[derive(Debug, Default)]
pub struct FrameColumns {
    counts: Vec<u8>,
    received: Vec<u8>,
    behind: Vec<u8>,
    received_at: i64,
}

impl FrameColumns {
    /// Adds the frame whose header stands at `at` in the log.
    pub fn push(&mut self, header: &FrameHeader, at: u64) {
        self.counts.extend(header.count.to_le_bytes());
        self.received.extend(header.received_at.0.wrapping_sub(self.received_at).to_le_bytes());
        self.behind.extend(at.wrapping_sub(header.synced_len).to_le_bytes());
        self.received_at = header.received_at.0;
    }

    /// The columns one behind the other: counts (0 in a close frame), received times as differences, and how far the
    /// synced length is behind the frame.
    pub fn take(&mut self) -> Vec<u8> {
        let columns = std::mem::take(self);
        [columns.counts, columns.received, columns.behind].concat()
    }
}

/// A block's records as they stand in frames, and where each ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The records, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each record ends in these.
    pub ends: Vec<u32>,
}

impl Unpacked {
    fn new(bytes: Vec<u8>, count: usize) -> Result<Self, Fault> {
        let (mut ends, mut at) = (Vec::with_capacity(count.min(bytes.len())), 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += RecordParts::decode(rest)?.len;
            ends.push(at as u32);
        }
        if ends.len() == count {
            Ok(Unpacked { bytes, ends })
        } else {
            Err(Fault::damaged(0, "pack block records", count, ends.len()))
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.bytes.get(start as usize..*end as usize).unwrap_or_default())
    }
}

impl Directory {
    /// A block's records. `packed` are its bytes in the file, [`Directory::block_range`].
    ///
    /// # Errors
    /// Damaged; offsets count from the file's start.
    pub fn unpack_block(&self, index: u32, packed: &[u8]) -> Result<Unpacked, Fault> {
        let at = self.block_range(index).map_or(0, |range| range.start);
        let stripe = self.stripes.partition_point(|stripe| stripe.blocks.end <= index);
        let (Some(block), Some(stripe)) = (self.blocks.get(index as usize), self.stripes.get(stripe)) else {
            return Err(Fault::damaged(at, "pack block", format_args!("below {}", self.blocks.len()), index));
        };
        let next = self.blocks.get(index as usize + 1).filter(|_| index + 1 < stripe.blocks.end);
        let count = next.map_or(stripe.record_count, |next| next.first_slot) - block.first_slot;
        check(packed, block.crc, at, "pack block checksum")?;
        let bytes = inflate(packed, block.len as usize, at, "pack block")?;
        Unpacked::new(bytes, count as usize).map_err(|fault| Fault { offset: at, ..fault })
    }

    /// The bytes of the log that a stripe stands for. `file` are the stripe's bytes, [`Stripe::file_range`]; the leaves
    /// of its records are added to `leaves`, and what they are the root of tells whether all is as it was.
    ///
    /// # Errors
    /// Damaged where the bytes are not what was written; offsets count from the file's start.
    pub fn unpack(&self, index: usize, file: &[u8], leaves: &mut Vec<Hash>) -> Result<Vec<u8>, Fault> {
        let Some(stripe) = self.stripes.get(index) else {
            return Err(Fault::damaged(
                0,
                "pack stripe",
                format_args!("below {}", self.stripes.len()),
                index,
            ));
        };
        let whole_len = stripe.file_range().end - stripe.at;
        let blocks_len = usize::try_from(stripe.blocks_len).unwrap_or(usize::MAX);
        let parts = file.split_at_checked(blocks_len).filter(|_| file.len() as u64 == whole_len);
        let Some((blocks, rest)) = parts else {
            return Err(Fault::damaged(stripe.at, "pack stripe length", whole_len, file.len()));
        };
        let slots_at = stripe.slots().start;
        check(rest, stripe.crc, slots_at, "pack slots checksum")?;
        let (slots, frames) = rest.split_at(stripe.record_count as usize * 2);
        let frames_at = stripe.slots().end;
        let columns_len = stripe.frame_count as usize * FRAME_ROW_LEN;
        let columns = inflate(frames, columns_len, frames_at, "pack frames")?;
        let mut unpacked = Vec::with_capacity((stripe.blocks.end - stripe.blocks.start) as usize);
        for index in stripe.blocks.clone() {
            let range = self.block_range(index).unwrap_or_default();
            let packed = blocks.get((range.start - stripe.at) as usize..(range.end - stripe.at) as usize);
            unpacked.push(self.unpack_block(index, packed.unwrap_or_default())?);
        }
        let by_slot: Vec<&[u8]> = unpacked.iter().flat_map(Unpacked::iter).collect();
        let slots = slots.chunks_exact(2).map(|slot| usize::from(u16_at(slot, 0)));
        let by_offset: Option<Vec<&[u8]>> = slots.map(|slot| by_slot.get(slot).copied()).collect();
        let Some(records) = by_offset else {
            let expected = format_args!("below {}", by_slot.len());
            return Err(Fault::damaged(slots_at, "pack slot", expected, "a greater one"));
        };
        self.frames(stripe, &columns, &records, leaves).map_err(|fault| Fault { offset: frames_at, ..fault })
    }

    /// Makes the frames again of what their columns say.
    fn frames(
        &self,
        stripe: &Stripe,
        columns: &[u8],
        records: &[&[u8]],
        leaves: &mut Vec<Hash>,
    ) -> Result<Vec<u8>, Fault> {
        let frame_count = stripe.frame_count as usize;
        let (counts, rest) = columns.split_at(frame_count * 4);
        let (received, behind) = rest.split_at(frame_count * 8);
        let log_len = stripe.log.end - stripe.log.start;
        let mut log = Vec::with_capacity(usize::try_from(log_len).unwrap_or(0));
        let (mut rest, mut predecessor, mut received_at) = (records, stripe.predecessor, 0_i64);
        let mut seq = self.header.first_seq + u64::from(stripe.first_offset);
        for frame in 0..frame_count {
            let start = log.len();
            let at = stripe.log.start + start as u64;
            let count = u32_at(counts, frame * 4);
            let Some((own, others)) = rest.split_at_checked(count as usize) else {
                return Err(Fault::damaged(0, "pack frames", "frames of the stripe's records", "of more"));
            };
            received_at = received_at.wrapping_add(i64_at(received, frame * 8));
            log.resize(start + FRAME_HEADER_LEN, 0);
            own.iter().for_each(|record| log.extend_from_slice(record));
            let header = FrameHeader {
                kind: if count == 0 { FrameKind::Close } else { FrameKind::Records },
                payload_len: 0,
                count,
                first_seq: seq,
                received_at: Timestamp(received_at),
                synced_len: at.wrapping_sub(u64_at(behind, frame * 8)),
                predecessor,
            };
            header.seal(&mut log[start..]);
            self.leaves(&header, own, leaves)?;
            predecessor =
                if own.is_empty() { predecessor } else { leaves.last().copied().unwrap_or(predecessor) };
            (rest, seq) = (others, seq + u64::from(count));
        }
        if rest.is_empty() && log.len() as u64 == log_len {
            Ok(log)
        } else {
            Err(Fault::damaged(0, "pack frames", format_args!("{log_len} bytes of log"), log.len()))
        }
    }

    /// Adds the leaves of a frame's records.
    fn leaves(&self, header: &FrameHeader, records: &[&[u8]], leaves: &mut Vec<Hash>) -> Result<(), Fault> {
        let records = records.iter().map(|record| FrameRecord::decode(record));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let mut hashes = Vec::with_capacity(records.len());
        frame::body_hashes(&self.header.salt, header.first_seq, records.iter(), &mut hashes);
        let (mut predecessor, mut scratch) = (header.predecessor, Vec::new());
        for ((seq, record), body_hash) in (header.first_seq..).zip(&records).zip(hashes) {
            let entry = Entry::of(header, seq, record, predecessor, body_hash);
            predecessor = entry.leaf(&mut scratch);
            leaves.push(predecessor);
        }
        Ok(())
    }
}

fn check(bytes: &[u8], expected: u32, at: u64, what: &'static str) -> Result<(), Fault> {
    let found = crc32fast::hash(bytes);
    if found == expected {
        Ok(())
    } else {
        Err(Fault::damaged(at, what, format_args!("{expected:08x}"), format_args!("{found:08x}")))
    }
}

/// The `len` bytes that are compressed in `packed`.
fn inflate(packed: &[u8], len: usize, at: u64, what: &'static str) -> Result<Vec<u8>, Fault> {
    let bytes = zstd::bulk::decompress(packed, len)
        .map_err(|error| Fault::damaged(at, what, format_args!("{len} compressed bytes"), error))?;
    if bytes.len() == len {
        Ok(bytes)
    } else {
        Err(Fault::damaged(at, what, format_args!("{len} bytes"), bytes.len()))
    }
}
