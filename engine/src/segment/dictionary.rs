//! Reading a sidecar by field and term.

use super::posting::Posting;
use super::sidecar::{Sidecar, slice};
use crate::error::Fault;
use crate::format::bytes::u32_at;
use crate::format::sidecar::{FIELD_ENTRY_LEN, FieldEntry, NO_POSTING, Section};
use crate::index::compare_terms;
use crate::source::{Term, TermKind};

const TERM_ENTRY_LEN: usize = 8;
const KINDS: [TermKind; 4] = [TermKind::Text, TermKind::Number, TermKind::Bool, TermKind::Null];

/// A field of a sealed segment: its dictionary, its postings, its column.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    sidecar: &'a Sidecar,
    name: &'a str,
    pub(super) entry: FieldEntry,
    /// For each term, where its bytes end, and its posting word.
    table: &'a [u8],
    bytes: &'a [u8],
    column: &'a [u8],
}

impl Sidecar {
    /// How many fields the segment has.
    ///
    /// # Errors
    /// Damaged.
    pub fn field_count(&self) -> Result<usize, Fault> {
        let section = self.section(Section::Fields)?;
        let count = u32_at(section, 0) as usize;
        let reserved = u32_at(section, 4);
        if reserved != 0 || section.len() < count.saturating_mul(FIELD_ENTRY_LEN).saturating_add(8) {
            return Err(self.fault(Section::Fields, 0, "a count of fields that the section holds", count));
        }
        Ok(count)
    }

    /// The field at `index`; fields stand in the order of their names.
    ///
    /// # Errors
    /// Damaged.
    pub fn field_at(&self, index: usize) -> Result<Option<Field<'_>>, Fault> {
        if index >= self.field_count()? {
            return Ok(None);
        }
        let section = self.section(Section::Fields)?;
        let at = 8 + index * FIELD_ENTRY_LEN;
        let entry = FieldEntry::decode(section.get(at..).unwrap_or_default()).map_err(|fault| {
            fault.shifted(self.footer.sections[Section::Fields as usize].offset + at as u64)
        })?;
        let damaged = |expected| self.fault(Section::Fields, at as u64, expected, "another");
        let name = slice(section, u64::from(entry.name_at), u64::from(entry.name_len));
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() == usize::from(entry.name_len));
        let name = name.ok_or_else(|| damaged("a name inside the section"))?;
        let term_count = entry.counts.iter().map(|count| u64::from(*count)).sum::<u64>();
        let table_len = term_count * TERM_ENTRY_LEN as u64;
        let terms = self.section(Section::Terms)?;
        let table = slice(terms, entry.terms_at, table_len);
        let bytes = slice(terms, entry.terms_at.saturating_add(table_len), u64::from(entry.bytes_len));
        let column_len = u64::from(entry.column_width) * u64::from(self.meta().record_count);
        let column = match column_len {
            0 => &[],
            len => slice(self.section(Section::Columns)?, entry.column_at, len),
        };
        let lens = (table.len() as u64, bytes.len() as u64, column.len() as u64);
        if lens != (table_len, u64::from(entry.bytes_len), column_len) || term_count > u64::from(NO_POSTING) {
            return Err(damaged("a dictionary and a column inside their sections"));
        }
        Ok(Some(Field { sidecar: self, name, entry, table, bytes, column }))
    }

    /// The posting that a word of the dictionary stands for.
    pub(crate) fn posting(&self, word: u32) -> Result<Posting<'_>, Fault> {
        let section = self.section(Section::Postings)?;
        let base = self.footer.sections[Section::Postings as usize].offset;
        Posting::decode(word, section, self.meta().record_count).map_err(|fault| fault.shifted(base))
    }

    /// The field of that name, if a profile of the segment declares it.
    ///
    /// # Errors
    /// Damaged.
    pub fn field(&self, name: &str) -> Result<Option<Field<'_>>, Fault> {
        let (mut low, mut high) = (0, self.field_count()?);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.field_at(middle)? {
                Some(field) if field.name == name => return Ok(Some(field)),
                Some(field) if field.name < name => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(None)
    }
}

