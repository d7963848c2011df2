//! `indelible backup`: a consistent copy of a live store.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::apart;
use crate::exit::{Code, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;

/// Copy the store, consistently, while others write to it
///
/// The copy is a store of its own right, with the same origin: use it to restore, not to append to both.
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
    let mut bar: Option<Progress> = None;
    let copied = store.backup(&args.dir, &mut |done, total| {
        bar.get_or_insert_with(|| Progress::bytes(Some(total))).position(done);
    });
    if let Some(bar) = &bar {
        bar.finish();
    }
    let copied = copied?;
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
