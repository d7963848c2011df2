//! Rows as JSON. An event alone is what was appended; with anything added it is the member `event` of an object.
//! What is missing has no member: so it differs from what is null.

use indelible::query::Value;

use super::{Line, Sheet};
use crate::exit::Outcome;
use crate::output::Out;
use crate::show;

/// Rows as lines of JSON, or as one array.
pub(crate) struct Json {
    sheet: Sheet,
    is_array: bool,
    /// The row that was taken last: a comma follows it, or the end.
    last: Option<Vec<u8>>,
    has_begun: bool,
}

impl Json {
    /// An object a line.
    pub(super) fn lines(sheet: Sheet) -> Json {
        Json { sheet, is_array: false, last: None, has_begun: false }
    }

    /// One array, with a line for each row.
    pub(super) fn array(sheet: Sheet) -> Json {
        Json { is_array: true, ..Json::lines(sheet) }
    }

    pub(super) fn row(&mut self, out: &mut Out, line: &Line<'_>) -> Outcome<()> {
        let text = object(&self.sheet, line);
        if !self.is_array {
            return out.bytes(&text);
        }
        self.begin(out)?;
        if let Some(mut before) = self.last.replace(text) {
            before.push(b',');
            out.bytes(&before)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, out: &mut Out) -> Outcome<()> {
        if !self.is_array {
            return Ok(());
        }
        self.begin(out)?;
        if let Some(last) = self.last.take() {
            out.bytes(&last)?;
        }
        out.line("]")
    }

    fn begin(&mut self, out: &mut Out) -> Outcome<()> {
        if std::mem::replace(&mut self.has_begun, true) { Ok(()) } else { out.line("[") }
    }
}

fn object(sheet: &Sheet, line: &Line<'_>) -> Vec<u8> {
    let event = line.row.event().map(|event| one_line(event.body()));
    if let Some(event) = &event
        && sheet.columns.is_empty()
        && line.tied.is_none()
    {
        return event.clone();
    }
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(event) = event {
        members.push(("event".to_owned(), event));
    }
    let columns = sheet.columns.iter().zip(line.row.values());
    for (name, value) in columns.filter(|(_, value)| **value != Value::Missing) {
        members.push((name.clone(), value.to_json().into_bytes()));
    }
    if let Some(tied) = line.tied {
        members.push(("integrity".to_owned(), show::integrity(&tied.record, tied.sig_alg)));
    }
    let mut text = vec![b'{'];
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(Value::Text(name.clone()).to_json().as_bytes());
        text.push(b':');
        text.extend_from_slice(value);
    }
    text.push(b'}');
    text
}

/// The event on one line: between its tokens a line end is as good as a space, and inside of them there is none.
fn one_line(event: &[u8]) -> Vec<u8> {
    event.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}
