//! A pack: a sealed segment's log, compressed. What it unpacks to is that log, byte for byte, so every place, hash and
//! checksum that speaks of the log holds for the pack too.
//!
//! Here are the file's ends: the header, and the directory with a [`Stripe`] for each run of frames and a [`Block`] for
//! each piece that is compressed by itself. What lies between is unpacked by [`Directory::unpack`], in `stripe`.
//! `docs/FORMAT-pack.md` has the layout.

mod stripe;

pub use stripe::{FRAME_ROW_LEN, FrameColumns, Unpacked};

use std::ops::Range;

use super::bytes::{array, hash_at, put, u16_at, u32_at, u64_at};
use super::frame::FRAME_HEADER_LEN;
use super::log_header::{LOG_HEADER_LEN, LogHeader};
use super::version::{self, READ_VERSION, WRITE_VERSION};
use crate::error::Fault;
use crate::hash::Hash;
use crate::limits;

/// Length in bytes of what stands before the stripes: the file's header, and the log's.
pub const PACK_HEADER_LEN: usize = 16 + LOG_HEADER_LEN;
/// Length in bytes of a stripe's entry in the directory.
pub const STRIPE_LEN: usize = 96;
/// Length in bytes of a block's entry in the directory.
pub const BLOCK_LEN: usize = 16;
/// Length in bytes of the file's end.
pub const PACK_TAIL_LEN: usize = 64;

const MAGIC: [u8; 8] = *b"INDPCK\r\n";
/// Longest frame in bytes: one event, its labels and the headers.
const FRAME_LEN_MAX: u64 = limits::EVENT_LEN_MAX as u64 + (1 << 16);

/// The file's header: what kind of file this is, and the log's own header as it was.
pub fn encode_header(log_header: &[u8; LOG_HEADER_LEN]) -> [u8; PACK_HEADER_LEN] {
    let mut bytes = [0; PACK_HEADER_LEN];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, READ_VERSION.to_le_bytes());
    put(&mut bytes, 10, WRITE_VERSION.to_le_bytes());
    put(&mut bytes, 16, *log_header);
    bytes
}

/// The end of the file: what it takes to find and to trust the directory before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Length of the log that the pack stands for, in bytes.
    pub log_len: u64,
    /// How many records it has.
    pub record_count: u32,
    /// How many stripes.
    pub stripe_count: u32,
    /// How many blocks.
    pub block_count: u32,
    /// Where the directory begins, in bytes.
    pub directory_at: u64,
}

impl Tail {
    /// Reads the last [`PACK_TAIL_LEN`] bytes of a file of `file_len` bytes, as far as it takes to find the directory.
    /// Whether the rest holds is for [`Directory::decode`] to say.
    ///
    /// # Errors
    /// Damaged where they are not the end of a pack.
    pub fn decode(bytes: &[u8], file_len: u64) -> Result<Tail, Fault> {
        let base = file_len.saturating_sub(PACK_TAIL_LEN as u64);
        let magic: [u8; 8] = array(bytes, 56);
        if bytes.len() != PACK_TAIL_LEN || magic != MAGIC {
            let (expected, found) = (MAGIC.escape_ascii(), magic.escape_ascii());
            return Err(Fault::damaged(base + 56, "pack magic", expected, found));
        }
        if u64_at(bytes, 8) != file_len {
            return Err(Fault::damaged(base + 8, "pack length", file_len, u64_at(bytes, 8)));
        }
        let directory_at = u64_at(bytes, 32);
        if !(PACK_HEADER_LEN as u64..=base).contains(&directory_at) {
            let expected = format_args!("{PACK_HEADER_LEN} to {base}").to_string();
            return Err(Fault::damaged(base + 32, "pack directory", expected, directory_at));
        }
        Ok(Tail {
            log_len: u64_at(bytes, 0),
            record_count: u32_at(bytes, 16),
            stripe_count: u32_at(bytes, 20),
            block_count: u32_at(bytes, 24),
            directory_at,
        })
    }

