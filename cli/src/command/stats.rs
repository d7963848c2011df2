//! `indelible stats`: how much there is of what.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use indelible::source::{EventTime, Fields};
use indelible::{Seq, Snapshot, Source, Timestamp};
use serde::Serialize;

use crate::exit::{Code, Outcome};
use crate::output::{self, Colour, Out};
use crate::progress::Progress;
use crate::{open, show};

/// Show how much the store holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  indelible stats\n  indelible stats --json | jq .events")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--json` prints; the names are stable.
#[derive(Serialize)]
struct Stats {
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
    runs: usize,
    agents: usize,
    controls: usize,
    sources: Vec<String>,
    last_checkpoint: Option<LastCheckpoint>,
}

#[derive(Serialize)]
struct Segments {
    sealed: usize,
    active: usize,
}

/// Bytes by tier. Only the hot tier exists so far.
#[derive(Serialize)]
struct Lengths {
    hot: u64,
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

/// Prints the figures.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = store;
    let store = open::to_read(path)?;
    let snapshot = store.snapshot()?;
    let (sealed, active): (Vec<_>, Vec<_>) = snapshot.segments().partition(|segment| segment.sealed);
    let counted = count(&snapshot)?;
    let tree_size = snapshot.tree_size();
    let stats = Stats {
        origin: store.origin().to_string(),
        store_id: store.store_id().to_string(),
        tree_size,
        root: snapshot.root().to_string(),
        events: counted.events,
        store_records: tree_size - counted.events,
        segments: Segments { sealed: sealed.len(), active: active.len() },
        len: Lengths {
            hot: sealed.iter().chain(&active).map(|segment| segment.log_len).sum(),
            index: index_len(path),
        },
        received: span(counted.received),
        event_time: span(counted.event_time),
        events_without_time: counted.without_time,
        runs: counted.distinct[0].len(),
        agents: counted.distinct[1].len(),
        controls: counted.distinct[2].len(),
        sources: snapshot.sources()?.iter().map(|source| source.profile().name().to_owned()).collect(),
        last_checkpoint: show::signed_size(&store)?
            .map(|size| LastCheckpoint { size, tail: tree_size.saturating_sub(size) }),
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
            let tail = output::counted(last.tail, "record", "records");
            format!("at {}; {tail} after it are not signed yet", output::count(last.size))
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
        (
            "hot tier",
            format!("{} and {} of index", output::length(stats.len.hot), output::length(stats.len.index)),
        ),
        ("received", span(&stats.received)),
        ("event times", times),
        ("runs", output::count(stats.runs as u64)),
        ("agents", output::count(stats.agents as u64)),
        ("controls", output::count(stats.controls as u64)),
        ("sources", stats.sources.join(", ")),
        ("checkpoint", checkpoint),
        ("root", stats.root.clone()),
    ];
    for (name, value) in rows {
        let name = out.paint(Colour::Strong, format_args!("{name:13}"));
        out.line(format_args!("{name}  {}", output::escape(value.as_bytes())))?;
    }
    Ok(())
}

/// The fields whose values are counted.
const COUNTED: [&str; 3] = ["run", "agent", "control"];

/// What reading all events tells.
#[derive(Default)]
struct Counted {
    events: u64,
    received: Option<(Timestamp, Timestamp)>,
    event_time: Option<(Timestamp, Timestamp)>,
    without_time: u64,
    /// Hashes of the values of each counted field: 64 bits are enough to count by.
    distinct: [HashSet<u64>; 3],
}

fn count(snapshot: &Snapshot) -> Outcome<Counted> {
    let mut counted = Counted::default();
    let mut fields = Fields::default();
    // The profile in use, and for each of its fields which of `COUNTED` it is.
    let mut profile: Option<(Seq, Source, Vec<Option<usize>>)> = None;
    let bar = Progress::records(snapshot.tree_size());
    for record in snapshot.records(..) {
        let record = record?;
        if record.seq.is_multiple_of(1024) {
            bar.position(record.seq);
        }
        widen(&mut counted.received, record.received_at);
        if record.is_store_record() {
            continue;
        }
        counted.events += 1;
        if profile.as_ref().is_none_or(|(seq, ..)| *seq != record.source) {
            let source = snapshot.source(record.source)?;
            let slots = source.profile().fields().iter();
            let slots = slots.map(|rule| COUNTED.iter().position(|name| *name == rule.name)).collect();
            profile = Some((record.source, source, slots));
        }
        let Some((_, source, slots)) = &profile else { continue };
        fields.clear();
        source.profile().extract(&record.body, &mut fields)?;
        match fields.time() {
            EventTime::Known(time) => widen(&mut counted.event_time, time),
            EventTime::Absent | EventTime::Unreadable => counted.without_time += 1,
        }
        for (slot, term) in fields.terms() {
            let Some(Some(which)) = slots.get(usize::from(slot)) else { continue };
            let mut hasher = DefaultHasher::new();
            term.hash(&mut hasher);
            counted.distinct[*which].insert(hasher.finish());
        }
    }
    bar.finish();
    Ok(counted)
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, time: Timestamp) {
    let (first, last) = span.unwrap_or((time, time));
    *span = Some((first.min(time), last.max(time)));
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
