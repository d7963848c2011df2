//! `indelible verify`: checks a whole store, and says what it could not check.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indelible::Error;
use indelible::disk::{Clock, Disk, RealDisk, SystemClock};
use indelible::trust::{Note, VerifierKey};
use indelible::verify::{self, Anchored, Depth, FindingClass, Report, SegmentVerdict};

use serde::Serialize;

use crate::anchors::{self, Gathered};
use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::metrics;
use crate::output::{self, Colour, Out};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::witnessed::{Sought, Witnessed};

/// Check the store, report every finding, and say what was not covered
///
/// Nothing in the store is written. Each segment gets a verdict. Without a key only integrity is checked: that the store is
/// what its own hashes say, not who vouched for it. It must also go on from every checkpoint of it that an anchor holds
/// (`indelible help anchor`); exit code 14 where one could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify
  indelible verify --quick
  indelible verify --metrics /var/lib/node_exporter/indelible.prom
  indelible verify --key acme.vkey --expect yesterday.checkpoint
  indelible verify --key acme.vkey --witness witness.vkey
  indelible verify --key 'acme.example/agents+9af1...+AaZ...' --json")]
pub(crate) struct Args {
    /// Headers, seals, chain and signatures only; bodies and indexes are not read
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Everything, which is the default: each body, hash and index, rebuilt and compared
    #[arg(long)]
    pub(crate) full: bool,
    /// A checkpoint that the store must continue: a signed note's file
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) expect: Option<PathBuf>,
    /// The verifier key that must have signed: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: Option<String>,
    /// A witness who must have cosigned the latest checkpoint, by a verifier key or a file that holds one; may be given
    /// more than once [default: those of `witness add` are shown, and none is missed]
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    pub(crate) witnesses: Vec<String>,
    /// Write Prometheus metrics here, for a textfile collector; kept as it was where the store cannot be looked at
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Checks the store.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let key = args.key.as_deref().map(input::verifier_key).transpose()?;
    let expect = args.expect.as_deref().map(input::note).transpose()?;
    let sought = Sought::new(&args.witnesses)?;
    let began = Instant::now();
    // Before the store is read: it may grow meanwhile, and its anchors with it.
    let gathered = Gathered::read();
    let report = check(store, args.quick, key, expect, gathered.checkpoints())?;
    let anchors = gathered.told(report.origin.as_deref());
    if let Some(path) = &args.metrics {
        metrics::write(path, &report, SystemClock.now(), began.elapsed())?;
    }
    let (witnessed, complete) = sought.find(store, report.checkpoint_size)?;
    let mut out = Out::stdout();
    if args.json {
        out.json(&Told { report: &report, witnessed: &witnessed, anchors: &anchors })?;
    } else {
        print(&mut out, &report)?;
        for Witnessed { by, at, tree_size } in &witnessed {
            let records = output::counted(*tree_size, "record", "records");
            out.line(escaped(format_args!("witnessed by {by} at {at}: {records}")))?;
        }
        for anchor in &anchors {
            out.line(escaped(anchor))?;
        }
    }
    out.finish()?;
    if !complete {
        output::warn("the latest checkpoint that holds is not cosigned by every --witness");
    }
    let mut is_read = true;
    for (anchor, reason) in
        anchors.iter().flat_map(|anchor| anchor.unread.iter().map(move |text| (anchor, text)))
    {
        output::warn(format_args!("anchor {} was not compared with all of: {reason}", anchor.anchor));
        is_read = false;
    }
    Ok(match code(&report) {
        Code::Clean if !complete => Code::NotAuthenticated,
        Code::Clean if !is_read => Code::Incomplete,
        code => code,
    })
}

/// What a machine reads.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    witnessed: &'a [Witnessed],
    anchors: &'a [anchors::Told],
}

/// What the demo shows: everything checked, by the key and the checkpoint just made.
pub(crate) fn of_demo(out: &mut Out, store: &Path, key: &VerifierKey, expect: &Note) -> Outcome {
    let report = check(store, false, Some(key.clone()), Some(expect.clone()), Vec::new())?;
    print(out, &report)?;
    Ok(code(&report))
}

