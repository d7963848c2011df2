//! The language again, written as plainly as can be: every condition is asked of every event, every stage makes a new
//! list. It reads the tree and nothing of the planner or the executor; so what both say is what the language means.

use indelible_engine::filter::Comparison;
use indelible_engine::source::rfc3339;
use serde_json::Value as Json;

use crate::ast::{
    Aggregate, Beside, Condition, Expression, FieldRef, Function, Head, Named, Operand, Period, Query, Side,
    Stage, Test, Within,
};
use crate::{Decimal, Value, time};

/// An event, and what the store says of it.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) received: i64,
    pub(super) text: String,
    pub(super) json: Json,
}

/// A row: an event with what was added, or the columns of a table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    event: Option<Event>,
    columns: Vec<(String, Value)>,
}

impl Row {
    pub(super) fn show(&self) -> String {
        let seq = self.event.iter().map(|event| format!("#{}", event.seq));
        let values = self.columns.iter().map(|(_, value)| match value {
            Value::Missing => "-".to_owned(),
            value => value.to_string(),
        });
        seq.chain(values).collect::<Vec<_>>().join(" ")
    }
}

/// All rows of an answer: of these events, each beside any of the others.
pub(super) fn answer(query: &Query, events: &[Event], others: &[Event], now: i64) -> Vec<Row> {
    let is_of_head = |event: &Event| match &query.head {
        Head::Conditions => true,
        Head::Timeline(field, value) => {
            let field = FieldRef::Name(field.node.clone());
            let (values, _, _) = of_field(event, &field);
            values.iter().any(|found| is_value(found, &value.node))
        }
        Head::Seq(from, until) => {
            from.is_none_or(|from| event.seq >= from) && until.is_none_or(|until| event.seq <= until)
        }
        other => panic!("the naive one knows no {other:?}"),
    };
    let plain = |event: &Event| Row { event: Some(event.clone()), columns: Vec::new() };
    let mut rows: Vec<Row> = events.iter().filter(|event| is_of_head(event)).map(plain).collect();
    rows.retain(|row| query.conditions.iter().all(|condition| holds(condition, row, now)));
    if matches!(query.head, Head::Timeline(..)) {
        rows.sort_by_key(|row| moment(row.event.as_ref().unwrap()).0);
    }
    query.stages.iter().fold(rows, |rows, stage| staged(&stage.node, rows, others, now))
}

/// The time by which events are ordered, and whether it is the event's own.
fn moment(event: &Event) -> (i64, bool) {
    match event.json.get("ts").and_then(Json::as_str).and_then(|text| rfc3339(text.as_bytes())) {
        Some(time) => (time.0, true),
        None => (event.received, false),
    }
}

/// The values of a field, whether there is anything at all, and whether something could not be read.
fn of_field(event: &Event, field: &FieldRef) -> (Vec<Value>, bool, bool) {
    let named = |path: &[&str]| {
        let found = path.iter().try_fold(&event.json, |json, key| json.get(key));
        match found {
            None => (vec![], false, false),
            Some(Json::Array(_) | Json::Object(_)) => (vec![], true, true),
            Some(scalar) => (vec![of_json(scalar)], true, false),
        }
    };
    match field {
        FieldRef::Name(name) => match name.as_str() {
            "run" => named(&["run_id"]),
            "agent" => named(&["agent_id"]),
            "kind" => named(&["kind"]),
            "status" => named(&["status"]),
            "decision" => named(&["policy", "decision"]),
            "seq" => (vec![Value::Decimal(event.seq.into())], true, false),
            "ts" => (vec![Value::Time(indelible_engine::Timestamp(moment(event).0))], true, false),
            key => at_path(&event.json, &[key]),
        },
        FieldRef::Path(path) => at_path(&event.json, &path.to_string().split('.').collect::<Vec<_>>()),
    }
}

fn at_path(json: &Json, keys: &[&str]) -> (Vec<Value>, bool, bool) {
    let (mut values, mut exists) = (Vec::new(), false);
    follow(json, keys, &mut values, &mut exists);
    (values, exists, false)
}

