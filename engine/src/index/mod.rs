//! The index of one segment while it grows: which records carry which terms, and the root that a seal commits to.
//!
//! # What is indexed
//! A record is named by its *offset*, its seq less the segment's first seq (`u32`). The segment's fields are
//! those that the profile of any source used in it declares, plus four of the index's own:
//!
//! | field | terms of a record |
//! |---|---|
//! | `source` | the source's seq, a number |
//! | `encoding` | the body's encoding, a number |
//! | `day` | the UTC day of the event time, text `YYYY-MM-DD`; *absent* and *unreadable* as the event time is |
//! | `label` | each label, text |
//!
//! For every field a record of the segment is *present* (it has at least one term of it), *unreadable* (it has
//! something there that could not be read; it may be present as well), or *absent* (neither). Each of the three
//! has a posting of its own under a reserved term. This holds for all records of the segment, also for those of
//! sources whose profile does not know the field: they are absent.
//!
//! A record that was deleted has no part in any of this: it is in no posting but one of the field `deleted`, which
//! segments have from which records were deleted, under the seq of the plan that says why.
//!
//! A field that holds the event id or the event time ([`Holds`]) has reserved terms only: its values are found
//! through the sidecar's event-id lookup and time column. Two profiles that declare a field of the same name
//! speak of one field, whatever the paths.
//!
//! # What is committed to
//! One [`IndexLeaf`](crate::format::index::IndexLeaf) for each (field, term) whose posting is not empty, reserved terms among them, sorted by
//! (field hash, term hash): the absence of a term, a reserved one too, is shown by its neighbours. A field that
//! any profile of the segment's sources marks *private* is indexed and not committed to.
//!
//! # What this room does not do
//! It reads no JSON, no file and no clock, and does not know profiles: [`SourceRules`] says what it needs of one.

mod bits;
mod builder;
mod commit;
mod posting;
mod recent;
mod slice;
mod terms;

#[cfg(test)]
pub(crate) mod tests;

use crate::Seq;
use crate::format::frame::Labels;
use crate::hash::Hash;
use crate::source::{FieldKind, Fields, Profile};

pub use builder::IndexBuilder;
pub(crate) use builder::{BUILT_IN, DELETED};
pub(crate) use slice::{Slice, SliceField, compare_terms};
pub(crate) use terms::TermId;

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Holds {
    /// Terms with postings of their own.
    #[default]
    Terms,
    /// The event's id: reserved terms only.
    EventId,
    /// The event's time: reserved terms only.
    EventTime,
}

/// A field as a profile declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The field's name.
    pub name: String,
    /// What its values are.
    pub holds: Holds,
    /// Indexed and not committed to.
    pub private: bool,
}

/// What the index needs of a source's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRules {
    /// The digest of the profile's text.
    pub digest: Hash,
    /// Its fields; the place in this list is the field's slot in [`Fields`].
    pub fields: Vec<Declared>,
}

impl Profile {
    /// What the index needs of this profile.
    pub fn rules(&self) -> SourceRules {
        let declared = self.fields().iter().map(|field| Declared {
            name: field.name.clone(),
            holds: match field.kind {
                FieldKind::Id => Holds::EventId,
                FieldKind::Time => Holds::EventTime,
                FieldKind::Text | FieldKind::Number | FieldKind::Control => Holds::Terms,
            },
            private: field.private,
        });
        SourceRules { digest: self.digest(), fields: declared.collect() }
    }
}

/// A record as the index takes it.
#[derive(Debug, Clone, Copy)]
pub struct IndexedRecord<'a> {
    /// The seq of the `store.source` record by which the event is read; 0 for the store's own records.
    pub source: Seq,
    /// What that source's profile declares; always the same for one source.
    pub rules: &'a SourceRules,
    /// How the body is written.
    pub encoding: u8,
    /// The record's labels.
    pub labels: Labels<'a>,
    /// What the profile found in the event.
    pub fields: &'a Fields,
    /// [`event_id_prefix`](crate::hash::event_id_prefix) of the event's id, where it has one.
    pub event_id: Option<u64>,
}

/// What a seal states of a segment's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexCommitment {
    /// The hash of the whole statement: see [`IndexRoot`](crate::format::index::IndexRoot).
    pub index_root: Hash,
    /// The digest of the rules by which the segment was indexed.
    pub rules: Hash,
    /// How many leaves the index tree has.
    pub leaf_count: u64,
}
