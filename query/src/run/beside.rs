//! `preceded by` and `followed by`: which events have another beside them, and which should have had one.
//!
//! The other events are found by one search, put in groups by what both must share, and each row looks its groups up.
//! Where there are few rows, that search is of their groups alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indelible_engine::filter::{self, Clock, Field, Filter, Test, Window};
use indelible_engine::{Seq, Timestamp};

use super::eval::Evaluator;
use super::group::combinations;
use super::near::{Before, Line, Point};
use super::predicate::Judge;
use super::row::{Moment, Row};
use super::{Context, Rows, slot_len};
use crate::ast::Side;
use crate::error::Result;
use crate::ground::Order;
use crate::plan::{BesidePlan, Expr};
use crate::time;
use crate::value::Value;

/// So many rows are looked at before the other events are searched for. Few in tests, so that these go both ways.
const FIRST_ROWS: usize = if cfg!(test) { 8 } else { 10_000 };
/// Up to so many values the search is narrowed to those.
const VALUES_MAX: usize = 4_000;
/// Of so many other events what was read is kept.
const READ_MAX: usize = 1_000;

/// The rows that have, or have not, another event beside them.
pub(super) fn beside(plan: &BesidePlan, text: String, rows: Rows, context: Arc<Context>) -> Result<Rows> {
    let exprs: Vec<Expr> = plan.keys.iter().map(|key| Expr::Source(key.clone())).collect();
    let evaluator = Evaluator::new(&exprs);
    let of_other = Evaluator::new(plan.fetched.iter().map(|(expr, _)| expr));
    let plan = plan.clone();
    let mut stage = Stage { plan, text, context, evaluator, lines: None, of_other, read: HashMap::new() };
    let mut rows = rows;
    let mut first: Option<std::vec::IntoIter<Result<Row>>> = None;
    let mut ready = move |stage: &mut Stage| -> Option<Result<Row>> {
        let first = match &mut first {
            Some(first) => first,
            None => {
                let taken: Vec<Result<Row>> = rows.by_ref().take(FIRST_ROWS).collect();
                let len = taken.iter().flatten().map(Row::footprint).sum();
                if let Err(error) = stage.context.hold(&stage.text, len).and_then(|()| stage.search(&taken)) {
                    return Some(Err(error));
                }
                first.insert(taken.into_iter())
            }
        };
        first.next().or_else(|| rows.next())
    };
    let mut failed = false;
    Ok(Box::new(std::iter::from_fn(move || {
        while !failed {
            let result = ready(&mut stage)?.and_then(|row| stage.decide(row));
            failed = result.is_err();
            if let Some(row) = result.transpose() {
                return Some(row);
            }
        }
        None
    })))
}

struct Stage {
    plan: BesidePlan,
    text: String,
    context: Arc<Context>,
    evaluator: Evaluator,
    /// The other events, by what they share with their group.
    lines: Option<HashMap<Vec<Value>, Line>>,
    of_other: Evaluator,
    /// What was read of other events, by their seq.
    read: HashMap<Seq, Vec<Value>>,
}

impl Stage {
    /// Finds the other events. `first` are the first rows: all of them, where they are few.
    fn search(&mut self, first: &[Result<Row>]) -> Result<()> {
        let mut filter = self.plan.filter.clone();
        if first.len() < FIRST_ROWS {
            let rows: Vec<&Row> = first.iter().filter_map(|row| row.as_ref().ok()).collect();
            filter = filter.and(self.narrowed(&rows)?);
        }
        let mut judge = self.plan.rest.as_ref().map(Judge::new).transpose()?;
        let mut lines: HashMap<Vec<Value>, Line> = HashMap::new();
        let Context { ground, watch, .. } = &*self.context;
        for row in ground.rows(&filter, 0..Seq::MAX, Order::OldestFirst, watch)? {
            let row = row?;
            if let Some(judge) = &mut judge
                && !judge.holds(&row)?
            {
                continue;
            }
            let moment = row.moment()?;
            for key in keys(&mut self.evaluator, &row)? {
                let mut len = size_of::<Point>() * 3 / 2 + 1;
                if !lines.contains_key(&key) {
                    len += key.iter().map(Value::footprint).sum::<usize>() + slot_len::<(Vec<Value>, Line)>();
                }
                self.context.hold(&self.text, len)?;
                lines.entry(key).or_default().push(Point::new(moment, self.plan.side), moment.is_known);
            }
        }
        lines.values_mut().for_each(Line::finish);
        self.lines = Some(lines);
        Ok(())
    }

