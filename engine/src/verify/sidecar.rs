//! A sealed segment's sidecar against what it should be: every byte is a function of the segment's records, so it
//! is made again, by other code than the writer's, and compared with the file as it is made.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::Watch;
use super::finished::{Finished, Reserved};
use super::report::{Finding, Findings, Looked};
use super::segment::Rebuilt;
use crate::disk::{Disk, File, Open};
use crate::format::bitmap::Bitmap;
use crate::format::sidecar::{
    FIELD_ENTRY_LEN, FieldEntry, Footer, FramePlace, Meta, NO_POSTING, POSTING_PLACE, POSTING_ROARING,
    SECTION_COUNT, SIDECAR_FOOTER_LEN_MAX, SIDECAR_HEADER_LEN, Section, SectionEntry, bitmap_len,
    encode_header,
};
use crate::hash::Hash;
use crate::source::{EventTime, TermKind};
use crate::{Seq, StoreId};

/// How much is read at once.
const WINDOW_LEN: usize = 256 << 10;

/// The sidecar to check.
pub(super) struct Task<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) path: &'a Path,
    pub(super) file: &'a str,
    pub(super) seqs: Range<Seq>,
    pub(super) watch: &'a Watch<'a>,
}

/// What the sidecar should say beside the index, the leaves and the places.
pub(super) struct Facts {
    pub(super) store_id: StoreId,
    pub(super) log_len: u64,
    pub(super) rewritten_by: Seq,
    pub(super) segment_root: Hash,
}

/// Checks a sidecar; against `rebuilt` where the segment could be rebuilt, by its checksums alone otherwise.
pub(super) fn check(task: &Task<'_>, rebuilt: Option<(&Rebuilt, &Facts)>, findings: &mut Findings) -> Looked {
    let mut looked = Looked::NotCompared;
    if let Err(error) = look(task, rebuilt, findings, &mut looked)
        && !task.watch.cancelled()
    {
        findings.push(Finding::unreadable(task.file, &error).seqs(task.seqs.clone()));
    }
    looked
}

fn look(
    task: &Task<'_>,
    rebuilt: Option<(&Rebuilt, &Facts)>,
    findings: &mut Findings,
    looked: &mut Looked,
) -> io::Result<()> {
    let file = task.disk.open(task.path, Open::Read)?;
    let len = file.len()?;
    let end_len = len.min(SIDECAR_FOOTER_LEN_MAX as u64);
    let mut end = vec![0; end_len as usize];
    file.read_exact_at(&mut end, len - end_len)?;
    let footer = match Footer::decode_end(&end, len) {
        Ok(footer) => footer,
        Err(fault) => {
            findings.push(Finding::fault(task.file, 0, fault).seqs(task.seqs.clone()));
            return Ok(());
        }
    };
    let Some((rebuilt, facts)) = rebuilt else {
        if let Some(finding) = checksums(task, &*file, &footer)? {
            findings.push(finding);
        }
        *looked = Looked::Checksums;
        return Ok(());
    };
    let mut expected = Expected::new(&*file, len, task.watch);
    let leaves_len = footer.sections[Section::Leaves as usize].len;
    // In the warm tier the last leaf stands for all.
    let from = if leaves_len == 32 { rebuilt.leaves.len().saturating_sub(1) } else { 0 };
    let leaves = rebuilt.leaves.get(from..).unwrap_or_default();
    write_all(&mut expected, (rebuilt, leaves), facts, footer.write_version)?;
    *looked = Looked::Rebuilt;
    let Some(at) = expected.differs_at.or((expected.at != len).then_some(expected.at.min(len))) else {
        return Ok(());
    };
    // A checksum that fails tells damage; where all hold, someone wrote it so.
    let finding = checksums(task, &*file, &footer)?.unwrap_or_else(|| {
        let section =
            Section::ALL.iter().rev().find(|section| footer.sections[**section as usize].offset <= at);
        let what = section.map_or("sidecar", |section| section.name());
        let found = "a file with good checksums that says something else";
        Finding::forged(task.file, what, "what the segment's records give", found)
            .at(at)
            .seqs(task.seqs.clone())
    });
    findings.push(finding);
    Ok(())
}

