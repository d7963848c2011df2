//! Writing a sidecar: section by section from the index, never held in memory as a whole.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use super::locator::{Locator, Places};
use super::posting;
use super::sidecar::Sidecar;
use crate::disk::File;
use crate::format::WRITE_VERSION;
use crate::format::sidecar::{
    FIELD_ENTRY_LEN, FieldEntry, Footer, Meta, SECTION_COUNT, Section, SectionEntry, bitmap_len,
    encode_header,
};
use crate::hash::Hash;
use crate::index::{IndexBuilder, Slice, SliceField, TermId};
use crate::source::TermKind;
use crate::{Error, Result, Seq, StoreId};

/// What a sidecar says of its segment beside the index.
#[derive(Debug, Clone, Copy)]
pub struct SegmentFacts<'a> {
    /// The store.
    pub store_id: StoreId,
    /// Length of the sealed log file in bytes.
    pub log_len: u64,
    /// The seq of the `store.deleting` record by which the log was rewritten; 0 where it was not.
    pub rewritten_by: Seq,
    /// The RFC 6962 root of the segment's own leaves.
    pub segment_root: Hash,
    /// The records' leaves in the log's tree.
    pub leaves: &'a [Hash],
    /// Where the records stand in the log file.
    pub locator: &'a Locator,
}

/// What a part says of its run of records beside the index.
#[derive(Debug, Clone, Copy)]
pub struct PartFacts<'a> {
    /// The store.
    pub store_id: StoreId,
    /// Where the run's last frame ends in the log file, in bytes.
    pub log_len: u64,
    /// The leaf of the record before the run; zeros for seq 0.
    pub predecessor: Hash,
    /// The leaf of its last record.
    pub last_leaf: Hash,
    /// Where the records of the whole index stand in the log file.
    pub locator: &'a Locator,
}

/// Writes a sidecar to `file`, which is empty, and returns its length in bytes. The caller syncs and renames.
///
/// # Errors
/// [`Error::Io`] for `path` where the file cannot be written, where leaves, locator and index are not of one
/// count, or where a field's terms or all postings together are longer than the format can say (4 GiB, 8 GiB).
pub fn write_sidecar(
    file: &dyn File,
    path: &Path,
    builder: &mut IndexBuilder,
    facts: &SegmentFacts<'_>,
) -> Result<u64> {
    encode_sidecar(builder, facts, &mut FileWriter::new(file)).map_err(Error::io("write", path))
}

/// Writes a sidecar's bytes to `out` and returns how many they are. The same records give the same bytes.
///
/// # Errors
/// As [`write_sidecar`].
pub fn encode_sidecar(
    builder: &mut IndexBuilder,
    facts: &SegmentFacts<'_>,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let count = builder.record_count();
    if facts.leaves.len() != count as usize || facts.locator.record_count() != count {
        return Err(of_one_count());
    }
    let commitment = builder.commitment();
    let slice = builder.slice(0..count);
    let places = facts.locator.slice(0..count);
    let meta = Meta {
        store_id: facts.store_id,
        first_seq: slice.first_seq(),
        log_len: facts.log_len,
        record_count: count,
        frame_count: places.frames.len() as u32,
        leaf_count: commitment.leaf_count,
        rules: commitment.rules,
        index_root: commitment.index_root,
        segment_root: facts.segment_root,
        event_id_count: slice.event_ids().len() as u32,
        rewritten_by: facts.rewritten_by,
        sources: slice.sources(),
    };
    encode(&slice, &meta, &places, facts.leaves, out)
}

/// Writes a sidecar's bytes with the last leaf alone, as the warm tier has them, and returns how many they are.
///
/// # Errors
/// Whatever writing says; a [`Fault`](crate::Fault) in an `io::Error` where the sidecar is damaged.
pub fn encode_without_leaves(sidecar: &Sidecar, out: &mut dyn Write) -> io::Result<u64> {
    let mut out = Sections::new(out)?;
    for section in Section::ALL {
        let bytes = sidecar.section(section).map_err(io::Error::other)?;
        let from = if section == Section::Leaves { bytes.len().saturating_sub(32) } else { 0 };
        out.put(&bytes[from..])?;
        out.end_section()?;
    }
    out.finish()
}

/// Writes the bytes of a part, a sidecar of the records at `offsets` of a growing index, which begin and end with
/// whole frames. The same records give the same bytes, whatever else the index has taken.
///
/// # Errors
/// As [`write_sidecar`].
pub fn encode_part(
    builder: &IndexBuilder,
    offsets: Range<u32>,
    facts: &PartFacts<'_>,
    out: &mut dyn Write,
) -> io::Result<u64> {
    if facts.locator.record_count() != builder.record_count() {
        return Err(of_one_count());
    }
    let slice = builder.slice(offsets.clone());
    let places = facts.locator.slice(offsets);
    let meta = Meta {
        store_id: facts.store_id,
        first_seq: slice.first_seq(),
        log_len: facts.log_len,
        record_count: slice.record_count(),
        frame_count: places.frames.len() as u32,
        leaf_count: 0,
        rules: slice.rules(),
        index_root: facts.predecessor,
        segment_root: facts.last_leaf,
        event_id_count: slice.event_ids().len() as u32,
        rewritten_by: 0,
        sources: slice.sources(),
    };
    encode(&slice, &meta, &places, &[], out)
}

