//! `indelible monitor`: follows a published log and proves that it only grew.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indelible::Error;
use indelible::hash::LogTree;
use indelible::merkle::{self, TileError, TileNodes};
use indelible::trust::{Checkpoint, ExtensionProof, Note};
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::published::Published;
use crate::{approvals, input};

/// Follow a published log, and prove that it only grew
///
/// The state file keeps the last checkpoint that was found good. The first run takes what it finds, if the key signed
/// it and the tiles lead to its root; each later run demands a proof that nothing of it was changed or taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible monitor /srv/www/agents-prod --key acme.vkey --state agents-prod.seen
  indelible monitor https://log.example/agents-prod --key acme.vkey --state agents-prod.seen --json")]
pub(crate) struct Args {
    /// The published log: a directory, or an address that begins with https:// or http://
    #[arg(value_name = "DIR|URL")]
    pub(crate) log: String,
    /// The log's verifier key: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: String,
    /// Where the last good checkpoint is kept
    #[arg(long, value_name = "FILE")]
    pub(crate) state: PathBuf,
    /// How long an address may take to answer all that it is asked
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = approvals::duration)]
    pub(crate) timeout: i64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was seen.
#[derive(Debug, Serialize)]
struct Seen {
    origin: String,
    /// How many records the log had at the last look; none at the first.
    before: Option<u64>,
    tree_size: u64,
    root: String,
}

/// Looks once.
pub(crate) fn run(args: &Args) -> Outcome {
    let key = input::verifier_key(&args.key)?;
    let published = Published::new(&args.log, Duration::from_nanos(args.timeout.unsigned_abs()))?;
    let note = published.checkpoint()?;
    let new = Checkpoint::open(&note, &key)?;
    let tiles = TileNodes::new(new.size, |path: &str| published.tile(path));
    let before = match seen(&args.state)? {
        Some(old) => {
            let old = Checkpoint::open(&old, &key)?;
            if new.size < old.size {
                let reason = format!("it had {} records and now shows {}", old.size, new.size);
                return Err(Error::RolledBack { reason }.into());
            }
            let hashes =
                merkle::consistency_proof::<LogTree, _>(&tiles, old.size, new.size).map_err(unread)?;
            ExtensionProof { old_size: old.size, hashes, checkpoint: note.clone() }.verify(&old, &key)?;
            Some(old.size)
        }
        None => {
            let root = merkle::root_at::<LogTree, _>(&tiles, new.size).map_err(unread)?;
            if root != new.root {
                let reason = "its tiles do not lead to the checkpoint's root".to_owned();
                return Err(Error::Forged { what: "published log", reason }.into());
            }
            None
        }
    };
    keep(&args.state, &note)?;
    tell(args, &Seen { origin: new.origin, before, tree_size: new.size, root: new.root.to_string() })
}

fn tell(args: &Args, seen: &Seen) -> Outcome {
    let mut out = Out::stdout();
    if args.json {
        out.json(seen)?;
    } else {
        let size = output::count(seen.tree_size);
        let line = match seen.before {
            None => format!("{}: {size} records, seen for the first time", seen.origin),
            Some(before) if before == seen.tree_size => format!("{}: {size} records, as before", seen.origin),
            Some(before) => {
                let before = output::count(before);
                format!("{}: {size} records, proven to continue the {before} of before", seen.origin)
            }
        };
        out.line(output::escape_lines(&line))?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// The checkpoint of the last look.
fn seen(state: &Path) -> Outcome<Option<Note>> {
    match fs::metadata(state) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Io(format!("read {}", state.display()), error)),
        Ok(_) => input::note(state).map(Some),
    }
}

/// Remembers a checkpoint, in one step.
fn keep(state: &Path, note: &Note) -> Outcome<()> {
    let beside = state.with_extension("new");
    let written = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(note.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, state)
    };
    written().map_err(Failure::io(format!("write {}", state.display())))
}

/// A tile that could not be read, or is none.
fn unread(error: TileError<Failure>) -> Failure {
    match error {
        TileError::Fetch(failure) => failure,
        TileError::Length { path, len } => {
            let reason = format!("{path} has {len} bytes, which is not the length of its width");
            Error::Forged { what: "published log", reason }.into()
        }
        TileError::NoSuchNode => {
            Error::Forged { what: "published log", reason: "its tree is not as large as it says".to_owned() }
                .into()
        }
    }
}
