//! `indelible verify`: checks a whole store, and says what it could not check.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible::disk::{Clock, SystemClock};
use indelible::trust::{Note, VerifierKey};
use indelible::verify::{Depth, Options, Report, Round, Scope};
use indelible::{Seq, Timestamp};

use serde::Serialize;

use crate::anchors::{self, Gathered};
use crate::approvals;
use crate::archives;
use crate::exit::{Code, Outcome};
use crate::metrics::{self, Measured};
use crate::output::{self, Out};
use crate::render::verification::{escaped, print};
use crate::rounds::StateFile;
use crate::verification::{check, code, note};
use crate::witnessed::{Sought, Witnessed};
use crate::{input, open};

/// Check the store, report every finding, and say what was not covered
///
/// Each segment gets a verdict. Nothing that is checked is written to; afterwards a record is appended that says what was
/// looked at and what was found (not with --no-record). Without a key only integrity is checked: that the store is
/// what its own hashes say, not who vouched for it. It must also go on from every checkpoint of it that an anchor holds
/// (`indelible help anchor`); exit code 14 where one could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify
  indelible verify --quick                        # in a second; says what it did not read
  indelible verify --checksums
  indelible verify --max-duration 5m --resume     # a little every night; exit code 15 until all was checked
  indelible verify --subset 3/7                   # on Wednesdays
  indelible verify --since-last
  indelible verify --metrics /var/lib/node_exporter/indelible.prom
  indelible verify --key acme.vkey --expect yesterday.checkpoint
  indelible verify --archive
  indelible verify --archive s3://evidence/agents-prod
  indelible verify --key acme.vkey --witness witness.vkey
  indelible verify --key 'acme.example/agents+9af1...+AaZ...' --json")]
pub(crate) struct Args {
    /// What can be seen without reading the events: files and their lengths, headers, sidecars, the tree over the leaves that
    /// these keep, seals, the latest checkpoint, the store's own records; and the last segment's frames
    #[arg(long, conflicts_with_all = ["full", "checksums"])]
    pub(crate) quick: bool,
    /// The checksum of every frame and sidecar, and all of the store's own records; bodies are not hashed, indexes not rebuilt
    #[arg(long, conflicts_with = "full")]
    pub(crate) checksums: bool,
    /// Everything, which is the default: each body, hash and index, rebuilt and compared
    #[arg(long)]
    pub(crate) full: bool,
    /// Begin no other segment after this time, and remember what was found good; exit code 15 if that was not all
    #[arg(long, value_name = "DURATION", value_parser = approvals::duration, conflicts_with_all = ["quick", "checksums"])]
    pub(crate) max_duration: Option<i64>,
    /// Go on where the last run with --max-duration stopped; what it found good is not read again
    #[arg(long, conflicts_with_all = ["quick", "checksums"])]
    pub(crate) resume: bool,
    /// Everything of each N-th segment, the K-th first, and the checksums of the rest: 1/N to N/N together are everything
    #[arg(long, value_name = "K/N", value_parser = subset, conflicts_with_all = ["quick", "checksums", "full", "max_duration", "resume"])]
    pub(crate) subset: Option<(u32, u32)>,
    /// Everything of what came since all was last found good, and the checksums of the rest
    #[arg(long, conflicts_with_all = ["quick", "checksums", "full", "max_duration", "resume", "subset"])]
    pub(crate) since_last: bool,
    /// Where to remember how far --max-duration came and what --since-last goes on from; never in the store [default: a
    /// file in your configuration folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Leave no record of this in the log
    #[arg(long)]
    pub(crate) no_record: bool,
    /// A checkpoint that the store must continue: a signed note's file
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = ["max_duration", "resume", "subset", "since_last"])]
    pub(crate) expect: Option<PathBuf>,
    /// The verifier key that must have signed: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: Option<String>,
    /// A witness who must have cosigned the latest checkpoint, by a verifier key or a file that holds one; may be given
    /// more than once [default: those of `witness add` are shown, and none is missed]
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    pub(crate) witnesses: Vec<String>,
    /// The archive that segments which are not here are read from; without it they are not looked at, and that is a finding
    #[arg(long, value_name = "ARCHIVE", num_args = 0..=1, default_missing_value = "")]
    pub(crate) archive: Option<String>,
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
    let (began, began_at) = (Instant::now(), SystemClock.now());
    let remembers = args.max_duration.is_some() || args.resume || args.since_last || args.state.is_some();
    let state = remembers.then(|| StateFile::open(store, args.state.as_deref())).transpose()?;
    let (scope, vouched) = scope(store, args, state.as_ref())?;
    // Before the store is read: it may grow meanwhile, and its anchors with it.
    let gathered = Gathered::read();
    let max = args.max_duration.map(|ns| Duration::from_nanos(ns.unsigned_abs()));
    let options = Options {
        depth: match (args.quick, args.checksums) {
            (true, _) => Depth::Quick,
            (_, true) => Depth::Checksums,
            _ => Depth::Full,
        },
        scope,
        began_at,
        time_is_over: max
            .map(|max| -> Arc<dyn Fn() -> bool + Send + Sync> { Arc::new(move || began.elapsed() >= max) }),
        key,
        expect,
        anchored: gathered.checkpoints(),
        witnesses: sought.keys().iter().map(|(_, key)| key.clone()).collect(),
        retrieve: args
            .archive
            .as_ref()
            .map(|place| archives::retrieve(Some(place.clone()).filter(|place| !place.is_empty()))),
        ..Options::default()
    };
    let mut report = check(store, options)?;
    let took = began.elapsed();
    report.not_covered.extend(vouched);
    if let Some(state) = state {
        state.keep(&report, began_at)?;
    }
    let anchors = gathered.told(report.origin.as_deref());
    let (witnessed, complete) = sought.find(store, report.checkpoint_size)?;
    if let Some(path) = &args.metrics {
        let ended = SystemClock.now();
        // It takes reading all events: not where the time is limited.
        let overdue_count = if args.max_duration.is_none() { overdue(store, ended) } else { None };
        let failures = open::to_read(store).ok().map(|store| store.failures());
        let measured =
            Measured { report: &report, ended, took, witnessed: &witnessed, overdue_count, failures };
        metrics::write(path, &measured)?;
    }
    let noted = if args.no_record { None } else { note(store, &report, took) };
    let mut out = Out::stdout();
    if args.json {
        out.json(&Told { schema: SCHEMA, report: &report, noted, witnessed: &witnessed, anchors: &anchors })?;
    } else {
        print(&mut out, &report)?;
        for Witnessed { by, at, tree_size, .. } in &witnessed {
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
        Code::Clean | Code::Partial if !complete => Code::NotAuthenticated,
        Code::Clean | Code::Partial if !is_read => Code::Incomplete,
        code => code,
    })
}