impl<'a> Field<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Whether it is private: the index root does not speak of it.
    pub fn is_private(&self) -> bool {
        self.entry.private
    }

    /// How many terms its dictionary has; the reserved ones are not counted.
    pub fn term_count(&self) -> u32 {
        (self.table.len() / TERM_ENTRY_LEN) as u32
    }

    /// The ordinals of its terms of one type. Text and truth values stand in the order of their bytes, numbers
    /// in that of their values.
    pub fn ordinals(&self, kind: TermKind) -> std::ops::Range<u32> {
        let mut start = 0_u32;
        for (other, count) in KINDS.into_iter().zip(self.entry.counts) {
            let end = start.saturating_add(count);
            if other == kind {
                return start..end;
            }
            start = end;
        }
        0..0
    }

    /// The term at `ordinal`.
    ///
    /// # Errors
    /// Damaged.
    pub fn term(&self, ordinal: u32) -> Result<Option<Term<'a>>, Fault> {
        match KINDS.into_iter().find(|kind| self.ordinals(*kind).contains(&ordinal)) {
            Some(kind) => Ok(Some(Term { kind, bytes: self.bytes_at(ordinal)? })),
            None => Ok(None),
        }
    }

    fn bytes_at(&self, ordinal: u32) -> Result<&'a [u8], Fault> {
        let end_of = |ordinal: u32| u32_at(self.table, ordinal as usize * TERM_ENTRY_LEN) as usize;
        let start = ordinal.checked_sub(1).map_or(0, end_of);
        self.bytes
            .get(start..end_of(ordinal))
            .ok_or_else(|| self.fault(ordinal, "a term inside the dictionary"))
    }

    /// The ordinal of a term, if a record carries it.
    ///
    /// # Errors
    /// Damaged.
    pub fn find(&self, wanted: Term<'_>) -> Result<Option<u32>, Fault> {
        self.find_in(self.ordinals(wanted.kind), wanted)
    }

    /// The same, for a term that can be nowhere but among `ordinals`.
    ///
    /// # Errors
    /// Damaged.
    pub fn find_in(&self, ordinals: std::ops::Range<u32>, wanted: Term<'_>) -> Result<Option<u32>, Fault> {
        let ordinal = self.partition_point(ordinals.clone(), |term| compare_terms(term, wanted).is_lt())?;
        let found = ordinals.contains(&ordinal) && self.term(ordinal)? == Some(wanted);
        Ok(found.then_some(ordinal))
    }

    /// The first ordinal in `ordinals`, which are of one type, whose term is not `before`, by halving: `before` must
    /// hold for a first part of them and for no other.
    ///
    /// # Errors
    /// Damaged.
    pub fn partition_point(
        &self,
        ordinals: std::ops::Range<u32>,
        before: impl Fn(Term<'a>) -> bool,
    ) -> Result<u32, Fault> {
        let (mut low, mut high) = (ordinals.start, ordinals.end);
        let Some(Term { kind, .. }) = self.term(low)? else { return Ok(low) };
        while low < high {
            let middle = low + (high - low) / 2;
            let term = Term { kind, bytes: self.bytes_at(middle)? };
            if before(term) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The records that carry the term at `ordinal`; none past the dictionary's end.
    ///
    /// # Errors
    /// Damaged.
    pub fn posting(&self, ordinal: u32) -> Result<Posting<'a>, Fault> {
        self.sidecar.posting(self.word(ordinal))
    }

    /// The records that carry a term.
    ///
    /// # Errors
    /// Damaged.
    pub fn posting_of_term(&self, term: Term<'_>) -> Result<Option<Posting<'a>>, Fault> {
        self.find(term)?.map(|ordinal| self.posting(ordinal)).transpose()
    }

    /// The records that have at least one term of the field.
    ///
    /// # Errors
    /// Damaged.
    pub fn present(&self) -> Result<Posting<'a>, Fault> {
        self.sidecar.posting(self.entry.reserved[0])
    }

    /// The records that have neither a term of the field nor something there that could not be read.
    ///
    /// # Errors
    /// Damaged.
    pub fn absent(&self) -> Result<Posting<'a>, Fault> {
        self.sidecar.posting(self.entry.reserved[1])
    }

    /// The records that have something there that could not be read.
    ///
    /// # Errors
    /// Damaged.
    pub fn unreadable(&self) -> Result<Posting<'a>, Fault> {
        self.sidecar.posting(self.entry.reserved[2])
    }

    /// Whether the field has a column of numbers.
    pub fn has_column(&self) -> bool {
        self.entry.column_width != 0
    }

    /// The ordinal of the number that the record at `offset` has here, from the column; nothing where it has
    /// none, or the field has no column.
    ///
    /// # Errors
    /// Damaged.
    pub fn column(&self, offset: u32) -> Result<Option<u32>, Fault> {
        let width = usize::from(self.entry.column_width);
        if width == 0 || offset >= self.sidecar.meta().record_count {
            return Ok(None);
        }
        let mut value = [0; 4];
        let at = offset as usize * width;
        value[..width].copy_from_slice(self.column.get(at..at + width).unwrap_or(&[0; 4][..width]));
        let numbers = self.ordinals(TermKind::Number);
        match u32::from_le_bytes(value).checked_sub(1) {
            None => Ok(None),
            Some(index) if index < numbers.end - numbers.start => Ok(Some(numbers.start + index)),
            Some(index) => {
                let at = self.entry.column_at.saturating_add(at as u64);
                Err(self.sidecar.fault(Section::Columns, at, "the ordinal of a number", index))
            }
        }
    }

    /// By which [`Sidecar::posting`] finds the records that carry the term at `ordinal`: there are none past the
    /// dictionary's end.
    pub(crate) fn word(&self, ordinal: u32) -> u32 {
        let at = (ordinal as usize).saturating_mul(TERM_ENTRY_LEN);
        if at < self.table.len() { u32_at(self.table, at + 4) } else { NO_POSTING }
    }

    pub(super) fn fault(&self, ordinal: u32, expected: &'static str) -> Fault {
        let at = self.entry.terms_at.saturating_add(u64::from(ordinal) * TERM_ENTRY_LEN as u64);
        self.sidecar.fault(Section::Terms, at, expected, "another")
    }
}