    /// What the events beside these rows have in common: a value of theirs, and a time not too far off.
    fn narrowed(&mut self, rows: &[&Row]) -> Result<Filter> {
        let mut narrowed = Filter::everything();
        for (place, key) in self.plan.keys.iter().enumerate() {
            let Some(field) = key.field() else { continue };
            let mut values = BTreeSet::new();
            for row in rows {
                self.evaluator.load(row)?;
                values.extend(self.evaluator.each(place, row)?);
            }
            // A number that is too long to be asked for is no reason to find nothing.
            let can_be_asked = !values.iter().any(|value| matches!(value, Value::Json(_)));
            if can_be_asked && values.len() <= VALUES_MAX {
                narrowed = narrowed.and(one_of(field, &values));
            }
        }
        if let Some(within) = self.plan.within {
            let times: Vec<Timestamp> =
                rows.iter().map(|row| Ok(row.moment()?.time)).collect::<Result<_>>()?;
            if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
                let from = time::after(*first, -within);
                let until = time::after(*last, within.saturating_add(1));
                narrowed = narrowed.and(Filter::Time(Clock::Event, Window { from, until }));
            }
        }
        Ok(narrowed)
    }

    /// Keeps a row or not, and says of it what was found.
    fn decide(&mut self, mut row: Row) -> Result<Option<Row>> {
        let moment = row.moment()?;
        let found = self.found(&row, moment)?;
        let other = if self.plan.strictly { found.sure } else { found.sure.or(found.nearest) };
        if other.is_some() == self.plan.unless {
            return Ok(None);
        }
        let is_disputed = found.sure.is_none() && (found.nearest.is_some() || found.by_log);
        let was = matches!(row.values.get(self.plan.disputed), Some(Value::Bool(true)));
        row.set(self.plan.disputed, Value::Bool(is_disputed || was));
        if let (Some([seq, ts, delay]), Some(other)) = (self.plan.other, other) {
            let point = Point::new(moment, self.plan.side);
            let apart = other.until(point);
            // Of what follows, the mirror counts from the other side; the time between is the same.
            let other_time = match self.plan.side {
                Side::Preceded => time::after(moment.time, -apart),
                Side::Followed => time::after(moment.time, apart),
            };
            row.set(seq, Value::count(other.seq()));
            row.set(ts, other_time.map_or(Value::Missing, Value::Time));
            row.set(delay, Value::Duration(apart));
            self.plan.emptied.iter().for_each(|column| row.set(*column, Value::Missing));
            self.fetch(&mut row, other.seq())?;
        }
        Ok(Some(row))
    }

    /// Reads of the other event what later stages ask for.
    fn fetch(&mut self, row: &mut Row, seq: Seq) -> Result<()> {
        if self.plan.fetched.is_empty() {
            return Ok(());
        }
        if !self.read.contains_key(&seq) {
            // One approval is often that of many rows; all approvals need not be kept.
            if self.read.len() >= READ_MAX {
                self.read.clear();
            }
            let Context { ground, watch, .. } = &*self.context;
            let one = seq..seq.saturating_add(1);
            let mut rows = ground.rows(&Filter::everything(), one, Order::OldestFirst, watch)?;
            let row = rows.next().transpose()?;
            let values = row.map(|row| self.of_other.columns(&row)).transpose()?;
            self.read.insert(seq, values.unwrap_or_default());
        }
        let values = self.read.get(&seq).into_iter().flatten();
        for ((_, column), value) in self.plan.fetched.iter().zip(values) {
            row.set(*column, value.clone());
        }
        Ok(())
    }

    /// The best that any of the row's groups has.
    fn found(&mut self, row: &Row, moment: Moment) -> Result<Before> {
        let mut found = Before::default();
        let point = Point::new(moment, self.plan.side);
        for key in keys(&mut self.evaluator, row)? {
            let Some(line) = self.lines.as_ref().and_then(|lines| lines.get(&key)) else { continue };
            let before = line.before(point, moment.is_known, self.plan.within);
            found.sure = found.sure.max(before.sure);
            found.nearest = found.nearest.max(before.nearest);
            found.by_log |= before.by_log;
        }
        Ok(found)
    }
}

/// The groups that a row belongs to: none, where it has nothing to share.
fn keys(evaluator: &mut Evaluator, row: &Row) -> Result<Vec<Vec<Value>>> {
    evaluator.load(row)?;
    let mut lists = Vec::new();
    for place in 0..evaluator.len() {
        let mut values = evaluator.keys(place, row)?;
        values.retain(|value| !value.is_none() && *value != Value::Null);
        lists.push(values);
    }
    Ok(combinations(&lists))
}

/// That a field has one of these values, or something that looks like one.
fn one_of(field: Field, values: &BTreeSet<Value>) -> Filter {
    let written = values.iter().filter_map(|value| match value {
        Value::Text(text) => Some(filter::Value::Text(text.clone())),
        Value::Decimal(number) => Some(filter::Value::Word(number.to_string())),
        Value::Bool(truth) => Some(filter::Value::Word(truth.to_string())),
        Value::Time(time) => Some(filter::Value::Text(time.to_string())),
        _ => None,
    });
    Filter::Field(field, Test::Equals(written.collect()))
}