/// The version of what `--json` prints: docs/JSON.md says what is in it.
pub(crate) const SCHEMA: &str = "indelible.verify/1";

/// What of the store is gone through; and who vouches for the rest, in words.
fn scope(store: &Path, args: &Args, state: Option<&StateFile>) -> Outcome<(Scope, Option<String>)> {
    if let Some((part, of)) = args.subset {
        return Ok((Scope::Subset { part, of }, None));
    }
    let Some(state) = state else { return Ok((Scope::All, None)) };
    if args.since_last {
        let (scope, by) = state.since(store)?;
        if by.is_none() {
            output::say("no verification of all of it is known: all is checked");
        }
        let vouched = |by| format!("what was verified before: {by}; only its checksums were looked at now");
        return Ok((scope, by.map(vouched)));
    }
    if args.max_duration.is_none() && !args.resume {
        return Ok((Scope::All, None));
    }
    let going_on = state.state.round.clone().filter(|_| args.resume);
    Ok((Scope::Round(going_on.unwrap_or_else(|| Round::new(SystemClock.now()))), None))
}

/// How many events are past their time and not held, where there is a policy. What cannot be read is what the
/// verification tells.
fn overdue(store: &Path, now: Timestamp) -> Option<u64> {
    let snapshot = open::to_read(store).ok()?.snapshot().ok()?;
    snapshot.retention().ok()?.policy()?;
    let status = snapshot.retention_status(now).ok()?;
    Some(status.rules.iter().map(|rule| rule.overdue.events).sum())
}

/// A part, as `3/7` says it.
fn subset(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    parsed
        .filter(|(part, of)| (1..=*of).contains(part))
        .ok_or_else(|| format!("{text:?} is no part; write 3/7 for the third of seven"))
}

/// What a machine reads.
#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    #[serde(flatten)]
    report: &'a Report,
    /// The record that says so.
    noted: Option<Seq>,
    witnessed: &'a [Witnessed],
    anchors: &'a [anchors::Told],
}

/// What the demo shows: everything checked, by the key and the checkpoint just made.
pub(crate) fn of_demo(out: &mut Out, store: &Path, key: &VerifierKey, expect: &Note) -> Outcome {
    let options = Options { key: Some(key.clone()), expect: Some(expect.clone()), ..Options::default() };
    let report = check(store, options)?;
    print(out, &report)?;
    Ok(code(&report))
}