    /// Checks the checksum over both ends of the file, the versions, and that the directory has the length by its
    /// counts.
    fn check(&self, head: &[u8], end: &[u8]) -> Result<(), Fault> {
        let tail_at = end.len() - PACK_TAIL_LEN;
        let (tail, base) = (&end[tail_at..], self.directory_at + tail_at as u64);
        let (expected, found) = (checksum(head, end), u32_at(tail, 52));
        if expected != found {
            let (expected, found) = (format_args!("{expected:08x}"), format_args!("{found:08x}"));
            return Err(Fault::damaged(base + 52, "pack directory checksum", expected, found));
        }
        version::check(u16_at(tail, 48), u16_at(tail, 50), base + 48)?;
        if u32_at(tail, 28) != 0 || u64_at(tail, 40) != 0 {
            return Err(Fault::damaged(base + 28, "reserved bytes", "zeros", "something else"));
        }
        let stripes_len = self.stripe_count as usize * STRIPE_LEN;
        if tail_at != stripes_len + self.block_count as usize * BLOCK_LEN {
            return Err(Fault::damaged(base + 20, "pack directory length", tail_at, "other counts"));
        }
        if self.record_count > limits::SEGMENT_RECORDS_MAX {
            let limit = format_args!("at most {}", limits::SEGMENT_RECORDS_MAX).to_string();
            return Err(Fault::damaged(base + 16, "pack record count", limit, self.record_count));
        }
        Ok(())
    }
}

/// A run of whole frames of the log. Its records lie in its blocks, those of one run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripe {
    /// Which bytes of the log it stands for: whole frames.
    pub log: Range<u64>,
    /// Where in the file its blocks begin, in bytes. Behind them come its slots, and its frames.
    pub at: u64,
    /// The offset of its first record in the segment.
    pub first_offset: u32,
    /// How many records it has.
    pub record_count: u32,
    /// Its blocks, by their places in the directory.
    pub blocks: Range<u32>,
    /// Length of its blocks in the file, in bytes.
    pub blocks_len: u64,
    /// How many frames it has, close frames among them.
    pub frame_count: u32,
    /// Length of its compressed frame columns, in bytes.
    pub frames_len: u32,
    /// CRC-32 of its slots and its compressed frame columns.
    pub crc: u32,
    /// The leaf of the record before its first.
    pub predecessor: Hash,
}

impl Stripe {
    /// Where its slots stand in the file: for each record a `u16`, its place among the stripe's records as they lie in
    /// the blocks.
    pub fn slots(&self) -> Range<u64> {
        let at = self.at + self.blocks_len;
        at..at + u64::from(self.record_count) * 2
    }

    /// Where it stands in the file: blocks, slots, frames.
    pub fn file_range(&self) -> Range<u64> {
        self.at..self.slots().end + u64::from(self.frames_len)
    }

    fn encode(&self) -> [u8; STRIPE_LEN] {
        let mut bytes = [0; STRIPE_LEN];
        put(&mut bytes, 0, self.log.start.to_le_bytes());
        put(&mut bytes, 8, self.log.end.to_le_bytes());
        put(&mut bytes, 16, self.at.to_le_bytes());
        put(&mut bytes, 24, self.blocks_len.to_le_bytes());
        let words = [
            self.first_offset,
            self.record_count,
            self.blocks.start,
            self.blocks.end,
            self.frame_count,
            self.frames_len,
            self.crc,
        ];
        for (index, word) in words.into_iter().enumerate() {
            put(&mut bytes, 32 + index * 4, word.to_le_bytes());
        }
        put(&mut bytes, 64, self.predecessor.0);
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let word = |index: usize| u32_at(bytes, 32 + index * 4);
        Stripe {
            log: u64_at(bytes, 0)..u64_at(bytes, 8),
            at: u64_at(bytes, 16),
            blocks_len: u64_at(bytes, 24),
            first_offset: word(0),
            record_count: word(1),
            blocks: word(2)..word(3),
            frame_count: word(4),
            frames_len: word(5),
            crc: word(6),
            predecessor: hash_at(bytes, 64),
        }
    }
}

/// Records that are compressed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Length in the file, in bytes. A stripe's blocks follow one another.
    pub packed_len: u32,
    /// Length of its records, in bytes.
    pub len: u32,
    /// The slot of its first record.
    pub first_slot: u32,
    /// CRC-32 of its compressed bytes.
    pub crc: u32,
}

