//! What a sealed segment's sidecar states, as far as a quick look needs it: what it is of, the leaves that it keeps, and
//! where the store's own records stand.
//!
//! Nothing of it is believed here: `quick` holds it against the log's headers and seals. Other code than the writer's
//! and the reader's, and bounded: a column is read through a window, whatever length it has.

use std::io;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::Watch;
use crate::disk::{Disk, File, Open};
use crate::error::Fault;
use crate::format::bytes::u32_at;
use crate::format::frame::FRAME_HEADER_LEN;
use crate::format::sidecar::{
    FIELD_ENTRY_LEN, FRAME_PLACE_LEN, FieldEntry, Footer, FramePlace, Meta, NO_POSTING, POSTING_PLACE,
    POSTING_ROARING, SIDECAR_FOOTER_LEN_MAX, Section,
};
use crate::hash::Hash;

/// Longest fields section that is read, in bytes.
const FIELDS_LEN_MAX: u64 = 16 << 20;
/// Most of the store's own records that are looked for one by one.
pub(super) const OWN_COUNT_MAX: u32 = 4096;
/// How many leaves are read at once.
const LEAVES_AT_ONCE: usize = 1 << 15;
/// The field that says by which source a record is read, and the store's own source there.
const SOURCE: &[u8] = b"source";
const OWN_SOURCE: &[u8] = b"0";

/// A sidecar, open.
pub(super) struct Stated<'a> {
    file: Arc<dyn File>,
    footer: Footer,
    pub(super) meta: Meta,
    watch: &'a Watch<'a>,
}

/// Where a record stands in its log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) frame: FramePlace,
    /// Where it begins in the log file, and where it ends.
    pub(super) start: u64,
    pub(super) end: u64,
}

impl<'a> Stated<'a> {
    /// Opens a sidecar, whose checksums are for others to look at.
    pub(super) fn open(disk: &Arc<dyn Disk>, path: &Path, watch: &'a Watch<'a>) -> io::Result<Self> {
        let file = disk.open(path, Open::Read)?;
        let len = file.len()?;
        let end_len = len.min(SIDECAR_FOOTER_LEN_MAX as u64);
        let mut end = vec![0; end_len as usize];
        file.read_exact_at(&mut end, len - end_len)?;
        let footer = Footer::decode_end(&end, len).map_err(io::Error::other)?;
        let place = footer.sections[Section::Meta as usize];
        let mut bytes = vec![0; usize::try_from(place.len.min(FIELDS_LEN_MAX)).unwrap_or(0)];
        file.read_exact_at(&mut bytes, place.offset)?;
        let meta = Meta::decode(&bytes).map_err(|fault| io::Error::other(fault.shifted(place.offset)))?;
        let misfit = Section::ALL
            .iter()
            .find(|section| !meta.fits(**section, footer.sections[**section as usize].len) || meta.is_part());
        match misfit {
            Some(section) => Err(damaged(section.name(), "a length that its counts give")),
            None => Ok(Stated { file, footer, meta, watch }),
        }
    }

    /// `len` bytes of a section from `at` on.
    fn read(&self, section: Section, at: u64, len: u64) -> io::Result<Vec<u8>> {
        self.watch.check()?;
        let place = self.footer.sections[section as usize];
        if at.checked_add(len).is_none_or(|end| end > place.len) {
            return Err(damaged(section.name(), "a place within it"));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, place.offset + at)?;
        self.watch.read(len);
        Ok(bytes)
    }

    /// Whether it keeps the leaves of all records, and not the last one's alone.
    pub(super) fn has_leaves(&self) -> bool {
        let len = self.footer.sections[Section::Leaves as usize].len;
        len == u64::from(self.meta.record_count) * 32
    }

    /// Hands out the leaves that it keeps, some at a time, in order.
    pub(super) fn leaves(&self, mut take: impl FnMut(&[Hash])) -> io::Result<()> {
        let len = self.footer.sections[Section::Leaves as usize].len;
        let mut at = 0;
        while at < len {
            let bytes = self.read(Section::Leaves, at, (len - at).min(LEAVES_AT_ONCE as u64 * 32))?;
            at += bytes.len() as u64;
            let leaves: Vec<Hash> = bytes.as_chunks().0.iter().map(|leaf| Hash(*leaf)).collect();
            take(&leaves);
        }
        Ok(())
    }

    /// Puts in `leaves` those of up to `count` records from `offset` on. What is read so is read again to be compared, and
    /// counted as read then.
    pub(super) fn some_leaves(&self, offset: usize, count: usize, leaves: &mut Vec<Hash>) -> io::Result<()> {
        let place = self.footer.sections[Section::Leaves as usize];
        let at = (offset as u64 * 32).min(place.len);
        let mut bytes = vec![0; (count as u64 * 32).min(place.len - at) as usize];
        self.file.read_exact_at(&mut bytes, place.offset + at)?;
        leaves.extend(bytes.as_chunks().0.iter().map(|leaf| Hash(*leaf)));
        Ok(())
    }