/// The first thing that is wrong by the file's own checksums: header, sections, the zeros between.
fn checksums(task: &Task<'_>, file: &dyn File, footer: &Footer) -> io::Result<Option<Finding>> {
    let damaged = |what: &str, at: u64, expected: String, found: String| {
        Some(Finding::damaged(task.file, what, expected, found).at(at).seqs(task.seqs.clone()))
    };
    let mut header = [0; SIDECAR_HEADER_LEN];
    file.read_exact_at(&mut header, 0)?;
    if header != encode_header(footer.write_version) {
        return Ok(damaged(
            "sidecar header",
            0,
            "that of the footer's version".to_owned(),
            "another".to_owned(),
        ));
    }
    let mut window = vec![0; WINDOW_LEN];
    for section in Section::ALL {
        let place = footer.sections[section as usize];
        let mut hasher = crc32fast::Hasher::new();
        let end = place.offset + place.len;
        let mut at = place.offset;
        while at < end {
            task.watch.check()?;
            let chunk = &mut window[..WINDOW_LEN.min((end - at) as usize)];
            file.read_exact_at(chunk, at)?;
            task.watch.read(chunk.len() as u64);
            hasher.update(chunk);
            at += chunk.len() as u64;
        }
        let crc = hasher.finalize();
        if crc != place.crc {
            return Ok(damaged(
                section.name(),
                place.offset,
                format!("{:08x}", place.crc),
                format!("{crc:08x}"),
            ));
        }
        let padding = place.end().unwrap_or(end) - end;
        let mut zeros = [0; 8];
        let zeros = &mut zeros[..padding.min(8) as usize];
        file.read_exact_at(zeros, end)?;
        if zeros.iter().any(|byte| *byte != 0) {
            let expected = "zeros up to the next section".to_owned();
            return Ok(damaged(section.name(), end, expected, "something else".to_owned()));
        }
    }
    Ok(None)
}

/// The bytes that should be there, compared with the file as they are made.
struct Expected<'a> {
    file: &'a dyn File,
    file_len: u64,
    watch: &'a Watch<'a>,
    /// What was made and is not compared yet: most of what is put is a few bytes long.
    made: Vec<u8>,
    window: Vec<u8>,
    /// How many bytes were made.
    at: u64,
    /// The first byte that is another one.
    differs_at: Option<u64>,
    start: u64,
    crc: crc32fast::Hasher,
    sections: Vec<SectionEntry>,
}

