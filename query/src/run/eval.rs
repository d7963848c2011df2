//! Expressions on rows: what a field, a path or a column is worth, and what is computed of it.

use indelible_engine::source::{
    EventTime, FieldKind, FoundValue, JsonValue, Path, Paths, Slot, Term, TermKind, rfc3339,
};
use indelible_engine::{Seq, Timestamp};

use super::row::{OfRecord, Place, Row};
use crate::decimal::Decimal;
use crate::error::Result;
use crate::event::Event;
use crate::plan::{Builtin, Expr, Source};
use crate::time;
use crate::value::Value;

/// What is at a field: its values, and whether something there could not be read.
#[derive(Debug, Default)]
pub(crate) struct Values {
    values: Vec<Value>,
    /// How an array or object at a path is shown, instead of its elements.
    whole: Option<Value>,
    is_unreadable: bool,
}

impl Values {
    fn one(value: Value) -> Values {
        Values { values: vec![value], ..Values::default() }
    }

    fn none(is_unreadable: bool) -> Values {
        Values { is_unreadable, ..Values::default() }
    }

    /// As one value, for a column.
    pub(crate) fn shown(self) -> Value {
        match self.whole {
            Some(whole) => whole,
            None if self.values.is_empty() && self.is_unreadable => Value::Unreadable,
            None => Value::of_all(self.values),
        }
    }

    /// Each value once, for groups; what could not be read is one of them, and so is it that there is none.
    fn keys(self) -> Vec<Value> {
        let mut keys = self.each();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            keys.push(Value::Missing);
        }
        keys
    }

    /// Each value.
    fn each(self) -> Vec<Value> {
        let mut values = self.values;
        if self.is_unreadable {
            values.push(Value::Unreadable);
        }
        values
    }
}

/// Expressions, compiled, and the buffers to evaluate them.
#[derive(Debug, Default)]
pub(crate) struct Evaluator {
    exprs: Vec<Compiled>,
    paths: Paths,
    found: Vec<FoundValue>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Compiled {
    Source(At),
    Difference(At, At),
    Bin(At, i128),
}

#[derive(Debug)]
enum At {
    Builtin(Builtin),
    /// A name, and its place in the records of the source that was met last.
    Name(String, Option<(Seq, Place)>),
    Path(usize),
    Column(usize),
}

impl Evaluator {
    pub(crate) fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Evaluator {
        let mut evaluator = Evaluator::default();
        for expr in exprs {
            evaluator.add(expr);
        }
        evaluator
    }

    /// Adds an expression; its place is how it is asked for.
    pub(crate) fn add(&mut self, expr: &Expr) -> usize {
        let compiled = match expr {
            Expr::Source(source) => Compiled::Source(self.at(source)),
            Expr::Difference(of, less) => Compiled::Difference(self.at(of), self.at(less)),
            Expr::Bin(source, width) => Compiled::Bin(self.at(source), *width),
        };
        self.exprs.push(compiled);
        self.exprs.len() - 1
    }

    fn at(&mut self, source: &Source) -> At {
        match source {
            Source::Builtin(builtin) => At::Builtin(*builtin),
            Source::Name(name) => At::Name(name.clone(), None),
            Source::Path(path) => At::Path(self.paths.add(path)),
            Source::Column(column) => At::Column(*column),
        }
    }

    /// How many expressions there are.
    pub(crate) fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Follows the paths of this row's event; the other calls are about the row that was loaded last.
    pub(crate) fn load(&mut self, row: &Row) -> Result<()> {
        match &row.event {
            Some(event) => Ok(self.paths.find(event.body(), &mut self.found)?),
            None => Ok(()),
        }
    }

    /// The value of an expression, for a column.
    pub(crate) fn shown(&mut self, place: usize, row: &Row) -> Result<Value> {
        self.values(place, row).map(Values::shown)
    }

    /// The values of an expression, for groups.
    pub(crate) fn keys(&mut self, place: usize, row: &Row) -> Result<Vec<Value>> {
        self.values(place, row).map(Values::keys)
    }

    /// The values of an expression, each as often as it is there.
    pub(crate) fn each(&mut self, place: usize, row: &Row) -> Result<Vec<Value>> {
        self.values(place, row).map(Values::each)
    }