impl Block {
    fn encode(&self) -> [u8; BLOCK_LEN] {
        let mut bytes = [0; BLOCK_LEN];
        for (index, word) in [self.packed_len, self.len, self.first_slot, self.crc].into_iter().enumerate() {
            put(&mut bytes, index * 4, word.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let word = |index: usize| u32_at(bytes, index * 4);
        Block { packed_len: word(0), len: word(1), first_slot: word(2), crc: word(3) }
    }
}

/// What a pack holds, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The log's header as it was.
    pub log_header: [u8; LOG_HEADER_LEN],
    /// What that says.
    pub header: LogHeader,
    /// Length of the log in bytes.
    pub log_len: u64,
    /// How many records it has.
    pub record_count: u32,
    /// The log's frames, in order.
    pub stripes: Vec<Stripe>,
    /// The stripes' blocks, in order.
    pub blocks: Vec<Block>,
    /// Where each block begins in the file, in bytes.
    block_at: Vec<u64>,
}

impl Directory {
    /// The end of the file: the directory and what is behind it.
    pub fn encode_end(
        log_header: &[u8; LOG_HEADER_LEN],
        log_len: u64,
        stripes: &[Stripe],
        blocks: &[Block],
    ) -> Vec<u8> {
        let directory_at = stripes.last().map_or(PACK_HEADER_LEN as u64, |stripe| stripe.file_range().end);
        let mut bytes: Vec<u8> = stripes.iter().flat_map(Stripe::encode).collect();
        bytes.extend(blocks.iter().flat_map(Block::encode));
        let tail_at = bytes.len();
        bytes.resize(tail_at + PACK_TAIL_LEN, 0);
        let file_len = directory_at + bytes.len() as u64;
        let record_count = stripes.last().map_or(0, |stripe| stripe.first_offset + stripe.record_count);
        let tail = &mut bytes[tail_at..];
        put(tail, 0, log_len.to_le_bytes());
        put(tail, 8, file_len.to_le_bytes());
        put(tail, 16, record_count.to_le_bytes());
        put(tail, 20, (stripes.len() as u32).to_le_bytes());
        put(tail, 24, (blocks.len() as u32).to_le_bytes());
        put(tail, 32, directory_at.to_le_bytes());
        put(tail, 48, READ_VERSION.to_le_bytes());
        put(tail, 50, WRITE_VERSION.to_le_bytes());
        put(tail, 56, MAGIC);
        let crc = checksum(&encode_header(log_header), &bytes);
        put(&mut bytes[tail_at..], 52, crc.to_le_bytes());
        bytes
    }

    /// Reads the directory from a file of `file_len` bytes: its first [`PACK_HEADER_LEN`] bytes, and all from
    /// [`Tail::directory_at`] on. That stripes and blocks tile the log and the file is seen to here; what they hold is
    /// not looked at.
    ///
    /// # Errors
    /// Damaged where the bytes were altered or do not fit together; unsupported for a version of another release.
    pub fn decode(head: &[u8], end: &[u8], file_len: u64) -> Result<Directory, Fault> {
        let base = file_len.saturating_sub(end.len() as u64);
        let tail_at = end.len().saturating_sub(PACK_TAIL_LEN);
        let tail = Tail::decode(&end[tail_at..], file_len)?;
        if tail.directory_at != base {
            return Err(Fault::damaged(base, "pack directory", tail.directory_at, base));
        }
        tail.check(head, end)?;
        let log_header: [u8; LOG_HEADER_LEN] = array(head, 16);
        if head.len() != PACK_HEADER_LEN || head[..] != encode_header(&log_header) {
            return Err(Fault::damaged(0, "pack header", "magic and versions", "something else"));
        }
        let (header, _) = LogHeader::decode(&log_header).map_err(|fault| fault.shifted(16))?;
        let (stripes, blocks) = end[..tail_at].split_at(tail.stripe_count as usize * STRIPE_LEN);
        let stripes: Vec<Stripe> = stripes.chunks_exact(STRIPE_LEN).map(Stripe::decode).collect();
        if !stripes.iter().flat_map(Stripe::encode).eq(end[..stripes.len() * STRIPE_LEN].iter().copied()) {
            return Err(Fault::damaged(base, "reserved bytes", "zeros", "something else"));
        }
        let blocks: Vec<Block> = blocks.chunks_exact(BLOCK_LEN).map(Block::decode).collect();
        let Tail { log_len, record_count, .. } = tail;
        let mut directory =
            Directory { log_header, header, log_len, record_count, stripes, blocks, block_at: Vec::new() };
        directory.settle(&tail)?;
        Ok(directory)
    }

