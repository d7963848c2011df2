//! Making a directory over a run of sealed segments of their sidecars.
//!
//! All terms of a field are gathered as checksum, segment and ordinal, eight bytes each, and sorted: terms that more
//! than one segment has come to stand side by side, and only these are compared by their bytes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::composite::composites;
use super::dictionary::Field;
use super::sidecar::Sidecar;
use crate::Timestamp;
use crate::error::Fault;
use crate::format::directory::{
    Covered, Draft, DraftComposites, DraftEntry, DraftField, DraftTerm, RUN_SEGMENTS_MAX, TermPlace,
    term_checksum,
};
use crate::source::{EventTime, Term};

/// A field of which the run has at most this many terms has all of them listed, so that counts by it need no sidecar.
const LISTED_MAX: usize = 4096;
/// Bits of an ordinal in what is sorted.
const ORDINAL_BITS: u32 = 28;
/// Most terms of one field that are sorted at once: 512 MiB of them.
const TERMS_MAX: u64 = 1 << 26;

/// The bytes of a directory over segments that follow one another; nothing where they have more terms than it is worth
/// while to sort.
///
/// # Errors
/// Damaged, where a sidecar is.
pub fn encode_directory(sidecars: &[Arc<Sidecar>]) -> Result<Option<Vec<u8>>, Fault> {
    let Some(last) = sidecars.last().filter(|_| sidecars.len() <= RUN_SEGMENTS_MAX) else { return Ok(None) };
    let last_leaf = last.meta().record_count.checked_sub(1).map(|offset| last.leaf(offset)).transpose()?;
    let mut names = BTreeSet::new();
    for sidecar in sidecars {
        for index in 0..sidecar.field_count()? {
            names.extend(sidecar.field_at(index)?.map(|field| field.name()));
        }
    }
    let mut draft = Draft {
        store_id: last.meta().store_id,
        last_leaf: last_leaf.flatten().unwrap_or_default(),
        segments: sidecars.iter().map(|sidecar| covered(sidecar)).collect::<Result<_, _>>()?,
        fields: Vec::with_capacity(names.len()),
        unlisted: Vec::new(),
        event_ids: Vec::new(),
        composites: DraftComposites::default(),
    };
    for name in names {
        let fields: Vec<Option<Field<'_>>> =
            sidecars.iter().map(|sidecar| sidecar.field(name)).collect::<Result<_, _>>()?;
        let term_count: u64 = fields.iter().flatten().map(|field| u64::from(field.term_count())).sum();
        if term_count > TERMS_MAX || fields.iter().flatten().any(|f| f.term_count() >> ORDINAL_BITS != 0) {
            return Ok(None);
        }
        let field = gather(name, sidecars, &fields, &mut draft.unlisted)?;
        draft.fields.push(field);
    }
    let id_count = sidecars.iter().map(|sidecar| sidecar.meta().event_id_count as usize).sum();
    draft.event_ids.reserve_exact(id_count);
    for (segment, sidecar) in (0..).zip(sidecars) {
        let prefixes = sidecar.event_id_prefixes()?;
        draft.event_ids.extend(prefixes.map(|prefix| DraftEntry::of_event(prefix, segment)));
    }
    draft.composites = composites(sidecars, &draft.fields)?;
    Ok(draft.encode())
}

