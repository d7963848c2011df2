//! How an answer is found: a row for each thing that was looked at or done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use indelible_engine::Seq;
use indelible_engine::answer::ToFetch;

use super::base::{is_counted, search};
use super::row::Row;
use super::{Context, Rows};
use crate::error::Result;
use crate::plan::{Base, Plan};
use crate::value::Value;

/// The columns of an explanation.
pub(crate) const COLUMNS: [&str; 5] = ["step", "detail", "rows", "bytes", "time"];

/// Runs a plan, forgets its rows, and says what was done for them.
pub(crate) fn explain(plan: &Plan, context: &Arc<Context>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut say = |step: &str, detail: String, count: Option<u64>, bytes: Option<u64>, time: Option<u64>| {
        rows.push(Row::of_values(vec![
            Value::Text(step.to_owned()),
            Value::Text(detail),
            count.map_or(Value::Missing, Value::count),
            bytes.map_or(Value::Missing, Value::count),
            time.map_or(Value::Missing, |nanos| Value::Duration(i128::from(nanos))),
        ]));
    };
    if let Some(mut search) = search(plan, context)? {
        let found = search.explain()?;
        let (all, pruned) = (found.segments.len(), found.pruned());
        let passed_by = match found.passed_by {
            0 => String::new(),
            count => format!(", {count} of them passed by"),
        };
        say("segments", format!("{all} in range, {pruned} without a match{passed_by}"), None, None, None);
        for segment in found.segments.iter().filter(|segment| segment.rebuilt.is_some()) {
            let reason = segment.rebuilt.clone().unwrap_or_default();
            say("rebuilt", format!("segment {}: {reason}", segment.id), Some(segment.records), None, None);
        }
        for posting in found.postings.iter().take(POSTINGS_SHOWN) {
            let segments = if posting.segments == 1 { "segment" } else { "segments" };
            let detail = format!("{} = {} in {} {segments}", posting.field, posting.term, posting.segments);
            say("posting", detail, Some(posting.records), Some(posting.len), None);
        }
        let how = if found.is_exact() { "the index alone says which match" } else { "records read to know" };
        say("read", how.to_owned(), Some(found.records_read), Some(found.bytes_read), None);
        let known = match found.left_open {
            0 => "records that match".to_owned(),
            open => format!("records that match, and of {open} in archives it must be read"),
        };
        say("match", known, Some(found.matches), None, None);
    }
    if let Base::Coverage(coverage) = &plan.base {
        let detail = match coverage.mapped.len() {
            1 => "1 condition of the mapping, asked once".to_owned(),
            count => format!("{count} conditions of the mapping, each asked once"),
        };
        say("controls", detail, Some(coverage.controls.len() as u64), None, None);
    }
    let fetch = to_fetch(plan, context)?;
    if fetch.here() > 0 {
        let detail = "row groups of archives that were fetched before and are here".to_owned();
        say("archive", detail, Some(fetch.here()), None, None);
    }
    if !fetch.is_empty() {
        let files = match fetch.files() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let detail = format!("row groups of {files} that the answer may have to fetch; so it was not made");
        say("archive", detail, Some(fetch.row_groups()), Some(fetch.len()), None);
        return Ok(rows);
    }
    drain(super::rows(plan, context, true)?)?;
    let mut before = 0;
    for meter in context.meters() {
        let nanos = meter.nanos.load(Ordering::Relaxed);
        let how = if meter.holds { "holds all" } else { "streams" };
        let count = meter.rows.load(Ordering::Relaxed);
        say(
            "stage",
            format!("{} ({how})", meter.text),
            Some(count),
            None,
            Some(nanos.saturating_sub(before)),
        );
        before = nanos;
    }
    Ok(rows)
}

/// What the answer needs of archives: what of other searches than the first is counted whole, though a search beside may
/// turn out to be narrower.
fn to_fetch(plan: &Plan, context: &Arc<Context>) -> Result<ToFetch> {
    let (mut fetch, counted) = (ToFetch::default(), is_counted(plan, context));
    for (index, filter) in plan.filters().iter().enumerate() {
        if let Some(mut search) = context.ground.search(filter, 0..Seq::MAX, &context.watch)? {
            fetch.add(search.to_fetch(index > 0 || !counted)?);
        }
    }
    Ok(fetch)
}

/// How many postings are told of, the longest first.
const POSTINGS_SHOWN: usize = 20;

fn drain(rows: Rows) -> Result<()> {
    for row in rows {
        row?;
    }
    Ok(())
}
