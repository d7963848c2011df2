//! The first rows: those of a search, or what the index says of them without reading any.

use std::sync::Arc;

use indelible_engine::answer::{GroupKey, Search};
use indelible_engine::source::FieldKind;

use super::coverage::coverage;
use super::row::Row;
use super::{Context, Rows, held};
use crate::ast::Function;
use crate::error::{Error, Result};
use crate::ground::Order;
use crate::plan::{Base, Expr, Plan, Source, StepKind};
use crate::value::Value;

/// The first rows of a plan, and how many of its steps they are past already.
pub(crate) fn base(plan: &Plan, context: &Arc<Context>) -> Result<(Rows, usize)> {
    if let Base::Coverage(controls) = &plan.base {
        return Ok((coverage(controls, context), 0));
    }
    let Base::Search(filter, seqs) = &plan.base else { return Ok((Box::new(std::iter::empty()), 0)) };
    let rows = |order| -> Result<Rows> {
        let (rows, context) =
            (context.ground.rows(filter, seqs.clone(), order, &context.watch)?, Arc::clone(context));
        Ok(Box::new(rows.inspect(move |row| context.found(row.is_ok()))))
    };
    match plan.steps.first().map(|step| &step.kind) {
        Some(StepKind::Group { keys, aggregates }) => {
            if let Some(names) = by_index(keys, aggregates, context)
                && let Some(search) = search(plan, context)?
            {
                return Ok((counts(search, names, Arc::clone(context)), 1));
            }
        }
        // The end is read from the end.
        Some(StepKind::Tail(count)) => {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            let (context, text) = (Arc::clone(context), plan.steps[0].text.clone());
            let newest = rows(Order::NewestFirst)?;
            let last = held(move || {
                let mut rows = Vec::new();
                for row in newest.take(count) {
                    let row = row?;
                    context.hold(&text, row.footprint())?;
                    rows.push(row);
                }
                rows.reverse();
                Ok(rows)
            });
            return Ok((last, 1));
        }
        _ => {}
    }
    Ok((rows(Order::OldestFirst)?, 0))
}

/// The search of a plan by index, watched: of a coverage for all that may count.
pub(super) fn search(plan: &Plan, context: &Context) -> Result<Option<Search>> {
    match &plan.base {
        Base::Search(filter, seqs) => context.ground.search(filter, seqs.clone(), &context.watch),
        Base::Coverage(coverage) => {
            context.ground.search(&coverage.filter(), coverage.seqs.clone(), &context.watch)
        }
    }
}

/// Whether the first rows are counts, for which no record is read that matches by the index alone.
pub(super) fn is_counted(plan: &Plan, context: &Context) -> bool {
    matches!(plan.base, Base::Coverage(_))
        || plan.steps.first().is_some_and(|step| match &step.kind {
            StepKind::Group { keys, aggregates } => by_index(keys, aggregates, context).is_some(),
            _ => false,
        })
}

/// The names to count by, where nothing but counts is asked for and the index has a term for each value.
fn by_index(
    keys: &[Expr],
    aggregates: &[(Function, Option<Expr>)],
    context: &Context,
) -> Option<Vec<String>> {
    let is_count = |(function, _): &(Function, Option<Expr>)| *function == Function::Count;
    if aggregates.len() != 1 || !aggregates.iter().all(is_count) {
        return None;
    }
    let has_terms = |name: &&String| {
        let is = |kind| context.vocabulary.has_kind(name, kind);
        !is(FieldKind::Time) && !is(FieldKind::Id)
    };
    let name = |key: &Expr| match key {
        Expr::Source(Source::Name(name)) => Some(name).filter(has_terms).cloned(),
        _ => None,
    };
    keys.iter().map(name).collect()
}

fn counts(mut search: Search, names: Vec<String>, context: Arc<Context>) -> Rows {
    held(move || {
        if names.is_empty() {
            let total = search.total()?;
            context.found(total > 0);
            return Ok(vec![Row::of_values(vec![Value::count(total)])]);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let groups = search.group_by(&names).map_err(Error::of_groups)?;
        let mut rows = Vec::with_capacity(groups.counts.len());
        for (key, count) in groups.counts {
            let values = key.into_iter().map(|key| match key {
                GroupKey::Term(term) => Value::of_term(term.as_term()),
                GroupKey::Absent => Value::Missing,
                GroupKey::Unreadable => Value::Unreadable,
            });
            let row = Row::of_values(values.chain([Value::count(count)]).collect());
            context.hold("count", row.footprint())?;
            rows.push(row);
        }
        context.found(!rows.is_empty());
        rows.sort_by(|a, b| a.values.cmp(&b.values));
        Ok(rows)
    })
}
