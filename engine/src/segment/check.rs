//! Checking a whole sidecar: that it is what the writer would write, as far as it can tell by itself.
//!
//! Whether it agrees with the log is not asked here: whoever wants to know rebuilds it and compares.

use super::dictionary::Field;
use super::posting::{self, Posting};
use super::sidecar::{Sidecar, slice};
use super::write::column_width;
use crate::error::Fault;
use crate::format::bytes::{i64_at, u32_at, u64_at};
use crate::format::frame::{FRAME_HEADER_LEN, RECORD_HEADER_LEN};
use crate::format::sidecar::{FIELD_ENTRY_LEN, POSTING_PLACE, Section, bitmap_len};
use crate::index::{DELETED, compare_terms};
use crate::source::TermKind;

/// Where the next posting, column, dictionary and name must begin, each in its own section.
#[derive(Default)]
struct Next {
    posting: u64,
    column: u64,
    terms: u64,
    name: u64,
}

impl Sidecar {
    /// Checks every byte: checksums, the zeros between sections, orders, bounds, and that each posting and
    /// column has the one form that the format gives it.
    ///
    /// # Errors
    /// The first thing that is damaged.
    pub fn check_all(&self) -> Result<(), Fault> {
        for section in Section::ALL {
            self.section(section)?;
            let place = self.footer.sections[section as usize];
            let end = place.offset + place.len;
            let padding = slice(&self.bytes, end, place.end().unwrap_or(end) - end);
            if padding.iter().any(|byte| *byte != 0) {
                return Err(self.fault(section, place.len, "zeros up to the next section", "something else"));
            }
        }
        self.check_places()?;
        self.check_times()?;
        self.check_event_ids()?;
        self.check_fields()
    }

