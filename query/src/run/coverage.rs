//! `controls`: for each control of the catalogue how much evidence there is, and from when to when.

use std::collections::HashSet;
use std::sync::Arc;

use indelible_engine::filter::Filter;
use indelible_engine::{Seq, Timestamp};

use super::eval::Evaluator;
use super::row::Row;
use super::{Context, Rows};
use crate::controls::Control;
use crate::error::Result;
use crate::ground::Order;
use crate::plan::{Expr, Source};
use crate::value::Value;

/// A row for each control, with those that nothing is evidence of.
pub(super) fn coverage(controls: &[(Control, Filter)], context: &Arc<Context>) -> Rows {
    let context = Arc::clone(context);
    let controls = controls.to_vec();
    Box::new(controls.into_iter().map(move |(control, filter)| of_control(control, &filter, &context)))
}

fn of_control(control: Control, filter: &Filter, context: &Context) -> Result<Row> {
    let name = |name: &str| Expr::Source(Source::Name(name.to_owned()));
    let mut evaluator = Evaluator::new(&[name("run"), name("agent")]);
    let (mut events, mut held) = (0_u64, 0);
    let mut seen = [HashSet::new(), HashSet::new()];
    let (mut first, mut last) = (None, None);
    for row in context.ground.rows(filter, 0..Seq::MAX, Order::OldestFirst, &context.watch)? {
        let row = row?;
        events += 1;
        let time = row.moment()?.time;
        first = Some(first.map_or(time, |known: Timestamp| known.min(time)));
        last = last.max(Some(time));
        evaluator.load(&row)?;
        for (place, seen) in seen.iter_mut().enumerate() {
            for value in evaluator.each(place, &row)? {
                if !seen.contains(&value) {
                    let len = value.footprint();
                    context.hold("controls", len)?;
                    held += len;
                    seen.insert(value);
                }
            }
        }
    }
    context.release(held);
    let [runs, agents] = seen.map(|seen| Value::count(seen.len() as u64));
    let time = |time: Option<_>| time.map_or(Value::Missing, Value::Time);
    Ok(Row::of_values(vec![
        Value::Text(control.id),
        Value::Text(control.title),
        Value::count(events),
        runs,
        agents,
        time(first),
        time(last),
    ]))
}