    /// All expressions, as columns.
    pub(crate) fn columns(&mut self, row: &Row) -> Result<Vec<Value>> {
        self.load(row)?;
        (0..self.len()).map(|place| self.shown(place, row)).collect()
    }

    /// What is there, null and the unreadable among it.
    pub(crate) fn values(&mut self, place: usize, row: &Row) -> Result<Values> {
        let Evaluator { exprs, found, buffer, .. } = self;
        let Some(compiled) = exprs.get_mut(place) else { return Ok(Values::default()) };
        let mut values = |at: &mut At| of_source(at, row, found, buffer);
        match compiled {
            Compiled::Source(at) => values(at),
            Compiled::Difference(of, less) => {
                let (of, less) = (values(of)?.shown(), values(less)?.shown());
                Ok(match difference(&of, &less) {
                    Value::Missing => Values::default(),
                    Value::Unreadable => Values::none(true),
                    value => Values::one(value),
                })
            }
            Compiled::Bin(at, width) => {
                let mut values = values(at)?;
                values.whole = None;
                for value in &mut values.values {
                    *value =
                        as_time(value).map_or(Value::Unreadable, |at| Value::Time(time::bin(at, *width)));
                }
                Ok(values)
            }
        }
    }
}

fn of_source(at: &mut At, row: &Row, found: &[FoundValue], buffer: &mut Vec<u8>) -> Result<Values> {
    let Some(event) = &row.event else {
        let At::Column(column) = at else { return Ok(Values::default()) };
        return of_column(row, *column);
    };
    match at {
        At::Column(column) => of_column(row, *column),
        At::Builtin(builtin) => of_builtin(event, *builtin),
        At::Path(path) => Ok(of_path(event.body(), found, *path, buffer)),
        At::Name(name, known) => {
            let place = match known {
                Some((source, place)) if *source == event.source() => *place,
                _ => place(event, name),
            };
            *known = Some((event.source(), place));
            of_name(event, place)
        }
    }
}

/// What is in a column: an object or array there is what it would be at a path.
fn of_column(row: &Row, column: usize) -> Result<Values> {
    let value = match row.values.get(column) {
        None | Some(Value::Missing) => return Ok(Values::default()),
        Some(Value::Unreadable) => return Ok(Values::none(true)),
        Some(value) => value,
    };
    let (mut values, mut whole) = (Vec::with_capacity(value.each().len()), None);
    for one in value.each() {
        match one.container() {
            Some(json) => {
                values.extend(of_container(json)?);
                whole = Some(value.clone());
            }
            None => values.push(one.clone()),
        }
    }
    Ok(Values { values, whole, is_unreadable: false })
}

/// The values of an object or array: found as those at a path are, in an event around it.
fn of_container(json: &str) -> Result<Vec<Value>> {
    let (mut paths, mut found) = (Paths::default(), Vec::new());
    let (event, path) = (format!("{{\"_\":{json}}}"), paths.add(&Path::key("_")));
    paths.find(event.as_bytes(), &mut found)?;
    Ok(of_path(event.as_bytes(), &found, path, &mut Vec::new()).values)
}

fn of_builtin(event: &Event, builtin: Builtin) -> Result<Values> {
    Ok(match builtin {
        Builtin::Seq => Values::one(Value::count(event.seq())),
        Builtin::Received => Values::one(Value::Time(event.received_at())),
        Builtin::Ts => Values::one(Value::Time(event.time()?)),
        Builtin::Segment => Values::one(Value::count(event.segment().0)),
        Builtin::Text => Values::one(Value::Text(String::from_utf8_lossy(event.body()).into_owned())),
        Builtin::Id => match event.fields()?.event_id() {
            Some(id) => Values::one(Value::Text(String::from_utf8_lossy(id).into_owned())),
            None => Values::none(false),
        },
    })
}

/// What a name means in the records of the event's source.
pub(crate) fn place(event: &Event, name: &str) -> Place {
    let of_record = match name {
        "source" => Some(OfRecord::Source),
        "encoding" => Some(OfRecord::Encoding),
        "day" => Some(OfRecord::Day),
        "label" => Some(OfRecord::Label),
        _ => None,
    };
    if let Some(of_record) = of_record {
        return Place::OfRecord(of_record);
    }
    let fields = event.profile().fields();
    let slot = fields.iter().position(|field| field.name == name);
    let found = slot.and_then(|slot| Some((Slot::try_from(slot).ok()?, fields.get(slot)?.kind)));
    found.map_or(Place::Nowhere, |(slot, kind)| Place::Slot(slot, kind))
}

/// What an event has in the field that its profile calls `name`.
pub(crate) fn of_name(event: &Event, place: Place) -> Result<Values> {
    let of_time = |show: fn(Timestamp) -> Value| -> Result<Values> {
        Ok(match event.event_time()? {
            EventTime::Known(time) => Values::one(show(time)),
            time => Values::none(time == EventTime::Unreadable),
        })
    };
    Ok(match place {
        Place::Nowhere => Values::default(),
        Place::OfRecord(OfRecord::Source) => Values::one(Value::count(event.source())),
        Place::OfRecord(OfRecord::Encoding) => Values::one(Value::count(u64::from(event.encoding()))),
        Place::OfRecord(OfRecord::Label) => {
            let labels = event.labels();
            let values = labels.iter().map(|label| Value::Text(label.to_owned())).collect();
            Values { values, ..Values::default() }
        }
        Place::OfRecord(OfRecord::Day) => of_time(|time| Value::Text(time.day_text()))?,
        Place::Slot(_, FieldKind::Time) => of_time(Value::Time)?,
        Place::Slot(slot, FieldKind::Id) => match event.fields()?.event_id() {
            Some(id) => Values::one(Value::of_term(Term { kind: TermKind::Text, bytes: id })),
            None => Values::none(event.fields()?.unreadable().contains(&slot)),
        },
        Place::Slot(slot, _) => {
            let fields = event.fields()?;
            let terms = fields.terms().filter(|(at, _)| *at == slot);
            let values = terms.map(|(_, term)| Value::of_term(term)).collect();
            Values { values, whole: None, is_unreadable: fields.unreadable().contains(&slot) }
        }
    })
}

/// What stands at a path.
pub(crate) fn of_path(body: &[u8], found: &[FoundValue], path: usize, buffer: &mut Vec<u8>) -> Values {
    let (mut values, mut shown) = (Vec::new(), Vec::new());
    let mut is_container = false;
    for value in found.iter().filter(|value| value.path == path) {
        let json = value.value(body, buffer);
        let typed = of_json(json);
        if matches!(json, JsonValue::Container(_)) {
            is_container |= !value.element;
        } else {
            values.push(typed.clone());
        }
        if !value.element {
            shown.push(typed);
        }
    }
    let whole = is_container.then(|| Value::of_all(shown));
    Values { values, whole, is_unreadable: false }
}

fn of_json(json: JsonValue<'_>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match json {
        JsonValue::Text(bytes) => Value::Text(text(bytes)),
        JsonValue::Number(number) => {
            Decimal::parse(number).map_or_else(|| Value::Json(text(number)), Value::Decimal)
        }
        JsonValue::Bool(truth) => Value::Bool(truth),
        JsonValue::Null => Value::Null,
        JsonValue::Container(bytes) => Value::Json(text(bytes)),
    }
}

/// One value less another: nothing where one is missing or null, unreadable where they are not of a kind.
fn difference(of: &Value, less: &Value) -> Value {
    if let (Value::Missing | Value::Null, _) | (_, Value::Missing | Value::Null) = (of, less) {
        return Value::Missing;
    }
    match (of, less) {
        (Value::Decimal(of), Value::Decimal(less)) => Value::Decimal(of.minus(less)),
        (Value::Duration(of), Value::Duration(less)) => Value::Duration(of - less),
        _ => match (as_time(of), as_time(less)) {
            (Some(of), Some(less)) => Value::Duration(i128::from(of.0) - i128::from(less.0)),
            _ => Value::Unreadable,
        },
    }
}

/// The time that a value is, or writes by RFC 3339.
pub(crate) fn as_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Time(time) => Some(*time),
        Value::Text(text) => rfc3339(text.as_bytes()),
        _ => None,
    }
}
