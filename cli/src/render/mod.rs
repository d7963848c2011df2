//! Answers as text, in the format that was asked for: one file for each kind of format.
//!
//! A printer is given the rows one after another. What lays out columns holds the first rows to see how wide they
//! are; nothing holds them all.

mod cells;
mod csv;
mod grid;
mod json;
mod pager;
pub(crate) mod retention;
mod story;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod verification;

use indelible::Record;
use indelible::query::{Answer, Row};

pub(crate) use grid::{Cell, Grid};
pub(crate) use pager::Pager;

use crate::exit::{Failure, Outcome};
use crate::output::Out;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people; a timeline reads like a story
    Table,
    /// One JSON object a line
    Jsonl,
    /// One JSON array
    Json,
    /// Comma-separated values by RFC 4180, with a heading
    Csv,
    /// A Markdown table
    Markdown,
    /// The events alone, byte for byte, one a line
    Raw,
}

/// What all rows of an answer look like.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// The columns of a table, or those that were added to events.
    pub(crate) columns: Vec<String>,
    /// Whether rows are events.
    pub(crate) is_events: bool,
    /// Whether they are events in the order of their time.
    pub(crate) is_timeline: bool,
    /// Whether each event comes with what ties it into the log.
    pub(crate) has_integrity: bool,
}

impl Sheet {
    /// What the rows of `answer` look like.
    pub(crate) fn of(answer: &Answer, is_timeline: bool, has_integrity: bool) -> Sheet {
        let is_events = answer.is_events();
        Sheet {
            columns: answer.columns().to_vec(),
            is_events,
            is_timeline: is_timeline && is_events,
            has_integrity: has_integrity && is_events,
        }
    }
}

/// One row, and what ties it into the log where that was asked for.
pub(crate) struct Line<'a> {
    pub(crate) row: &'a Row,
    pub(crate) tied: Option<&'a Tied>,
}

/// What ties a record into the log: the record read with its hashes, and whether a checkpoint covers it.
pub(crate) struct Tied {
    pub(crate) record: Record,
    /// The algorithm of the checkpoint that covers it.
    pub(crate) sig_alg: Option<&'static str>,
}

/// Writes rows in one format.
pub(crate) enum Printer {
    Table(table::Table),
    Story(story::Story),
    Csv(csv::Csv),
    Json(json::Json),
    Raw,
}

impl Printer {
    /// A printer of rows that look like this.
    pub(crate) fn new(format: Format, sheet: Sheet, out: &Out) -> Outcome<Printer> {
        Ok(match format {
            Format::Table if sheet.is_timeline => Printer::Story(story::Story::new(sheet, out)),
            Format::Table => Printer::Table(table::Table::new(sheet, out)),
            Format::Markdown => Printer::Table(table::Table::markdown(sheet)),
            Format::Csv => Printer::Csv(csv::Csv::new(sheet)),
            Format::Jsonl => Printer::Json(json::Json::lines(sheet)),
            Format::Json => Printer::Json(json::Json::array(sheet)),
            Format::Raw if sheet.is_events => Printer::Raw,
            Format::Raw => {
                let reason = "these rows are no events: --format raw prints events alone";
                return Err(Failure::Usage(reason.to_owned()));
            }
        })
    }

    /// Takes a row.
    pub(crate) fn row(&mut self, out: &mut Out, line: &Line<'_>) -> Outcome<()> {
        match self {
            Printer::Table(table) => table.row(out, line),
            Printer::Story(story) => story.row(out, line),
            Printer::Csv(csv) => csv.row(out, line),
            Printer::Json(json) => json.row(out, line),
            Printer::Raw => line.row.event().map_or(Ok(()), |event| out.bytes(event.body())),
        }
    }

    /// Writes what is held, because the next row may be long in coming.
    pub(crate) fn flush(&mut self, out: &mut Out) -> Outcome<()> {
        match self {
            Printer::Table(table) => table.flush(out),
            Printer::Story(story) => story.flush(out),
            Printer::Csv(_) | Printer::Json(_) | Printer::Raw => Ok(()),
        }
    }

    /// Writes what is held, and the end.
    pub(crate) fn finish(&mut self, out: &mut Out) -> Outcome<()> {
        match self {
            Printer::Table(table) => table.finish(out),
            Printer::Story(story) => story.finish(out),
            Printer::Csv(csv) => csv.finish(out),
            Printer::Json(json) => json.finish(out),
            Printer::Raw => Ok(()),
        }
    }
}