impl<'a> Expected<'a> {
    fn new(file: &'a dyn File, file_len: u64, watch: &'a Watch<'a>) -> Self {
        Expected {
            file,
            file_len,
            watch,
            made: Vec::with_capacity(WINDOW_LEN),
            window: Vec::new(),
            at: 0,
            differs_at: None,
            start: 0,
            crc: crc32fast::Hasher::new(),
            sections: Vec::new(),
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.made.len() + bytes.len() > WINDOW_LEN {
            return self.put_long(bytes);
        }
        self.made.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn put_long(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(WINDOW_LEN) {
            self.compare()?;
            self.made.extend_from_slice(piece);
            self.at += piece.len() as u64;
        }
        Ok(())
    }

    /// Compares what was made since the last time with what is there.
    fn compare(&mut self) -> io::Result<()> {
        self.crc.update(&self.made);
        let start = self.at - self.made.len() as u64;
        let left = usize::try_from(self.file_len.saturating_sub(start)).unwrap_or(usize::MAX);
        if self.differs_at.is_none() && !self.made.is_empty() {
            self.watch.check()?;
            self.window.resize(self.made.len().min(left), 0);
            self.file.read_exact_at(&mut self.window, start)?;
            self.watch.read(self.window.len() as u64);
            if self.window != self.made {
                let same = self.window.iter().zip(&self.made).take_while(|(there, made)| there == made);
                self.differs_at = Some(start + same.count() as u64);
            }
        }
        self.made.clear();
        Ok(())
    }

    /// Length of the section so far.
    fn len(&self) -> u64 {
        self.at - self.start
    }

    fn align(&mut self) -> io::Result<()> {
        let missing = self.len().next_multiple_of(8) - self.len();
        self.put(&[0; 8][..missing as usize])
    }

    fn end_section(&mut self) -> io::Result<()> {
        self.compare()?;
        let crc = std::mem::take(&mut self.crc).finalize();
        self.sections.push(SectionEntry { offset: self.start, len: self.len(), crc });
        self.align()?;
        self.begin_section()
    }

    fn begin_section(&mut self) -> io::Result<()> {
        self.compare()?;
        self.crc = crc32fast::Hasher::new();
        self.start = self.at;
        Ok(())
    }
}

fn write_all(
    out: &mut Expected<'_>,
    (rebuilt, leaves): (&Rebuilt, &[Hash]),
    facts: &Facts,
    write_version: u16,
) -> io::Result<()> {
    let index = &rebuilt.index;
    let count = index.record_count();
    out.put(&encode_header(write_version))?;
    out.begin_section()?;
    let meta = Meta {
        store_id: facts.store_id,
        first_seq: index.first_seq(),
        log_len: facts.log_len,
        record_count: count,
        frame_count: rebuilt.frames.len() as u32,
        leaf_count: rebuilt.restated.leaf_count,
        rules: rebuilt.restated.rules,
        index_root: rebuilt.restated.index_root,
        segment_root: facts.segment_root,
        event_id_count: index.event_ids().len() as u32,
        rewritten_by: facts.rewritten_by,
        sources: index.sources(),
    };
    out.put(&meta.encode())?;
    out.end_section()?;
    for frame in &rebuilt.frames {
        out.put(&FramePlace::encode(frame))?;
    }
    out.end_section()?;
    put_words(out, &rebuilt.places)?;
    out.end_section()?;
    times(out, index)?;
    for leaf in leaves {
        out.put(&leaf.0)?;
    }
    out.end_section()?;
    let mut ids = index.event_ids().to_vec();
    ids.sort_unstable();
    for (prefix, _) in &ids {
        out.put(&prefix.to_le_bytes())?;
    }
    for (_, offset) in &ids {
        out.put(&offset.to_le_bytes())?;
    }
    out.end_section()?;
    fields(out, index)?;
    let sections: [SectionEntry; SECTION_COUNT] = std::mem::take(&mut out.sections)
        .try_into()
        .map_err(|_| io::Error::other("another number of sections than the format has"))?;
    out.put(&Footer { write_version, sections }.encode())?;
    out.compare()
}

fn put_words(out: &mut Expected<'_>, words: &[u32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    for chunk in words.chunks(1024) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|word| word.to_le_bytes()));
        out.put(&bytes)?;
    }
    Ok(())
}

fn times(out: &mut Expected<'_>, index: &Finished) -> io::Result<()> {
    let len = bitmap_len(index.record_count()) as usize;
    let (mut known, mut unreadable) = (vec![0_u8; len], vec![0_u8; len]);
    for (at, time) in index.times().iter().enumerate() {
        let bit = 1 << (at % 8);
        let value = match time {
            EventTime::Known(time) => {
                known[at / 8] |= bit;
                time.0
            }
            EventTime::Unreadable => {
                unreadable[at / 8] |= bit;
                0
            }
            EventTime::Absent => 0,
        };
        out.put(&value.to_le_bytes())?;
    }
    out.put(&known)?;
    out.put(&unreadable)?;
    out.end_section()
}

/// Postings, columns, dictionaries, then the fields that name the places of these.
fn fields(out: &mut Expected<'_>, index: &Finished) -> io::Result<()> {
    let order = index.fields_by_name();
    let dictionaries: Vec<Vec<u32>> = index.dictionaries(&order);
    let mut entries = vec![FieldEntry::default(); order.len()];
    let mut words: Vec<Vec<u32>> = Vec::with_capacity(order.len());
    let mut scratch = Vec::new();
    let mut every = Vec::new();
    for ((field, ids), entry) in order.iter().zip(&dictionaries).zip(&mut entries) {
        for (word, reserved) in entry.reserved.iter_mut().zip(index.reserved(*field)) {
            let offsets = index.list(&reserved);
            *word = match reserved {
                Reserved::Every if offsets.len() > 1 => {
                    if every.is_empty() {
                        encode_posting(offsets, &mut every);
                    }
                    put_posting(out, &every)?
                }
                _ => posting(out, offsets, &mut scratch)?,
            };
        }
        let of_terms = ids.iter().map(|id| posting(out, index.postings(*id as usize), &mut scratch));
        words.push(of_terms.collect::<io::Result<_>>()?);
    }
    out.end_section()?;
    for ((field, ids), entry) in order.iter().zip(&dictionaries).zip(&mut entries) {
        for id in ids {
            if let Some(count) =
                (index.term(*id).kind as usize).checked_sub(1).and_then(|at| entry.counts.get_mut(at))
            {
                *count += 1;
            }
        }
        let numbers = ids.iter().skip(entry.counts[0] as usize).take(entry.counts[1] as usize);
        if let Some(column) = column(index, *field, numbers) {
            entry.column_width = match entry.counts[1] {
                0..=0xFF => 1,
                0x100..=0xFFFF => 2,
                _ => 4,
            };
            entry.column_at = out.len();
            let width = usize::from(entry.column_width);
            for value in column {
                out.put(&value.to_le_bytes()[..width])?;
            }
            out.align()?;
        }
    }
    out.end_section()?;
    for ((ids, words), entry) in dictionaries.iter().zip(words).zip(&mut entries) {
        entry.terms_at = out.len();
        scratch.clear();
        for (id, word) in ids.iter().zip(words) {
            entry.bytes_len += index.term(*id).bytes.len() as u32;
            scratch.extend_from_slice(&entry.bytes_len.to_le_bytes());
            scratch.extend_from_slice(&word.to_le_bytes());
        }
        for id in ids {
            scratch.extend_from_slice(index.term(*id).bytes);
        }
        out.put(&scratch)?;
        out.align()?;
    }
    out.end_section()?;
    out.put(&(order.len() as u64).to_le_bytes())?;
    let mut name_at = (8 + order.len() * FIELD_ENTRY_LEN) as u32;
    for (field, entry) in order.iter().zip(&mut entries) {
        let (name, private) = index.field(*field);
        (entry.name_at, entry.name_len, entry.private) = (name_at, name.len() as u16, private);
        name_at += name.len() as u32;
        out.put(&entry.encode())?;
    }
    for field in &order {
        out.put(index.field(*field).0.as_bytes())?;
    }
    out.end_section()
}

/// The posting of `offsets` and the word that stands for it.
fn posting(out: &mut Expected<'_>, offsets: &[u32], scratch: &mut Vec<u8>) -> io::Result<u32> {
    match offsets {
        [] => return Ok(NO_POSTING),
        [one] => return Ok(*one),
        _ => {}
    }
    encode_posting(offsets, scratch);
    put_posting(out, scratch)
}

/// A posting that does not fit its word, and that word.
fn put_posting(out: &mut Expected<'_>, posting: &[u8]) -> io::Result<u32> {
    let word = (out.len() / 4) as u32 | POSTING_PLACE;
    out.put(posting)?;
    Ok(word)
}

/// The bytes of a posting of at least two offsets.
fn encode_posting(offsets: &[u32], scratch: &mut Vec<u8>) {
    let list_len = offsets.len() * 4;
    let bitmap = (offsets.len() > 4).then(|| Bitmap::new(offsets));
    let bitmap = bitmap.filter(|bitmap| bitmap.encoded_len() + 4 < list_len);
    scratch.clear();
    match bitmap {
        None => {
            scratch.extend_from_slice(&(offsets.len() as u32).to_le_bytes());
            scratch.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        }
        Some(bitmap) => {
            scratch.extend_from_slice(&(offsets.len() as u32 | POSTING_ROARING).to_le_bytes());
            scratch.extend_from_slice(&(bitmap.encoded_len() as u32).to_le_bytes());
            bitmap.encode_into(scratch);
            scratch.resize(scratch.len().next_multiple_of(4), 0);
        }
    }
}

/// The numeric column of a field, where it has one: by record, 1 + the number's place among the field's numbers.
fn column<'n>(index: &Finished, field: usize, numbers: impl Iterator<Item = &'n u32>) -> Option<Vec<u32>> {
    let count = index.record_count();
    if matches!(index.field(field).0, "source" | "encoding" | "deleted") {
        return None;
    }
    let mut column = vec![0; count as usize];
    let mut filled = 0_u64;
    for (place, id) in (1..).zip(numbers) {
        debug_assert_eq!(index.term(*id).kind, TermKind::Number);
        for offset in index.postings(*id as usize) {
            filled += 1;
            // A record with two numbers has no place in a column.
            if std::mem::replace(&mut column[*offset as usize], place) != 0 {
                return None;
            }
        }
    }
    (filled > 0 && filled * 16 >= u64::from(count)).then_some(column)
}
