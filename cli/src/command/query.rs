//! `indelible query` and what all commands that ask questions share: options, and how an answer is printed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use indelible::answer::Watch;
use indelible::query::ast::{self, Head, Stage};
use indelible::query::{Answer, Query, Row, Vocabulary};
use indelible::{Snapshot, Timestamp};

use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Waiting;
use crate::render::{Format, Line, Printer, Sheet, Tied};
use crate::show::Shower;
use crate::signal::Stop;

/// Ask a question in the query language
///
/// The words are joined by spaces: quote the whole where the shell would take ( ) < > | * or $ for itself. On a
/// terminal the answer is a table, piped it is JSON lines: an event alone is what was appended, byte for byte but for
/// its line ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible query kind = deployment since 90d
  indelible query 'decision = DENY since 30d | count by agent, rule | sort count desc'
  indelible query 'kind = deployment and environment = production
                   | unless preceded by (kind = approval.granted) within run'
  indelible query 'run = $run and decision = DENY' --param run=run_8bd10
  indelible query -f monthly.iq --format csv > monthly.csv
  indelible query 'kind = override.emergency' --exit-status    exit 1 where there was none")]
pub(crate) struct Args {
    /// The query; - reads it from stdin
    #[arg(value_name = "QUERY", required_unless_present = "file", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    /// Read the query from a file, - for stdin
    #[arg(long, short, value_name = "FILE", conflicts_with = "words")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// Options of every command that asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Asking {
    /// How to print the answer [default: table on a terminal, jsonl elsewhere]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// The store's own records (kind store.*) too
    #[arg(long)]
    pub(crate) all: bool,
    /// With each event its seq, received_at, prev_hash, hash, segment and sig_alg
    #[arg(long)]
    pub(crate) integrity: bool,
    /// A value for $NAME in the query; can be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// The present time, from which `since 24h` counts back: RFC 3339 or a date [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) now: Option<Timestamp>,
    /// Exit with 1 where the answer is empty
    #[arg(long)]
    pub(crate) exit_status: bool,
    /// Print to the terminal directly, not through $PAGER
    #[arg(long)]
    pub(crate) no_pager: bool,
}

/// Answers a query.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let text = match (&args.file, args.words.as_slice()) {
        (Some(file), _) if file.as_os_str() != "-" => {
            let what = format!("read {}", file.display());
            as_text(std::fs::read(file).map_err(Failure::io(what))?)?
        }
        (Some(_), _) => stdin()?,
        (None, [word]) if word == "-" => stdin()?,
        (None, words) => words.join(" "),
    };
    answer(store, &text, &args.asking)
}

/// Answers a query in its words, and prints the answer.
pub(crate) fn answer(store: &Path, text: &str, asking: &Asking) -> Outcome {
    answer_as(store, |_| Ok(text.to_owned()), asking)
}

/// The same of a query whose words hang on what the log has.
pub(super) fn answer_as(
    store: &Path,
    text: impl FnOnce(&Snapshot) -> Outcome<String>,
    asking: &Asking,
) -> Outcome {
    let store = open::to_read(store)?;
    let shower = Shower::new(&store, asking.integrity)?;
    let snapshot = store.snapshot()?;
    let query = prepare(&text(&snapshot)?, &snapshot, &asking.parameters)?;
    let watch = Arc::<Watch>::default();
    let stopped = Arc::clone(&watch);
    let stop = Stop::listen(move || stopped.cancel())?;
    let options = options(asking, Arc::clone(&watch));
    let mut answer = query.run(&snapshot, &options)?;
    let mut out = if asking.no_pager { Out::stdout() } else { Out::paged() };
    let is_paged = out.is_paged();
    let mut printing = Printing::new(asking, &answer, query.tree(), &out)?;
    let mut waiting = Waiting::for_answer(&watch, out.is_terminal());
    let printed = print(&mut answer, &mut printing, &shower, &snapshot, &mut out, &mut waiting);
    waiting.finish();
    match printed {
        Ok(()) => {}
        // Whoever leaves the pager has seen enough.
        Err(failure) if is_paged && failure.is_broken_pipe() => {}
        Err(failure) => {
            let _ = out.finish();
            return Err(stop.asked().map_or(failure, Failure::Told));
        }
    }
    if printing.count == 0 && out.is_terminal() {
        output::say("nothing matches");
    }
    match out.finish() {
        Err(failure) if !(is_paged && failure.is_broken_pipe()) => return Err(failure),
        _ => {}
    }
    for warning in answer.warnings()? {
        output::warn(warning);
    }
    Ok(if asking.exit_status && printing.count == 0 { Code::Empty } else { Code::Clean })
}

fn print(
    answer: &mut Answer,
    printing: &mut Printing,
    shower: &Shower,
    snapshot: &Snapshot,
    out: &mut Out,
    waiting: &mut Waiting,
) -> Outcome<()> {
    for row in answer {
        let row = row?;
        waiting.row();
        printing.row(out, &row, shower, snapshot)?;
    }
    printing.printer.finish(out)
}