    /// The offsets of the store's own records, ascending; none where they are too many to look for each.
    pub(super) fn own_offsets(&self) -> io::Result<Option<Vec<u32>>> {
        let wrong = || damaged(Section::Fields.name(), "the store's own source among its terms");
        let len = self.footer.sections[Section::Fields as usize].len;
        let fields = self.read(Section::Fields, 0, len.min(FIELDS_LEN_MAX))?;
        let count = u32_at(&fields, 0) as usize;
        let entries = fields.get(8..).unwrap_or_default().chunks_exact(FIELD_ENTRY_LEN).take(count);
        let mut entries = entries.filter_map(|bytes| FieldEntry::decode(bytes).ok());
        let is_source = |entry: &FieldEntry| {
            let name = fields.get(entry.name_at as usize..).unwrap_or_default();
            name.get(..usize::from(entry.name_len)) == Some(SOURCE)
        };
        let entry = entries.find(is_source).ok_or_else(wrong)?;
        // Numbers stand behind text, by value: the first of them is 0.
        let term_count: u64 = entry.counts.iter().map(|count| u64::from(*count)).sum();
        let first = u64::from(entry.counts[0]);
        let start = match first.checked_sub(1) {
            Some(before) => u32_at(&self.read(Section::Terms, entry.terms_at + before * 8, 4)?, 0),
            None => 0,
        };
        let term = self.read(Section::Terms, entry.terms_at + first * 8, 8)?;
        let bytes_at = entry.terms_at + term_count * 8 + u64::from(start);
        let bytes = self.read(Section::Terms, bytes_at, u64::from(u32_at(&term, 0).saturating_sub(start)))?;
        if entry.counts[1] == 0 || bytes != OWN_SOURCE {
            return Err(wrong());
        }
        let offsets = self.posting(u32_at(&term, 4))?;
        let ascends = |offsets: &Vec<u32>| {
            offsets.is_sorted_by(|a, b| a < b)
                && offsets.last().is_none_or(|last| *last < self.meta.record_count)
        };
        match offsets {
            Some(offsets) if !ascends(&offsets) => Err(wrong()),
            offsets => Ok(offsets),
        }
    }

    /// The offsets that a posting word stands for; none where they are more than are looked for.
    fn posting(&self, word: u32) -> io::Result<Option<Vec<u32>>> {
        if word == NO_POSTING {
            return Ok(Some(Vec::new()));
        }
        if word & POSTING_PLACE == 0 {
            return Ok(Some(vec![word]));
        }
        let at = u64::from(word & !POSTING_PLACE) * 4;
        let count = u32_at(&self.read(Section::Postings, at, 4)?, 0);
        if count & !POSTING_ROARING > OWN_COUNT_MAX {
            return Ok(None);
        }
        if count & POSTING_ROARING == 0 {
            let list = self.read(Section::Postings, at + 4, u64::from(count) * 4)?;
            return Ok(Some(list.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()));
        }
        let len = u32_at(&self.read(Section::Postings, at + 4, 4)?, 0);
        let bytes = self.read(Section::Postings, at + 8, u64::from(len))?;
        let bitmap = RoaringBitmap::deserialize_from(&bytes[..])
            .map_err(|_| damaged(Section::Postings.name(), "a Roaring bitmap"))?;
        if bitmap.len() != u64::from(count & !POSTING_ROARING) {
            return Err(damaged(Section::Postings.name(), "as many offsets as it counts"));
        }
        Ok(Some(bitmap.iter().collect()))
    }

    /// Where the record at `offset` stands in the log.
    pub(super) fn place(&self, offset: u32) -> io::Result<Place> {
        let wrong = || damaged(Section::Frames.name(), "the places of all records, ascending");
        // The last frame that begins at or before it.
        let (mut low, mut high) = (0, self.meta.frame_count);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.frame(middle)?.first_offset <= offset { low = middle } else { high = middle }
        }
        let frame = self.frame(low)?;
        let next = if low + 1 < self.meta.frame_count {
            self.frame(low + 1)?.first_offset
        } else {
            self.meta.record_count
        };
        let last = offset + 1 == next;
        let places = self.read(Section::Records, u64::from(offset) * 4, if last { 4 } else { 8 })?;
        let frame_end = FRAME_HEADER_LEN as u64 + u64::from(frame.payload_len);
        let end = if last { frame_end } else { u64::from(u32_at(&places, 4)) };
        let place = Place {
            frame,
            start: frame.position.checked_add(u64::from(u32_at(&places, 0))).ok_or_else(wrong)?,
            end: frame.position.checked_add(end).ok_or_else(wrong)?,
        };
        let fits = frame.first_offset <= offset && offset < next && end <= frame_end;
        if fits && place.start < place.end && place.end <= self.meta.log_len {
            Ok(place)
        } else {
            Err(wrong())
        }
    }

    fn frame(&self, index: u32) -> io::Result<FramePlace> {
        let len = FRAME_PLACE_LEN as u64;
        self.read(Section::Frames, u64::from(index) * len, len).map(|bytes| FramePlace::decode(&bytes))
    }
}

fn damaged(what: &'static str, expected: &str) -> io::Error {
    io::Error::other(Fault::damaged(0, what, expected, "another"))
}