fn of_one_count() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "leaves, locator and index are not of one count")
}

fn encode(
    slice: &Slice<'_>,
    meta: &Meta,
    places: &Places<'_>,
    leaves: &[Hash],
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut out = Sections::new(out)?;
    out.put(&meta.encode())?;
    out.end_section()?;
    for frame in &places.frames {
        out.put(&frame.encode())?;
    }
    out.end_section()?;
    for record in places.records {
        out.put(&record.to_le_bytes())?;
    }
    out.end_section()?;
    event_times(&mut out, slice)?;
    for leaf in leaves {
        out.put(&leaf.0)?;
    }
    out.end_section()?;
    event_ids(&mut out, slice)?;
    fields(&mut out, slice)?;
    out.finish()
}

fn event_times(out: &mut Sections<'_>, slice: &Slice<'_>) -> io::Result<()> {
    let bitmap = vec![0_u8; bitmap_len(slice.record_count()) as usize];
    let (mut known, mut unreadable) = (bitmap.clone(), bitmap);
    for offset in 0..slice.record_count() as usize {
        known[offset / 8] |= 1 << (offset % 8);
    }
    for (offset, is_unreadable) in slice.unknown_times() {
        let (byte, bit) = (offset as usize / 8, 1 << (offset % 8));
        known[byte] &= !bit;
        unreadable[byte] |= if is_unreadable { bit } else { 0 };
    }
    for time in slice.times() {
        out.put(&time.to_le_bytes())?;
    }
    out.put(&known)?;
    out.put(&unreadable)?;
    out.end_section()
}

fn event_ids(out: &mut Sections<'_>, slice: &Slice<'_>) -> io::Result<()> {
    let mut ids: Vec<(u64, u32)> = slice.event_ids().collect();
    ids.sort_unstable();
    for (prefix, _) in &ids {
        out.put(&prefix.to_le_bytes())?;
    }
    for (_, offset) in &ids {
        out.put(&offset.to_le_bytes())?;
    }
    out.end_section()
}

/// Postings, columns, dictionaries and the fields that name them: the last comes last, for it needs the places of
/// all others.
fn fields(out: &mut Sections<'_>, slice: &Slice<'_>) -> io::Result<()> {
    let fields = slice.fields();
    let mut entries = vec![FieldEntry::default(); fields.len()];
    let mut words: Vec<Vec<u32>> = Vec::with_capacity(fields.len());
    let (mut scratch, mut offsets, every) = (Vec::new(), Vec::new(), slice.every());
    for (field, entry) in fields.iter().zip(&mut entries) {
        let mut put = |offsets: &[u32]| -> io::Result<u32> {
            scratch.clear();
            let word = posting::encode(offsets, out.section_len(), &mut scratch);
            out.put(&scratch)?;
            word.ok_or_else(|| too_long("the postings of the segment"))
        };
        for (word, offsets) in entry.reserved.iter_mut().zip(slice.reserved(field)) {
            *word = put(offsets.as_ref().unwrap_or(&every))?;
        }
        let mut of_field = Vec::with_capacity(field.terms.len());
        for id in &field.terms {
            of_field.push(put(slice.offsets(*id, &mut offsets))?);
        }
        words.push(of_field);
    }
    out.end_section()?;
    for (field, entry) in fields.iter().zip(&mut entries) {
        count_kinds(slice, &field.terms, entry);
        if let Some(column) = column(slice, field, entry) {
            entry.column_width = column_width(entry.counts[1]);
            entry.column_at = out.section_len();
            for value in column {
                out.put(&value.to_le_bytes()[..usize::from(entry.column_width)])?;
            }
            out.align()?;
        }
    }
    out.end_section()?;
    for ((field, words), entry) in fields.iter().zip(words).zip(&mut entries) {
        entry.terms_at = out.section_len();
        let mut end = 0_u32;
        for (id, word) in field.terms.iter().zip(words) {
            let len = slice.term(*id).bytes.len() as u32;
            end = end.checked_add(len).ok_or_else(|| too_long("the terms of one field"))?;
            out.put(&end.to_le_bytes())?;
            out.put(&word.to_le_bytes())?;
        }
        for id in &field.terms {
            out.put(slice.term(*id).bytes)?;
        }
        entry.bytes_len = end;
        out.align()?;
    }
    out.end_section()?;
    let mut name_at = (8 + fields.len() * FIELD_ENTRY_LEN) as u32;
    out.put(&u64::from(fields.len() as u32).to_le_bytes())?;
    for (field, entry) in fields.iter().zip(&mut entries) {
        entry.private = field.private;
        entry.name_at = name_at;
        entry.name_len = u16::try_from(field.name().len()).map_err(|_| too_long("a field's name"))?;
        name_at =
            name_at.checked_add(u32::from(entry.name_len)).ok_or_else(|| too_long("the fields' names"))?;
        out.put(&entry.encode())?;
    }
    for field in &fields {
        out.put(field.name().as_bytes())?;
    }
    out.end_section()
}