fn follow(json: &Json, keys: &[&str], values: &mut Vec<Value>, exists: &mut bool) {
    match (json, keys) {
        (Json::Array(elements), _) => {
            *exists |= keys.is_empty();
            elements.iter().for_each(|element| follow(element, keys, values, exists));
        }
        (Json::Object(_), []) => *exists = true,
        (scalar, []) => {
            *exists = true;
            values.push(of_json(scalar));
        }
        (Json::Object(object), [key, rest @ ..]) => {
            if let Some(json) = object.get(*key) {
                follow(json, rest, values, exists);
            }
        }
        _ => {}
    }
}

fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Decimal(Decimal::parse(number.to_string().as_bytes()).unwrap()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => Value::Json(json.to_string()),
    }
}

/// The values of an expression.
fn each(expression: &Expression, row: &Row) -> (Vec<Value>, bool, bool) {
    let of_column = |name: &str| {
        let found = row.columns.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| match value {
            Value::Missing => (vec![], false, false),
            Value::Unreadable => (vec![], true, true),
            value => {
                let of_json = |json: &String| at_path(&serde_json::from_str(json).unwrap(), &[]).0;
                let each = value.each().iter().map(|one| match one {
                    Value::Json(json) => of_json(json),
                    one => vec![one.clone()],
                });
                (each.flatten().collect(), true, false)
            }
        })
    };
    let field = |field: &FieldRef| {
        of_column(&field.to_string()).unwrap_or_else(|| match &row.event {
            Some(event) => of_field(event, field),
            None => panic!("no column {field}"),
        })
    };
    match expression {
        Expression::Field(of) => field(of),
        Expression::Bin(..) if row.event.is_none() => of_column(&expression.to_string()).unwrap(),
        Expression::Bin(of, width) => {
            let width = time::duration(width).unwrap();
            let (values, exists, unreadable) = field(of);
            let bin =
                |value| as_time(&value).map_or(Value::Unreadable, |at| Value::Time(time::bin(at, width)));
            (values.into_iter().map(bin).collect(), exists, unreadable)
        }
        Expression::Aggregate(aggregate) => of_column(&aggregate_name(aggregate)).unwrap(),
        Expression::Difference(..) => panic!("the naive one knows no differences"),
    }
}

fn as_time(value: &Value) -> Option<indelible_engine::Timestamp> {
    match value {
        Value::Time(time) => Some(*time),
        Value::Text(text) => rfc3339(text.as_bytes()),
        _ => None,
    }
}

/// Each value once; that there is none, or none that can be read, is one too.
fn keys(expression: &Expression, row: &Row) -> Vec<Value> {
    let (mut values, _, unreadable) = each(expression, row);
    if unreadable {
        values.push(Value::Unreadable);
    }
    if values.is_empty() {
        values.push(Value::Missing);
    }
    values.sort();
    values.dedup();
    values
}

/// As a column shows it.
fn shown(expression: &Expression, row: &Row) -> Value {
    let name = expression.to_string();
    if let Some((_, value)) = row.columns.iter().find(|(known, _)| *known == name) {
        return value.clone();
    }
    if let (Expression::Field(_), Some(event)) = (expression, &row.event) {
        let is_named = ["run", "agent", "kind", "status", "decision", "seq", "ts"].contains(&name.as_str());
        if !is_named {
            let mut found = Vec::new();
            unfollowed(&event.json, &name.split('.').collect::<Vec<_>>(), &mut found);
            return Value::of_all(found);
        }
    }
    let (values, _, unreadable) = each(expression, row);
    if values.is_empty() && unreadable { Value::Unreadable } else { Value::of_all(values) }
}

/// What stands at a path, arrays at its end as they are.
fn unfollowed(json: &Json, keys: &[&str], found: &mut Vec<Value>) {
    match (json, keys) {
        (json, []) => found.push(of_json(json)),
        (Json::Array(elements), _) => elements.iter().for_each(|element| unfollowed(element, keys, found)),
        (Json::Object(object), [key, rest @ ..]) => {
            if let Some(json) = object.get(*key) {
                unfollowed(json, rest, found);
            }
        }
        _ => {}
    }
}

