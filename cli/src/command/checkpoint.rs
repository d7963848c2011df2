//! `indelible checkpoint`: signs the tree's size and root.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::exit::{Code, Outcome};
use crate::output::{self, Out};
use crate::signal::Stop;
use crate::{keys, open, show};

/// Sign the log's size and root, and print the signed note
///
/// The note is a C2SP checkpoint: keep it, or hand it to someone else, and nobody can rewrite what it covers
/// without being found out. The signer remembers what it signed, outside the store, and refuses a log that
/// does not continue it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible checkpoint > today.checkpoint
  indelible checkpoint --watch --every 60
  indelible verify --expect today.checkpoint --key acme.vkey")]
pub(crate) struct Args {
    /// The signing key file [default: the one that init made, in your configuration folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Sign again whenever the log has grown, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: how often to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "watch",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
}

/// Signs.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = store;
    let store = open::to_write(path)?;
    let signer = keys::signer(&store, args.signing_key.as_deref())?;
    let mut out = Out::stdout();
    let (wake, woken) = mpsc::channel();
    let stop = if args.watch {
        Some(Stop::listen(move || {
            let _ = wake.send(());
        })?)
    } else {
        None
    };
    let mut told = None;
    loop {
        // A log that has not grown needs no second signature; what another process signed is told all the same.
        let size = store.snapshot()?.tree_size();
        if told != Some(size) {
            let known = if args.watch { store.last_checkpoint()? } else { None };
            let note = match known {
                Some(note) if show::signed_size(&store)? == Some(size) => note,
                _ => store.checkpoint(&signer)?,
            };
            told = Some(size);
            out.line(output::escape_lines(&note.to_string()).trim_end())?;
            if args.watch {
                // Notes on one stream are told apart by an empty line.
                out.line("")?;
            }
            out.flush()?;
        }
        let Some(stop) = &stop else { break };
        let _ = woken.recv_timeout(Duration::from_secs(args.every));
        if let Some(code) = stop.asked() {
            store.close()?;
            out.finish()?;
            return Ok(code);
        }
    }
    store.close()?;
    out.finish()?;
    Ok(Code::Clean)
}
