//! `indelible stats`: how much there is of what.

use std::path::Path;

use indelible::{Snapshot, Tier, Timestamp, Verification};
use serde::Serialize;

use crate::exit::{Code, Outcome};
use crate::output::{self, Colour, Out};
use crate::{open, show};

/// Show how much the store holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  indelible stats\n  indelible stats --json | jq .events")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The version of what `--json` prints: docs/JSON.md says what is in it.
const SCHEMA: &str = "indelible.stats/1";

/// What `--json` prints; the names are stable.
#[derive(Serialize)]
struct Stats {
    schema: &'static str,
    origin: String,
    store_id: String,
    tree_size: u64,
    root: String,
    events: u64,
    store_records: u64,
    segments: Segments,
    len: Lengths,
    received: Option<Span>,
    event_time: Option<Span>,
    /// Events whose own time is missing or unreadable.
    events_without_time: u64,
    runs: u64,
    agents: u64,
    controls: u64,
    sources: Vec<String>,
    last_checkpoint: Option<LastCheckpoint>,
    last_verified: Option<LastVerified>,
}

#[derive(Serialize)]
struct Segments {
    sealed: usize,
    active: usize,
}

/// Bytes on disk by tier.
#[derive(Serialize)]
struct Lengths {
    /// Raw logs.
    hot: u64,
    /// Packs.
    warm: u64,
    /// What the packs unpack to.
    warm_unpacked: u64,
    /// What is kept here of segments that are in archives.
    archive_kept: u64,
    /// Their logs, were they here.
    archive_unpacked: u64,
    index: u64,
}

#[derive(Serialize)]
struct Span {
    first: String,
    last: String,
}

#[derive(Serialize)]
struct LastCheckpoint {
    size: u64,
    /// Records that were appended after it, and that it does not cover.
    tail: u64,
}

/// The last verification of which the log has a record.
#[derive(Serialize)]
struct LastVerified {
    seq: u64,
    at: String,
    scope: String,
    verdict: String,
    /// How many records the log had.
    records: u64,
}

fn last_verified(snapshot: &Snapshot) -> Outcome<Option<LastVerified>> {
    let last = snapshot.verifications().next().transpose()?;
    Ok(last.map(|Verification { seq, noted_at, verified }| LastVerified {
        seq,
        at: noted_at.to_string(),
        scope: verified.scope,
        verdict: verified.verdict,
        records: verified.record_count,
    }))
}

fn verified(last: &Option<LastVerified>) -> String {
    match last {
        None => "no record says so".to_owned(),
        Some(LastVerified { seq, at, scope, verdict, .. }) => {
            format!("{verdict} at {at} ({scope}, record {seq})")
        }
    }
}