pub(super) fn check(
    store: &Path,
    quick: bool,
    key: Option<VerifierKey>,
    expect: Option<Note>,
    anchored: Vec<Anchored>,
) -> Outcome<Report> {
    let bar = Arc::new(Progress::bytes(Some(0)));
    let cancel = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&cancel);
    let stop = Stop::listen(move || asked.store(true, Ordering::Relaxed))?;
    let shown = Arc::clone(&bar);
    let options = verify::Options {
        depth: if quick { Depth::Quick } else { Depth::Full },
        key,
        expect,
        anchored,
        progress: Some(Arc::new(move |at: verify::Progress| shown.of(at.done_len, at.total_len))),
        cancel: Some(cancel),
        threads: 0,
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = verify::verify(&disk, store, &options);
    bar.finish();
    match (report, stop.asked()) {
        (Err(Error::Cancelled), Some(code)) => Err(Failure::Told(code)),
        (report, _) => Ok(report?),
    }
}

/// The exit code that a report's weightiest finding means.
pub(super) fn code(report: &Report) -> Code {
    match report.verdict() {
        None => Code::Clean,
        Some(FindingClass::Unsupported) => Code::Unsupported,
        Some(FindingClass::Damaged) => Code::Damaged,
        Some(FindingClass::Forged) => Code::Forged,
        Some(FindingClass::NotAuthenticated) => Code::NotAuthenticated,
        Some(FindingClass::RolledBack) => Code::RolledBack,
        // `Incomplete`; and a class that a later engine may add is no success either.
        Some(_) => Code::Incomplete,
    }
}

pub(super) fn print(out: &mut Out, report: &Report) -> Outcome<()> {
    for segment in &report.segments {
        out.line(segment_line(out, segment))?;
    }
    for finding in &report.findings {
        out.line(format_args!("{} {}", out.paint(Colour::Bad, "finding:"), escaped(finding)))?;
    }
    if report.findings_left_out > 0 {
        let more = output::counted(report.findings_left_out, "more finding", "more findings");
        out.line(format_args!("and {more}"))?;
    }
    for remark in &report.remarks {
        out.line(format_args!("{} {}", out.paint(Colour::Notice, "remark:"), escaped(remark)))?;
    }
    let verdict = match report.verdict() {
        None => out.paint(Colour::Good, "clean"),
        Some(class) => out.paint(Colour::Bad, class),
    };
    let covered = &report.covered;
    out.line(format_args!(
        "{verdict}: {} in {}, {} read; {}, {} and {} compared, {} verified",
        output::counted(covered.record_count, "record", "records"),
        output::counted(report.segments.len() as u64, "segment", "segments"),
        output::length(covered.read_len),
        output::counted(covered.seal_count, "seal", "seals"),
        output::counted(covered.index_count, "index", "indexes"),
        output::counted(covered.checkpoint_count, "checkpoint", "checkpoints"),
        output::counted(covered.signature_count, "signature", "signatures"),
    ))?;
    if let Some(root) = &report.root {
        out.line(format_args!("root of {} records: {root}", output::count(report.tree_size)))?;
    }
    for sentence in &report.not_covered {
        out.line(format_args!("{} {}", out.paint(Colour::Notice, "not covered:"), escaped(sentence)))?;
    }
    Ok(())
}

fn segment_line(out: &Out, segment: &SegmentVerdict) -> String {
    let verdict = match segment.class {
        None => out.paint(Colour::Good, "clean"),
        Some(class) => out.paint(Colour::Bad, class),
    };
    let mut line = format!(
        "segment {:<12} seqs {}..{}, {}, {}: {verdict}",
        segment.first_seq,
        segment.first_seq,
        segment.end_seq,
        output::length(segment.log_len),
        if segment.sealed { "sealed" } else { "active" },
    );
    if segment.finding_count > 0 {
        line.push_str(&format!(", {}", output::counted(segment.finding_count, "finding", "findings")));
    }
    line
}

/// Findings and remarks hold words from the store's bytes.
fn escaped(words: impl std::fmt::Display) -> String {
    output::escape(words.to_string().as_bytes()).into_owned()
}
