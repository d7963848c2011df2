//! `controls`: for each control of the catalogue how much evidence there is, and from when to when.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use indelible_engine::answer::Tally;
use indelible_engine::filter::{Field, Filter, Glob, Matcher, Scratch, Test, Value as Word};

use super::eval::Evaluator;
use super::row::Row;
use super::{Context, Rows, held};
use crate::error::{Error, Result};
use crate::ground::Order;
use crate::plan::{Coverage, Expr, Source};
use crate::value::Value;

/// The fields whose values are counted.
const COUNTED: [&str; 2] = ["run", "agent"];
/// What the labels begin with that are no controls: they name the label rules, and what was masked.
const NO_CONTROLS: [&str; 2] = ["rules:", "masked:"];

/// A row for each control, with those that nothing is evidence of; behind them the ids of records that count which the
/// catalogue does not have.
pub(super) fn coverage(coverage: &Coverage, context: &Arc<Context>) -> Rows {
    let (coverage, context) = (coverage.clone(), Arc::clone(context));
    held(move || rows(&coverage, &context))
}

fn rows(coverage: &Coverage, context: &Context) -> Result<Vec<Row>> {
    let Coverage { controls, mapped, ids, within, seqs, .. } = coverage;
    let mut parts = mapped.clone();
    let mut others = Vec::new();
    for (id, filter) in named(coverage, context)? {
        let places = ids.get(&id).cloned().unwrap_or_else(|| {
            others.push(id);
            vec![controls.len() + others.len() - 1]
        });
        parts.push((filter, places));
    }
    let mut groups = vec![Vec::new(); controls.len() + others.len()];
    for (part, (_, places)) in parts.iter().enumerate() {
        for place in places {
            groups.get_mut(*place).into_iter().for_each(|group| group.push(part));
        }
    }
    let parts: Vec<Filter> = parts.into_iter().map(|(filter, _)| filter).collect();
    let tallies = match context.ground.search(within, seqs.clone(), &context.watch)? {
        Some(mut search) => search.tally(&parts, &groups, &COUNTED).map_err(Error::of_groups)?,
        None => by_rows(coverage, &parts, &groups, context)?,
    };
    context.found(tallies.iter().any(|tally| tally.records > 0));
    let known = controls.iter().map(|control| (control.id.clone(), Value::Text(control.title.clone())));
    let count = controls.len();
    let all = known.chain(others.into_iter().map(|id| (id, Value::Missing)));
    // An id that the catalogue does not have is there by what counts, and by nothing that else stands in the log.
    let is_there = |(place, (_, tally)): &(usize, (_, Tally))| *place < count || tally.records > 0;
    let all = all.zip(tallies).enumerate().filter(is_there);
    Ok(all.map(|(_, ((id, title), tally))| row(id, title, &tally)).collect())
}

/// The row of one control.
fn row(id: String, title: Value, tally: &Tally) -> Row {
    let time = |time: Option<_>| time.map_or(Value::Missing, Value::Time);
    let counts = tally.values.iter().map(|count| Value::count(*count));
    let columns = [Value::Text(id), title, Value::count(tally.records)].into_iter().chain(counts);
    Row::of_values(columns.chain([time(tally.first), time(tally.last)]).collect())
}

/// The ids that labels and events have: which records each stands in.
fn named(coverage: &Coverage, context: &Context) -> Result<BTreeMap<String, Filter>> {
    let mut named = BTreeMap::new();
    for field in ["label", "control"] {
        for term in context.ground.terms(field, &Glob::new("*"))?.into_keys() {
            let Ok(id) = String::from_utf8(term.bytes.into()) else { continue };
            let is_control = id.split_once(':').is_some_and(|(framework, _)| {
                coverage.framework.as_ref().is_none_or(|wanted| wanted == framework)
            }) && !NO_CONTROLS.iter().any(|prefix| id.starts_with(prefix));
            if is_control || coverage.ids.contains_key(&id) {
                let is = |name: &str| {
                    let test = Test::Equals(vec![Word::Text(id.clone())]);
                    Filter::Field(Field::Name(name.to_owned()), test)
                };
                let filter = Filter::Any(vec![is("label"), is("control")]);
                named.insert(id, filter);
            }
        }
    }
    Ok(named)
}

/// The same where there is no index: each record is asked once.
fn by_rows(
    coverage: &Coverage,
    parts: &[Filter],
    groups: &[Vec<usize>],
    context: &Context,
) -> Result<Vec<Tally>> {
    let name = |name: &str| Expr::Source(Source::Name(name.to_owned()));
    let mut evaluator = Evaluator::new(&COUNTED.map(name));
    let mut matchers = Vec::with_capacity(parts.len());
    for part in parts {
        matchers.push((Matcher::new(part)?, Scratch::default()));
    }
    let mut tallies = vec![Tally { values: vec![0; COUNTED.len()], ..Tally::default() }; groups.len()];
    let mut seen: HashSet<(usize, usize, Value)> = HashSet::new();
    let Coverage { within, seqs, .. } = coverage;
    for row in context.ground.rows(within, seqs.clone(), Order::OldestFirst, &context.watch)? {
        let row = row?;
        let Some(event) = &row.event else { continue };
        let (subject, time) = (event.subject()?, event.time()?);
        let mut holds = Vec::with_capacity(matchers.len());
        for (matcher, scratch) in &mut matchers {
            holds.push(matcher.matches(&subject, scratch)?);
        }
        evaluator.load(&row)?;
        for (place, (tally, group)) in tallies.iter_mut().zip(groups).enumerate() {
            if !group.iter().any(|part| holds.get(*part) == Some(&true)) {
                continue;
            }
            tally.records += 1;
            tally.first = Some(tally.first.map_or(time, |known| known.min(time)));
            tally.last = tally.last.max(Some(time));
            for (field, count) in tally.values.iter_mut().enumerate() {
                for value in evaluator.each(field, &row)? {
                    if matches!(value, Value::Null | Value::Unreadable) {
                        continue;
                    }
                    let len = value.footprint();
                    if seen.insert((place, field, value)) {
                        context.hold("controls", len)?;
                        *count += 1;
                    }
                }
            }
        }
    }
    Ok(tallies)
}
