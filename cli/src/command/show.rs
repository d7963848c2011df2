//! `indelible show`: some events, by seq, by range or by id.

use std::ops::Range;
use std::path::Path;

use indelible::{Error, Snapshot};

use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::show::{Shower, say_deleted};

/// Print events by seq, by range or by event id, byte for byte
///
/// Digits alone are a seq and A..B is a range, its end not included; anything else, and what --id names, is an
/// event id. The store's own records can be shown by their seq.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).multiple(true),
    after_help = "Examples:
  indelible show 42
  indelible show 100..200 --integrity
  indelible show 40..            from 40 on
  indelible show ev_0008
  indelible show --id 1234       the event whose id is 1234"
)]
pub(crate) struct Args {
    /// Seqs, ranges and event ids
    #[arg(value_name = "SEQ|A..B|EVENT_ID", group = "which")]
    pub(crate) what: Vec<String>,
    /// An event id, even if it looks like a seq
    #[arg(long, value_name = "EVENT_ID", group = "which")]
    pub(crate) id: Vec<String>,
    /// With each event its seq, received_at, prev_hash, hash, segment and sig_alg, as one JSON object
    #[arg(long)]
    pub(crate) integrity: bool,
}

/// What one argument names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Seqs(Range<u64>),
    Id(String),
}

/// Prints the records that are named.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let mut wanted = args.what.iter().map(|word| parse(word)).collect::<Outcome<Vec<_>>>()?;
    wanted.extend(args.id.iter().cloned().map(Wanted::Id));
    let store = open::to_read(store)?;
    let shower = Shower::new(&store, args.integrity)?;
    let snapshot = store.snapshot()?;
    let mut out = Out::stdout();
    for wanted in wanted {
        for seqs in resolve(&snapshot, wanted)? {
            for record in shower.records(&snapshot, seqs.clone()) {
                let record = record?;
                match record.deleted.filter(|_| !shower.has(&record)) {
                    // One that was asked for by itself is missing; of many, the others are shown.
                    Some(stub) if seqs.end - seqs.start == 1 => {
                        return Err(Error::Deleted { seq: record.seq, plan: stub.plan }.into());
                    }
                    Some(_) => {}
                    None => shower.show(&mut out, &record)?,
                }
            }
            say_deleted(&snapshot, seqs)?;
        }
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn resolve(snapshot: &Snapshot, wanted: Wanted) -> Outcome<Vec<Range<u64>>> {
    let size = snapshot.tree_size();
    let missing = |what, name| Failure::from(Error::NotFound { what, name });
    match wanted {
        Wanted::Seqs(seqs) if seqs.start >= size => {
            Err(Failure::Usage(format!("no record {} in this store: it has {size}, from 0 on", seqs.start)))
        }
        Wanted::Seqs(seqs) => Ok(std::iter::once(seqs.start..seqs.end.min(size)).collect()),
        Wanted::Id(id) => {
            let found = snapshot.find_event(id.as_bytes())?;
            if found.is_empty() {
                for (plan, count) in snapshot.deleted(0..size)? {
                    let gone = output::counted(count, "event was", "events were");
                    output::warn(format_args!(
                        "{gone} deleted by the plan of record {plan}: whether one had this id cannot be told"
                    ));
                }
                return Err(missing("event", id));
            }
            Ok(found.into_iter().map(|seq| seq..seq + 1).collect())
        }
    }
}

fn parse(word: &str) -> Outcome<Wanted> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| Failure::Usage(format!("{text} is too large to be a seq")))
    };
    if !word.is_empty() && digits(word) {
        let seq = number(word)?;
        return Ok(Wanted::Seqs(seq..seq.saturating_add(1)));
    }
    match word.split_once("..") {
        Some((start, end)) if digits(start) && digits(end) && word.len() > 2 => {
            let start = if start.is_empty() { 0 } else { number(start)? };
            let end = if end.is_empty() { u64::MAX } else { number(end)? };
            if start >= end {
                return Err(Failure::Usage(format!("{word} is empty: a range ends after it starts")));
            }
            Ok(Wanted::Seqs(start..end))
        }
        _ => Ok(Wanted::Id(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seqs_ranges_and_ids_are_told_apart() {
        let seqs = |range| Wanted::Seqs(range);
        let id = |text: &str| Wanted::Id(text.to_owned());
        let table = [
            ("42", seqs(42..43)),
            ("0", seqs(0..1)),
            ("3..7", seqs(3..7)),
            ("3..", seqs(3..u64::MAX)),
            ("..7", seqs(0..7)),
            ("..", id("..")),
            ("ev_1", id("ev_1")),
            ("4x", id("4x")),
            ("a..b", id("a..b")),
            ("", id("")),
        ];
        for (word, expected) in table {
            assert_eq!(parse(word).unwrap(), expected, "{word}");
        }
        for word in ["7..3", "3..3", "99999999999999999999999"] {
            assert_eq!(parse(word).unwrap_err().code(), Code::Usage, "{word}");
        }
    }
}
