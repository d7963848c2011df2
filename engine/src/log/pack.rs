//! A pack, open for reading: as the log that it stands for, and record by record.
//!
//! Whoever walks frames reads the log's bytes, a stripe of which is unpacked at a time; whoever wants one record has
//! its block unpacked. What was unpacked last is kept, for all packs of a store together, in a bounded cache.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::layout::Layout;
use super::lock;
use crate::disk::{File, Mapped, World};
use crate::error::Fault;
use crate::format::bytes::u16_at;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::pack::{Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, Tail};
use crate::{Error, Result, SegmentId, Seq};

/// How many unpacked bytes are kept at most, but for what was used last: a few stripes.
const KEPT_LEN: usize = 48 << 20;

/// A pack, mapped.
#[derive(Debug)]
pub(crate) struct Pack {
    id: SegmentId,
    path: PathBuf,
    bytes: Mapped,
    directory: Directory,
    /// A bit for each stripe whose slots were found right.
    checked: Vec<AtomicU64>,
    cache: Arc<PackCache>,
}

impl Pack {
    /// Opens a segment's pack.
    pub(crate) fn open(
        world: &World,
        layout: &Layout,
        id: SegmentId,
        cache: &Arc<PackCache>,
    ) -> Result<Self> {
        let path = layout.pack(id);
        let bytes = world.disk.map(&path).map_err(Error::io("map", &path))?;
        let directory = directory(&bytes).map_err(|fault| fault.in_file(&path))?;
        if directory.header.first_seq != id.0 {
            let fault = Fault::forged(32, "log first seq", id.0, directory.header.first_seq);
            return Err(fault.in_file(&path));
        }
        let checked = (0..directory.stripes.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Pack { id, path, bytes, directory, checked, cache: Arc::clone(cache) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// How many bytes of disk it takes.
    pub(crate) fn file_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The record at `offset`: what it lies in, and where.
    ///
    /// # Errors
    /// Damaged.
    pub(crate) fn record(&self, offset: u32) -> Result<(Mapped, Range<usize>), Fault> {
        let beyond = || Fault::damaged(0, "record offset", self.directory.record_count, offset);
        let index = self.directory.stripe_of(offset).ok_or_else(beyond)?;
        let stripe = self.directory.stripes.get(index).ok_or_else(beyond)?;
        let slots = self.slots(index)?;
        let slot = u32::from(u16_at(slots, (offset - stripe.first_offset) as usize * 2));
        let block = self.directory.block_of(stripe, slot).ok_or_else(beyond)?;
        let unpacked = self.block(block)?;
        let within = slot - self.directory.blocks.get(block as usize).map_or(0, |block| block.first_slot);
        let end_of = |index: u32| unpacked.ends.get(index as usize).map(|end| *end as usize);
        let start = within.checked_sub(1).map_or(Some(0), end_of).ok_or_else(beyond)?;
        Ok((unpacked.bytes, start..end_of(within).ok_or_else(beyond)?))
    }

    /// A stripe's slots, whose checksum is looked at once.
    fn slots(&self, index: usize) -> Result<&[u8], Fault> {
        let Some(stripe) = self.directory.stripes.get(index) else { return Ok(&[]) };
        let slots = stripe.slots();
        let (bit, word) = (1 << (index % 64), self.checked.get(index / 64));
        if word.is_none_or(|word| word.load(Ordering::Relaxed) & bit == 0) {
            let found = crc32fast::hash(self.slice(slots.start..stripe.file_range().end));
            if found != stripe.crc {
                let (expected, found) = (format_args!("{:08x}", stripe.crc), format_args!("{found:08x}"));
                return Err(Fault::damaged(slots.start, "pack slots checksum", expected, found));
            }
            if let Some(word) = word {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(self.slice(slots))
    }

    fn key(&self, piece: Piece) -> Key {
        (self.id, self.directory.header.rewritten_by, piece)
    }

    fn block(&self, index: u32) -> Result<Kept, Fault> {
        let key = self.key(Piece::Block(index));
        if let Some(kept) = self.cache.get(key) {
            return Ok(kept);
        }
        let packed = self.slice(self.directory.block_range(index).unwrap_or_default());
        let unpacked = self.directory.unpack_block(index, packed)?;
        let kept = Kept { bytes: Mapped::heap(unpacked.bytes), ends: unpacked.ends.into() };
        self.cache.put(key, kept.clone());
        Ok(kept)
    }

    /// The bytes of the log that a stripe stands for.
    fn stripe(&self, index: usize) -> Result<Mapped, Fault> {
        let key = self.key(Piece::Stripe(index));
        if let Some(kept) = self.cache.get(key) {
            return Ok(kept.bytes);
        }
        let range = self.directory.stripes.get(index).map(|stripe| stripe.file_range()).unwrap_or_default();
        let bytes = Mapped::heap(self.directory.unpack(index, self.slice(range), &mut Vec::new())?);
        self.cache.put(key, Kept { bytes: bytes.clone(), ends: Arc::default() });
        Ok(bytes)
    }

    fn slice(&self, range: Range<u64>) -> &[u8] {
        let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        bounds.and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or_default()
    }
}

/// Reads the directory of a whole pack.
fn directory(bytes: &[u8]) -> Result<Directory, Fault> {
    let len = bytes.len();
    let tail = Tail::decode(&bytes[len.saturating_sub(PACK_TAIL_LEN)..], len as u64)?;
    let at = usize::try_from(tail.directory_at).unwrap_or(usize::MAX);
    let (head, end) = (bytes.get(..PACK_HEADER_LEN), bytes.get(at..));
    Directory::decode(head.unwrap_or_default(), end.unwrap_or_default(), len as u64)
}

impl File for Pack {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let copy = |from: &[u8], at: usize, buffer: &mut [u8]| {
            let from = from.get(at..).unwrap_or_default();
            let count = from.len().min(buffer.len());
            buffer[..count].copy_from_slice(&from[..count]);
            Ok(count)
        };
        if offset < LOG_HEADER_LEN as u64 {
            return copy(&self.directory.log_header, offset as usize, buffer);
        }
        let Some(index) = self.directory.stripe_at(offset) else { return Ok(0) };
        let bytes = self.stripe(index).map_err(io::Error::other)?;
        let start = self.directory.stripes.get(index).map_or(0, |stripe| stripe.log.start);
        copy(&bytes, (offset - start) as usize, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.directory.log_len)
    }
}

/// Which pack, by its segment and the record by which that was rewritten last, and what of it.
type Key = (SegmentId, Seq, Piece);

/// What of a pack is unpacked by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Piece {
    Block(u32),
    Stripe(usize),
}

/// An unpacked piece. A block's records end at `ends`.
#[derive(Debug, Clone)]
struct Kept {
    bytes: Mapped,
    ends: Arc<[u32]>,
}

/// What was unpacked lately of all packs of a store.
///
/// Two halves: what is used goes to the young one; when that is full it becomes the old one, and what was old and not
/// used since is given back.
#[derive(Debug, Default)]
pub(crate) struct PackCache {
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Key, Kept>,
    young_len: usize,
    old: HashMap<Key, Kept>,
}

impl PackCache {
    fn get(&self, key: Key) -> Option<Kept> {
        let mut halves = lock(&self.halves);
        if let Some(kept) = halves.young.get(&key) {
            return Some(kept.clone());
        }
        let kept = halves.old.remove(&key)?;
        halves.put(key, kept.clone());
        Some(kept)
    }

    fn put(&self, key: Key, kept: Kept) {
        lock(&self.halves).put(key, kept);
    }

    /// Gives back what was unpacked of a segment: its pack is another one now.
    pub(super) fn forget(&self, id: SegmentId) {
        let mut halves = lock(&self.halves);
        let gone = halves.young.extract_if(|(of, ..), _| *of == id);
        let gone_len: usize = gone.map(|(_, kept)| kept.bytes.len()).sum();
        halves.young_len -= gone_len;
        halves.old.retain(|(of, ..), _| *of != id);
    }
}

impl Halves {
    fn put(&mut self, key: Key, kept: Kept) {
        let len = kept.bytes.len();
        if self.young_len + len > KEPT_LEN / 2 && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.young_len = 0;
        }
        if self.young.insert(key, kept).is_none() {
            self.young_len += len;
        }
    }
}