/// Prints the figures.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = store;
    let store = open::to_read(path)?;
    let snapshot = store.snapshot()?;
    let (sealed, active): (Vec<_>, Vec<_>) = snapshot.segments().partition(|segment| segment.sealed);
    let totals = snapshot.totals(["run", "agent", "control"])?;
    let [runs, agents, controls] = totals.value_counts;
    let tree_size = snapshot.tree_size();
    let stats = Stats {
        schema: SCHEMA,
        origin: store.origin().to_string(),
        store_id: store.store_id().to_string(),
        tree_size,
        root: snapshot.root().to_string(),
        events: totals.event_count,
        store_records: tree_size - totals.event_count,
        segments: Segments { sealed: sealed.len(), active: active.len() },
        len: lengths(path, &snapshot)?,
        received: span(totals.received),
        event_time: span(totals.event_time),
        events_without_time: totals.without_time_count,
        runs,
        agents,
        controls,
        sources: snapshot.sources()?.iter().map(|source| source.profile().name().to_owned()).collect(),
        last_checkpoint: show::signed_size(&store)?
            .map(|size| LastCheckpoint { size, tail: tree_size.saturating_sub(size) }),
        last_verified: last_verified(&snapshot)?,
    };
    let mut out = Out::stdout();
    if args.json {
        out.json(&stats)?
    } else {
        print(&mut out, &stats)?
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn print(out: &mut Out, stats: &Stats) -> Outcome<()> {
    let span = |span: &Option<Span>| match span {
        Some(Span { first, last }) => format!("{first} to {last}"),
        None => "none".to_owned(),
    };
    let checkpoint = match &stats.last_checkpoint {
        Some(last) if last.tail == 0 => format!("at {}, covers all", output::count(last.size)),
        Some(last) => {
            let tail = output::counted(last.tail, "record after it is", "records after it are");
            format!("at {}; {tail} not signed yet", output::count(last.size))
        }
        None => "none".to_owned(),
    };
    let mut times = span(&stats.event_time);
    if stats.events_without_time > 0 {
        times.push_str(&format!(
            " ({} without a time of their own)",
            output::count(stats.events_without_time)
        ));
    }
    let rows = [
        ("origin", stats.origin.clone()),
        ("events", output::count(stats.events)),
        ("store records", output::count(stats.store_records)),
        ("segments", format!("{} sealed, {} active", stats.segments.sealed, stats.segments.active)),
        ("hot tier", output::length(stats.len.hot)),
        ("warm tier", warm(&stats.len)),
        ("archive", archive(&stats.len)),
        ("index", output::length(stats.len.index)),
        ("received", span(&stats.received)),
        ("event times", times),
        ("runs", output::count(stats.runs)),
        ("agents", output::count(stats.agents)),
        ("controls", output::count(stats.controls)),
        ("sources", stats.sources.join(", ")),
        ("checkpoint", checkpoint),
        ("verified", verified(&stats.last_verified)),
        ("root", stats.root.clone()),
    ];
    for (name, value) in rows {
        let name = out.paint(Colour::Strong, format_args!("{name:13}"));
        out.line(format_args!("{name}  {}", output::escape(value.as_bytes())))?;
    }
    Ok(())
}

fn warm(len: &Lengths) -> String {
    match len.warm {
        0 => "nothing".to_owned(),
        warm => format!("{} for {} of log", output::length(warm), output::length(len.warm_unpacked)),
    }
}

fn archive(len: &Lengths) -> String {
    match len.archive_unpacked {
        0 => "nothing".to_owned(),
        log => format!(
            "{} of log, of which {} are kept here",
            output::length(log),
            output::length(len.archive_kept)
        ),
    }
}

/// What the tiers take. The active segment is hot.
fn lengths(path: &Path, snapshot: &Snapshot) -> Outcome<Lengths> {
    let mut len = Lengths {
        hot: 0,
        warm: 0,
        warm_unpacked: 0,
        archive_kept: 0,
        archive_unpacked: 0,
        index: index_len(path),
    };
    for segment in snapshot.segments() {
        match snapshot.tier(segment.id)? {
            Tier::Hot => len.hot += segment.log_len,
            Tier::Warm { pack_len } => {
                len.warm += pack_len;
                len.warm_unpacked += segment.log_len;
            }
            Tier::Archive { kept_len } => {
                len.archive_kept += kept_len;
                len.archive_unpacked += segment.log_len;
            }
        }
    }
    Ok(len)
}

fn span(span: Option<(Timestamp, Timestamp)>) -> Option<Span> {
    span.map(|(first, last)| Span { first: first.to_string(), last: last.to_string() })
}

/// The length of the sealed segments' sidecars. They are derived and may be missing: then they count for nothing.
fn index_len(path: &Path) -> u64 {
    let Ok(names) = std::fs::read_dir(path.join("log")) else { return 0 };
    let sidecars = names.flatten().filter(|name| name.path().extension().is_some_and(|end| end == "idx"));
    sidecars.filter_map(|name| name.metadata().ok()).map(|facts| facts.len()).sum()
}
