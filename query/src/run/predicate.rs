//! Conditions on rows: what the store can say is left to its matcher, the rest is asked of values.

use indelible_engine::filter::{Matcher, Scratch, TermTest};
use indelible_engine::source::{Term, TermKind, compare_number_values};

use super::eval::{Evaluator, as_time};
use super::row::Row;
use super::{Rows, through};
use crate::error::Result;
use crate::plan::{Asked, Builtin, Check, Expr, Predicate, Source};
use crate::value::Value;

/// A condition, compiled.
#[derive(Debug)]
pub(super) struct Judge {
    root: Node,
    evaluator: Evaluator,
}

#[derive(Debug)]
enum Node {
    Matcher(Box<Matcher>, Scratch),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// What an expression is worth.
    Value(usize, Asked),
    /// The bytes of the event.
    Body(TermTest),
}

impl Judge {
    pub(super) fn new(predicate: &Predicate) -> Result<Judge> {
        let mut evaluator = Evaluator::default();
        let root = compile(predicate, &mut evaluator)?;
        Ok(Judge { root, evaluator })
    }

    /// Whether the condition holds for a row.
    pub(super) fn holds(&mut self, row: &Row) -> Result<bool> {
        self.evaluator.load(row)?;
        holds(&mut self.root, &mut self.evaluator, row)
    }
}

/// The rows for which a condition holds.
pub(super) fn keep(predicate: &Predicate, rows: Rows) -> Result<Rows> {
    let mut judge = Judge::new(predicate)?;
    Ok(through(rows, move |row| Ok(judge.holds(&row)?.then_some(row))))
}

fn compile(predicate: &Predicate, evaluator: &mut Evaluator) -> Result<Node> {
    let all = |predicates: &[Predicate], evaluator: &mut Evaluator| {
        predicates.iter().map(|predicate| compile(predicate, evaluator)).collect::<Result<Vec<_>>>()
    };
    Ok(match predicate {
        Predicate::Filter(filter) => Node::Matcher(Box::new(Matcher::new(filter)?), Scratch::default()),
        Predicate::All(predicates) => Node::All(all(predicates, evaluator)?),
        Predicate::Any(predicates) => Node::Any(all(predicates, evaluator)?),
        Predicate::Not(predicate) => Node::Not(Box::new(compile(predicate, evaluator)?)),
        Predicate::Value(Expr::Source(Source::Builtin(Builtin::Text)), Asked::Some(Check::Matches(test))) => {
            Node::Body(test.clone())
        }
        Predicate::Value(expr, asked) => Node::Value(evaluator.add(expr), asked.clone()),
    })
}

fn holds(node: &mut Node, evaluator: &mut Evaluator, row: &Row) -> Result<bool> {
    match node {
        Node::Matcher(matcher, scratch) => match &row.event {
            Some(event) => Ok(matcher.matches(&event.subject()?, scratch)?),
            None => Ok(true),
        },
        Node::All(nodes) => {
            for node in nodes {
                if !holds(node, evaluator, row)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Node::Any(nodes) => {
            for node in nodes {
                if holds(node, evaluator, row)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Node::Not(node) => Ok(!holds(node, evaluator, row)?),
        Node::Body(test) => {
            let body = row.event.as_ref().map_or(&[][..], |event| event.body());
            Ok(test.passes(Term { kind: TermKind::Text, bytes: body }))
        }
        Node::Value(place, asked) => {
            let values = evaluator.each(*place, row)?;
            let readable = || values.iter().filter(|value| **value != Value::Unreadable);
            Ok(match asked {
                Asked::Exists => !values.is_empty() || evaluator.shown(*place, row)? != Value::Missing,
                Asked::Unreadable => values.contains(&Value::Unreadable),
                Asked::Some(check) => readable().any(|value| passes(check, value)),
                Asked::None(check) => {
                    readable().next().is_some() && !readable().any(|value| passes(check, value))
                }
            })
        }
    }
}

fn passes(check: &Check, value: &Value) -> bool {
    if let Some(long) = value.long_number() {
        return passes_long_number(check, long.as_bytes());
    }
    match check {
        Check::OneOf { terms, periods, durations } => match value {
            Value::Time(time) => periods.iter().any(|period| period.contains(*time)) || as_term(value, terms),
            Value::Duration(duration) => durations.contains(duration),
            _ => as_term(value, terms),
        },
        Check::Order { comparison, number, period, duration } => match value {
            Value::Decimal(decimal) => {
                number.as_ref().is_some_and(|number| comparison.holds(decimal.cmp(number)))
            }
            Value::Duration(found) => duration.is_some_and(|duration| comparison.holds(found.cmp(&duration))),
            _ => match (as_time(value), period) {
                (Some(time), Some(period)) => period.holds(*comparison, time),
                _ => false,
            },
        },
        Check::Matches(test) => as_term(value, test),
    }
}

/// As a filter on the event would have it.
fn passes_long_number(check: &Check, long: &[u8]) -> bool {
    match check {
        Check::OneOf { terms: test, .. } | Check::Matches(test) => test.passes_long_number(long),
        Check::Order { comparison, number, .. } => number
            .as_ref()
            .is_some_and(|number| comparison.holds(compare_number_values(long, number.as_str().as_bytes()))),
    }
}

fn as_term(value: &Value, test: &TermTest) -> bool {
    let (kind, bytes) = match value {
        Value::Text(text) => (TermKind::Text, text.clone()),
        Value::Decimal(number) => (TermKind::Number, number.to_string()),
        Value::Bool(truth) => (TermKind::Bool, truth.to_string()),
        Value::Null => (TermKind::Null, String::new()),
        Value::Time(time) => (TermKind::Text, time.to_string()),
        _ => return false,
    };
    test.passes(Term { kind, bytes: bytes.as_bytes() })
}