    /// Sees that stripes and blocks tile the log, the records and the file, and notes where blocks begin.
    fn settle(&mut self, tail: &Tail) -> Result<(), Fault> {
        let (mut log_at, mut at) = (LOG_HEADER_LEN as u64, PACK_HEADER_LEN as u64);
        let (mut offset, mut block) = (0, 0);
        let base = tail.directory_at;
        self.block_at.reserve(self.blocks.len());
        for (index, stripe) in self.stripes.iter().enumerate() {
            let place = base + (index * STRIPE_LEN) as u64;
            let bad = |what| {
                Err(Fault::damaged(place, what, "stripes that follow one another", format!("{stripe:?}")))
            };
            let frames_len = u64::from(stripe.frame_count) * FRAME_HEADER_LEN as u64;
            let log_len = stripe.log.end.saturating_sub(stripe.log.start);
            let len_max = if stripe.frame_count == 1 { FRAME_LEN_MAX } else { limits::PACK_STRIPE_LEN };
            if stripe.log.start != log_at || log_len > len_max || log_len < frames_len || frames_len == 0 {
                return bad("pack stripe in the log");
            }
            if stripe.first_offset != offset || stripe.record_count > limits::PACK_STRIPE_RECORDS_MAX {
                return bad("pack stripe records");
            }
            let blocks = stripe.blocks.start as usize..stripe.blocks.end as usize;
            let Some(own) = self.blocks.get(blocks.clone()).filter(|_| blocks.start == block) else {
                return bad("pack stripe blocks");
            };
            let (mut packed_len, mut len, mut slot) = (0, 0, 0);
            for (number, own) in own.iter().enumerate() {
                let is_first = number == 0;
                if (is_first && own.first_slot != 0) || (!is_first && own.first_slot <= slot) || own.len == 0
                {
                    return bad("pack block");
                }
                self.block_at.push(at + packed_len);
                packed_len += u64::from(own.packed_len);
                len += u64::from(own.len);
                slot = own.first_slot;
            }
            let fits =
                (stripe.record_count == 0) == own.is_empty() && slot <= stripe.record_count.saturating_sub(1);
            if stripe.at != at || packed_len != stripe.blocks_len || len != log_len - frames_len || !fits {
                return bad("pack stripe blocks");
            }
            (log_at, block) = (stripe.log.end, blocks.end);
            offset = stripe.first_offset.saturating_add(stripe.record_count);
            at = stripe.file_range().end;
        }
        if (log_at, offset, block, at) != (self.log_len, self.record_count, self.blocks.len(), base) {
            let found = format!("{:?}", (log_at, offset, block, at));
            return Err(Fault::damaged(base, "pack stripes", "stripes for the whole log and file", found));
        }
        Ok(())
    }

    /// The place of the stripe that holds byte `at` of the log; nothing for its header and past its end.
    pub fn stripe_at(&self, at: u64) -> Option<usize> {
        let index = self.stripes.partition_point(|stripe| stripe.log.end <= at);
        self.stripes.get(index).filter(|stripe| stripe.log.start <= at).map(|_| index)
    }

    /// The place of the stripe that holds the record at `offset`.
    pub fn stripe_of(&self, offset: u32) -> Option<usize> {
        let index =
            self.stripes.partition_point(|stripe| stripe.first_offset + stripe.record_count <= offset);
        (index < self.stripes.len()).then_some(index)
    }

    /// The place of a stripe's block that holds a slot.
    pub fn block_of(&self, stripe: &Stripe, slot: u32) -> Option<u32> {
        let own = self.blocks.get(stripe.blocks.start as usize..stripe.blocks.end as usize)?;
        let index = own.partition_point(|block| block.first_slot <= slot).checked_sub(1)?;
        Some(stripe.blocks.start + index as u32)
    }

    /// Where a block stands in the file.
    pub fn block_range(&self, index: u32) -> Option<Range<u64>> {
        let (at, block) = (self.block_at.get(index as usize)?, self.blocks.get(index as usize)?);
        Some(*at..at + u64::from(block.packed_len))
    }
}

/// CRC-32 over the header, and the end but for the checksum itself and the magic behind it.
fn checksum(head: &[u8], end: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(&end[..end.len().saturating_sub(12)]);
    hasher.finalize()
}
