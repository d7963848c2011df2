//! What the profiles of a segment's sources say of its fields: which of them the index commits to, and how.

use std::collections::BTreeMap;

use crate::Seq;
use crate::format::index::rules_digest;
use crate::hash::Hash;
use crate::source::{EXTRACTOR, FieldKind, Profile};

/// What the index of a segment has of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldIndex {
    /// No source of the segment declares it: no record has it.
    Nowhere,
    /// Its terms, each with the records that carry it; and who has something of it at all.
    Terms,
    /// Who has something of it, and in the records of some source no terms: it is their event id or event time.
    Reserved,
    /// Nothing that was committed to: a profile marks it private.
    Private,
}

/// The fields of one segment.
#[derive(Debug)]
pub(crate) struct Schema {
    fields: BTreeMap<String, FieldIndex>,
    /// The digest of the rules by which the segment was indexed: [`rules_digest`].
    pub(crate) rules: Hash,
}

/// The fields that every segment has.
const BUILT_IN: [&str; 4] = ["source", "encoding", "day", "label"];

impl Schema {
    /// Of a segment whose records are of these sources, ascending.
    pub(crate) fn new(sources: &[(Seq, &Profile)]) -> Schema {
        let mut fields: BTreeMap<String, FieldIndex> = BTreeMap::new();
        for field in sources.iter().flat_map(|(_, profile)| profile.fields()) {
            let here = match field.kind {
                _ if field.private => FieldIndex::Private,
                FieldKind::Id | FieldKind::Time => FieldIndex::Reserved,
                FieldKind::Text | FieldKind::Number | FieldKind::Control => FieldIndex::Terms,
            };
            let known = fields.entry(field.name.clone()).or_insert(here);
            // The index treats the field as the strictest of its profiles does.
            *known = here.max(*known);
        }
        fields.extend(BUILT_IN.map(|name| (name.to_owned(), FieldIndex::Terms)));
        let digests: Vec<_> = sources.iter().map(|(source, profile)| (*source, profile.digest())).collect();
        Schema { fields, rules: rules_digest(EXTRACTOR, &digests) }
    }

    /// The fields to which the index commits.
    pub(crate) fn committed(&self) -> impl Iterator<Item = &str> {
        let committed = self.fields.iter().filter(|(_, index)| **index != FieldIndex::Private);
        committed.map(|(name, _)| name.as_str())
    }

    /// What the index has of the field `name`.
    pub(crate) fn field(&self, name: &str) -> FieldIndex {
        self.fields.get(name).copied().unwrap_or(FieldIndex::Nowhere)
    }
}
