//! `indelible recover`: opens a store that was left unclean; or goes on in a new log where it cannot be used.

use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::{CheckpointSigner, FileSigner, Options, Store};
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::{keys, open};

/// Recover a store that was left unclean, or go on in a new one
///
/// Opening a store for writing recovers it anyway; this does it now and says what was found. A store that is
/// rolled back cannot be healed, for records that someone holds receipts of are gone: --fork starts a new log
/// that names the old one's last checkpoint, and leaves the old one as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible recover
  indelible recover --fork evidence-2 --origin acme.example/agents-prod-2")]
pub(crate) struct Args {
    /// Start a new log here, which names the old one's last checkpoint
    #[arg(long, value_name = "DIR", requires = "origin")]
    pub(crate) fork: Option<PathBuf>,
    /// The new log's origin
    #[arg(long, value_name = "NAME", requires = "fork")]
    pub(crate) origin: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Recovers, or forks.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    match (&args.fork, &args.origin) {
        (Some(dir), Some(origin)) => fork(store, dir, origin, args.json),
        _ => recover(store, args.json),
    }
}

fn recover(path: &Path, as_json: bool) -> Outcome {
    let store = open::to_write(path)?;
    let found = store.recovery().clone();
    let size = store.snapshot()?.tree_size();
    store.close()?;
    let mut out = Out::stdout();
    if as_json {
        out.json(&json!({
            "unclean": found.unclean,
            "cut_len": found.cut_len,
            "kept_records": found.kept_records,
            "tree_size": size,
        }))?;
    } else if found.unclean {
        out.line(format_args!(
            "recovered: {} cut and kept in {}, {} kept that had not been acknowledged",
            output::length(found.cut_len),
            output::escape(path.join("lost").display().to_string().as_bytes()),
            output::counted(found.kept_records, "record", "records"),
        ))?;
    } else {
        out.line("nothing to recover: the store was closed in order")?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn fork(path: &Path, dir: &Path, origin: &str, as_json: bool) -> Outcome {
    let old = open::to_read(path)?;
    if old.origin().as_str() == origin {
        return Err(Failure::Usage(format!(
            "{origin} is the old log's origin; whoever holds its checkpoints must see that this is another log: \
             choose a new one"
        )));
    }
    let Some(last) = old.last_checkpoint()? else {
        return Err(Failure::Usage(format!(
            "{} has no checkpoint that a new log could name; make a new store with init",
            path.display()
        )));
    };
    let file = keys::signing_key_path(origin)?;
    let signer = FileSigner::create(&World::real()?, &file, origin)?;
    let options = Options::new(origin).log_key(signer.verifier().clone()).forked_from(last.to_string());
    let made = Store::create(dir, options).and_then(Store::close);
    if made.is_err() {
        // Made a moment ago for a store that is not there: nothing was ever signed with it.
        let _ = std::fs::remove_file(&file);
    }
    made?;
    let mut out = Out::stdout();
    if as_json {
        out.json(&json!({
            "store": dir.display().to_string(),
            "origin": origin,
            "verifier_key": signer.verifier().to_string(),
            "signing_key_file": file.display().to_string(),
            "forked_from": last.to_string(),
        }))?;
    } else {
        out.line(output::escape(signer.verifier().to_string().as_bytes()))?;
    }
    out.finish()?;
    output::say(format_args!(
        "made {} of {origin}; its first record names the last checkpoint of {}, which is left as it is",
        dir.display(),
        old.origin(),
    ));
    Ok(Code::Clean)
}