/// A query that makes sense, its parameters given.
pub(crate) fn prepare(text: &str, snapshot: &Snapshot, parameters: &[(String, String)]) -> Outcome<Query> {
    let mut query = Query::parse(text, &Vocabulary::of(snapshot)?)?;
    for (name, value) in parameters {
        query = query.bind(name, value)?;
    }
    Ok(query)
}

/// How the query is run.
pub(crate) fn options(asking: &Asking, watch: Arc<Watch>) -> indelible::query::Options<'static> {
    let now = asking.now.unwrap_or_else(present);
    indelible::query::Options { all: asking.all, watch, ..indelible::query::Options::at(now) }
}

/// The rows of an answer on their way out.
pub(crate) struct Printing {
    pub(crate) printer: Printer,
    has_integrity: bool,
    /// How many there were.
    pub(crate) count: u64,
}

impl Printing {
    /// Prints an answer as it is asked for.
    pub(crate) fn new(asking: &Asking, answer: &Answer, tree: &ast::Query, out: &Out) -> Outcome<Printing> {
        let is_sorted = tree.stages.iter().any(|stage| matches!(stage.node, Stage::Sort(_)));
        let is_timeline = matches!(tree.head, Head::Timeline(..)) && !is_sorted;
        Printing::of(asking, Sheet::of(answer, is_timeline, asking.integrity), out)
    }

    /// Prints rows that look like this.
    pub(crate) fn of(asking: &Asking, sheet: Sheet, out: &Out) -> Outcome<Printing> {
        let usual = if out.is_terminal() { Format::Table } else { Format::Jsonl };
        let format = asking.format.unwrap_or(usual);
        if asking.integrity && (!sheet.is_events || format == Format::Raw) {
            let reason =
                "only events have their integrity shown, in any format but raw: leave --integrity out";
            return Err(Failure::Usage(reason.to_owned()));
        }
        let has_integrity = sheet.has_integrity;
        Ok(Printing { printer: Printer::new(format, sheet, out)?, has_integrity, count: 0 })
    }

    /// Prints a row.
    pub(crate) fn row(
        &mut self,
        out: &mut Out,
        row: &Row,
        shower: &Shower,
        snapshot: &Snapshot,
    ) -> Outcome<()> {
        self.count += 1;
        let tied = match row.event().filter(|_| self.has_integrity) {
            Some(event) => tied(shower, snapshot, event.seq())?,
            None => None,
        };
        self.printer.row(out, &Line { row, tied: tied.as_ref() })
    }
}

fn tied(shower: &Shower, snapshot: &Snapshot, seq: u64) -> Outcome<Option<Tied>> {
    let record = shower.records(snapshot, seq..seq + 1).next().transpose()?;
    Ok(record.map(|record| Tied { sig_alg: shower.sig_alg(record.seq), record }))
}

/// The words of the shell as a query. The first of them stands in quotes where it is one value all the same: a shell takes
/// quotes for its own.
pub(super) fn joined(words: &[String], is_value: impl FnOnce(&str) -> Outcome<bool>) -> Outcome<String> {
    let Some((first, rest)) = words.split_first() else { return Ok(String::new()) };
    let first = if first.contains(' ') && is_value(first)? { value(first) } else { first.clone() };
    Ok(std::iter::once(first).chain(rest.iter().cloned()).collect::<Vec<_>>().join(" "))
}

/// A word as it is, and in quotes where it would be more than one.
pub(super) fn value(word: &str) -> String {
    let is_special = |c: char| c.is_whitespace() || "(),|=!<>~\"'#“”".contains(c);
    if !word.contains(is_special) && !word.is_empty() || word.starts_with('"') {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

fn stdin() -> Outcome<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::io("read the query from stdin"))?;
    as_text(bytes)
}

fn as_text(bytes: Vec<u8>) -> Outcome<String> {
    // Some editors write a mark in front that is no part of the text.
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    String::from_utf8(bytes).map(|text| text[start..].to_owned()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::Usage(format!("this query is no text: it is not UTF-8 at byte {at}"))
    })
}

pub(crate) fn present() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim_start_matches('$').to_owned(), value.to_owned()))
}

pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-04-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    indelible::source::rfc3339(whole.as_bytes())
        .ok_or_else(|| "write a time such as 2026-04-01 or 2026-04-01T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_times_are_read() {
        assert_eq!(parameter("run=a=b").unwrap(), ("run".to_owned(), "a=b".to_owned()));
        assert_eq!(parameter("$run=").unwrap(), ("run".to_owned(), String::new()));
        assert!(parameter("run").is_err());
        assert_eq!(moment("2026-04-01").unwrap(), moment("2026-04-01T02:00:00+02:00").unwrap());
        assert!(moment("yesterday").is_err() && moment("2026-99-99").is_err());
    }
}
