//! A row as named cells, for the formats that have columns: those for programs have one for each field, the table for
//! people says more in fewer.

use indelible::query::Value;

use super::story::beat::Beat;
use super::story::delay::Approvals;
use super::{Line, Sheet};
use crate::exit::Outcome;

/// What columns tell of an event, the well-known fields of its profile among it.
const OF_EVENT: [&str; 11] =
    ["seq", "ts", "run", "agent", "actor", "kind", "environment", "decision", "rule", "approver", "status"];
/// What `--integrity` adds.
const OF_INTEGRITY: [&str; 5] = ["received_at", "segment", "prev_hash", "hash", "sig_alg"];

/// What the table for people tells of an event.
const FOR_PEOPLE: [&str; 5] = ["seq", "ts", "run", "actor", "kind"];

/// The headings of rows that look like this.
pub(super) fn headings(sheet: &Sheet) -> Vec<String> {
    let of_event: &[&str] = if sheet.is_events { &OF_EVENT } else { &[] };
    let of_event = of_event.iter().filter(|name| !is_added(sheet, name)).map(|name| (*name).to_owned());
    of_event.chain(sheet.columns.iter().cloned()).chain(of_integrity(sheet)).collect()
}

/// The cells of a row, one for each heading.
pub(super) fn cells(sheet: &Sheet, line: &Line<'_>) -> Outcome<Vec<Value>> {
    let mut cells = Vec::new();
    if let Some(event) = line.row.event() {
        for name in OF_EVENT.iter().filter(|name| !is_added(sheet, name)) {
            cells.push(match *name {
                "seq" => Value::Decimal(event.seq().into()),
                "ts" => Value::Time(event.time()?),
                name => line.row.field(name)?,
            });
        }
    }
    add(sheet, line, &mut cells);
    Ok(cells)
}

/// The headings of the table for people.
pub(super) fn headings_for_people(sheet: &Sheet) -> Vec<String> {
    if !sheet.is_events {
        return headings(sheet);
    }
    let of_event = FOR_PEOPLE.iter().map(|name| (*name).to_owned());
    let details = std::iter::once("details".to_owned());
    of_event.chain(sheet.columns.iter().cloned()).chain(of_integrity(sheet)).chain(details).collect()
}

/// The cells of a row of the table for people.
pub(super) fn cells_for_people(sheet: &Sheet, line: &Line<'_>) -> Outcome<Vec<Value>> {
    let alone = Sheet { columns: Vec::new(), has_integrity: false, ..sheet.clone() };
    // Rows of a table are no story: what one says of approvals, it says of itself.
    let Some(beat) = Beat::of(line, &alone, &mut Approvals::default())? else { return cells(sheet, line) };
    let details = Value::Text(beat.details());
    let run = line.row.field("run")?;
    let mut cells = vec![
        Value::Decimal(beat.seq.into()),
        Value::Time(beat.time),
        run,
        Value::Text(beat.who),
        Value::Text(beat.kind),
    ];
    add(sheet, line, &mut cells);
    cells.push(details);
    Ok(cells)
}

/// Whether the query added a column of this name.
fn is_added(sheet: &Sheet, name: &str) -> bool {
    sheet.columns.iter().any(|column| column == name)
}

fn of_integrity(sheet: &Sheet) -> impl Iterator<Item = String> {
    let names: &[&str] = if sheet.has_integrity { &OF_INTEGRITY } else { &[] };
    names.iter().map(|name| (*name).to_owned())
}

/// Adds what the query added to an event, and what ties it into the log.
fn add(sheet: &Sheet, line: &Line<'_>, cells: &mut Vec<Value>) {
    let values = line.row.values();
    cells.extend((0..sheet.columns.len()).map(|at| values.get(at).cloned().unwrap_or(Value::Missing)));
    let Some(tied) = line.tied else { return };
    let text = |text: Option<String>| text.map_or(Value::Missing, Value::Text);
    let integrity = tied.record.integrity.as_ref();
    cells.push(Value::Time(tied.record.received_at));
    cells.push(Value::Decimal(tied.record.segment.0.into()));
    cells.push(text(integrity.map(|integrity| integrity.predecessor.to_string())));
    cells.push(text(integrity.map(|integrity| integrity.leaf.to_string())));
    cells.push(text(tied.sig_alg.map(str::to_owned)));
}
