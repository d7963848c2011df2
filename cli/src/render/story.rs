//! A timeline for people: what happened, after how long, who did it, what was decided and by which rule; with marks
//! where something failed, was tried again, or where the order of events is in doubt.

pub(super) mod beat;
pub(super) mod delay;
mod words;

use indelible::Timestamp;
use unicode_width::UnicodeWidthStr;

use self::beat::{Beat, Mark, SEPARATOR};
use self::delay::Approvals;
use super::grid::{Cell, Grid};
use super::{Line, Sheet};
use crate::exit::Outcome;
use crate::output::{self, Colour, Out};

/// So many events are looked at to see how wide the columns must be, and what a usual pause is.
const HELD_MAX: usize = 1_000;
/// A pause is a gap from this length on, in nanoseconds.
const GAP_NS_MIN: i64 = 60_000_000_000;
/// And if it is so many times as long as the usual one.
const GAP_TIMES: i64 = 10;

/// Events as a story.
pub(crate) struct Story {
    sheet: Sheet,
    width: Option<usize>,
    held: Vec<Beat>,
    layout: Option<Layout>,
    approvals: Approvals,
    /// The time of the event before, and the greatest seq so far.
    before: Option<(Timestamp, u64)>,
    day: Option<i64>,
    total: Total,
}

/// What is known once the first events were looked at.
struct Layout {
    grid: Grid,
    gap_ns: i64,
}

/// What the last line tells.
#[derive(Default)]
struct Total {
    events: u64,
    failures: u64,
    retries: u64,
    gaps: u64,
    disputed: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Story {
    pub(super) fn new(sheet: Sheet, out: &Out) -> Story {
        Story {
            sheet,
            width: out.width(),
            held: Vec::new(),
            layout: None,
            approvals: Approvals::default(),
            before: None,
            day: None,
            total: Total::default(),
        }
    }

    pub(super) fn row(&mut self, out: &mut Out, line: &Line<'_>) -> Outcome<()> {
        let Some(mut beat) = Beat::of(line, &self.sheet, &mut self.approvals)? else { return Ok(()) };
        if let Some((time, seq)) = self.before {
            beat.delta_ns = Some(beat.time.0.saturating_sub(time.0));
            beat.is_disputed |= beat.seq < seq;
        }
        self.before = Some((beat.time, self.before.map_or(beat.seq, |(_, seq)| seq.max(beat.seq))));
        if self.layout.is_some() {
            return self.tell(out, &beat);
        }
        self.held.push(beat);
        if self.held.len() > HELD_MAX { self.lay_out(out) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self, out: &mut Out) -> Outcome<()> {
        if self.held.is_empty() { Ok(()) } else { self.lay_out(out) }
    }

    pub(super) fn finish(&mut self, out: &mut Out) -> Outcome<()> {
        if self.layout.is_none() {
            self.lay_out(out)?;
        }
        if self.total.events == 0 {
            return Ok(());
        }
        out.line("")?;
        out.line(out.paint(Colour::Strong, self.total.to_string()))
    }

    fn lay_out(&mut self, out: &mut Out) -> Outcome<()> {
        let held = std::mem::take(&mut self.held);
        let rows: Vec<Vec<Cell>> = std::iter::once(Vec::new()).chain(held.iter().map(Beat::cells)).collect();
        // What is said of an event follows its columns, and needs room too.
        let width = self.width.map(|width| (width * 2 / 3).max(60));
        let mut deltas: Vec<i64> = held.iter().filter_map(|beat| beat.delta_ns).collect();
        deltas.sort_unstable();
        let usual = deltas.get(deltas.len() / 2).copied().unwrap_or(0);
        let gap_ns = usual.saturating_mul(GAP_TIMES).max(GAP_NS_MIN);
        self.layout = Some(Layout { grid: Grid::of(&rows, width), gap_ns });
        held.iter().try_for_each(|beat| self.tell(out, beat))
    }

    fn tell(&mut self, out: &mut Out, beat: &Beat) -> Outcome<()> {
        let Some(layout) = &self.layout else { return Ok(()) };
        if self.day != Some(beat.time.day()) {
            if self.day.is_some() {
                out.line("")?;
            }
            self.day = Some(beat.time.day());
            out.line(out.paint(Colour::Strong, format_args!("{} UTC", beat.time.day_text())))?;
        }
        if let Some(delta_ns) = beat.delta_ns.filter(|delta_ns| *delta_ns >= layout.gap_ns) {
            self.total.gaps += 1;
            let silence = format!("── {} without an event ──", output::span(delta_ns));
            out.line(out.paint(Colour::Notice, silence))?;
        }
        self.total.count(beat);
        let columns = layout.grid.full_line(&beat.cells());
        let colour = match beat.mark {
            Mark::Failure => Some(Colour::Bad),
            Mark::Retry => Some(Colour::Notice),
            Mark::None => None,
        };
        let indent = columns.width() + 2;
        let mut line = match colour {
            Some(colour) => out.paint(colour, &columns),
            None => columns,
        };
        let mut said: Vec<(&str, Option<Colour>)> =
            beat.said.iter().map(|said| (said.words.as_str(), said.colour)).collect();
        if beat.is_disputed {
            said.push(("order disputed: the log has it before an event above", Some(Colour::Notice)));
        }
        let mut taken = indent;
        for (at, (words, colour)) in said.into_iter().enumerate() {
            let words = output::escape(words.as_bytes()).into_owned();
            let before = if at == 0 { "  " } else { SEPARATOR };
            taken += if at == 0 { 0 } else { SEPARATOR.width() } + words.width();
            if at > 0 && self.width.is_some_and(|width| taken > width) {
                out.line(line.trim_end())?;
                line = " ".repeat(indent);
                taken = indent + words.width();
            } else {
                line.push_str(before);
            }
            match colour {
                Some(colour) => line.push_str(&out.paint(colour, words)),
                None => line.push_str(&words),
            }
        }
        out.line(line.trim_end())?;
        if let Some(tied) = &beat.tied {
            out.line(out.paint(Colour::Faint, tied))?;
        }
        Ok(())
    }
}

impl Total {
    fn count(&mut self, beat: &Beat) {
        self.events += 1;
        self.failures += u64::from(beat.mark == Mark::Failure);
        self.retries += u64::from(beat.mark == Mark::Retry);
        self.disputed += u64::from(beat.is_disputed);
        self.first.get_or_insert(beat.time);
        self.last = Some(beat.time);
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let took = self.first.zip(self.last).map_or(0, |(first, last)| last.0.saturating_sub(first.0));
        write!(f, "{} in {}", output::counted(self.events, "event", "events"), output::span(took))?;
        for (count, one, many) in [
            (self.failures, "failure", "failures"),
            (self.retries, "retry", "retries"),
            (self.gaps, "gap", "gaps"),
            (self.disputed, "disputed", "disputed"),
        ] {
            if count > 0 {
                write!(f, ", {}", output::counted(count, one, many))?;
            }
        }
        Ok(())
    }
}
