//! `indelible archive`: sealed segments as plain Parquet files.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use indelible::{Error, SegmentId, SegmentInfo, Snapshot, Store, Timestamp};
use indelible_archive::{Archived, Pruned, Target, archive_segment, prune_archive, verify_archive};
use serde_json::json;

use super::query::{moment, present};
use crate::approvals::duration;
use crate::archives;
use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::signal::Stop;

/// Copy sealed segments to plain Parquet files, which DuckDB, Spark or Trino read without Indelible
///
/// A file is a segment: a row for each record, with its event byte for byte, its fields as columns, and all that it takes
/// to hash the record again and to write the log again. The store keeps its own copy of each segment, unless --drop lets it go:
/// then it is brought back when a command reads it.
///
/// An archive is a folder or a bucket: DIR, file:///DIR or s3://BUCKET/PREFIX, with AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP and the like from the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible archive copy /archive --older-than 1y
  indelible archive copy /archive --older-than 1y --drop
  indelible archive verify /archive
  indelible archive restore --segments 0..100000
  indelible archive prune /archive
  indelible archive copy s3://evidence/agents-prod --lock-until 2032-01-01
  duckdb -c \"select unnest(control) as id, count(*) from '/archive/*/*.parquet' group by id\"")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with an archive.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Write sealed segments to an archive; what is there already is compared and stays
    #[command(
        after_help = "Examples:\n  indelible archive copy /archive\n  indelible archive copy s3://evidence/agents-prod --older-than 1y --json
  indelible archive copy /archive --older-than 1y --drop"
    )]
    Copy {
        /// A folder, which is made if missing, or s3://BUCKET/PREFIX
        #[arg(value_name = "ARCHIVE")]
        archive: String,
        /// Only segments that were sealed this long ago or longer
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        older_than: Option<i64>,
        /// Have the bucket lock each new file until this time, against everybody (mode COMPLIANCE). A bucket with Object Lock
        /// locks a file in any case until the first of its events is due by the policies; this lengthens it
        #[arg(long, value_name = "TIME", value_parser = moment)]
        lock_until: Option<Timestamp>,
        /// Drop each segment here once it was brought back from the archive and compared; a record says so. Where a policy
        /// wants it here still, it stays
        #[arg(long)]
        drop: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Bring segments back, to stay: byte for byte as they were, each hashed again before it is believed; a record says so
    #[command(
        after_help = "Examples:\n  indelible archive restore\n  indelible archive restore --segments 0..100000 --json"
    )]
    Restore {
        /// Only segments with records of this range of seqs
        #[arg(long, value_name = "A..B", value_parser = seqs)]
        segments: Option<Range<u64>>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove the files that have events which were deleted since; which the bucket keeps in spite of that is said, exit code 14
    #[command(
        after_help = "Examples:\n  indelible archive prune /archive --dry-run\n  indelible archive prune s3://evidence/agents-prod --json"
    )]
    Prune {
        /// A folder or s3://BUCKET/PREFIX
        #[arg(value_name = "ARCHIVE")]
        archive: String,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Hash all records of an archive again, and see that its files follow one another; no store is needed
    ///
    /// Exit code 14 where there is no archived file at all.
    #[command(after_help = "Example:\n  indelible archive verify /archive --json")]
    Verify {
        /// A folder or s3://BUCKET/PREFIX
        #[arg(value_name = "ARCHIVE")]
        archive: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    match &args.what {
        What::Copy { archive, older_than, lock_until, drop, json } => {
            let mut target = archives::target(archive)?;
            if let Some(until) = lock_until {
                target.lock_until(*until)?;
            }
            copy(store, &target, *older_than, *drop, *json)
        }
        What::Restore { segments, json } => restore(store, segments.as_ref(), *json),
        What::Prune { archive, dry_run, json } => prune(store, archives::target(archive)?, *dry_run, *json),
        What::Verify { archive, json } => verify(&archives::target(archive)?, *json),
    }
}

/// `A..B`, either of which may be left out.
fn seqs(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str, default| if text.is_empty() { Ok(default) } else { text.parse().map_err(drop) };
    let range = text.split_once("..").and_then(|(first, end)| {
        Some(number(first, 0).ok()?..number(end, u64::MAX).ok()?).filter(|range| range.start < range.end)
    });
    range.ok_or_else(|| format!("{text:?} is no range of seqs, such as 0..100000"))
}

fn copy(store: &Path, target: &Target, older_than: Option<i64>, drop: bool, json: bool) -> Outcome {
    let store = if drop { open::to_write(store)? } else { open::to_read(store)? };
    let snapshot = store.snapshot()?;
    let segments = wanted(&snapshot, target, older_than)?;
    let total = segments.iter().map(|segment| segment.end_seq - segment.id.0).sum();
    let (stop, bar) = (Stop::listen(|| ())?, Progress::records(total));
    let (mut archived, mut dropped, mut passed, mut failed) = (Vec::new(), Vec::new(), 0, None);
    for segment in &segments {
        let mut progress = |done: u64, _| {
            bar.position(passed + done);
            stop.asked().is_none()
        };
        let mut one = || {
            let copied = archive_segment(&store, &snapshot, segment, target, &mut progress)?;
            // What was there already has the lock that it was put with, if any.
            let locked_until = copied.locked_until;
            archived.push(copied);
            let to = (target, locked_until);
            if drop && let_go(&store, &snapshot, segment.id, to, &mut || stop.asked().is_none())? {
                dropped.push(segment.id);
            }
            Ok(())
        };
        match one() {
            Ok(()) => {}
            Err(Error::Cancelled) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        passed += segment.end_seq - segment.id.0;
    }
    bar.finish();
    let closed = if drop { store.close() } else { Ok(()) };
    let mut out = Out::stdout();
    // Where something kept segments from being written, that is what there is to say.
    if json || !archived.is_empty() || (failed.is_none() && stop.asked().is_none()) {
        tell(&mut out, &archived, drop.then_some(&dropped), target, json)?;
    }
    out.finish()?;
    closed?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(stop.asked().inspect(|_| output::say("stopped on request")).unwrap_or(Code::Clean)),
    }
}

/// Drops a segment that is in the archive, where its file is locked until a time, unless a policy wants it here; whether it
/// went.
pub(super) fn let_go(
    store: &Store,
    snapshot: &Snapshot,
    id: SegmentId,
    (target, locked_until): (&Target, Option<Timestamp>),
    go_on: &mut dyn FnMut() -> bool,
) -> Result<bool, Error> {
    if snapshot.archivable_at(id)?.is_some_and(|at| at > present()) {
        return Ok(false);
    }
    Ok(store.move_to_archive(id, &target.to_string(), locked_until, &mut |_, _| go_on())?.is_some())
}

fn restore(store: &Path, seqs: Option<&Range<u64>>, json: bool) -> Outcome {
    let store = open::to_write(store)?;
    let snapshot = store.snapshot()?;
    let (stop, mut restored, mut failed) = (Stop::listen(|| ())?, Vec::new(), None);
    for segment in snapshot.segments().filter(|segment| segment.sealed) {
        let wanted = seqs.is_none_or(|seqs| segment.id.0 < seqs.end && segment.end_seq > seqs.start);
        if !wanted || stop.asked().is_some() {
            continue;
        }
        match store.restore(segment.id) {
            Ok(came) => restored.extend(came),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let closed = store.close();
    let mut out = Out::stdout();
    if json {
        let segments: Vec<_> = restored
            .iter()
            .map(|segment| json!({ "segment": segment.id.0, "end_seq": segment.end_seq, "archive": segment.archive }))
            .collect();
        out.json(&json!({ "restored": segments }))?;
    } else {
        out.line(format_args!(
            "restored {}: {} of log",
            output::counted(restored.len() as u64, "segment", "segments"),
            output::length(restored.iter().map(|segment| segment.log_len).sum()),
        ))?;
    }
    out.finish()?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    closed?;
    Ok(stop.asked().unwrap_or(Code::Clean))
}

fn prune(store: &Path, target: Target, dry_run: bool, json: bool) -> Outcome {
    let store = open::to_read(store)?;
    let target = Arc::new(target);
    let is_empty = target.list()?.is_empty();
    let pruned = prune_archive(&store, &store.snapshot()?, &target, dry_run)?;
    let mut out = Out::stdout();
    if json {
        let removed: Vec<_> = pruned.removed.iter().map(|object| &object.name).collect();
        let left = pruned.left.iter().map(|(object, why)| json!({ "file": object.name, "why": why }));
        out.json(&json!({ "removed": removed, "left": left.collect::<Vec<_>>(), "dry_run": dry_run }))?;
    } else {
        let verb = if dry_run { "would remove" } else { "removed" };
        for object in &pruned.removed {
            out.line(format_args!("{verb}  {}", output::escape(object.name.as_bytes())))?;
        }
        for (object, why) in &pruned.left {
            let (name, why) = (output::escape(object.name.as_bytes()), output::escape(why.as_bytes()));
            out.line(format_args!("left     {name}: {why}"))?;
        }
        if pruned == Pruned::default() && !is_empty {
            output::say("no file of this archive has events that were deleted since");
        }
    }
    out.finish()?;
    if is_empty {
        output::warn(nothing_there(&target));
    }
    Ok(if pruned.left.is_empty() { Code::Clean } else { Code::Incomplete })
}

/// That a place which was named as an archive has no file of one.
fn nothing_there(target: &Target) -> String {
    format!(
        "no archived file, of this store or another, was found in {target}: is it the place that was meant?"
    )
}

/// The sealed segments that are old enough, but for those that went to this archive already.
fn wanted(snapshot: &Snapshot, target: &Target, older_than: Option<i64>) -> Outcome<Vec<SegmentInfo>> {
    let before = older_than.map(|ns| present().0.saturating_sub(ns));
    let mut wanted = Vec::new();
    for segment in snapshot.segments().filter(|segment| segment.sealed) {
        if snapshot.archived(segment.id)?.is_some_and(|there| there.archive == target.to_string()) {
            continue;
        }
        let sealed_at = snapshot.sealed_at(segment.id)?;
        if before.is_none_or(|before| sealed_at.is_some_and(|at| at.0 <= before)) {
            wanted.push(segment);
        }
    }
    Ok(wanted)
}

fn tell(
    out: &mut Out,
    archived: &[Archived],
    dropped: Option<&Vec<SegmentId>>,
    target: &Target,
    json: bool,
) -> Outcome<()> {
    if json {
        let files: Vec<_> = archived
            .iter()
            .map(|file| {
                let until = file.locked_until.map(|until| until.to_string());
                let Archived { object, was_there, .. } = file;
                json!({ "file": object.name, "len": object.len, "was_there": was_there, "locked_until": until })
            })
            .collect();
        let mut told = json!({ "files": files });
        if let Some(dropped) = dropped {
            told["dropped"] = dropped.iter().map(|id| id.0).collect();
        }
        return out.json(&told);
    }
    let new = archived.iter().filter(|file| !file.was_there);
    let len: u64 = new.clone().map(|file| file.object.len).sum();
    output::say(format_args!(
        "wrote {} ({}) to {}, {} there already; check it with: indelible archive verify {}",
        output::counted(new.count() as u64, "segment", "segments"),
        output::length(len),
        target,
        archived.iter().filter(|file| file.was_there).count(),
        target,
    ));
    if let Some(dropped) = dropped {
        let dropped = output::counted(dropped.len() as u64, "segment", "segments");
        output::say(format_args!(
            "dropped {dropped} here: they are brought back from the archive when they are read"
        ));
    }
    Ok(())
}

fn verify(target: &Target, json: bool) -> Outcome {
    let bar = Progress::records(0);
    let report = verify_archive(target, &mut |done, total| bar.of(done as u64, total as u64))?;
    bar.finish();
    let mut out = Out::stdout();
    if json {
        let files: Vec<_> = report
            .files
            .iter()
            .map(|(path, first, end)| json!({ "file": path.display().to_string(), "first_seq": first, "end_seq": end }))
            .collect();
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|(path, error)| json!({ "file": path.display().to_string(), "finding": error.to_string() }))
            .collect();
        let gaps: Vec<_> = report.gaps.iter().map(|gap| json!([gap.start, gap.end])).collect();
        let outdated: Vec<_> = report.outdated.iter().map(|path| path.display().to_string()).collect();
        out.json(&json!({ "files": files, "outdated": outdated, "findings": findings, "gaps": gaps }))?;
    } else {
        for (path, first, end) in &report.files {
            out.line(format_args!(
                "whole    {first}..{end}  {}",
                output::escape(path.display().to_string().as_bytes())
            ))?;
        }
        for path in &report.outdated {
            let path = output::escape(path.display().to_string().as_bytes()).into_owned();
            out.line(format_args!(
                "outdated {path}  it has events that were deleted since: `indelible archive prune`"
            ))?;
        }
        for gap in &report.gaps {
            out.line(format_args!("missing  {}..{}  no file has these records", gap.start, gap.end))?;
        }
        for (_, error) in &report.findings {
            out.line(format_args!("wrong    {}", output::escape(error.to_string().as_bytes())))?;
        }
    }
    out.finish()?;
    if report.files.is_empty() && report.findings.is_empty() {
        // Nothing was found wrong because nothing was looked at.
        output::error(&nothing_there(target));
        return Ok(Code::Incomplete);
    }
    output::say(
        "not covered: whether the seals are those of a log that someone vouches for; the columns of fields, and the profiles' texts",
    );
    // The weightiest: what was forged before what was damaged.
    match report.findings.into_iter().max_by_key(|(_, error)| error.class()) {
        Some((_, error)) => Err(Failure::from(error)),
        None => Ok(Code::Clean),
    }
}
