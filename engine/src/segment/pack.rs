//! Writing a pack: a sealed segment's log is cut into stripes, and in each the records of one run are laid side by side,
//! so that a timeline unpacks few blocks and like stands by like.
//!
//! A stripe is held in memory at a time. Whoever drops a log for its pack reads the pack back first: nothing here is
//! believed.

use std::io::{self, Write};

use crate::error::Fault;
use crate::format::frame::{self, FrameHeader, FrameRecord};
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::pack::{Block, Directory, FrameColumns, PACK_HEADER_LEN, Stripe, encode_header};
use crate::hash::Hash;
use crate::limits::{PACK_BLOCK_AIM_LEN, PACK_STRIPE_LEN, PACK_STRIPE_RECORDS_MAX};
use crate::source::TermKind;

use super::Sidecar;

/// How hard the compressor tries. On events of agents higher levels cost much and gain little.
const LEVEL: i32 = 3;
/// What stands for the run of a record that has none.
const NO_RUN: u32 = u32::MAX;

/// The run of each of a segment's records, as a number: the first, where a record has several.
///
/// # Errors
/// Damaged.
pub fn runs_of(sidecar: &Sidecar) -> Result<Vec<u32>, Fault> {
    let count = sidecar.meta().record_count;
    let mut runs = vec![NO_RUN; count as usize];
    let Some(field) = sidecar.field("run")? else { return Ok(runs) };
    for kind in [TermKind::Text, TermKind::Number] {
        for ordinal in field.ordinals(kind) {
            for offset in field.posting(ordinal)?.list(count)?.unwrap_or_default() {
                if let Some(run) = runs.get_mut(offset as usize).filter(|run| **run == NO_RUN) {
                    *run = ordinal;
                }
            }
        }
    }
    Ok(runs)
}

/// Makes a pack of a log's frames, handed over one after another.
pub struct PackWriter<'a> {
    out: &'a mut dyn Write,
    log_header: [u8; LOG_HEADER_LEN],
    /// The run of each record, by offset.
    runs: &'a [u32],
    compressor: zstd::bulk::Compressor<'static>,
    stripes: Vec<Stripe>,
    blocks: Vec<Block>,
    /// Where in the file the next stripe begins.
    at: u64,
    /// The stripe that is gathered.
    open: Open,
}

/// The frames of a stripe until it is written.
#[derive(Default)]
struct Open {
    log_at: u64,
    log_len: u64,
    first_offset: u32,
    frame_count: u32,
    predecessor: Hash,
    columns: FrameColumns,
    /// The records, one behind the other, as they stand in the log.
    bytes: Vec<u8>,
    /// Where each record ends in these.
    ends: Vec<usize>,
}

impl<'a> PackWriter<'a> {
    /// Begins a pack of the log with this header. `runs` are its records' runs, by offset.
    ///
    /// # Errors
    /// Whatever writing says.
    pub fn new(
        out: &'a mut dyn Write,
        log_header: [u8; LOG_HEADER_LEN],
        runs: &'a [u32],
    ) -> io::Result<Self> {
        out.write_all(&encode_header(&log_header))?;
        let open = Open { log_at: LOG_HEADER_LEN as u64, ..Open::default() };
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        let (stripes, blocks, at) = (Vec::new(), Vec::new(), PACK_HEADER_LEN as u64);
        Ok(PackWriter { out, log_header, runs, compressor, stripes, blocks, at, open })
    }

    /// Adds the log's next frame, which stands at `at`.
    ///
    /// # Errors
    /// Whatever writing says; `InvalidData` for a payload that is none.
    pub fn push(&mut self, at: u64, header: &FrameHeader, payload: &[u8]) -> io::Result<()> {
        let open = &self.open;
        let records = open.ends.len() + header.count as usize;
        let is_full =
            open.log_len + header.frame_len() > PACK_STRIPE_LEN || records > PACK_STRIPE_RECORDS_MAX as usize;
        if is_full && open.frame_count > 0 {
            self.end_stripe()?;
        }
        let open = &mut self.open;
        if open.frame_count == 0 {
            (open.log_at, open.predecessor) = (at, header.predecessor);
        }
        for record in frame::records(payload, header.count).map_err(io::Error::other)? {
            let end = open.ends.last().copied().unwrap_or(0);
            open.ends.push(end + FrameRecord::encoded_len(&record));
        }
        open.bytes.extend_from_slice(payload);
        open.columns.push(header, at);
        open.frame_count += 1;
        open.log_len += header.frame_len();
        Ok(())
    }

