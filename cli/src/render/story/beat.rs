//! One event of a story: its columns, and what is said of it behind them.

use indelible::Timestamp;
use indelible::query::{Row, Value};
use indelible::source::EventTime;

use super::delay::{Approval, Approvals};
use super::words::{is_denial, is_failure, is_retry};
use crate::exit::Outcome;
use crate::output::{self, Colour};
use crate::render::grid::Cell;
use crate::render::{Line, Sheet};

/// What happened, in short.
#[derive(Debug)]
pub(crate) struct Beat {
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    /// Time since the event before, in nanoseconds.
    pub(super) delta_ns: Option<i64>,
    layer: String,
    pub(crate) who: String,
    pub(crate) kind: String,
    pub(super) said: Vec<Said>,
    pub(super) mark: Mark,
    pub(super) is_disputed: bool,
    /// What ties it into the log.
    pub(super) tied: Option<String>,
}

/// Something that is said of an event.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) words: String,
    pub(super) colour: Option<Colour>,
}

/// What a reader should not miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    Retry,
    Failure,
}

/// What stands between two things that are said of an event.
pub(crate) const SEPARATOR: &str = " · ";
/// Fields that are said by their value alone, behind the columns.
const PLAIN: [&str; 3] = ["environment", "model", "work_item"];

impl Beat {
    /// What a row tells; nothing where it is no event.
    pub(crate) fn of(line: &Line<'_>, sheet: &Sheet, approvals: &mut Approvals) -> Outcome<Option<Beat>> {
        let Some(event) = line.row.event() else { return Ok(None) };
        let text = |name: &str| text(line.row, name);
        let (kind, status, decision) = (text("kind")?, text("status")?, text("decision")?);
        let time = event.time()?;
        let is_known = matches!(event.fields()?.time(), EventTime::Known(_));
        let who = Some(text("agent")?).filter(|agent| !agent.is_empty());
        let is_failed = is_failure(&kind) || is_failure(&status) || is_denial(&decision);
        let is_retried = is_retry(&kind) || is_retry(&status) || attempts(line.row)? > 1;
        let mark = match (is_failed, is_retried) {
            (true, _) => Mark::Failure,
            (false, true) => Mark::Retry,
            (false, false) => Mark::None,
        };
        let mut beat = Beat {
            seq: event.seq(),
            time,
            delta_ns: None,
            layer: text("layer")?,
            who: who.map_or_else(|| text("actor"), Ok)?,
            kind,
            said: Vec::new(),
            mark,
            is_disputed: false,
            tied: None,
        };
        for name in PLAIN {
            beat.say(text(name)?, None);
        }
        beat.decided(&decision, &text("rule")?);
        if let Some(approval) = approvals.see(line.row, &beat.kind, &decision, time)? {
            beat.approved(approval);
        }
        let colour = match mark {
            Mark::Failure if is_failure(&status) => Some(Colour::Bad),
            Mark::Retry => Some(Colour::Notice),
            _ => None,
        };
        beat.say(status, colour);
        let attempts = attempts(line.row)?;
        if attempts > 1 {
            beat.say(format!("attempt {attempts}"), Some(Colour::Notice));
        }
        if !is_known {
            beat.say("no time of its own: when it was received".to_owned(), Some(Colour::Notice));
        }
        beat.added(line, sheet);
        Ok(Some(beat))
    }

    fn say(&mut self, words: String, colour: Option<Colour>) {
        if !words.is_empty() {
            self.said.push(Said { words, colour });
        }
    }

    fn decided(&mut self, decision: &str, rule: &str) {
        let words = match (decision.is_empty(), rule.is_empty()) {
            (true, true) => return,
            (false, true) => decision.to_owned(),
            (true, false) => format!("rule {rule}"),
            (false, false) => format!("{decision} by {rule}"),
        };
        let colour = if is_denial(decision) {
            Some(Colour::Bad)
        } else if decision.eq_ignore_ascii_case("allow") {
            Some(Colour::Good)
        } else if decision.is_empty() {
            None
        } else {
            Some(Colour::Notice)
        };
        self.say(words, colour);
    }

    fn approved(&mut self, approval: Approval) {
        match approval {
            Approval::Asked => self.say("waits for approval".to_owned(), Some(Colour::Notice)),
            Approval::Given { by, delay_ns, is_refusal } => {
                let what = if is_refusal { "refused" } else { "approved" };
                let after = delay_ns.map_or_else(String::new, |ns| format!(" after {}", output::span(ns)));
                let colour = if is_refusal { Colour::Bad } else { Colour::Good };
                self.say(format!("{what} by {by}{after}"), Some(colour));
            }
        }
    }

    /// What the query added to the event, and what ties it into the log.
    fn added(&mut self, line: &Line<'_>, sheet: &Sheet) {
        for (name, value) in sheet.columns.iter().zip(line.row.values()) {
            match value {
                Value::Missing => {}
                Value::Bool(is_disputed) if name == "disputed" => self.is_disputed |= is_disputed,
                value => self.say(format!("{name} {value}"), None),
            }
        }
        if let Some(tied) = line.tied
            && let Some(integrity) = &tied.record.integrity
        {
            let signed = tied.sig_alg.map_or_else(String::new, |alg| format!(", signed by {alg}"));
            self.tied = Some(format!("    hash {}{signed}", integrity.leaf));
        }
    }

    /// All that is said of it.
    pub(crate) fn details(&self) -> String {
        let words: Vec<&str> = self.said.iter().map(|said| said.words.as_str()).collect();
        words.join(SEPARATOR)
    }

    /// Its columns.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let delta = self.delta_ns.map_or_else(String::new, |delta| format!("+{}", output::span(delta)));
        let mark = match self.mark {
            Mark::None => "",
            Mark::Retry => "↻",
            Mark::Failure => "✗",
        };
        vec![
            Cell::number(&self.seq.to_string()),
            Cell::whole(&clock(self.time)),
            Cell::number(&delta),
            Cell::whole(mark),
            Cell::words(&self.layer),
            Cell::words(&self.who),
            Cell::words(&self.kind),
        ]
    }
}

/// The time of day.
fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    let of_day = text.split_once('T').map_or(text.as_str(), |(_, of_day)| of_day);
    // Milliseconds say enough to a reader.
    of_day.trim_end_matches('Z').chars().take("09:22:18.123".len()).collect()
}

fn attempts(row: &Row) -> Outcome<u64> {
    for path in ["attempt", "dispatch.attempt"] {
        if let Value::Decimal(number) = row.field(path)? {
            return Ok(number.as_str().parse().unwrap_or(1));
        }
    }
    Ok(1)
}

/// A field's value in words; nothing where it is missing or null.
pub(super) fn text(row: &Row, name: &str) -> Outcome<String> {
    Ok(match row.field(name)? {
        Value::Null => String::new(),
        value => value.to_string(),
    })
}
