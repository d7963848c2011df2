//! The words that a log's fields hold, with how often: for completion, coverage and the nearest known word.

use std::collections::BTreeMap;

use super::group::{OwnedTerm, each_term};
use super::stretch::Stretch;
use super::{AsOf, Trouble, names};
use crate::filter::Glob;
use crate::log::directories::Run;
use crate::source::TermKind;
use crate::{Error, Fault, Result, limits};

/// What a log holds of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSummary {
    /// Its name.
    pub name: String,
    /// How many records have a value of it.
    pub present: u64,
    /// How many have something there that could not be read.
    pub unreadable: u64,
}

/// All fields, by name, those that no record has among them.
pub(crate) fn field_summaries(as_of: &AsOf) -> Result<Vec<FieldSummary>> {
    let mut fields: BTreeMap<String, FieldSummary> = BTreeMap::new();
    let mut add = |of_piece: Vec<FieldSummary>| {
        for FieldSummary { name, present, unreadable } in of_piece {
            let field = fields.entry(name.clone()).or_default();
            field.name = name;
            field.present += present;
            field.unreadable += unreadable;
        }
    };
    let mut pieces: Vec<usize> = as_of.pieces(&(0..as_of.head.next_seq)).collect();
    for run in as_of.runs()?.iter() {
        // What a damaged directory does not say, its segments do.
        if let Ok(of_run) = of_directory(run) {
            add(of_run);
            pieces.retain(|piece| !run.segments.contains(piece));
        }
    }
    for piece in pieces {
        add(as_of.ask(piece, |stretch| {
            let mut of_piece = Vec::new();
            for index in 0..stretch.sidecar.field_count()? {
                let Some(field) = stretch.sidecar.field_at(index)? else { continue };
                let present = u64::from(field.present()?.count());
                let unreadable = u64::from(field.unreadable()?.count());
                of_piece.push(FieldSummary { name: field.name().to_owned(), present, unreadable });
            }
            Ok(of_piece)
        })?);
    }
    Ok(fields.into_values().collect())
}

/// The same for the segments that a directory is over.
fn of_directory(run: &Run) -> Result<Vec<FieldSummary>, Fault> {
    let mut of_run = Vec::new();
    for field in run.directory.fields() {
        let field = field?;
        let mut summary = FieldSummary { name: field.name().to_owned(), ..FieldSummary::default() };
        for segment in 0..run.segments.len() {
            let [present, _, unreadable] = field.reserved(segment)?;
            summary.present += u64::from(present);
            summary.unreadable += u64::from(unreadable);
        }
        of_run.push(summary);
    }
    Ok(of_run)
}

/// The terms of a field that match `glob`, all where there is none, with the count of the records that carry each. A
/// field that holds event ids or times has no terms.
pub(crate) fn terms(as_of: &AsOf, name: &str, glob: Option<&Glob>) -> Result<BTreeMap<OwnedTerm, u64>> {
    let mut terms: BTreeMap<OwnedTerm, u64> = BTreeMap::new();
    for piece in as_of.pieces(&(0..as_of.head.next_seq)) {
        let of_piece = as_of.ask(piece, |stretch| of_piece(stretch, name, glob))?;
        for (term, count) in of_piece {
            *terms.entry(term).or_default() += count;
        }
        let found = terms.len() as u64;
        if found > limits::GROUPS_MAX {
            return Err(Error::OverLimit { what: "the number of terms", found, limit: limits::GROUPS_MAX });
        }
    }
    Ok(terms)
}

fn of_piece(stretch: &Stretch, name: &str, glob: Option<&Glob>) -> Result<Vec<(OwnedTerm, u64)>, Trouble> {
    let mut found = Vec::new();
    let Some(field) = stretch.sidecar.field(name)? else { return Ok(found) };
    let Some(glob) = glob else {
        each_term(&field, |term, posting| {
            found.push((term.into(), u64::from(posting.count())));
            Ok(())
        })?;
        return Ok(found);
    };
    for ordinal in names::with_prefix(&field, field.ordinals(TermKind::Text), glob.prefix())? {
        let Some(term) = field.term(ordinal)? else { continue };
        if glob.matches(term.bytes) {
            found.push((term.into(), u64::from(field.posting(ordinal)?.count())));
        }
    }
    Ok(found)
}