fn covered(sidecar: &Sidecar) -> Result<Covered, Fault> {
    let (mut event_times, times) = (None, sidecar.event_times()?);
    for offset in 0..sidecar.meta().record_count {
        if let EventTime::Known(time) = times.get(offset) {
            widen(&mut event_times, time);
        }
    }
    let mut received = None;
    sidecar.frames()?.for_each(|frame| widen(&mut received, frame.received_at));
    let meta = sidecar.meta();
    Ok(Covered {
        first_seq: meta.first_seq,
        record_count: meta.record_count,
        index_root: meta.index_root,
        event_times,
        received,
    })
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, time: Timestamp) {
    *span = Some(span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
}

/// One field of the run. Its terms that are not listed are added to `unlisted`.
fn gather(
    name: &str,
    sidecars: &[Arc<Sidecar>],
    fields: &[Option<Field<'_>>],
    unlisted: &mut Vec<DraftEntry>,
) -> Result<DraftField, Fault> {
    let mut reserved = Vec::with_capacity(fields.len());
    for (sidecar, field) in sidecars.iter().zip(fields) {
        reserved.push(match field {
            Some(field) => [field.present()?.count(), field.absent()?.count(), field.unreadable()?.count()],
            None => [0, sidecar.meta().record_count, 0],
        });
    }
    let term_count = fields.iter().flatten().map(|field| field.term_count() as usize).sum();
    let mut keys = Vec::with_capacity(term_count);
    for (segment, field) in (0_u64..).zip(fields) {
        let Some(field) = field else { continue };
        for ordinal in 0..field.term_count() {
            let Some(Term { kind, bytes }) = field.term(ordinal)? else { continue };
            let checksum = u64::from(term_checksum(name, kind, bytes));
            keys.push(checksum << 32 | segment << ORDINAL_BITS | u64::from(ordinal));
        }
    }
    keys.sort_unstable();
    // The terms that more segments than one have, each with its keys, and the keys of all others.
    let (mut shared, mut single): (Vec<Vec<u64>>, Vec<u64>) = (Vec::new(), Vec::new());
    for same in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
        if let [one] = same {
            single.push(*one);
            continue;
        }
        let mut by_term: Vec<(Term<'_>, u64)> = Vec::with_capacity(same.len());
        for key in same {
            by_term.extend(term_of(fields, *key)?.map(|term| (term, *key)));
        }
        by_term.sort_unstable_by_key(|(term, key)| (term.kind, term.bytes, *key));
        for group in by_term.chunk_by(|a, b| a.0 == b.0) {
            match group {
                [(_, one)] => single.push(*one),
                _ => shared.push(group.iter().map(|(_, key)| *key).collect()),
            }
        }
    }
    if shared.len() + single.len() <= LISTED_MAX {
        shared.extend(single.drain(..).map(|key| vec![key]));
    }
    unlisted.reserve_exact(single.len());
    unlisted.extend(single.iter().map(|key| DraftEntry::of_term((key >> 32) as u32, segment_of(*key) as u8)));
    let mut terms = Vec::with_capacity(shared.len());
    for keys in shared {
        let Some(term) = keys.first().map(|key| term_of(fields, *key)).transpose()?.flatten() else {
            continue;
        };
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            let ordinal = ordinal_of(key);
            let Some(Some(field)) = fields.get(segment_of(key)) else { continue };
            places.push(TermPlace {
                segment: segment_of(key) as u8,
                count: field.posting(ordinal)?.count(),
                ordinal,
            });
        }
        // A damaged sidecar may say a term twice; a directory has room for one.
        places.dedup_by_key(|place| place.segment);
        terms.push(DraftTerm { kind: term.kind, bytes: term.bytes.to_vec(), places });
    }
    terms.sort_unstable_by(|a, b| (a.kind, &a.bytes).cmp(&(b.kind, &b.bytes)));
    Ok(DraftField { name: name.to_owned(), reserved, terms, unlisted_count: single.len() as u32 })
}

fn segment_of(key: u64) -> usize {
    (key as u32 >> ORDINAL_BITS) as usize
}

fn ordinal_of(key: u64) -> u32 {
    key as u32 & !(u32::MAX << ORDINAL_BITS)
}

fn term_of<'a>(fields: &[Option<Field<'a>>], key: u64) -> Result<Option<Term<'a>>, Fault> {
    match fields.get(segment_of(key)) {
        Some(Some(field)) => field.term(ordinal_of(key)),
        _ => Ok(None),
    }
}
