//! `indelible backup`: a consistent copy of a live store.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use indelible::Error;
use serde_json::json;

use crate::apart;
use crate::exit::{Code, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::signal::Stop;

/// Copy the store, consistently, while others write to it
///
/// The copy is a store of its own right, with the same origin: use it to restore, not to append to both. Where it cannot be
/// finished, or Ctrl-C stops it, what was copied so far is removed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  indelible backup /backup/evidence-2026-04-14\n  indelible verify -C /backup/evidence-2026-04-14"
)]
pub(crate) struct Args {
    /// The directory to make
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Copies.
pub(crate) fn run(path: &Path, args: &Args) -> Outcome {
    let store = open::to_read(path)?;
    apart::refuse_inside(path, &args.dir)?;
    let was_there = args.dir.exists();
    let stop = Stop::listen(|| ())?;
    let mut bar: Option<Progress> = None;
    let copied = store.backup(&args.dir, &mut |done, total| {
        bar.get_or_insert_with(|| Progress::bytes(Some(total))).position(done);
        stop.asked().is_none()
    });
    if let Some(bar) = &bar {
        bar.finish();
    }
    if copied.as_ref().is_err_and(is_all_ours) {
        remove_unfinished(&args.dir, was_there);
    }
    let copied = match (copied, stop.asked()) {
        (Err(Error::Cancelled), Some(code)) => {
            output::say("stopped on request: there is no copy");
            return Ok(code);
        }
        (copied, _) => copied?,
    };
    let mut out = Out::stdout();
    if args.json {
        out.json(&json!({
            "directory": args.dir.display().to_string(),
            "origin": store.origin().as_str(),
            "tree_size": copied.tree_size,
            "len": copied.len,
        }))?;
    }
    out.finish()?;
    output::say(format_args!(
        "copied {} ({}) to {}; check it with: indelible verify -C {}",
        output::counted(copied.tree_size, "record", "records"),
        output::length(copied.len),
        args.dir.display(),
        args.dir.display(),
    ));
    Ok(Code::Clean)
}

/// Whether all that is in the directory of a backup that ended so was put there by it: not where somebody else put something
/// there before it, or at the same time.
fn is_all_ours(error: &Error) -> bool {
    match error {
        Error::AlreadyExists { .. } => false,
        Error::Io { source, .. } => source.kind() != ErrorKind::AlreadyExists,
        _ => true,
    }
}

/// Removes a copy that was not finished: it would take the room that the next may need. A directory that was there, empty,
/// before it stays.
fn remove_unfinished(dir: &Path, was_there: bool) {
    let removed = if was_there { remove_contents(dir) } else { std::fs::remove_dir_all(dir) };
    if let Err(error) = removed
        && error.kind() != ErrorKind::NotFound
    {
        output::warn(format_args!("the unfinished copy in {} could not be removed: {error}", dir.display()));
    }
}

fn remove_contents(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
    }
    Ok(())
}
