//! Whether what is shown of an index is what the records that are here say themselves.
//!
//! An index is only what its operator committed to. He who leaves a record out of a posting must hope that nobody ever
//! sees the record beside the posting: in a bundle that holds both, for whatever reason, he is caught.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::checked::Disclosed;
use super::schema::{FieldIndex, Schema};
use super::shown::ShownIndex;
use crate::filter::Place;
use crate::format::index::{ABSENT, PRESENT, TermKind, UNREADABLE};
use crate::source::{EventTime, Fields};
use crate::{Result, Seq, limits};

/// A term as the index has it.
type OwnedTerm = (TermKind, Vec<u8>);

/// Compares what is shown of a segment's index with its records that are here. What does not agree, in words.
///
/// # Errors
/// [`Error::InvalidEvent`](crate::Error::InvalidEvent) where a body is no event, which no store takes.
pub(super) fn disagreement<'r>(
    first_seq: Seq,
    schema: &Schema,
    shown: &ShownIndex,
    records: impl Iterator<Item = Disclosed<'r>>,
) -> Result<Option<String>> {
    let is_committed = |name: &str| matches!(schema.field(name), FieldIndex::Terms | FieldIndex::Reserved);
    let names: Vec<&str> = shown.fields().filter(|name| is_committed(name)).collect();
    let mut found: BTreeMap<(&str, OwnedTerm), RoaringBitmap> = BTreeMap::new();
    let (mut here, mut fields) = (RoaringBitmap::new(), Fields::default());
    for record in records {
        record.profile.extract(record.body, &mut fields)?;
        let offset = (record.seq - first_seq) as u32;
        here.insert(offset);
        for &name in &names {
            for term in terms(&record, &fields, name) {
                if term.0 != TermKind::Reserved && shown.is_missing(name, term.0, &term.1) {
                    let text = String::from_utf8_lossy(&term.1).into_owned();
                    return Ok(Some(format!(
                        "record {} has {name} = {text}, which is not in the vocabulary that is shown",
                        record.seq
                    )));
                }
                if shown.posting(name, term.0, &term.1).is_some() {
                    found.entry((name, term)).or_default().insert(offset);
                }
            }
        }
    }
    for (name, kind, term, posting) in shown.iter() {
        let Some(posting) = posting.filter(|_| is_committed(name)) else { continue };
        let theirs = found.remove(&(name, (kind, term.to_vec()))).unwrap_or_default();
        if let Some(offset) = ((posting & &here) ^ theirs).min() {
            let (is_stated, text) = (posting.contains(offset), String::from_utf8_lossy(term));
            return Ok(Some(format!(
                "it {} record {} for {name} = {text}, and the record says otherwise",
                if is_stated { "names" } else { "does not name" },
                first_seq + u64::from(offset),
            )));
        }
    }
    Ok(None)
}

/// The terms that a record has in a field, reserved ones among them.
pub(super) fn terms(record: &Disclosed<'_>, fields: &Fields, name: &str) -> Vec<OwnedTerm> {
    let number = |number: u64| vec![(TermKind::Number, number.to_string().into_bytes())];
    let (mut is_unreadable, mut is_present) = (false, false);
    let mut terms: Vec<OwnedTerm> = match Place::of(record.profile, name) {
        Place::Source => number(record.source),
        Place::Encoding => number(u64::from(record.encoding)),
        Place::Label => {
            record.labels.iter().map(|label| (TermKind::Text, label.as_bytes().to_vec())).collect()
        }
        Place::Day => match fields.time() {
            EventTime::Known(time) => vec![(TermKind::Text, time.day_text().into_bytes())],
            time => {
                is_unreadable = time == EventTime::Unreadable;
                Vec::new()
            }
        },
        Place::Slot(slot) => {
            let own = fields.terms().filter(|(at, _)| *at == slot);
            let (short, long): (Vec<_>, Vec<_>) =
                own.partition(|(_, term)| term.bytes.len() <= limits::TERM_LEN_MAX);
            is_unreadable = !long.is_empty() || fields.unreadable().contains(&slot);
            short.into_iter().map(|(_, term)| (term.kind, term.bytes.to_vec())).collect()
        }
        // Of ids and times the index has no terms: only that they are there.
        Place::EventId(slot) => {
            is_present = fields.event_id().is_some();
            is_unreadable = fields.unreadable().contains(&slot);
            Vec::new()
        }
        Place::EventTime(slot) => {
            is_present = matches!(fields.time(), EventTime::Known(_));
            is_unreadable = fields.time() == EventTime::Unreadable || fields.unreadable().contains(&slot);
            Vec::new()
        }
        Place::Nowhere => Vec::new(),
    };
    is_present |= !terms.is_empty();
    let mut reserve = |term: &[u8]| terms.push((TermKind::Reserved, term.to_vec()));
    if is_present {
        reserve(PRESENT);
    }
    if is_unreadable {
        reserve(UNREADABLE);
    }
    if !is_present && !is_unreadable {
        reserve(ABSENT);
    }
    terms
}
