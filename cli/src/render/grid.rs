//! Cells in columns that fit the width of the terminal. What is too long is cut, and ends in `…`: texts before single
//! words, and never a number, a time or a name that rows are told apart by.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::escape;

/// Narrowest that a column of words gets, in columns of the terminal.
const WIDTH_MIN: usize = 8;
/// What stands between two columns.
const SPACE: &str = "  ";

/// How columns are laid out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    columns: Vec<Column>,
}

/// One column: how wide it is, and on which side its cells stand.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    width: usize,
    /// Numbers, times and names are no use when they are cut.
    is_whole: bool,
    /// Some of its cells have more than one word: half of that still says something.
    is_text: bool,
    is_right: bool,
}

/// A cell, safe to show: words of others are escaped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    is_name: bool,
    is_whole: bool,
    is_right: bool,
}

impl Cell {
    /// Words, which may be cut.
    pub(crate) fn words(text: &str) -> Cell {
        Cell { text: escape(text.as_bytes()).into_owned(), ..Cell::default() }
    }

    /// A name that rows are told apart by: whole, in a column in which all are.
    pub(crate) fn name(text: &str) -> Cell {
        Cell { is_name: true, ..Cell::words(text) }
    }

    /// Something that is shown whole, at the left of its column.
    pub(crate) fn whole(text: &str) -> Cell {
        Cell { is_whole: true, ..Cell::words(text) }
    }

    /// A number: whole, at the right of its column.
    pub(crate) fn number(text: &str) -> Cell {
        Cell { is_right: true, ..Cell::whole(text) }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl Grid {
    /// The layout of these rows, headings first, in `width` columns of the terminal or in as many as they like. A
    /// column stands at the right where all its cells do that are not empty, its heading aside.
    pub(crate) fn of(rows: &[Vec<Cell>], width: Option<usize>) -> Grid {
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let column = |at: usize| {
            let mut cells = rows.iter().filter_map(|row| row.get(at));
            let width = cells.clone().map(|cell| cell.text.width()).max().unwrap_or(0);
            let heading = cells.next();
            let full: Vec<&Cell> = cells.filter(|cell| !cell.is_empty()).collect();
            let all = |is: fn(&Cell) -> bool| {
                if full.is_empty() { heading.is_some_and(is) } else { full.iter().all(|cell| is(cell)) }
            };
            Column {
                width,
                is_whole: all(|cell| cell.is_whole || cell.is_name),
                is_text: full.iter().any(|cell| cell.text.contains(' ')),
                is_right: all(|cell| cell.is_right),
            }
        };
        let mut grid = Grid { columns: (0..count).map(column).collect() };
        if let Some(width) = width {
            grid.shrink(width);
        }
        grid
    }

    /// Makes columns narrower until all fit: the widest of those with texts, and where these give no more, of the others.
    fn shrink(&mut self, available: usize) {
        let spaces = SPACE.len() * self.columns.len().saturating_sub(1);
        let mut total = spaces + self.columns.iter().map(|column| column.width).sum::<usize>();
        while total > available {
            let cuttable =
                self.columns.iter_mut().filter(|column| !column.is_whole && column.width > WIDTH_MIN);
            let Some(widest) = cuttable.max_by_key(|column| (column.is_text, column.width)) else { return };
            widest.width -= 1;
            total -= 1;
        }
    }

    /// The cells of a row, each as wide as its column; a column in which nothing stands is left out.
    pub(crate) fn padded(&self, row: &[Cell]) -> Vec<String> {
        let columns = self.columns.iter().copied().chain(std::iter::repeat(Column::default()));
        let fitted = row.iter().zip(columns).filter(|(cell, column)| column.width > 0 || !cell.is_empty());
        let fitted = fitted.map(|(cell, column)| {
            let text = if column.is_whole || cell.is_whole {
                cell.text.clone()
            } else {
                cut(&cell.text, column.width)
            };
            let space = " ".repeat(column.width.saturating_sub(text.width()));
            if column.is_right { space + &text } else { text + &space }
        });
        fitted.collect()
    }

    /// A row on one line, as wide as every other.
    pub(crate) fn full_line(&self, row: &[Cell]) -> String {
        self.padded(row).join(SPACE)
    }

    /// A row on one line.
    pub(crate) fn line(&self, row: &[Cell]) -> String {
        self.full_line(row).trim_end().to_owned()
    }
}

/// The start of a text, in at most `width` columns of the terminal.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut start = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > width {
            break;
        }
        start.push(c);
    }
    start.push('…');
    start
}
