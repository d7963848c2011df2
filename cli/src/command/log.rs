//! `indelible log`: events in order, byte for byte.

use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use indelible::filter::{Field, Filter, Test, Value};
use indelible::{Error, Snapshot, Store};

use crate::exit::{Code, Outcome};
use crate::open;
use crate::output::Out;
use crate::show::{Shower, say_deleted};
use crate::signal::Stop;

/// Print events, one a line, in the log's order, byte for byte
///
/// On a terminal control characters are shown escaped; piped, the bytes are as they came.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible log -n 20
  indelible log --follow | jq .kind
  indelible log --all --integrity -n 1 --reverse")]
pub(crate) struct Args {
    /// Only the last N
    #[arg(short = 'n', long = "lines", value_name = "N")]
    pub(crate) count: Option<u64>,
    /// The newest first
    #[arg(long, short, conflicts_with = "follow")]
    pub(crate) reverse: bool,
    /// Go on with what is appended from now on, by any process, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The store's own records (kind store.*) too
    #[arg(long)]
    pub(crate) all: bool,
    /// With each event its seq, received_at, prev_hash, hash, segment and sig_alg, as one JSON object
    #[arg(long)]
    pub(crate) integrity: bool,
}

/// How often `--follow` looks for new records.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How many records `--reverse` reads forward before it turns them round.
const REVERSE_COUNT: u64 = 128;

/// Prints events.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let store = open::to_read(store)?;
    let shower = Shower::new(&store, args.integrity)?;
    let snapshot = store.snapshot()?;
    let mut out = Out::stdout();
    let mut seqs = last(&snapshot, args)?..snapshot.tree_size();
    let asked = seqs.clone();
    if args.follow {
        return follow(&store, &shower, seqs, args.all, out);
    }
    if args.reverse {
        while !seqs.is_empty() {
            let start = seqs.end.saturating_sub(REVERSE_COUNT).max(seqs.start);
            let records: Result<Vec<_>, _> = shower.records(&snapshot, start..seqs.end).collect();
            for record in records?
                .iter()
                .rev()
                .filter(|record| shower.has(record) && (args.all || !record.is_store_record()))
            {
                shower.show(&mut out, record)?;
            }
            seqs.end = start;
        }
    } else {
        forward(&shower, &snapshot, seqs, args.all, &Stop::default(), &mut out)?;
    }
    out.finish()?;
    say_deleted(&snapshot, asked)?;
    Ok(Code::Clean)
}

/// Prints a range of records, and what comes behind it, until Ctrl-C or until whoever reads our output goes away.
fn follow(store: &Store, shower: &Shower, mut seqs: Range<u64>, all: bool, mut out: Out) -> Outcome {
    let (wake, woken) = mpsc::channel();
    let stop = Stop::listen(move || {
        let _ = wake.send(());
    })?;
    loop {
        let snapshot = store.snapshot()?;
        seqs.end = snapshot.tree_size();
        forward(shower, &snapshot, seqs.clone(), all, &stop, &mut out)?;
        out.flush()?;
        if woken.recv_timeout(POLL_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            out.finish()?;
            return Ok(stop.asked().unwrap_or(Code::Interrupted));
        }
        seqs.start = seqs.end;
    }
}

/// Prints a range of records, as far as nobody asks to stop.
fn forward(
    shower: &Shower,
    snapshot: &Snapshot,
    seqs: Range<u64>,
    all: bool,
    stop: &Stop,
    out: &mut Out,
) -> Outcome<()> {
    if seqs.is_empty() {
        return Ok(());
    }
    for record in shower.records(snapshot, seqs) {
        if stop.asked().is_some() {
            break;
        }
        let record = record?;
        if shower.has(&record) && (all || !record.is_store_record()) {
            shower.show(out, &record)?;
        }
    }
    Ok(())
}

/// The seq from which on there are as many records to show as were asked for.
fn last(snapshot: &Snapshot, args: &Args) -> Outcome<u64> {
    let size = snapshot.tree_size();
    let Some(count) = args.count else { return Ok(0) };
    if args.all {
        return Ok(size.saturating_sub(count));
    }
    let is_own = Test::Equals(vec![Value::Word("0".to_owned())]);
    let is_own = Filter::Field(Field::Name("source".to_owned()), is_own);
    let mut width = count.saturating_mul(2).max(1_024);
    loop {
        let from = size.saturating_sub(width);
        let own = snapshot.search(&is_own)?.within(from..size).map(|hit| Ok(hit?.seq));
        let own: Result<Vec<u64>, Error> = own.collect();
        match behind(&own?, from..size, count) {
            None if from > 0 => width = width.saturating_mul(2),
            found => return Ok(found.unwrap_or(0)),
        }
    }
}

/// The seq from which on `count` records of a range are not among `own`.
fn behind(own: &[u64], seqs: Range<u64>, count: u64) -> Option<u64> {
    // Back from the end, over the gaps between the store's own records.
    let (mut end, mut missing) = (seqs.end, count);
    for &seq in own.iter().rev() {
        let between = end - (seq + 1);
        if between >= missing {
            return Some(end - missing);
        }
        missing -= between;
        end = seq;
    }
    end.checked_sub(missing).filter(|start| *start >= seqs.start)
}
