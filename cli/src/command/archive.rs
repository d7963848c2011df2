//! `indelible archive`: sealed segments as plain Parquet files.

use std::ffi::OsString;
use std::path::Path;

use indelible::{Error, SegmentInfo, Snapshot, Timestamp};
use indelible_archive::{Archived, Target, archive_segment, verify_archive};
use serde_json::json;

use super::query::{moment, present};
use crate::approvals::duration;
use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::signal::Stop;

/// Copy sealed segments to plain Parquet files, which DuckDB, Spark or Trino read without Indelible
///
/// A file is a segment: a row for each record, with its event byte for byte, its fields as columns, and all that it takes
/// to hash the record again and to write the log again. The store keeps its own copy of each segment.
///
/// An archive is a folder or a bucket: DIR, file:///DIR or s3://BUCKET/PREFIX, with AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP and the like from the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible archive copy /archive --older-than 1y
  indelible archive verify /archive
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
        after_help = "Examples:\n  indelible archive copy /archive\n  indelible archive copy s3://evidence/agents-prod --older-than 1y --json"
    )]
    Copy {
        /// A folder, which is made if missing, or s3://BUCKET/PREFIX
        #[arg(value_name = "ARCHIVE")]
        archive: String,
        /// Only segments that were sealed this long ago or longer
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        older_than: Option<i64>,
        /// Have the bucket lock each new file until this time, against everybody (mode COMPLIANCE)
        #[arg(long, value_name = "TIME", value_parser = moment)]
        lock_until: Option<Timestamp>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Hash all records of an archive again, and see that its files follow one another; no store is needed
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
        What::Copy { archive, older_than, lock_until, json } => {
            let mut target = target(archive)?;
            if let Some(until) = lock_until {
                target.lock_until(*until)?;
            }
            copy(store, &target, *older_than, *json)
        }
        What::Verify { archive, json } => verify(&target(archive)?, *json),
    }
}

/// The archive at a place, spoken to as the environment says.
fn target(place: &str) -> Outcome<Target> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    Ok(Target::open(place, std::env::vars_os().filter_map(text))?)
}

fn copy(store: &Path, target: &Target, older_than: Option<i64>, json: bool) -> Outcome {
    let store = open::to_read(store)?;
    let snapshot = store.snapshot()?;
    let segments = wanted(&snapshot, older_than)?;
    let total = segments.iter().map(|segment| segment.end_seq - segment.id.0).sum();
    let (stop, bar) = (Stop::listen(|| ())?, Progress::records(total));
    let (mut archived, mut passed, mut failed) = (Vec::new(), 0, None);
    for segment in &segments {
        let mut progress = |done: u64, _| {
            bar.position(passed + done);
            stop.asked().is_none()
        };
        match archive_segment(&store, &snapshot, segment, target, &mut progress) {
            Ok(file) => archived.push(file),
            Err(Error::Cancelled) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        passed += segment.end_seq - segment.id.0;
    }
    bar.finish();
    let mut out = Out::stdout();
    tell(&mut out, &archived, target, json)?;
    out.finish()?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(stop.asked().unwrap_or(Code::Clean)),
    }
}

fn wanted(snapshot: &Snapshot, older_than: Option<i64>) -> Outcome<Vec<SegmentInfo>> {
    let before = older_than.map(|ns| present().0.saturating_sub(ns));
    let mut wanted = Vec::new();
    for segment in snapshot.segments().filter(|segment| segment.sealed) {
        let sealed_at = snapshot.sealed_at(segment.id)?;
        if before.is_none_or(|before| sealed_at.is_some_and(|at| at.0 <= before)) {
            wanted.push(segment);
        }
    }
    Ok(wanted)
}

fn tell(out: &mut Out, archived: &[Archived], target: &Target, json: bool) -> Outcome<()> {
    if json {
        let files: Vec<_> = archived
            .iter()
            .map(|file| json!({ "file": file.object.name, "len": file.object.len, "was_there": file.was_there }))
            .collect();
        return out.json(&json!({ "files": files }));
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
        out.json(&json!({ "files": files, "findings": findings, "gaps": gaps }))?;
    } else {
        for (path, first, end) in &report.files {
            out.line(format_args!(
                "whole    {first}..{end}  {}",
                output::escape(path.display().to_string().as_bytes())
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
    output::say(
        "not covered: whether the seals are those of a log that someone vouches for; the columns of fields, and the profiles' texts",
    );
    // The weightiest: what was forged before what was damaged.
    match report.findings.into_iter().max_by_key(|(_, error)| error.class()) {
        Some((_, error)) => Err(Failure::from(error)),
        None => Ok(Code::Clean),
    }
}
