//! Rows as lines of JSON, or as one array of it.

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
        let integrity = line.tied.map(|tied| show::integrity(&tied.record, tied.sig_alg));
        let text = line.row.to_json(&self.sheet.columns, integrity.as_deref());
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