fn count_kinds(slice: &Slice<'_>, ids: &[TermId], entry: &mut FieldEntry) {
    for id in ids {
        match slice.term(*id).kind {
            // Reserved terms are no part of the dictionary.
            TermKind::Reserved => {}
            kind => entry.counts[kind as usize - 1] += 1,
        }
    }
}

/// The column of a field's numbers, for each record 0 or 1 + the number's place among the field's numbers; where no
/// record has two of them, and one in sixteen has one.
fn column(slice: &Slice<'_>, field: &SliceField<'_>, entry: &FieldEntry) -> Option<Vec<u32>> {
    let [texts, numbers, ..] = entry.counts;
    if numbers == 0 || !field.may_have_column() {
        return None;
    }
    let numbers = field.terms.iter().skip(texts as usize).take(numbers as usize);
    let mut column = vec![0_u32; slice.record_count() as usize];
    let (mut filled, mut scratch) = (0_usize, Vec::new());
    for (ordinal, id) in (1..).zip(numbers) {
        let offsets = slice.offsets(*id, &mut scratch);
        for offset in offsets {
            let value = column.get_mut(*offset as usize)?;
            if std::mem::replace(value, ordinal) != 0 {
                return None;
            }
        }
        filled += offsets.len();
    }
    (filled * 16 >= column.len()).then_some(column)
}

/// Bytes of a column's values where the dictionary has `number_count` numbers: 0 stands for none.
pub(super) fn column_width(number_count: u32) -> u8 {
    match number_count {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        _ => 4,
    }
}

fn too_long(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("{what} are longer than a sidecar can hold"))
}

/// The sections on their way out: each with its place, length and checksum.
struct Sections<'w> {
    out: &'w mut dyn Write,
    /// What has not gone out yet, nor into the checksum: most of what is put is a few bytes long.
    buffer: Vec<u8>,
    at: u64,
    start: u64,
    crc: crc32fast::Hasher,
    done: Vec<SectionEntry>,
}

/// How many bytes go out at once.
const BUFFER_LEN: usize = 256 << 10;

impl<'w> Sections<'w> {
    fn new(out: &'w mut dyn Write) -> io::Result<Self> {
        let header = encode_header(WRITE_VERSION);
        out.write_all(&header)?;
        let at = header.len() as u64;
        let buffer = Vec::with_capacity(BUFFER_LEN);
        Ok(Sections { out, buffer, at, start: at, crc: crc32fast::Hasher::new(), done: Vec::new() })
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.send(bytes)
        } else {
            self.buffer.extend_from_slice(bytes);
            Ok(())
        }
    }

    /// Sends what waits, and `bytes` behind it.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for bytes in [&self.buffer, bytes] {
            self.crc.update(bytes);
            self.out.write_all(bytes)?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Length of the section so far.
    fn section_len(&self) -> u64 {
        self.at - self.start
    }

    /// Fills the section with zeros up to a multiple of 8.
    fn align(&mut self) -> io::Result<()> {
        let missing = self.section_len().next_multiple_of(8) - self.section_len();
        self.put(&[0; 8][..missing as usize])
    }

    fn end_section(&mut self) -> io::Result<()> {
        let (offset, len) = (self.start, self.section_len());
        self.send(&[])?;
        let crc = std::mem::take(&mut self.crc).finalize();
        self.done.push(SectionEntry { offset, len, crc });
        self.align()?;
        self.send(&[])?;
        self.crc = crc32fast::Hasher::new();
        self.start = self.at;
        Ok(())
    }

    fn finish(self) -> io::Result<u64> {
        let sections: [SectionEntry; SECTION_COUNT] = self
            .done
            .try_into()
            .map_err(|_| io::Error::other("another number of sections than the format has"))?;
        let footer = Footer { write_version: WRITE_VERSION, sections }.encode();
        self.out.write_all(&footer)?;
        self.out.flush()?;
        Ok(self.at + footer.len() as u64)
    }
}

/// Writes to a file from its start on.
pub(crate) struct FileWriter<'a> {
    file: &'a dyn File,
    at: u64,
}

impl<'a> FileWriter<'a> {
    /// Writes to `file`, which is empty.
    pub(crate) fn new(file: &'a dyn File) -> Self {
        FileWriter { file, at: 0 }
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
