//! What is known of one segment's index, by whatever way: from a bundle that proves it, or from the store itself.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::index::NamedTerm;
use crate::format::index::TermKind;
use crate::source::Term;

/// By type and words.
type TermsOfField = BTreeMap<(TermKind, Vec<u8>), Option<RoaringBitmap>>;

/// The terms of which something is known, and the fields of which all is.
#[derive(Debug, Default, Clone)]
pub(crate) struct ShownIndex {
    /// By field and term; without a posting where only this is known, that some records carry the term.
    terms: BTreeMap<String, TermsOfField>,
    whole: BTreeSet<String>,
}

impl ShownIndex {
    /// A term, and its records where these are known. Of a term that no record carries, it is known that these are
    /// none.
    pub(crate) fn insert(
        &mut self,
        NamedTerm { field, kind, term }: NamedTerm,
        posting: Option<RoaringBitmap>,
    ) {
        let known = self.terms.entry(field).or_default().entry((kind, term)).or_default();
        if posting.is_some() {
            *known = posting;
        }
    }

    /// What another one knows, too.
    pub(crate) fn extend(&mut self, other: ShownIndex) {
        for (field, terms) in other.terms {
            for ((kind, term), posting) in terms {
                self.insert(NamedTerm { field: field.clone(), kind, term }, posting);
            }
        }
        self.whole.extend(other.whole);
    }

    /// All terms of the field are known.
    pub(crate) fn insert_vocabulary(&mut self, field: &str) {
        self.whole.insert(field.to_owned());
    }

    /// The records that carry a term, where that is known.
    pub(crate) fn posting(&self, field: &str, kind: TermKind, term: &[u8]) -> Option<&RoaringBitmap> {
        self.terms.get(field)?.get(&(kind, term.to_vec()))?.as_ref()
    }

    /// The fields of which something is known.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.terms.keys().map(String::as_str)
    }

    /// Whether all terms of the field are known, and this is none of them.
    pub(crate) fn is_missing(&self, field: &str, kind: TermKind, term: &[u8]) -> bool {
        let is_known =
            || self.terms.get(field).is_some_and(|terms| terms.contains_key(&(kind, term.to_vec())));
        self.whole.contains(field) && !is_known()
    }

    /// All terms of a field with what is known of their records, reserved ones left out; nothing where they are not all
    /// known.
    pub(crate) fn vocabulary(
        &self,
        field: &str,
    ) -> Option<impl Iterator<Item = (Term<'_>, Option<&RoaringBitmap>)>> {
        self.whole.contains(field).then(|| {
            self.terms
                .get(field)
                .into_iter()
                .flatten()
                .filter(|((kind, _), _)| *kind != TermKind::Reserved)
                .map(|((kind, bytes), posting)| {
                    (Term { kind: *kind, bytes: bytes.as_slice() }, posting.as_ref())
                })
        })
    }

    /// Each term with its records where these are known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, TermKind, &[u8], Option<&RoaringBitmap>)> {
        self.terms.iter().flat_map(|(field, terms)| {
            terms.iter().map(move |((kind, term), posting)| {
                (field.as_str(), *kind, term.as_slice(), posting.as_ref())
            })
        })
    }

    /// The fields of which all terms are known.
    pub(crate) fn vocabularies(&self) -> impl Iterator<Item = &String> {
        self.whole.iter()
    }
}
