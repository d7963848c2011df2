//! The one spelling of a query: what is printed here reads back as the same tree.

use std::fmt::{self, Display, Formatter, Write};

use indelible_engine::filter::Comparison;

use crate::ast::{
    Aggregate, Beside, Condition, Expression, FieldRef, Function, Head, Named, Operand, Period, Query, Side,
    SortKey, Stage, Test, Within,
};
use crate::lexer::is_plain;
use crate::span::Spanned;
use crate::words::{HEADS, RESERVED};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.explain {
            parts.push("explain".to_owned());
        }
        let has_head = self.head != Head::Conditions;
        if has_head {
            parts.push(self.head.to_string());
        }
        let is_time = |condition: &&Condition| matches!(condition, Condition::Time { .. });
        let times = self.conditions.iter().take_while(is_time).count();
        let (times, others) = self.conditions.split_at(times);
        parts.extend(times.iter().map(ToString::to_string));
        if !others.is_empty() {
            let joined = match others {
                [alone] if parts.is_empty() => alone.to_string(),
                _ => others.iter().map(|one| Grouped(one).to_string()).collect::<Vec<_>>().join(" and "),
            };
            parts.push(if has_head { format!("where {joined}") } else { joined });
        }
        f.write_str(&parts.join(" "))?;
        for stage in &self.stages {
            f.write_str(if parts.is_empty() { "| " } else { " | " })?;
            parts.push(String::new());
            stage.node.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Head {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = |seq: &Option<u64>| seq.map_or_else(String::new, |seq| seq.to_string());
        match self {
            Head::Conditions => Ok(()),
            Head::Timeline(field, value) => write!(f, "timeline {} {}", field.node, value.node),
            Head::Control(ids) => write!(f, "control {}", list(ids)),
            Head::Controls(None) => f.write_str("controls"),
            Head::Controls(Some(framework)) => write!(f, "controls framework {}", framework.node),
            Head::Event(ids) => write!(f, "event {}", list(ids)),
            Head::Seq(from, until) if from.is_some() && from == until => write!(f, "seq {}", end(from)),
            Head::Seq(from, until) => write!(f, "seq {}..{}", end(from), end(until)),
            Head::Around(seq, count) => write!(f, "around {seq} ±{count}"),
        }
    }
}

/// Items with commas between them.
fn list<T: Display>(items: &[Spanned<T>]) -> String {
    items.iter().map(|item| item.node.to_string()).collect::<Vec<_>>().join(", ")
}

fn plain_list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A condition that stands beside others.
struct Grouped<'c>(&'c Condition);

impl Display for Grouped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Condition::All(_) | Condition::Any(_) => write!(f, "({})", self.0),
            one => one.fmt(f),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let join = |f: &mut Formatter<'_>, conditions: &[Condition], word: &str| {
            for (index, condition) in conditions.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                Grouped(condition).fmt(f)?;
            }
            Ok(())
        };
        match self {
            Condition::All(conditions) => join(f, conditions, "and"),
            Condition::Any(conditions) => join(f, conditions, "or"),
            Condition::Not(condition) => write!(f, "not {}", Grouped(condition)),
            Condition::Test(left, test) => {
                let left = &left.node;
                match test {
                    Test::Exists => write!(f, "exists({left})"),
                    Test::Unreadable => write!(f, "unreadable({left})"),
                    Test::Equals(value) => write!(f, "{left} = {}", value.node),
                    Test::Differs(value) => write!(f, "{left} != {}", value.node),
                    Test::In(values) => write!(f, "{left} in ({})", list(values)),
                    Test::Compare(comparison, value) => {
                        let mark = match comparison {
                            Comparison::Less => "<",
                            Comparison::LessOrEqual => "<=",
                            Comparison::Greater => ">",
                            Comparison::GreaterOrEqual => ">=",
                        };
                        write!(f, "{left} {mark} {}", value.node)
                    }
                    Test::Matches(pattern) => write!(f, "{left} ~ {}", in_quotes(&pattern.node)),
                }
            }
            Condition::Text(text) => match &text.node {
                Operand::Text(text) if is_bare(text) => f.write_str(text),
                other => other.fmt(f),
            },
            Condition::Time { received, period } => {
                if *received {
                    f.write_str("received ")?;
                }
                period.fmt(f)
            }
        }
    }
}

