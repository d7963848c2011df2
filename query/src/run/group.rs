//! Groups of rows and what is said of each: counts, sums, means, percentiles.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::eval::Evaluator;
use super::row::Row;
use super::{Context, Rows, held, slot_len};
use crate::ast::Function;
use crate::decimal::Sum;
use crate::plan::Expr;
use crate::value::Value;

/// A row for each combination of the keys' values, in their order: the keys, then what is said of the group. A row
/// with several values of a key belongs to a group for each.
pub(super) fn group(
    keys: &[Expr],
    aggregates: &[(Function, Option<Expr>)],
    text: String,
    rows: Rows,
    context: Arc<Context>,
) -> Rows {
    let mut evaluator =
        Evaluator::new(keys.iter().chain(aggregates.iter().filter_map(|(_, of)| of.as_ref())));
    let mut next = keys.len();
    let mut said: Vec<(Function, Option<usize>)> = Vec::new();
    for (function, of) in aggregates {
        said.push((*function, of.is_some().then_some(next)));
        next += usize::from(of.is_some());
    }
    let key_count = keys.len();
    held(move || {
        let mut groups: HashMap<Vec<Value>, Vec<Tally>> = HashMap::new();
        let fresh = || said.iter().map(|(function, _)| Tally::new(*function)).collect::<Vec<_>>();
        if key_count == 0 {
            groups.insert(Vec::new(), fresh());
        }
        for row in rows {
            let row = row?;
            evaluator.load(&row)?;
            let mut of_keys = Vec::with_capacity(key_count);
            for place in 0..key_count {
                of_keys.push(evaluator.keys(place, &row)?);
            }
            let mut values = Vec::with_capacity(said.len());
            for (_, place) in &said {
                values.push(place.map_or(Ok(Vec::new()), |place| evaluator.each(place, &row))?);
            }
            for key in combinations(&of_keys) {
                if !groups.contains_key(&key) {
                    let len = key.iter().map(Value::footprint).sum::<usize>();
                    let of_tallies = said.len() * size_of::<Tally>() + slot_len::<(Vec<Value>, Vec<Tally>)>();
                    context.hold(&text, len + of_tallies + size_of::<Row>())?;
                }
                let tallies = groups.entry(key).or_insert_with(fresh);
                for (tally, values) in tallies.iter_mut().zip(&values) {
                    context.hold(&text, tally.add(values))?;
                }
            }
        }
        let mut left_out = vec![0_u64; said.len()];
        let mut rows: Vec<Vec<Value>> = groups
            .into_iter()
            .map(|(mut row, tallies)| {
                for (tally, left_out) in tallies.into_iter().zip(&mut left_out) {
                    *left_out += tally.left_out + if tally.count > 0 { tally.duration_count } else { 0 };
                    row.push(tally.finish());
                }
                row
            })
            .collect();
        for ((function, _), count) in said.iter().zip(left_out).filter(|(_, count)| *count > 0) {
            context.warn(format!("values that {function} {}: {count}", function.left_out()));
        }
        rows.sort_by(|a, b| a.iter().take(key_count).cmp(b.iter().take(key_count)));
        Ok(rows.into_iter().map(Row::of_values).collect())
    })
}

impl Function {
    /// What became of the values that it says nothing of.
    fn left_out(self) -> &'static str {
        match self {
            Function::Count | Function::Distinct => "left out, being unreadable",
            Function::Sum | Function::Avg => "could not add up",
            Function::Min | Function::Max => "left out, being no numbers, durations, times or texts",
            Function::Percentile(_) => "left out, being no numbers, durations or times",
        }
    }
}

/// Each choice of one value from every list.
pub(super) fn combinations(lists: &[Vec<Value>]) -> Vec<Vec<Value>> {
    lists.iter().fold(vec![Vec::new()], |chosen, list| {
        chosen
            .iter()
            .flat_map(|begun| list.iter().map(|value| begun.iter().chain([value]).cloned().collect()))
            .collect()
    })
}

/// What is known of a group so far.
#[derive(Debug)]
struct Tally {
    function: Function,
    /// How many rows, or how many numbers are in the sum.
    count: u64,
    sum: Sum,
    /// How many durations are in the sum of these, which counts where there are no numbers.
    duration_count: u64,
    duration: i128,
    best: Option<Value>,
    /// The values for a percentile, each with how many rows have it: most are of few.
    all: HashMap<Value, u64>,
    distinct: HashSet<Value>,
    left_out: u64,
}

impl Tally {
    fn new(function: Function) -> Tally {
        Tally {
            function,
            count: 0,
            sum: Sum::default(),
            duration_count: 0,
            duration: 0,
            best: None,
            all: HashMap::new(),
            distinct: HashSet::new(),
            left_out: 0,
        }
    }

    /// Takes a row's values into account; returns how many bytes more are held.
    fn add(&mut self, values: &[Value]) -> usize {
        if self.function == Function::Count {
            self.count += 1;
            return 0;
        }
        values.iter().map(|value| self.add_one(value)).sum()
    }

    fn add_one(&mut self, value: &Value) -> usize {
        let has_order = matches!(value, Value::Decimal(_) | Value::Duration(_) | Value::Time(_));
        match (self.function, value) {
            (Function::Distinct, Value::Unreadable) => self.left_out += 1,
            (Function::Distinct, _) => {
                if self.distinct.insert(value.clone()) {
                    return value.footprint() + slot_len::<Value>();
                }
            }
            (Function::Sum | Function::Avg, Value::Decimal(number)) => {
                self.sum.add(number);
                self.count += 1;
            }
            (Function::Sum | Function::Avg, Value::Duration(duration)) => {
                self.duration += duration;
                self.duration_count += 1;
            }
            (Function::Min, _) if has_order || matches!(value, Value::Text(_)) => {
                if self.best.as_ref().is_none_or(|best| value < best) {
                    self.best = Some(value.clone());
                }
            }
            (Function::Max, _) if has_order || matches!(value, Value::Text(_)) => {
                if self.best.as_ref().is_none_or(|best| value > best) {
                    self.best = Some(value.clone());
                }
            }
            (Function::Percentile(_), _) if has_order => {
                self.count += 1;
                if let Some(count) = self.all.get_mut(value) {
                    *count += 1;
                    return 0;
                }
                self.all.insert(value.clone(), 1);
                return value.footprint() + slot_len::<(Value, u64)>();
            }
            (_, Value::Null) => {}
            _ => self.left_out += 1,
        }
        0
    }

    fn finish(self) -> Value {
        match self.function {
            Function::Count => Value::count(self.count),
            Function::Distinct => Value::count(self.distinct.len() as u64),
            Function::Sum if self.count > 0 => Value::Decimal(self.sum.sum()),
            Function::Avg if self.count > 0 => Value::Decimal(self.sum.mean(self.count)),
            Function::Sum | Function::Avg if self.duration_count == 0 => Value::Missing,
            Function::Sum => Value::Duration(self.duration),
            Function::Avg => Value::Duration(self.duration / i128::from(self.duration_count)),
            Function::Min | Function::Max => self.best.unwrap_or(Value::Missing),
            Function::Percentile(percent) => {
                // The nearest rank: the least value that so many percent of all do not pass.
                let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100).max(1);
                let mut values: Vec<(Value, u64)> = self.all.into_iter().collect();
                values.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                let mut passed = 0_u128;
                let is_there = |(_, count): &(Value, u64)| {
                    passed += u128::from(*count);
                    passed >= rank
                };
                values.into_iter().find(is_there).map_or(Value::Missing, |(value, _)| value)
            }
        }
    }
}
