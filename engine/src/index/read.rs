//! What a sidecar is written from: the index in the order in which its dictionary stands on disk.

use std::cmp::Ordering;

use super::builder::{Field, IndexBuilder};
use super::terms::TermId;
use crate::source::{Term, TermKind, compare_numbers};

impl IndexBuilder {
    /// All fields, ascending by name.
    pub(crate) fn fields_by_name(&self) -> Vec<&Field> {
        let mut fields: Vec<&Field> = self.fields.iter().collect();
        fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        fields
    }

    /// The terms of each of `fields`, in the order of the dictionary: by type, then numbers by value and all
    /// else by bytes.
    pub(crate) fn dictionaries(&self, fields: &[&Field]) -> Vec<Vec<TermId>> {
        let mut by_place: Vec<Vec<TermId>> =
            self.fields.iter().map(|field| Vec::with_capacity(field.term_count as usize)).collect();
        for id in 0..self.terms.len() as TermId {
            by_place[self.terms.entry(id).field as usize].push(id);
        }
        for ids in &mut by_place {
            ids.sort_unstable_by(|a, b| compare_terms(self.terms.term(*a), self.terms.term(*b)));
        }
        let place = |field: &Field| self.fields.iter().position(|other| other.name == field.name);
        fields.iter().filter_map(|field| Some(std::mem::take(by_place.get_mut(place(field)?)?))).collect()
    }

    pub(crate) fn term(&self, id: TermId) -> Term<'_> {
        self.terms.term(id)
    }

    /// The offsets of the records that carry a term, ascending.
    pub(crate) fn offsets(&self, id: TermId) -> &[u32] {
        self.terms.entry(id).posting.offsets()
    }
}

impl Field {
    /// Whether the sidecar has a column of this field's numbers: no record has two, and one in sixteen has one.
    pub(crate) fn has_column(&self, record_count: u32) -> bool {
        // The index's own numbers have few values: their postings serve.
        let built_in = matches!(self.name.as_str(), "source" | "encoding");
        !built_in
            && !self.two_numbers
            && self.number_count > 0
            && self.number_count * 16 >= u64::from(record_count)
    }
}

/// The order of terms in a dictionary.
pub(crate) fn compare_terms(a: Term<'_>, b: Term<'_>) -> Ordering {
    a.kind.cmp(&b.kind).then_with(|| match a.kind {
        TermKind::Number => compare_numbers(a.bytes, b.bytes),
        _ => a.bytes.cmp(b.bytes),
    })
}
