//! `indelible retention drill`: whether evidence can be had, from every tier, and how fast.

use std::path::Path;
use std::time::Duration;

use indelible::disk::{Entropy, SystemEntropy};
use indelible::trust::Note;
use indelible::{Drill, DrilledSegments, Error, Options, Seq, Store};
use serde_json::{Value, json};

use crate::archives;
use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::signal::Stop;

/// The version of what `--json` prints: docs/JSON.md says what is in it.
const SCHEMA: &str = "indelible.drill/1";
/// What a record names as the program.
const PROGRAM: &str = concat!("indelible ", env!("CARGO_PKG_VERSION"));

/// Retrieve a few records of each tier, prove each to be in the log, and say how long it took
///
/// Records are drawn from the hot tier, the warm tier and the archive. Each is read the way that anybody would, what is in
/// an archive past the cache, hashed, and proved to be in the log under its last checkpoint. Afterwards a record is appended
/// that says what was drawn and what came of it (not with --no-record). Where one could not be had, or is not the log's, the
/// exit code says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible retention drill
  indelible retention drill --count 20 --seed 2026-Q3
  indelible retention drill --json --no-record")]
pub(crate) struct Args {
    /// How many records of each tier
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) count: u64,
    /// What to draw them by: the same log, checkpoint and seed draw the same records [default: at random, and told]
    #[arg(long, value_name = "TEXT")]
    pub(crate) seed: Option<String>,
    /// Leave no record of this in the log
    #[arg(long)]
    pub(crate) no_record: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Drills.
pub(crate) fn run(path: &Path, args: &Args) -> Outcome {
    let seed = match &args.seed {
        Some(seed) if seed.is_empty() || seed.len() > SEED_LEN_MAX => {
            return Err(Failure::Usage(format!("a seed has 1 to {SEED_LEN_MAX} bytes")));
        }
        Some(seed) => seed.clone(),
        None => random()?,
    };
    // What was fetched before says nothing of whether it can be had now.
    let cache = tempfile::tempdir().map_err(Failure::io("make a directory for what is fetched"))?;
    let retrieve = archives::retrieve_into(cache.path().to_owned(), None);
    let store = Store::open(path, Options::default().read_only(true).retrieve(retrieve))?;
    let drill = drill(&store, &seed, args.count)?;
    let noted = if args.no_record { None } else { note(path, &drill) };
    let mut out = Out::stdout();
    if args.json {
        out.json(&told(&store, &drill, noted))?;
    } else {
        print(&mut out, &drill)?;
    }
    out.finish()?;
    Ok(code(&drill))
}

/// Longest seed, in bytes.
const SEED_LEN_MAX: usize = 256;

fn random() -> Outcome<String> {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes).map_err(Failure::io("draw a seed"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn drill(store: &Store, seed: &str, count: u64) -> Outcome<Drill> {
    let checkpoint: Note = store.last_checkpoint()?.ok_or_else(|| {
        Failure::Usage(
            "this store has no checkpoint to prove records under; sign one with `indelible checkpoint`"
                .to_owned(),
        )
    })?;
    let (stop, bar) = (Stop::listen(|| ())?, Progress::records(0));
    let drill = store.snapshot()?.drill(&checkpoint, seed, count, &mut |done, total| {
        bar.of(done, total);
        stop.asked().is_none()
    });
    bar.finish();
    match (drill, stop.asked()) {
        (Err(Error::Cancelled), Some(code)) => Err(Failure::Told(code)),
        (drill, _) => Ok(drill?),
    }
}

/// Notes it in the log. Where that cannot be it is told, and the verdict stays what it is.
fn note(path: &Path, drill: &Drill) -> Option<Seq> {
    let append = || -> Outcome<Seq> {
        let store = open::to_write(path)?;
        let seq = store.note_drill(&drill.drilled(PROGRAM))?;
        store.close()?;
        Ok(seq)
    };
    match append() {
        Ok(seq) => {
            output::say(format_args!("record {seq} of the log says so"));
            Some(seq)
        }
        Err(why) => {
            output::warn(format_args!("the log has no record of this drill: {why}"));
            None
        }
    }
}

fn print(out: &mut Out, drill: &Drill) -> Outcome<()> {
    for tier in &drill.tiers {
        let failed = tier.drawn.iter().filter(|drawn| drawn.failed.is_some()).count();
        out.line(format_args!(
            "{:<8} {} of {} retrieved and proved: {} at the median, {} the slowest",
            tier.tier,
            tier.drawn.len() - failed,
            output::counted(tier.drawn.len() as u64, "record", "records"),
            milliseconds(median(tier)),
            milliseconds(took(tier).last().copied().unwrap_or(0)),
        ))?;
    }
    for (seq, error) in drill.failures() {
        out.line(format_args!("failed   record {seq}: {}", output::escape(error.to_string().as_bytes())))?;
    }
    let seed = output::escape(drill.seed.as_bytes());
    out.line(format_args!(
        "drawn by the seed {seed} of the log's {} under its last checkpoint, of which no key was asked",
        output::counted(drill.checkpoint_size, "record", "records")
    ))
}

/// How long the records took, ascending, in nanoseconds.
fn took(tier: &DrilledSegments) -> Vec<u64> {
    let mut took: Vec<u64> = tier.drawn.iter().map(|drawn| drawn.took_ns).collect();
    took.sort_unstable();
    took
}

fn median(tier: &DrilledSegments) -> u64 {
    let took = took(tier);
    took.get(took.len() / 2).copied().unwrap_or(0)
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1} ms", Duration::from_nanos(ns).as_secs_f64() * 1e3)
}

fn told(store: &Store, drill: &Drill, noted: Option<Seq>) -> Value {
    let drawn = |tier: &DrilledSegments| -> Vec<Value> {
        let one = |drawn: &indelible::Drawn| {
            let failed = drawn.failed.as_ref().map(ToString::to_string);
            json!({ "seq": drawn.seq, "took_us": drawn.took_ns / 1000, "failed": failed })
        };
        tier.drawn.iter().map(one).collect()
    };
    let tiers: Vec<Value> = drill
        .tiers
        .iter()
        .map(|tier| {
            json!({
                "tier": tier.tier,
                "record_count": tier.record_count,
                "median_us": median(tier) / 1000,
                "longest_us": took(tier).last().copied().unwrap_or(0) / 1000,
                "drawn": drawn(tier),
            })
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "origin": store.origin().to_string(),
        "checkpoint_size": drill.checkpoint_size,
        "seed": drill.seed,
        "verdict": drill.drilled(PROGRAM).verdict,
        "tiers": tiers,
        "noted": noted,
    })
}

/// Clean only where all could be had.
fn code(drill: &Drill) -> Code {
    match drill.drilled(PROGRAM).verdict.as_str() {
        "clean" => Code::Clean,
        "unsupported" => Code::Unsupported,
        "damaged" => Code::Damaged,
        "forged" => Code::Forged,
        _ => Code::Incomplete,
    }
}
