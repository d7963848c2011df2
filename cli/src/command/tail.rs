//! `indelible tail`: events that match, as they are appended, by whichever process.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use indelible::answer::Watch;
use indelible::query::ast::{Head, Stage};
use indelible::query::{self, Query};
use indelible::{Seq, Snapshot};

use super::query::{Asking, Printing, options, prepare};
use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::render::{Format, Sheet};
use crate::show::Shower;
use crate::signal::Stop;

/// Follow the log: print events that match a filter as they are appended
///
/// Whichever process appends them, and across segments. Without --from or --position it begins with what comes next.
/// With --position it goes on where it stopped: the seq of the next record is kept in a file, which is written at the
/// start and once the events before it have been printed, so that none is lost and after a crash a few may come twice.
/// A field or value that no event so far has is warned of at the start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible tail
  indelible tail 'decision = DENY'
  indelible tail 'environment = production | fields ts, agent, kind' --from 0
  indelible tail kind = deployment --position forwarder.seq | forward")]
pub(crate) struct Args {
    /// Conditions, and perhaps | where or | fields
    #[arg(value_name = "FILTER", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    /// Begin with the record of this seq; 0 for all of the log
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: Option<Seq>,
    /// Keep the next seq in this file, and go on from there; --from says where to begin while there is none
    #[arg(long, value_name = "FILE")]
    pub(crate) position: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// How often it looks for new records.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Follows the log until Ctrl-C, or until whoever reads our output goes away.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let store = open::to_read(store)?;
    let shower = Shower::new(&store, args.asking.integrity)?;
    let mut snapshot = store.snapshot()?;
    let query = prepare(&args.words.join(" "), &snapshot, &args.asking.parameters)?;
    can_be_followed(&query)?;
    let mut next = begin(args, &snapshot)?;
    let watch = Arc::<Watch>::default();
    let (wake, woken) = channel::<()>();
    let stopped = Arc::clone(&watch);
    let stop = Stop::listen(move || {
        stopped.cancel();
        let _ = wake.send(());
    })?;
    // Who starts again begins here, though nothing should come until then.
    keep(args, next)?;
    let so_far = query.run(&snapshot, &options(&args.asking, Arc::clone(&watch)))?;
    for warning in so_far.warnings()? {
        output::warn(warning);
    }
    let mut out = Out::stdout();
    let mut tail = Tail { query, args, shower, watch, printing: None };
    loop {
        let end = snapshot.tree_size();
        match tail.print(&snapshot, next..end, &mut out) {
            Ok(()) => {}
            Err(failure) => {
                let Some(code) = stop.asked() else { return Err(failure) };
                // The events of this turn come again: they were not all printed.
                out.finish()?;
                return ended(next, code);
            }
        }
        out.flush()?;
        if end > next {
            next = end;
            keep(args, next)?;
        }
        match woken.recv_timeout(POLL_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => {
                out.finish()?;
                return ended(next, stop.asked().unwrap_or(Code::Interrupted));
            }
        }
        snapshot = store.snapshot()?;
    }
}

struct Tail<'a> {
    query: Query,
    args: &'a Args,
    shower: Shower,
    watch: Arc<Watch>,
    printing: Option<Printing>,
}

impl Tail<'_> {
    /// Prints what matches in a range.
    fn print(&mut self, snapshot: &Snapshot, seqs: Range<Seq>, out: &mut Out) -> Outcome<()> {
        if seqs.is_empty() {
            return Ok(());
        }
        let asking = &self.args.asking;
        let options = query::Options { seqs, ..options(asking, Arc::clone(&self.watch)) };
        let answer = self.query.run(snapshot, &options)?;
        let printing = match &mut self.printing {
            Some(printing) => printing,
            empty => {
                // As they come, events read like a story too.
                let sheet = Sheet::of(&answer, true, asking.integrity);
                empty.insert(Printing::of(asking, sheet, out)?)
            }
        };
        for row in answer {
            printing.row(out, &row?, &self.shower, snapshot)?;
        }
        printing.printer.flush(out)
    }
}

/// Only what says something of each record for itself can be said again and again.
fn can_be_followed(query: &Query) -> Outcome<()> {
    let tree = query.tree();
    let is_filter = matches!(tree.head, Head::Conditions | Head::Control(_)) && !tree.explain;
    let can = |stage: &Stage| matches!(stage, Stage::Where(_) | Stage::Fields(_));
    match tree.stages.iter().find(|stage| !can(&stage.node)) {
        None if is_filter => Ok(()),
        None => Err(Failure::Usage("tail follows a filter: conditions, or `control ID`".to_owned())),
        Some(stage) => {
            let stage = &stage.node;
            Err(Failure::Usage(format!(
                "tail cannot follow `| {stage}`: only where and fields speak of one event"
            )))
        }
    }
}

/// The seq of the first record to look at.
fn begin(args: &Args, snapshot: &Snapshot) -> Outcome<Seq> {
    let size = snapshot.tree_size();
    if args.asking.format == Some(Format::Json) {
        return Err(Failure::Usage("an array has an end: use --format jsonl".to_owned()));
    }
    let kept = match &args.position {
        None => None,
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => {
                let seq = text.trim().parse::<Seq>();
                let what = || format!("{} holds no seq; remove it to begin anew", path.display());
                Some(seq.map_err(|_| Failure::Usage(what()))?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::Io(format!("read {}", path.display()), error)),
        },
    };
    let next = kept.or(args.from).unwrap_or(size);
    if next > size {
        let reason = format!("seq {next} is past the end: this log has {size} records. Is it another log?");
        return Err(Failure::Usage(reason));
    }
    Ok(next)
}

/// Keeps the position, whole or as it was.
fn keep(args: &Args, next: Seq) -> Outcome<()> {
    let Some(path) = &args.position else { return Ok(()) };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    std::fs::write(&fresh, format!("{next}\n"))
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(Failure::io(format!("write {}", path.display())))
}

fn ended(next: Seq, code: Code) -> Outcome {
    output::say(format_args!("stopped before seq {next}; --from {next} goes on"));
    Ok(code)
}