fn holds(condition: &Condition, row: &Row, now: i64) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|condition| holds(condition, row, now)),
        Condition::Any(any) => any.iter().any(|condition| holds(condition, row, now)),
        Condition::Not(condition) => !holds(condition, row, now),
        Condition::Text(text) => {
            let as_json = Json::from(written(&text.node)).to_string();
            row.event.as_ref().unwrap().text.contains(&as_json[1..as_json.len() - 1])
        }
        Condition::Time { received, period } => {
            let event = row.event.as_ref().unwrap();
            in_period(period, if *received { event.received } else { moment(event).0 }, now)
        }
        Condition::Test(of, test) => {
            let (values, exists, unreadable) = each(of, row);
            match test {
                Test::Exists => exists,
                Test::Unreadable => unreadable,
                Test::Equals(value) => values.iter().any(|found| is_value(found, &value.node)),
                Test::In(wanted) => {
                    values.iter().any(|found| wanted.iter().any(|value| is_value(found, &value.node)))
                }
                Test::Differs(value) => {
                    !values.is_empty() && !values.iter().any(|found| is_value(found, &value.node))
                }
                Test::Compare(comparison, value) => {
                    values.iter().any(|found| is_in_order(found, *comparison, written(&value.node)))
                }
                Test::Matches(pattern) => {
                    let regex = regex::Regex::new(pattern).unwrap();
                    values.iter().any(|found| match found {
                        Value::Text(text) => regex.is_match(text),
                        Value::Decimal(number) => regex.is_match(number.as_str()),
                        _ => false,
                    })
                }
            }
        }
    }
}

fn written(operand: &Operand) -> &str {
    match operand {
        Operand::Word(text) | Operand::Text(text) => text,
        Operand::Param(name) => panic!("${name} has no value"),
    }
}

fn is_value(found: &Value, operand: &Operand) -> bool {
    let (text, is_word) = (written(operand), matches!(operand, Operand::Word(_)));
    match found {
        Value::Text(found) if is_word && text.contains('*') => {
            let pattern = text.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
            regex::Regex::new(&format!("(?s)^{pattern}$")).unwrap().is_match(found)
        }
        Value::Text(found) => found == text,
        Value::Decimal(number) => {
            is_word && Decimal::parse(text.as_bytes()).is_some_and(|text| text == *number)
        }
        Value::Bool(truth) => is_word && text == truth.to_string(),
        Value::Null => is_word && text == "null",
        Value::Time(time) => {
            let is_in = || time::period(text).is_some_and(|period| period.contains(*time));
            time.to_string() == text || is_word && is_in()
        }
        _ => false,
    }
}

fn is_in_order(found: &Value, comparison: Comparison, text: &str) -> bool {
    if let Some(number) = Decimal::parse(text.as_bytes()) {
        return matches!(found, Value::Decimal(found) if comparison.holds(found.cmp(&number)));
    }
    match (as_time(found), time::period(text)) {
        (Some(time), Some(period)) => match comparison {
            Comparison::Less => time < period.start,
            Comparison::GreaterOrEqual => time >= period.start,
            Comparison::LessOrEqual => time < period.end || time == period.start,
            Comparison::Greater => time >= period.end && time > period.start,
        },
        _ => false,
    }
}

fn in_period(period: &Period, at: i64, now: i64) -> bool {
    let bounds = |operand: &Operand| match time::duration(written(operand)) {
        Some(ago) => (now - ago as i64, now - ago as i64),
        None => {
            let period = time::period(written(operand)).unwrap();
            (period.start.0, period.end.0)
        }
    };
    match period {
        Period::Since(from) => at >= bounds(&from.node).0,
        Period::Until(until) => at < bounds(&until.node).1,
        Period::Between(from, until) => at >= bounds(&from.node).0 && at < bounds(&until.node).1,
        Period::During(during) => at >= bounds(&during.node).0 && at < bounds(&during.node).1,
    }
}

