//! `indelible seal`: ends the active segment.

use std::path::Path;

use indelible::{Error, Store};
use serde_json::json;

use crate::exit::{Code, Outcome};
use crate::open;
use crate::output::{self, Out};

/// Seal the active segment
///
/// The seal is a record that states the segment's range, root and index root. Segments are also sealed by
/// themselves, by size, count and age. Where there is nothing to seal, indexes of sealed segments that are missing, as after
/// a disk was full, are made.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  indelible seal --json")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn sealed_count(store: &Store) -> Result<usize, Error> {
    Ok(store.snapshot()?.segments().filter(|segment| segment.sealed).count())
}

/// Seals.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let store = open::to_write(store)?;
    let before = sealed_count(&store)?;
    let sealed = match store.seal() {
        // The seal is a record of the log and stands; its index says nothing that the log does not.
        Err(error) if sealed_count(&store)? > before => {
            output::say(
                "the segment is sealed; what failed is its index, which the next `indelible seal` makes",
            );
            return Err(error.into());
        }
        sealed => sealed?,
    };
    store.close()?;
    let mut out = Out::stdout();
    match &sealed {
        Some(segment) if args.json => out.json(&json!({
            "sealed": true,
            "segment": segment.id.0,
            "first_seq": segment.seal.first_seq,
            "end_seq": segment.seal.end_seq,
            "root": segment.seal.root,
            "index_root": segment.seal.index_root,
        }))?,
        Some(segment) => {
            let seal = &segment.seal;
            out.line(format_args!(
                "sealed segment {}: seqs {}..{}",
                segment.id.0, seal.first_seq, seal.end_seq
            ))?;
            out.line(format_args!("root        {}", seal.root))?;
            out.line(format_args!("index root  {}", seal.index_root))?;
        }
        None if args.json => out.json(&json!({ "sealed": false }))?,
        None => output::say("nothing to seal: the active segment holds no events"),
    }
    out.finish()?;
    Ok(Code::Clean)
}
