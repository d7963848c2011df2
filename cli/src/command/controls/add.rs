//! `indelible controls add`: a pack, a mapping or label rules go into the log.

use std::path::Path;

use indelible::query::controls::{Change, ControlsFile};
use indelible::{Seq, Snapshot, limits};
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::{input, open};

/// What `--json` prints; the names are stable.
#[derive(Serialize)]
struct Added<'a> {
    kind: &'a str,
    name: &'a str,
    version: &'a str,
    /// The record that has it; none on a dry run.
    seq: Option<Seq>,
    /// Whether it was in force already.
    unchanged: bool,
    changes: &'a [String],
    warnings: &'a [String],
}

/// Checks a file, says what it would change, and adds it.
pub(super) fn add(store: &Path, file: &Path, dry_run: bool, as_json: bool) -> Outcome {
    let bytes = input::read_all(file, limits::RULES_LEN_MAX as u64)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Usage(format!("{} is not UTF-8: {error}", file.display())))?;
    let read = |snapshot: &Snapshot| -> Outcome<(ControlsFile, Change)> {
        let told = |error: indelible::query::Error| match error {
            error @ indelible::query::Error::Controls { .. } => {
                Failure::Usage(format!("{}: {error}", file.display()))
            }
            other => other.into(),
        };
        let read = ControlsFile::read(&text, snapshot).map_err(told)?;
        let change = read.change(snapshot)?;
        Ok((read, change))
    };
    let (read, change, seq) = if dry_run {
        let (read, change) = read(&open::to_read(store)?.snapshot()?)?;
        (read, change, None)
    } else {
        let store = open::to_write(store)?;
        let (read, change) = read(&store.snapshot()?)?;
        let seq = read.add(&store)?;
        store.close()?;
        (read, change, Some(seq))
    };
    let mut out = Out::stdout();
    let document = read.document();
    if as_json {
        out.json(&Added {
            kind: read.kind(),
            name: &document.name,
            version: &document.version,
            seq,
            unchanged: change.in_force.is_some(),
            changes: &change.changes,
            warnings: &change.warnings,
        })?;
    } else {
        tell(&mut out, &read, &change, seq)?;
    }
    change.warnings.iter().for_each(output::warn);
    out.finish()?;
    Ok(Code::Clean)
}

fn tell(out: &mut Out, read: &ControlsFile, change: &Change, seq: Option<Seq>) -> Outcome<()> {
    let document = read.document();
    let what = format!("{} {} (version {})", read.kind(), document.name, document.version);
    let what = output::escape(what.as_bytes());
    match (change.in_force, seq) {
        (Some(seq), _) => out.line(format_args!("{what} is in force since record {seq}: nothing changes"))?,
        (None, Some(seq)) => out.line(format_args!("{what} added as record {seq}"))?,
        (None, None) => out.line(format_args!("{what} can be added; it would be as follows"))?,
    }
    for line in &change.changes {
        out.line(format_args!("  {}", output::escape(line.as_bytes())))?;
    }
    Ok(())
}