fn staged(stage: &Stage, mut rows: Vec<Row>, events: &[Event], now: i64) -> Vec<Row> {
    let table = |columns: &[Named<Expression>], row: &Row| -> Row {
        let columns = columns.iter().map(|column| (name_of(column), shown(&column.node.node, row)));
        Row { event: None, columns: columns.collect() }
    };
    match stage {
        Stage::Where(condition) => rows.retain(|row| holds(condition, row, now)),
        Stage::Fields(columns) => rows = rows.iter().map(|row| table(columns, row)).collect(),
        Stage::Sort(keys) => rows.sort_by(|a, b| {
            let orders = keys.iter().map(|key| {
                let (a, b) = (shown(&key.by.node, a), shown(&key.by.node, b));
                let none = |value: &Value| matches!(value, Value::Missing | Value::Unreadable);
                match (none(&a), none(&b)) {
                    (false, false) if key.descending => b.cmp(&a),
                    (a_none, b_none) => a_none.cmp(&b_none).then(a.cmp(&b)),
                }
            });
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        }),
        Stage::Limit(count) => rows.truncate(*count as usize),
        Stage::Tail(count) => drop(rows.drain(..rows.len().saturating_sub(*count as usize))),
        Stage::Count(by) => {
            let count = Aggregate { function: Function::Count, of: None };
            rows = grouped(by, &[("count".to_owned(), count)], &rows);
        }
        Stage::Stats(aggregates, by) => {
            let named: Vec<_> = aggregates
                .iter()
                .map(|aggregate| {
                    let name = aggregate.name.as_ref().map(|name| name.node.clone());
                    let same = aggregates.iter().filter(|other| {
                        other.name.is_none() && other.node.function == aggregate.node.function
                    });
                    let short = aggregate.node.function.to_string();
                    let own = if same.count() == 1 { short } else { aggregate.node.node.to_string() };
                    (name.unwrap_or(own), aggregate.node.node.clone())
                })
                .collect();
            rows = grouped(by, &named, &rows);
        }
        Stage::Distinct(columns) => {
            let mut seen: Vec<Row> = Vec::new();
            for row in rows.iter().map(|row| table(columns, row)) {
                if !seen.iter().any(|known| known.columns == row.columns) {
                    seen.push(row);
                }
            }
            rows = seen;
        }
        Stage::First(by) | Stage::Last(by) => {
            let key = |row: &Row| by.iter().map(|by| shown(&by.node, row)).collect::<Vec<_>>();
            let last = matches!(stage, Stage::Last(_));
            let all = rows.clone();
            let mut at = 0;
            rows.retain(|row| {
                let others = if last { &all[at + 1..] } else { &all[..at] };
                at += 1;
                others.iter().all(|other| key(other) != key(row))
            });
        }
        Stage::Beside(of) => rows = rows.into_iter().filter_map(|row| beside(of, row, events, now)).collect(),
        Stage::Sample(..) => panic!("the naive one draws no samples"),
    }
    rows
}

fn name_of(named: &Named<Expression>) -> String {
    named.name.as_ref().map_or_else(|| named.node.node.to_string(), |name| name.node.clone())
}

fn aggregate_name(aggregate: &Aggregate) -> String {
    if aggregate.function == Function::Count { "count".to_owned() } else { aggregate.to_string() }
}

fn grouped(by: &[Named<Expression>], aggregates: &[(String, Aggregate)], rows: &[Row]) -> Vec<Row> {
    let mut groups: Vec<(Vec<Value>, Vec<&Row>)> = Vec::new();
    if by.is_empty() {
        groups.push((Vec::new(), Vec::new()));
    }
    for row in rows {
        let mut combinations = vec![Vec::new()];
        for key in by {
            let mut longer = Vec::new();
            for begun in &combinations {
                for value in keys(&key.node.node, row) {
                    let mut key: Vec<Value> = begun.clone();
                    key.push(value);
                    longer.push(key);
                }
            }
            combinations = longer;
        }
        for key in combinations {
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, of_group)) => of_group.push(row),
                None => groups.push((key, vec![row])),
            }
        }
    }
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    let row_of = |(key, rows): (Vec<Value>, Vec<&Row>)| {
        let keys = by.iter().map(name_of).zip(key);
        let said = aggregates.iter().map(|(name, aggregate)| (name.clone(), say(aggregate, &rows)));
        Row { event: None, columns: keys.chain(said).collect() }
    };
    groups.into_iter().map(row_of).collect()
}

