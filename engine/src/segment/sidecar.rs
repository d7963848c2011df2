//! Reading a sidecar where it lies: what it says by seq, and by event id.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::evenly::{first_not_below, near};
use super::locator::Located;
use crate::disk::Mapped;
use crate::error::Fault;
use crate::format::bytes::{array, hash_at, i64_at, u32_at, u64_at};
use crate::format::frame::FRAME_HEADER_LEN;
use crate::format::sidecar::{
    FRAME_PLACE_LEN, Footer, FramePlace, Meta, POSTING_PLACE, SIDECAR_FOOTER_LEN, SIDECAR_HEADER_LEN,
    Section, encode_header,
};
use crate::hash::{self, Hash};
use crate::index::DELETED;
use crate::source::EventTime;
use crate::{Seq, Timestamp};

/// The frame in which a record was located last.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameCursor {
    index: u32,
    first: u32,
    next_first: u32,
    frame: Option<FramePlace>,
}

/// The event times of a segment's records, where they lie.
#[derive(Debug, Clone, Copy)]
pub struct EventTimes<'a> {
    times: &'a [u8],
    known: &'a [u8],
    unreadable: &'a [u8],
}

impl EventTimes<'_> {
    /// The event time of the record at `offset`; absent past the end.
    pub fn get(&self, offset: u32) -> EventTime {
        let bit = |bits: &[u8]| array::<1>(bits, offset as usize / 8)[0] >> (offset % 8) & 1 == 1;
        if bit(self.known) {
            EventTime::Known(Timestamp(i64_at(self.times, offset as usize * 8)))
        } else if bit(self.unreadable) {
            EventTime::Unreadable
        } else {
            EventTime::Absent
        }
    }
}

/// The sidecar of a sealed segment.
pub struct Sidecar {
    pub(super) bytes: Mapped,
    pub(super) footer: Footer,
    meta: Meta,
    /// A bit for each section whose checksum was found right.
    checked: AtomicU32,
}

impl fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidecar")
            .field("bytes", &self.bytes)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

impl Sidecar {
    /// How many of the segment's records were deleted.
    ///
    /// # Errors
    /// Damaged.
    pub fn deleted_count(&self) -> Result<u32, Fault> {
        if self.meta.rewritten_by == 0 {
            return Ok(0);
        }
        let field = self.field(DELETED)?.map(|field| field.present()).transpose()?;
        Ok(field.map_or(0, |posting| posting.count()))
    }

    /// Opens a sidecar: checks its header, footer, section table and meta section, whatever its size.
    ///
    /// # Errors
    /// Damaged where one of these was altered or the lengths do not fit together; unsupported for a version of
    /// another release.
    pub fn open(bytes: Mapped) -> Result<Self, Fault> {
        let len_min = SIDECAR_HEADER_LEN + SIDECAR_FOOTER_LEN;
        if bytes.len() < len_min {
            let expected = format_args!("at least {len_min}").to_string();
            return Err(Fault::damaged(0, "sidecar length", expected, bytes.len()));
        }
        let footer = Footer::decode(&bytes)?;
        let header = encode_header(footer.write_version);
        if bytes[..SIDECAR_HEADER_LEN] != header {
            let found = bytes[..SIDECAR_HEADER_LEN].escape_ascii();
            return Err(Fault::damaged(0, "sidecar header", header.escape_ascii(), found));
        }
        let place = footer.sections[Section::Meta as usize];
        let section = section_of(&bytes, &footer, Section::Meta)?;
        let meta = Meta::decode(section).map_err(|fault| fault.shifted(place.offset))?;
        for section in Section::ALL {
            let len = footer.sections[section as usize].len;
            if !meta.fits(section, len) {
                let expected = meta.section_len(section).unwrap_or_default();
                return Err(Fault::damaged(
                    footer.sections[section as usize].offset,
                    section.name(),
                    expected,
                    len,
                ));
            }
        }
        Ok(Sidecar { bytes, footer, meta, checked: AtomicU32::new(1 << Section::Meta as u32) })
    }

    /// What segment this is.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The segment's first seq.
    pub fn first_seq(&self) -> Seq {
        self.meta.first_seq
    }

    /// The seq after its last record.
    pub fn end_seq(&self) -> Seq {
        self.meta.first_seq + u64::from(self.meta.record_count)
    }

