//! Comma-separated values, by RFC 4180: a heading, lines that end in CR LF, quotes where they are needed.

use indelible::query::Value;

use super::{Line, Sheet, cells};
use crate::exit::Outcome;
use crate::output::Out;

/// Rows as comma-separated values.
pub(crate) struct Csv {
    sheet: Sheet,
    has_heading: bool,
}

impl Csv {
    pub(super) fn new(sheet: Sheet) -> Csv {
        Csv { sheet, has_heading: false }
    }

    pub(super) fn row(&mut self, out: &mut Out, line: &Line<'_>) -> Outcome<()> {
        self.heading(out)?;
        let cells = cells::cells(&self.sheet, line)?;
        print(out, cells.iter().map(plain))
    }

    /// An answer without rows has its heading all the same.
    pub(super) fn finish(&mut self, out: &mut Out) -> Outcome<()> {
        self.heading(out)
    }

    fn heading(&mut self, out: &mut Out) -> Outcome<()> {
        if std::mem::replace(&mut self.has_heading, true) {
            return Ok(());
        }
        print(out, cells::headings(&self.sheet))
    }
}

/// A value as programs read it: durations in seconds, nothing for what is missing.
fn plain(value: &Value) -> String {
    match value {
        Value::Duration(_) => value.to_json(),
        other => other.to_string(),
    }
}

fn print(out: &mut Out, fields: impl IntoIterator<Item = String>) -> Outcome<()> {
    let mut record = record(fields);
    if !out.is_terminal() {
        record.push('\r');
    }
    out.bytes(record.as_bytes())
}

/// One record, without the line's end.
pub(super) fn record(fields: impl IntoIterator<Item = String>) -> String {
    let mut record = String::new();
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            record.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            record.push('"');
            record.push_str(&field.replace('"', "\"\""));
            record.push('"');
        } else {
            record.push_str(&field);
        }
    }
    record
}
