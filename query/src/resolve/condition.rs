//! Conditions: what the store can answer becomes a filter, the rest is asked of rows.

use indelible_engine::filter::{
    Clock, Comparison, Field, Filter, Glob, TermTest, Test as Asks, Value, Window,
};
use indelible_engine::source::{FieldKind, normalise_control};
use indelible_engine::{Seq, Timestamp};

use super::Resolver;
use super::quantity::{in_unit_of, no_quantity, number};
use crate::ast::{Condition, Operand, Test};
use crate::error::Problem;
use crate::plan::{Asked, Builtin, Check, Expr, Predicate, Shape, Source};
use crate::span::{Span, Spanned};
use crate::time;
use crate::words::{RESERVED, STAGES, nearest};

impl Resolver<'_> {
    /// What a condition means on rows of this shape; where it means nothing, something that holds.
    pub(super) fn condition(&mut self, condition: &Condition, shape: &Shape) -> Predicate {
        let nothing = || Predicate::Filter(Filter::everything());
        match condition {
            Condition::All(all) => Predicate::all(self.conditions(all, shape)),
            Condition::Any(any) => Predicate::any(self.conditions(any, shape)),
            Condition::Not(condition) => Predicate::not(self.condition(condition, shape)),
            Condition::Text(text) => Predicate::Filter(self.text_search(text, shape)),
            Condition::Time { received, period } => {
                let window = self.window(period);
                if !shape.events {
                    let problem =
                        Problem::new(period.span(), "these rows are no events and have no time of their own");
                    self.problems.push(problem.help("compare a column: first > 2026-04-01"));
                }
                let clock = if *received { Clock::Received } else { Clock::Event };
                Predicate::Filter(Filter::Time(clock, window))
            }
            Condition::Test(left, test) => {
                let name = shape.counted(&left.node);
                let Some(expr) = self.expression(left, shape) else { return nothing() };
                match &expr {
                    Expr::Source(Source::Builtin(builtin)) => self.on_builtin(*builtin, test, left.span),
                    Expr::Source(source) => match source.field() {
                        Some(field) => self.on_field(field, &name, test),
                        None => self.on_value(expr, &name, test),
                    },
                    Expr::Bin(..) => {
                        self.warn_of_no_times(&name, test);
                        self.on_value(expr, &name, test)
                    }
                    Expr::Difference(..) => self.on_value(expr, &name, test),
                }
            }
        }
    }

    fn conditions(&mut self, conditions: &[Condition], shape: &Shape) -> Vec<Predicate> {
        conditions.iter().map(|condition| self.condition(condition, shape)).collect()
    }

    fn text_search(&mut self, text: &Spanned<Operand>, shape: &Shape) -> Filter {
        if !shape.events {
            let problem = Problem::new(text.span, "these rows are no events and have no text to search");
            self.problems.push(problem.help("compare a column: name = value"));
        }
        let (wanted, _) = self.operand(text);
        if wanted.is_empty() && !self.is_open(text) {
            self.problems.push(Problem::new(text.span, "an empty text is in every event"));
        }
        let written = self.text.get(text.span.start..text.span.end).unwrap_or_default();
        if written == wanted && !wanted.is_empty() {
            self.warn_of_word(&wanted, text.span.start);
        }
        Filter::Text(wanted)
    }

    /// A word that is searched for may have been meant otherwise.
    fn warn_of_word(&mut self, word: &str, at: usize) {
        let is_field = self.setting.vocabulary.knows(word) || Builtin::of(word).is_some();
        let leads = self.text.get(..at).is_some_and(|before| before.trim().is_empty());
        if leads && STAGES.contains(&word) && self.text.trim() != word {
            self.warnings.push(format!(
                "`{word}` is searched for in the text of events; a stage stands behind a bar: | {word} …"
            ));
        } else if is_field {
            self.warnings.push(format!(
                "`{word}` is searched for in the text of events; to ask for the field write exists({word}) or {word} = …"
            ));
        } else if word.len() > 3
            && let Some(meant) = nearest(word, RESERVED)
        {
            self.warnings
                .push(format!("`{word}` is searched for in the text of events; did you mean `{meant}`?"));
        } else {
            self.searched.push(word.to_owned());
        }
    }

    /// A test on what the index or the JSON has.
    fn on_field(&mut self, field: Field, name: &str, test: &Test) -> Predicate {
        let day = matches!(&field, Field::Name(name) if name == "day");
        let test = match test {
            Test::Exists => Asks::Exists,
            Test::Unreadable => Asks::Unreadable,
            Test::Equals(operand) => Asks::Equals(vec![self.field_value(&field, name, operand)]),
            Test::In(operands) => {
                Asks::Equals(operands.iter().map(|operand| self.field_value(&field, name, operand)).collect())
            }
            Test::Differs(operand) => Asks::Differs(self.field_value(&field, name, operand)),
            Test::Compare(comparison, operand) if day => {
                // Days are texts to the index; but they are the days of the events' times.
                let Some(period) = self.period(operand) else {
                    return Predicate::Filter(Filter::everything());
                };
                let has_day = Filter::Field(field, Asks::Exists);
                return Predicate::Filter(has_day.and(in_order(Clock::Event, *comparison, period)));
            }
            Test::Compare(comparison, operand) => match self.compare(name, *comparison, operand) {
                Some(test) => test,
                None => return Predicate::Filter(Filter::everything()),
            },
            Test::Matches(pattern) => {
                self.check_pattern(pattern);
                Asks::Matches(pattern.node.clone())
            }
        };
        Predicate::Filter(Filter::Field(field, test))
    }

    /// A value to look for in a field: control ids in their one spelling.
    pub(super) fn field_value(&mut self, field: &Field, name: &str, operand: &Spanned<Operand>) -> Value {
        let value = self.value(name, operand);
        let Field::Name(name) = field else { return value };
        if name == "kind" && value.as_str().starts_with("store.") || name == "source" && value.as_str() == "0"
        {
            self.names_store = true;
        }
        if !self.setting.vocabulary.has_kind(name, FieldKind::Control) {
            return value;
        }
        match value {
            // Ids are texts. An event's number, truth value or null is compared as that: `-5` is no other spelling of 5.
            Value::Word(word) if is_literal(&word) => Value::Word(word),
            Value::Word(word) => Value::Word(control(&word)),
            Value::Text(text) => Value::Text(control(&text)),
        }
    }

    fn check_pattern(&mut self, pattern: &Spanned<String>) {
        let probe = Filter::Field(Field::Name(String::new()), Asks::Matches(pattern.node.clone()));
        if let Err(error) = probe.check() {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim();
            let reason = reason.trim_start_matches("invalid filter: ").trim_start_matches("error: ");
            self.problems.push(Problem::new(pattern.span, format!("not a regular expression: {reason}")));
        }
    }

    /// A test on what the store says of every record.
    fn on_builtin(&mut self, builtin: Builtin, test: &Test, span: Span) -> Predicate {
        let source = || Expr::Source(Source::Builtin(builtin));
        let name = Builtin::ALL.iter().find(|(_, known)| *known == builtin).map_or("", |(name, _)| name);
        match (builtin, test) {
            (Builtin::Seq, Test::Compare(..) | Test::Equals(_) | Test::Differs(_) | Test::In(_)) => {
                Predicate::Filter(self.on_seq(test))
            }
            (Builtin::Ts | Builtin::Received, Test::Compare(comparison, operand)) => {
                let clock = if builtin == Builtin::Ts { Clock::Event } else { Clock::Received };
                match self.period(operand) {
                    Some(period) => Predicate::Filter(in_order(clock, *comparison, period)),
                    None => Predicate::Filter(Filter::everything()),
                }
            }
            (Builtin::Ts | Builtin::Received, Test::Equals(_) | Test::Differs(_) | Test::In(_)) => {
                self.warn_of_no_times(name, test);
                self.on_value(source(), name, test)
            }
            (Builtin::Id, Test::Equals(operand)) if !self.is_glob(operand) => {
                Predicate::Filter(Filter::Ids(vec![self.operand(operand).0]))
            }
            (Builtin::Id, Test::In(operands)) if !operands.iter().any(|operand| self.is_glob(operand)) => {
                Predicate::Filter(Filter::Ids(
                    operands.iter().map(|operand| self.operand(operand).0).collect(),
                ))
            }
            (Builtin::Ts, Test::Exists | Test::Unreadable) => self.on_kind(FieldKind::Time, test),
            (Builtin::Id, Test::Exists | Test::Unreadable) => self.on_kind(FieldKind::Id, test),
            (Builtin::Text, Test::Matches(_)) => self.on_value(source(), name, test),
            (Builtin::Text, _) => {
                let problem = Problem::new(span, "the text of an event can only be searched");
                self.problems.push(problem.help("write text ~ \"…\", or the words to find in quotes"));
                Predicate::Filter(Filter::everything())
            }
            _ => self.on_value(source(), name, test),
        }
    }

    /// A time is compared with a word that is none, or with a text: in quotes it is no period, nor a moment that is written
    /// otherwise than times are shown.
    fn warn_of_no_times(&mut self, name: &str, test: &Test) {
        let operands = match test {
            Test::Equals(operand) | Test::Differs(operand) => std::slice::from_ref(operand),
            Test::In(operands) => operands,
            Test::Exists | Test::Unreadable | Test::Compare(..) | Test::Matches(_) => &[],
        };
        for operand in operands {
            if self.is_glob(operand) || self.is_open(operand) {
                continue;
            }
            let (text, is_word) = self.operand(operand);
            match time::period(&text) {
                None => self.warnings.push(format!("`{name}` is compared with `{text}`, which is no time")),
                Some(period) if !is_word && period.start.to_string() != text => self.warnings.push(format!(
                    "`{name}` is compared with the text \"{text}\", and no time is shown so; write it without quotes"
                )),
                Some(_) => {}
            }
        }
    }

    /// Whether an event has a time, or an id, of its own, whatever its profile calls it.
    fn on_kind(&mut self, kind: FieldKind, test: &Test) -> Predicate {
        let test = if *test == Test::Exists { Asks::Exists } else { Asks::Unreadable };
        let names = self.setting.vocabulary.of_kind(kind);
        Predicate::Filter(Filter::Any(
            names.map(|name| Filter::Field(Field::Name(name.to_owned()), test.clone())).collect(),
        ))
    }

    fn is_glob(&self, operand: &Spanned<Operand>) -> bool {
        matches!(&operand.node, Operand::Word(word) if Glob::is_glob(word))
    }

    fn on_seq(&mut self, test: &Test) -> Filter {
        let one = |seq: Seq| Filter::Seqs(seq..seq.saturating_add(1));
        match test {
            Test::Equals(operand) => one(self.seq(operand)),
            Test::Differs(operand) => Filter::Not(Box::new(one(self.seq(operand)))),
            Test::In(operands) => {
                Filter::Any(operands.iter().map(|operand| one(self.seq(operand))).collect())
            }
            Test::Compare(comparison, operand) => {
                let seq = self.seq(operand);
                Filter::Seqs(match comparison {
                    Comparison::Less => 0..seq,
                    Comparison::LessOrEqual => 0..seq.saturating_add(1),
                    Comparison::Greater => seq.saturating_add(1)..Seq::MAX,
                    Comparison::GreaterOrEqual => seq..Seq::MAX,
                })
            }
            Test::Exists | Test::Unreadable | Test::Matches(_) => Filter::everything(),
        }
    }

    fn seq(&mut self, operand: &Spanned<Operand>) -> Seq {
        if self.is_open(operand) {
            return 0;
        }
        let (text, _) = self.operand(operand);
        text.parse().unwrap_or_else(|_| {
            self.problems.push(Problem::new(operand.span, format!("`{text}` is no seq: 0, 1, 2 and so on")));
            0
        })
    }

    /// A test on what is known of a row alone.
    fn on_value(&mut self, expr: Expr, name: &str, test: &Test) -> Predicate {
        let asked = match test {
            Test::Exists => Asked::Exists,
            Test::Unreadable => Asked::Unreadable,
            Test::Equals(operand) => Asked::Some(self.one_of(name, std::slice::from_ref(operand))),
            Test::In(operands) => Asked::Some(self.one_of(name, operands)),
            Test::Differs(operand) => Asked::None(self.one_of(name, std::slice::from_ref(operand))),
            Test::Compare(comparison, operand) => match self.order(name, *comparison, operand) {
                Some(check) => Asked::Some(check),
                None => Asked::Exists,
            },
            Test::Matches(pattern) => {
                self.check_pattern(pattern);
                match regex::bytes::Regex::new(&pattern.node) {
                    Ok(regex) => Asked::Some(Check::Matches(TermTest::Regex(regex))),
                    Err(_) => Asked::Exists,
                }
            }
        };
        Predicate::Value(expr, asked)
    }

    fn one_of(&mut self, name: &str, operands: &[Spanned<Operand>]) -> Check {
        let values: Vec<Value> = operands.iter().map(|operand| self.value(name, operand)).collect();
        let words = || {
            values.iter().filter_map(|value| match value {
                Value::Word(word) => Some(word.as_str()),
                Value::Text(_) => None,
            })
        };
        Check::OneOf {
            terms: TermTest::one_of(&values),
            periods: words().filter_map(time::period).collect(),
            durations: words().filter_map(time::duration).collect(),
        }
    }

    fn order(&mut self, name: &str, comparison: Comparison, operand: &Spanned<Operand>) -> Option<Check> {
        let (text, _) = self.operand(operand);
        let number = number(&text).or_else(|| in_unit_of(name, &text));
        let (period, duration) = (time::period(&text), time::duration(&text));
        if number.is_none() && period.is_none() && duration.is_none() && !self.is_open(operand) {
            self.problems.push(no_quantity(name, &text, operand));
            return None;
        }
        Some(Check::Order { comparison, number, period, duration })
    }
}

/// A control id, or a glob of them, in its one spelling.
pub(super) fn control(text: &str) -> String {
    normalise_control(text, None).into_owned()
}

/// Whether a word spells a number, a truth value or null.
fn is_literal(word: &str) -> bool {
    matches!(word, "true" | "false" | "null") || number(word).is_some()
}

/// That a time stands in this order to a period.
fn in_order(clock: Clock, comparison: Comparison, period: time::Period) -> Filter {
    let (bound, comparison) = period.bound(comparison);
    let next = || Timestamp(bound.0.saturating_add(1));
    let (from, until) = match comparison {
        Comparison::Less => (None, Some(bound)),
        Comparison::LessOrEqual => (None, Some(next())),
        Comparison::Greater => (Some(next()), None),
        Comparison::GreaterOrEqual => (Some(bound), None),
    };
    Filter::Time(clock, Window { from, until })
}

impl crate::ast::Period {
    /// Where it stands.
    fn span(&self) -> Span {
        use crate::ast::Period;
        match self {
            Period::Since(time) | Period::Until(time) | Period::During(time) => time.span,
            Period::Between(from, until) => from.span.to(until.span),
        }
    }
}