    /// A record's offset in the segment, if it is in it.
    pub fn offset_of(&self, seq: Seq) -> Option<u32> {
        let offset = u32::try_from(seq.checked_sub(self.meta.first_seq)?).ok()?;
        (offset < self.meta.record_count).then_some(offset)
    }

    /// Where the record at `offset` stands in the log file; nothing past the segment's end.
    ///
    /// # Errors
    /// Damaged.
    pub fn locate(&self, offset: u32) -> Result<Option<Located>, Fault> {
        self.locate_from(offset, &mut FrameCursor::default())
    }

    /// As [`Sidecar::locate`], quicker where records of one frame are located one after another.
    ///
    /// # Errors
    /// Damaged.
    pub fn locate_from(&self, offset: u32, cursor: &mut FrameCursor) -> Result<Option<Located>, Fault> {
        self.locate_by(self.section(Section::Records)?, offset, cursor)
    }

    /// Locates many records, and gives each to `visit`; `visit` is given nothing for one that is past the segment's end.
    ///
    /// # Errors
    /// Damaged; whatever `visit` says.
    #[inline]
    pub fn locate_each<E: From<Fault>>(
        &self,
        offsets: &[u32],
        mut visit: impl FnMut(u32, Option<Located>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (records, mut cursor) = (self.section(Section::Records)?, FrameCursor::default());
        offsets.iter().try_for_each(|&offset| visit(offset, self.locate_by(records, offset, &mut cursor)?))
    }

    /// Touches what is looked at to locate these records, so that it comes to the caches side by side.
    pub fn touch_places(&self, offsets: &[u32]) {
        let (Ok(records), Ok(frames)) = (self.section(Section::Records), self.section(Section::Frames))
        else {
            return;
        };
        let share = f64::from(self.meta.frame_count) / f64::from(self.meta.record_count.max(1));
        let touched = offsets.iter().fold(0, |sum, offset| {
            // About where its frame is stated, and the lines beside it: frames mostly hold about as many records each.
            let near = (f64::from(*offset) * share) as usize * FRAME_PLACE_LEN;
            let frame = [near.saturating_sub(64), near, near + 64];
            let frame = frame.map(|at| frames.get(at).copied().unwrap_or_default());
            sum ^ u32_at(records, *offset as usize * 4) ^ u32::from(frame[0] ^ frame[1] ^ frame[2])
        });
        std::hint::black_box(touched);
    }

    /// Touches where a posting begins, if it is more than its word: see [`Sidecar::posting`].
    pub(crate) fn touch_posting(&self, word: u32) -> u8 {
        if word & POSTING_PLACE == 0 {
            return 0;
        }
        let section = self.footer.sections[Section::Postings as usize].offset;
        let at = section + u64::from(word & !POSTING_PLACE) * 4;
        usize::try_from(at).ok().and_then(|at| self.bytes.get(at)).copied().unwrap_or_default()
    }

    #[inline(always)] // So that what was located is used where it is, and not copied.
    fn locate_by(
        &self,
        records: &[u8],
        offset: u32,
        cursor: &mut FrameCursor,
    ) -> Result<Option<Located>, Fault> {
        if cursor.frame.is_none() || !(cursor.first..cursor.next_first).contains(&offset) {
            let Some((index, frame, next_first)) = self.frame_of(offset, cursor)? else { return Ok(None) };
            *cursor = FrameCursor { index, first: frame.first_offset, next_first, frame: Some(frame) };
        }
        let Some(frame) = cursor.frame else { return Ok(None) };
        let at = |offset: u32| u64::from(u32_at(records, offset as usize * 4));
        let from = at(offset);
        let to = if offset + 1 == cursor.next_first {
            FRAME_HEADER_LEN as u64 + u64::from(frame.payload_len)
        } else {
            at(offset + 1)
        };
        let record_len = to.checked_sub(from).and_then(|len| u32::try_from(len).ok());
        let record_at = frame.position.checked_add(from);
        let end = frame.position.checked_add(to).filter(|end| *end <= self.meta.log_len);
        match (record_at, record_len, end) {
            (Some(record_at), Some(record_len), Some(_)) => {
                Ok(Some(Located { frame_index: cursor.index, frame, record_at, record_len }))
            }
            _ => Err(self.fault(Section::Records, u64::from(offset) * 4, "a place inside the log", from)),
        }
    }

    /// When the record at `offset` was received.
    ///
    /// # Errors
    /// Damaged.
    pub fn received_at(&self, offset: u32) -> Result<Option<Timestamp>, Fault> {
        Ok(self.frame_of(offset, &FrameCursor::default())?.map(|(_, frame, _)| frame.received_at))
    }

    /// The frame that holds the record at `offset`: its place, itself, and the first offset of the frame behind it.
    fn frame_of(&self, offset: u32, last: &FrameCursor) -> Result<Option<(u32, FramePlace, u32)>, Fault> {
        let (frames, records) = (self.meta.frame_count as usize, self.meta.record_count);
        if offset >= records {
            return Ok(None);
        }
        let section = self.section(Section::Frames)?;
        let first = |index: usize| u32_at(section, index * FRAME_PLACE_LEN);
        // Frames mostly hold about as many records each: from the last one, or the first, it is not far from where it
        // should be then, and is looked for from there in growing steps.
        let (from, from_first) = match last.frame {
            Some(_) if last.first <= offset => (last.index as usize, last.first),
            _ => (0, 0),
        };
        let ahead = u64::from(offset - from_first) * frames as u64 / u64::from(records);
        let guess = (from + ahead as usize).min(frames.saturating_sub(1));
        let (mut low, mut high, mut step) = (guess, guess, 1);
        while high < frames && first(high) <= offset {
            (low, high, step) = (high + 1, frames.min(high + step), step * 2);
        }
        while low > 0 && offset < first(low - 1) {
            (low, high, step) = (low.saturating_sub(step), low - 1, step * 2);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if first(middle) <= offset { low = middle + 1 } else { high = middle }
        }
        let found = low.checked_sub(1).and_then(|index| section.get(index * FRAME_PLACE_LEN..));
        let Some(found) = found.map(FramePlace::decode).filter(|frame| frame.first_offset <= offset) else {
            return Err(self.fault(Section::Frames, 0, "a frame for each record", "none"));
        };
        let next_first = if low < frames { first(low) } else { records };
        Ok(Some((low as u32 - 1, found, next_first)))
    }

    /// The frames, in the order of the log.
    ///
    /// # Errors
    /// Damaged.
    pub fn frames(&self) -> Result<impl Iterator<Item = FramePlace> + '_, Fault> {
        Ok(self.section(Section::Frames)?.chunks_exact(FRAME_PLACE_LEN).map(FramePlace::decode))
    }