/// Whether a text to search for can stand without quotes, wherever in a query it stands.
fn is_bare(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    let lower = text.to_lowercase();
    text.starts_with(|c: char| c.is_alphabetic())
        && text.chars().all(plain)
        && text.chars().all(is_plain)
        && !RESERVED.contains(&lower.as_str())
        && !HEADS.contains(&text)
}

/// A regular expression in quotes: its backslashes are its own.
fn in_quotes(pattern: &str) -> String {
    let (mut quoted, mut chars) = ("\"".to_owned(), pattern.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => {
                quoted.push('\\');
                quoted.extend(chars.next());
            }
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Period::Since(time) => write!(f, "since {}", time.node),
            Period::Until(time) => write!(f, "until {}", time.node),
            Period::Between(from, until) => write!(f, "between {} and {}", from.node, until.node),
            Period::During(period) => write!(f, "during {}", period.node),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Word(word) => f.write_str(word),
            Operand::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Operand::Param(name) => write!(f, "${name}"),
        }
    }
}

impl Display for FieldRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FieldRef::Name(name) => f.write_str(name),
            FieldRef::Path(path) => {
                let path = path.to_string();
                let starts = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@');
                // Without a dot or bracket it would be a name.
                if !path.starts_with(starts) || !path.contains(['.', '[']) {
                    f.write_str(".")?;
                }
                f.write_str(&path)
            }
        }
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Field(field) => field.fmt(f),
            Expression::Difference(of, less) => write!(f, "{of} - {less}"),
            Expression::Bin(field, width) => write!(f, "bin({field}, {})", width.node),
            Expression::Aggregate(aggregate) => aggregate.fmt(f),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.function.fmt(f)?;
        match &self.of {
            Some(of) => write!(f, "({of})"),
            None => f.write_str("()"),
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Avg => "avg",
            Function::Min => "min",
            Function::Max => "max",
            Function::Percentile(percent) => return write!(f, "p{percent}"),
            Function::Distinct => "distinct",
        })
    }
}

impl<T: Display> Display for Named<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.node.node.fmt(f)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " as {}", name.node))
    }
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.by.node.fmt(f)?;
        f.write_str(if self.descending { " desc" } else { "" })
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let by = |keys: &[Named<Expression>]| match keys {
            [] => String::new(),
            keys => format!(" by {}", plain_list(keys)),
        };
        match self {
            Stage::Where(condition) => write!(f, "where {condition}"),
            Stage::Fields(columns) => write!(f, "fields {}", plain_list(columns)),
            Stage::Sort(keys) => write!(f, "sort {}", plain_list(keys)),
            Stage::Limit(count) => write!(f, "limit {count}"),
            Stage::Tail(count) => write!(f, "tail {count}"),
            Stage::Sample(count, seed) => write!(f, "sample {count} seed {seed}"),
            Stage::Count(keys) => write!(f, "count{}", by(keys)),
            Stage::Stats(aggregates, keys) => write!(f, "stats {}{}", plain_list(aggregates), by(keys)),
            Stage::Distinct(columns) => write!(f, "distinct {}", plain_list(columns)),
            Stage::First(keys) => write!(f, "first by {}", list(keys)),
            Stage::Last(keys) => write!(f, "last by {}", list(keys)),
            Stage::Beside(beside) => beside.fmt(f),
        }
    }
}

impl Display for Beside {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.unless {
            f.write_str("unless ")?;
        }
        let side = match self.side {
            Side::Preceded => "preceded",
            Side::Followed => "followed",
        };
        write!(f, "{side} by ({})", self.filter)?;
        for (index, within) in self.within.iter().enumerate() {
            f.write_str(if index == 0 { " within " } else { " and " })?;
            match &within.node {
                Within::Field(field) => field.fmt(f)?,
                Within::Duration(duration) => f.write_str(duration)?,
            }
        }
        if self.strictly {
            f.write_char(' ')?;
            f.write_str("strictly")?;
        }
        Ok(())
    }
}
