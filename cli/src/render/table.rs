//! Rows in columns for people, and as a table of Markdown.

use indelible::query::Value;

use super::grid::{Cell, Grid};
use super::{Line, Sheet, cells};
use crate::exit::Outcome;
use crate::output::{self, Colour, Out, escape};

/// So many rows are looked at to see how wide the columns must be.
const HELD_MAX: usize = 500;
/// Longest cell that is kept, in characters: no terminal is wider.
const CELL_LEN_MAX: usize = 1_000;
/// Columns of names: what they hold tells rows apart, and is of no use when it is cut.
const OF_NAMES: [&str; 4] = ["run", "control", "framework", "evidence"];
/// Longest text that counts as a name, in characters: a digest with its algorithm has 71.
const NAME_LEN_MAX: usize = 80;

/// Rows as a table.
pub(crate) struct Table {
    sheet: Sheet,
    headings: Vec<String>,
    width: Option<usize>,
    is_markdown: bool,
    /// Rows that wait for the layout; none of them once it is known.
    held: Vec<Vec<Cell>>,
    grid: Option<Grid>,
    /// The columns that are shown.
    shown: Vec<usize>,
}

impl Table {
    pub(super) fn new(sheet: Sheet, out: &Out) -> Table {
        let headings = cells::headings_for_people(&sheet);
        let shown = (0..headings.len()).collect();
        let (held, grid) = (Vec::new(), None);
        Table { sheet, headings, width: out.width(), is_markdown: false, held, grid, shown }
    }

    pub(super) fn markdown(sheet: Sheet) -> Table {
        let headings = cells::headings(&sheet);
        let shown = (0..headings.len()).collect();
        Table { sheet, headings, width: None, is_markdown: true, held: Vec::new(), grid: None, shown }
    }

    pub(super) fn row(&mut self, out: &mut Out, line: &Line<'_>) -> Outcome<()> {
        let values = if self.is_markdown {
            cells::cells(&self.sheet, line)?
        } else {
            cells::cells_for_people(&self.sheet, line)?
        };
        let row: Vec<Cell> = values.iter().enumerate().map(|(at, value)| self.cell(at, value)).collect();
        if self.grid.is_some() {
            return self.print(out, &row);
        }
        self.held.push(row);
        if self.held.len() > HELD_MAX { self.lay_out(out) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self, out: &mut Out) -> Outcome<()> {
        if self.held.is_empty() { Ok(()) } else { self.lay_out(out) }
    }

    pub(super) fn finish(&mut self, out: &mut Out) -> Outcome<()> {
        if self.grid.is_some() {
            return Ok(());
        }
        if self.held.is_empty() && (!self.is_markdown || self.headings.is_empty()) {
            return Ok(());
        }
        // All rows are here: a column in which no event has anything says nothing. Where there is no row, the heading of
        // Markdown says which columns there are, as that of CSV does.
        if self.sheet.is_events && !self.held.is_empty() {
            let says =
                |at: &usize| self.held.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.is_empty()));
            let is_asked = |at: &usize| {
                self.headings.get(*at).is_some_and(|heading| self.sheet.columns.contains(heading))
            };
            self.shown.retain(|at| says(at) || is_asked(at));
        }
        self.lay_out(out)
    }

    /// Decides on the layout, and prints what waited for it.
    fn lay_out(&mut self, out: &mut Out) -> Outcome<()> {
        let held = std::mem::take(&mut self.held);
        let headings: Vec<Cell> = self.headings.iter().map(|heading| self.heading_cell(heading)).collect();
        let chosen = |row: &Vec<Cell>| self.shown.iter().filter_map(|at| row.get(*at).cloned()).collect();
        let mut rows: Vec<Vec<Cell>> = vec![chosen(&headings)];
        rows.extend(held.iter().map(chosen));
        let grid = if self.is_markdown { Grid::default() } else { Grid::of(&rows, self.width) };
        self.grid = Some(grid);
        self.heading(out, &headings)?;
        held.iter().try_for_each(|row| self.print(out, row))
    }

    fn heading(&self, out: &mut Out, headings: &[Cell]) -> Outcome<()> {
        if self.is_markdown {
            self.print(out, headings)?;
            return out.line(format_args!("|{}", " --- |".repeat(self.shown.len())));
        }
        let line = self.line(headings);
        out.line(out.paint(Colour::Strong, line))
    }

    fn print(&self, out: &mut Out, row: &[Cell]) -> Outcome<()> {
        out.line(self.line(row))
    }

    fn line(&self, row: &[Cell]) -> String {
        let row: Vec<Cell> = self.shown.iter().filter_map(|at| row.get(*at).cloned()).collect();
        match &self.grid {
            Some(grid) if !self.is_markdown => grid.line(&row),
            _ => format!("| {} |", row.iter().map(Cell::text).collect::<Vec<_>>().join(" | ")),
        }
    }

    fn heading_cell(&self, heading: &str) -> Cell {
        if self.is_markdown { Cell::whole(&in_markdown(heading)) } else { Cell::words(heading) }
    }

    fn cell(&self, at: usize, value: &Value) -> Cell {
        let text = match value {
            // Below a second nobody counts nanoseconds.
            Value::Duration(ns) if ns.unsigned_abs() < 1_000_000_000 => {
                output::span(i64::try_from(*ns).unwrap_or(0))
            }
            other => other.to_string(),
        };
        let text: String = text.chars().take(CELL_LEN_MAX).collect();
        if self.is_markdown {
            return Cell::whole(&in_markdown(&text));
        }
        match value {
            Value::Decimal(_) | Value::Duration(_) => Cell::number(&text),
            Value::Time(_) => Cell::whole(&text),
            _ if self.is_name(at, &text) => Cell::name(&text),
            _ => Cell::words(&text),
        }
    }

    /// Whether a cell has a name: in a column of names, or one word in the first column of what are no events.
    fn is_name(&self, at: usize, text: &str) -> bool {
        let is_of_names = self.headings.get(at).is_some_and(|heading| OF_NAMES.contains(&heading.as_str()));
        let is_first = at == 0 && !self.sheet.is_events && !text.contains(' ');
        (is_of_names || is_first) && text.chars().count() <= NAME_LEN_MAX
    }
}

/// A text that means itself in a cell of Markdown.
pub(super) fn in_markdown(text: &str) -> String {
    let text = escape(text.as_bytes());
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        // Inside of a word an underscore is only that.
        let is_inside = |c: char| c.is_alphanumeric();
        let is_plain = c == '_' && is_inside(before) && chars.peek().copied().is_some_and(is_inside);
        if "|\\`*_[]<>&#~".contains(c) && !is_plain {
            plain.push('\\');
        }
        plain.push(c);
        before = c;
    }
    plain
}