    /// The leaf of the record at `offset` in the log's tree; nothing where the sidecar has it not: a part has none, and
    /// one in the warm tier the last alone.
    ///
    /// # Errors
    /// Damaged.
    pub fn leaf(&self, offset: u32) -> Result<Option<Hash>, Fault> {
        let leaves = self.section(Section::Leaves)?;
        let before = self.meta.record_count.saturating_sub((leaves.len() / 32) as u32);
        let within = offset < self.meta.record_count && !self.meta.is_part();
        Ok(offset.checked_sub(before).filter(|_| within).map(|index| hash_at(leaves, index as usize * 32)))
    }

    /// Whether it has the leaves of all its records.
    pub fn has_leaves(&self) -> bool {
        let len = self.footer.sections[Section::Leaves as usize].len;
        len > 32 && !self.meta.is_part()
    }

    /// The leaves that it has, 32 bytes each.
    ///
    /// # Errors
    /// Damaged.
    pub fn leaves(&self) -> Result<&[[u8; 32]], Fault> {
        Ok(self.section(Section::Leaves)?.as_chunks().0)
    }

    /// The event time of the record at `offset`.
    ///
    /// # Errors
    /// Damaged.
    pub fn event_time(&self, offset: u32) -> Result<Option<EventTime>, Fault> {
        Ok((offset < self.meta.record_count).then_some(self.event_times()?.get(offset)))
    }

