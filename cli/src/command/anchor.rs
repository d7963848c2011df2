//! `indelible anchor`: the places outside the store that get a copy of each checkpoint.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::anchors::{self, Place};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out, Table};

/// Name places outside the store that get a copy of each checkpoint, and that the store is compared with
///
/// Whoever puts back an older copy of a store puts its older checkpoint back too, and the store itself cannot tell. A copy
/// elsewhere can: a folder on another disk or another machine, or a command that sends the checkpoint away. Each new
/// checkpoint goes to all anchors. `verify`, and whatever writes to a store, compare it with the folders: one that is behind
/// is rolled back (exit code 13), one with another history is forged (11). The list is kept in your configuration folder
/// and holds for all your logs; several may share a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible anchor add nas /mnt/nas/checkpoints
  indelible anchor add mail --command 'mail -s checkpoint auditor@acme.example'
  indelible checkpoint --watch
  indelible verify")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Name a folder or a command
    #[command(after_help = "Examples:
  indelible anchor add nas /mnt/nas/checkpoints
  indelible anchor add bucket --command 'aws s3 cp - s3://acme-audit/$(date +%s).checkpoint'")]
    Add {
        /// What to call it
        name: String,
        /// The folder: one file a checkpoint, named by origin and size, and never written over
        #[arg(value_name = "DIR", required_unless_present = "command")]
        folder: Option<PathBuf>,
        /// A command for the shell instead: it gets each checkpoint on stdin, and has 30 s for it. The store cannot be
        /// compared with what it was given
        #[arg(long, value_name = "COMMAND", conflicts_with = "folder")]
        command: Option<String>,
    },
    /// List the anchors
    #[command(after_help = "Example:\n  indelible anchor list --json")]
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Take an anchor off the list; what it holds stays
    #[command(after_help = "Example:\n  indelible anchor remove nas")]
    Remove {
        /// What it is called
        name: String,
    },
}

/// Does what was asked for.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    match &args.what {
        What::Add { name, folder, command } => {
            let place = match (folder, command) {
                (_, Some(command)) => Place::Command(command.clone()),
                (folder, None) => Place::Folder(outside(folder.clone().unwrap_or_default(), store)?),
            };
            anchors::add(name, place)?;
            output::say(format_args!("anchor {name} gets a copy of each new checkpoint"));
        }
        What::Remove { name } => anchors::remove(name)?,
        What::List { json } => list(*json)?,
    }
    Ok(Code::Clean)
}

/// The folder, where it would not be put back together with the store.
fn outside(folder: PathBuf, store: &Path) -> Outcome<PathBuf> {
    if anchors::is_within(&folder, store) {
        let reason =
            format!("{} is in the store: who puts back an older store puts it back too", folder.display());
        return Err(Failure::Usage(reason));
    }
    Ok(folder)
}

fn list(as_json: bool) -> Outcome<()> {
    let known = anchors::list()?;
    let mut out = Out::stdout();
    if as_json {
        let row = |(name, place): (&String, &Place)| match place {
            Place::Folder(folder) => json!({ "name": name, "folder": folder }),
            Place::Command(command) => json!({ "name": name, "command": command }),
        };
        out.json(&known.iter().map(row).collect::<Vec<Value>>())?;
    } else if known.is_empty() {
        output::say("no anchor is known; name one with `indelible anchor add NAME DIR`");
    } else {
        let mut table = Table::new(&["anchor", "kind", "place"]);
        for (name, place) in known {
            let kind = if matches!(place, Place::Folder(_)) { "folder" } else { "command" };
            table.row([name, kind.to_owned(), place.to_string()]);
        }
        table.print(&mut out)?;
    }
    out.finish()
}