fn say(aggregate: &Aggregate, rows: &[&Row]) -> Value {
    let Some(of) = &aggregate.of else { return Value::Decimal((rows.len() as u64).into()) };
    let mut values: Vec<Value> = rows.iter().flat_map(|row| each(of, row).0).collect();
    if aggregate.function == Function::Distinct {
        values.sort();
        values.dedup();
        return Value::Decimal((values.len() as u64).into());
    }
    let is_extreme = matches!(aggregate.function, Function::Min | Function::Max);
    values.retain(|value| {
        let has_order = matches!(value, Value::Decimal(_) | Value::Time(_));
        let has_sum = matches!(value, Value::Decimal(_));
        match aggregate.function {
            Function::Sum | Function::Avg => has_sum,
            _ => has_order || is_extreme && matches!(value, Value::Text(_)),
        }
    });
    values.sort();
    if values.is_empty() {
        return Value::Missing;
    }
    // The numbers are halves of small ones: f64 is exact on them.
    let sum: f64 = values.iter().filter_map(|value| value.to_string().parse::<f64>().ok()).sum();
    let number = |number: f64| Value::Decimal(Decimal::parse(format!("{number}").as_bytes()).unwrap());
    match aggregate.function {
        Function::Sum => number(sum),
        Function::Min => values[0].clone(),
        Function::Max => values[values.len() - 1].clone(),
        Function::Percentile(percent) => {
            let rank = (percent as f64 / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
            values[rank - 1].clone()
        }
        other => panic!("the naive one knows no {other}"),
    }
}

/// Looks at every other event, as the language's page says it.
fn beside(of: &Beside, mut row: Row, events: &[Event], now: i64) -> Option<Row> {
    let event = row.event.clone().unwrap();
    let (time, known) = moment(&event);
    let mut best: Option<(bool, i64, u64)> = None;
    let (mut sure, mut doubtful, mut any) = (false, false, false);
    for other in events {
        let other_row = Row { event: Some(other.clone()), columns: Vec::new() };
        if other.seq == event.seq || !holds(&of.filter, &other_row, now) {
            continue;
        }
        let (other_time, other_known) = moment(other);
        let apart = (time - other_time).abs();
        let is_near = of.within.iter().all(|within| match &within.node {
            Within::Duration(longest) => i128::from(apart) <= time::duration(longest).unwrap(),
            Within::Field(field) => {
                let usable = |event: &Event| {
                    let (mut values, _, _) = of_field(event, field);
                    values.retain(|value| *value != Value::Null);
                    values
                };
                let theirs = usable(other);
                usable(&event).iter().any(|value| theirs.contains(value))
            }
        });
        if !is_near {
            continue;
        }
        let (a, b) = match of.side {
            Side::Preceded => ((other_time, other.seq), (time, event.seq)),
            Side::Followed => ((time, event.seq), (other_time, other.seq)),
        };
        let (by_time, by_log) = (a < b, a.1 < b.1);
        let is_disputed = by_time != by_log || !known || !other_known;
        if by_time {
            any = true;
            sure |= !is_disputed;
            // The nearest; one of which there is no doubt before any other.
            let nearer = match of.side {
                Side::Preceded => (!is_disputed, other_time, other.seq),
                Side::Followed => (!is_disputed, -other_time, u64::MAX - other.seq),
            };
            if best.is_none_or(|best| best < nearer) {
                best = Some(nearer);
            }
        }
        doubtful |= (by_time || by_log) && is_disputed;
    }
    let is_beside = if of.strictly { sure } else { any };
    if is_beside == of.unless {
        return None;
    }
    let mut set = |name: &str, value: Value| match row.columns.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) if name == "disputed" && *known == Value::Bool(true) => {}
        Some((_, known)) => *known = value,
        None => row.columns.push((name.to_owned(), value)),
    };
    if !of.unless
        && let Some((_, at, seq)) = best
    {
        let (at, seq) = if of.side == Side::Preceded { (at, seq) } else { (-at, u64::MAX - seq) };
        set("other.seq", Value::Decimal(seq.into()));
        set("other.ts", Value::Time(indelible_engine::Timestamp(at)));
        set("other.delay", Value::Duration(i128::from((time - at).abs())));
    }
    set("disputed", Value::Bool(!sure && doubtful));
    Some(row)
}