    /// The event times of all records.
    ///
    /// # Errors
    /// Damaged.
    pub fn event_times(&self) -> Result<EventTimes<'_>, Fault> {
        let section = self.section(Section::EventTimes)?;
        let (times, bits) = section.split_at_checked(self.meta.record_count as usize * 8).unwrap_or_default();
        let (known, unreadable) = bits.split_at(bits.len() / 2);
        Ok(EventTimes { times, known, unreadable })
    }

    /// The seqs of the records that may have the event id `id`, ascending: all that have it, and, once in
    /// billions, one that has another. Whoever needs to be sure reads the record.
    ///
    /// # Errors
    /// Damaged.
    pub fn find_event(&self, id: &[u8]) -> Result<Vec<Seq>, Fault> {
        let offsets = self.with_event_id(hash::event_id_prefix(id))?;
        Ok(offsets.map(|offset| self.meta.first_seq + u64::from(offset)).collect())
    }

    /// The prefixes of the hashes of all event ids, ascending.
    ///
    /// # Errors
    /// Damaged.
    pub fn event_id_prefixes(&self) -> Result<impl Iterator<Item = u64> + '_, Fault> {
        let section = self.section(Section::EventIds)?;
        let prefixes = section.chunks_exact(8).take(self.meta.event_id_count as usize);
        Ok(prefixes.map(|prefix| u64_at(prefix, 0)))
    }

    /// The offsets of the records that may have an event id of whose hash `prefix` is the first 8 bytes, ascending, as
    /// [`Sidecar::find_event`] has their seqs.
    ///
    /// # Errors
    /// Damaged.
    pub fn with_event_id(&self, prefix: u64) -> Result<impl Iterator<Item = u32> + '_, Fault> {
        let section = self.section(Section::EventIds)?;
        let count = self.meta.event_id_count as usize;
        let start = first_not_below(section, count, prefix);
        let mut end = start;
        while end < count && u64_at(section, end * 8) == prefix {
            end += 1;
        }
        let offsets = (start..end).map(move |at| u32_at(section, count * 8 + at * 4));
        match offsets.clone().find(|offset| *offset >= self.meta.record_count) {
            Some(beyond) => {
                Err(self.fault(Section::EventIds, start as u64 * 8, self.meta.record_count, beyond))
            }
            None => Ok(offsets),
        }
    }

    /// About where among the event ids one with this prefix would stand: so near that a look there has in memory what
    /// [`Sidecar::with_event_id`] will need.
    ///
    /// # Errors
    /// Damaged.
    pub fn event_id_near(&self, prefix: u64) -> Result<usize, Fault> {
        let section = self.section(Section::EventIds)?;
        Ok(near(section, self.meta.event_id_count as usize, prefix))
    }

    /// Has the memory around a place among the event ids ready.
    ///
    /// # Errors
    /// Damaged.
    pub fn touch_event_ids(&self, near: usize) -> Result<(), Fault> {
        std::hint::black_box(u64_at(self.section(Section::EventIds)?, near.saturating_mul(8)));
        Ok(())
    }

    /// The bytes of a section, whose checksum is checked at the first call.
    #[inline]
    pub(super) fn section(&self, section: Section) -> Result<&[u8], Fault> {
        let bit = 1 << section as u32;
        if self.checked.load(Ordering::Relaxed) & bit != 0 {
            let place = self.footer.sections[section as usize];
            return Ok(slice(&self.bytes, place.offset, place.len));
        }
        let bytes = section_of(&self.bytes, &self.footer, section)?;
        self.checked.fetch_or(bit, Ordering::Relaxed);
        Ok(bytes)
    }

    /// A fault at byte `at` of a section.
    pub(super) fn fault(
        &self,
        section: Section,
        at: u64,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Fault {
        let base = self.footer.sections[section as usize].offset;
        Fault::damaged(base.saturating_add(at), section.name(), expected, found)
    }
}

/// `len` bytes of `file` at `offset`; none where the file has not that many.
pub(super) fn slice(file: &[u8], offset: u64, len: u64) -> &[u8] {
    let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
    range.and_then(|(at, len)| file.get(at..at.checked_add(len)?)).unwrap_or_default()
}

fn section_of<'a>(file: &'a [u8], footer: &Footer, section: Section) -> Result<&'a [u8], Fault> {
    let place = footer.sections[section as usize];
    let bytes = slice(file, place.offset, place.len);
    let found = crc32fast::hash(bytes);
    if found == place.crc {
        Ok(bytes)
    } else {
        let (expected, found) = (format_args!("checksum {:08x}", place.crc), format_args!("{found:08x}"));
        Err(Fault::damaged(place.offset, section.name(), expected, found))
    }
}