    /// Lays the stripe's records out by their runs, each run where its first record is, and compresses them.
    fn end_stripe(&mut self) -> io::Result<()> {
        let mut open = std::mem::take(&mut self.open);
        let record_count = open.ends.len() as u32;
        let next_offset = open.first_offset + record_count;
        let run_of =
            |offset: u32| self.runs.get((open.first_offset + offset) as usize).copied().unwrap_or(NO_RUN);
        let mut first_of = hashbrown::HashMap::new();
        let mut order: Vec<(u32, u32)> = (0..record_count)
            .map(|offset| (*first_of.entry(run_of(offset)).or_insert(offset), offset))
            .collect();
        order.sort_unstable();
        let (first_block, blocks_at) = (self.blocks.len() as u32, self.at);
        let mut slots = vec![0_u8; record_count as usize * 2];
        let (mut gathered, mut first_slot) = (Vec::with_capacity(PACK_BLOCK_AIM_LEN * 2), 0);
        for (slot, (_, offset)) in (0_u32..).zip(&order) {
            let offset = *offset as usize;
            let start = offset.checked_sub(1).map_or(0, |before| open.ends[before]);
            let record = &open.bytes[start..open.ends[offset]];
            if !gathered.is_empty() && gathered.len() + record.len() > PACK_BLOCK_AIM_LEN {
                self.block(&gathered, first_slot)?;
                gathered.clear();
                first_slot = slot;
            }
            gathered.extend_from_slice(record);
            slots[offset * 2..][..2].copy_from_slice(&(slot as u16).to_le_bytes());
        }
        if !gathered.is_empty() {
            self.block(&gathered, first_slot)?;
        }
        let blocks_len = self.at - blocks_at;
        let frames = self.compressor.compress(&open.columns.take())?;
        let mut crc = crc32fast::Hasher::new();
        for part in [&slots, &frames] {
            crc.update(part);
            self.out.write_all(part)?;
            self.at += part.len() as u64;
        }
        self.stripes.push(Stripe {
            log: open.log_at..open.log_at + open.log_len,
            at: blocks_at,
            first_offset: open.first_offset,
            record_count,
            blocks: first_block..self.blocks.len() as u32,
            blocks_len,
            frame_count: open.frame_count,
            frames_len: frames.len() as u32,
            crc: crc.finalize(),
            predecessor: open.predecessor,
        });
        // What was gathered gives its room to the next stripe.
        open.bytes.clear();
        open.ends.clear();
        self.open = Open { first_offset: next_offset, bytes: open.bytes, ends: open.ends, ..Open::default() };
        Ok(())
    }

    fn block(&mut self, records: &[u8], first_slot: u32) -> io::Result<()> {
        let packed = self.compressor.compress(records)?;
        self.out.write_all(&packed)?;
        self.at += packed.len() as u64;
        let (packed_len, len) = (packed.len() as u32, records.len() as u32);
        self.blocks.push(Block { packed_len, len, first_slot, crc: crc32fast::hash(&packed) });
        Ok(())
    }

    /// Ends the pack of a log of `log_len` bytes; its own length in bytes.
    ///
    /// # Errors
    /// Whatever writing says.
    pub fn finish(mut self, log_len: u64) -> io::Result<u64> {
        if self.open.frame_count > 0 {
            self.end_stripe()?;
        }
        let end = Directory::encode_end(&self.log_header, log_len, &self.stripes, &self.blocks);
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok(self.at + end.len() as u64)
    }
}