    fn check_places(&self) -> Result<(), Fault> {
        let (mut next_offset, mut position) = (0, 0);
        for (index, frame) in self.frames()?.enumerate() {
            let end = frame.position.checked_add(FRAME_HEADER_LEN as u64 + u64::from(frame.payload_len));
            let after =
                index == 0 && frame.first_offset == 0 || index > 0 && frame.first_offset > next_offset;
            let inside = frame.position >= position && end.is_some_and(|end| end <= self.meta().log_len);
            if !after || !inside {
                let at = index as u64 * 24;
                return Err(self.fault(
                    Section::Frames,
                    at,
                    "frames that follow one another",
                    frame.first_offset,
                ));
            }
            next_offset = frame.first_offset;
            position = end.unwrap_or(u64::MAX);
        }
        let mut last = None;
        for offset in 0..self.meta().record_count {
            let Some(located) = self.locate(offset)? else { continue };
            let from = located.record_at - located.frame.position;
            let first = located.frame.first_offset == offset;
            let right_start = if first { from == FRAME_HEADER_LEN as u64 } else { last == Some(from) };
            if !right_start || (located.record_len as usize) < RECORD_HEADER_LEN {
                let at = u64::from(offset) * 4;
                return Err(self.fault(Section::Records, at, "records that follow one another", from));
            }
            last = Some(from + u64::from(located.record_len));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Fault> {
        let section = self.section(Section::EventTimes)?;
        let count = self.meta().record_count;
        let words = bitmap_len(count) as usize / 8;
        for word in 0..words {
            let at = count as usize * 8 + word * 8;
            let (known, unreadable) = (u64_at(section, at), u64_at(section, at + words * 8));
            let used = match count - word as u32 * 64 {
                64.. => u64::MAX,
                rest => !(u64::MAX << rest),
            };
            if known & unreadable != 0 || (known | unreadable) & !used != 0 {
                return Err(self.fault(Section::EventTimes, at as u64, "one state a record", "two or none"));
            }
            for bit in (0..64).filter(|bit| used >> bit & 1 == 1 && known >> bit & 1 == 0) {
                let at = (word * 64 + bit) * 8;
                if i64_at(section, at) != 0 {
                    return Err(self.fault(Section::EventTimes, at as u64, "zero for no time", "another"));
                }
            }
        }
        Ok(())
    }

    fn check_event_ids(&self) -> Result<(), Fault> {
        let section = self.section(Section::EventIds)?;
        let count = self.meta().event_id_count as usize;
        let id = |index: usize| (u64_at(section, index * 8), u32_at(section, count * 8 + index * 4));
        for index in 0..count {
            let ascending = index == 0 || id(index - 1) < id(index);
            if !ascending || id(index).1 >= self.meta().record_count {
                return Err(self.fault(Section::EventIds, index as u64 * 8, "ascending ids", "others"));
            }
        }
        Ok(())
    }

    fn check_fields(&self) -> Result<(), Fault> {
        let count = self.field_count()?;
        let mut next = Next { name: 8 + (count * FIELD_ENTRY_LEN) as u64, ..Next::default() };
        let mut last_name = None;
        for index in 0..count {
            let Some(field) = self.field_at(index)? else { continue };
            let at = 8 + (index * FIELD_ENTRY_LEN) as u64;
            let placed = u64::from(field.entry.name_at) == next.name
                && field.entry.terms_at == next.terms
                && (!field.has_column() || field.entry.column_at == next.column);
            if last_name >= Some(field.name()) || !placed {
                return Err(self.fault(Section::Fields, at, "fields that follow one another", field.name()));
            }
            last_name = Some(field.name());
            next.name += u64::from(field.entry.name_len);
            self.check_field(&field, &mut next)?;
        }
        for (section, end) in [
            (Section::Fields, next.name),
            (Section::Terms, next.terms),
            (Section::Postings, next.posting),
            (Section::Columns, next.column),
        ] {
            let len = self.footer.sections[section as usize].len;
            if len != end {
                return Err(self.fault(section, end, format_args!("the section's end at {end}"), len));
            }
        }
        Ok(())
    }

    fn check_field(&self, field: &Field<'_>, next: &mut Next) -> Result<(), Fault> {
        let reserved = [field.present()?, field.absent()?, field.unreadable()?];
        for (posting, word) in reserved.iter().zip(field.entry.reserved) {
            self.check_posting(posting, word, next)?;
        }
        let [present, absent, unreadable] = reserved;
        let said = present.bitmap()? | unreadable.bitmap()?;
        let absent = absent.bitmap()?;
        let all = u64::from(self.meta().record_count);
        let deleted = if field.name() == DELETED { 0 } else { self.deleted_count()? };
        if said.len() + absent.len() + u64::from(deleted) != all || said.intersection_len(&absent) != 0 {
            return Err(field.fault(0, "each record present, absent, unreadable or deleted"));
        }
        let numbers = field.ordinals(TermKind::Number);
        let mut column = vec![0_u32; if field.has_column() { all as usize } else { 0 }];
        let mut last = None;
        let mut bytes_len = 0;
        for ordinal in 0..field.term_count() {
            let Some(term) = field.term(ordinal)? else { continue };
            let ascending = last.is_none_or(|last| compare_terms(last, term).is_lt());
            if !ascending || std::str::from_utf8(term.bytes).is_err() {
                return Err(field.fault(ordinal, "terms in their order"));
            }
            last = Some(term);
            bytes_len += term.bytes.len() as u64;
            let posting = field.posting(ordinal)?;
            self.check_posting(&posting, field.word(ordinal), next)?;
            if field.has_column() && numbers.contains(&ordinal) {
                for offset in posting.bitmap()? {
                    if let Some(value) = column.get_mut(offset as usize) {
                        *value = ordinal - numbers.start + 1;
                    }
                }
            }
        }
        if bytes_len != u64::from(field.entry.bytes_len) {
            return Err(field.fault(0, "terms that fill their bytes"));
        }
        let terms_end = field.entry.terms_at + u64::from(field.term_count()) * 8 + bytes_len;
        next.terms = self.check_zeros(Section::Terms, terms_end)?;
        if !field.has_column() {
            return Ok(());
        }
        if field.entry.column_width != column_width(field.entry.counts[1]) {
            return Err(field.fault(0, "a column as wide as its numbers need"));
        }
        for (offset, value) in (0..).zip(column) {
            if field.column(offset)? != value.checked_sub(1).map(|index| numbers.start + index) {
                return Err(field.fault(0, "a column that agrees with the postings"));
            }
        }
        let column_end = field.entry.column_at + u64::from(field.entry.column_width) * all;
        next.column = self.check_zeros(Section::Columns, column_end)?;
        Ok(())
    }

    /// The next multiple of 8 from `at` in a section; the bytes up to there must be zeros.
    fn check_zeros(&self, section: Section, at: u64) -> Result<u64, Fault> {
        let end = at.next_multiple_of(8);
        let zeros = slice(self.section(section)?, at, end - at);
        if zeros.len() as u64 != end - at || zeros.iter().any(|byte| *byte != 0) {
            return Err(self.fault(section, at, "zeros up to a multiple of 8", "something else"));
        }
        Ok(end)
    }

    /// A posting must stand where the last one ended, in the bytes that the writer would choose.
    fn check_posting(&self, posting: &Posting<'_>, word: u32, next: &mut Next) -> Result<(), Fault> {
        let offsets: Vec<u32> = posting.bitmap()?.iter().collect();
        let mut bytes = Vec::new();
        let expected = posting::encode(&offsets, next.posting, &mut bytes);
        let found = slice(self.section(Section::Postings)?, next.posting, bytes.len() as u64);
        if expected != Some(word) || found != bytes {
            let what = if word & POSTING_PLACE == 0 { "one record" } else { "the canonical form" };
            return Err(self.fault(Section::Postings, next.posting, what, format_args!("{word:#x}")));
        }
        next.posting += bytes.len() as u64;
        Ok(())
    }
}
