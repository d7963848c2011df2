//! `indelible publish`: the log as plain files that any web server can serve.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use indelible::trust::{Checkpoint, Note};
use indelible::{Error, Resource, Snapshot, limits};
use serde::Serialize;

use crate::apart;
use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::new_file;
use crate::open;
use crate::output::{self, Out};
use crate::signal::Stop;

/// Publish the log as static files, for any web server
///
/// C2SP tlog-tiles: the tree's hashes and the last checkpoint, which must be signed already. Only digests are published,
/// unless --entries is given: then also each record's source, time, length and labels, never an event. Run it again to
/// bring the directory up to date; what was published is never changed, and the checkpoint comes last, so that a run
/// that was cut off leaves the directory as it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible checkpoint && indelible publish /srv/www/agents-prod
  indelible publish /srv/www/agents-prod --entries
  indelible monitor /srv/www/agents-prod --key acme.vkey --state agents-prod.seen")]
pub(crate) struct Args {
    /// The directory to publish to; made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Publish the entries too, that is what the log states of each record
    #[arg(long)]
    pub(crate) entries: bool,
    /// The checkpoint to publish [default: the last that the store keeps]
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was published.
#[derive(Debug, Default, Serialize)]
struct Published {
    tree_size: u64,
    /// How many records had been published before.
    before: u64,
    files: u64,
    len: u64,
}

/// Publishes.
pub(crate) fn run(path: &Path, args: &Args) -> Outcome {
    let store = open::to_read(path)?;
    apart::refuse_inside(path, &args.dir)?;
    apart::refuse_around(path, &args.dir)?;
    let note = match &args.checkpoint {
        Some(path) => input::note(path)?,
        None => store.last_checkpoint()?.ok_or_else(|| {
            Failure::Usage(
                "this store has no checkpoint yet; sign one with `indelible checkpoint`".to_owned(),
            )
        })?,
    };
    let snapshot = store.snapshot()?;
    let before = published(&args.dir, &note, &snapshot)?;
    let mut done =
        Published { tree_size: Checkpoint::decode(note.text())?.size, before, ..Published::default() };
    let stop = Stop::listen(|| ())?;
    let mut put = |resource: Result<Resource, Error>| -> Outcome<()> {
        if let Some(code) = stop.asked() {
            return Err(Failure::Told(code));
        }
        let Resource { path, bytes } = resource?;
        write(&args.dir, &path, &bytes)?;
        done.files += 1;
        done.len += bytes.len() as u64;
        Ok(())
    };
    for tile in snapshot.tiles(before, &note)? {
        put(tile)?;
    }
    // Where no entries have been published, all are new.
    let entries_before = if args.dir.join("tile/entries").is_dir() { before } else { 0 };
    if args.entries {
        for bundle in snapshot.entry_bundles(entries_before, &note)? {
            put(bundle)?;
        }
    }
    put(Ok(Resource { path: "checkpoint".to_owned(), bytes: note.to_string().into_bytes() }))?;
    let mut out = Out::stdout();
    if args.json {
        out.json(&done)?;
    } else {
        out.line(format_args!(
            "published {} of {}, {} of them new",
            output::counted(done.files, "file", "files"),
            output::counted(done.tree_size, "record", "records"),
            output::count(done.tree_size - done.before),
        ))?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// How many records the directory has already. It must be of this log's history: what was published is never taken
/// back.
fn published(dir: &Path, next: &Note, snapshot: &Snapshot) -> Outcome<u64> {
    let path = dir.join("checkpoint");
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        found => found.map_err(Failure::io(format!("read {}", path.display())))?,
    };
    let old = Checkpoint::decode(input::note(&path)?.text())?;
    let next = Checkpoint::decode(next.text())?;
    let refuse = |reason| Err(Error::RolledBack { reason }.into());
    if old.origin != next.origin {
        return refuse(format!("{} is published there, not {}", old.origin, next.origin));
    }
    if old.size > next.size || snapshot.root_at(old.size)? != old.root {
        return refuse(format!(
            "what is published at {} has {} records and is not continued by this checkpoint",
            dir.display(),
            old.size
        ));
    }
    Ok(old.size)
}

/// Puts a file in its place in one step. Published files are for everyone to read.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> Outcome<()> {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    let written = || {
        fs::create_dir_all(parent)?;
        new_file::replace(&path, bytes)?;
        File::open(parent)?.sync_all()
    };
    written().map_err(Failure::io(format!("write {}", path.display())))
}

/// Longest file of a published log that is read, in bytes: a full tile, or a note.
pub(crate) const RESOURCE_LEN_MAX: u64 = limits::NOTE_LEN_MAX as u64;
